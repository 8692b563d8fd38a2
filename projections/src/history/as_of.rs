//! What was true at a position: grants, clients, signing keys.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    sync::Arc,
};

use aws_lc_rs::digest::{SHA256, digest};
use grantlog_core::{
    domain::{
        ClientId, Decider, Event, GrantId, OrganizationId, ResourceServerId, SubjectId, Timestamp,
        client::{Client, ClientDecider, ClientEvent},
        grant::{GrantEvent, RevocationReason},
        organization::{OrganizationEvent, OrganizationPolicy, verdict},
        resource_server::ResourceServerEvent,
        signing_key::{SigningKey, SigningKeyDecider},
        subject::{RoleChangeEffect, SubjectEvent},
    },
    protocol::{ResourceServerSettings, Scope},
    store::Position,
};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::{
    History,
    events::{self, EventsQuery, Filter, HistoricEvent, Order, term},
    file::{self, HistoryError},
    references::Kind,
};

/// Which grants are asked for: those of all of these, as of a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantsQuery {
    /// Of a person, a client, an organization; at least one of these.
    pub of: Vec<(Kind, String)>,
    /// As of this position.
    pub at: Position,
    /// Those that were over as well.
    pub include_ended: bool,
    /// Opened after this position.
    pub after: Option<Position>,
    /// At most so many.
    pub limit: usize,
}

/// A grant as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct GrantAsOf {
    /// Its id.
    pub grant_id: GrantId,
    /// Whose.
    pub subject: SubjectId,
    /// To whom.
    pub client_id: ClientId,
    /// In which organization.
    pub organization_id: Option<OrganizationId>,
    /// Where in the log it was opened.
    pub opened: Position,
    /// When.
    pub opened_at: Timestamp,
    /// Where what was agreed changed last.
    pub changed: Position,
    /// What was agreed in sum.
    pub scope: Scope,
    /// When the person was asked last for each scope in it, if they were asked for it.
    pub asked_at: BTreeMap<String, Timestamp>,
    /// The last consent before.
    pub consent: Option<HistoricEvent>,
    /// The client as it was.
    pub client: Option<Arc<ClientAsOf>>,
    /// Whether it was over.
    pub ended: bool,
    /// Why nothing under it was good: it was over, or it was cut off and about to be revoked.
    pub reason: Option<RevocationReason>,
}

/// A client as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientAsOf {
    /// All that was known of it.
    pub client: Client,
    /// Where what is registered about it stands in the log.
    pub metadata_position: Option<Position>,
    /// SHA-256 over the canonical form of what is registered about it, hexadecimal.
    pub metadata_sha256: Option<String>,
    /// Where it changed last.
    pub changed: Position,
    /// When.
    pub changed_at: Timestamp,
}

/// A signing key as it was known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyAsOf {
    /// Its name.
    pub kid: String,
    /// What was known of it.
    pub key: SigningKey,
    /// When it was made.
    pub generated_at: Timestamp,
    /// Where that stands in the log.
    pub generated: Position,
}

impl History {
    /// The grants of a person, a client or an organization, in the order of their opening.
    pub async fn grants(&self, query: GrantsQuery) -> Result<Vec<GrantAsOf>, HistoryError> {
        self.read(move |connection| grants(connection, &query)).await
    }

    /// One grant, as of a position; None when it was not opened yet.
    pub async fn grant(&self, grant_id: GrantId, at: Position) -> Result<Option<GrantAsOf>, HistoryError> {
        self.read(move |connection| {
            let sql = "SELECT g.opened, a.position, a.scope, a.asked, a.consented, a.ended FROM terms t
                JOIN grants g ON g.stream = t.id JOIN agreements a ON a.opened = g.opened
                WHERE t.kind = ?1 AND t.value = ?2 AND a.position <= ?3 ORDER BY a.position DESC LIMIT 1";
            let mut select = connection.prepare_cached(sql)?;
            let mut rows = select.query((Kind::Stream.number(), grant_id.stream().as_str(), file::number(at)))?;
            match rows.next()? {
                Some(row) => Then::new(connection, at).grant(Row::of(row)?).map(Some),
                None => Ok(None),
            }
        })
        .await
    }

    /// A client, as of a position; None when it was not registered yet.
    pub async fn client(&self, client_id: &ClientId, at: Position) -> Result<Option<ClientAsOf>, HistoryError> {
        let events = self.all(Filter::about(Kind::Stream, client_id.stream().as_str()), at).await?;
        client(events)
    }

    /// What was registered about the resource server of this identifier, and the event that said so; None when there was none.
    pub async fn resource_server(
        &self,
        identifier: &str,
        at: Position,
    ) -> Result<Option<(ResourceServerSettings, HistoricEvent)>, HistoryError> {
        let stream = ResourceServerId::of(identifier).stream();
        self.read(move |connection| {
            let Some(last) = Then::new(connection, at).last(Filter::about(Kind::Stream, stream.as_str()))? else { return Ok(None) };
            Ok(match decoded(&last)? {
                Event::ResourceServer(ResourceServerEvent::Registered { settings } | ResourceServerEvent::Updated { settings }) => {
                    Some((settings, last))
                }
                _ => None,
            })
        })
        .await
    }

    /// The signing keys that had been made, revoked ones too.
    pub async fn signing_keys(&self, at: Position) -> Result<Vec<SigningKeyAsOf>, HistoryError> {
        let mut keys: BTreeMap<Position, SigningKeyAsOf> = BTreeMap::new();
        let mut generated = BTreeMap::new();
        for kind in ["signing_key.generated", "signing_key.retired", "signing_key.revoked"] {
            for event in self.all(Filter::about(Kind::Type, kind), at).await? {
                let kid = event.recorded.stream.key().to_owned();
                let first = *generated.entry(kid.clone()).or_insert(event.recorded.position);
                let Event::SigningKey(decoded) = decoded(&event)? else { continue };
                let entry = keys.entry(first).or_insert_with(|| SigningKeyAsOf {
                    kid,
                    key: SigningKey::default(),
                    generated_at: event.recorded.event.time,
                    generated: first,
                });
                entry.key = SigningKeyDecider::evolve(std::mem::take(&mut entry.key), &decoded, event.recorded.event.time);
            }
        }
        Ok(keys.into_values().filter(|key| key.key.exists()).collect())
    }
}

/// A row of the two queries for grants.
struct Row {
    opened: Position,
    changed: Position,
    scope: String,
    asked: String,
    consented: Option<Position>,
    ended: bool,
}

impl Row {
    fn of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            opened: file::position(row.get(0)?),
            changed: file::position(row.get(1)?),
            scope: row.get(2)?,
            asked: row.get(3)?,
            consented: row.get::<_, Option<i64>>(4)?.map(file::position),
            ended: row.get(5)?,
        })
    }
}

/// Whose grants are likely the fewest.
const FEWEST_FIRST: [Kind; 3] = [Kind::Subject, Kind::Organization, Kind::Client];

fn grants(connection: &Connection, query: &GrantsQuery) -> Result<Vec<GrantAsOf>, HistoryError> {
    let mut of: Vec<&(Kind, String)> = query.of.iter().collect();
    of.sort_by_key(|(kind, _)| FEWEST_FIRST.iter().position(|known| known == kind).unwrap_or(FEWEST_FIRST.len()));
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    let mut values = vec![file::number(query.at), query.after.map_or(-1, file::number), limit];
    let mut conditions = Vec::new();
    for (index, (kind, name)) in of.into_iter().enumerate() {
        let Some(term) = term(connection, *kind, name)? else { return Ok(Vec::new()) };
        values.push(term);
        if index > 0 {
            let place = values.len();
            conditions.push(format!("AND EXISTS (SELECT 1 FROM grants_of o WHERE o.term = ?{place} AND o.opened = g.opened)"));
        }
    }
    if values.len() < 4 {
        return Ok(Vec::new());
    }
    if !query.include_ended {
        conditions.push("AND NOT a.ended".to_owned());
    }
    let sql = format!(
        "SELECT g.opened, a.position, a.scope, a.asked, a.consented, a.ended FROM grants_of g CROSS JOIN agreements a
         WHERE g.term = ?4 AND g.opened > ?2 AND g.opened <= ?1 AND a.opened = g.opened
         AND a.position = (SELECT max(l.position) FROM agreements l WHERE l.opened = g.opened AND l.position <= ?1) {}
         ORDER BY g.opened LIMIT ?3",
        conditions.join(" ")
    );
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = select.query(params_from_iter(values.iter().map(|value| value as &dyn ToSql)))?;
    let mut then = Then::new(connection, query.at);
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(then.grant(Row::of(row)?)?);
    }
    Ok(found)
}

/// What held at a position. What several grants have in common is looked up once.
struct Then<'a> {
    connection: &'a Connection,
    at: Position,
    clients: HashMap<ClientId, Option<Arc<ClientAsOf>>>,
    policies: HashMap<OrganizationId, OrganizationPolicy>,
    disconnected: HashMap<(OrganizationId, ClientId), Option<Position>>,
}

impl<'a> Then<'a> {
    fn new(connection: &'a Connection, at: Position) -> Self {
        Self { connection, at, clients: HashMap::new(), policies: HashMap::new(), disconnected: HashMap::new() }
    }

    fn grant(&mut self, row: Row) -> Result<GrantAsOf, HistoryError> {
        let missing = || HistoryError::Unusable(format!("a grant has no opening at position {}", row.opened.0));
        let opening = events::at(self.connection, row.opened)?.ok_or_else(missing)?;
        let Event::Grant(GrantEvent::Opened { subject, client_id, organization_id }) = decoded(&opening)? else { return Err(missing()) };
        let consent = row.consented.map(|consented| events::at(self.connection, consented)).transpose()?.flatten();
        let client = self.client(&client_id)?;
        let unusable = |error: String| HistoryError::Unusable(error);
        let scope: Scope = row.scope.parse().map_err(|_| unusable("what was agreed is no scope".to_owned()))?;
        let mut asked_at: BTreeMap<String, Timestamp> = serde_json::from_str(&row.asked).map_err(|error| unusable(error.to_string()))?;
        asked_at.retain(|token, _| scope.contains(token));
        let reason = if row.ended {
            self.ended_by(row.changed)?
        } else {
            self.cut_off(subject, &client_id, organization_id.as_ref(), row.opened, client.as_deref())?
        };
        Ok(GrantAsOf {
            grant_id: opening.recorded.stream.key().parse().map_err(|error: uuid::Error| unusable(error.to_string()))?,
            subject,
            client_id,
            organization_id,
            opened: row.opened,
            opened_at: opening.recorded.event.time,
            changed: row.changed,
            scope,
            asked_at,
            consent,
            client,
            ended: row.ended,
            reason,
        })
    }

    fn client(&mut self, client_id: &ClientId) -> Result<Option<Arc<ClientAsOf>>, HistoryError> {
        if let Some(known) = self.clients.get(client_id) {
            return Ok(known.clone());
        }
        let found = client(self.all(Filter::about(Kind::Stream, client_id.stream().as_str()))?)?.map(Arc::new);
        self.clients.insert(client_id.clone(), found.clone());
        Ok(found)
    }

    /// Nothing changes in a grant any more once it is revoked.
    fn ended_by(&self, changed: Position) -> Result<Option<RevocationReason>, HistoryError> {
        let Some(event) = events::at(self.connection, changed)? else { return Ok(None) };
        Ok(match decoded(&event)? {
            Event::Grant(GrantEvent::Revoked { reason }) => Some(reason),
            _ => None,
        })
    }

    /// Why a grant that was not revoked was good for nothing: the event that cuts grants off comes before they are revoked one
    /// by one. The same that the live read models say, in the same order.
    fn cut_off(
        &mut self,
        subject: SubjectId,
        client_id: &ClientId,
        organization_id: Option<&OrganizationId>,
        opened: Position,
        client: Option<&ClientAsOf>,
    ) -> Result<Option<RevocationReason>, HistoryError> {
        if self.is_erased(subject)? {
            return Ok(Some(RevocationReason::SubjectErased));
        }
        if let Some(organization_id) = organization_id {
            if self.left(subject, organization_id)? > Some(opened) {
                return Ok(Some(RevocationReason::LeftOrganization));
            }
            if self.disconnected(organization_id, client_id)? > Some(opened) {
                return Ok(Some(RevocationReason::OrganizationDisconnected));
            }
        }
        let Some(metadata) = client.and_then(|client| client.client.metadata()) else { return Ok(None) };
        let organization = match organization_id {
            Some(id) => Some((id, self.policy(id)?)),
            None => None,
        };
        Ok((!verdict(organization, client_id, metadata).is_empty()).then_some(RevocationReason::OrganizationPolicy))
    }

    fn is_erased(&self, subject: SubjectId) -> Result<bool, HistoryError> {
        let filter = Filter::about(Kind::Stream, subject.stream().as_str()).and(Kind::Type, "subject.erased");
        Ok(self.last(filter)?.is_some())
    }

    /// Where the person left the organization last, with an end to what they had allowed there.
    fn left(&self, subject: SubjectId, organization_id: &OrganizationId) -> Result<Option<Position>, HistoryError> {
        let filter = Filter::about(Kind::Stream, subject.stream().as_str())
            .and(Kind::Organization, &*organization_id.0)
            .and(Kind::Type, "subject.left_organization");
        for event in self.all(filter)?.into_iter().rev() {
            if let Event::Subject(SubjectEvent::LeftOrganization { effect, .. }) = decoded(&event)?
                && effect != RoleChangeEffect::Keep
            {
                return Ok(Some(event.recorded.position));
            }
        }
        Ok(None)
    }

    /// Where the organization disconnected the client last.
    fn disconnected(&mut self, organization_id: &OrganizationId, client_id: &ClientId) -> Result<Option<Position>, HistoryError> {
        let key = (organization_id.clone(), client_id.clone());
        if let Some(known) = self.disconnected.get(&key) {
            return Ok(*known);
        }
        let filter = Filter::about(Kind::Stream, organization_id.stream().as_str())
            .and(Kind::Client, client_id.as_str())
            .and(Kind::Type, "organization.client_disconnected");
        let found = self.last(filter)?.map(|event| event.recorded.position);
        self.disconnected.insert(key, found);
        Ok(found)
    }

    /// Which clients could work in the organization.
    fn policy(&mut self, organization_id: &OrganizationId) -> Result<&OrganizationPolicy, HistoryError> {
        if !self.policies.contains_key(organization_id) {
            let filter = Filter::about(Kind::Stream, organization_id.stream().as_str()).and(Kind::Type, "organization.policy_set");
            let policy = match self.last(filter)?.map(|event| decoded(&event)).transpose()? {
                Some(Event::Organization(OrganizationEvent::PolicySet { policy })) => policy,
                _ => OrganizationPolicy::default(),
            };
            self.policies.insert(organization_id.clone(), policy);
        }
        Ok(&self.policies[organization_id])
    }

    fn all(&self, filter: Filter) -> Result<Vec<HistoricEvent>, HistoryError> {
        let query = EventsQuery { filter, until: self.at, after: None, order: Order::Ascending, limit: usize::MAX };
        events::select(self.connection, &query)
    }

    fn last(&self, filter: Filter) -> Result<Option<HistoricEvent>, HistoryError> {
        let query = EventsQuery { filter, until: self.at, after: None, order: Order::Descending, limit: 1 };
        Ok(events::select(self.connection, &query)?.pop())
    }
}

fn client(events: Vec<HistoricEvent>) -> Result<Option<ClientAsOf>, HistoryError> {
    let mut found: Option<ClientAsOf> = None;
    for event in events {
        let Event::Client(decoded) = decoded(&event)? else { continue };
        let (position, time) = (event.recorded.position, event.recorded.event.time);
        let before = found.take().unwrap_or_else(|| ClientAsOf {
            client: Client::default(),
            metadata_position: None,
            metadata_sha256: None,
            changed: position,
            changed_at: time,
        });
        let is_metadata =
            matches!(decoded, ClientEvent::Registered { .. } | ClientEvent::Updated { .. } | ClientEvent::DocumentChanged { .. });
        let metadata_sha256 = if is_metadata { metadata_sha256(&event.recorded.event.data) } else { before.metadata_sha256 };
        found = Some(ClientAsOf {
            client: ClientDecider::evolve(before.client, &decoded, time),
            metadata_position: if is_metadata { Some(position) } else { before.metadata_position },
            metadata_sha256,
            changed: position,
            changed_at: time,
        });
    }
    Ok(found)
}

/// The payload is in its canonical form (RFC 8785), and so is the member of it that is hashed.
fn metadata_sha256(payload: &str) -> Option<String> {
    let payload: BTreeMap<String, Box<serde_json::value::RawValue>> = serde_json::from_str(payload).ok()?;
    let metadata = payload.get("metadata")?;
    let hash = digest(&SHA256, metadata.get().as_bytes());
    Some(hash.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

fn decoded(event: &HistoricEvent) -> Result<Event, HistoryError> {
    event.recorded.decode().map_err(|error| HistoryError::Unusable(format!("position {}: {error}", event.recorded.position.0)))
}
