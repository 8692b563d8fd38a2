use crate::{keys::SecretHash, protocol::ClientMetadata};

/// What can be asked of a client.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientCommand {
    /// Begin to exist.
    Register {
        /// What is registered about it.
        metadata: ClientMetadata,
        /// Its secret, if it authenticates with one.
        secret: Option<SecretHash>,
    },
    /// Replace what is registered about it.
    Update {
        /// The whole of it, as it is to be.
        metadata: ClientMetadata,
    },
    /// Accept a second secret beside the first.
    StartSecretRotation {
        /// The next secret.
        secret: SecretHash,
    },
    /// Accept only the next secret.
    CompleteSecretRotation,
    /// Forget the next secret.
    CancelSecretRotation,
    /// Stop issuing to it, and stop taking what was issued to it.
    Suspend,
    /// End the suspension.
    Resume,
    /// End for good.
    Delete,
}
