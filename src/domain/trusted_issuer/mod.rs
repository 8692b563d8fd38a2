//! Trusted issuers: login systems whose tokens pages without a backend may present.

mod decide;
mod event;
#[cfg(test)]
mod tests;

pub use decide::{TrustedIssuer, TrustedIssuerCommand, TrustedIssuerDecider, TrustedIssuerRefusal};
pub use event::*;
