//! Follows the log in a task of its own.

use std::{path::Path, sync::Arc, time::Duration};

use futures::StreamExt;
use grantlog_core::store::{EventStore, Recorded, StoreError};
use tokio::{sync::watch, task::JoinHandle, time};

use super::{
    History,
    feed::Feed,
    file::{self, HistoryError},
};
use crate::rebuild::{Origin, origin};

/// How many events are one transaction at most.
const BATCH: usize = 2000;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The task that feeds the history. Dropping it ends it as well.
#[derive(Debug)]
pub struct HistoryRunner {
    history: History,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Why following ended.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error("a batch was cut off: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl HistoryRunner {
    /// Opens the history in a data directory and begins to follow. It does not wait until it has caught up: whoever asks
    /// does. A file that can't be used, or that is of another log, is made anew.
    pub async fn start(dir: &Path, store: Arc<dyn EventStore>) -> Result<Self, HistoryError> {
        let feed = open(dir, store.as_ref()).await?;
        let history = History::new(dir, feed.applied()?.map(|applied| applied.position));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(run(history.clone(), store, feed, stopped));
        Ok(Self { history, stop, task })
    }

    /// What answers questions.
    pub fn history(&self) -> History {
        self.history.clone()
    }

    /// Ends the task after the batch that it is at.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the history's task did not end well");
        }
    }
}

async fn open(dir: &Path, store: &dyn EventStore) -> Result<Feed, HistoryError> {
    let unavailable = |error: StoreError| HistoryError::Unavailable(error.to_string());
    let problem = match Feed::open(dir).and_then(|feed| feed.applied().map(|applied| (feed, applied))) {
        Ok((feed, applied)) => match origin(store, applied).await.map_err(unavailable)? {
            Origin::ThisLog => return Ok(feed),
            Origin::AnotherLog => "it is of another log".to_owned(),
            Origin::Unknown => Origin::UNKNOWN.to_owned(),
        },
        Err(HistoryError::Unusable(problem)) => problem,
        Err(error) => return Err(error),
    };
    tracing::warn!(problem, "the history is made anew");
    file::remove(dir).map_err(|error| HistoryError::Unavailable(error.to_string()))?;
    Feed::open(dir)
}

async fn run(history: History, store: Arc<dyn EventStore>, feed: Feed, mut stopped: watch::Receiver<bool>) {
    let mut feed = Some(feed);
    let mut pause = FIRST_PAUSE;
    loop {
        let before = history.position();
        let Some(error) = follow(&history, store.as_ref(), &mut feed, &mut stopped).await else { break };
        if history.set_following(false) {
            tracing::error!(%error, position = ?history.position(), "the history does not follow the log; trying again");
        }
        if history.position() != before {
            pause = FIRST_PAUSE;
        }
        tokio::select! {
            _ = stopped.wait_for(|&stop| stop) => break,
            () = time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        if feed.is_none() {
            feed = reopen(&history).await;
        }
    }
    if let Some(feed) = feed {
        let closed = tokio::task::spawn_blocking(move || feed.close()).await;
        if let Err(error) = closed {
            tracing::warn!(%error, "closing the history did not end well");
        }
    }
}

/// A batch that panicked took its connection along.
async fn reopen(history: &History) -> Option<Feed> {
    let dir = history.0.path.parent()?.to_owned();
    tokio::task::spawn_blocking(move || Feed::open(&dir)).await.ok()?.ok()
}

/// Takes in what is appended until something fails; None when it was told to stop.
async fn follow(history: &History, store: &dyn EventStore, feed: &mut Option<Feed>, stopped: &mut watch::Receiver<bool>) -> Option<Broken> {
    let mut batches = store.follow(history.position()).ready_chunks(BATCH);
    loop {
        let next = tokio::select! {
            biased;
            // An error says that the runner was dropped.
            _ = stopped.wait_for(|&stop| stop) => return None,
            next = batches.next() => next,
        };
        let Some(batch) = next else { return Some(StoreError::Unavailable("the subscription ended".to_owned()).into()) };
        if let Err(error) = take(history, feed, batch).await {
            return Some(error);
        }
        if !history.set_following(true) {
            tracing::info!(position = ?history.position(), "the history follows the log again");
        }
    }
}

/// Takes in a batch up to the first error.
async fn take(history: &History, feed: &mut Option<Feed>, batch: Vec<Result<Arc<Recorded>, StoreError>>) -> Result<(), Broken> {
    let mut events = Vec::with_capacity(batch.len());
    let mut outcome = Ok(());
    for item in batch {
        match item {
            Ok(recorded) => events.push(recorded),
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    let closed = || HistoryError::Unavailable("it could not be opened again".to_owned());
    let mut own = feed.take().ok_or_else(closed)?;
    let (own, taken) = tokio::task::spawn_blocking(move || {
        let taken = own.take(&events);
        (own, taken)
    })
    .await?;
    *feed = Some(own);
    history.advanced(taken?.map(|applied| applied.position));
    Ok(outcome?)
}
