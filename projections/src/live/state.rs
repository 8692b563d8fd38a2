//! All read models at one position of the log: a pure, total fold.

use std::{fmt, sync::Arc};

use grantlog_core::{
    domain::{
        ApiKeyId, ClientId, Event, GrantId, InitialAccessTokenId, MachineTokenId, OrganizationId, ResourceServerId, StreamId, StreamKind,
        SubjectId, Timestamp, TrustedIssuerId,
        grant::{GrantEvent, RevocationReason},
    },
    store::{Position, Recorded},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Moment,
    api_keys::ApiKeys,
    clients::Clients,
    digest::Digest,
    grants::{Grants, Surroundings},
    initial_access_tokens::InitialAccessTokens,
    machine_tokens::MachineTokens,
    organizations::Organizations,
    policy::PolicyModel,
    pool::Pool,
    resource_servers::ResourceServers,
    segments::PendingSegments,
    signing_keys::SigningKeys,
    subjects::Subjects,
    trusted_issuers::TrustedIssuers,
};

/// An event read from the log, decoded before the state is locked.
pub(crate) struct Fact {
    at: Moment,
    event_id: Uuid,
    stream: StreamId,
    content: Content,
}

enum Content {
    Event(Box<Event>),
    /// Of a stream that nothing here is told by.
    Elsewhere,
    /// Written by a newer program, or damaged.
    Unreadable,
}

impl Fact {
    pub(crate) fn read(recorded: &Recorded) -> Self {
        Self {
            at: Moment { position: recorded.position, time: recorded.event.time },
            event_id: recorded.event.id,
            stream: recorded.stream.clone(),
            content: Content::read(recorded),
        }
    }
}

impl Content {
    fn read(recorded: &Recorded) -> Self {
        match recorded.stream.kind() {
            StreamKind::Client
            | StreamKind::InitialAccessToken
            | StreamKind::Grant
            | StreamKind::Policy
            | StreamKind::MachineToken
            | StreamKind::SigningKey
            | StreamKind::ApiKey
            | StreamKind::Organization
            | StreamKind::ResourceServer
            | StreamKind::Subject
            | StreamKind::Segment
            | StreamKind::TrustedIssuer => {}
            StreamKind::Authorization
            | StreamKind::ClientRegistration
            | StreamKind::GrantReservation
            | StreamKind::Audit
            | StreamKind::IdempotencyKey
            | StreamKind::TrustedToken
            | StreamKind::ClientAssertion => {
                return Self::Elsewhere;
            }
        }
        match recorded.decode() {
            Ok(event) => Self::Event(Box::new(event)),
            Err(error) => {
                let (position, stream) = (recorded.position.0, recorded.stream.as_str());
                tracing::error!(position, stream, %error, "an event can't be read: what its stream is about counts as ended");
                Self::Unreadable
            }
        }
    }
}

/// The last event that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Applied {
    pub(crate) position: Position,
    pub(crate) event_id: Uuid,
}

/// All read models at one position of the log.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct State {
    applied: Option<Applied>,
    unreadable: u64,
    pub(super) clients: Clients,
    pub(super) initial_access_tokens: InitialAccessTokens,
    pub(super) grants: Grants,
    pub(super) policy: PolicyModel,
    pub(super) organizations: Organizations,
    pub(super) subjects: Subjects,
    pub(super) machine_tokens: MachineTokens,
    pub(super) api_keys: ApiKeys,
    pub(super) resource_servers: ResourceServers,
    pub(super) trusted_issuers: TrustedIssuers,
    pub(super) signing_keys: SigningKeys,
    pub(super) segments: PendingSegments,
    /// The latest moment that any event told of.
    latest: Timestamp,
    #[serde(skip)]
    pool: Pool,
}

impl State {
    /// The position of the last event in it; None when there is none.
    pub fn position(&self) -> Option<Position> {
        self.applied.map(|applied| applied.position)
    }

    pub(crate) fn applied(&self) -> Option<Applied> {
        self.applied
    }

    /// How many events could not be read. What they are about counts as ended.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// SHA-256 over the whole state: equal states have equal digests, whichever way they came about. What has expired by
    /// the latest event is left out, forgotten or not: when it is looked at depends on how many events there were, and
    /// retention drops some.
    pub fn digest(&self) -> Digest {
        let mut settled = self.clone();
        settled.grants.settle(self.latest);
        settled.machine_tokens.settle(self.latest);
        Digest::of(&settled)
    }

    /// Folds an event into the state. One that is in it already changes nothing.
    pub fn apply(&mut self, recorded: &Recorded) {
        self.fold(Fact::read(recorded));
    }

    pub(crate) fn fold(&mut self, fact: Fact) {
        if self.position() >= Some(fact.at.position) {
            return;
        }
        self.applied = Some(Applied { position: fact.at.position, event_id: fact.event_id });
        self.latest = self.latest.max(fact.at.time);
        match fact.content {
            Content::Event(event) => self.evolve(&fact.stream, *event, fact.at),
            Content::Elsewhere => {}
            Content::Unreadable => self.end_unreadable(&fact.stream, fact.at.time),
        }
        self.grants.sweep(fact.at.time);
        self.machine_tokens.sweep(fact.at.time);
    }

    fn evolve(&mut self, stream: &StreamId, event: Event, at: Moment) {
        match event {
            Event::Client(event) => {
                let client_id = ClientId::from(stream.key());
                self.clients.apply(client_id.clone(), event, at);
                if self.clients.get(&client_id).is_none() {
                    self.grants.remove_client(&client_id);
                }
            }
            Event::Grant(event) => {
                let Ok(grant_id) = stream.key().parse::<GrantId>() else { return self.unreadable += 1 };
                if let GrantEvent::Revoked { reason: RevocationReason::SubjectErased } = &event
                    && let Some(grant) = self.grants.get(grant_id)
                {
                    self.subjects.note_grant_ended(grant.subject);
                }
                let mut around = Surroundings { time: at.time, position: at.position, clients: &self.clients, pool: &mut self.pool };
                self.grants.apply(grant_id, event, &mut around);
            }
            Event::Policy(event) => self.policy.apply(&event, at.time),
            Event::MachineToken(event) => {
                let Ok(id) = stream.key().parse::<MachineTokenId>() else { return self.unreadable += 1 };
                self.machine_tokens.apply(id, event, at.time, &self.clients, &mut self.pool);
            }
            Event::SigningKey(event) => self.signing_keys.apply(stream.key(), event, at.time),
            Event::ApiKey(event) => {
                let Ok(id) = stream.key().parse::<ApiKeyId>() else { return self.unreadable += 1 };
                self.api_keys.apply(id, event, at.time);
            }
            Event::InitialAccessToken(event) => {
                let Ok(id) = stream.key().parse::<InitialAccessTokenId>() else { return self.unreadable += 1 };
                self.initial_access_tokens.apply(id, event, at.time);
            }
            Event::ResourceServer(event) => {
                let Ok(id) = stream.key().parse::<ResourceServerId>() else { return self.unreadable += 1 };
                self.resource_servers.apply(id, event, at);
            }
            Event::Segment(event) => self.segments.apply(stream.key(), &event),
            Event::TrustedIssuer(event) => {
                let Ok(id) = stream.key().parse::<TrustedIssuerId>() else { return self.unreadable += 1 };
                self.trusted_issuers.apply(id, event, at.time);
            }
            Event::Organization(event) => self.organizations.apply(OrganizationId(stream.key().into()), event, at),
            Event::Subject(event) => {
                let Ok(subject) = stream.key().parse::<SubjectId>() else { return self.unreadable += 1 };
                self.subjects.apply(subject, event, at);
            }
            Event::Authorization(_)
            | Event::ClientRegistration(_)
            | Event::GrantReservation(_)
            | Event::Audit(_)
            | Event::IdempotencyKey(_)
            | Event::TrustedToken(_)
            | Event::ClientAssertion(_) => {}
        }
    }

    /// An event that can't be read may have been a revocation: what its stream is about is over, as far as is known.
    fn end_unreadable(&mut self, stream: &StreamId, time: Timestamp) {
        self.unreadable += 1;
        let key = stream.key();
        match stream.kind() {
            StreamKind::Client => {
                let client_id = ClientId::from(key);
                self.clients.remove(&client_id);
                self.grants.remove_client(&client_id);
            }
            StreamKind::Grant => drop(key.parse().map(|grant_id| self.grants.remove(grant_id))),
            StreamKind::Policy => self.policy.remove(),
            StreamKind::MachineToken => drop(key.parse().map(|id| self.machine_tokens.revoke(id, time))),
            StreamKind::SigningKey => self.signing_keys.remove(key),
            StreamKind::ApiKey => drop(key.parse().map(|id| self.api_keys.remove(id))),
            StreamKind::InitialAccessToken => drop(key.parse().map(|id| self.initial_access_tokens.remove(id))),
            StreamKind::ResourceServer => drop(key.parse().map(|id| self.resource_servers.remove(&id))),
            StreamKind::TrustedIssuer => drop(key.parse().map(|id| self.trusted_issuers.remove(id))),
            StreamKind::Organization => self.organizations.close(OrganizationId(key.into())),
            StreamKind::Subject => drop(key.parse().map(|subject| self.subjects.close(subject))),
            // What was begun is left as it is.
            StreamKind::Segment => self.segments.remove(key),
            StreamKind::Authorization
            | StreamKind::ClientRegistration
            | StreamKind::GrantReservation
            | StreamKind::Audit
            | StreamKind::IdempotencyKey
            | StreamKind::TrustedToken
            | StreamKind::ClientAssertion => {}
        }
    }

    /// Lets what was read from a snapshot share what is equal, as what was folded does.
    pub(crate) fn share(&mut self) {
        self.grants.share(&self.clients, &mut self.pool);
        self.machine_tokens.share(&self.clients, &mut self.pool);
    }
}

impl FromIterator<Arc<Recorded>> for State {
    fn from_iter<I: IntoIterator<Item = Arc<Recorded>>>(events: I) -> Self {
        let mut state = Self::default();
        for event in events {
            state.apply(&event);
        }
        state
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("applied", &self.applied).field("digest", &self.digest()).finish_non_exhaustive()
    }
}
