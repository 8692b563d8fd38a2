use std::{collections::BTreeSet, convert::Infallible};

use super::{ErasureId, RoleChangeEffect, Subject, SubjectChange, SubjectEvent};
use crate::domain::{Decider, OrganizationId, Timestamp};

/// What can be asked of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectCommand {
    /// Begin to exist, if it does not yet.
    Register,
    /// Take note of their roles, as they are now.
    SetRoles {
        /// Where.
        organization_id: Option<OrganizationId>,
        /// All of them.
        roles: BTreeSet<String>,
        /// What a change does to the grants that are there.
        effect: RoleChangeEffect,
    },
    /// Be no member of an organization any more.
    LeaveOrganization {
        /// Which.
        organization_id: OrganizationId,
        /// What it does to the grants that are there.
        effect: RoleChangeEffect,
    },
    /// Take note that what was taken away up to a change is gone from their grants.
    NoteEnforced {
        /// The change.
        change: SubjectChange,
    },
    /// Be forgotten.
    Erase {
        /// What the certificate about it will be named.
        erasure_id: ErasureId,
    },
    /// Take note that nothing of the erasure is left to be done.
    CompleteErasure {
        /// How many grants were revoked because of it.
        grants_ended: u64,
    },
}

/// What may happen to a subject. Nothing is refused.
#[derive(Debug)]
pub struct SubjectDecider;

impl Decider for SubjectDecider {
    type State = Subject;
    type Command = SubjectCommand;
    type Event = SubjectEvent;
    type Refusal = Infallible;

    fn decide(subject: &Subject, command: &SubjectCommand, _now: Timestamp) -> Result<Vec<SubjectEvent>, Infallible> {
        Ok(match command {
            SubjectCommand::Register if subject.exists() => vec![],
            SubjectCommand::Register => vec![SubjectEvent::Registered {}],
            // What is erased is erased once, and under the first name.
            SubjectCommand::Erase { .. } if subject.erased().is_some() => vec![],
            SubjectCommand::Erase { erasure_id } if subject.exists() => vec![SubjectEvent::Erased { erasure_id: *erasure_id }],
            // The vault knows them, and the first event about them is still on its way.
            SubjectCommand::Erase { erasure_id } => vec![SubjectEvent::Registered {}, SubjectEvent::Erased { erasure_id: *erasure_id }],
            SubjectCommand::CompleteErasure { grants_ended } if subject.is_being_erased() => {
                vec![SubjectEvent::ErasureCompleted { grants_ended: *grants_ended }]
            }
            SubjectCommand::CompleteErasure { .. } => vec![],
            // Nothing more is learnt of somebody who is forgotten.
            _ if subject.erased().is_some() => vec![],
            SubjectCommand::SetRoles { organization_id, roles, effect } => set_roles(subject, organization_id.as_ref(), roles, *effect),
            // A person who left already, and was not seen there since, leaves nothing.
            SubjectCommand::LeaveOrganization { organization_id, .. } if !subject.exists() || subject.has_left(organization_id) => vec![],
            SubjectCommand::LeaveOrganization { organization_id, effect } => {
                vec![SubjectEvent::LeftOrganization { organization_id: organization_id.clone(), effect: *effect }]
            }
            SubjectCommand::NoteEnforced { change } if subject.pending().values().any(|pending| pending.change <= *change) => {
                vec![SubjectEvent::Enforced { change: (*change).min(subject.change()) }]
            }
            SubjectCommand::NoteEnforced { .. } => vec![],
        })
    }

    fn evolve(subject: Subject, event: &SubjectEvent, at: Timestamp) -> Subject {
        subject.evolve(event, at)
    }
}

fn set_roles(
    subject: &Subject,
    organization_id: Option<&OrganizationId>,
    roles: &BTreeSet<String>,
    effect: RoleChangeEffect,
) -> Vec<SubjectEvent> {
    let is_known = match subject.roles(organization_id) {
        Some(known) => known == roles,
        // Whoever has no roles and never had any is not worth an event; whoever comes back is.
        None => roles.is_empty() && !organization_id.is_some_and(|organization| subject.has_left(organization)),
    };
    if is_known || !subject.exists() {
        return vec![];
    }
    // Roles that nobody knew before take nothing away, and neither do more of them.
    let takes_away = subject.roles(organization_id).is_none_or(|known| !known.is_subset(roles));
    let effect = if takes_away { effect } else { RoleChangeEffect::Keep };
    vec![SubjectEvent::RolesSet { organization_id: organization_id.cloned(), roles: roles.clone(), effect }]
}
