//! Reading: a small pool of connections that can't write, used on blocking threads.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rusqlite::{Connection, Row, params, types::Type};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{closed, dropping, file};
use crate::{
    domain::{StreamId, Timestamp},
    store::{NewEvent, Position, Recorded, Revision, StoreError},
};

/// How many events are read at once.
pub(super) const PAGE: usize = 2000;
/// How many reads go on at the same time.
const CONNECTIONS: usize = 4;

const COLUMNS: &str = "position, stream, revision, id, type, schema, time, actor, request_id, data";

/// The pool. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Readers(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    database: PathBuf,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(dir: &Path) -> Self {
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        Self(Arc::new(Pool { database: file::path(dir), permits, idle: Mutex::default() }))
    }

    /// Reads on a blocking thread.
    pub(super) async fn read<T, E, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        E: Into<ReadError>,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        // Closing the pool closes the semaphore.
        let permit = Arc::clone(&self.0.permits).acquire_owned().await.map_err(|_| closed())?;
        let pool = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            let answer = pool.with_connection(work);
            drop(permit);
            answer
        });
        done.await.unwrap_or_else(|error| Err(StoreError::Unavailable(format!("a read was cut off: {error}"))))
    }

    /// The next events after a position, at most [`PAGE`].
    pub(super) async fn page(&self, after: Option<Position>) -> Result<Page, StoreError> {
        self.read(move |connection| page(connection, after)).await
    }

    /// Refuses every read from now on.
    pub(super) fn close(&self) {
        self.0.permits.close();
        self.0.idle().clear();
    }
}

impl Pool {
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_connection<T, E: Into<ReadError>>(&self, work: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, StoreError> {
        let idle = self.idle().pop();
        let connection = idle.map_or_else(|| file::open_reader(&self.database), Ok)?;
        // A connection that met an error is not used again.
        let answer = work(&connection).map_err(|error| error.into().0)?;
        let mut idle = self.idle();
        if !self.permits.is_closed() {
            idle.push(connection);
        }
        Ok(answer)
    }
}

/// What went wrong in a read: SQLite's errors and our own.
pub(super) struct ReadError(StoreError);

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self(file::store_error(&error))
    }
}

/// The events of a stream after a revision, to its end.
pub(super) fn stream(connection: &Connection, stream: &StreamId, after: Option<Revision>) -> Result<Vec<Recorded>, ReadError> {
    let from = after.map_or(Some(0), |after| after.0.checked_add(1)).and_then(|from| i64::try_from(from).ok());
    let Some(from) = from else { return Ok(Vec::new()) };
    let sql = format!("SELECT {COLUMNS} FROM events WHERE stream = ?1 AND revision >= ?2 ORDER BY revision");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![stream.as_str(), from])?;
    let (mut events, mut expected) = (Vec::new(), from.unsigned_abs());
    // What was dropped is looked up before the rows are read to their end, and so in the same state of the file.
    while let Some(row) = rows.next()? {
        let event = recorded(row)?;
        if event.revision.0 > expected
            && let Some(missing) = dropping::first_missing_of(connection, stream, expected, event.revision.0 - 1)?
        {
            return Err(ReadError(StoreError::Corrupt(format!("revision {missing} of {stream} is missing"))));
        }
        expected = event.revision.0.saturating_add(1);
        events.push(event);
    }
    Ok(events)
}

/// The next events of the log.
pub(super) struct Page {
    pub(super) events: Vec<Arc<Recorded>>,
    /// Whether there is something after them.
    pub(super) more: bool,
}

/// What can't be read, or is missing and was not dropped, ends a page, and is an error where it begins one: so everything
/// before it is read.
fn page(connection: &Connection, after: Option<Position>) -> Result<Page, ReadError> {
    let mut page = Page { events: Vec::new(), more: false };
    let from = after.map_or(Some(1), |after| after.0.checked_add(1)).and_then(|from| i64::try_from(from).ok());
    let Some(from) = from else { return Ok(page) };
    let sql = format!("SELECT {COLUMNS} FROM events WHERE position >= ?1 ORDER BY position LIMIT {PAGE}");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([from])?;
    let mut expected = from.unsigned_abs();
    while let Some(row) = rows.next()? {
        let position = unsigned(row, 0);
        let missing = match &position {
            Ok(position) if *position > expected => dropping::first_missing(connection, expected, position - 1)?,
            _ => None,
        };
        let trouble = match (missing, recorded(row)) {
            (Some(missing), _) => format!("the event at position {missing} is missing"),
            (None, Err(error)) => format!("the event at position {}: {error}", position.unwrap_or(expected)),
            (None, Ok(event)) => {
                expected = event.position.0.saturating_add(1);
                page.events.push(Arc::new(event));
                continue;
            }
        };
        if page.events.is_empty() {
            return Err(ReadError(StoreError::Corrupt(trouble)));
        }
        page.more = true;
        return Ok(page);
    }
    page.more = page.events.len() == PAGE;
    Ok(page)
}

fn recorded(row: &Row<'_>) -> rusqlite::Result<Recorded> {
    Ok(Recorded {
        position: Position(unsigned(row, 0)?),
        stream: parsed(row, 1, StreamId::from_str(row.get_ref(1)?.as_str()?))?,
        revision: Revision(unsigned(row, 2)?),
        event: NewEvent {
            id: parsed(row, 3, Uuid::from_slice(row.get_ref(3)?.as_blob()?))?,
            kind: row.get(4)?,
            schema: row.get(5)?,
            time: Timestamp(row.get(6)?),
            actor: row.get(7)?,
            request_id: row.get(8)?,
            data: row.get(9)?,
        },
    })
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

fn parsed<T, E: std::error::Error + Send + Sync + 'static>(row: &Row<'_>, column: usize, value: Result<T, E>) -> rusqlite::Result<T> {
    let found = row.get_ref(column).map_or(Type::Null, |value| value.data_type());
    value.map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, found, Box::new(error)))
}
