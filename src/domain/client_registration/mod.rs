//! Which client a public description of a client is registered as: decided once, so that registering the same over and
//! over again makes one client.

mod decide;
mod event;
mod stream;
#[cfg(test)]
mod tests;

pub use decide::{AssignClient, ClientRegistration, ClientRegistrationDecider};
pub use event::*;
pub use stream::stream_of;
