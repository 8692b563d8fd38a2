//! One authorization request (RFC 6749 §4.1.1), from its arrival to the decision.

mod event;

pub use event::*;
