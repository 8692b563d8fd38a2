//! Registered clients (RFC 6749 §2, RFC 7591).

mod command;
mod decide;
mod event;
mod state;
#[cfg(test)]
mod tests;

pub use command::ClientCommand;
pub use decide::{ClientDecider, ClientRefusal};
pub use event::*;
pub use state::Client;
