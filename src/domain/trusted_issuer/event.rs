use serde::{Deserialize, Serialize};

use crate::protocol::TrustedIssuerSettings;

/// What happens to a trusted issuer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum TrustedIssuerEvent {
    /// Its tokens are trusted.
    #[serde(rename = "trusted_issuer.registered")]
    Registered {
        /// What is registered about it.
        settings: TrustedIssuerSettings,
    },
    /// What is registered about it changed; the whole of it, as it is now.
    #[serde(rename = "trusted_issuer.updated")]
    Updated {
        /// What is registered about it now.
        settings: TrustedIssuerSettings,
    },
    /// Its tokens are not trusted any more.
    #[serde(rename = "trusted_issuer.deleted")]
    Deleted {},
}
