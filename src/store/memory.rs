//! The event store in memory: the same promises as any other, except that they end with the process.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::watch;

use super::{Appended, DropEvents, EventStore, ExpectedRevision, Loaded, NewEvent, Position, Recorded, Revision, StoreError};
use crate::domain::{StreamId, segment::Span};

/// An event store in memory. Clones share the log, so that a clone kept aside survives a restart of what uses the store.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    log: Arc<Mutex<Log>>,
    /// The position of the last event; followers wait for it to grow.
    head: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct Log {
    events: BTreeMap<Position, Arc<Recorded>>,
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
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(log.events.range((from, Bound::Unbounded)).map(|(_, event)| Arc::clone(event)).collect())
    }
}

impl Log {
    /// The position of the last event; 0 when there is none.
    fn head(&self) -> u64 {
        self.events.last_key_value().map_or(0, |(position, _)| position.0)
    }

    fn drop_event(&mut self, position: u64) -> Result<(), StoreError> {
        let head = self.head();
        let Some(event) = self.events.get(&Position(position)) else { return Ok(()) };
        let stream = event.stream.clone();
        let recorded = self.streams.entry(stream.clone()).or_default();
        let is_last = recorded.last().is_some_and(|last| last.position.0 == position);
        if position == head || (is_last && recorded.len() > 1) {
            return Err(StoreError::keeps_the_last(position));
        }
        recorded.retain(|event| event.position.0 != position);
        if recorded.is_empty() {
            self.streams.remove(&stream);
        }
        self.events.remove(&Position(position));
        Ok(())
    }

    fn append(&mut self, stream: &StreamId, expected: ExpectedRevision, events: Vec<NewEvent>) -> Result<Appended, StoreError> {
        let head = self.head();
        let recorded = self.streams.entry(stream.clone()).or_default();
        let length = recorded.last().map_or(0, |last| last.revision.0 + 1);
        let conflict = || StoreError::Conflict { stream: stream.clone() };
        let place = expected.place().filter(|place| *place <= length).ok_or_else(conflict)?;
        if place < length {
            return replayed(recorded, place, &events).ok_or_else(conflict);
        }
        for (event, offset) in events.into_iter().zip(0..) {
            let (position, revision) = (Position(head + 1 + offset), Revision(length + offset));
            let event = Arc::new(Recorded { position, stream: stream.clone(), revision, event });
            recorded.push(Arc::clone(&event));
            self.events.insert(position, event);
        }
        recorded.last().map(|last| last.appended()).ok_or_else(StoreError::empty_batch)
    }
}

/// What was answered the first time, if what stands at the place are these very events.
fn replayed(recorded: &[Arc<Recorded>], place: u64, events: &[NewEvent]) -> Option<Appended> {
    let from = recorded.partition_point(|recorded| recorded.revision.0 < place);
    let there = recorded.get(from..)?.get(..events.len())?;
    let is_it = |((recorded, event), revision): ((&Arc<Recorded>, &NewEvent), u64)| {
        recorded.event.id == event.id && recorded.revision.0 == revision
    };
    let same = there.iter().zip(events).zip(place..).all(is_it);
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
        let head = log.head();
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
        Ok(self.available()?.events.last_key_value().map(|(position, _)| *position))
    }
}

#[async_trait]
impl DropEvents for MemoryStore {
    async fn drop_events(&self, spans: &[Span]) -> Result<(), StoreError> {
        let mut log = self.available()?;
        spans.iter().flat_map(|span| span.first..=span.last).try_for_each(|position| log.drop_event(position))
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
    crate::dropping_contract!(Memory(MemoryStore::new()));

    #[tokio::test]
    async fn a_follower_of_a_store_that_is_taken_away_is_told() {
        let store = MemoryStore::new();
        let mut follower = store.follow(None);
        store.set_available(false);
        assert!(matches!(follower.next().await, Some(Err(StoreError::Unavailable(_)))));
        assert!(follower.next().await.is_none());
    }
}
