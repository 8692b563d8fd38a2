//! Access tokens of machine clients (OAuth 2.1 §4.2): each a stream of its own, so issuing never contends.

mod event;

pub use event::*;
