use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::OrganizationId;

/// Numbers what takes something away from a person's grants, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubjectChange(pub u32);

impl SubjectChange {
    pub(super) fn successor(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// What a change of roles or memberships does to the grants that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleChangeEffect {
    /// Nothing.
    #[default]
    Keep,
    /// Each is cut back to what the roles still allow; those in an organization that was left end.
    Narrow,
    /// Those that lose something end.
    Revoke,
}

impl RoleChangeEffect {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands the field over by reference")]
    fn is_keep(&self) -> bool {
        *self == Self::Keep
    }
}

/// One erasure of a person; the certificate about it is named so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErasureId(pub Uuid);

impl fmt::Display for ErasureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ErasureId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// What happens to a subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum SubjectEvent {
    /// The person was attested for the first time.
    #[serde(rename = "subject.registered")]
    Registered {},
    /// From here on these are their roles in the organization, or where there is none. They are a member.
    #[serde(rename = "subject.roles_set")]
    RolesSet {
        /// Where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        organization_id: Option<OrganizationId>,
        /// All of them.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        roles: BTreeSet<String>,
        /// What it does to the grants that are there.
        #[serde(default, skip_serializing_if = "RoleChangeEffect::is_keep")]
        effect: RoleChangeEffect,
    },
    /// They are no member of the organization any more.
    #[serde(rename = "subject.left_organization")]
    LeftOrganization {
        /// Which.
        organization_id: OrganizationId,
        /// What it does to the grants that are there.
        #[serde(default, skip_serializing_if = "RoleChangeEffect::is_keep")]
        effect: RoleChangeEffect,
    },
    /// What a change, or one before it, took away is gone from their grants.
    #[serde(rename = "subject.enforced")]
    Enforced {
        /// The change: of those that take something away the first is 1.
        change: SubjectChange,
    },
    /// The person is to be forgotten: from here on nothing that they allowed is good, and whoever comes under their name is
    /// somebody else.
    #[serde(rename = "subject.erased")]
    Erased {
        /// What the certificate about it is named.
        erasure_id: ErasureId,
    },
    /// Their key is destroyed and their grants are revoked: nobody can tell any more who they were.
    #[serde(rename = "subject.erasure_completed")]
    ErasureCompleted {
        /// How many grants were revoked because of it.
        grants_ended: u64,
    },
}
