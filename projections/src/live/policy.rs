//! The RBAC policy in force.

use std::sync::Arc;

use grantlog_core::domain::{
    Timestamp,
    policy::{PolicyEvent, PublishedPolicy},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The policy in force; an empty one of version 0 before one is published.
#[derive(Clone, Default)]
pub(super) struct PolicyModel {
    current: Arc<PublishedPolicy>,
}

impl PolicyModel {
    pub(super) fn current(&self) -> Arc<PublishedPolicy> {
        Arc::clone(&self.current)
    }

    pub(super) fn apply(&mut self, event: &PolicyEvent, time: Timestamp) {
        self.current = Arc::new(Arc::unwrap_or_clone(std::mem::take(&mut self.current)).evolve(event, time));
    }

    /// Nothing is permitted by a policy that can't be read.
    pub(super) fn remove(&mut self) {
        *self = Self::default();
    }

    /// The event that made it what it is, and when; JSON, since the document's form is that of the log.
    fn origin(&self) -> Option<(String, Timestamp)> {
        let published_at = self.current.published_at()?;
        let event = PolicyEvent::Published { version: self.current.version(), document: self.current.policy().document().clone() };
        Some((serde_json::to_string(&event).ok()?, published_at))
    }
}

impl Serialize for PolicyModel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.origin().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PolicyModel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut model = Self::default();
        if let Some((event, published_at)) = Option::<(String, Timestamp)>::deserialize(deserializer)? {
            model.apply(&serde_json::from_str(&event).map_err(de::Error::custom)?, published_at);
        }
        Ok(model)
    }
}
