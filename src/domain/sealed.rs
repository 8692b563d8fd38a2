//! Personal data as it stands in an event: never in the clear.

use serde::{Deserialize, Serialize};

use super::SubjectId;

/// A personal value, sealed (AES-256-GCM) under the key of the subject it is about.
///
/// The key lives outside the log (`keys::vault`). When it is destroyed the value is gone, while the event, which only
/// ever held the ciphertext, stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Whose key opens it.
    #[serde(rename = "subject")]
    pub subject: SubjectId,
    /// Nonce (12 bytes), ciphertext and tag, base64url without padding.
    #[serde(rename = "box")]
    pub sealed: String,
}
