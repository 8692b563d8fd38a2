//! One authorization request (RFC 6749 §4.1.1), from its arrival to the decision.

mod command;
mod consent;
mod decide;
mod event;
mod interaction;
mod judgement;
mod state;
#[cfg(test)]
mod tests;

pub use command::{AttestedSubject, AuthorizationCommand, Bounds};
pub use consent::consent_required;
pub use decide::{AuthorizationDecider, AuthorizationRefusal};
pub use event::*;
pub use interaction::{AuthorizationState, Next, next, silent_error};
pub use judgement::{Conclusion, Judgement, Known, Person, ScopeVerdict, conclude, judge};
pub use state::{Authorization, Decision};
