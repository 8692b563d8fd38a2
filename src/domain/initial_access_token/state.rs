use std::collections::BTreeSet;

use super::InitialAccessTokenEvent;
use crate::{
    domain::{ClientId, Timestamp},
    keys::SecretHash,
};

/// An initial access token, folded from its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InitialAccessToken {
    created: Option<Created>,
    used_for: BTreeSet<ClientId>,
    last_use: Option<ClientId>,
    revoked: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Created {
    at: Timestamp,
    expires_at: Timestamp,
    max_uses: u32,
    secret: SecretHash,
}

impl InitialAccessToken {
    /// Whether it was ever created.
    pub fn exists(&self) -> bool {
        self.created.is_some()
    }

    /// Whether it is good for nothing any more.
    pub fn is_revoked(&self) -> bool {
        self.revoked
    }

    /// Whether its time is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.created.as_ref().is_some_and(|created| created.expires_at <= now)
    }

    /// Whether it has let as many clients register as it may.
    pub fn is_used_up(&self) -> bool {
        self.created.as_ref().is_none_or(|created| u32::try_from(self.used_for.len()).is_ok_and(|uses| uses >= created.max_uses))
    }

    /// Whether it let this client register.
    pub fn was_used_for(&self, client_id: &ClientId) -> bool {
        self.used_for.contains(client_id)
    }

    /// The client that it was used for last.
    pub fn last_use(&self) -> Option<&ClientId> {
        self.last_use.as_ref()
    }

    /// When it was created.
    pub fn created_at(&self) -> Option<Timestamp> {
        self.created.as_ref().map(|created| created.at)
    }

    /// Until when it is good.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.created.as_ref().map(|created| created.expires_at)
    }

    /// What is kept of its secret half.
    pub fn secret(&self) -> Option<&SecretHash> {
        self.created.as_ref().map(|created| &created.secret)
    }

    pub(super) fn evolve(mut self, event: &InitialAccessTokenEvent, at: Timestamp) -> Self {
        match event {
            InitialAccessTokenEvent::Created { expires_at, max_uses, secret, name: _ } => {
                self.created = Some(Created { at, expires_at: *expires_at, max_uses: *max_uses, secret: secret.clone() });
            }
            InitialAccessTokenEvent::Used { client_id } => {
                self.used_for.insert(client_id.clone());
                self.last_use = Some(client_id.clone());
            }
            InitialAccessTokenEvent::Revoked {} => self.revoked = true,
        }
        self
    }
}
