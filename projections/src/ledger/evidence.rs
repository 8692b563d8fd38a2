//! Where a log can be looked at: a data directory, an export.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use futures::{TryStreamExt, stream::BoxStream};
use grantlog_core::{
    ledger::{self, Content, Hash, SignedCheckpoint, Tile, VerifierKey, entries_of},
    store::{Recorded, StoreError},
};

use super::{CHECKPOINTS, KEYS, LedgerReader, PAYLOADS, PublishedCheckpoint};

/// Something can't be looked at. The text says what and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// What there is to verify of a log. It may be what the operator says, and is not believed.
#[async_trait]
pub trait Evidence: Send {
    /// The keys that it says it is signed with.
    async fn keys(&mut self) -> Result<Vec<VerifierKey>, Unreadable>;

    /// The notes of all checkpoints that it has.
    async fn checkpoints(&mut self) -> Result<Vec<String>, Unreadable>;

    /// How many events there are to look at, given the greatest size that was signed.
    async fn size(&mut self, signed: u64) -> Result<u64, Unreadable>;

    /// The entries of a bundle, which may be fewer than asked for where the log ends. Bundles are asked for in their order.
    async fn entries(&mut self, tile: Tile) -> Result<Vec<Vec<u8>>, Unreadable>;

    /// The hashes of a tile, if it has them; they may be more or fewer than asked for.
    async fn hashes(&mut self, tile: Tile) -> Result<Option<Vec<Hash>>, Unreadable>;

    /// Whether the payload that an entry only names is what it names.
    async fn payload_is_sound(&mut self, sha256: &str) -> Result<bool, Unreadable>;
}

/// A data directory, beside a live server or without one.
pub struct DataDirectory {
    reader: LedgerReader,
    events: BoxStream<'static, Result<std::sync::Arc<Recorded>, StoreError>>,
}

impl DataDirectory {
    /// Looks at the log and the ledger of this reader.
    pub fn new(reader: LedgerReader) -> Self {
        let events = reader.store.read_all(None);
        Self { reader, events }
    }
}

fn unreadable(error: impl ToString) -> Unreadable {
    Unreadable(error.to_string())
}

#[async_trait]
impl Evidence for DataDirectory {
    async fn keys(&mut self) -> Result<Vec<VerifierKey>, Unreadable> {
        self.reader.keys().await.map_err(unreadable)
    }

    async fn checkpoints(&mut self) -> Result<Vec<String>, Unreadable> {
        let checkpoints = self.reader.checkpoints(0, usize::MAX).await.map_err(unreadable)?;
        Ok(checkpoints.into_iter().map(|checkpoint| checkpoint.note).collect())
    }

    async fn size(&mut self, _: u64) -> Result<u64, Unreadable> {
        let head = self.reader.store.head().await.map_err(unreadable)?;
        Ok(head.map_or(0, |head| head.0))
    }

    async fn entries(&mut self, tile: Tile) -> Result<Vec<Vec<u8>>, Unreadable> {
        let mut entries = Vec::with_capacity(tile.width.into());
        while entries.len() < tile.width.into() {
            match self.events.try_next().await {
                Ok(Some(event)) => entries.push(ledger::entry(&event).map_err(unreadable)?),
                Ok(None) => break,
                // What comes before the one that can't be read is looked at first; then it is met again.
                Err(error) if entries.is_empty() => return Err(unreadable(error)),
                Err(error) => {
                    self.events = Box::pin(futures::stream::iter([Err(error)]));
                    break;
                }
            }
        }
        Ok(entries)
    }

    async fn hashes(&mut self, tile: Tile) -> Result<Option<Vec<Hash>>, Unreadable> {
        let Content::Hashes(level) = tile.content else { return Ok(None) };
        self.reader.hashes(level, tile.index).await.map(Some).map_err(unreadable)
    }

    /// The entry was made from it.
    async fn payload_is_sound(&mut self, _: &str) -> Result<bool, Unreadable> {
        Ok(true)
    }
}

/// A directory that was exported.
#[derive(Clone, Debug)]
pub struct Export(PathBuf);

impl Export {
    /// Looks at an export.
    pub fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// None when there is no such file.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Unreadable> {
        match fs::read(self.0.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Unreadable(format!("{name}: {error}"))),
        }
    }

    /// How many events it has: those that its newest checkpoint covers.
    pub(super) fn covered(&self) -> Result<u64, Unreadable> {
        let note = self.text("checkpoint")?;
        let newest = SignedCheckpoint::unverified(&note).map_err(|error| Unreadable(format!("checkpoint: {error}")))?;
        Ok(newest.size)
    }

    /// The payload of this SHA-256, which an entry only names.
    pub(super) fn payload(&self, sha256: &str) -> Result<Option<Vec<u8>>, Unreadable> {
        // A name is a name, and no way out of the directory.
        let is_name = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_name { self.read(&format!("{PAYLOADS}/{sha256}")) } else { Ok(None) }
    }

    fn text(&self, name: &str) -> Result<String, Unreadable> {
        let bytes = self.read(name)?.ok_or_else(|| Unreadable(format!("{name} is missing: this is no complete export")))?;
        String::from_utf8(bytes).map_err(|_| Unreadable(format!("{name} is not text")))
    }
}

#[async_trait]
impl Evidence for Export {
    async fn keys(&mut self) -> Result<Vec<VerifierKey>, Unreadable> {
        self.text(KEYS)?.lines().map(|line| line.parse().map_err(|error| Unreadable(format!("{KEYS}: {error}")))).collect()
    }

    async fn checkpoints(&mut self) -> Result<Vec<String>, Unreadable> {
        let mut notes = vec![self.text("checkpoint")?];
        for line in self.text(CHECKPOINTS)?.lines() {
            let read: PublishedCheckpoint = serde_json::from_str(line).map_err(|error| Unreadable(format!("{CHECKPOINTS}: {error}")))?;
            notes.push(read.checkpoint);
        }
        Ok(notes)
    }

    async fn size(&mut self, signed: u64) -> Result<u64, Unreadable> {
        Ok(signed)
    }

    async fn entries(&mut self, tile: Tile) -> Result<Vec<Vec<u8>>, Unreadable> {
        let Some(bytes) = self.read(&tile.to_string())? else { return Ok(Vec::new()) };
        entries_of(&bytes).ok_or_else(|| Unreadable(format!("{tile} is no bundle of entries")))
    }

    async fn hashes(&mut self, tile: Tile) -> Result<Option<Vec<Hash>>, Unreadable> {
        let Some(bytes) = self.read(&tile.to_string())? else { return Ok(None) };
        Hash::split(&bytes).map(Some).ok_or_else(|| Unreadable(format!("{tile} is no tile of hashes")))
    }

    async fn payload_is_sound(&mut self, sha256: &str) -> Result<bool, Unreadable> {
        let payload = self.payload(sha256)?;
        Ok(payload.is_some_and(|payload| Hash::try_from(digest(&SHA256, &payload).as_ref()).is_ok_and(|hash| hash.to_hex() == sha256)))
    }
}
