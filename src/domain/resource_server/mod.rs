//! Resource servers: the APIs that access tokens are for (RFC 8707).

mod decide;
mod event;
mod state;
#[cfg(test)]
mod tests;

pub use decide::{ResourceServerCommand, ResourceServerDecider, ResourceServerRefusal};
pub use event::*;
pub use state::ResourceServer;
