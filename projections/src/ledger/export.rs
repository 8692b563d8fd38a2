//! An export: a directory in the layout of C2SP tlog-tiles, with everything that is needed to verify the log without the
//! service.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};
use futures::TryStreamExt;
use grantlog_core::ledger::{self, Content, Hash, Tile, bundle};
use serde::{Deserialize, Serialize};

use super::{
    database::KeptCheckpoint,
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
    let mut events = reader.store.read_all(None);
    for tile in Tile::all_of(newest.size) {
        let bytes = match tile.content {
            Content::Entries => {
                let mut entries = Vec::with_capacity(tile.width.into());
                while entries.len() < tile.width.into() {
                    let missing = || LedgerError::Corrupt(format!("the log ends before position {}", newest.size));
                    let event = events.try_next().await?.ok_or_else(missing)?;
                    let entry = ledger::entry(&event)?;
                    if entry.len() < event.event.data.len() {
                        out.payload(event.event.data.as_bytes())?;
                    }
                    entries.push(entry);
                }
                bundle(&entries)
            }
            Content::Hashes(_) => {
                let bytes = reader.tile(tile).await?;
                bytes.ok_or_else(|| LedgerError::Corrupt(format!("{tile} is missing")))?
            }
        };
        out.write(&tile.to_string(), &bytes)?;
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
