//! The organizations that said which clients may work in them, or disconnected one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use grantlog_core::{
    domain::{
        ClientId, OrganizationId,
        organization::{ChangeNumber, OrganizationEvent, OrganizationPolicy},
    },
    store::Position,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Moment;

/// An organization as it is now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OrganizationView {
    /// Which clients may work in it.
    #[serde(with = "crate::json")]
    pub policy: OrganizationPolicy,
    /// Where in the log a client was disconnected last: what was allowed it before is over.
    pub(super) disconnected: BTreeMap<ClientId, Position>,
    change: ChangeNumber,
    enforced: ChangeNumber,
    /// Whether an event of it can't be read: nothing in it counts as allowed.
    pub(super) unreadable: bool,
}

impl OrganizationView {
    /// Whether grants that are cut off may not be revoked yet.
    pub fn is_pending(&self) -> bool {
        self.enforced < self.change
    }

    fn evolve(&mut self, event: OrganizationEvent, at: Moment) {
        match event {
            OrganizationEvent::PolicySet { policy } => {
                self.policy = policy;
                self.change = self.change.successor();
            }
            OrganizationEvent::ClientDisconnected { client_id } => {
                self.disconnected.insert(client_id, at.position);
                self.change = self.change.successor();
            }
            OrganizationEvent::Enforced { change } => self.enforced = self.enforced.max(change),
        }
    }
}

#[derive(Clone, Default)]
pub(super) struct Organizations {
    by_id: BTreeMap<OrganizationId, Arc<OrganizationView>>,
    pending: BTreeSet<OrganizationId>,
}

impl Organizations {
    pub(super) fn get(&self, organization_id: &OrganizationId) -> Option<&Arc<OrganizationView>> {
        self.by_id.get(organization_id)
    }

    /// Those in which grants that are cut off may not be revoked yet.
    pub(super) fn pending(&self) -> impl Iterator<Item = &OrganizationId> {
        self.pending.iter()
    }

    pub(super) fn apply(&mut self, organization_id: OrganizationId, event: OrganizationEvent, at: Moment) {
        self.change(organization_id, |organization| organization.evolve(event, at));
    }

    pub(super) fn close(&mut self, organization_id: OrganizationId) {
        self.change(organization_id, |organization| organization.unreadable = true);
    }

    fn change(&mut self, organization_id: OrganizationId, change: impl FnOnce(&mut OrganizationView)) {
        let organization = Arc::make_mut(self.by_id.entry(organization_id.clone()).or_default());
        change(organization);
        if organization.is_pending() {
            self.pending.insert(organization_id);
        } else {
            self.pending.remove(&organization_id);
        }
    }
}

impl Serialize for Organizations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.by_id.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Organizations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let by_id = BTreeMap::<OrganizationId, Arc<OrganizationView>>::deserialize(deserializer)?;
        let pending = by_id.iter().filter(|(_, organization)| organization.is_pending()).map(|(id, _)| id.clone()).collect();
        Ok(Self { by_id, pending })
    }
}
