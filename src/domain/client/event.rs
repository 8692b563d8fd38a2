use serde::{Deserialize, Serialize};

use super::Registration;
use crate::{domain::Timestamp, keys::SecretHash, protocol::ClientMetadata};

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
        /// How it came to be registered.
        #[serde(default, skip_serializing_if = "Registration::is_usual")]
        registration: Registration,
        /// Until when it may go unused; None: for ever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease_until: Option<Timestamp>,
        /// What it manages its own registration with (RFC 7592), if it may.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        registration_access_token: Option<SecretHash>,
        /// SHA-256 of the document that it was read from, 64 hexadecimal digits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        document_sha256: Option<String>,
    },
    /// What is registered about it changed; the whole of it, as it is now.
    #[serde(rename = "client.updated")]
    Updated {
        /// What is registered about it now.
        metadata: ClientMetadata,
    },
    /// The document that it is read from says something else.
    #[serde(rename = "client.document_changed")]
    DocumentChanged {
        /// What is registered about it now.
        metadata: ClientMetadata,
        /// SHA-256 of the document, 64 hexadecimal digits.
        document_sha256: String,
    },
    /// Its document is gone: nothing is issued to it and nothing of its is valid.
    #[serde(rename = "client.withdrawn")]
    Withdrawn {},
    /// Its document is back.
    #[serde(rename = "client.reinstated")]
    Reinstated {},
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
    /// It was used for the first time: its lease is of no matter any more.
    #[serde(rename = "client.used")]
    Used {},
    /// It may go unused for longer.
    #[serde(rename = "client.lease_extended")]
    LeaseExtended {
        /// Until when.
        lease_until: Timestamp,
    },
    /// An administrator vouches for it.
    #[serde(rename = "client.verified")]
    Verified {},
    /// Nobody vouches for it any more.
    #[serde(rename = "client.verification_withdrawn")]
    VerificationWithdrawn {},
    /// It is gone for good, with everything it held.
    #[serde(rename = "client.deleted")]
    Deleted {},
}

impl ClientEvent {
    /// An administrator registered a client, for good.
    pub fn registered(metadata: ClientMetadata, secret: Option<SecretHash>) -> Self {
        let registration = Registration::Administrator;
        Self::Registered { metadata, secret, registration, lease_until: None, registration_access_token: None, document_sha256: None }
    }
}
