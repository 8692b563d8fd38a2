//! The file of the ledger: tiles, and the checkpoints that were signed.

use std::{collections::HashMap, fs::OpenOptions, path::Path, time::Duration};

use grantlog_core::{
    domain::Timestamp,
    ledger::{Hash, SignedCheckpoint, Tiles, VerifierKey},
};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};

use super::LedgerError;

/// Marks the file as ours: "gldg".
const APPLICATION_ID: i64 = 0x676c_6467;
/// The version of the tables below, and of the entries that the tiles are made of.
const FORMAT: i64 = 1;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const TABLES: &str = "
    CREATE TABLE tree (size INTEGER NOT NULL) STRICT;
    INSERT INTO tree (size) VALUES (0);
    CREATE TABLE tiles (
        level INTEGER NOT NULL,
        place INTEGER NOT NULL,
        hashes BLOB NOT NULL,
        PRIMARY KEY (level, place)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE checkpoints (
        size INTEGER PRIMARY KEY,
        root BLOB NOT NULL,
        signed_at INTEGER NOT NULL,
        note TEXT NOT NULL
    ) STRICT;
    CREATE TABLE keys (verifier_key TEXT NOT NULL PRIMARY KEY) STRICT;
";

/// A checkpoint as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCheckpoint {
    /// How many events it covers.
    pub size: u64,
    /// The root that was signed.
    pub root: Hash,
    /// When.
    pub signed_at: Timestamp,
    /// The signed note.
    pub note: String,
}

/// What has come to the tree since it was last written.
#[derive(Debug, Default)]
pub(super) struct Growth {
    pub(super) size: u64,
    /// Level, place, hashes; a tile replaces the narrower one at its place.
    pub(super) tiles: Vec<(u8, u64, Vec<Hash>)>,
}

pub(super) struct Database(Connection);

impl Database {
    /// Opens the file, which is made if it isn't there.
    pub(super) fn open(path: &Path) -> Result<Self, LedgerError> {
        private_file(path).map_err(|error| LedgerError::Unavailable(format!("{}: {error}", path.display())))?;
        let connection = Connection::open(path)?;
        // A checkpoint must be on disk before it is published, so every commit is synced; there are few.
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
        Self::new(connection)
    }

    /// Opens the file for reading, beside the process that writes.
    pub(super) fn open_read_only(path: &Path) -> Result<Self, LedgerError> {
        Self::new(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?)
    }

    /// A file that is gone with the process.
    pub(super) fn in_memory() -> Result<Self, LedgerError> {
        Self::new(Connection::open_in_memory()?)
    }

    fn new(connection: Connection) -> Result<Self, LedgerError> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // 0 as long as the file has no schema at all.
        if pragma(&connection, "schema_version")? == 0 {
            let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};");
            connection.execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} {marks} COMMIT;"))?;
        }
        match (pragma(&connection, "application_id")?, pragma(&connection, "user_version")?) {
            (APPLICATION_ID, FORMAT) => Ok(Self(connection)),
            (application, format) => {
                Err(LedgerError::Corrupt(format!("no ledger of this program (application {application:#x}, format {format})")))
            }
        }
    }

    /// How many leaves the tree has.
    pub(super) fn size(&self) -> Result<u64, LedgerError> {
        Ok(self.0.query_row("SELECT size FROM tree", [], |row| unsigned(row, 0))?)
    }

    /// A tile as wide as it is; empty when there is none.
    pub(super) fn tile(&self, level: u8, place: u64) -> Result<Vec<Hash>, LedgerError> {
        let Ok(place) = i64::try_from(place) else { return Ok(Vec::new()) };
        let mut query = self.0.prepare_cached("SELECT hashes FROM tiles WHERE level = ?1 AND place = ?2")?;
        let bytes: Option<Vec<u8>> = query.query_row(params![level, place], |row| row.get(0)).optional()?;
        let broken = || LedgerError::Corrupt(format!("the tile {level}/{place} is none"));
        bytes.map_or(Ok(Vec::new()), |bytes| Hash::split(&bytes).ok_or_else(broken))
    }

    /// Writes what has come, and the checkpoint over it if there is one: all or nothing, and durable when it returns.
    pub(super) fn grow(&mut self, growth: &Growth, checkpoint: Option<&KeptCheckpoint>) -> Result<(), LedgerError> {
        let transaction = self.0.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO tiles (level, place, hashes) VALUES (?1, ?2, ?3)")?;
            for (level, place, hashes) in &growth.tiles {
                insert.execute(params![level, signed(*place)?, Hash::join(hashes)])?;
            }
            transaction.prepare_cached("UPDATE tree SET size = ?1")?.execute([signed(growth.size)?])?;
        }
        if let Some(checkpoint) = checkpoint {
            // Checkpoints only grow, and a size is signed once: the key of the table sees to the second.
            let newest: Option<u64> =
                transaction.query_row("SELECT size FROM checkpoints ORDER BY size DESC LIMIT 1", [], |row| unsigned(row, 0)).optional()?;
            if newest.is_some_and(|newest| newest >= checkpoint.size) {
                return Err(LedgerError::Corrupt(format!("a checkpoint of size {} or more was signed before", checkpoint.size)));
            }
            let KeptCheckpoint { size, root, signed_at, note } = checkpoint;
            transaction
                .prepare_cached("INSERT INTO checkpoints (size, root, signed_at, note) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![signed(*size)?, root.0, signed_at.0, note])?;
        }
        Ok(transaction.commit()?)
    }

    /// Puts tiles in the place of those that are there.
    pub(super) fn repair(&mut self, tiles: &[(u8, u64, Vec<Hash>)]) -> Result<(), LedgerError> {
        let size = self.size()?;
        self.grow(&Growth { size, tiles: tiles.to_vec() }, None)
    }

    /// Forgets the tree, and nothing that was signed.
    pub(super) fn forget_tree(&mut self) -> Result<(), LedgerError> {
        Ok(self.0.execute_batch("BEGIN IMMEDIATE; DELETE FROM tiles; UPDATE tree SET size = 0; COMMIT;")?)
    }

    /// The checkpoints after a size, the smallest first.
    pub(super) fn checkpoints(&self, after: u64, limit: usize) -> Result<Vec<KeptCheckpoint>, LedgerError> {
        let sql = "SELECT size, root, signed_at, note FROM checkpoints WHERE size > ?1 ORDER BY size LIMIT ?2";
        let mut query = self.0.prepare_cached(sql)?;
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let rows = query.query_map(params![after, i64::try_from(limit).unwrap_or(i64::MAX)], kept)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The newest checkpoint.
    pub(super) fn newest(&self) -> Result<Option<KeptCheckpoint>, LedgerError> {
        let sql = "SELECT size, root, signed_at, note FROM checkpoints ORDER BY size DESC LIMIT 1";
        Ok(self.0.prepare_cached(sql)?.query_row([], kept).optional()?)
    }

    /// The checkpoint of a size.
    pub(super) fn checkpoint(&self, size: u64) -> Result<Option<KeptCheckpoint>, LedgerError> {
        let Ok(size) = i64::try_from(size) else { return Ok(None) };
        let sql = "SELECT size, root, signed_at, note FROM checkpoints WHERE size = ?1";
        Ok(self.0.prepare_cached(sql)?.query_row([size], kept).optional()?)
    }

    /// Keeps a checkpoint with more signatures than it had.
    pub(super) fn add_signatures(&self, cosigned: &KeptCheckpoint) -> Result<(), LedgerError> {
        let KeptCheckpoint { size, note, .. } = cosigned;
        self.0.execute("UPDATE checkpoints SET note = ?2 WHERE size = ?1", params![signed(*size)?, note])?;
        Ok(())
    }

    /// Remembers what verifies the checkpoints.
    pub(super) fn keep_key(&self, key: &VerifierKey) -> Result<(), LedgerError> {
        self.0.execute("INSERT OR IGNORE INTO keys (verifier_key) VALUES (?1)", [key.to_string()])?;
        Ok(())
    }

    /// What verifies the checkpoints, the oldest first. Whoever may write the file may write these too: to believe a
    /// checkpoint takes a key that one has from elsewhere.
    pub(super) fn keys(&self) -> Result<Vec<VerifierKey>, LedgerError> {
        let mut query = self.0.prepare("SELECT verifier_key FROM keys ORDER BY rowid")?;
        let texts: Vec<String> = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let broken = |_| LedgerError::Corrupt("a verifier key is none".into());
        texts.iter().map(|text| text.parse().map_err(broken)).collect()
    }
}

/// The tiles in the file, each read once.
pub(super) struct StoredTiles<'a> {
    database: &'a Database,
    seen: HashMap<(u8, u64), Vec<Hash>>,
}

impl<'a> StoredTiles<'a> {
    pub(super) fn new(database: &'a Database) -> Self {
        Self { database, seen: HashMap::new() }
    }
}

impl Tiles for StoredTiles<'_> {
    type Error = LedgerError;

    fn tile(&mut self, level: u8, index: u64) -> Result<Vec<Hash>, LedgerError> {
        if let Some(hashes) = self.seen.get(&(level, index)) {
            return Ok(hashes.clone());
        }
        let hashes = self.database.tile(level, index)?;
        self.seen.insert((level, index), hashes.clone());
        Ok(hashes)
    }
}

impl KeptCheckpoint {
    pub(super) fn new(signed: SignedCheckpoint, signed_at: Timestamp) -> Self {
        Self { size: signed.checkpoint.size, root: signed.checkpoint.root, signed_at, note: signed.note }
    }
}

fn kept(row: &Row<'_>) -> rusqlite::Result<KeptCheckpoint> {
    let root: [u8; Hash::LENGTH] = row.get(1)?;
    Ok(KeptCheckpoint { size: unsigned(row, 0)?, root: Hash(root), signed_at: Timestamp(row.get(2)?), note: row.get(3)? })
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

fn signed(value: u64) -> Result<i64, LedgerError> {
    i64::try_from(value).map_err(|_| LedgerError::Corrupt(format!("{value} is too great a number")))
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Made before SQLite does, for its owner only; its companions take that over.
fn private_file(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
