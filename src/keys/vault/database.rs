//! The vault's file: how it is made, and that it belongs to the master key.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    time::Duration,
};

use aws_lc_rs::hmac;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::VaultError;

/// The layout of the tables below.
const SCHEMA_VERSION: i64 = 2;

const TABLES: &str = "
    CREATE TABLE verifier (tag BLOB NOT NULL) STRICT;
    CREATE TABLE subjects (
        id BLOB NOT NULL PRIMARY KEY,
        lookup BLOB NOT NULL UNIQUE,
        wrapped_key BLOB NOT NULL,
        external_id BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE hints (
        authorization_id BLOB NOT NULL PRIMARY KEY,
        hint BLOB NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX hints_by_expiry ON hints (expires_at);
    CREATE TABLE signing_keys (
        kid TEXT NOT NULL PRIMARY KEY,
        algorithm TEXT NOT NULL,
        private_key BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// What version 2 has beside version 1: keys that outlive the master key that they were derived from.
const LASTING_KEYS: &str = "
    CREATE TABLE lasting_keys (
        label TEXT NOT NULL PRIMARY KEY,
        sealed BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// What the verifier row authenticates.
const VERIFIED: &[u8] = b"grantlog vault";

/// Opens the file for its owner only. SQLite gives its side files the same mode.
pub(super) fn open_file(dir: &Path) -> Result<Connection, VaultError> {
    let path = dir.join("vault.db");
    let unusable = |error: io::Error| VaultError::Unavailable(format!("{}: {error}", path.display()));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unusable)?;
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(unusable)?;
    file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(unusable)?;
    Ok(Connection::open(&path)?)
}

/// Sets the connection up, makes the tables in a new file, and proves the master key by them.
pub(super) fn prepare(database: &mut Connection, verifier: &hmac::Key) -> Result<(), VaultError> {
    database.busy_timeout(Duration::from_secs(5))?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    // What is deleted is overwritten: a destroyed key must not be found in a free page.
    database.pragma_update(None, "secure_delete", "ON")?;
    // Temporary tables and sorters stay in memory.
    database.pragma_update(None, "temp_store", "MEMORY")?;
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        0 => {
            transaction.execute_batch(TABLES)?;
            transaction.execute_batch(LASTING_KEYS)?;
            transaction.execute("INSERT INTO verifier (tag) VALUES (?1)", params![tag_of(verifier)])?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        1 => {
            transaction.execute_batch(LASTING_KEYS)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        SCHEMA_VERSION => {}
        other => return Err(VaultError::Corrupt(format!("its schema version is {other}, and this program knows {SCHEMA_VERSION}"))),
    }
    let tag: Option<Vec<u8>> = transaction.query_row("SELECT tag FROM verifier", [], |row| row.get(0)).optional()?;
    let tag = tag.ok_or_else(|| VaultError::Corrupt("its verifier is missing".into()))?;
    hmac::verify(verifier, VERIFIED, &tag).map_err(|_| VaultError::WrongMasterKey)?;
    Ok(transaction.commit()?)
}

/// What proves that a vault was made under the master key of this verifier.
pub(super) fn tag_of(verifier: &hmac::Key) -> Vec<u8> {
    hmac::sign(verifier, VERIFIED).as_ref().to_vec()
}

/// Takes what was deleted out of the write-ahead log too, where its earlier copies would stay.
pub(super) fn forget_deleted(database: &Connection) -> Result<(), VaultError> {
    let is_blocked: bool = database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_blocked { Err(VaultError::Unavailable("another process reads the vault".into())) } else { Ok(()) }
}
