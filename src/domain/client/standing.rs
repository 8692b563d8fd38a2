use serde::{Deserialize, Serialize};

use super::ClientEvent;
use crate::domain::{Seconds, Timestamp};

/// How a client came to be registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// By an administrator.
    #[default]
    Administrator,
    /// By itself (RFC 7591).
    Dynamic,
    /// By the document that its id is the URL of.
    MetadataDocument,
    /// By an administrator, from another server.
    Imported,
}

impl Registration {
    /// Every way there is.
    pub const ALL: [Self; 4] = [Self::Administrator, Self::Dynamic, Self::MetadataDocument, Self::Imported];

    /// The way as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Dynamic => "dynamic",
            Self::MetadataDocument => "metadata_document",
            Self::Imported => "imported",
        }
    }

    /// Whether somebody of the operator's registered it, who answers for it.
    pub fn is_by_operator(self) -> bool {
        match self {
            Self::Administrator | Self::Imported => true,
            Self::Dynamic | Self::MetadataDocument => false,
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference to what decides whether a member is left out")]
    pub(super) fn is_usual(&self) -> bool {
        *self == Self::Administrator
    }
}

/// How a client came to be, and what became of it since: folded in the same way for decisions and for lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    registration: Registration,
    lease_until: Option<Timestamp>,
    used: bool,
    vouched_for: bool,
    withdrawn: bool,
}

impl Standing {
    /// How it was registered.
    pub fn registration(&self) -> Registration {
        self.registration
    }

    /// Until when it may go unused, if it may not do so for ever.
    pub fn lease_until(&self) -> Option<Timestamp> {
        self.lease_until
    }

    /// Whether a client with a lease was ever used. Of other clients it is not recorded.
    pub fn is_used(&self) -> bool {
        self.used
    }

    /// Whether an administrator vouches for it.
    pub fn is_verified(&self) -> bool {
        self.vouched_for || self.registration.is_by_operator()
    }

    /// Whether the document that it is read from is gone.
    pub fn is_withdrawn(&self) -> bool {
        self.withdrawn
    }

    /// Whether its first use is still to be recorded.
    pub fn awaits_use(&self) -> bool {
        self.lease_until.is_some() && !self.used
    }

    /// Whether its lease is over: it counts as not existing. A client that was used, or that an administrator vouches
    /// for, never lapses.
    pub fn is_lapsed(&self, now: Timestamp) -> bool {
        !self.used && !self.is_verified() && self.lease_until.is_some_and(|until| until <= now)
    }

    /// When a lease of this length has to end now, if half of the present one is over.
    pub(super) fn lease_to_come(&self, length: Seconds, now: Timestamp) -> Option<Timestamp> {
        let left = self.lease_until?.seconds_since(now);
        (!self.used && left * 2 < i64::from(length.0)).then(|| now.plus(length))
    }

    /// Folds one event.
    pub fn evolve(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::Registered {
                registration,
                lease_until,
                metadata: _,
                secret: _,
                registration_access_token: _,
                document_sha256: _,
            } => {
                *self = Self { registration: *registration, lease_until: *lease_until, ..Self::default() };
            }
            ClientEvent::Used {} => self.used = true,
            ClientEvent::LeaseExtended { lease_until } => self.lease_until = Some(*lease_until),
            ClientEvent::Withdrawn {} => self.withdrawn = true,
            ClientEvent::Reinstated {} => self.withdrawn = false,
            ClientEvent::Verified {} => self.vouched_for = true,
            ClientEvent::VerificationWithdrawn {} => self.vouched_for = false,
            ClientEvent::Deleted {} => *self = Self::default(),
            ClientEvent::Updated { .. }
            | ClientEvent::DocumentChanged { .. }
            | ClientEvent::SecretRotationStarted { .. }
            | ClientEvent::SecretRotationCompleted {}
            | ClientEvent::SecretRotationCancelled {}
            | ClientEvent::Suspended {}
            | ClientEvent::Resumed {} => {}
        }
    }
}
