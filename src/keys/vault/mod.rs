//! Secrets that change and can be destroyed, kept outside the log: which person a subject is, the subjects' keys, login
//! hints, the private halves of signing keys.
//!
//! All of it lies in one SQLite file of its own, sealed under keys derived from the master key. What is deleted is
//! overwritten. Kept values are cached in memory, so one process at a time uses a vault.

mod database;
mod error;
mod hints;
mod lasting_keys;
mod master_key;
mod signing_keys;
mod subjects;

use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::hmac;
use quick_cache::sync::Cache;
use rusqlite::Connection;
use zeroize::Zeroizing;

use self::subjects::LookupTag;
use super::{MasterKey, seal::SealKey};
use crate::{domain::SubjectId, jose::SigningKey};

pub use error::VaultError;
pub use lasting_keys::LastingKey;
pub use subjects::RegisteredSubject;

/// Subjects whose key or person stays in memory.
const CACHED_SUBJECTS: usize = 65_536;

/// Signing keys that stay in memory: far more than are ever in use.
const CACHED_SIGNING_KEYS: usize = 64;

/// The vault. Its clones are one vault.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    /// Entries of the caches are made and removed only while this is held, so that none outlives its row.
    database: Mutex<Connection>,
    keys: Keys,
    lasting_keys: BTreeMap<LastingKey, Zeroizing<[u8; 32]>>,
    subjects: Cache<LookupTag, SubjectId>,
    external_ids: Cache<SubjectId, Arc<str>>,
    subject_keys: Cache<SubjectId, Arc<SealKey>>,
    signing_keys: Cache<String, Arc<SigningKey>>,
}

/// One key for each purpose.
struct Keys {
    verifier: hmac::Key,
    lookup: hmac::Key,
    subject_wrap: SealKey,
    hints: SealKey,
    signing_wrap: SealKey,
    lasting_wrap: SealKey,
}

impl Keys {
    fn new(master: &MasterKey) -> Self {
        let mac = |label| hmac::Key::new(hmac::HMAC_SHA256, master.derive(label).as_slice());
        Self {
            verifier: mac("vault verifier"),
            lookup: mac("vault subject lookup"),
            subject_wrap: SealKey::derived(master, "vault subject keys"),
            hints: SealKey::derived(master, "vault hints"),
            signing_wrap: SealKey::derived(master, "vault signing keys"),
            lasting_wrap: SealKey::derived(master, "vault lasting keys"),
        }
    }
}

impl Vault {
    /// Opens `vault.db` in a folder; makes both where they are missing. Blocks: call it at start.
    pub fn open(dir: &Path, master: &MasterKey) -> Result<Self, VaultError> {
        Self::new(database::open_file(dir)?, master)
    }

    /// A vault that is gone with the process.
    pub fn in_memory(master: &MasterKey) -> Result<Self, VaultError> {
        Self::new(Connection::open_in_memory()?, master)
    }

    fn new(mut database: Connection, master: &MasterKey) -> Result<Self, VaultError> {
        let keys = Keys::new(master);
        database::prepare(&mut database, &keys.verifier)?;
        let lasting_keys = lasting_keys::load(&database, &keys.lasting_wrap, master)?;
        Ok(Self(Arc::new(Inner {
            database: Mutex::new(database),
            keys,
            lasting_keys,
            subjects: Cache::new(CACHED_SUBJECTS),
            external_ids: Cache::new(CACHED_SUBJECTS),
            subject_keys: Cache::new(CACHED_SUBJECTS),
            signing_keys: Cache::new(CACHED_SIGNING_KEYS),
        })))
    }

    /// Does something with the database, on a thread that may block.
    async fn with_database<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner, &mut Connection) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let inner = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            // A panic in between has rolled its transaction back; the connection is as good as before.
            let mut database = inner.database.lock().unwrap_or_else(PoisonError::into_inner);
            work(&inner, &mut database)
        });
        done.await.map_err(|error| VaultError::Unavailable(error.to_string()))?
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(redacted)")
    }
}

#[cfg(test)]
mod tests;
