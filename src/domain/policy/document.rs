use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// In a permission: every action of the resource. It stands alone.
pub const ALL_ACTIONS: &str = "*";

/// The policy as it is written and published, as a whole.
///
/// All three lists are there, so that leaving one out by mistake does not take everything away. A member that is not known
/// is an error, in a request and in the log: a policy that is understood in part could permit
/// more than it says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyDocument {
    /// What there is to protect, and what can be done with it.
    pub resources: Vec<PolicyResource>,
    /// What people may do.
    pub roles: Vec<PolicyRole>,
    /// What people can let clients do for them.
    pub scopes: Vec<PolicyScope>,
}

/// Something to protect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyResource {
    /// Its name, 1 to 255 bytes.
    #[cfg_attr(feature = "openapi", schema(example = "documents"))]
    pub resource: String,
    /// What it is, for administrators.
    #[serde(default)]
    pub description: String,
    /// What can be done with it, by name.
    #[cfg_attr(feature = "openapi", schema(example = json!(["read", "write"])))]
    pub actions: Vec<String>,
}

/// What people who have a role may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyRole {
    /// Its name, as the application attests it.
    #[cfg_attr(feature = "openapi", schema(example = "editor"))]
    pub role: String,
    /// What it is, for administrators.
    #[serde(default)]
    pub description: String,
    /// What it permits.
    #[serde(default)]
    pub permissions: Vec<PolicyPermission>,
}

/// What people can let a client do for them. A scope of OpenID Connect, `offline_access` and `full_access` can be
/// described here, and have no permissions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyScope {
    /// The scope token (RFC 6749 §3.3).
    #[cfg_attr(feature = "openapi", schema(example = "documents.read"))]
    pub scope: String,
    /// What it means for the person, when there is nothing in their language.
    #[cfg_attr(feature = "openapi", schema(example = "Read your documents"))]
    pub description: String,
    /// The same in other languages, by language tag (RFC 5646).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "openapi", schema(example = json!({"de": "Deine Dokumente lesen"})))]
    pub descriptions: BTreeMap<String, String>,
    /// What it permits; only who may do all of it can grant it.
    #[serde(default)]
    pub permissions: Vec<PolicyPermission>,
}

/// Some actions on one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyPermission {
    /// The resource.
    #[cfg_attr(feature = "openapi", schema(example = "documents"))]
    pub resource: String,
    /// Which actions; `*` alone: every one that the resource has.
    #[cfg_attr(feature = "openapi", schema(example = json!(["read"])))]
    pub actions: Vec<String>,
}
