//! Which grant a (subject, client, organization) has: decided once, so that two first consents end up in one grant.

mod decide;
mod event;
mod state;
#[cfg(test)]
mod tests;

pub use decide::{GrantReservationDecider, Reserve};
pub use event::*;
pub use state::{GrantReservation, stream_of};
