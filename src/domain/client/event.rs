use serde::{Deserialize, Serialize};

use crate::{keys::SecretHash, protocol::ClientMetadata};

/// What happens to a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum ClientEvent {
    /// The client exists.
    #[serde(rename = "client.registered")]
    Registered {
        /// What is registered about it.
        metadata: ClientMetadata,
        /// Its secret, if it authenticates with one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<SecretHash>,
    },
    /// What is registered about it changed; the whole of it, as it is now.
    #[serde(rename = "client.updated")]
    Updated {
        /// What is registered about it now.
        metadata: ClientMetadata,
    },
    /// A second secret is good beside the first.
    #[serde(rename = "client.secret_rotation_started")]
    SecretRotationStarted {
        /// The next secret.
        secret: SecretHash,
    },
    /// The next secret is the only one.
    #[serde(rename = "client.secret_rotation_completed")]
    SecretRotationCompleted {},
    /// The next secret is forgotten.
    #[serde(rename = "client.secret_rotation_cancelled")]
    SecretRotationCancelled {},
    /// Nothing is issued to it and nothing of its is valid, until it is resumed.
    #[serde(rename = "client.suspended")]
    Suspended {},
    /// The suspension is over.
    #[serde(rename = "client.resumed")]
    Resumed {},
    /// It is gone for good, with everything it held.
    #[serde(rename = "client.deleted")]
    Deleted {},
}
