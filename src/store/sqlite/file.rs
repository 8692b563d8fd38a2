//! The data directory and the file in it: lock, permissions, connections, table.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::store::{Position, StoreError};

/// How long a connection waits for a lock that another process holds, such as a backup tool.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);
/// Marks the file as ours: "glog".
const APPLICATION_ID: i64 = 0x676c_6f67;
/// The version of the table below.
const FORMAT: i64 = 1;

const TABLE: &str = "CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    revision INTEGER NOT NULL,
    id BLOB NOT NULL,
    type TEXT NOT NULL,
    schema INTEGER NOT NULL,
    time INTEGER NOT NULL,
    actor TEXT NOT NULL,
    request_id TEXT NOT NULL,
    data TEXT NOT NULL,
    UNIQUE (stream, revision)
) STRICT";

/// A data directory that only this process writes to, for as long as the value lives.
pub(super) struct DataDirectory {
    database: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Makes the directory if it isn't there, and locks it.
    pub(super) fn lock(dir: &Path) -> Result<Self, StoreError> {
        let unusable = |error: io::Error| StoreError::Unavailable(format!("the data directory {} can't be used: {error}", dir.display()));
        make_directory(dir).map_err(unusable)?;
        let lock = private_file(&dir.join("lock")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Unavailable(format!("the data directory {} is in use by another process", dir.display())));
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let database = path(dir);
        // Made before SQLite does, with our permissions; its companions (-wal, -shm) take them over.
        private_file(&database).map_err(unusable)?;
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(unusable)?;
        Ok(Self { database, _lock: lock })
    }

    /// A connection that may write.
    pub(super) fn open_writer(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        open(&self.database, flags, |connection| {
            // 64 MiB of cache; the write-ahead log shrinks to 64 MiB after a burst.
            // The first pragma has an effect on an empty file only: space of dropped events can be given back.
            connection.execute_batch(
                "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA journal_size_limit = 67108864;",
            )?;
            make_table(connection)
        })
    }
}

/// Where the events stand in a data directory.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("events.db")
}

/// A connection that can't write.
pub(super) fn open_reader(database: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    open(database, flags, |connection| connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -16384;"))
}

/// The position of the last event.
pub(super) fn head(connection: &Connection) -> rusqlite::Result<Option<Position>> {
    let last: Option<i64> = connection.prepare_cached("SELECT max(position) FROM events")?.query_row([], |row| row.get(0))?;
    Ok(last.map(|position| Position(position.unsigned_abs())))
}

/// What an error of SQLite means to a caller, as long as it is certain that nothing was written.
pub(super) fn store_error(error: &rusqlite::Error) -> StoreError {
    match error {
        rusqlite::Error::SqliteFailure(cause, _) => match cause.code {
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt(error.to_string()),
            _ => StoreError::Unavailable(error.to_string()),
        },
        // A value that is not what we wrote.
        _ => StoreError::Corrupt(error.to_string()),
    }
}

fn open(database: &Path, flags: OpenFlags, prepare: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(database, flags).and_then(|connection| {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        prepare(&connection)?;
        let format = pragma(&connection, "user_version")?;
        Ok((pragma(&connection, "application_id")?, format, connection))
    });
    match connection {
        Ok((APPLICATION_ID, FORMAT, connection)) => Ok(connection),
        Ok((application, format, _)) => Err(StoreError::Corrupt(format!(
            "{} is no event log of this program (application {application:#x}, format {format})",
            database.display()
        ))),
        Err(error) => Err(match store_error(&error) {
            StoreError::Corrupt(error) => StoreError::Corrupt(format!("{}: {error}", database.display())),
            _ => StoreError::Unavailable(format!("{} can't be opened: {error}", database.display())),
        }),
    }
}

/// Makes the table in an empty file, and only there.
fn make_table(connection: &Connection) -> rusqlite::Result<()> {
    // 0 as long as the file has no schema at all.
    if pragma(connection, "schema_version")? != 0 {
        return Ok(());
    }
    let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};");
    connection.execute_batch(&format!("BEGIN IMMEDIATE; {TABLE}; {marks} COMMIT;"))
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn make_directory(dir: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}
