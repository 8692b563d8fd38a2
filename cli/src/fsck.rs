//! `grantlog fsck`: reads everything, writes nothing, and tells the first thing that does not fit.
//!
//! Beside the log it looks at what is derived from it or belongs to it: the snapshots and the vault. It runs beside a
//! live server: what is appended meanwhile is left for the next time.

mod log;

use std::{
    collections::BTreeMap,
    env, fmt,
    io::{Write, stdout},
    path::{Path, PathBuf},
};

use clap::Args;
use grantlog_core::{
    app::directory::GrantDirectory,
    domain::{
        Event, StreamId, StreamKind,
        catalog::reference::{PlaceInStream, event_type},
        segment::Positions,
    },
    keys::{KeyDirectory, MasterKey, Vault},
    store::{EventStore, Position, Segments, SqliteStore, StoreError},
};
use grantlog_projections::{
    LiveRunner, history,
    live::Digest,
    rebuild::{self, SnapshotOutcome},
    runner::LiveOptions,
};

use crate::{
    Failure,
    boot::{MASTER_KEY_FILE, MASTER_KEY_VARIABLE, SNAPSHOTS, VAULT_FILE, master_key},
    config::Config,
    place::Place,
    progress::Progress,
};

/// What `fsck` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
}

/// The first thing that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where in the log, if it is about one place.
    pub position: Option<Position>,
    /// In which stream, if it is about one.
    pub stream: Option<StreamId>,
    /// What does not fit.
    pub what: String,
}

impl Finding {
    fn new(what: impl Into<String>) -> Self {
        Self { position: None, stream: None, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = self.position {
            write!(f, "position {}: ", position.0)?;
        }
        if let Some(stream) = &self.stream {
            write!(f, "{stream}: ")?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for Finding {}

/// What was found when everything fits.
#[derive(Debug, Default)]
pub struct Summary {
    /// How many events there are.
    pub events: u64,
    /// How many streams of each kind.
    pub streams: BTreeMap<StreamKind, u64>,
    /// The position of the last event.
    pub head: Option<Position>,
    /// The digest of the read models at the log's end.
    pub digest: Option<Digest>,
    /// How many snapshots say the same as the log.
    pub snapshots: usize,
    /// The digest of the history, if there is one.
    pub history: Option<Digest>,
    /// How many people who were erased the vault still knows: it is older than the log.
    pub remembered: usize,
    /// How many events were dropped from the log.
    pub dropped: u64,
    /// The segments that they are in, each with the SHA-256 of its file.
    pub segments: Vec<(Positions, String)>,
    /// What could not be looked at, and why.
    pub notes: Vec<String>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.head.map_or_else(|| "none".to_owned(), |head| head.0.to_string());
        writeln!(f, "{} events, the last at position {head}", self.events)?;
        for (kind, count) in &self.streams {
            writeln!(f, "{count:>10} {}", kind.as_str())?;
        }
        if let Some(digest) = self.digest {
            writeln!(f, "read models: {digest}")?;
        }
        writeln!(f, "{} snapshots agree", self.snapshots)?;
        if let Some(digest) = self.history {
            writeln!(f, "history: {digest}")?;
        }
        if self.remembered > 0 {
            writeln!(f, "people who were erased and whom the vault still knows: {}; the next start forgets them", self.remembered)?;
        }
        if self.dropped > 0 {
            writeln!(f, "{} events were dropped from the log; sealed segments name all of them", self.dropped)?;
        }
        for note in &self.notes {
            writeln!(f, "not looked at: {note}")?;
        }
        write!(f, "everything fits")
    }
}

/// Checks, prints the summary, or fails with the first finding.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let config = arguments.place.config()?;
    let summary = check(&config).await?;
    writeln!(stdout(), "{summary}")?;
    Ok(())
}

/// Looks at everything in a data directory.
pub async fn check(config: &Config) -> Result<Summary, Finding> {
    let store = SqliteStore::open_read_only(&config.data_dir).map_err(|error| Finding::new(error.to_string()))?;
    let store = std::sync::Arc::new(store);
    let mut progress = Progress::new("Checking the log");
    let mut summary = log::check(store.as_ref(), |done, of| progress.at(done, of)).await?;
    drop(progress);
    check_segments(&Segments::of(&config.data_dir), &mut summary)?;
    check_snapshots(store.as_ref(), &config.data_dir.join(SNAPSHOTS), &mut summary).await?;
    check_history(store.as_ref(), &config.data_dir, &mut summary).await?;
    check_vault(config, store, &mut summary).await?;
    Ok(summary)
}

/// Every file of a segment that is here is the one that was sealed. It may be elsewhere.
fn check_segments(segments: &Segments, summary: &mut Summary) -> Result<(), Finding> {
    for (positions, sealed) in &summary.segments {
        let path = segments.path(positions).display().to_string();
        match segments.sha256(positions).map_err(|error| Finding::new(error.to_string()))? {
            Some(found) if found == *sealed => {}
            Some(_) => return Err(Finding::new(format!("{path} is not the file that was sealed"))),
            None => summary.notes.push(format!("{path}: it is not here")),
        }
    }
    Ok(())
}

async fn check_snapshots(store: &dyn EventStore, folder: &Path, summary: &mut Summary) -> Result<(), Finding> {
    let found = rebuild::verify(store, Some(folder)).await.map_err(unreadable)?;
    for snapshot in found.snapshots {
        let what = |problem: &str| Finding::new(format!("the snapshot {} {problem}", snapshot.path.display()));
        match snapshot.outcome {
            SnapshotOutcome::Agrees => summary.snapshots += 1,
            SnapshotOutcome::Disagrees { .. } => return Err(what("does not say what the log says")),
            SnapshotOutcome::OfAnotherLog => {
                return Err(what(
                    "ends in an event that is not in the log: the log was cut off or changed; if it was restored from a backup, delete the snapshot",
                ));
            }
            SnapshotOutcome::Ignored { reason } => summary.notes.push(format!("{}: {reason}", snapshot.path.display())),
        }
    }
    summary.digest = Some(found.rebuilt);
    Ok(())
}

/// The history, as far as it has come, is what one that is made anew would be.
async fn check_history(store: &dyn EventStore, data_dir: &Path, summary: &mut Summary) -> Result<(), Finding> {
    let failed = |error: &dyn fmt::Display| Finding::new(format!("the history can't be checked: {error}"));
    let scratch = tempfile::tempdir().map_err(|error| failed(&error))?;
    let what = |problem: &str| Finding::new(format!("the history {problem}: `grantlog rebuild-history` makes it anew"));
    match history::verify(data_dir, store, scratch.path()).await.map_err(|error| failed(&error))? {
        None => {}
        Some(history::Verification::Agrees { digest, .. }) => summary.history = Some(digest),
        Some(history::Verification::Disagrees { .. }) => return Err(what("does not say what the log says")),
        Some(history::Verification::Behind { position }) => {
            let reached = position.map_or(0, |position| position.0);
            summary.notes.push(format!("{}: it has come to position {reached}, and old events were dropped since", history::FILE));
        }
        Some(history::Verification::OfAnotherLog) => return Err(what("ends in an event that is not in the log")),
        Some(history::Verification::Unusable { reason }) => summary.notes.push(format!("{}: {reason}", history::FILE)),
    }
    Ok(())
}

/// The vault opens under its master key and has the private half of every signing key that is not revoked; how many people
/// it knows whom it should not.
async fn check_vault(config: &Config, store: std::sync::Arc<SqliteStore>, summary: &mut Summary) -> Result<(), Finding> {
    let runner = LiveRunner::start(store, LiveOptions::default(), |_| {}).await.map_err(unreadable)?;
    let live = runner.live();
    let keys = live.keys();
    if !config.data_dir.join(VAULT_FILE).exists() {
        return if keys.is_empty() { Ok(()) } else { Err(Finding::new("there are signing keys, and no vault with their private halves")) };
    }
    let Some(master_key) = existing_master_key(config)? else {
        summary.notes.push(format!("the vault: its master key is not at hand ({MASTER_KEY_VARIABLE}, or the configured file)"));
        return Ok(());
    };
    let vault = Vault::open(&config.data_dir, &master_key).map_err(|error| Finding::new(error.to_string()))?;
    for key in keys.iter() {
        let what = |problem: String| Finding::new(format!("the private half of the signing key {} {problem}", key.kid));
        match vault.signing_key(&key.kid).await {
            Ok(Some(_)) => {}
            Ok(None) => return Err(what("is not in the vault".to_owned())),
            Err(error) => return Err(what(format!("can't be read: {error}"))),
        }
    }
    for subject in live.erased_subjects() {
        let found = vault.external_id(subject).await.map_err(|error| Finding::new(error.to_string()))?;
        summary.remembered += usize::from(found.is_some());
    }
    Ok(())
}

/// The master key, if there is one: nothing is made here.
fn existing_master_key(config: &Config) -> Result<Option<MasterKey>, Finding> {
    let file: PathBuf = config.master_key_file.clone().unwrap_or_else(|| config.data_dir.join(MASTER_KEY_FILE));
    if env::var_os(MASTER_KEY_VARIABLE).is_none() && !file.exists() {
        return Ok(None);
    }
    master_key(config).map(Some).map_err(|error| Finding::new(error.to_string()))
}

/// The store tells by itself what it can't read.
fn unreadable(error: StoreError) -> Finding {
    Finding::new(error.to_string())
}

/// What an event of a stream must be, given the place.
fn fits_its_place(event: &Event, kind: &str, revision: u64) -> Result<(), String> {
    let known = event_type(kind).filter(|known| known.stream == event.stream_kind());
    match known.map(|known| known.place) {
        None => Err(format!("{kind} is no event of such a stream")),
        Some(PlaceInStream::First) if revision > 0 => Err(format!("{kind} begins a stream, and this one had begun")),
        Some(PlaceInStream::Later) if revision == 0 => Err(format!("the stream begins with {kind}")),
        Some(PlaceInStream::First | PlaceInStream::Later | PlaceInStream::Any) => Ok(()),
    }
}
