use serde::{Deserialize, Serialize};

use crate::domain::Timestamp;

/// What happens to an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum IdempotencyKeyEvent {
    /// A request came with it, for the first time or after it had expired.
    #[serde(rename = "idempotency_key.used")]
    Used {
        /// Which operation of the API it called.
        operation: String,
        /// A keyed hash of what it asked for.
        request_hash: String,
        /// Until when it means this request.
        expires_at: Timestamp,
    },
}
