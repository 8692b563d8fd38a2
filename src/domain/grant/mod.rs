//! What one subject allows one client (in one organization): consents, codes, token families, revocation.

mod command;
mod consent;
mod decide;
mod event;
#[cfg(test)]
mod properties;
mod retention;
mod state;
#[cfg(test)]
mod tests;

pub use command::*;
pub use consent::{EarlierConsent, asked_for};
pub use decide::{GrantDecider, GrantRefusal};
pub use event::*;
pub use retention::dispensable;
pub use state::{Family, Grant};
