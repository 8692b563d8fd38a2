//! The write side of grantlog: what may happen, and the log it is written to.
//!
//! The modules are floors; each may use only those listed before it (`tests/src/tidy` checks this):
//! `protocol` and `jose` (strings in, types out; pure), `keys` (secrets at rest, signing keys),
//! `domain` (pure decisions and folds), `store` (the event log), `app` (the use cases).

pub mod app;
pub mod domain;
pub mod jose;
pub mod keys;
pub mod protocol;
pub mod store;
