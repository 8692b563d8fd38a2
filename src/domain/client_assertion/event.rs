use serde::{Deserialize, Serialize};

use crate::domain::{ClientId, Timestamp};

/// What happens to a client assertion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum ClientAssertionEvent {
    /// It authenticated its client.
    #[serde(rename = "client_assertion.used")]
    Used {
        /// Whom.
        client_id: ClientId,
        /// Until when it would have been good.
        expires_at: Timestamp,
    },
}
