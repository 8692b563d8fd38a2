//! Grows the tree along with the log, and signs its heads.
//!
//! Nobody who writes to the log waits for it. The tree is written to its file when a checkpoint is signed and every some
//! thousand events; what a crash takes away is read from the log again.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    ops::Deref,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use grantlog_core::{
    app::{clock::Clock, retention::SignedLedger},
    domain::segment::CoveringCheckpoint,
    ledger::{self, Checkpoint, Edge, Hash, NoteSigner, VerifierKey, WIDTH, entry, leaf_hash, position_of},
    store::{EventStore, Position, Recorded, Segments, StoreError},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{self, MissedTickBehavior},
};

use super::{
    database::{Database, Growth, KeptCheckpoint, StoredTiles},
    export::PublishedCheckpoint,
    leaves::{Leaves, Nothing},
    reader::{LedgerError, LedgerReader},
};

/// How many events are taken at once at most.
const BATCH: usize = 256;
/// After so many events the tree is written, whether or not it is signed.
const UNWRITTEN: u64 = 8192;
/// How many may wait for a checkpoint of their own.
const REQUESTS: usize = 64;
const PAUSE: Duration = Duration::from_secs(1);

/// How the ledger is kept.
pub struct LedgerOptions {
    /// Its file; None: it is gone with the process.
    pub file: Option<PathBuf>,
    /// Where the entries of dropped events may be.
    pub segments: Option<Segments>,
    /// How often a tree that has grown is signed; None: only on request.
    pub checkpoint_every: Option<Duration>,
    /// A file that every checkpoint is appended to.
    pub checkpoint_file: Option<PathBuf>,
    /// Signs in the name of the log.
    pub signer: NoteSigner,
    /// What verifies the checkpoints that earlier keys signed.
    pub earlier_keys: Vec<VerifierKey>,
    /// Says when a checkpoint was signed. The tree knows no time.
    pub clock: Arc<dyn Clock>,
}

/// The ledger of a running service.
#[derive(Debug)]
pub struct Ledger {
    reader: LedgerReader,
    signer: VerifierKey,
    published: watch::Sender<Option<KeptCheckpoint>>,
    /// The size of the newest checkpoint that everybody has who should.
    anchored: AtomicU64,
    /// Why nothing is signed, if nothing is.
    refusal: Mutex<Option<String>>,
    requests: mpsc::Sender<oneshot::Sender<Result<KeptCheckpoint, LedgerError>>>,
}

impl Deref for Ledger {
    type Target = LedgerReader;
    fn deref(&self) -> &LedgerReader {
        &self.reader
    }
}

impl Ledger {
    /// Signs what is in the log now, unless the newest checkpoint covers it.
    pub async fn sign(&self) -> Result<KeptCheckpoint, LedgerError> {
        let ended = || LedgerError::Unavailable("the ledger is not kept any more".into());
        let (answer, answered) = oneshot::channel();
        self.requests.send(answer).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }

    /// The newest checkpoint that everybody may know of.
    pub fn published(&self) -> Option<KeptCheckpoint> {
        self.published.borrow().clone()
    }

    /// Tells when there is a newer one.
    pub fn published_changes(&self) -> watch::Receiver<Option<KeptCheckpoint>> {
        self.published.subscribe()
    }

    /// The size of the newest checkpoint that all witnesses cosigned and all recipients have; 0 when there is none.
    pub fn anchored(&self) -> u64 {
        self.anchored.load(Ordering::Relaxed)
    }

    pub(super) fn note_anchored(&self, size: u64) {
        self.anchored.store(size, Ordering::Relaxed);
    }

    /// Keeps the newest checkpoint with signatures of others beside its own. One that is not the newest any more is passed over.
    pub(super) async fn publish_cosigned(&self, cosigned: KeptCheckpoint) -> Result<(), LedgerError> {
        let kept = cosigned.clone();
        self.reader.with_database(move |database| database.add_signatures(&kept)).await?;
        self.published.send_if_modified(|newest| match newest {
            Some(newest) if newest.size == cosigned.size => {
                *newest = cosigned;
                true
            }
            Some(_) | None => false,
        });
        Ok(())
    }

    /// What verifies the checkpoints that are signed now.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.signer
    }

    /// Why nothing is signed, if nothing is: the log is not the one that earlier checkpoints are about.
    pub fn refusal(&self) -> Option<String> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refuse(&self, reason: &str) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
        tracing::error!(reason, "no checkpoint is signed");
    }
}

#[async_trait]
impl SignedLedger for Ledger {
    async fn sign(&self) -> Result<CoveringCheckpoint, String> {
        let signed = Ledger::sign(self).await.map_err(|error| error.to_string())?;
        Ok(CoveringCheckpoint { size: signed.size, root: signed.root.to_string() })
    }

    async fn first_other(&self, leaves: Vec<(u64, Hash)>) -> Result<Option<u64>, String> {
        let signed = self.published().map_or(0, |newest| newest.size);
        let first_other = move |database: &mut Database| {
            let (mut place, mut tile) = (None, Vec::new());
            for (position, leaf) in leaves {
                let index = position.saturating_sub(1);
                if place != Some(index / WIDTH) {
                    place = Some(index / WIDTH);
                    tile = database.tile(0, index / WIDTH)?;
                }
                let hashed = usize::try_from(index % WIDTH).ok().and_then(|place| tile.get(place));
                if position > signed || hashed != Some(&leaf) {
                    return Ok::<_, LedgerError>(Some(position));
                }
            }
            Ok(None)
        };
        self.with_database(first_other).await.map_err(|error| error.to_string())
    }
}

/// The task that keeps the ledger. Dropping it ends it as well.
#[derive(Debug)]
pub struct LedgerRunner {
    ledger: Arc<Ledger>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl LedgerRunner {
    /// Opens the ledger and follows the log from where it was. The tree catches up beside everything else.
    pub async fn start(store: Arc<dyn EventStore>, options: LedgerOptions) -> Result<Self, LedgerError> {
        let LedgerOptions { file, segments, checkpoint_every, checkpoint_file, signer, earlier_keys, clock } = options;
        let database = match &file {
            Some(file) => Database::open(file)?,
            None => Database::in_memory()?,
        };
        for key in earlier_keys.iter().chain([signer.verifier()]) {
            database.keep_key(key)?;
        }
        let newest = database.newest()?;
        let reader = LedgerReader::new(database, store.clone());
        let reader = segments.into_iter().fold(reader, LedgerReader::with_segments);
        let (requests, asked) = mpsc::channel(REQUESTS);
        let published = watch::Sender::new(newest);
        let ledger = Arc::new(Ledger {
            reader,
            signer: signer.verifier().clone(),
            published,
            anchored: AtomicU64::default(),
            refusal: Mutex::default(),
            requests,
        });
        let (stop, stopped) = watch::channel(false);
        let task = match resume(&ledger.reader).await? {
            Ok(edge) => {
                let written = edge.size();
                let (full, waiting) = (Vec::new(), Vec::new());
                let mut grower =
                    Grower { store, ledger: Arc::clone(&ledger), signer, clock, checkpoint_file, written, edge, full, waiting };
                grower.tell_file().await;
                tokio::spawn(grower.run(checkpoint_every, asked, stopped))
            }
            Err(reason) => {
                ledger.refuse(&reason);
                tokio::spawn(async move {
                    let (mut asked, mut stopped) = (asked, stopped);
                    refuse_all(&reason, &mut asked, &mut stopped).await;
                })
            }
        };
        Ok(Self { ledger, stop, task })
    }

    /// The ledger.
    pub fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }

    /// Ends the task, after what has come is written.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the ledger's task did not end well");
        }
    }
}

/// The edge of the tree in the file, when it fits what was signed and the log. Else the log itself is compared with what was
/// signed: the tree is made again if it fits, and kept as evidence, with the reason why nothing may be signed, if it does not.
async fn resume(reader: &LedgerReader) -> Result<Result<Edge, String>, LedgerError> {
    let found = reader
        .with_database(|database| {
            let (size, newest) = (database.size()?, database.newest()?);
            let tiles = &mut StoredTiles::new(database);
            let fits = match newest {
                Some(newest) => newest.size <= size && ledger::root(newest.size, tiles)? == newest.root,
                None => true,
            };
            let edge = Edge::read(size, tiles)?;
            let last = match size.checked_sub(1) {
                Some(last) => database.tile(0, last / WIDTH)?.get(usize::try_from(last % WIDTH).unwrap_or_default()).copied(),
                None => None,
            };
            Ok::<_, LedgerError>((edge, fits, last))
        })
        .await;
    let trouble = match found {
        Ok((edge, true, last)) if is_of(reader.store.as_ref(), edge.size(), last).await? => return Ok(Ok(edge)),
        Ok(_) => "it does not fit the log or what was signed".to_owned(),
        Err(LedgerError::Corrupt(error)) => error,
        Err(error) => return Err(error),
    };
    tracing::warn!(trouble, "the ledger's tree does not serve; the log is read from its beginning");
    match fits_what_was_signed(reader).await? {
        Ok(Past { is_whole: true, .. }) => reader.with_database(Database::forget_tree).await.map(|()| Ok(Edge::default())),
        // The tree is all that is left of some events: it is not forgotten, but made again over what it was.
        Ok(Past { size, is_whole: false }) => regrow(reader, size).await.map(Ok),
        Err(reason) => Ok(Err(reason)),
    }
}

/// The part of the log that was signed.
struct Past {
    size: u64,
    /// Whether the log still has all of it.
    is_whole: bool,
}

/// Compares the log with every checkpoint. The hashes of dropped events are believed as far as they lead to what was signed.
async fn fits_what_was_signed(reader: &LedgerReader) -> Result<Result<Past, String>, LedgerError> {
    let mut edge = Edge::default();
    let mut leaves = Leaves::of(reader);
    for signed in reader.checkpoints(0, usize::MAX).await? {
        while edge.size() < signed.size {
            match leaves.next().await? {
                Ok(leaf) => drop(edge.push(leaf)),
                Err(Nothing::More) => {
                    return Ok(Err(format!("the log has {} events, and a checkpoint was signed for {}", edge.size(), signed.size)));
                }
                Err(Nothing::Here(why)) => return Ok(Err(why)),
            }
        }
        if edge.root() != signed.root {
            return Ok(Err(format!("the log is not the one that the checkpoint of size {} was signed for", signed.size)));
        }
    }
    let is_whole = leaves.is_whole();
    Ok(leaves.unexplained().map_or(Ok(Past { size: edge.size(), is_whole }), |position| Err(missing(position))))
}

/// Makes the tree again up to a size, from leaves that lead to what was signed. What is there is replaced by the same or
/// by what is right, so that nothing is lost by a crash.
async fn regrow(reader: &LedgerReader, size: u64) -> Result<Edge, LedgerError> {
    let (mut edge, mut leaves, mut full) = (Edge::default(), Leaves::of(reader), Vec::new());
    while edge.size() < size {
        let leaf = leaves.next().await?.map_err(|_| LedgerError::Unavailable("the log changes".into()))?;
        full.extend(edge.push(leaf).into_iter().map(|tile| (tile.level, tile.index, tile.hashes)));
        if edge.size().is_multiple_of(UNWRITTEN) {
            let tiles = std::mem::take(&mut full);
            reader.with_database(move |database| database.repair(&tiles)).await?;
        }
    }
    full.extend(edge.partials().map(|(level, index, hashes)| (level, index, hashes.to_vec())));
    let growth = Growth { size, tiles: full };
    reader.with_database(move |database| database.grow(&growth, None)).await?;
    Ok(edge)
}

fn missing(position: u64) -> String {
    format!("the event at position {position} is missing")
}

/// Whether the event is the next one of the tree.
fn follows(edge: &Edge, event: &Recorded) -> Result<(), String> {
    let next = position_of(edge.size());
    if event.position == next { Ok(()) } else { Err(missing(next.0)) }
}

/// Whether the log has the event that the last leaf is of.
async fn is_of(store: &dyn EventStore, size: u64, last: Option<Hash>) -> Result<bool, LedgerError> {
    let Some(index) = size.checked_sub(1) else { return Ok(true) };
    let found = store.read_all(index.checked_sub(1).map(position_of)).try_next().await?;
    Ok(match found {
        Some(event) => event.position == position_of(index) && Some(leaf_hash(&entry(&event)?)) == last,
        None => false,
    })
}

struct Grower {
    store: Arc<dyn EventStore>,
    ledger: Arc<Ledger>,
    signer: NoteSigner,
    clock: Arc<dyn Clock>,
    checkpoint_file: Option<PathBuf>,
    edge: Edge,
    /// How many leaves are in the file.
    written: u64,
    /// The tiles that have become full since.
    full: Vec<(u8, u64, Vec<Hash>)>,
    waiting: Vec<Waiting>,
}

/// Somebody who wants a checkpoint that covers a position.
struct Waiting {
    until: Option<Position>,
    answer: oneshot::Sender<Result<KeptCheckpoint, LedgerError>>,
}

type Requests = mpsc::Receiver<oneshot::Sender<Result<KeptCheckpoint, LedgerError>>>;

impl Grower {
    async fn run(mut self, every: Option<Duration>, mut requests: Requests, mut stopped: watch::Receiver<bool>) {
        // A log whose last checkpoint is old waits for no interval.
        let mut ticks = every.map(time::interval);
        if let Some(ticks) = &mut ticks {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let asked = loop {
            let outcome = tokio::select! {
                asked = stopped.wait_for(|&stop| stop) => break asked.is_ok(),
                outcome = self.follow(&mut ticks, &mut requests) => outcome,
            };
            match outcome {
                LedgerError::Refused(reason) => {
                    self.ledger.refuse(&reason);
                    self.fail_waiting(&LedgerError::Refused(reason.clone()));
                    break refuse_all(&reason, &mut requests, &mut stopped).await;
                }
                error @ (LedgerError::Unavailable(_) | LedgerError::Corrupt(_) | LedgerError::Dropped(_)) => {
                    tracing::error!(%error, size = self.edge.size(), "the ledger can't follow the log; trying again");
                    self.fail_waiting(&error);
                    time::sleep(PAUSE).await;
                }
            }
        };
        if asked
            && self.ledger.refusal().is_none()
            && let Err(error) = self.write(None).await
        {
            tracing::warn!(%error, "the ledger's tree can't be written");
        }
    }

    /// Takes what is appended, until something goes wrong.
    async fn follow(&mut self, ticks: &mut Option<time::Interval>, requests: &mut Requests) -> LedgerError {
        let after = self.edge.size().checked_sub(1).map(position_of);
        let mut batches = self.store.follow(after).ready_chunks(BATCH);
        loop {
            let outcome = tokio::select! {
                batch = batches.next() => match batch {
                    Some(batch) => self.take(batch).await,
                    None => Err(LedgerError::Unavailable("the subscription ended".into())),
                },
                Some(answer) = requests.recv() => self.ask(answer).await,
                () = tick(ticks) => self.sign_on_schedule().await,
            };
            let outcome = match outcome {
                Ok(()) => self.answer_waiting().await,
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                return error;
            }
        }
    }

    async fn take(&mut self, batch: Vec<Result<Arc<Recorded>, StoreError>>) -> Result<(), LedgerError> {
        for event in batch {
            let event = event?;
            self.push(&event)?;
        }
        if self.edge.size() - self.written >= UNWRITTEN {
            self.write(None).await?;
        }
        Ok(())
    }

    fn push(&mut self, event: &Recorded) -> Result<(), LedgerError> {
        follows(&self.edge, event).map_err(LedgerError::Refused)?;
        let full = self.edge.push(leaf_hash(&entry(event)?));
        self.full.extend(full.into_iter().map(|tile| (tile.level, tile.index, tile.hashes)));
        Ok(())
    }

    async fn ask(&mut self, answer: oneshot::Sender<Result<KeptCheckpoint, LedgerError>>) -> Result<(), LedgerError> {
        match self.store.head().await {
            Ok(until) => self.waiting.push(Waiting { until, answer }),
            // Who asked is told; if nobody listens any more, nobody misses it.
            Err(error) => drop(answer.send(Err(error.into()))),
        }
        Ok(())
    }

    /// Signs for those whose events are in the tree now.
    async fn answer_waiting(&mut self) -> Result<(), LedgerError> {
        let reached = self.edge.size().checked_sub(1).map(position_of);
        if !self.waiting.iter().any(|waiting| waiting.until <= reached) {
            return Ok(());
        }
        let signed = self.sign().await;
        for waiting in self.waiting.extract_if(.., |waiting| waiting.until <= reached) {
            // Whoever does not wait any more does not miss it.
            drop(waiting.answer.send(signed.clone()));
        }
        match signed {
            Err(error @ (LedgerError::Unavailable(_) | LedgerError::Corrupt(_) | LedgerError::Dropped(_))) => Err(error),
            // There was nothing to sign.
            Ok(_) | Err(LedgerError::Refused(_)) => Ok(()),
        }
    }

    fn fail_waiting(&mut self, error: &LedgerError) {
        for waiting in self.waiting.drain(..) {
            drop(waiting.answer.send(Err(error.clone())));
        }
    }

    async fn sign_on_schedule(&mut self) -> Result<(), LedgerError> {
        match self.sign().await {
            Ok(_) | Err(LedgerError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Signs the tree as it is, unless it was signed.
    async fn sign(&mut self) -> Result<KeptCheckpoint, LedgerError> {
        let size = self.edge.size();
        match self.ledger.published() {
            // It may be greater while the tree is made again.
            Some(newest) if newest.size >= size => return Ok(newest),
            None if size == 0 => return Err(LedgerError::Refused("there is nothing to sign".into())),
            Some(_) | None => {}
        }
        let checkpoint = Checkpoint { origin: self.signer.verifier().name().to_owned(), size, root: self.edge.root() };
        let kept = KeptCheckpoint::new(checkpoint.sign(&self.signer), self.clock.now());
        self.write(Some(kept.clone())).await?;
        // Not before it is kept: what is known outside must never be contradicted.
        self.ledger.published.send_replace(Some(kept.clone()));
        self.tell_file().await;
        Ok(kept)
    }

    /// Writes what has come since the last time.
    async fn write(&mut self, checkpoint: Option<KeptCheckpoint>) -> Result<(), LedgerError> {
        let size = self.edge.size();
        if size == self.written && checkpoint.is_none() {
            return Ok(());
        }
        let partials = self.edge.partials().map(|(level, index, hashes)| (level, index, hashes.to_vec()));
        let growth = Arc::new(Growth { size, tiles: self.full.iter().cloned().chain(partials).collect() });
        self.ledger.reader.with_database(move |database| database.grow(&growth, checkpoint.as_ref())).await?;
        self.full.clear();
        self.written = size;
        Ok(())
    }

    /// Appends the newest checkpoint to the operator's file, if it is not there.
    async fn tell_file(&mut self) {
        let (Some(file), Some(newest)) = (self.checkpoint_file.clone(), self.ledger.published()) else { return };
        let appended = tokio::task::spawn_blocking({
            let file = file.clone();
            move || append(&file, &PublishedCheckpoint::of(&newest))
        });
        let problem = match appended.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(file = %file.display(), problem, "a checkpoint can't be appended");
    }
}

/// Never, when there is no schedule.
async fn tick(ticks: &mut Option<time::Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => std::future::pending().await,
    }
}

/// Tells everybody who asks, until the end. Says whether that was asked for.
async fn refuse_all(reason: &str, requests: &mut Requests, stopped: &mut watch::Receiver<bool>) -> bool {
    loop {
        tokio::select! {
            asked = stopped.wait_for(|&stop| stop) => return asked.is_ok(),
            // Whoever does not wait any more does not miss it.
            Some(answer) = requests.recv() => drop(answer.send(Err(LedgerError::Refused(reason.to_owned())))),
        }
    }
}

/// One line for each checkpoint. The last line tells whether it is there already, so that doing it again is harmless.
fn append(path: &Path, checkpoint: &PublishedCheckpoint) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let line = serde_json::to_string(checkpoint)? + "\n";
    if ends_with(&mut file, line.as_bytes())? {
        return Ok(());
    }
    file.write_all(line.as_bytes())?;
    file.sync_all()
}

fn ends_with(file: &mut File, end: &[u8]) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let Some(from) = length.checked_sub(end.len() as u64) else { return Ok(false) };
    file.seek(SeekFrom::Start(from))?;
    let mut found = Vec::new();
    file.read_to_end(&mut found)?;
    Ok(found == end)
}
