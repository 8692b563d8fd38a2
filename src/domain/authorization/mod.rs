//! One authorization request (RFC 6749 §4.1.1), from its arrival to the decision.

mod command;
mod consent;
mod decide;
mod event;
mod interaction;
mod state;
#[cfg(test)]
mod tests;

pub use command::{AttestedSubject, AuthorizationCommand};
pub use consent::consent_required;
pub use decide::{AuthorizationDecider, AuthorizationRefusal};
pub use event::*;
pub use interaction::{AuthorizationState, Next, next, silent_error};
pub use state::{Authorization, Decision};
