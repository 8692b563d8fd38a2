//! What was true at a position: grants, clients, signing keys.

use std::{collections::BTreeMap, fmt::Write as _};

use aws_lc_rs::digest::{SHA256, digest};
use grantlog_core::{
    domain::{
        ClientId, Decider, Event, GrantId, OrganizationId, SubjectId, Timestamp,
        client::{Client, ClientDecider, ClientEvent},
        grant::GrantEvent,
        signing_key::{SigningKey, SigningKeyDecider},
    },
    protocol::Scope,
    store::Position,
};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::{
    History,
    events::{self, Filter, HistoricEvent, term},
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// The last consent before.
    pub consent: Option<HistoricEvent>,
    /// Whether it was over.
    pub ended: bool,
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
            let sql = "SELECT g.opened, a.position, a.scope, a.consented, a.ended FROM terms t
                JOIN grants g ON g.stream = t.id JOIN agreements a ON a.opened = g.opened
                WHERE t.kind = ?1 AND t.value = ?2 AND a.position <= ?3 ORDER BY a.position DESC LIMIT 1";
            let mut select = connection.prepare_cached(sql)?;
            let mut rows = select.query((Kind::Stream.number(), grant_id.stream().as_str(), file::number(at)))?;
            match rows.next()? {
                Some(row) => grant(connection, &Row::of(row)?).map(Some),
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
    consented: Option<Position>,
    ended: bool,
}

impl Row {
    fn of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            opened: file::position(row.get(0)?),
            changed: file::position(row.get(1)?),
            scope: row.get(2)?,
            consented: row.get::<_, Option<i64>>(3)?.map(file::position),
            ended: row.get(4)?,
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
        "SELECT g.opened, a.position, a.scope, a.consented, a.ended FROM grants_of g CROSS JOIN agreements a
         WHERE g.term = ?4 AND g.opened > ?2 AND g.opened <= ?1 AND a.opened = g.opened
         AND a.position = (SELECT max(l.position) FROM agreements l WHERE l.opened = g.opened AND l.position <= ?1) {}
         ORDER BY g.opened LIMIT ?3",
        conditions.join(" ")
    );
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = select.query(params_from_iter(values.iter().map(|value| value as &dyn ToSql)))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(grant(connection, &Row::of(row)?)?);
    }
    Ok(found)
}

fn grant(connection: &Connection, row: &Row) -> Result<GrantAsOf, HistoryError> {
    let missing = || HistoryError::Unusable(format!("a grant has no opening at position {}", row.opened.0));
    let opening = events::at(connection, row.opened)?.ok_or_else(missing)?;
    let Event::Grant(GrantEvent::Opened { subject, client_id, organization_id }) = decoded(&opening)? else { return Err(missing()) };
    let consent = row.consented.map(|consented| events::at(connection, consented)).transpose()?.flatten();
    let unusable = |error: String| HistoryError::Unusable(error);
    Ok(GrantAsOf {
        grant_id: opening.recorded.stream.key().parse().map_err(|error: uuid::Error| unusable(error.to_string()))?,
        subject,
        client_id,
        organization_id,
        opened: row.opened,
        opened_at: opening.recorded.event.time,
        changed: row.changed,
        scope: row.scope.parse().map_err(|_| unusable("what was agreed is no scope".to_owned()))?,
        consent,
        ended: row.ended,
    })
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
        let is_metadata = matches!(decoded, ClientEvent::Registered { .. } | ClientEvent::Updated { .. });
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
