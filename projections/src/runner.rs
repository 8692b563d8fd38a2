//! Feeds the read models: from a snapshot, to the head of the log, and then along with it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream::BoxStream};
use grantlog_core::store::{EventStore, Position, Recorded, StoreError};
use tokio::{sync::watch, task::JoinHandle, time};

use crate::{
    live::{Fact, Live, State},
    rebuild::{Origin, origin},
    snapshot,
};

/// How many events are applied under one lock at most.
const BATCH: usize = 256;
/// How long a subscription must hold, when nothing is written, to count as working again.
const SETTLED: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How the read models are fed.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// Where snapshots are kept; None: every start reads the whole log.
    pub snapshot_dir: Option<PathBuf>,
    /// How many events are applied between two snapshots.
    pub snapshot_every: u64,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self { snapshot_dir: None, snapshot_every: 100_000 }
    }
}

/// How far a start is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The position of the last event applied.
    pub done: Position,
    /// The head of the log when the start began.
    pub of: Position,
}

/// The task that feeds the read models. Dropping it ends it as well, without a last snapshot.
#[derive(Debug)]
pub struct LiveRunner {
    live: Arc<Live>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl LiveRunner {
    /// Loads the newest snapshot that fits the log, catches up to the head and follows from there on. When it returns,
    /// everything that was in the log before the call is visible.
    pub async fn start(
        store: Arc<dyn EventStore>,
        options: LiveOptions,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<Self, StoreError> {
        let state = match options.snapshot_dir.as_deref() {
            Some(folder) => restore(store.as_ref(), folder).await?,
            None => State::default(),
        };
        let live = Arc::new(Live::new(state));
        let (stop, stopped) = watch::channel(false);
        let snapshots = Snapshots::new(options, live.position());
        let mut feeder = Feeder { store, live: Arc::clone(&live), snapshots };
        feeder.catch_up(progress).await?;
        let task = tokio::spawn(feeder.run(stopped));
        Ok(Self { live, stop, task })
    }

    /// The read models.
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live)
    }

    /// Ends the task, after a last snapshot.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the read models' task did not end well");
        }
    }
}

/// The state of the newest usable snapshot, or the empty one. Only the store can fail.
async fn restore(store: &dyn EventStore, folder: &Path) -> Result<State, StoreError> {
    for path in snapshot::candidates(folder) {
        let file = path.clone();
        let read = tokio::task::spawn_blocking(move || snapshot::read(&file)).await;
        let problem = match read {
            Ok(Ok(state)) => match origin(store, state.applied()).await? {
                Origin::ThisLog => return Ok(state),
                Origin::AnotherLog => "it is of another log".to_owned(),
                Origin::Unknown => Origin::UNKNOWN.to_owned(),
            },
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(snapshot = %path.display(), problem, "a snapshot is ignored");
    }
    Ok(State::default())
}

struct Feeder {
    store: Arc<dyn EventStore>,
    live: Arc<Live>,
    snapshots: Snapshots,
}

type Batch = Vec<Result<Arc<Recorded>, StoreError>>;

impl Feeder {
    async fn catch_up(&mut self, mut progress: impl FnMut(Progress) + Send) -> Result<(), StoreError> {
        let Some(head) = self.store.head().await? else { return Ok(()) };
        let mut batches = self.store.read_all(self.live.position()).ready_chunks(BATCH);
        while let Some(batch) = batches.next().await {
            self.take(batch)?;
            if let Some(done) = self.live.position() {
                progress(Progress { done, of: head });
            }
            // A store may have everything at hand; others want to run too.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Applies a batch up to the first error.
    fn take(&mut self, batch: Batch) -> Result<(), StoreError> {
        let mut facts = Vec::with_capacity(batch.len());
        let mut outcome = Ok(());
        for item in batch {
            match item {
                Ok(recorded) => facts.push(Fact::read(&recorded)),
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        let applied = facts.len();
        self.live.apply(facts);
        self.snapshots.applied(applied, &self.live);
        outcome
    }

    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let asked = {
            let mut follow = std::pin::pin!(self.follow_always());
            tokio::select! {
                // An error says that the runner was dropped.
                asked = stopped.wait_for(|&stop| stop) => asked.is_ok(),
                () = &mut follow => false,
            }
        };
        if asked {
            self.snapshots.last(&self.live).await;
        }
    }

    async fn follow_always(&mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let before = self.live.position();
            let error = self.follow().await;
            if self.live.set_following(false) {
                tracing::error!(%error, position = ?self.live.position(), "the log can't be followed; trying again");
            }
            if self.live.position() != before {
                pause = FIRST_PAUSE;
            }
            time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Applies what is appended, until the store fails.
    async fn follow(&mut self) -> StoreError {
        let events: BoxStream<'static, _> = self.store.follow(self.live.position());
        let mut batches = events.ready_chunks(BATCH);
        loop {
            let next = if self.live.is_following() {
                batches.next().await
            } else {
                let Ok(next) = time::timeout(SETTLED, batches.next()).await else {
                    self.recovered();
                    continue;
                };
                next
            };
            let Some(batch) = next else { return StoreError::Unavailable("the subscription ended".to_owned()) };
            let delivered = batch.first().is_some_and(Result::is_ok);
            let outcome = self.take(batch);
            if delivered && outcome.is_ok() {
                self.recovered();
            }
            if let Err(error) = outcome {
                return error;
            }
        }
    }

    fn recovered(&self) {
        if !self.live.set_following(true) {
            tracing::info!(position = ?self.live.position(), "the log is followed again");
        }
    }
}

/// Writes snapshots beside the feeding, one at a time.
struct Snapshots {
    options: LiveOptions,
    since: u64,
    newest: Option<Position>,
    writing: Option<JoinHandle<()>>,
}

impl Snapshots {
    fn new(options: LiveOptions, newest: Option<Position>) -> Self {
        Self { options, since: 0, newest, writing: None }
    }

    fn applied(&mut self, count: usize, live: &Live) {
        self.since = self.since.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        let idle = self.writing.as_ref().is_none_or(JoinHandle::is_finished);
        if self.since >= self.options.snapshot_every && idle {
            self.start(live);
        }
    }

    fn start(&mut self, live: &Live) {
        let Some(folder) = self.options.snapshot_dir.clone() else { return };
        self.since = 0;
        // What this program can't read, another may: a state that lacks it is not kept.
        if live.unreadable() > 0 || live.position() == self.newest {
            return;
        }
        let state = live.copy();
        self.newest = state.position();
        self.writing = Some(tokio::task::spawn_blocking(move || match snapshot::write(&folder, &state) {
            Ok(path) => tracing::debug!(snapshot = %path.display(), "a snapshot was written"),
            Err(error) => tracing::warn!(folder = %folder.display(), %error, "a snapshot can't be written"),
        }));
    }

    async fn last(&mut self, live: &Live) {
        self.finish().await;
        self.start(live);
        self.finish().await;
    }

    async fn finish(&mut self) {
        if let Some(writing) = self.writing.take()
            && let Err(error) = writing.await
        {
            tracing::warn!(%error, "writing a snapshot did not end well");
        }
    }
}

#[cfg(test)]
mod tests;
