use std::sync::Arc;

use super::{Policy, PolicyEvent};
use crate::domain::Timestamp;

/// The policy that is in force. Before one is published it is empty, and its version is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishedPolicy {
    version: u32,
    published_at: Option<Timestamp>,
    policy: Arc<Policy>,
}

impl PublishedPolicy {
    /// Its number; 0 before one is published.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// When it was published.
    pub fn published_at(&self) -> Option<Timestamp> {
        self.published_at
    }

    /// What it says.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Folds one event into the state.
    pub fn evolve(self, event: &PolicyEvent, at: Timestamp) -> Self {
        match event {
            PolicyEvent::Published { version, document } => {
                Self { version: *version, published_at: Some(at), policy: Arc::new(Policy::recorded(document.clone())) }
            }
        }
    }
}
