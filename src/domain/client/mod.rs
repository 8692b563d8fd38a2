//! Registered clients (RFC 6749 §2, RFC 7591).

mod event;

pub use event::*;
