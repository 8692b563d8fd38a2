//! Trusted tokens that were used: one belongs to the first authorization request that it was presented for.

mod decide;
mod event;
mod stream;
#[cfg(test)]
mod tests;

pub use decide::{TrustedToken, TrustedTokenCommand, TrustedTokenDecider, TrustedTokenRefusal};
pub use event::*;
pub use stream::stream_of;
