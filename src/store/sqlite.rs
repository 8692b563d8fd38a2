//! The event store in one SQLite file, `<dir>/events.db`: the embedded default.
//!
//! # The life of an event
//!
//! 1. `append` puts the batch into a bounded queue and waits. A full queue is `Unavailable`, at once.
//! 2. The writer, the only thread that writes, takes everything that is queued (at most 1024 events and 1 MiB, but at
//!    least one append) and begins one transaction.
//! 3. Append by append, in the order of arrival, it compares the expected revision with the stream's length, which the
//!    appends before it in the same transaction may have changed. If it fits, the events get the next positions and are
//!    inserted. If not, but these very events stand at that place, it is a retry and gets the first answer. Else it is a
//!    conflict, which costs nobody else anything.
//! 4. `COMMIT`, with `synchronous=FULL`: SQLite syncs the write-ahead log before it returns. An error before this step
//!    means that nothing is written; an error of this step leaves the outcome unknown, so everyone in the batch is told
//!    that, and the writer opens the file anew and looks where the log ends before it goes on.
//! 5. The committed events go to those who follow.
//! 6. Every caller gets their own answer.
//! 7. Readers find the events by position or by stream, over connections of their own that can't write, in pages, so
//!    that no long read keeps the write-ahead log from being checkpointed.
//!
//! Positions count from 1 without gaps: a transaction that is rolled back gives its positions back. An OS lock keeps a
//! second process from writing; tools read beside it with [`SqliteStore::open_read_only`].
//!
//! Events that retention drops leave gaps, in the log and in their streams. What was dropped is noted in the transaction
//! that drops it (`dropping.rs`), so that readers can tell such a gap from a row that somebody took out.

mod dropping;
mod file;
mod follow;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::sync::{broadcast, mpsc, oneshot};

use self::{
    file::DataDirectory,
    follow::{Follower, News},
    reader::Readers,
    writer::{Append, Counters, Dropping, Work, Writer},
};
use super::{Appended, DropEvents, EventStore, ExpectedRevision, Loaded, NewEvent, Position, Recorded, Revision, StoreError};
use crate::domain::{StreamId, segment::Span};

/// How many appends may wait for the writer.
const QUEUE: usize = 4096;
/// How many committed batches a follower may be behind before it has to read them from the file.
const LIVE_BATCHES: usize = 128;

/// Events that were committed together.
type Batch = Arc<[Arc<Recorded>]>;

/// The event store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    readers: Readers,
    /// None when the store was opened for reading only.
    writing: Option<Writing>,
    counters: Arc<Counters>,
}

/// What was committed since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Transactions.
    pub batches: u64,
    /// Events.
    pub events: u64,
}

/// The handle of the writer's thread.
#[derive(Debug)]
struct Writing {
    /// None once the store is closed: the writer ends when the queue has no more senders.
    queue: Mutex<Option<mpsc::Sender<Work>>>,
    /// Weak, so that followers end with the writer.
    live: broadcast::WeakSender<Batch>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteStore {
    /// Opens the store in a directory, which is made if it isn't there, and starts the writer. Refused while another
    /// process has it open.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let directory = DataDirectory::lock(dir)?;
        let counters = Arc::new(Counters::default());
        let live = broadcast::Sender::new(LIVE_BATCHES);
        let weak = live.downgrade();
        let writer = Writer::new(directory, live, Arc::clone(&counters))?;
        let (queue, requests) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("event-writer".into()).spawn(move || writer.run(requests));
        let thread = thread.map_err(|error| StoreError::Unavailable(format!("the writer can't be started: {error}")))?;
        let writing = Writing { queue: Mutex::new(Some(queue)), live: weak, thread: Mutex::new(Some(thread)) };
        Ok(Self { readers: Readers::new(dir), writing: Some(writing), counters })
    }

    /// Opens the store for reading, beside the process that writes or without one. Appends are refused; following looks
    /// for new events five times a second.
    pub fn open_read_only(dir: &Path) -> Result<Self, StoreError> {
        file::open_reader(&file::path(dir))?;
        Ok(Self { readers: Readers::new(dir), writing: None, counters: Arc::default() })
    }

    /// Commits what is queued, checkpoints the write-ahead log and ends the writer. Every call after it is answered
    /// `Unavailable`.
    pub async fn close(&self) {
        let thread = self.writing.as_ref().and_then(Writing::stop);
        self.readers.close();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the event writer did not end as it should");
            }
        }
    }

    /// What was committed since the store was opened.
    pub fn stats(&self) -> Stats {
        self.counters.read()
    }

    fn queue(&self) -> Result<mpsc::Sender<Work>, StoreError> {
        let read_only = || StoreError::Unavailable("the store was opened for reading only".into());
        self.writing.as_ref().ok_or_else(read_only)?.queue().ok_or_else(closed)
    }
}

impl Writing {
    fn queue(&self) -> Option<mpsc::Sender<Work>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the writer end when it has done what is queued.
    fn stop(&self) -> Option<JoinHandle<()>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn news(&self) -> Result<News, StoreError> {
        self.live.upgrade().map(|live| News::Live(live.subscribe())).ok_or_else(closed)
    }
}

impl Drop for Writing {
    /// Waits for the writer, so that the directory's lock is free when the store is gone.
    fn drop(&mut self) {
        if self.stop().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the event writer did not end as it should");
        }
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".into())
}

#[async_trait]
impl EventStore for SqliteStore {
    async fn load(&self, stream: &StreamId, after: Option<Revision>) -> Result<Loaded, StoreError> {
        let stream = stream.clone();
        self.readers.read(move |connection| reader::stream(connection, &stream, after)).await.map(|events| Loaded { events })
    }

    async fn append(&self, stream: &StreamId, expected: ExpectedRevision, events: Vec<NewEvent>) -> Result<Appended, StoreError> {
        if events.is_empty() {
            return Err(StoreError::empty_batch());
        }
        let (answer, answered) = oneshot::channel();
        let append = Append { stream: stream.clone(), expected, events, answer };
        self.queue()?.try_send(Work::Append(append)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => StoreError::Unavailable("too many appends are waiting".into()),
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        answered.await.unwrap_or_else(|_| Err(StoreError::Unknown("the writer ended without an answer".into())))
    }

    fn read_all(&self, after: Option<Position>) -> BoxStream<'static, Result<Arc<Recorded>, StoreError>> {
        let from = Some((self.readers.clone(), after));
        let pages = stream::try_unfold(from, |state| async move {
            let Some((readers, after)) = state else { return Ok(None) };
            let page = readers.page(after).await?;
            let next = page.events.last().filter(|_| page.more).map(|last| (readers, Some(last.position)));
            Ok::<_, StoreError>(Some((stream::iter(page.events.into_iter().map(Ok)), next)))
        });
        pages.try_flatten().boxed()
    }

    fn follow(&self, after: Option<Position>) -> BoxStream<'static, Result<Arc<Recorded>, StoreError>> {
        // Subscribed before the file is read, so that nothing is committed unseen in between.
        let news = self.writing.as_ref().map_or(Ok(News::Polled), Writing::news);
        match news {
            Ok(news) => Follower::new(self.readers.clone(), after, news).into_stream(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    async fn head(&self) -> Result<Option<Position>, StoreError> {
        self.readers.read(file::head).await
    }
}

#[async_trait]
impl DropEvents for SqliteStore {
    async fn drop_events(&self, spans: &[Span]) -> Result<(), StoreError> {
        let queue = self.queue()?;
        for chunk in dropping::chunks(spans) {
            ask(&queue, |answer| Dropping::Drop { chunk, answer }).await?;
        }
        // In small steps, so that appends go on between them.
        while ask(&queue, |answer| Dropping::Shrink { answer }).await? {}
        Ok(())
    }
}

/// Has the writer do something that can wait its turn.
async fn ask<T>(
    queue: &mpsc::Sender<Work>,
    dropping: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Dropping,
) -> Result<T, StoreError> {
    let (answer, answered) = oneshot::channel();
    queue.send(Work::Dropping(dropping(answer))).await.map_err(|_| closed())?;
    answered.await.unwrap_or_else(|_| Err(StoreError::Unknown("the writer ended without an answer".into())))
}
