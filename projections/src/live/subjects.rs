//! The people of whom roles are known, or who left an organization.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use grantlog_core::{
    domain::{
        OrganizationId, SubjectId,
        subject::{RoleChangeEffect, SubjectChange, SubjectEvent},
    },
    store::Position,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Moment;

/// A person as last said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct SubjectView {
    roles: BTreeMap<Option<OrganizationId>, Arc<BTreeSet<String>>>,
    /// Where in the log they left an organization last, with an end to what they had allowed there.
    left: BTreeMap<OrganizationId, Position>,
    change: SubjectChange,
    /// Where something is still to be done to their grants, by which change.
    pending: BTreeMap<Option<OrganizationId>, SubjectChange>,
    /// Whether an event of theirs can't be read: nothing that they allowed counts.
    unreadable: bool,
}

impl SubjectView {
    pub(super) fn roles(&self, organization_id: Option<&OrganizationId>) -> Option<&Arc<BTreeSet<String>>> {
        self.roles.get(&organization_id.cloned())
    }

    pub(super) fn left_at(&self, organization_id: &OrganizationId) -> Option<Position> {
        self.left.get(organization_id).copied()
    }

    pub(super) fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    fn evolve(&mut self, event: SubjectEvent, at: Moment) {
        match event {
            SubjectEvent::Registered {} => {}
            SubjectEvent::RolesSet { organization_id, roles, effect } => {
                self.roles.insert(organization_id.clone(), Arc::new(roles));
                self.note(organization_id, effect);
            }
            SubjectEvent::LeftOrganization { organization_id, effect } => {
                let place = Some(organization_id.clone());
                self.roles.remove(&place);
                if effect != RoleChangeEffect::Keep {
                    self.left.insert(organization_id, at.position);
                }
                self.note(place, effect);
            }
            SubjectEvent::Enforced { change } => self.pending.retain(|_, pending| *pending > change),
        }
    }

    fn note(&mut self, organization_id: Option<OrganizationId>, effect: RoleChangeEffect) {
        if effect != RoleChangeEffect::Keep {
            self.change = SubjectChange(self.change.0.saturating_add(1));
            self.pending.insert(organization_id, self.change);
        }
    }
}

#[derive(Clone, Default)]
pub(super) struct Subjects {
    by_id: BTreeMap<SubjectId, Arc<SubjectView>>,
    pending: BTreeSet<SubjectId>,
}

impl Subjects {
    pub(super) fn get(&self, subject: SubjectId) -> Option<&Arc<SubjectView>> {
        self.by_id.get(&subject)
    }

    /// Those to whose grants something is still to be done.
    pub(super) fn pending(&self) -> impl Iterator<Item = SubjectId> {
        self.pending.iter().copied()
    }

    pub(super) fn apply(&mut self, subject: SubjectId, event: SubjectEvent, at: Moment) {
        // Most people are never more than registered, and need no room here.
        if !matches!(event, SubjectEvent::Registered {}) {
            self.change(subject, |view| view.evolve(event, at));
        }
    }

    pub(super) fn close(&mut self, subject: SubjectId) {
        self.change(subject, |view| view.unreadable = true);
    }

    fn change(&mut self, subject: SubjectId, change: impl FnOnce(&mut SubjectView)) {
        let view = Arc::make_mut(self.by_id.entry(subject).or_default());
        change(view);
        if view.pending.is_empty() {
            self.pending.remove(&subject);
        } else {
            self.pending.insert(subject);
        }
    }
}

impl Serialize for Subjects {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.by_id.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Subjects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let by_id = BTreeMap::<SubjectId, Arc<SubjectView>>::deserialize(deserializer)?;
        let pending = by_id.iter().filter(|(_, view)| !view.pending.is_empty()).map(|(id, _)| *id).collect();
        Ok(Self { by_id, pending })
    }
}
