//! Which grant a (subject, client, organization) has: decided once, so that two first consents end up in one grant.

mod event;

pub use event::*;
