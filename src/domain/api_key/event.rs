use serde::{Deserialize, Serialize};

use crate::keys::SecretHash;

/// What an API key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Manage clients, keys and grants.
    Admin,
    /// Attest subjects and record their decisions.
    Consent,
    /// Introspect tokens meant for it.
    ResourceServer,
    /// Read the history.
    Auditor,
}

impl Role {
    /// The role as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Consent => "consent",
            Self::ResourceServer => "resource_server",
            Self::Auditor => "auditor",
        }
    }
}

/// What happens to an API key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum ApiKeyEvent {
    /// It exists.
    #[serde(rename = "api_key.created")]
    Created {
        /// What it is called.
        name: String,
        /// What it may do.
        role: Role,
        /// For a resource server: the audience whose tokens it may introspect.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        audience: Option<String>,
        /// Its secret half.
        secret: SecretHash,
    },
    /// It is good for nothing any more.
    #[serde(rename = "api_key.revoked")]
    Revoked {},
}
