//! The initial access tokens that are not revoked.

use std::{collections::BTreeMap, sync::Arc};

use grantlog_core::domain::{InitialAccessTokenId, Timestamp, initial_access_token::InitialAccessTokenEvent};
use serde::{Deserialize, Serialize};

/// An initial access token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitialAccessTokenView {
    /// Which.
    pub id: InitialAccessTokenId,
    /// What it is called.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// How many clients may be registered with it.
    pub max_uses: u32,
    /// How many were.
    pub uses: u32,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct InitialAccessTokens(BTreeMap<InitialAccessTokenId, Arc<InitialAccessTokenView>>);

impl InitialAccessTokens {
    /// All of them, oldest first: ids are ordered by time.
    pub(super) fn list(&self) -> Vec<Arc<InitialAccessTokenView>> {
        self.0.values().cloned().collect()
    }

    pub(super) fn apply(&mut self, id: InitialAccessTokenId, event: InitialAccessTokenEvent, time: Timestamp) {
        match event {
            InitialAccessTokenEvent::Created { name, expires_at, max_uses, secret: _ } => {
                self.0.insert(id, Arc::new(InitialAccessTokenView { id, name, created_at: time, expires_at, max_uses, uses: 0 }));
            }
            InitialAccessTokenEvent::Used { client_id: _ } => {
                if let Some(token) = self.0.get_mut(&id) {
                    let token = Arc::make_mut(token);
                    token.uses = token.uses.saturating_add(1);
                }
            }
            InitialAccessTokenEvent::Revoked {} => self.remove(id),
        }
    }

    pub(super) fn remove(&mut self, id: InitialAccessTokenId) {
        self.0.remove(&id);
    }
}
