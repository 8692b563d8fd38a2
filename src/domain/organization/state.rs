use std::collections::BTreeMap;

use super::{ChangeNumber, OrganizationEvent, OrganizationPolicy};
use crate::domain::{ClientId, Timestamp};

/// An organization, folded from its events. One that nothing happened to lets every client in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Organization {
    policy: OrganizationPolicy,
    disconnected: BTreeMap<ClientId, Timestamp>,
    change: ChangeNumber,
    enforced: ChangeNumber,
}

impl Organization {
    /// Which clients may work in it.
    pub fn policy(&self) -> &OrganizationPolicy {
        &self.policy
    }

    /// When this client was disconnected last: what was allowed it before is over.
    pub fn disconnected_at(&self, client_id: &ClientId) -> Option<Timestamp> {
        self.disconnected.get(client_id).copied()
    }

    /// The last change that cut somebody off, or might have.
    pub fn change(&self) -> ChangeNumber {
        self.change
    }

    /// The last change of which everything that it cut off is revoked.
    pub fn enforced(&self) -> ChangeNumber {
        self.enforced
    }

    /// Whether grants that were cut off may not be revoked yet.
    pub fn is_pending(&self) -> bool {
        self.enforced < self.change
    }

    pub(super) fn evolve(mut self, event: &OrganizationEvent, at: Timestamp) -> Self {
        match event {
            OrganizationEvent::PolicySet { policy } => {
                self.policy = policy.clone();
                self.change = self.change.successor();
            }
            OrganizationEvent::ClientDisconnected { client_id } => {
                self.disconnected.insert(client_id.clone(), at);
                self.change = self.change.successor();
            }
            OrganizationEvent::Enforced { change } => self.enforced = self.enforced.max(*change),
        }
        self
    }
}
