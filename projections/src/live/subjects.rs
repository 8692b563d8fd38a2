//! The people of whom roles are known, who left an organization, or who were erased.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

use grantlog_core::{
    domain::{
        OrganizationId, SubjectId, Timestamp,
        subject::{ErasureId, RoleChangeEffect, SubjectChange, SubjectEvent},
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
    erasure: Option<ErasureView>,
}

/// That a person was erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureView {
    /// Its id.
    pub id: ErasureId,
    /// Whom it is about, by the random id that the log knows them by.
    pub subject: SubjectId,
    /// When it was recorded.
    pub erased_at: Timestamp,
    /// Where in the log that stands.
    pub position: Position,
    /// Whether nothing of it is left to be done.
    pub is_complete: bool,
    /// How many grants were revoked because of it.
    pub grants_ended: u64,
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

    pub(super) fn is_erased(&self) -> bool {
        self.erasure.is_some()
    }

    fn is_pending(&self) -> bool {
        !self.pending.is_empty() || self.erasure.as_ref().is_some_and(|erasure| !erasure.is_complete)
    }

    fn evolve(&mut self, subject: SubjectId, event: SubjectEvent, at: Moment) {
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
            SubjectEvent::Erased { erasure_id: id } => {
                let (erased_at, position) = (at.time, at.position);
                let erasure = Some(ErasureView { id, subject, erased_at, position, is_complete: false, grants_ended: 0 });
                *self = Self { change: self.change, unreadable: self.unreadable, erasure, ..Self::default() };
            }
            SubjectEvent::ErasureCompleted { grants_ended } => {
                if let Some(erasure) = &mut self.erasure {
                    (erasure.is_complete, erasure.grants_ended) = (true, grants_ended);
                }
            }
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
    by_erasure: BTreeMap<ErasureId, SubjectId>,
}

impl Subjects {
    pub(super) fn get(&self, subject: SubjectId) -> Option<&Arc<SubjectView>> {
        self.by_id.get(&subject)
    }

    /// Those to whose grants something is still to be done, or who are not forgotten yet.
    pub(super) fn pending(&self) -> impl Iterator<Item = SubjectId> {
        self.pending.iter().copied()
    }

    /// The erasures after this one, in the order of their ids.
    pub(super) fn erasures(&self, after: Option<ErasureId>) -> impl Iterator<Item = &ErasureView> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let subjects = self.by_erasure.range((from, Bound::Unbounded));
        subjects.filter_map(|(_, subject)| self.by_id.get(subject)?.erasure.as_ref())
    }

    pub(super) fn erasure(&self, id: ErasureId) -> Option<&ErasureView> {
        self.by_id.get(self.by_erasure.get(&id)?)?.erasure.as_ref()
    }

    pub(super) fn erasure_of(&self, subject: SubjectId) -> Option<&ErasureView> {
        self.by_id.get(&subject)?.erasure.as_ref()
    }

    /// Takes note that a grant of somebody was revoked because they were erased.
    pub(super) fn note_grant_ended(&mut self, subject: SubjectId) {
        let erasure = self.by_id.get_mut(&subject).and_then(|view| Arc::make_mut(view).erasure.as_mut());
        // What is said at the end is what the certificate says.
        if let Some(erasure) = erasure.filter(|erasure| !erasure.is_complete) {
            erasure.grants_ended += 1;
        }
    }

    pub(super) fn apply(&mut self, subject: SubjectId, event: SubjectEvent, at: Moment) {
        // Most people are never more than registered, and need no room here.
        if !matches!(event, SubjectEvent::Registered {}) {
            self.change(subject, |view| view.evolve(subject, event, at));
        }
    }

    pub(super) fn close(&mut self, subject: SubjectId) {
        self.change(subject, |view| view.unreadable = true);
    }

    fn change(&mut self, subject: SubjectId, change: impl FnOnce(&mut SubjectView)) {
        let view = Arc::make_mut(self.by_id.entry(subject).or_default());
        if let Some(erasure) = &view.erasure {
            self.by_erasure.remove(&erasure.id);
        }
        change(view);
        if let Some(erasure) = &view.erasure {
            self.by_erasure.insert(erasure.id, subject);
        }
        if view.is_pending() {
            self.pending.insert(subject);
        } else {
            self.pending.remove(&subject);
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
        let pending = by_id.iter().filter(|(_, view)| view.is_pending()).map(|(id, _)| *id).collect();
        let by_erasure = by_id.iter().filter_map(|(id, view)| Some((view.erasure.as_ref()?.id, *id))).collect();
        Ok(Self { by_id, pending, by_erasure })
    }
}
