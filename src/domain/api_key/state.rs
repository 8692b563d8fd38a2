use super::{ApiKeyEvent, Role};
use crate::{domain::Timestamp, keys::SecretHash};

/// An API key, folded from its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKey {
    created: Option<Created>,
    revoked_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Created {
    name: String,
    role: Role,
    audience: Option<String>,
    secret: SecretHash,
    at: Timestamp,
}

impl ApiKey {
    /// Whether it was ever created.
    pub fn exists(&self) -> bool {
        self.created.is_some()
    }

    /// Whether it was created and not revoked.
    pub fn is_live(&self) -> bool {
        self.exists() && !self.is_revoked()
    }

    /// Whether it is good for nothing any more.
    pub fn is_revoked(&self) -> bool {
        self.revoked_at.is_some()
    }

    /// What it is called.
    pub fn name(&self) -> Option<&str> {
        self.created.as_ref().map(|created| created.name.as_str())
    }

    /// What it may do, as long as it is live.
    pub fn role(&self) -> Option<Role> {
        self.created.as_ref().map(|created| created.role)
    }

    /// The audience whose tokens it may introspect.
    pub fn audience(&self) -> Option<&str> {
        self.created.as_ref().and_then(|created| created.audience.as_deref())
    }

    /// What is kept of its secret half.
    pub fn secret(&self) -> Option<&SecretHash> {
        self.created.as_ref().map(|created| &created.secret)
    }

    /// When it was created.
    pub fn created_at(&self) -> Option<Timestamp> {
        self.created.as_ref().map(|created| created.at)
    }

    /// When it was revoked.
    pub fn revoked_at(&self) -> Option<Timestamp> {
        self.revoked_at
    }

    pub(super) fn evolve(mut self, event: &ApiKeyEvent, at: Timestamp) -> Self {
        match event {
            ApiKeyEvent::Created { name, role, audience, secret } => {
                let (name, audience, secret) = (name.clone(), audience.clone(), secret.clone());
                self.created = Some(Created { name, role: *role, audience, secret, at });
            }
            ApiKeyEvent::Revoked {} => self.revoked_at = Some(at),
        }
        self
    }
}
