//! The writer: one thread, one connection, one transaction for everything that is queued.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use quick_cache::unsync::Cache;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::{
    Batch, Stats, dropping,
    file::{self, DataDirectory},
};
use crate::{
    domain::{StreamId, segment::Span},
    store::{Appended, ExpectedRevision, NewEvent, Position, Recorded, Revision, StoreError},
};

/// The most events in one transaction, unless a single append has more.
const BATCH_EVENTS: usize = 1024;
/// The most bytes in one transaction, unless a single append has more.
const BATCH_BYTES: usize = 1024 * 1024;
/// Of how many streams the writer remembers the length.
const LENGTHS: usize = 65_536;

/// What there is for the writer to do.
pub(super) enum Work {
    /// Append events.
    Append(Append),
    /// Make the log smaller.
    Dropping(Dropping),
}

/// What makes the log smaller.
pub(super) enum Dropping {
    /// Drop some events.
    Drop {
        /// So few of them that nobody has to wait for long.
        chunk: Vec<Span>,
        answer: oneshot::Sender<Result<(), StoreError>>,
    },
    /// Give some of the file's free space back; the answer says whether there may be more.
    Shrink { answer: oneshot::Sender<Result<bool, StoreError>> },
}

/// One append on its way to the writer.
pub(super) struct Append {
    pub(super) stream: StreamId,
    pub(super) expected: ExpectedRevision,
    pub(super) events: Vec<NewEvent>,
    pub(super) answer: oneshot::Sender<Result<Appended, StoreError>>,
}

/// Counts commits.
#[derive(Debug, Default)]
pub(super) struct Counters {
    batches: AtomicU64,
    events: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> Stats {
        Stats { batches: self.batches.load(Ordering::Relaxed), events: self.events.load(Ordering::Relaxed) }
    }

    fn count(&self, events: usize) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.events.fetch_add(events as u64, Ordering::Relaxed);
    }
}

/// What lives on the writer's thread.
pub(super) struct Writer {
    /// None after an error that leaves in doubt where the log ends.
    connection: Option<Connection>,
    /// The position of the last event; 0 when there is none.
    head: u64,
    /// The number of events in streams that were written to lately.
    lengths: Cache<StreamId, u64>,
    live: broadcast::Sender<Batch>,
    counters: Arc<Counters>,
    /// Declared last, so that the lock is given up last.
    directory: DataDirectory,
}

/// Why a batch has no answers of its own.
enum Failure {
    /// Nothing was written.
    NotWritten(StoreError),
    /// It may have been written or not.
    Unknown(String),
}

/// A transaction before its commit.
#[derive(Default)]
struct Staged {
    answers: Vec<Result<Appended, StoreError>>,
    events: Vec<Arc<Recorded>>,
    lengths: HashMap<StreamId, u64>,
}

impl Writer {
    /// Opens the file and looks where the log ends.
    pub(super) fn new(directory: DataDirectory, live: broadcast::Sender<Batch>, counters: Arc<Counters>) -> Result<Self, StoreError> {
        let mut writer = Self { connection: None, head: 0, lengths: Cache::new(LENGTHS), live, counters, directory };
        writer.connection()?;
        Ok(writer)
    }

    /// Serves the queue until nobody can send any more and everything sent is done.
    pub(super) fn run(mut self, queue: mpsc::Receiver<Work>) {
        let mut queue = Queue { work: queue, held: None };
        while let Some(next) = queue.next() {
            // Who doesn't wait any more has given up the answer, not the work.
            match next {
                Next::Appends(batch) => self.commit(batch),
                Next::Dropping(Dropping::Drop { chunk, answer }) => drop(answer.send(self.drop_events(&chunk))),
                Next::Dropping(Dropping::Shrink { answer }) => drop(answer.send(self.shrink())),
            }
        }
        if let Some(connection) = self.connection.take() {
            checkpoint(&connection);
        }
    }

    fn commit(&mut self, batch: Vec<Append>) {
        let (answers, appends): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|append| (append.answer, (append.stream, append.expected, append.events))).unzip();
        let outcomes = match self.write(appends) {
            Ok(outcomes) => outcomes,
            Err(Failure::NotWritten(error)) => {
                tracing::warn!(%error, "a batch of appends was not written");
                vec![Err(error); answers.len()]
            }
            Err(Failure::Unknown(cause)) => {
                tracing::error!(%cause, "the outcome of a commit is unknown");
                vec![Err(StoreError::Unknown(cause)); answers.len()]
            }
        };
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // Who doesn't wait any more has given up the answer, not the append.
            drop(answer.send(outcome));
        }
        // After a doubtful commit: a batch that did arrive is passed on to followers without waiting for the next append.
        if let Err(error) = self.connection() {
            tracing::error!(%error, "the event log can't be opened again yet");
        }
    }

    /// Writes a batch in one transaction and says what became of each append.
    fn write(&mut self, appends: Vec<(StreamId, ExpectedRevision, Vec<NewEvent>)>) -> Result<Vec<Result<Appended, StoreError>>, Failure> {
        self.connection().map_err(Failure::NotWritten)?;
        let Some(connection) = &self.connection else { return Err(Failure::NotWritten(super::closed())) };
        let mut staged = Staged { answers: Vec::with_capacity(appends.len()), ..Staged::default() };
        let stage = connection.execute_batch("BEGIN IMMEDIATE").and_then(|()| {
            appends.into_iter().try_for_each(|(stream, expected, events)| {
                let length = match staged.lengths.get(&stream).or_else(|| self.lengths.get(&stream)) {
                    Some(length) => *length,
                    None => stored_length(connection, &stream)?,
                };
                staged.append(connection, self.head, &stream, expected, length, events)
            })
        });
        if let Err(error) = stage {
            self.roll_back();
            // Full and busy pass by themselves; after anything else the connection is not trusted any more.
            if !matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy)) {
                self.connection = None;
            }
            return Err(Failure::NotWritten(file::store_error(&error)));
        }
        if staged.events.is_empty() {
            self.roll_back();
            return Ok(staged.answers);
        }
        if let Err(error) = connection.execute_batch("COMMIT") {
            self.roll_back();
            self.connection = None;
            return Err(Failure::Unknown(error.to_string()));
        }
        self.head += staged.events.len() as u64;
        staged.lengths.into_iter().for_each(|(stream, length)| self.lengths.insert(stream, length));
        self.counters.count(staged.events.len());
        self.publish(staged.events.into());
        Ok(staged.answers)
    }

    /// Drops a few events in one transaction.
    fn drop_events(&mut self, chunk: &[Span]) -> Result<(), StoreError> {
        self.connection()?;
        let Some(connection) = &mut self.connection else { return Err(super::closed()) };
        let outcome = dropping::drop_events(connection, self.head, chunk);
        match &outcome {
            // Some of them may have begun anew.
            Ok(()) => self.lengths.clear(),
            Err(StoreError::Unavailable(_)) => self.roll_back(),
            Err(_) => self.connection = None,
        }
        outcome
    }

    fn shrink(&mut self) -> Result<bool, StoreError> {
        self.connection()?;
        let Some(connection) = &self.connection else { return Err(super::closed()) };
        dropping::shrink(connection).map_err(|error| file::store_error(&error))
    }

    /// Makes sure that there is a connection, and that the writer knows where the log ends.
    fn connection(&mut self) -> Result<(), StoreError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let connection = self.directory.open_writer()?;
        // Frames of a commit that failed lie behind the end of the write-ahead log; emptying it keeps a later recovery
        // from finding them.
        checkpoint(&connection);
        let head = file::head(&connection).map_err(|error| file::store_error(&error))?.map_or(0, |position| position.0);
        if head < self.head {
            return Err(StoreError::Corrupt(format!("the log ends at position {head}, after {} was committed", self.head)));
        }
        if head > self.head {
            self.head = head;
            // The doubtful batch did arrive: followers find it in the file.
            self.publish(Arc::new([]));
        }
        self.lengths.clear();
        self.connection = Some(connection);
        Ok(())
    }

    fn roll_back(&mut self) {
        let Some(connection) = &self.connection else { return };
        // Some errors have rolled back already.
        if !connection.is_autocommit() && connection.execute_batch("ROLLBACK").is_err() {
            self.connection = None;
        }
    }

    fn publish(&self, batch: Batch) {
        // Nobody following is no error.
        drop(self.live.send(batch));
    }
}

impl Staged {
    fn append(
        &mut self,
        connection: &Connection,
        head: u64,
        stream: &StreamId,
        expected: ExpectedRevision,
        length: u64,
        events: Vec<NewEvent>,
    ) -> rusqlite::Result<()> {
        let answer = match expected.place() {
            Some(place) if place == length => {
                let next = head + self.events.len() as u64 + 1;
                self.lengths.insert(stream.clone(), length + events.len() as u64);
                Some(self.insert(connection, next, stream, length, events)?)
            }
            Some(place) if place < length => replayed(connection, stream, place, &events)?,
            Some(_) | None => None,
        };
        self.answers.push(answer.ok_or_else(|| StoreError::Conflict { stream: stream.clone() }));
        Ok(())
    }

    /// Inserts events from this position and this revision on.
    fn insert(
        &mut self,
        connection: &Connection,
        position: u64,
        stream: &StreamId,
        revision: u64,
        events: Vec<NewEvent>,
    ) -> rusqlite::Result<Appended> {
        let mut insert = connection.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?;
        let mut appended = Appended { position: Position(position), revision: Revision(revision) };
        for (event, offset) in events.into_iter().zip(0..) {
            appended = Appended { position: Position(position + offset), revision: Revision(revision + offset) };
            insert.execute(params![
                integer(appended.position.0),
                stream.as_str(),
                integer(appended.revision.0),
                event.id.as_bytes(),
                event.kind,
                event.schema,
                event.time.0,
                event.actor,
                event.request_id,
                event.data,
            ])?;
            let (position, revision) = (appended.position, appended.revision);
            self.events.push(Arc::new(Recorded { position, stream: stream.clone(), revision, event }));
        }
        Ok(appended)
    }
}

/// The number of events in a stream.
pub(super) fn stored_length(connection: &Connection, stream: &StreamId) -> rusqlite::Result<u64> {
    let mut last = connection.prepare_cached("SELECT max(revision) FROM events WHERE stream = ?1")?;
    let last: Option<i64> = last.query_row([stream.as_str()], |row| row.get(0))?;
    Ok(last.map_or(0, |revision| revision.unsigned_abs() + 1))
}

/// What was answered the first time, if what stands at the place are these very events.
fn replayed(connection: &Connection, stream: &StreamId, place: u64, events: &[NewEvent]) -> rusqlite::Result<Option<Appended>> {
    let mut at = connection.prepare_cached("SELECT id, position FROM events WHERE stream = ?1 AND revision = ?2")?;
    let mut answer = None;
    for (event, revision) in events.iter().zip(place..) {
        let found = at.query_row(params![stream.as_str(), integer(revision)], |row| {
            let same = row.get_ref(0)?.as_blob()? == event.id.as_bytes();
            Ok((same, row.get::<_, i64>(1)?.unsigned_abs()))
        });
        let Some((true, position)) = found.optional()? else { return Ok(None) };
        answer = Some(Appended { position: Position(position), revision: Revision(revision) });
    }
    Ok(answer)
}

/// As SQLite counts. The file is full long before a number is too large.
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Moves everything from the write-ahead log into the file. It may be put off by a reader, which does no harm.
fn checkpoint(connection: &Connection) {
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        tracing::warn!(%error, "the write-ahead log was not checkpointed");
    }
}

/// The queue, and what no longer fitted into the last batch.
struct Queue {
    work: mpsc::Receiver<Work>,
    held: Option<Work>,
}

/// What is done in one transaction.
enum Next {
    Appends(Vec<Append>),
    Dropping(Dropping),
}

impl Queue {
    /// Waits for work, and takes the appends that are queued behind an append. None at the end.
    fn next(&mut self) -> Option<Next> {
        match self.held.take().or_else(|| self.work.blocking_recv())? {
            Work::Append(first) => Some(Next::Appends(self.batch(first))),
            Work::Dropping(dropping) => Some(Next::Dropping(dropping)),
        }
    }

    fn batch(&mut self, first: Append) -> Vec<Append> {
        let (mut events, mut bytes) = (first.events.len(), first.bytes());
        let mut batch = vec![first];
        while let Ok(work) = self.work.try_recv() {
            let Work::Append(append) = work else {
                self.held = Some(work);
                break;
            };
            events += append.events.len();
            bytes += append.bytes();
            if events > BATCH_EVENTS || bytes > BATCH_BYTES {
                self.held = Some(Work::Append(append));
                break;
            }
            batch.push(append);
        }
        batch
    }
}

impl Append {
    fn bytes(&self) -> usize {
        let bytes = |event: &NewEvent| event.data.len() + event.kind.len() + event.actor.len() + event.request_id.len();
        self.stream.as_str().len() + self.events.iter().map(bytes).sum::<usize>()
    }
}

#[cfg(test)]
mod tests;
