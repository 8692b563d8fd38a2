//! The registered resource servers.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use grantlog_core::{
    domain::{ResourceServerId, Timestamp, resource_server::ResourceServerEvent},
    protocol::{ResourceServerSettings, Scope},
    store::Position,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{InvalidCursor, Moment};

/// A resource server as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceServerView {
    /// Its public id.
    pub id: ResourceServerId,
    /// What is registered about it.
    #[serde(with = "crate::json")]
    pub settings: ResourceServerSettings,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// Where in the log: the order of lists.
    pub registered_position: Position,
}

/// Some resource servers, in the order they were registered in.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceServerPage {
    /// The resource servers.
    pub resource_servers: Vec<Arc<ResourceServerView>>,
    /// What to ask for the next page with; None when this is the last.
    pub next: Option<String>,
}

#[derive(Clone, Default)]
pub(super) struct ResourceServers {
    by_id: BTreeMap<ResourceServerId, Arc<ResourceServerView>>,
    by_position: BTreeMap<Position, ResourceServerId>,
    /// What some of them understands; made anew when one changes, which is rare.
    scopes: Arc<Scope>,
}

impl ResourceServers {
    fn new(by_id: BTreeMap<ResourceServerId, Arc<ResourceServerView>>) -> Self {
        let by_position = by_id.values().map(|server| (server.registered_position, server.id.clone())).collect();
        let scopes = by_id.values().flat_map(|server| server.settings.scopes.iter().cloned()).collect();
        Self { by_id, by_position, scopes: Arc::new(scopes) }
    }

    pub(super) fn get(&self, id: &ResourceServerId) -> Option<&Arc<ResourceServerView>> {
        self.by_id.get(id)
    }

    /// Every scope that some of them understands.
    pub(super) fn scopes(&self) -> Arc<Scope> {
        Arc::clone(&self.scopes)
    }

    /// All of them, in the order they were registered in.
    pub(super) fn list(&self) -> Vec<Arc<ResourceServerView>> {
        self.by_position.values().filter_map(|id| self.get(id)).cloned().collect()
    }

    /// The cursor is the position at which a page's last one was registered, as for clients.
    pub(super) fn page(&self, after: Option<&str>, limit: usize) -> Result<ResourceServerPage, InvalidCursor> {
        let from = match after {
            None => Bound::Unbounded,
            Some(cursor) => Bound::Excluded(Position(cursor.parse().map_err(|_| InvalidCursor)?)),
        };
        let mut following = self.by_position.range((from, Bound::Unbounded)).filter_map(|(_, id)| self.get(id));
        let resource_servers: Vec<_> = following.by_ref().take(limit).cloned().collect();
        let more = following.next().is_some();
        let next = resource_servers.last().filter(|_| more).map(|server| server.registered_position.0.to_string());
        Ok(ResourceServerPage { resource_servers, next })
    }

    pub(super) fn apply(&mut self, id: ResourceServerId, event: ResourceServerEvent, at: Moment) {
        match event {
            ResourceServerEvent::Registered { settings } => {
                let view = ResourceServerView { id: id.clone(), settings, registered_at: at.time, registered_position: at.position };
                self.by_id.insert(id, Arc::new(view));
            }
            ResourceServerEvent::Updated { settings } => {
                if let Some(server) = self.by_id.get_mut(&id) {
                    Arc::make_mut(server).settings = settings;
                }
            }
            ResourceServerEvent::Deleted {} => drop(self.by_id.remove(&id)),
        }
        self.index();
    }

    pub(super) fn remove(&mut self, id: &ResourceServerId) {
        self.by_id.remove(id);
        self.index();
    }

    fn index(&mut self) {
        *self = Self::new(std::mem::take(&mut self.by_id));
    }
}

impl Serialize for ResourceServers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.by_id.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ResourceServers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self::new)
    }
}
