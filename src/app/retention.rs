//! Retention: old issuance facts are written to a file, and then dropped from the log.
//!
//! The order is what makes it safe to be interrupted anywhere:
//!
//! 1. The entries of the events are written to a file, as a draft.
//! 2. `segment.sealed` says which events they are, and what the file must hash to. Now it gets its name.
//! 3. The ledger signs a checkpoint that covers all of that.
//! 4. The events are dropped, a few at a time.
//! 5. `segment.dropped` says that this is done.
//!
//! After a crash before step 2 the draft is written anew. After it, the read side knows the segment as pending, and the
//! rest is done as if for the first time.

use std::{collections::HashSet, io, sync::Arc};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};

use super::{Authority, Context, Trouble, UseCaseError};
use crate::{
    domain::{
        Seconds, StreamId, Timestamp,
        catalog::reference::is_issuance,
        retention::dispensable,
        segment::{self, CoveringCheckpoint, Positions, SegmentCommand, SegmentRefusal, Span},
    },
    ledger::{EntryTooLong, Hash, entry, leaf_hash},
    store::{DropEvents, Position, Recorded, Segments, StoreError},
};

/// How many events are looked at for one segment.
const WINDOW: usize = 16_384;
/// How long old events wait at most until they are enough for a segment.
const PATIENCE: Seconds = Seconds(24 * 60 * 60);
/// After so many events that are not old there is no older one: clocks differ, and one may have been wrong for a while.
const YOUNG: usize = 1000;
/// In how many numbers a segment says which events it has, at most: the event that says so must not get too long.
const NUMBERS: usize = 12_000;
/// How many streams are read at the same time: requests want to read, too.
const STREAMS: usize = 2;

/// The ledger, as far as retention needs it.
#[async_trait]
pub trait SignedLedger: Send + Sync + 'static {
    /// Signs what is in the log now. The checkpoint is durable when it returns.
    async fn sign(&self) -> Result<CoveringCheckpoint, String>;

    /// The first of these positions, each with the hash of its leaf, at which something else was signed.
    async fn first_other(&self, leaves: Vec<(u64, Hash)>) -> Result<Option<u64>, String>;
}

/// Which segments were sealed and are not dropped yet: the read side knows.
pub trait SegmentDirectory: Send + Sync + 'static {
    /// Each by its first position.
    fn pending_segments(&self) -> Vec<u64>;
}

/// What retention works with.
pub struct Retention {
    /// The log.
    pub store: Arc<dyn DropEvents>,
    /// Where the segments are written.
    pub segments: Segments,
    /// What signs.
    pub ledger: Arc<dyn SignedLedger>,
    /// What was begun.
    pub pending: Arc<dyn SegmentDirectory>,
    /// How old an issuance fact gets before it may be dropped.
    pub keep: Seconds,
    /// Fewer events are no segment of their own, before they have waited for a day.
    pub least: usize,
}

/// A way through the log, from its beginning to what is not old enough; then it begins anew.
#[derive(Debug, Default)]
pub struct Pass {
    after: Option<Position>,
}

/// What one step of a pass did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How many events were dropped.
    pub dropped: u64,
    /// How far the pass is; None when it is at its end.
    pub reached: Option<Position>,
}

/// Why a step was not done, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// Try again later.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// Two do the same at the same time.
    #[error(transparent)]
    Refused(#[from] SegmentRefusal),
    /// The ledger does not sign.
    #[error("the ledger does not sign: {0}")]
    Ledger(String),
    /// A file.
    #[error(transparent)]
    Segment(#[from] crate::store::SegmentError),
    /// A segment was sealed, and then its file went, before all of its events were dropped.
    #[error("{0} is not what was sealed, and some of its events are dropped already: put the file back")]
    Lost(String),
    /// The log is not what was signed.
    #[error("the event at position {0} is not the one that was signed: nothing is dropped before `grantlog audit verify` is content")]
    NotSigned(u64),
    /// A task ended badly.
    #[error("a step was cut off: {0}")]
    CutOff(String),
}

impl From<StoreError> for RetentionError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl From<UseCaseError<SegmentRefusal>> for RetentionError {
    fn from(error: UseCaseError<SegmentRefusal>) -> Self {
        match error {
            UseCaseError::Refused(refusal) => refusal.into(),
            UseCaseError::Trouble(trouble) => trouble.into(),
        }
    }
}

impl From<EntryTooLong> for RetentionError {
    fn from(error: EntryTooLong) -> Self {
        StoreError::Corrupt(error.to_string()).into()
    }
}

type Events = Vec<Arc<Recorded>>;

impl Authority {
    /// Carries on with the segments that were sealed and not dropped. Returns how many events they had.
    pub async fn drop_pending_segments(&self, context: &Context, retention: &Retention) -> Result<u64, RetentionError> {
        let mut dropped = 0;
        for first in retention.pending.pending_segments() {
            dropped += self.drop_segment(context, retention, first).await?;
        }
        Ok(dropped)
    }

    /// Takes the next step of a pass: looks at some events, and drops what may be dropped of them.
    pub async fn retain(&self, context: &Context, retention: &Retention, pass: &mut Pass) -> Result<Step, RetentionError> {
        let now = self.now();
        let cutoff = Timestamp(now.0.saturating_sub(i64::from(retention.keep.0) * 1000));
        let Window { candidates, last, is_end } = look(retention, pass.after, cutoff).await?;
        let (events, is_all) = fitting(choose(retention, candidates, now, cutoff).await?);
        let reached = if is_all { last } else { events.last().map(|event| event.position) };
        let mut dropped = 0;
        if is_worth_it(&events, retention.least, cutoff) {
            let first = self.seal(context, retention, events, cutoff).await?;
            dropped = self.drop_segment(context, retention, first).await?;
        }
        pass.after = reached.filter(|_| !(is_end && is_all));
        Ok(Step { dropped, reached: pass.after })
    }

    /// Writes the events to a file and says so in the log.
    async fn seal(&self, context: &Context, retention: &Retention, events: Events, before: Timestamp) -> Result<u64, RetentionError> {
        let checkpoint = retention.ledger.sign().await.map_err(RetentionError::Ledger)?;
        let leaves: Result<Vec<_>, EntryTooLong> = events.iter().map(|event| Ok((event.position.0, leaf_hash(&entry(event)?)))).collect();
        // Else the tree would prove for ever that something was there which nobody has.
        if let Some(other) = retention.ledger.first_other(leaves?).await.map_err(RetentionError::Ledger)? {
            return Err(RetentionError::NotSigned(other));
        }
        let positions = Positions::of(events.iter().map(|event| event.position.0)).ok_or(SegmentRefusal::NotSealed)?;
        let (first, stream) = (positions.first(), segment::stream_of(positions.first()));
        let (bytes, sha256) = draft(retention, positions.clone(), events).await?;
        let command = SegmentCommand::Seal { positions, bytes, sha256, before, checkpoint };
        self.segments.execute(&self.outside, context, &stream, &command).await?;
        Ok(first)
    }

    /// Drops the events of a sealed segment. Everything here can be done again.
    async fn drop_segment(&self, context: &Context, retention: &Retention, first: u64) -> Result<u64, RetentionError> {
        let stream = segment::stream_of(first);
        let state = self.segments.load(&self.outside, &stream).await?;
        let Some((positions, sha256)) = state.sealed().filter(|_| !state.is_dropped()) else { return Ok(0) };
        ensure_file(retention, positions, sha256).await?;
        let checkpoint = retention.ledger.sign().await.map_err(RetentionError::Ledger)?;
        if checkpoint.size < positions.last() {
            return Err(SegmentRefusal::NotCovered.into());
        }
        let spans: Vec<Span> = positions.spans().collect();
        retention.store.drop_events(&spans).await?;
        self.segments.execute(&self.outside, context, &stream, &SegmentCommand::Drop).await?;
        tracing::info!(first, last = positions.last(), events = positions.count(), "old issuance facts were dropped");
        Ok(positions.count())
    }
}

struct Window {
    /// The issuance facts in it that are old.
    candidates: Events,
    last: Option<Position>,
    is_end: bool,
}

/// Reads the log until its events are not old any more, or enough was looked at.
async fn look(retention: &Retention, after: Option<Position>, cutoff: Timestamp) -> Result<Window, StoreError> {
    let mut events = retention.store.read_all(after);
    let mut window = Window { candidates: Vec::new(), last: after, is_end: false };
    let mut young = 0;
    for _ in 0..WINDOW {
        let event = events.try_next().await?.filter(|_| young < YOUNG);
        let Some(event) = event else {
            window.is_end = true;
            break;
        };
        window.last = Some(event.position);
        let is_old = event.event.time < cutoff;
        young = if is_old { 0 } else { young + 1 };
        if is_old && is_issuance(&event.event.kind) {
            window.candidates.push(event);
        }
    }
    Ok(window)
}

/// Those of the candidates that their streams can do without.
async fn choose(retention: &Retention, candidates: Events, now: Timestamp, cutoff: Timestamp) -> Result<Events, StoreError> {
    let streams: HashSet<StreamId> = candidates.iter().map(|event| event.stream.clone()).collect();
    let chosen = futures::stream::iter(streams).map(|stream| dispensable_of(retention, stream, now, cutoff)).buffer_unordered(STREAMS);
    let chosen: Vec<Vec<Position>> = chosen.try_collect().await?;
    let chosen: HashSet<Position> = chosen.into_iter().flatten().collect();
    let has_whole_entry = |event: &Recorded| entry(event).is_ok_and(|entry| entry.len() > event.event.data.len());
    // A payload that its entry only names would be in no segment.
    Ok(candidates.into_iter().filter(|event| chosen.contains(&event.position) && has_whole_entry(event)).collect())
}

async fn dispensable_of(retention: &Retention, stream: StreamId, now: Timestamp, cutoff: Timestamp) -> Result<Vec<Position>, StoreError> {
    let loaded = retention.store.load(&stream, None).await?.events;
    // What this program can't read, or has not written, it does not judge.
    let read = |recorded: &Recorded| {
        let event = recorded.decode().ok().filter(|event| event.encode().data == recorded.event.data)?;
        Some((recorded.event.time, event))
    };
    let Some(history) = loaded.iter().map(read).collect() else { return Ok(Vec::new()) };
    Ok(dispensable(history, now, cutoff).into_iter().filter_map(|place| loaded.get(place)).map(|event| event.position).collect())
}

/// As many of the events as one segment can tell of; and whether those are all.
fn fitting(mut events: Events) -> (Events, bool) {
    let mut positions: Option<Positions> = None;
    for (place, event) in events.iter().enumerate() {
        match &mut positions {
            None => positions = Some(Positions::one(event.position.0)),
            Some(positions) => positions.push(event.position.0),
        }
        if positions.as_ref().is_some_and(|positions| positions.numbers() >= NUMBERS) && place + 1 < events.len() {
            events.truncate(place + 1);
            return (events, false);
        }
    }
    (events, true)
}

/// Every segment is a file, two events and a checkpoint: so they are not to be too small, and nothing waits for long.
fn is_worth_it(events: &[Arc<Recorded>], least: usize, cutoff: Timestamp) -> bool {
    events.len() >= least.max(1) || events.iter().any(|event| event.event.time.plus(PATIENCE) <= cutoff)
}

async fn draft(retention: &Retention, positions: Positions, events: Events) -> Result<(u64, String), RetentionError> {
    let segments = retention.segments.clone();
    blocking(move || {
        let entries = events.iter().map(|event| entry(event).map_err(io::Error::other));
        let file = segments.draft(&positions, entries)?;
        Ok((file.bytes, file.sha256))
    })
    .await
}

/// Makes sure that the file is there under its name, and is what was sealed.
async fn ensure_file(retention: &Retention, positions: &Positions, sealed: &str) -> Result<(), RetentionError> {
    if finish(retention, positions).await?.as_deref() == Some(sealed) {
        return Ok(());
    }
    // It may be lost as long as the log has what was in it.
    let mut events = Events::new();
    let mut rest = retention.store.read_all(positions.first().checked_sub(1).map(Position));
    let wanted: HashSet<u64> = positions.iter().collect();
    while let Some(event) = rest.try_next().await?.filter(|event| event.position.0 <= positions.last()) {
        if wanted.contains(&event.position.0) {
            events.push(event);
        }
    }
    let lost = || RetentionError::Lost(retention.segments.path(positions).display().to_string());
    if events.len() != wanted.len() {
        return Err(lost());
    }
    draft(retention, positions.clone(), events).await?;
    if finish(retention, positions).await?.as_deref() == Some(sealed) { Ok(()) } else { Err(lost()) }
}

async fn finish(retention: &Retention, positions: &Positions) -> Result<Option<String>, RetentionError> {
    let (segments, positions) = (retention.segments.clone(), positions.clone());
    blocking(move || {
        segments.finish(&positions)?;
        Ok(segments.sha256(&positions)?)
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, RetentionError> + Send + 'static) -> Result<T, RetentionError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(RetentionError::CutOff(error.to_string())))
}
