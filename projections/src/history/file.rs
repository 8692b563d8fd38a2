//! The file `history.db`: its tables, and whether it can be used. It can always be made anew, so that of everything that
//! is not as expected it is said that it is unusable, and nothing is repaired.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use grantlog_core::store::Position;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use uuid::Uuid;

use crate::live::Applied;

/// The file's name in a data directory.
pub const FILE: &str = "history.db";

/// Marks the file as ours: "ghis".
const APPLICATION_ID: i64 = 0x6768_6973;
/// The version of the tables below, and of what is written into them.
const FORMAT: i64 = 3;
/// An older program may have indexed less than this one would.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");
/// How many events share an entry in `spans`.
pub(super) const SPAN: u64 = 4096;

const TABLES: &str = "
    -- How far it is; one row.
    CREATE TABLE progress (position INTEGER, event_id BLOB, unreadable INTEGER NOT NULL, program TEXT NOT NULL) STRICT;
    -- Every name that something is found by, once.
    CREATE TABLE terms (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, value TEXT NOT NULL, UNIQUE (kind, value)) STRICT;
    CREATE TABLE events (
        position INTEGER PRIMARY KEY,
        stream INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        id BLOB NOT NULL,
        type INTEGER NOT NULL,
        schema INTEGER NOT NULL,
        time INTEGER NOT NULL,
        actor INTEGER NOT NULL,
        request_id TEXT NOT NULL,
        data TEXT NOT NULL,
        subject INTEGER,
        client INTEGER,
        organization INTEGER,
        grant_id INTEGER,
        authorization_id INTEGER
    ) STRICT;
    CREATE INDEX events_by_time ON events (time);
    -- The times of so many events in a row, so that a search by time need not read them all.
    CREATE TABLE spans (number INTEGER PRIMARY KEY, earliest INTEGER NOT NULL, latest INTEGER NOT NULL) STRICT;
    -- Where a name occurs.
    CREATE TABLE postings (term INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (term, position)) STRICT, WITHOUT ROWID;
    -- What the events of a stream are about because an earlier one said so.
    CREATE TABLE inherited (stream INTEGER NOT NULL, kind INTEGER NOT NULL, term INTEGER NOT NULL, PRIMARY KEY (stream, kind)) STRICT, WITHOUT ROWID;
    -- Grants, by the position at which they were opened, and what was agreed from which position on.
    CREATE TABLE grants (opened INTEGER PRIMARY KEY, stream INTEGER NOT NULL UNIQUE) STRICT;
    CREATE TABLE grants_of (term INTEGER NOT NULL, opened INTEGER NOT NULL, PRIMARY KEY (term, opened)) STRICT, WITHOUT ROWID;
    CREATE TABLE agreements (
        opened INTEGER NOT NULL,
        position INTEGER NOT NULL,
        scope TEXT NOT NULL,
        -- When the person was asked last, for each scope that they were asked for.
        asked TEXT NOT NULL,
        consented INTEGER,
        ended INTEGER NOT NULL,
        PRIMARY KEY (opened, position)
    ) STRICT, WITHOUT ROWID;
";

/// Everything that the tables say, for the digest.
pub(super) const CONTENT: [&str; 9] = [
    "SELECT * FROM progress",
    "SELECT kind, value FROM terms ORDER BY kind, value",
    "SELECT e.position, s.value, e.revision, e.id, k.value, e.schema, e.time, a.value, e.request_id, e.data,
            su.value, cl.value, og.value, gr.value, au.value
     FROM events e JOIN terms s ON s.id = e.stream JOIN terms k ON k.id = e.type JOIN terms a ON a.id = e.actor
     LEFT JOIN terms su ON su.id = e.subject LEFT JOIN terms cl ON cl.id = e.client LEFT JOIN terms og ON og.id = e.organization
     LEFT JOIN terms gr ON gr.id = e.grant_id LEFT JOIN terms au ON au.id = e.authorization_id ORDER BY e.position",
    "SELECT * FROM spans ORDER BY number",
    "SELECT t.kind, t.value, p.position FROM terms t CROSS JOIN postings p ON p.term = t.id ORDER BY t.kind, t.value, p.position",
    "SELECT s.value, i.kind, t.value FROM terms s CROSS JOIN inherited i ON i.stream = s.id JOIN terms t ON t.id = i.term
     ORDER BY s.kind, s.value, i.kind",
    "SELECT g.opened, s.value FROM grants g JOIN terms s ON s.id = g.stream ORDER BY g.opened",
    "SELECT t.kind, t.value, o.opened FROM terms t CROSS JOIN grants_of o ON o.term = t.id ORDER BY t.kind, t.value, o.opened",
    "SELECT * FROM agreements ORDER BY opened, position",
];

/// Why the file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It is in use, or the disk is full: later it may work.
    #[error("the history is unavailable: {0}")]
    Unavailable(String),
    /// It is damaged, or of another program version: it has to be made anew.
    #[error("the history is unusable: {0}")]
    Unusable(String),
}

impl From<rusqlite::Error> for HistoryError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, SchemaChanged, TypeMismatch};
        match error.sqlite_error_code() {
            // Without a code it is a value that is not what we wrote.
            Some(DatabaseCorrupt | NotADatabase | SchemaChanged | TypeMismatch) | None => Self::Unusable(error.to_string()),
            Some(_) => Self::Unavailable(error.to_string()),
        }
    }
}

pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// Removes the file and its companions.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    for name in [FILE.to_owned(), format!("{FILE}-wal"), format!("{FILE}-shm")] {
        match fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// A connection that writes; makes the file if it isn't there.
pub(super) fn open_writer(dir: &Path) -> Result<Connection, HistoryError> {
    let path = path(dir);
    private(&path).map_err(|error| HistoryError::Unavailable(format!("{}: {error}", path.display())))?;
    let mut connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    // What a power failure takes away is read from the log again, so no commit waits for the disk.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32768; PRAGMA journal_size_limit = 67108864;",
    )?;
    prepare(&mut connection)?;
    Ok(connection)
}

/// A connection that can't write.
pub(super) fn open_reader(path: &Path) -> Result<Connection, HistoryError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -16384;")?;
    check(&connection)?;
    Ok(connection)
}

fn prepare(connection: &mut Connection) -> Result<(), HistoryError> {
    // 0 as long as the file has no schema at all.
    let version: i64 = connection.pragma_query_value(None, "schema_version", |row| row.get(0))?;
    if version == 0 {
        let transaction = connection.transaction()?;
        transaction.execute_batch(TABLES)?;
        transaction.execute("INSERT INTO progress (position, event_id, unreadable, program) VALUES (NULL, NULL, 0, ?1)", [PROGRAM])?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.commit()?;
    }
    check(connection)
}

fn check(connection: &Connection) -> Result<(), HistoryError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let marks = (pragma("application_id")?, pragma("user_version")?);
    if marks != (APPLICATION_ID, FORMAT) {
        return Err(HistoryError::Unusable("it is of another version".to_owned()));
    }
    let program: Option<String> = connection.query_row("SELECT program FROM progress", [], |row| row.get(0)).optional()?;
    match program {
        Some(program) if program == PROGRAM => Ok(()),
        _ => Err(HistoryError::Unusable("it was written by another version of the program".to_owned())),
    }
}

fn private(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// How far it is.
pub(super) fn applied(connection: &Connection) -> rusqlite::Result<Option<Applied>> {
    connection
        .prepare_cached("SELECT position, event_id FROM progress WHERE position IS NOT NULL")?
        .query_row([], |row| {
            let id: [u8; 16] = row.get(1)?;
            Ok(Applied { position: position(row.get(0)?), event_id: Uuid::from_bytes(id) })
        })
        .optional()
}

/// How many events were indexed by their envelope alone, since they could not be read.
pub(super) fn unreadable(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT unreadable FROM progress", [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}

/// As SQLite keeps a position.
pub(super) fn number(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}

pub(super) fn position(number: i64) -> Position {
    Position(number.unsigned_abs())
}
