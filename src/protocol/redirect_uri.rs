//! Redirection endpoints (RFC 6749 §3.1.2, OAuth 2.1 §2.3).

use serde::{Deserialize, Serialize};

/// A redirect URI that was checked at the edge, in the very spelling it was registered or requested with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RedirectUri(pub(crate) String);

impl RedirectUri {
    /// The URI as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
