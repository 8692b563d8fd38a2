use super::Registration;
use crate::{
    domain::{Seconds, Timestamp},
    keys::SecretHash,
    protocol::{ClientMetadata, Scope},
};

/// How a client comes to be; the default is that an administrator registers it for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Who registers it.
    pub registration: Registration,
    /// Until when it may go unused; None: for ever.
    pub lease_until: Option<Timestamp>,
    /// What it will manage its own registration with (RFC 7592), if it may.
    pub registration_access_token: Option<SecretHash>,
}

/// What can be asked of a client.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientCommand {
    /// Begin to exist.
    Register {
        /// What is registered about it.
        metadata: ClientMetadata,
        /// Its secret, if it authenticates with one.
        secret: Option<SecretHash>,
        /// How it comes to be.
        origin: Origin,
    },
    /// Replace what is registered about it.
    Update {
        /// The whole of it, as it is to be.
        metadata: ClientMetadata,
    },
    /// Replace what the client says of itself (RFC 7592 §2.2). What administrators decide about it stays.
    UpdateBySelf {
        /// What it says of itself, the whole of it.
        metadata: ClientMetadata,
        /// The scopes that a client may give itself.
        self_registrable: Scope,
    },
    /// Note that it was used, when a lease waits for that.
    Use,
    /// Let it go unused for so long from now on, unless most of that time is still to come.
    ExtendLease {
        /// How long.
        length: Seconds,
    },
    /// Vouch for it.
    Verify,
    /// Vouch for it no more.
    WithdrawVerification,
    /// Take note of what its document says, and that the document is there.
    RecordDocument {
        /// What it says.
        metadata: ClientMetadata,
        /// SHA-256 of it, 64 hexadecimal digits.
        document_sha256: String,
    },
    /// Take note that its document is gone.
    WithdrawDocument,
    /// Accept a second secret beside the first.
    StartSecretRotation {
        /// The next secret.
        secret: SecretHash,
    },
    /// Accept this secret and no other.
    ReplaceSecret {
        /// The secret.
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
    /// End for good if the lease is over.
    DeleteIfLapsed,
}
