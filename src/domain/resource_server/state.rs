use super::ResourceServerEvent;
use crate::{domain::Timestamp, protocol::ResourceServerSettings};

/// A resource server, folded from its events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceServer {
    settings: Option<ResourceServerSettings>,
    registered_at: Option<Timestamp>,
}

impl ResourceServer {
    /// What is registered about it; nothing when it does not exist.
    pub fn settings(&self) -> Option<&ResourceServerSettings> {
        self.settings.as_ref()
    }

    /// When it was registered last.
    pub fn registered_at(&self) -> Option<Timestamp> {
        self.registered_at
    }

    pub(super) fn evolve(mut self, event: &ResourceServerEvent, at: Timestamp) -> Self {
        match event {
            ResourceServerEvent::Registered { settings } => {
                self.settings = Some(settings.clone());
                self.registered_at = Some(at);
            }
            ResourceServerEvent::Updated { settings } => self.settings = Some(settings.clone()),
            ResourceServerEvent::Deleted {} => self.settings = None,
        }
        self
    }
}
