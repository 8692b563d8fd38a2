//! Every event store keeps the same promises, also to those who only see what the crate shows.

mod memory;
mod sqlite;
