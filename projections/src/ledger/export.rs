//! An export: a directory in the layout of C2SP tlog-tiles, with everything that is needed to verify the log without the
//! service.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};
use futures::TryStreamExt;
use grantlog_core::{
    ledger::{self, Content, Hash, Tile, bundle, position_of},
    store::Position,
};
use serde::{Deserialize, Serialize};

use super::{
    database::KeptCheckpoint,
    evidence::{DataDirectory, Evidence, Shown},
    reader::{LedgerError, LedgerReader},
};

/// The file with all checkpoints, each on a line.
pub const CHECKPOINTS: &str = "checkpoints.jsonl";
/// The file with the keys that verify them, each on a line.
pub const KEYS: &str = "keys";
/// The folder of the payloads that their entries only name, each in a file called after its SHA-256.
pub const PAYLOADS: &str = "payloads";

/// A checkpoint as files and answers have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedCheckpoint {
    /// How many events it covers.
    pub size: u64,
    /// The root that was signed.
    pub root: Hash,
    /// When (RFC 3339, UTC).
    pub signed_at: String,
    /// The signed note.
    pub checkpoint: String,
}

impl PublishedCheckpoint {
    /// What is told about it.
    pub fn of(kept: &KeptCheckpoint) -> Self {
        Self { size: kept.size, root: kept.root, signed_at: kept.signed_at.to_rfc3339(), checkpoint: kept.note.clone() }
    }
}

/// Writes the log up to its newest checkpoint into a directory, which must be empty or not there. Returns the size of the tree.
pub async fn export(reader: &LedgerReader, directory: &Path, mut progress: impl FnMut(u64, u64)) -> Result<u64, LedgerError> {
    let checkpoints = reader.checkpoints(0, usize::MAX).await?;
    let newest = checkpoints.last().ok_or_else(|| LedgerError::Unavailable("no checkpoint was signed yet".into()))?;
    let out = Out::new(directory)?;
    let mut events = DataDirectory::new(reader.clone());
    for tile in Tile::all_of(newest.size) {
        let (name, bytes) = match tile.content {
            Content::Entries => entries(reader, &mut events, tile, &out).await?,
            Content::Hashes(_) => {
                let bytes = reader.tile(tile).await?;
                (tile.to_string(), bytes.ok_or_else(|| LedgerError::Corrupt(format!("{tile} is missing")))?)
            }
        };
        out.write(&name, &bytes)?;
        if tile.content == Content::Entries {
            progress((tile.index * ledger::WIDTH).saturating_add(tile.width.into()), newest.size);
        }
    }
    let keys: Vec<String> = reader.keys().await?.iter().map(ToString::to_string).collect();
    out.write(KEYS, (keys.join("\n") + "\n").as_bytes())?;
    let mut lines = Vec::new();
    for checkpoint in &checkpoints {
        serde_json::to_writer(&mut lines, &PublishedCheckpoint::of(checkpoint))
            .map_err(io::Error::from)
            .map_err(|error| out.trouble(&error))?;
        lines.push(b'\n');
    }
    out.write(CHECKPOINTS, &lines)?;
    // Last, so that a directory that has it is complete.
    out.write("checkpoint", newest.note.as_bytes())?;
    Ok(newest.size)
}

/// A bundle, and how it is called: by another name when not all of its entries are there.
async fn entries(reader: &LedgerReader, events: &mut DataDirectory, tile: Tile, out: &Out) -> Result<(String, Vec<u8>), LedgerError> {
    let shown = events.entries(tile).await.map_err(|error| LedgerError::Corrupt(error.to_string()))?;
    let first = position_of(tile.index * ledger::WIDTH).0;
    if shown.len() < tile.width.into() {
        return Err(LedgerError::Corrupt(format!("the log ends before position {}", first + u64::from(tile.width) - 1)));
    }
    let mut entries = Vec::with_capacity(shown.len());
    for (shown, position) in shown.into_iter().zip(first..) {
        entries.push(match shown {
            Shown::Entry(entry) => {
                if ledger::head(&entry).is_ok_and(|head| head.data_sha256.is_some()) {
                    out.payload(&payload(reader, position).await?)?;
                }
                entry
            }
            Shown::Sealed(entry) => reader.hashed(position, entry).await?,
            Shown::Dropped | Shown::Withheld => Vec::new(),
        });
    }
    let is_whole = entries.iter().all(|entry| !entry.is_empty());
    Ok((if is_whole { tile.to_string() } else { kept(tile) }, bundle(&entries)))
}

/// Where an export has a bundle of which some entries are not here. In it these have no bytes.
pub(super) fn kept(tile: Tile) -> String {
    tile.to_string().replacen("tile/entries/", "kept/", 1)
}

async fn payload(reader: &LedgerReader, position: u64) -> Result<Vec<u8>, LedgerError> {
    let event = reader.store.read_all(position.checked_sub(1).map(Position)).try_next().await?;
    let event = event.filter(|event| event.position.0 == position);
    let event = event.ok_or_else(|| LedgerError::Corrupt(format!("the event at position {position} is missing")))?;
    Ok(event.event.data.clone().into_bytes())
}

struct Out(PathBuf);

impl Out {
    fn new(directory: &Path) -> Result<Self, LedgerError> {
        let out = Self(directory.to_owned());
        fs::create_dir_all(directory).map_err(|error| out.trouble(&error))?;
        let mut entries = fs::read_dir(directory).map_err(|error| out.trouble(&error))?;
        if entries.next().is_some() {
            return Err(LedgerError::Unavailable(format!("{} is not empty", directory.display())));
        }
        Ok(out)
    }

    fn payload(&self, payload: &[u8]) -> Result<(), LedgerError> {
        let hash = Hash::try_from(digest(&SHA256, payload).as_ref()).map_err(|error| LedgerError::Corrupt(error.to_string()))?;
        self.write(&format!("{PAYLOADS}/{}", hash.to_hex()), payload)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), LedgerError> {
        let path = self.0.join(name);
        let written = || -> io::Result<()> {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            File::create(&path)?.write_all(bytes)
        };
        written().map_err(|error| self.trouble(&error))
    }

    fn trouble(&self, error: &io::Error) -> LedgerError {
        LedgerError::Unavailable(format!("{}: {error}", self.0.display()))
    }
}
