//! Client assertions that were used: a `jti` is good once (RFC 7523 §3).

mod event;

pub use event::*;
