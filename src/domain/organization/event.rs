use serde::{Deserialize, Serialize};

use super::OrganizationPolicy;
use crate::domain::ClientId;

/// Numbers what cuts clients off in an organization, from 1: policies that were set, clients that were disconnected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChangeNumber(pub u32);

impl ChangeNumber {
    /// The next one.
    pub fn successor(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// What happens to an organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum OrganizationEvent {
    /// From here on this says which clients may work in it.
    #[serde(rename = "organization.policy_set")]
    PolicySet {
        /// All of it, as it is now.
        policy: OrganizationPolicy,
    },
    /// What anybody allowed the client here is over. They may allow it anew.
    #[serde(rename = "organization.client_disconnected")]
    ClientDisconnected {
        /// Which.
        client_id: ClientId,
    },
    /// The grants that were cut off by a change, or one before it, are revoked.
    #[serde(rename = "organization.enforced")]
    Enforced {
        /// The change: the first policy or disconnection of the organization is 1.
        change: ChangeNumber,
    },
}
