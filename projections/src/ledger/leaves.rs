//! The leaves of a log from its beginning, also where events were dropped.

use std::{collections::VecDeque, sync::Arc};

use futures::{TryStreamExt, stream::BoxStream};
use grantlog_core::{
    domain::{
        Event, StreamKind,
        segment::{Gaps, SegmentEvent},
    },
    ledger::{Hash, entry, leaf_hash},
    store::{Position, Recorded, StoreError},
};

use super::reader::{LedgerError, LedgerReader};

/// How many leaves of dropped events are looked up at once.
const AHEAD: u64 = 4096;

/// Reads leaf hashes one after the other: of the events that there are, and of those that were dropped from their segments
/// or, without them, from the tree as it was written.
pub(super) struct Leaves {
    reader: LedgerReader,
    events: BoxStream<'static, Result<Arc<Recorded>, StoreError>>,
    /// Read, and not told yet.
    held: Option<Arc<Recorded>>,
    /// Of dropped events, from the next position on.
    ready: VecDeque<Option<Hash>>,
    next: u64,
    gaps: Gaps,
}

/// Why there is no next leaf.
#[derive(Debug)]
pub(super) enum Nothing {
    /// The log ends.
    More,
    /// Nobody knows it. The text says which.
    Here(String),
}

impl Leaves {
    pub(super) fn of(reader: &LedgerReader) -> Self {
        let events = reader.store.read_all(None);
        Self { reader: reader.clone(), events, held: None, ready: VecDeque::new(), next: 1, gaps: Gaps::default() }
    }

    pub(super) async fn next(&mut self) -> Result<Result<Hash, Nothing>, LedgerError> {
        if self.held.is_none() {
            self.held = self.events.try_next().await?;
        }
        let Some(event) = &self.held else { return Ok(Err(Nothing::More)) };
        if event.position.0 == self.next {
            let leaf = leaf_hash(&entry(event)?);
            if let Some(SegmentEvent::Sealed { positions, .. }) = segment_event(event) {
                self.gaps.explain(&positions);
            }
            self.held = None;
            self.next += 1;
            return Ok(Ok(leaf));
        }
        let until = event.position.0;
        self.dropped(until).await
    }

    async fn dropped(&mut self, until: u64) -> Result<Result<Hash, Nothing>, LedgerError> {
        if self.ready.is_empty() {
            let last = (until - 1).min(self.next + AHEAD - 1);
            self.look_up(last).await?;
        }
        let position = self.next;
        match self.ready.pop_front().flatten() {
            Some(leaf) => {
                self.gaps.miss(position, position);
                self.next += 1;
                Ok(Ok(leaf))
            }
            None => Ok(Err(Nothing::Here(format!(
                "the event at position {position} is missing; if it was dropped, the segment that it is in is needed to make the tree again"
            )))),
        }
    }

    /// A segment that is there comes before the tree, since it may be the tree that is damaged.
    async fn look_up(&mut self, last: u64) -> Result<(), LedgerError> {
        let mut sealed = self.reader.sealed(Position(self.next), Position(last)).await?.into_iter().peekable();
        for position in self.next..=last {
            while sealed.next_if(|(found, _)| *found < position).is_some() {}
            let entry = sealed.next_if(|(found, _)| *found == position);
            self.ready.push_back(match entry {
                Some((_, entry)) => Some(leaf_hash(&entry)),
                None => self.reader.leaf(position - 1).await?,
            });
        }
        Ok(())
    }

    /// Whether no event was dropped of what was read.
    pub(super) fn is_whole(&self) -> bool {
        self.gaps.is_empty()
    }

    /// The first event that is not there and that no sealed segment names.
    pub(super) fn unexplained(self) -> Option<u64> {
        self.gaps.unexplained()
    }
}

/// What an event says about a segment, if it is about one.
pub(super) fn segment_event(event: &Recorded) -> Option<SegmentEvent> {
    if event.stream.kind() != StreamKind::Segment {
        return None;
    }
    match event.decode() {
        Ok(Event::Segment(event)) => Some(event),
        _ => None,
    }
}
