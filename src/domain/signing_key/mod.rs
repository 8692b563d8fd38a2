//! Signing keys: published before use, kept until the last token they signed has expired.

mod decide;
mod event;
mod state;
#[cfg(test)]
mod tests;

pub use decide::{SigningKeyCommand, SigningKeyDecider, SigningKeyRefusal};
pub use event::*;
pub use state::SigningKey;
