//! The write side of grantlog: what may happen, and the log it is written to.
//!
//! The modules are floors; each may use those listed before it (`tests/tidy` holds the exact rules): `jose` and
//! `protocol` (strings in, types out; pure), `keys` (secrets at rest, signing keys), `domain` (pure decisions and
//! folds), `store` (the event log), `ledger` (its Merkle tree; pure), `app` (the use cases). Ids and moments (`domain::{id, time}`) are for everybody.

pub mod app;
pub mod domain;
pub mod jose;
pub mod keys;
pub mod ledger;
pub mod protocol;
pub mod store;
