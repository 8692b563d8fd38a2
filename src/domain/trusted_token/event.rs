use serde::{Deserialize, Serialize};

use crate::domain::{AuthorizationId, Timestamp, TrustedIssuerId};

/// What happens to a trusted token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum TrustedTokenEvent {
    /// It was presented for an authorization request, and is good for no other.
    #[serde(rename = "trusted_token.bound")]
    Bound {
        /// Whose token it is.
        issuer: TrustedIssuerId,
        /// For which request.
        authorization_id: AuthorizationId,
        /// Until when it would be good.
        expires_at: Timestamp,
    },
}
