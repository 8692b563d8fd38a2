//! Dropping events, and telling what was dropped from what is missing.
//!
//! Two tables say what was dropped, each in spans that neither touch nor overlap: which positions, and which revisions of
//! streams that go on. They are made when the first event is dropped. A row that goes without being noted there is
//! noticed by whoever reads past its place.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{
    file,
    writer::{integer, stored_length},
};
use crate::{
    domain::{StreamId, segment::Span},
    store::StoreError,
};

/// How many events are dropped in one transaction.
const CHUNK: u64 = 1000;
/// How many pages of 4 KiB are given back at once.
const PAGES: u32 = 1000;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS dropped (first INTEGER PRIMARY KEY, last INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS dropped_revisions (
        stream TEXT NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        PRIMARY KEY (stream, first)
    ) STRICT, WITHOUT ROWID;
";

/// The same positions in parts that are dropped at once.
pub(super) fn chunks(spans: &[Span]) -> Vec<Vec<Span>> {
    let (mut chunks, mut chunk, mut room) = (Vec::new(), Vec::new(), CHUNK);
    for span in spans {
        let mut first = span.first;
        while first <= span.last {
            let last = span.last.min(first.saturating_add(room - 1));
            chunk.push(Span { first, last });
            room -= last - first + 1;
            if room == 0 {
                chunks.push(std::mem::take(&mut chunk));
                room = CHUNK;
            }
            first = last.saturating_add(1);
        }
    }
    if !chunk.is_empty() {
        chunks.push(chunk);
    }
    chunks
}

/// Drops events and notes it, in one transaction.
pub(super) fn drop_events(connection: &mut Connection, head: u64, chunk: &[Span]) -> Result<(), StoreError> {
    if let Some(span) = chunk.iter().find(|span| span.last >= head) {
        return Err(StoreError::keeps_the_last(span.last));
    }
    let trouble = |error: rusqlite::Error| file::store_error(&error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(trouble)?;
    let last_is_kept = delete(&transaction, chunk).map_err(trouble)?;
    // A transaction that is let go is rolled back.
    last_is_kept.map_or(Ok(()), |position| Err(StoreError::keeps_the_last(position)))?;
    transaction.commit().map_err(|error| StoreError::Unknown(error.to_string()))
}

/// Gives back some of the free pages at the end of the file. Says whether there may be more. A file that was made before
/// this was wanted has nothing to give back: its free pages are used for what is appended.
pub(super) fn shrink(connection: &Connection) -> rusqlite::Result<bool> {
    let mut vacuum = connection.prepare_cached(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut rows = vacuum.query([])?;
    let mut given_back = 0;
    while rows.next()?.is_some() {
        given_back += 1;
    }
    Ok(given_back >= PAGES)
}

/// What was dropped of a stream.
#[derive(Default)]
struct OfStream {
    revisions: Vec<u64>,
    position: u64,
}

/// Returns the position of an event that must not go, if there is one.
fn delete(transaction: &Transaction<'_>, chunk: &[Span]) -> rusqlite::Result<Option<u64>> {
    transaction.execute_batch(TABLES)?;
    let mut streams = BTreeMap::<String, OfStream>::new();
    let mut delete = transaction.prepare_cached("DELETE FROM events WHERE position = ?1 RETURNING stream, revision")?;
    for position in chunk.iter().flat_map(|span| span.first..=span.last) {
        let gone: Option<(String, i64)> = delete.query_row([integer(position)], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((stream, revision)) = gone else { continue };
        let of_stream = streams.entry(stream).or_default();
        of_stream.revisions.push(revision.unsigned_abs());
        of_stream.position = of_stream.position.max(position);
    }
    for span in chunk {
        note(transaction, *span)?;
    }
    for (stream, OfStream { revisions, position }) in streams {
        let Ok(id) = stream.parse::<StreamId>() else { return Ok(Some(position)) };
        let length = stored_length(transaction, &id)?;
        if length == 0 {
            transaction.prepare_cached("DELETE FROM dropped_revisions WHERE stream = ?1")?.execute([&stream])?;
        } else if revisions.iter().any(|revision| *revision >= length) {
            return Ok(Some(position));
        } else {
            revisions.iter().try_for_each(|revision| note_revision(transaction, &stream, *revision))?;
        }
    }
    Ok(None)
}

/// Notes positions, and joins what they touch.
fn note(transaction: &Transaction<'_>, span: Span) -> rusqlite::Result<()> {
    let mut touching = transaction.prepare_cached("SELECT first, last FROM dropped WHERE first <= ?1 ORDER BY first DESC LIMIT 1")?;
    let mut remove = transaction.prepare_cached("DELETE FROM dropped WHERE first = ?1")?;
    let (mut first, mut last) = (integer(span.first), integer(span.last));
    loop {
        let found: Option<(i64, i64)> = touching.query_row([last.saturating_add(1)], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some(found) = found.filter(|(_, end)| *end >= first.saturating_sub(1)) else { break };
        remove.execute([found.0])?;
        (first, last) = (first.min(found.0), last.max(found.1));
    }
    transaction.prepare_cached("INSERT INTO dropped (first, last) VALUES (?1, ?2)")?.execute([first, last])?;
    Ok(())
}

/// Notes a revision, and joins what it touches.
fn note_revision(transaction: &Transaction<'_>, stream: &str, revision: u64) -> rusqlite::Result<()> {
    let sql = "SELECT first, last FROM dropped_revisions WHERE stream = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1";
    let mut touching = transaction.prepare_cached(sql)?;
    let mut remove = transaction.prepare_cached("DELETE FROM dropped_revisions WHERE stream = ?1 AND first = ?2")?;
    let (mut first, mut last) = (integer(revision), integer(revision));
    loop {
        let found = touching.query_row(params![stream, last.saturating_add(1)], |row| Ok((row.get(0)?, row.get(1)?)));
        let found: Option<(i64, i64)> = found.optional()?;
        let Some(found) = found.filter(|(_, end)| *end >= first.saturating_sub(1)) else { break };
        remove.execute(params![stream, found.0])?;
        (first, last) = (first.min(found.0), last.max(found.1));
    }
    let mut insert = transaction.prepare_cached("INSERT INTO dropped_revisions (stream, first, last) VALUES (?1, ?2, ?3)")?;
    insert.execute(params![stream, first, last])?;
    Ok(())
}

/// The first of these positions that was not dropped.
pub(super) fn first_missing(connection: &Connection, first: u64, last: u64) -> rusqlite::Result<Option<u64>> {
    if !is_anything_dropped(connection)? {
        return Ok(Some(first));
    }
    let mut end = connection.prepare_cached("SELECT last FROM dropped WHERE first <= ?1 ORDER BY first DESC LIMIT 1")?;
    let end = end.query_row([integer(first)], |row| row.get(0)).optional()?;
    Ok(not_before(end, first, last))
}

/// The first of these revisions of a stream that was not dropped.
pub(super) fn first_missing_of(connection: &Connection, stream: &StreamId, first: u64, last: u64) -> rusqlite::Result<Option<u64>> {
    if !is_anything_dropped(connection)? {
        return Ok(Some(first));
    }
    let sql = "SELECT last FROM dropped_revisions WHERE stream = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1";
    let end = connection.prepare_cached(sql)?.query_row(params![stream.as_str(), integer(first)], |row| row.get(0));
    Ok(not_before(end.optional()?, first, last))
}

/// The spans that are noted don't touch: what follows the end of one is in none.
fn not_before(end: Option<i64>, first: u64, last: u64) -> Option<u64> {
    let next = end.map_or(first, |end| first.max(end.unsigned_abs().saturating_add(1)));
    (next <= last).then_some(next)
}

fn is_anything_dropped(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = 'dropped'")?.exists([])
}
