use super::{ClientEvent, Standing};
use crate::{domain::Timestamp, keys::SecretHash, protocol::ClientMetadata};

/// A client, folded from its events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Client {
    pub(super) metadata: Option<ClientMetadata>,
    pub(super) secret: Option<SecretHash>,
    pub(super) next_secret: Option<SecretHash>,
    pub(super) suspended: bool,
    pub(super) deleted: bool,
    pub(super) standing: Standing,
    registration_access_token: Option<SecretHash>,
    registered_at: Option<Timestamp>,
    pub(super) document_sha256: Option<String>,
    document_seen_at: Option<Timestamp>,
}

impl Client {
    /// Whether it is registered and neither deleted nor lapsed.
    pub fn exists(&self, now: Timestamp) -> bool {
        self.is_registered() && !self.standing.is_lapsed(now)
    }

    /// Whether it may be issued anything, and what it holds is valid.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.exists(now) && !self.suspended && !self.is_withdrawn()
    }

    /// Whether it was registered and not deleted, though its lease may be over: its id is taken.
    pub fn is_registered(&self) -> bool {
        self.metadata.is_some()
    }

    /// Whether it is registered and suspended.
    pub fn is_suspended(&self) -> bool {
        self.is_registered() && self.suspended
    }

    /// Whether the document that it is read from is gone.
    pub fn is_withdrawn(&self) -> bool {
        self.standing.is_withdrawn()
    }

    /// When its document was last recorded.
    pub fn document_seen_at(&self) -> Option<Timestamp> {
        self.document_seen_at
    }

    /// How it came to be and what became of it.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// What is kept of the token that it manages its own registration with, if it may.
    pub fn registration_access_token(&self) -> Option<&SecretHash> {
        self.registration_access_token.as_ref()
    }

    /// Whether it existed and is gone for good. Its id is never given again.
    pub fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// What is registered about it; nothing when it does not exist.
    pub fn metadata(&self) -> Option<&ClientMetadata> {
        self.metadata.as_ref()
    }

    /// When it was registered; stays known after deletion.
    pub fn registered_at(&self) -> Option<Timestamp> {
        self.registered_at
    }

    /// The secrets that it may authenticate with now: the current one, then the next one while a rotation is underway.
    /// None for a client whose method is not a secret, even if it had one before.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretHash> {
        let in_use = self.metadata.as_ref().is_some_and(ClientMetadata::uses_secret);
        self.secret.iter().chain(&self.next_secret).filter(move |_| in_use)
    }

    /// Whether a second secret is good beside the first.
    pub fn is_rotating(&self) -> bool {
        self.next_secret.is_some()
    }

    pub(super) fn evolve(mut self, event: &ClientEvent, at: Timestamp) -> Self {
        self.standing.evolve(event);
        match event {
            ClientEvent::Registered { metadata, secret, registration_access_token, document_sha256, registration: _, lease_until: _ } => {
                self.metadata = Some(metadata.clone());
                self.secret.clone_from(secret);
                self.registration_access_token.clone_from(registration_access_token);
                self.registered_at = Some(at);
                self.document_sha256.clone_from(document_sha256);
                self.document_seen_at = document_sha256.as_ref().map(|_| at);
            }
            ClientEvent::Updated { metadata } => self.metadata = Some(metadata.clone()),
            ClientEvent::DocumentChanged { metadata, document_sha256 } => {
                self.metadata = Some(metadata.clone());
                self.document_sha256 = Some(document_sha256.clone());
                self.document_seen_at = Some(at);
            }
            ClientEvent::Reinstated {} => self.document_seen_at = Some(at),
            ClientEvent::SecretRotationStarted { secret } => self.next_secret = Some(secret.clone()),
            ClientEvent::SecretRotationCompleted {} => self.secret = self.next_secret.take().or(self.secret),
            ClientEvent::SecretRotationCancelled {} => self.next_secret = None,
            ClientEvent::Suspended {} => self.suspended = true,
            ClientEvent::Resumed {} => self.suspended = false,
            ClientEvent::Withdrawn {}
            | ClientEvent::Used {}
            | ClientEvent::LeaseExtended { .. }
            | ClientEvent::Verified {}
            | ClientEvent::VerificationWithdrawn {} => {}
            ClientEvent::Deleted {} => return Self { deleted: true, registered_at: self.registered_at, ..Self::default() },
        }
        self
    }
}
