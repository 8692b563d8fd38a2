//! Where a log can be looked at: a data directory, an export.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use futures::{TryStreamExt, stream::BoxStream};
use grantlog_core::{
    domain::segment::{Positions, SegmentEvent},
    ledger::{self, Content, Hash, SignedCheckpoint, Tile, VerifierKey, entries_of},
    store::{Position, Recorded, StoreError},
};

use super::{CHECKPOINTS, KEYS, LedgerReader, PAYLOADS, PublishedCheckpoint, export::kept, leaves::segment_event};

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
    async fn entries(&mut self, tile: Tile) -> Result<Vec<Shown>, Unreadable>;

    /// The hashes of a tile, if it has them; they may be more or fewer than asked for.
    async fn hashes(&mut self, tile: Tile) -> Result<Option<Vec<Hash>>, Unreadable>;

    /// Whether the payload that an entry only names is what it names.
    async fn payload_is_sound(&mut self, sha256: &str) -> Result<bool, Unreadable>;

    /// The segments that were sealed since the log was looked at, if it is one that goes on.
    async fn later_segments(&mut self) -> Result<Vec<Positions>, Unreadable> {
        Ok(Vec::new())
    }

    /// Whether the file of a segment is what was sealed. True when it is not here.
    async fn segment_is_sound(&mut self, _positions: &Positions, _sha256: &str) -> Result<bool, Unreadable> {
        Ok(true)
    }
}

/// What is shown of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Its entry.
    Entry(Vec<u8>),
    /// Its entry, which is in a segment, since it was dropped from the log.
    Sealed(Vec<u8>),
    /// Nothing: it was dropped from the log, and its segment is not here.
    Dropped,
    /// Nothing: whoever is asked does not show it, since it or one beside it was dropped.
    Withheld,
}

/// A data directory, beside a live server or without one.
pub struct DataDirectory {
    reader: LedgerReader,
    events: BoxStream<'static, Result<Arc<Recorded>, StoreError>>,
    /// Read, and not shown yet.
    held: Option<Arc<Recorded>>,
    /// Which position is shown next.
    next: u64,
}

impl DataDirectory {
    /// Looks at the log and the ledger of this reader.
    pub fn new(reader: LedgerReader) -> Self {
        let events = reader.store.read_all(None);
        Self { reader, events, held: None, next: 1 }
    }

    /// What stands at the next position.
    async fn show(&mut self) -> Result<Option<Shown>, StoreError> {
        let Some(event) = (match self.held.take() {
            Some(event) => Some(event),
            None => self.events.try_next().await?,
        }) else {
            return Ok(None);
        };
        let shown = if event.position.0 > self.next {
            // Its turn comes behind the gap.
            self.held = Some(event);
            Shown::Dropped
        } else {
            Shown::Entry(ledger::entry(&event).map_err(|error| StoreError::Corrupt(error.to_string()))?)
        };
        self.next += 1;
        Ok(Some(shown))
    }

    /// Fills in what segments have.
    async fn unseal(&mut self, first: u64, shown: &mut [Shown]) -> Result<(), Unreadable> {
        let is_dropped = |shown: &Shown| *shown == Shown::Dropped;
        let Some(from) = shown.iter().position(is_dropped) else { return Ok(()) };
        let (from, to) = (first + from as u64, first + shown.len() as u64 - 1);
        for (position, entry) in self.reader.sealed(Position(from), Position(to)).await.map_err(unreadable)? {
            let place = usize::try_from(position - first).unwrap_or(usize::MAX);
            if let Some(slot @ Shown::Dropped) = shown.get_mut(place) {
                *slot = Shown::Sealed(entry);
            }
        }
        Ok(())
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

    async fn entries(&mut self, tile: Tile) -> Result<Vec<Shown>, Unreadable> {
        let first = self.next;
        let mut shown = Vec::with_capacity(tile.width.into());
        while shown.len() < tile.width.into() {
            match self.show().await {
                Ok(Some(next)) => shown.push(next),
                Ok(None) => break,
                // What comes before the one that can't be read is looked at first; then it is met again.
                Err(error) if shown.is_empty() => return Err(unreadable(error)),
                Err(error) => {
                    self.events = Box::pin(futures::stream::iter([Err(error)]));
                    break;
                }
            }
        }
        self.unseal(first, &mut shown).await?;
        Ok(shown)
    }

    async fn hashes(&mut self, tile: Tile) -> Result<Option<Vec<Hash>>, Unreadable> {
        let Content::Hashes(level) = tile.content else { return Ok(None) };
        self.reader.hashes(level, tile.index).await.map(Some).map_err(unreadable)
    }

    /// The entry was made from it.
    async fn payload_is_sound(&mut self, _: &str) -> Result<bool, Unreadable> {
        Ok(true)
    }

    async fn later_segments(&mut self) -> Result<Vec<Positions>, Unreadable> {
        let mut later = self.reader.store.read_all(self.next.checked_sub(1).map(Position));
        let mut sealed = Vec::new();
        while let Some(event) = later.try_next().await.map_err(unreadable)? {
            if let Some(SegmentEvent::Sealed { positions, .. }) = segment_event(&event) {
                sealed.push(positions);
            }
        }
        Ok(sealed)
    }

    async fn segment_is_sound(&mut self, positions: &Positions, sha256: &str) -> Result<bool, Unreadable> {
        let Some(segments) = self.reader.segments() else { return Ok(true) };
        let positions = positions.clone();
        let found = tokio::task::spawn_blocking(move || segments.sha256(&positions)).await.map_err(unreadable)?;
        Ok(found.map_err(unreadable)?.is_none_or(|found| found == sha256))
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

    async fn entries(&mut self, tile: Tile) -> Result<Vec<Shown>, Unreadable> {
        let whole = self.read(&tile.to_string())?;
        let (name, bytes) = match whole {
            Some(bytes) => (tile.to_string(), bytes),
            None => match self.read(&kept(tile))? {
                Some(bytes) => (kept(tile), bytes),
                None => return Ok(Vec::new()),
            },
        };
        let entries = entries_of(&bytes).ok_or_else(|| Unreadable(format!("{name} is no bundle of entries")))?;
        Ok(entries.into_iter().map(|entry| if entry.is_empty() { Shown::Dropped } else { Shown::Entry(entry) }).collect())
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
