//! The event store in memory: the same promises as any other, except that they end with the process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::watch;

use super::{Appended, EventStore, ExpectedRevision, Loaded, NewEvent, Position, Recorded, Revision, StoreError};
use crate::domain::StreamId;

/// An event store in memory. Clones share the log, so that a clone kept aside survives a restart of what uses the store.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    log: Arc<Mutex<Log>>,
    /// The number of events in the log; followers wait for it to grow.
    head: Arc<watch::Sender<usize>>,
}

#[derive(Debug, Default)]
struct Log {
    /// The event at position `n` stands at index `n - 1`.
    events: Vec<Arc<Recorded>>,
    streams: HashMap<StreamId, Vec<Arc<Recorded>>>,
    unavailable: bool,
    /// How many more appends succeed; None: all of them.
    appends_left: Option<usize>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { log: Arc::default(), head: Arc::new(watch::Sender::new(0)) }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the store away, or brings it back: while it is away, everything answers `Unavailable`.
    pub fn set_available(&self, available: bool) {
        self.log().unavailable = !available;
        // Followers are woken, so that they end.
        self.head.send_modify(|_| ());
    }

    /// Lets so many appends succeed and no more, as if the process ended after them; None lets all succeed again.
    pub fn allow_appends(&self, appends: Option<usize>) {
        self.log().appends_left = appends;
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn available(&self) -> Result<MutexGuard<'_, Log>, StoreError> {
        let log = self.log();
        if log.unavailable { Err(StoreError::Unavailable("it was taken away".into())) } else { Ok(log) }
    }

    fn after(&self, after: Option<Position>) -> Result<Vec<Arc<Recorded>>, StoreError> {
        let log = self.available()?;
        let first = after.map_or(0, |position| usize::try_from(position.0).unwrap_or(usize::MAX));
        Ok(log.events.get(first..).unwrap_or_default().to_vec())
    }
}

impl Log {
    fn append(&mut self, stream: &StreamId, expected: ExpectedRevision, events: Vec<NewEvent>) -> Result<Appended, StoreError> {
        let recorded = self.streams.entry(stream.clone()).or_default();
        let place = expected.place().and_then(|place| usize::try_from(place).ok());
        let place = place.filter(|place| *place <= recorded.len()).ok_or_else(|| StoreError::Conflict { stream: stream.clone() })?;
        if place < recorded.len() {
            return replayed(&recorded[place..], &events).ok_or_else(|| StoreError::Conflict { stream: stream.clone() });
        }
        for event in events {
            let position = Position(self.events.len() as u64 + 1);
            let revision = Revision(recorded.len() as u64);
            let event = Arc::new(Recorded { position, stream: stream.clone(), revision, event });
            recorded.push(Arc::clone(&event));
            self.events.push(event);
        }
        recorded.last().map(|last| last.appended()).ok_or_else(StoreError::empty_batch)
    }
}

/// What was answered the first time, if what stands at the place are these very events.
fn replayed(recorded: &[Arc<Recorded>], events: &[NewEvent]) -> Option<Appended> {
    let there = recorded.get(..events.len())?;
    let same = there.iter().zip(events).all(|(recorded, event)| recorded.event.id == event.id);
    there.last().filter(|_| same).map(|last| last.appended())
}

#[async_trait]
impl EventStore for MemoryStore {
    async fn load(&self, stream: &StreamId, after: Option<Revision>) -> Result<Loaded, StoreError> {
        let log = self.available()?;
        let recorded = log.streams.get(stream).map(Vec::as_slice).unwrap_or_default();
        let events = recorded.iter().filter(|event| after.is_none_or(|after| event.revision > after));
        Ok(Loaded { events: events.map(|event| Recorded::clone(event)).collect() })
    }

    async fn append(&self, stream: &StreamId, expected: ExpectedRevision, events: Vec<NewEvent>) -> Result<Appended, StoreError> {
        if events.is_empty() {
            return Err(StoreError::empty_batch());
        }
        let mut log = self.available()?;
        if log.appends_left == Some(0) {
            return Err(StoreError::Unavailable("it was taken away".into()));
        }
        let appended = log.append(stream, expected, events)?;
        log.appends_left = log.appends_left.map(|left| left - 1);
        let head = log.events.len();
        drop(log);
        self.head.send_if_modified(|seen| std::mem::replace(seen, head.max(*seen)) < head);
        Ok(appended)
    }

    fn read_all(&self, after: Option<Position>) -> BoxStream<'static, Result<Arc<Recorded>, StoreError>> {
        match self.after(after) {
            Ok(events) => stream::iter(events.into_iter().map(Ok)).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    fn follow(&self, after: Option<Position>) -> BoxStream<'static, Result<Arc<Recorded>, StoreError>> {
        let from = (self.clone(), self.head.subscribe(), after);
        let pages = stream::try_unfold(from, |(store, mut head, after)| async move {
            loop {
                // Marked as seen before the log is read: what is appended in between wakes us once too often, not once too seldom.
                head.borrow_and_update();
                let events = store.after(after)?;
                if let Some(last) = events.last() {
                    let after = Some(last.position);
                    return Ok(Some((stream::iter(events.into_iter().map(Ok)), (store, head, after))));
                }
                head.changed().await.map_err(|_| StoreError::Unavailable("it is closed".into()))?;
            }
        });
        futures::TryStreamExt::try_flatten(pages).boxed()
    }

    async fn head(&self) -> Result<Option<Position>, StoreError> {
        Ok(self.available()?.events.last().map(|event| event.position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::Backend;

    struct Memory(MemoryStore);

    #[async_trait]
    impl Backend for Memory {
        type Store = MemoryStore;

        async fn open(&self) -> Arc<MemoryStore> {
            Arc::new(self.0.clone())
        }

        async fn close(&self, _store: Arc<MemoryStore>) {}

        async fn take_away(&self, store: &MemoryStore) {
            store.set_available(false);
        }
    }

    crate::store_contract!(Memory(MemoryStore::new()));

    #[tokio::test]
    async fn a_follower_of_a_store_that_is_taken_away_is_told() {
        let store = MemoryStore::new();
        let mut follower = store.follow(None);
        store.set_available(false);
        assert!(matches!(follower.next().await, Some(Err(StoreError::Unavailable(_)))));
        assert!(follower.next().await.is_none());
    }
}
