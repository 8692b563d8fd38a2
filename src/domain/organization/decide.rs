use std::convert::Infallible;

use super::{ChangeNumber, Organization, OrganizationEvent, OrganizationPolicy};
use crate::domain::{ClientId, Decider, Timestamp};

/// What can be asked of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrganizationCommand {
    /// From now on this policy.
    SetPolicy {
        /// All of it.
        policy: OrganizationPolicy,
    },
    /// End what anybody allowed a client here.
    DisconnectClient {
        /// Which.
        client_id: ClientId,
    },
    /// Take note that everything that was cut off up to a change is revoked.
    NoteEnforced {
        /// The change.
        change: ChangeNumber,
    },
}

/// What may happen to an organization. Nothing is refused.
#[derive(Debug)]
pub struct OrganizationDecider;

impl Decider for OrganizationDecider {
    type State = Organization;
    type Command = OrganizationCommand;
    type Event = OrganizationEvent;
    type Refusal = Infallible;

    fn decide(organization: &Organization, command: &OrganizationCommand, _now: Timestamp) -> Result<Vec<OrganizationEvent>, Infallible> {
        Ok(match command {
            OrganizationCommand::SetPolicy { policy } if policy == organization.policy() => vec![],
            OrganizationCommand::SetPolicy { policy } => vec![OrganizationEvent::PolicySet { policy: policy.clone() }],
            // Each time anew: between two of them somebody may have connected it again.
            OrganizationCommand::DisconnectClient { client_id } => {
                vec![OrganizationEvent::ClientDisconnected { client_id: client_id.clone() }]
            }
            OrganizationCommand::NoteEnforced { change } if *change <= organization.enforced() => vec![],
            // Never more than there is: a change that is still to come must not count as done.
            OrganizationCommand::NoteEnforced { change } => {
                let change = (*change).min(organization.change());
                if change > organization.enforced() { vec![OrganizationEvent::Enforced { change }] } else { vec![] }
            }
        })
    }

    fn evolve(organization: Organization, event: &OrganizationEvent, at: Timestamp) -> Organization {
        organization.evolve(event, at)
    }
}
