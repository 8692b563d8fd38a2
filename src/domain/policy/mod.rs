//! The RBAC policy: which resources, roles and scopes there are, and what a role or a scope permits.

mod changes;
mod compiled;
mod decide;
mod document;
mod event;
mod rules;
mod state;
mod verdict;

#[cfg(test)]
mod tests;

pub use changes::{PermissionChange, PolicyChanges};
pub use compiled::{Permissions, Policy};
pub use decide::{PolicyCommand, PolicyDecider, PolicyRefusal};
pub use document::{ALL_ACTIONS, PolicyDocument, PolicyPermission, PolicyResource, PolicyRole, PolicyScope};
pub use event::PolicyEvent;
pub use rules::{PolicyProblem, PolicyProblemCode};
pub use state::PublishedPolicy;
pub use verdict::{CheckDenial, FULL_ACCESS, OFFLINE_ACCESS, Obstacle, PermissionCheck, check_permission};

use super::{StreamId, StreamKind};

/// The stream that holds every version of the policy.
pub fn stream() -> StreamId {
    StreamId::new(StreamKind::Policy, "rbac")
}
