//! Signing keys: published before use, kept until the last token they signed has expired.

mod event;

pub use event::*;
