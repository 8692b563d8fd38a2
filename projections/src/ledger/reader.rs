//! Reading the ledger: tiles, entries, checkpoints and proofs. Works beside the process that writes it.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use futures::TryStreamExt;
use grantlog_core::{
    ledger::{
        self, ConsistencyProof, Content, EntryTooLong, Hash, InclusionProof, SignedCheckpoint, Tile, VerifierKey, WIDTH, bundle,
        position_of,
    },
    store::{EventStore, Position, Segments, StoreError},
};

use super::database::{Database, KeptCheckpoint, StoredTiles};

/// Why the ledger does not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Try later.
    #[error("the ledger is unavailable: {0}")]
    Unavailable(String),
    /// What was read is not what was written.
    #[error("the ledger is corrupt: {0}")]
    Corrupt(String),
    /// An event was dropped from the log, and its segment is not here. It can't be shown, only that it was there.
    #[error("the event at position {} was dropped, and its segment is not here", .0.0)]
    Dropped(Position),
    /// The log and what was signed about it don't fit. Nothing is signed until somebody has looked at it.
    #[error("the ledger does not sign: {0}")]
    Refused(String),
}

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match error.sqlite_error_code() {
            None | Some(DatabaseCorrupt | NotADatabase) => Self::Corrupt(error.to_string()),
            Some(_) => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<StoreError> for LedgerError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt(_) => Self::Corrupt(error.to_string()),
            StoreError::Conflict { .. } | StoreError::Unavailable(_) | StoreError::Unknown(_) => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<EntryTooLong> for LedgerError {
    fn from(error: EntryTooLong) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// Why there is no such proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofRefusal {
    /// No checkpoint of that size was ever signed.
    #[error("no checkpoint of size {0} was signed")]
    NoSuchCheckpoint(u64),
    /// The event is not there, or came after the checkpoint.
    #[error("the checkpoint of size {size} does not cover position {}", position.0)]
    NotCovered {
        /// Which event.
        position: Position,
        /// The size of the tree.
        size: u64,
    },
    /// Nothing was signed yet.
    #[error("no checkpoint was signed yet")]
    NoCheckpoint,
    /// The earlier one is not the smaller one.
    #[error("the first tree must be the smaller one")]
    Backwards,
    /// It can't be told now.
    #[error(transparent)]
    Trouble(#[from] LedgerError),
}

/// Reads a ledger and its log. Clones share both.
#[derive(Clone)]
pub struct LedgerReader {
    database: Arc<Mutex<Database>>,
    pub(super) store: Arc<dyn EventStore>,
    segments: Option<Segments>,
}

impl LedgerReader {
    /// Opens the file of a ledger for reading, beside the process that writes or without one.
    pub fn open_read_only(path: &Path, store: Arc<dyn EventStore>) -> Result<Self, LedgerError> {
        Ok(Self::new(Database::open_read_only(path)?, store))
    }

    pub(super) fn new(database: Database, store: Arc<dyn EventStore>) -> Self {
        Self { database: Arc::new(Mutex::new(database)), store, segments: None }
    }

    /// The same, with a folder where the entries of dropped events may be.
    pub fn with_segments(self, segments: Segments) -> Self {
        Self { segments: Some(segments), ..self }
    }

    /// Does something with the file, on a thread that may block.
    pub(super) async fn with_database<T, E>(&self, work: impl FnOnce(&mut Database) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<LedgerError> + Send + 'static,
    {
        let database = Arc::clone(&self.database);
        let done = tokio::task::spawn_blocking(move || work(&mut database.lock().unwrap_or_else(PoisonError::into_inner)));
        done.await.unwrap_or_else(|error| Err(LedgerError::Unavailable(error.to_string()).into()))
    }

    /// The newest checkpoint.
    pub async fn newest(&self) -> Result<Option<KeptCheckpoint>, LedgerError> {
        self.with_database(|database| database.newest()).await
    }

    /// The checkpoints after a size, the smallest first.
    pub async fn checkpoints(&self, after: u64, limit: usize) -> Result<Vec<KeptCheckpoint>, LedgerError> {
        self.with_database(move |database| database.checkpoints(after, limit)).await
    }

    /// What verifies the checkpoints, as the ledger itself says.
    pub async fn keys(&self) -> Result<Vec<VerifierKey>, LedgerError> {
        self.with_database(|database| database.keys()).await
    }

    /// The bytes of a tile or a bundle; None when the newest checkpoint does not cover it.
    pub async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, LedgerError> {
        let newest = self.newest().await?;
        if !newest.is_some_and(|newest| tile.is_in(newest.size)) {
            return Ok(None);
        }
        match tile.content {
            Content::Hashes(level) => {
                let mut hashes = self.hashes(level, tile.index).await?;
                if hashes.len() < tile.width.into() {
                    return Err(LedgerError::Corrupt(format!("{tile} is too narrow")));
                }
                hashes.truncate(tile.width.into());
                Ok(Some(Hash::join(&hashes)))
            }
            Content::Entries => {
                let first = tile.index * WIDTH;
                let entries = self.entries(first, tile.width.into()).await?;
                let shown = entries.into_iter().zip(first..).map(|(entry, index)| entry.ok_or(LedgerError::Dropped(position_of(index))));
                Ok(Some(bundle(&shown.collect::<Result<Vec<_>, _>>()?)))
            }
        }
    }

    /// A tile of hashes as wide as it is; empty when there is none.
    pub(super) async fn hashes(&self, level: u8, index: u64) -> Result<Vec<Hash>, LedgerError> {
        self.with_database(move |database| database.tile(level, index)).await
    }

    /// So many entries from this index on; None for an event that was dropped and whose segment is not here.
    async fn entries(&self, from: u64, count: usize) -> Result<Vec<Option<Vec<u8>>>, LedgerError> {
        let mut entries = vec![None; count];
        let mut events = self.store.read_all(from.checked_sub(1).map(position_of));
        let end = position_of(from + count as u64);
        let mut is_there = false;
        while let Some(event) = events.try_next().await? {
            is_there |= event.position.0 + 1 >= end.0;
            let place = event.position.0.checked_sub(position_of(from).0).and_then(|place| usize::try_from(place).ok());
            let Some(slot) = place.and_then(|place| entries.get_mut(place)) else { break };
            *slot = Some(ledger::entry(&event)?);
            if is_there {
                break;
            }
        }
        if !is_there {
            return Err(LedgerError::Corrupt(format!("the log ends before position {}", end.0 - 1)));
        }
        if entries.contains(&None) {
            let sealed = self.sealed(position_of(from), Position(end.0 - 1)).await?;
            for (position, entry) in sealed {
                let place = usize::try_from(position - position_of(from).0).unwrap_or(usize::MAX);
                if let Some(slot @ None) = entries.get_mut(place) {
                    *slot = Some(self.hashed(position, entry).await?);
                }
            }
        }
        Ok(entries)
    }

    /// The entry from a segment, if it is what was hashed when it was in the log.
    pub(super) async fn hashed(&self, position: u64, entry: Vec<u8>) -> Result<Vec<u8>, LedgerError> {
        let leaf = self.leaf(position - 1).await?;
        if leaf == Some(ledger::leaf_hash(&entry)) {
            return Ok(entry);
        }
        Err(LedgerError::Corrupt(format!("the segment has another event than the log had at position {position}")))
    }

    /// The entries that segments have of these positions. They may be anything.
    pub(super) async fn sealed(&self, first: Position, last: Position) -> Result<Vec<(u64, Vec<u8>)>, LedgerError> {
        let Some(segments) = self.segments.clone() else { return Ok(Vec::new()) };
        let read = tokio::task::spawn_blocking(move || segments.entries(first.0, last.0)).await;
        let read = read.map_err(|error| LedgerError::Unavailable(error.to_string()))?;
        read.map_err(|error| LedgerError::Unavailable(error.to_string()))
    }

    /// The folder where segments may be.
    pub(super) fn segments(&self) -> Option<Segments> {
        self.segments.clone()
    }

    /// The hash of a leaf, if the tree has it.
    pub(super) async fn leaf(&self, index: u64) -> Result<Option<Hash>, LedgerError> {
        let hashes = self.hashes(0, index / WIDTH).await?;
        Ok(hashes.get(usize::try_from(index % WIDTH).unwrap_or(usize::MAX)).copied())
    }

    /// Shows that the event at this position is in the tree of the checkpoint of this size; of the newest one, if none is named.
    pub async fn inclusion(&self, position: Position, size: Option<u64>) -> Result<InclusionProof, ProofRefusal> {
        let checkpoint = match size {
            Some(size) => self.checkpoint(size).await?,
            None => self.newest().await?.ok_or(ProofRefusal::NoCheckpoint)?,
        };
        let size = checkpoint.size;
        let covered = position.0.checked_sub(1).filter(|index| *index < size);
        let index = covered.ok_or(ProofRefusal::NotCovered { position, size })?;
        let entries = self.entries(index, 1).await?;
        let entry = entries.first().and_then(Option::as_ref).ok_or(LedgerError::Dropped(position))?;
        let hashes = self.with_database(move |database| ledger::inclusion(index, size, &mut StoredTiles::new(database))).await?;
        Ok(InclusionProof::new(index, entry, hashes, &read(checkpoint)?))
    }

    /// Shows that the log only grew between two checkpoints.
    pub async fn consistency(&self, from: u64, to: u64) -> Result<ConsistencyProof, ProofRefusal> {
        if from > to {
            return Err(ProofRefusal::Backwards);
        }
        let (earlier, later) = (self.checkpoint(from).await?, self.checkpoint(to).await?);
        let hashes = self.consistency_hashes(from, to).await?;
        Ok(ConsistencyProof::new(&read(earlier)?, &read(later)?, hashes))
    }

    /// The proof between trees of any two sizes, whether or not a checkpoint was signed there.
    pub(super) async fn consistency_hashes(&self, from: u64, to: u64) -> Result<Vec<Hash>, LedgerError> {
        self.with_database(move |database| ledger::consistency(from, to, &mut StoredTiles::new(database))).await
    }

    async fn checkpoint(&self, size: u64) -> Result<KeptCheckpoint, ProofRefusal> {
        let kept = self.with_database(move |database| database.checkpoint(size)).await?;
        kept.ok_or(ProofRefusal::NoSuchCheckpoint(size))
    }
}

/// What the kept note says: who believes it is up to whoever reads the proof.
fn read(kept: KeptCheckpoint) -> Result<SignedCheckpoint, LedgerError> {
    let checkpoint = SignedCheckpoint::unverified(&kept.note);
    let checkpoint = checkpoint.map_err(|error| LedgerError::Corrupt(format!("the checkpoint of size {}: {error}", kept.size)))?;
    Ok(SignedCheckpoint { checkpoint, note: kept.note })
}

impl fmt::Debug for LedgerReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgerReader").finish_non_exhaustive()
    }
}
