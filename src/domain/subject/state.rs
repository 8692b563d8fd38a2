use std::collections::{BTreeMap, BTreeSet};

use super::{ErasureId, RoleChangeEffect, SubjectChange, SubjectEvent};
use crate::domain::{OrganizationId, Timestamp};

/// A person, folded from their events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    registered_at: Option<Timestamp>,
    roles: BTreeMap<Option<OrganizationId>, BTreeSet<String>>,
    left: BTreeMap<OrganizationId, Timestamp>,
    change: SubjectChange,
    pending: BTreeMap<Option<OrganizationId>, Pending>,
    erased: Option<ErasureId>,
    erasure_is_complete: bool,
}

/// What is still to be done to the grants in an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// By which change.
    pub change: SubjectChange,
    /// What.
    pub effect: RoleChangeEffect,
}

impl Subject {
    /// Whether the person was ever attested.
    pub fn exists(&self) -> bool {
        self.registered_at.is_some()
    }

    /// When the person was attested for the first time.
    pub fn registered_at(&self) -> Option<Timestamp> {
        self.registered_at
    }

    /// Their roles in an organization, or where there is none; None when nobody said which.
    pub fn roles(&self, organization_id: Option<&OrganizationId>) -> Option<&BTreeSet<String>> {
        self.roles.get(&organization_id.cloned())
    }

    /// When they left this organization last, with an end to what they had allowed there.
    pub fn left_at(&self, organization_id: &OrganizationId) -> Option<Timestamp> {
        self.left.get(organization_id).copied()
    }

    /// Whether they left this organization and were not seen in it since.
    pub fn has_left(&self, organization_id: &OrganizationId) -> bool {
        self.left.contains_key(organization_id) && !self.roles.contains_key(&Some(organization_id.clone()))
    }

    /// The last change that takes something away.
    pub fn change(&self) -> SubjectChange {
        self.change
    }

    /// Where something is still to be done to their grants.
    pub fn pending(&self) -> &BTreeMap<Option<OrganizationId>, Pending> {
        &self.pending
    }

    /// By which erasure they are to be forgotten, or were.
    pub fn erased(&self) -> Option<ErasureId> {
        self.erased
    }

    /// Whether they are to be forgotten and something of that is still to be done.
    pub fn is_being_erased(&self) -> bool {
        self.erased.is_some() && !self.erasure_is_complete
    }

    pub(super) fn evolve(mut self, event: &SubjectEvent, at: Timestamp) -> Self {
        match event {
            SubjectEvent::Registered {} => self.registered_at = Some(at),
            SubjectEvent::RolesSet { organization_id, roles, effect } => {
                self.roles.insert(organization_id.clone(), roles.clone());
                self.note(organization_id.clone(), *effect);
            }
            SubjectEvent::LeftOrganization { organization_id, effect } => {
                self.roles.remove(&Some(organization_id.clone()));
                if *effect != RoleChangeEffect::Keep {
                    self.left.insert(organization_id.clone(), at);
                }
                self.note(Some(organization_id.clone()), *effect);
            }
            SubjectEvent::Enforced { change } => self.pending.retain(|_, pending| pending.change > *change),
            SubjectEvent::Erased { erasure_id } => {
                let (registered_at, change) = (self.registered_at, self.change);
                self = Self { registered_at, change, erased: Some(*erasure_id), ..Self::default() };
            }
            SubjectEvent::ErasureCompleted { grants_ended: _ } => self.erasure_is_complete = true,
        }
        self
    }

    fn note(&mut self, organization_id: Option<OrganizationId>, effect: RoleChangeEffect) {
        if effect != RoleChangeEffect::Keep {
            self.change = self.change.successor();
            self.pending.insert(organization_id, Pending { change: self.change, effect });
        }
    }
}
