//! Events by what they are about.

use std::{collections::HashMap, str::FromStr as _, sync::Arc};

use grantlog_core::{
    domain::{StreamId, Timestamp},
    store::{NewEvent, Position, Recorded, Revision},
};
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params_from_iter, types::Type};
use uuid::Uuid;

use super::{
    History,
    file::{self, HistoryError, SPAN},
    references::Kind,
};

/// What events are asked for: those that are about all of these names, at a time between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The names.
    pub names: Vec<(Kind, String)>,
    /// Decided at this moment or later.
    pub from: Option<Timestamp>,
    /// Decided before this moment.
    pub to: Option<Timestamp>,
}

impl Filter {
    /// Those about this name.
    pub fn about(kind: Kind, name: impl Into<String>) -> Self {
        Self { names: vec![(kind, name.into())], ..Self::default() }
    }

    /// And about this one.
    pub fn and(mut self, kind: Kind, name: impl Into<String>) -> Self {
        self.names.push((kind, name.into()));
        self
    }
}

/// In which order events come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they were written.
    #[default]
    Ascending,
    /// The newest first.
    Descending,
}

/// A page of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsQuery {
    /// Which.
    pub filter: Filter,
    /// None that came later than this.
    pub until: Position,
    /// Beyond this position, in the order asked for.
    pub after: Option<Position>,
    /// In which order.
    pub order: Order,
    /// At most so many.
    pub limit: usize,
}

/// An event and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoricEvent {
    /// The event as the log has it.
    pub recorded: Recorded,
    /// The person, by our id.
    pub subject: Option<Arc<str>>,
    /// The client.
    pub client: Option<Arc<str>>,
    /// The organization.
    pub organization: Option<Arc<str>>,
    /// The grant.
    pub grant: Option<Arc<str>>,
    /// The authorization request.
    pub authorization: Option<Arc<str>>,
}

impl History {
    /// A page of events.
    pub async fn events(&self, query: EventsQuery) -> Result<Vec<HistoricEvent>, HistoryError> {
        self.read(move |connection| select(connection, &query)).await
    }

    /// All events about these names up to a position, in order. For streams and other lists that are short.
    pub async fn all(&self, filter: Filter, until: Position) -> Result<Vec<HistoricEvent>, HistoryError> {
        self.events(EventsQuery { filter, until, after: None, order: Order::Ascending, limit: usize::MAX }).await
    }

    /// The event at a position.
    pub async fn event(&self, position: Position) -> Result<Option<HistoricEvent>, HistoryError> {
        self.read(move |connection| at(connection, position)).await
    }

    /// Where the log was at a moment: the position of the last event that was decided by then. None: there was none.
    pub async fn position_at(&self, moment: Timestamp) -> Result<Option<Position>, HistoryError> {
        self.read(move |connection| {
            let sql = "SELECT position FROM events WHERE time <= ?1 ORDER BY time DESC, position DESC LIMIT 1";
            let found: Option<i64> = connection.prepare_cached(sql)?.query_row([moment.0], |row| row.get(0)).optional()?;
            Ok(found.map(file::position))
        })
        .await
    }

    /// Whether anything is about this name.
    pub async fn knows(&self, kind: Kind, name: &str) -> Result<bool, HistoryError> {
        let name = name.to_owned();
        self.read(move |connection| Ok(term(connection, kind, &name)?.is_some())).await
    }
}

pub(super) fn term(connection: &Connection, kind: Kind, name: &str) -> rusqlite::Result<Option<i64>> {
    let mut select = connection.prepare_cached("SELECT id FROM terms WHERE kind = ?1 AND value = ?2")?;
    select.query_row((kind.number(), name), |row| row.get(0)).optional()
}

const COLUMNS: &str = "e.position, e.stream, e.revision, e.id, e.type, e.schema, e.time, e.actor, e.request_id, e.data,
    e.subject, e.client, e.organization, e.grant_id, e.authorization_id";

/// The kinds in the order of how few events they are likely to have: the first one given is gone through.
const RAREST_FIRST: [Kind; 8] =
    [Kind::Authorization, Kind::Stream, Kind::Grant, Kind::Subject, Kind::Organization, Kind::Actor, Kind::Client, Kind::Type];

pub(super) fn select(connection: &Connection, query: &EventsQuery) -> Result<Vec<HistoricEvent>, HistoryError> {
    let mut names: Vec<&(Kind, String)> = query.filter.names.iter().collect();
    names.sort_by_key(|(kind, _)| RAREST_FIRST.iter().position(|known| known == kind));
    let mut terms = Vec::with_capacity(names.len());
    for (kind, name) in names {
        // What nothing is about has no number.
        let Some(term) = term(connection, *kind, name)? else { return Ok(Vec::new()) };
        terms.push(term);
    }
    let (mut low, mut high) = (0, file::number(query.until));
    match (query.order, query.after.map(file::number)) {
        (Order::Ascending, Some(after)) => low = after.saturating_add(1),
        (Order::Descending, Some(after)) => high = high.min(after.saturating_sub(1)),
        (_, None) => {}
    }
    if let Some((first, last)) = within(connection, &query.filter)? {
        (low, high) = (low.max(first), high.min(last));
    }
    let mut values: Vec<i64> = vec![low, high];
    let mut conditions = Vec::new();
    let (table, position) = if terms.is_empty() { ("events e", "e.position") } else { ("postings p CROSS JOIN events e", "p.position") };
    if let Some((first, others)) = terms.split_first() {
        conditions.push("AND e.position = p.position AND p.term = ?3".to_owned());
        values.push(*first);
        for other in others {
            values.push(*other);
            conditions.push(format!("AND EXISTS (SELECT 1 FROM postings o WHERE o.term = ?{} AND o.position = p.position)", values.len()));
        }
    }
    for (moment, comparison) in [(query.filter.from, ">="), (query.filter.to, "<")] {
        if let Some(moment) = moment {
            values.push(moment.0);
            conditions.push(format!("AND e.time {comparison} ?{}", values.len()));
        }
    }
    values.push(i64::try_from(query.limit).unwrap_or(i64::MAX));
    let direction = match query.order {
        Order::Ascending => "ASC",
        Order::Descending => "DESC",
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM {table} WHERE {position} BETWEEN ?1 AND ?2 {} ORDER BY {position} {direction} LIMIT ?{}",
        conditions.join(" "),
        values.len()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values.iter().map(|value| value as &dyn ToSql)))?;
    let mut names = Names { connection, known: HashMap::new() };
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(historic(row, &mut names)?);
    }
    Ok(events)
}

/// Between which positions the times asked for lie; None when all do. Times don't always grow with positions.
fn within(connection: &Connection, filter: &Filter) -> rusqlite::Result<Option<(i64, i64)>> {
    if filter.from.is_none() && filter.to.is_none() {
        return Ok(None);
    }
    let (from, to) = (filter.from.map_or(i64::MIN, |from| from.0), filter.to.map_or(i64::MAX, |to| to.0));
    let sql = "SELECT min(number), max(number) FROM spans WHERE latest >= ?1 AND earliest <= ?2";
    let (first, last): (Option<i64>, Option<i64>) =
        connection.prepare_cached(sql)?.query_row([from, to], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let span = i64::try_from(SPAN).unwrap_or(i64::MAX);
    Ok(Some(match (first, last) {
        (Some(first), Some(last)) => (first.saturating_mul(span), last.saturating_mul(span).saturating_add(span - 1)),
        // Nothing was decided then.
        _ => (1, 0),
    }))
}

pub(super) fn at(connection: &Connection, position: Position) -> Result<Option<HistoricEvent>, HistoryError> {
    let mut names = Names { connection, known: HashMap::new() };
    let mut select = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM events e WHERE e.position = ?1"))?;
    Ok(select.query_row([file::number(position)], |row| historic(row, &mut names)).optional()?)
}

/// The names of numbers, each looked up once.
struct Names<'a> {
    connection: &'a Connection,
    known: HashMap<i64, Arc<str>>,
}

impl Names<'_> {
    fn of(&mut self, term: i64) -> rusqlite::Result<Arc<str>> {
        if let Some(known) = self.known.get(&term) {
            return Ok(Arc::clone(known));
        }
        let mut select = self.connection.prepare_cached("SELECT value FROM terms WHERE id = ?1")?;
        let name: Arc<str> = select.query_row([term], |row| Ok(row.get_ref(0)?.as_str()?.into()))?;
        self.known.insert(term, Arc::clone(&name));
        Ok(name)
    }

    fn maybe(&mut self, row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Arc<str>>> {
        let term: Option<i64> = row.get(column)?;
        term.map(|term| self.of(term)).transpose()
    }
}

fn historic(row: &Row<'_>, names: &mut Names<'_>) -> rusqlite::Result<HistoricEvent> {
    let stream = StreamId::from_str(&names.of(row.get(1)?)?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(1, Type::Integer, Box::new(error)))?;
    let id: [u8; 16] = row.get(3)?;
    let recorded = Recorded {
        position: file::position(row.get(0)?),
        stream,
        revision: Revision(row.get::<_, i64>(2)?.unsigned_abs()),
        event: NewEvent {
            id: Uuid::from_bytes(id),
            kind: names.of(row.get(4)?)?.to_string(),
            schema: row.get(5)?,
            time: Timestamp(row.get(6)?),
            actor: names.of(row.get(7)?)?.to_string(),
            request_id: row.get(8)?,
            data: row.get(9)?,
        },
    };
    Ok(HistoricEvent {
        recorded,
        subject: names.maybe(row, 10)?,
        client: names.maybe(row, 11)?,
        organization: names.maybe(row, 12)?,
        grant: names.maybe(row, 13)?,
        authorization: names.maybe(row, 14)?,
    })
}
