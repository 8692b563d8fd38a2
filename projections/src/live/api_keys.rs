//! The API keys that are good for something.

use std::{collections::BTreeMap, sync::Arc};

use grantlog_core::domain::{
    ApiKeyId, Timestamp,
    api_key::{ApiKeyEvent, Role},
};
use serde::{Deserialize, Serialize};

/// An API key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyView {
    /// Which.
    pub id: ApiKeyId,
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// For a resource server: the audience whose tokens it may introspect.
    pub audience: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct ApiKeys(BTreeMap<ApiKeyId, Arc<ApiKeyView>>);

impl ApiKeys {
    /// All of them, oldest first: ids are ordered by time.
    pub(super) fn list(&self) -> Vec<Arc<ApiKeyView>> {
        self.0.values().cloned().collect()
    }

    pub(super) fn apply(&mut self, id: ApiKeyId, event: ApiKeyEvent, time: Timestamp) {
        match event {
            ApiKeyEvent::Created { name, role, audience, secret: _ } => {
                self.0.insert(id, Arc::new(ApiKeyView { id, name, role, audience, created_at: time }));
            }
            ApiKeyEvent::Revoked {} => self.remove(id),
        }
    }

    pub(super) fn remove(&mut self, id: ApiKeyId) {
        self.0.remove(&id);
    }
}
