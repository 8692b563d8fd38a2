use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{domain::Timestamp, jose::Algorithm};

/// What happens to a signing key. The stream's key is the `kid`. The private half is sealed outside the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum SigningKeyEvent {
    /// It was made and is published; it signs from `active_from` on.
    #[serde(rename = "signing_key.generated")]
    Generated {
        /// What it signs with.
        algorithm: Algorithm,
        /// The public half, a JWK (RFC 7517).
        public_jwk: Value,
        /// When it begins to sign.
        active_from: Timestamp,
    },
    /// It signs no more from `at` on, and is published until `published_until`.
    #[serde(rename = "signing_key.retired")]
    Retired {
        /// When it stops to sign.
        at: Timestamp,
        /// When the last token it signed has expired.
        published_until: Timestamp,
    },
    /// It is neither used nor published any more, and what it signed is void.
    #[serde(rename = "signing_key.revoked")]
    Revoked {},
}
