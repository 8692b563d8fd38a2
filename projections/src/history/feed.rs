//! Writes what is in the log into the tables, in batches that are transactions. What a batch does depends on the events
//! before it and on nothing else, least of all on where a batch began.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    sync::Arc,
};

use grantlog_core::{
    domain::{
        Event, Timestamp,
        grant::{GrantEvent, asked_for},
        segment::{Positions, SegmentEvent, Span},
    },
    protocol::Scope,
    store::{Position, Recorded},
};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::{
    file::{self, HistoryError, SPAN},
    references::{self, Kind, References},
};
use crate::live::Applied;

/// How many names are remembered with their number.
const REMEMBERED: usize = 20_000;

/// The one who writes.
pub(super) struct Feed {
    connection: Connection,
    /// Names that come again and again. Emptied when a transaction fails, since it may have named what is not there then.
    terms: HashMap<(Kind, String), i64>,
}

impl Feed {
    pub(super) fn open(dir: &Path) -> Result<Self, HistoryError> {
        Ok(Self { connection: file::open_writer(dir)?, terms: HashMap::new() })
    }

    pub(super) fn applied(&self) -> Result<Option<Applied>, HistoryError> {
        Ok(file::applied(&self.connection)?)
    }

    /// Takes in events that follow on; one that is in the tables already changes nothing. All of them or none.
    pub(super) fn take(&mut self, events: &[Arc<Recorded>]) -> Result<Option<Applied>, HistoryError> {
        if self.terms.len() > REMEMBERED {
            self.terms.clear();
        }
        let taken = self.transact(events);
        if taken.is_err() {
            self.terms.clear();
        }
        Ok(taken?)
    }

    fn transact(&mut self, events: &[Arc<Recorded>]) -> rusqlite::Result<Option<Applied>> {
        let transaction = self.connection.transaction()?;
        let mut applied = file::applied(&transaction)?;
        let mut batch = Batch { transaction: &transaction, terms: &mut self.terms };
        for event in events {
            if applied.is_some_and(|applied| event.position <= applied.position) {
                continue;
            }
            batch.take(event)?;
            applied = Some(Applied { position: event.position, event_id: event.event.id });
        }
        if let Some(Applied { position, event_id }) = applied {
            transaction
                .prepare_cached("UPDATE progress SET position = ?1, event_id = ?2")?
                .execute(params![file::number(position), event_id.as_bytes()])?;
        }
        transaction.commit()?;
        Ok(applied)
    }

    /// Puts what is in the write-ahead log into the file itself.
    pub(super) fn close(self) {
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "the history can't be closed in order");
        }
    }
}

struct Batch<'a> {
    transaction: &'a Transaction<'a>,
    terms: &'a mut HashMap<(Kind, String), i64>,
}

impl Batch<'_> {
    fn take(&mut self, recorded: &Recorded) -> rusqlite::Result<()> {
        let decoded = recorded.decode();
        if let Err(error) = &decoded {
            let (position, stream) = (recorded.position.0, recorded.stream.as_str());
            tracing::error!(position, stream, %error, "an event can't be read: the history has it by its envelope alone");
            self.transaction.prepare_cached("UPDATE progress SET unreadable = unreadable + 1")?.execute([])?;
        }
        let event = decoded.ok();
        let stream = self.term(Kind::Stream, recorded.stream.as_str())?;
        let about = self.about(stream, references::of(&recorded.stream, event.as_ref()))?;
        self.insert(recorded, stream, &about)?;
        match event {
            Some(Event::Grant(event)) => self.agree(recorded, stream, &about, event),
            Some(Event::Segment(SegmentEvent::Sealed { positions, .. })) => self.forget(&positions),
            _ => Ok(()),
        }
    }

    /// Takes out what a segment holds: it is dropped from the log, now or in a moment, and a history that is made anew does not
    /// have it.
    fn forget(&mut self, positions: &Positions) -> rusqlite::Result<()> {
        let (mut names, mut streams, mut spans) = (BTreeSet::<i64>::new(), BTreeSet::<i64>::new(), BTreeSet::<i64>::new());
        for Span { first, last } in positions.spans() {
            for (position, terms) in self.terms_between(first, last)? {
                streams.extend(terms.first());
                spans.insert(position / i64::try_from(SPAN).unwrap_or(i64::MAX));
                let mut unpost = self.transaction.prepare_cached("DELETE FROM postings WHERE term = ?1 AND position = ?2")?;
                for term in terms {
                    unpost.execute([term, position])?;
                    names.insert(term);
                }
                self.transaction.prepare_cached("DELETE FROM events WHERE position = ?1")?.execute([position])?;
            }
        }
        for stream in streams {
            let sql = "DELETE FROM inherited WHERE stream = ?1 AND NOT EXISTS (SELECT 1 FROM postings WHERE term = ?1)";
            self.transaction.prepare_cached(sql)?.execute([stream])?;
        }
        for name in names {
            let sql = "DELETE FROM terms WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM postings WHERE term = ?1)";
            self.transaction.prepare_cached(sql)?.execute([name])?;
        }
        self.terms.clear();
        spans.into_iter().try_for_each(|span| self.measure(span))
    }

    /// The events between two positions, each with the numbers of its names; that of its stream first.
    fn terms_between(&self, first: u64, last: u64) -> rusqlite::Result<Vec<(i64, Vec<i64>)>> {
        let sql = "SELECT position, stream, type, actor, subject, client, organization, grant_id, authorization_id
            FROM events WHERE position BETWEEN ?1 AND ?2";
        let mut select = self.transaction.prepare_cached(sql)?;
        let terms = |row: &Row<'_>| {
            let terms: Vec<Option<i64>> = (1..=8).map(|column| row.get(column)).collect::<Result<_, _>>()?;
            Ok((row.get(0)?, terms.into_iter().flatten().collect()))
        };
        let (first, last) = (file::number(Position(first)), file::number(Position(last)));
        select.query_map([first, last], terms)?.collect()
    }

    /// Measures the times of a span anew.
    fn measure(&self, span: i64) -> rusqlite::Result<()> {
        let width = i64::try_from(SPAN).unwrap_or(i64::MAX);
        let first = span.saturating_mul(width);
        let sql = "SELECT min(time), max(time) FROM events WHERE position BETWEEN ?1 AND ?2";
        let measured: (Option<i64>, Option<i64>) = self
            .transaction
            .prepare_cached(sql)?
            .query_row([first, first.saturating_add(width - 1)], |row| Ok((row.get(0)?, row.get(1)?)))?;
        match measured {
            (Some(earliest), Some(latest)) => {
                let mut update = self.transaction.prepare_cached("UPDATE spans SET earliest = ?2, latest = ?3 WHERE number = ?1")?;
                update.execute([span, earliest, latest])?;
            }
            _ => drop(self.transaction.prepare_cached("DELETE FROM spans WHERE number = ?1")?.execute([span])?),
        }
        Ok(())
    }

    /// The number of a name; the next one if it has none.
    fn term(&mut self, kind: Kind, value: &str) -> rusqlite::Result<i64> {
        let key = (kind, value.to_owned());
        if let Some(known) = self.terms.get(&key) {
            return Ok(*known);
        }
        let mut select = self.transaction.prepare_cached("SELECT id FROM terms WHERE kind = ?1 AND value = ?2")?;
        let known: Option<i64> = select.query_row(params![kind.number(), value], |row| row.get(0)).optional()?;
        let id = if let Some(id) = known {
            id
        } else {
            let mut insert = self.transaction.prepare_cached("INSERT INTO terms (kind, value) VALUES (?1, ?2)")?;
            insert.insert(params![kind.number(), value])?
        };
        self.terms.insert(key, id);
        Ok(id)
    }

    /// What the event is about: what it says itself, and what its stream is about since earlier.
    fn about(&mut self, stream: i64, references: References) -> rusqlite::Result<Vec<(Kind, i64)>> {
        let mut about = Vec::with_capacity(references.names.len());
        for (kind, name) in references.names {
            about.push((kind, self.term(kind, &name)?));
        }
        for kind in Kind::REFERENCES {
            let place = params![stream, kind.number()];
            if references.lasting.contains(&kind) {
                self.transaction.prepare_cached("DELETE FROM inherited WHERE stream = ?1 AND kind = ?2")?.execute(place)?;
                if let Some((_, term)) = about.iter().find(|(own, _)| *own == kind) {
                    let mut insert = self.transaction.prepare_cached("INSERT INTO inherited (stream, kind, term) VALUES (?1, ?2, ?3)")?;
                    insert.execute(params![stream, kind.number(), term])?;
                }
            } else if !about.iter().any(|(own, _)| *own == kind) {
                let mut select = self.transaction.prepare_cached("SELECT term FROM inherited WHERE stream = ?1 AND kind = ?2")?;
                let inherited: Option<i64> = select.query_row(place, |row| row.get(0)).optional()?;
                about.extend(inherited.map(|term| (kind, term)));
            }
        }
        Ok(about)
    }

    fn insert(&mut self, recorded: &Recorded, stream: i64, about: &[(Kind, i64)]) -> rusqlite::Result<()> {
        let (position, event) = (file::number(recorded.position), &recorded.event);
        let (kind, actor) = (self.term(Kind::Type, &event.kind)?, self.term(Kind::Actor, &event.actor)?);
        let first = |wanted: Kind| about.iter().find(|(kind, _)| *kind == wanted).map(|(_, term)| *term);
        self.transaction
            .prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)")?
            .execute(params![
                position,
                stream,
                i64::try_from(recorded.revision.0).unwrap_or(i64::MAX),
                event.id.as_bytes(),
                kind,
                event.schema,
                event.time.0,
                actor,
                event.request_id,
                event.data,
                first(Kind::Subject),
                first(Kind::Client),
                first(Kind::Organization),
                first(Kind::Grant),
                first(Kind::Authorization),
            ])?;
        let mut post = self.transaction.prepare_cached("INSERT INTO postings (term, position) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
        for term in [stream, kind, actor].into_iter().chain(about.iter().map(|(_, term)| *term)) {
            post.execute([term, position])?;
        }
        let span = i64::try_from(recorded.position.0 / SPAN).unwrap_or(i64::MAX);
        self.transaction
            .prepare_cached(
                "INSERT INTO spans (number, earliest, latest) VALUES (?1, ?2, ?2)
                 ON CONFLICT DO UPDATE SET earliest = min(earliest, excluded.earliest), latest = max(latest, excluded.latest)",
            )?
            .execute([span, event.time.0])?;
        Ok(())
    }

    /// Keeps what is agreed from here on, where the event changes that.
    fn agree(&mut self, recorded: &Recorded, stream: i64, about: &[(Kind, i64)], event: GrantEvent) -> rusqlite::Result<()> {
        let position = file::number(recorded.position);
        match event {
            GrantEvent::Opened { .. } => {
                let mut open =
                    self.transaction.prepare_cached("INSERT INTO grants (opened, stream) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
                if open.execute([position, stream])? == 0 {
                    return Ok(());
                }
                let mut list = self.transaction.prepare_cached("INSERT INTO grants_of (term, opened) VALUES (?1, ?2)")?;
                for (_, term) in about.iter().filter(|(kind, _)| matches!(kind, Kind::Subject | Kind::Client | Kind::Organization)) {
                    list.execute([*term, position])?;
                }
                self.change(position, stream, |_| Agreement::default())
            }
            GrantEvent::Consented { scope, reason, .. } => self.change(position, stream, |mut before| {
                let asked = asked_for(&scope, reason, &before.scope);
                before.asked.extend(asked.iter().map(|token| (token.to_string(), recorded.event.time)));
                Agreement { scope: before.scope.union(&scope), consented: Some(position), ..before }
            }),
            GrantEvent::Narrowed { scope, .. } => {
                self.change(position, stream, |before| Agreement { scope: before.scope.intersection(&scope), ..before })
            }
            GrantEvent::Revoked { .. } => self.change(position, stream, |before| Agreement { ended: true, ..before }),
            GrantEvent::CodeIssued { .. }
            | GrantEvent::CodeRedeemed { .. }
            | GrantEvent::CodeReplayed { .. }
            | GrantEvent::AccessTokenIssued { .. }
            | GrantEvent::RefreshTokenIssued { .. }
            | GrantEvent::RefreshTokenRotated { .. }
            | GrantEvent::RefreshTokenReplayed { .. }
            | GrantEvent::AccessTokenRevoked { .. }
            | GrantEvent::FamilyEnded { .. }
            | GrantEvent::SessionsEnded { .. } => Ok(()),
        }
    }

    fn change(&mut self, position: i64, stream: i64, change: impl FnOnce(Agreement) -> Agreement) -> rusqlite::Result<()> {
        let mut select = self.transaction.prepare_cached("SELECT opened FROM grants WHERE stream = ?1")?;
        let opened: Option<i64> = select.query_row([stream], |row| row.get(0)).optional()?;
        // A stream that does not begin with its opening is none of ours.
        let Some(opened) = opened else { return Ok(()) };
        let mut select = self
            .transaction
            .prepare_cached("SELECT scope, asked, consented, ended FROM agreements WHERE opened = ?1 ORDER BY position DESC LIMIT 1")?;
        let before = select.query_row([opened], |row| {
            let (scope, asked): (String, String) = (row.get(0)?, row.get(1)?);
            Ok(Agreement {
                scope: scope.parse().unwrap_or_default(),
                asked: serde_json::from_str(&asked).unwrap_or_default(),
                consented: row.get(2)?,
                ended: row.get(3)?,
            })
        });
        let Agreement { scope, asked, consented, ended } = change(before.optional()?.unwrap_or_default());
        let asked = serde_json::to_string(&asked).unwrap_or_default();
        self.transaction
            .prepare_cached("INSERT INTO agreements (opened, position, scope, asked, consented, ended) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![opened, position, scope.to_string(), asked, consented, ended])?;
        Ok(())
    }
}

/// What is agreed in a grant from a position on.
#[derive(Debug, Default)]
struct Agreement {
    scope: Scope,
    /// When the person was asked last, by scope. What was narrowed away stays: if it comes back unasked, that is how old it is.
    asked: BTreeMap<String, Timestamp>,
    consented: Option<i64>,
    ended: bool,
}
