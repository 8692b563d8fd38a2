//! The registered clients.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use grantlog_core::{
    domain::{
        ClientId, OrganizationId, Timestamp,
        client::{ClientEvent, Registration, Standing},
    },
    protocol::ClientMetadata,
    store::Position,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Moment;

/// A client as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientView {
    /// Its public identifier.
    pub client_id: ClientId,
    /// What is registered about it.
    #[serde(with = "crate::json")]
    pub metadata: ClientMetadata,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// Where in the log: the order of lists.
    pub registered_position: Position,
    /// Whether nothing of its is valid until it is resumed.
    pub suspended: bool,
    /// Whether a second secret is good beside the first.
    pub has_next_secret: bool,
    /// SHA-256 of its metadata document, 64 hexadecimal digits, if it is read from one.
    pub document_sha256: Option<String>,
    /// How it came to be, and what became of it since.
    pub standing: Standing,
}

/// Some clients, in the order they were registered in.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientPage {
    /// The clients.
    pub clients: Vec<Arc<ClientView>>,
    /// What to ask for the next page with; None when this is the last.
    pub next: Option<String>,
}

/// Which clients are asked for; all of them, when nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFilter {
    /// Those that came to be registered in this way.
    pub registration: Option<Registration>,
    /// Those that belong to this organization.
    pub organization_id: Option<OrganizationId>,
}

impl ClientFilter {
    fn lets_through(&self, client: &ClientView) -> bool {
        let organization = &client.metadata.organization_id;
        self.registration.is_none_or(|registration| client.standing.registration() == registration)
            && self.organization_id.as_ref().is_none_or(|asked| organization.as_ref() == Some(asked))
    }
}

/// A cursor that is none of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that a page ended with")]
pub struct InvalidCursor;

#[derive(Clone, Default)]
pub(super) struct Clients {
    by_id: BTreeMap<ClientId, Arc<ClientView>>,
    by_position: BTreeMap<Position, ClientId>,
}

impl Clients {
    pub(super) fn get(&self, client_id: &ClientId) -> Option<&Arc<ClientView>> {
        self.by_id.get(client_id)
    }

    /// Whether what it holds may be valid: it is registered and not suspended.
    pub(super) fn is_active(&self, client_id: &ClientId) -> bool {
        self.get(client_id).is_some_and(|client| !client.suspended && !client.standing.is_withdrawn())
    }

    /// The cursor is the position at which a page's last client was registered: clients that come or go meanwhile move
    /// nothing.
    pub(super) fn page(
        &self,
        after: Option<&str>,
        limit: usize,
        filter: &ClientFilter,
        now: Timestamp,
    ) -> Result<ClientPage, InvalidCursor> {
        let from = match after {
            None => Bound::Unbounded,
            Some(cursor) => Bound::Excluded(Position(cursor.parse().map_err(|_| InvalidCursor)?)),
        };
        let is_meant = |client: &&Arc<ClientView>| !client.standing.is_lapsed(now) && filter.lets_through(client);
        let mut following = self.by_position.range((from, Bound::Unbounded)).filter_map(|(_, id)| self.get(id)).filter(is_meant);
        let clients: Vec<_> = following.by_ref().take(limit).cloned().collect();
        let more = following.next().is_some();
        let next = clients.last().filter(|_| more).map(|client| client.registered_position.0.to_string());
        Ok(ClientPage { clients, next })
    }

    /// Those whose lease is over, and that nobody has cleared away yet.
    pub(super) fn lapsed(&self, now: Timestamp) -> Vec<ClientId> {
        self.by_id.values().filter(|client| client.standing.is_lapsed(now)).map(|client| client.client_id.clone()).collect()
    }

    pub(super) fn apply(&mut self, client_id: ClientId, event: ClientEvent, at: Moment) {
        let mut standing = self.get(&client_id).map(|client| client.standing).unwrap_or_default();
        standing.evolve(&event);
        match event {
            ClientEvent::Registered { metadata, document_sha256, .. } => self.register(client_id, metadata, document_sha256, standing, at),
            ClientEvent::Updated { metadata } => self.change(&client_id, |client| client.metadata = metadata),
            ClientEvent::DocumentChanged { metadata, document_sha256 } => self.change(&client_id, |client| {
                client.metadata = metadata;
                client.document_sha256 = Some(document_sha256);
            }),
            ClientEvent::SecretRotationStarted { secret: _ } => self.change(&client_id, |client| client.has_next_secret = true),
            ClientEvent::SecretRotationCompleted {} | ClientEvent::SecretRotationCancelled {} => {
                self.change(&client_id, |client| client.has_next_secret = false);
            }
            ClientEvent::Suspended {} => self.change(&client_id, |client| client.suspended = true),
            ClientEvent::Resumed {} => self.change(&client_id, |client| client.suspended = false),
            ClientEvent::Withdrawn {}
            | ClientEvent::Reinstated {}
            | ClientEvent::Used {}
            | ClientEvent::LeaseExtended { .. }
            | ClientEvent::Verified {}
            | ClientEvent::VerificationWithdrawn {} => {
                self.change(&client_id, |client| client.standing = standing);
            }
            ClientEvent::Deleted {} => self.remove(&client_id),
        }
    }

    fn register(&mut self, client_id: ClientId, metadata: ClientMetadata, document_sha256: Option<String>, standing: Standing, at: Moment) {
        self.remove(&client_id);
        self.by_position.insert(at.position, client_id.clone());
        let client = ClientView {
            client_id: client_id.clone(),
            metadata,
            registered_at: at.time,
            registered_position: at.position,
            suspended: false,
            has_next_secret: false,
            document_sha256,
            standing,
        };
        self.by_id.insert(client_id, Arc::new(client));
    }

    fn change(&mut self, client_id: &ClientId, change: impl FnOnce(&mut ClientView)) {
        if let Some(client) = self.by_id.get_mut(client_id) {
            change(Arc::make_mut(client));
        }
    }

    pub(super) fn remove(&mut self, client_id: &ClientId) {
        if let Some(client) = self.by_id.remove(client_id) {
            self.by_position.remove(&client.registered_position);
        }
    }
}

impl Serialize for Clients {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.by_id.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Clients {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let by_id = BTreeMap::<ClientId, Arc<ClientView>>::deserialize(deserializer)?;
        let by_position = by_id.values().map(|client| (client.registered_position, client.client_id.clone())).collect();
        Ok(Self { by_id, by_position })
    }
}
