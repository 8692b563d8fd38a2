//! Access tokens of machine clients (OAuth 2.1 §4.2): each a stream of its own, so issuing never contends.

mod decide;
mod event;
mod state;
#[cfg(test)]
mod tests;

pub use decide::{MachineTokenCommand, MachineTokenDecider, MachineTokenRefusal};
pub use event::*;
pub use state::{IssuedMachineToken, MachineToken};
