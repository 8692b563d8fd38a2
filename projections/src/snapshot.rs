//! A state in a file, so that a start reads only the log's tail.
//!
//! A file is: magic, header (postcard), state (postcard), SHA-256 of all before it. Anything that is not as expected makes
//! it unusable, never an error: the log has everything. It holds no secret, and personal data only sealed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};
use grantlog_core::store::Position;
use serde::{Deserialize, Serialize};

use crate::live::{Hashing, State};

const MAGIC: &[u8] = b"grantlog snapshot\n";
const PROJECTION: &str = "live";
/// An older program may have left out of its state what it did not know yet, so a new one folds the log once.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");
/// Which shape of `State` this program reads and writes. A test tells when it has to change.
const SCHEMA: u32 = 9;
const CHECKSUM: usize = 32;
/// How many are kept: should the newest be damaged, there is the one before.
const KEPT: usize = 2;
const SUFFIX: &str = ".snapshot";

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    projection: String,
    program: String,
    schema: u32,
    position: Option<Position>,
}

impl Header {
    fn of(state: &State) -> Self {
        Self { projection: PROJECTION.to_owned(), program: PROGRAM.to_owned(), schema: SCHEMA, position: state.position() }
    }
}

/// Why a snapshot can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("it can't be read: {0}")]
    Io(#[from] io::Error),
    #[error("it is no snapshot, or damaged")]
    Damaged,
    #[error("it is of another projection or program version")]
    Foreign,
    #[error("it does not decode: {0}")]
    Malformed(#[from] postcard::Error),
}

/// Writes a snapshot durably, and removes those that are not needed any more.
pub(crate) fn write(folder: &Path, state: &State) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let name = format!("{PROJECTION}-{:020}{SUFFIX}", state.position().map_or(0, |position| position.0));
    let (path, unfinished) = (folder.join(&name), folder.join(format!("{name}.unfinished")));
    write_file(&unfinished, state)?;
    fs::rename(&unfinished, &path)?;
    File::open(folder)?.sync_all()?;
    for old in newest_first(folder)?.into_iter().skip(KEPT) {
        fs::remove_file(old)?;
    }
    Ok(path)
}

fn write_file(path: &Path, state: &State) -> io::Result<()> {
    let mut out = Hashing::new(BufWriter::new(create_private(path)?));
    out.write_all(MAGIC)?;
    let out = postcard::to_io(&Header::of(state), out).map_err(io::Error::other)?;
    let out = postcard::to_io(state, out).map_err(io::Error::other)?;
    let (mut file, checksum) = out.finish();
    file.write_all(&checksum.0)?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The snapshots that a start tries, newest first; none when the folder can't be listed.
pub(crate) fn candidates(folder: &Path) -> Vec<PathBuf> {
    newest_first(folder).unwrap_or_else(|error| {
        tracing::warn!(folder = %folder.display(), %error, "the snapshots can't be listed");
        Vec::new()
    })
}

/// The snapshots in a folder that need not exist.
fn newest_first(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        names.extend(name.to_str().filter(|name| name.starts_with(PROJECTION) && name.ends_with(SUFFIX)).map(str::to_owned));
    }
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// Reads a snapshot, if it is one of this program and whole.
pub(crate) fn read(path: &Path) -> Result<State, Unusable> {
    let bytes = fs::read(path)?;
    let (content, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(Unusable::Damaged)?;
    if digest(&SHA256, content).as_ref() != checksum {
        return Err(Unusable::Damaged);
    }
    let content = content.strip_prefix(MAGIC).ok_or(Unusable::Damaged)?;
    let (header, content) = postcard::take_from_bytes::<Header>(content)?;
    let (projection, program) = (header.projection.as_str(), header.program.as_str());
    if (projection, program, header.schema) != (PROJECTION, PROGRAM, SCHEMA) {
        return Err(Unusable::Foreign);
    }
    let (mut state, rest) = postcard::take_from_bytes::<State>(content)?;
    if !rest.is_empty() || state.position() != header.position {
        return Err(Unusable::Damaged);
    }
    state.share();
    Ok(state)
}

#[cfg(test)]
mod tests;
