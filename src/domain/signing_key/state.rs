use serde_json::Value;

use super::SigningKeyEvent;
use crate::{domain::Timestamp, jose::Algorithm};

/// A signing key, folded from its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SigningKey {
    generated: Option<Generated>,
    retired: Option<Retired>,
    revoked: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Generated {
    algorithm: Algorithm,
    public_jwk: Value,
    active_from: Timestamp,
}

/// When a key ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retired {
    pub(super) at: Timestamp,
    pub(super) published_until: Timestamp,
}

impl SigningKey {
    /// Whether it was ever generated.
    pub fn exists(&self) -> bool {
        self.generated.is_some()
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.generated.as_ref().map(|generated| generated.algorithm)
    }

    /// The public half, a JWK.
    pub fn public_jwk(&self) -> Option<&Value> {
        self.generated.as_ref().map(|generated| &generated.public_jwk)
    }

    /// When it begins to sign.
    pub fn active_from(&self) -> Option<Timestamp> {
        self.generated.as_ref().map(|generated| generated.active_from)
    }

    /// When it stops to sign.
    pub fn retired_at(&self) -> Option<Timestamp> {
        self.retired.map(|retired| retired.at)
    }

    /// Until when it is published, once that is known.
    pub fn published_until(&self) -> Option<Timestamp> {
        self.retired.map(|retired| retired.published_until)
    }

    /// Whether what it signed is void.
    pub fn is_revoked(&self) -> bool {
        self.revoked
    }

    /// Whether it signs at this moment.
    pub fn signs_at(&self, now: Timestamp) -> bool {
        !self.revoked && self.active_from().is_some_and(|from| from <= now) && self.retired_at().is_none_or(|end| now < end)
    }

    /// Whether it is published at this moment: from its generation on, so before it signs.
    pub fn is_published_at(&self, now: Timestamp) -> bool {
        !self.revoked && self.exists() && self.published_until().is_none_or(|end| now < end)
    }

    pub(super) fn retired(&self) -> Option<Retired> {
        self.retired
    }

    pub(super) fn evolve(mut self, event: &SigningKeyEvent) -> Self {
        match event {
            SigningKeyEvent::Generated { algorithm, public_jwk, active_from } => {
                self.generated = Some(Generated { algorithm: *algorithm, public_jwk: public_jwk.clone(), active_from: *active_from });
            }
            SigningKeyEvent::Retired { at, published_until } => {
                self.retired = Some(Retired { at: *at, published_until: *published_until });
            }
            SigningKeyEvent::Revoked {} => self.revoked = true,
        }
        self
    }
}
