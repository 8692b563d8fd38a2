//! Client assertions that were used: a `jti` is good once (RFC 7523 §3).

mod decide;
mod event;
mod stream;
#[cfg(test)]
mod tests;

pub use decide::{ClientAssertion, ClientAssertionCommand, ClientAssertionDecider, ClientAssertionRefusal};
pub use event::*;
pub use stream::stream_of;
