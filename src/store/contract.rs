//! What every event store must do, as tests. A backend implements [`Backend`] for its tests and calls
//! [`store_contract!`](crate::store_contract) with an expression that makes an empty one.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, future::join_all};
use uuid::Uuid;

use super::{Appended, DropEvents, EventStore, ExpectedRevision, NewEvent, Position, Recorded, Revision, StoreError};
use crate::domain::{StreamId, StreamKind, Timestamp, segment::Span};

/// A place where a store keeps its data: empty at first, and there for as long as this lives.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The store under test.
    type Store: EventStore;

    /// Opens the store over what is there.
    async fn open(&self) -> Arc<Self::Store>;

    /// Ends the store as at the end of the process; it will be opened again.
    async fn close(&self, store: Arc<Self::Store>);

    /// Makes the store unable to answer.
    async fn take_away(&self, store: &Self::Store);
}

/// Defines the whole contract as tests, each with a fresh backend made by the expression.
#[macro_export]
macro_rules! store_contract {
    ($backend:expr) => {
        $crate::store_contract! { $backend =>
            append_refuses_a_stale_revision,
            append_is_all_or_nothing,
            no_stream_means_no_stream,
            an_append_happens_only_at_the_expected_revision,
            an_empty_batch_is_refused,
            load_returns_what_was_appended_in_order,
            load_resumes_after_a_revision,
            read_all_resumes_after_a_position,
            read_all_does_not_skip_an_event_when_writers_commit_out_of_order,
            positions_grow_and_never_repeat,
            an_append_that_returned_survives_a_restart,
            a_retried_append_is_written_once,
            other_events_at_a_taken_place_are_a_conflict,
            concurrent_appenders_on_one_stream_have_exactly_one_winner,
            follow_sees_every_position_once_and_in_order_beside_eight_writers,
            follow_resumes_from_any_position,
            unavailable_is_an_error_and_never_an_empty_stream,
        }
    };
    ($backend:expr => $($name:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                $crate::store::contract::$name(&$backend).await;
            }
        )+
    };
}

/// Defines what a store that gives up old events must do beside that, as tests.
#[macro_export]
macro_rules! dropping_contract {
    ($backend:expr) => {
        $crate::store_contract! { $backend =>
            dropped_events_are_gone_and_the_others_are_not,
            a_stream_goes_on_where_it_was_after_events_were_dropped,
            a_stream_of_which_everything_was_dropped_begins_anew,
            the_last_event_of_what_goes_on_is_not_dropped,
            dropping_again_is_harmless,
            followers_pass_over_what_was_dropped,
        }
    };
}

/// A stream that no other call names.
pub fn new_stream() -> StreamId {
    StreamId::new(StreamKind::Grant, &next_id().to_string())
}

/// Events with ids of their own, of a type that the store doesn't care about.
pub fn new_events(count: usize) -> Vec<NewEvent> {
    (0..count).map(|_| new_event()).collect()
}

fn new_event() -> NewEvent {
    NewEvent {
        id: next_id(),
        kind: "grant.revoked".into(),
        schema: 1,
        time: Timestamp(1_772_546_400_000),
        actor: "client:app".into(),
        request_id: "r-1".into(),
        data: r#"{"reason":"disconnected"}"#.into(),
    }
}

/// Ids in order, like UUIDv7, and the same in every run.
fn next_id() -> Uuid {
    static LAST: AtomicU64 = AtomicU64::new(0);
    Uuid::from_u128(u128::from(LAST.fetch_add(1, Ordering::Relaxed)) | 0x0193_2d5e_0000_7000_8000_0000_0000_0000)
}

fn ids<'a>(events: impl IntoIterator<Item = &'a NewEvent>) -> Vec<Uuid> {
    events.into_iter().map(|event| event.id).collect()
}

async fn all(store: &Arc<impl EventStore>, after: Option<Position>) -> Vec<Arc<Recorded>> {
    store.read_all(after).try_collect().await.expect("the log can be read")
}

async fn revisions(store: &Arc<impl EventStore>, stream: &StreamId) -> Vec<u64> {
    store.load(stream, None).await.expect("the stream can be read").events.iter().map(|event| event.revision.0).collect()
}

/// Appends to a new stream and says how it went.
async fn append_new(store: &Arc<impl EventStore>, count: usize) -> Appended {
    store.append(&new_stream(), ExpectedRevision::NoStream, new_events(count)).await.expect("a new stream can be appended to")
}

fn assert_conflict(outcome: Result<Appended, StoreError>, stream: &StreamId) {
    assert_eq!(outcome, Err(StoreError::Conflict { stream: stream.clone() }));
}

/// Two decisions on the same state: the second is refused and nothing of it is there.
pub async fn append_refuses_a_stale_revision(backend: &impl Backend) {
    let store = backend.open().await;
    let stream = new_stream();
    store.append(&stream, ExpectedRevision::NoStream, new_events(2)).await.expect("the stream is new");
    store.append(&stream, ExpectedRevision::Exact(Revision(1)), new_events(1)).await.expect("the revision is current");
    assert_conflict(store.append(&stream, ExpectedRevision::Exact(Revision(1)), new_events(1)).await, &stream);
    assert_eq!(revisions(&store, &stream).await, [0, 1, 2]);
}

/// A batch is there as a whole or not at all, for readers too.
pub async fn append_is_all_or_nothing(backend: &impl Backend) {
    let store = backend.open().await;
    let stream = new_stream();
    store.append(&stream, ExpectedRevision::NoStream, new_events(1)).await.expect("the stream is new");
    assert_conflict(store.append(&stream, ExpectedRevision::NoStream, new_events(3)).await, &stream);
    assert_eq!(all(&store, None).await.len(), 1);

    let writer = async {
        for round in 0..50 {
            let expected = ExpectedRevision::Exact(Revision(round * 3));
            store.append(&stream, expected, new_events(3)).await.expect("the revision is current");
        }
    };
    let reader = async {
        for _ in 0..100 {
            let seen = revisions(&store, &stream).await.len();
            assert_eq!((seen - 1) % 3, 0, "{seen} events are no whole number of batches");
        }
    };
    tokio::join!(writer, reader);
}

/// Uniqueness rests on this: of two who expect no stream, one is refused.
pub async fn no_stream_means_no_stream(backend: &impl Backend) {
    let store = backend.open().await;
    let stream = new_stream();
    assert!(revisions(&store, &stream).await.is_empty());
    store.append(&stream, ExpectedRevision::NoStream, new_events(1)).await.expect("the stream is new");
    assert_conflict(store.append(&stream, ExpectedRevision::NoStream, new_events(1)).await, &stream);
}

/// Every expectation against streams of every length.
pub async fn an_append_happens_only_at_the_expected_revision(backend: &impl Backend) {
    let store = backend.open().await;
    let expectations = [
        (ExpectedRevision::NoStream, Some(0)),
        (ExpectedRevision::Exact(Revision(0)), Some(1)),
        (ExpectedRevision::Exact(Revision(1)), Some(2)),
        (ExpectedRevision::Exact(Revision(2)), Some(3)),
        (ExpectedRevision::Exact(Revision(u64::MAX - 1)), None),
        (ExpectedRevision::Exact(Revision(u64::MAX)), None),
    ];
    for length in 0..3_usize {
        for (expected, fits) in expectations {
            let stream = new_stream();
            if length > 0 {
                store.append(&stream, ExpectedRevision::NoStream, new_events(length)).await.expect("the stream is new");
            }
            let outcome = store.append(&stream, expected, new_events(2)).await;
            if fits == Some(length) {
                assert_eq!(outcome.expect("it is as expected").revision, Revision(length as u64 + 1));
            } else {
                assert_conflict(outcome, &stream);
                assert_eq!(revisions(&store, &stream).await.len(), length, "{expected:?}");
            }
        }
    }
}

/// There is no place of nothing.
pub async fn an_empty_batch_is_refused(backend: &impl Backend) {
    let store = backend.open().await;
    let outcome = store.append(&new_stream(), ExpectedRevision::NoStream, Vec::new()).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert_eq!(store.head().await, Ok(None));
}

/// What comes out is what went in.
pub async fn load_returns_what_was_appended_in_order(backend: &impl Backend) {
    let store = backend.open().await;
    let (stream, other) = (new_stream(), new_stream());
    let mut events = new_events(5);
    events[3].actor = "subject:Zoë \u{1F511}".into();
    events[3].request_id = String::new();
    events[3].time = Timestamp(-1);
    events[3].schema = u16::MAX;
    store.append(&stream, ExpectedRevision::NoStream, events[..2].to_vec()).await.expect("the stream is new");
    store.append(&other, ExpectedRevision::NoStream, new_events(2)).await.expect("the stream is new");
    let appended = store.append(&stream, ExpectedRevision::Exact(Revision(1)), events[2..].to_vec()).await.expect("it is current");

    let loaded = store.load(&stream, None).await.expect("the stream can be read").events;
    assert_eq!(loaded.iter().map(|recorded| recorded.event.clone()).collect::<Vec<_>>(), events);
    assert!(loaded.iter().all(|recorded| recorded.stream == stream));
    assert_eq!(loaded.iter().map(|recorded| recorded.revision.0).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(loaded.last().map(Recorded::appended), Some(appended));
    assert_eq!(store.head().await, Ok(Some(appended.position)));
}

/// A state that was folded up to a revision needs only the rest.
pub async fn load_resumes_after_a_revision(backend: &impl Backend) {
    let store = backend.open().await;
    let stream = new_stream();
    let events = new_events(4);
    store.append(&stream, ExpectedRevision::NoStream, events.clone()).await.expect("the stream is new");
    for after in 0..4_usize {
        let rest = store.load(&stream, Some(Revision(after as u64))).await.expect("the stream can be read").events;
        assert_eq!(ids(rest.iter().map(|recorded| &recorded.event)), ids(&events[after + 1..]));
    }
    assert!(store.load(&stream, Some(Revision(u64::MAX))).await.expect("the stream can be read").events.is_empty());
}

/// Whoever knows how far they have read goes on from there.
pub async fn read_all_resumes_after_a_position(backend: &impl Backend) {
    let store = backend.open().await;
    for count in 1..6 {
        append_new(&store, count).await;
    }
    let everything = all(&store, None).await;
    assert_eq!(everything.len(), 15);
    for (read, last) in everything.iter().enumerate() {
        assert_eq!(all(&store, Some(last.position)).await, everything[read + 1..]);
    }
    assert!(all(&store, Some(Position(u64::MAX))).await.is_empty());
}

/// The trap of numbers handed out before the commit: a reader must never pass over a place that is filled later.
pub async fn read_all_does_not_skip_an_event_when_writers_commit_out_of_order(backend: &impl Backend) {
    let store = backend.open().await;
    let (writers, total) = start_writers(&store);
    let mut seen = Vec::new();
    while seen.len() < total {
        let after = seen.last().map(|event: &Arc<Recorded>| event.position);
        seen.extend(all(&store, after).await);
        tokio::task::yield_now().await;
    }
    writers.await.expect("every writer is done");
    assert_eq!(seen, all(&store, None).await);
    assert_each_once(&seen, total);
}

/// Eight writers with streams of their own, and the number of events that they append.
fn start_writers(store: &Arc<impl EventStore>) -> (tokio::task::JoinHandle<()>, usize) {
    let writers = (0..8_usize).map(|writer| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            for _ in 0..40 {
                append_new(&store, 1 + writer % 3).await;
            }
        })
    });
    let writers = join_all(writers.collect::<Vec<_>>());
    let all_done = async { writers.await.into_iter().for_each(|writer| writer.expect("the writer is done")) };
    (tokio::spawn(all_done), (0..8).map(|writer| 40 * (1 + writer % 3)).sum())
}

fn assert_each_once(seen: &[Arc<Recorded>], total: usize) {
    assert_eq!(seen.len(), total);
    assert!(seen.is_sorted_by(|a, b| a.position < b.position), "the positions don't grow");
    assert_eq!(seen.iter().map(|recorded| recorded.event.id).collect::<HashSet<_>>().len(), total, "an event was seen twice");
}

/// A position names one event, for ever.
pub async fn positions_grow_and_never_repeat(backend: &impl Backend) {
    let store = backend.open().await;
    let mut last = None;
    for count in [1, 3, 1, 2] {
        let stream = new_stream();
        let appended = store.append(&stream, ExpectedRevision::NoStream, new_events(count)).await.expect("the stream is new");
        assert!(Some(appended.position) > last);
        // A refusal takes no position away.
        assert_conflict(store.append(&stream, ExpectedRevision::NoStream, new_events(1)).await, &stream);
        last = Some(appended.position);
    }
    backend.close(store).await;
    let store = backend.open().await;
    assert_eq!(store.head().await, Ok(last));
    assert!(Some(append_new(&store, 1).await.position) > last);
    assert_each_once(&all(&store, None).await, 8);
}

/// Durable means durable.
pub async fn an_append_that_returned_survives_a_restart(backend: &impl Backend) {
    let store = backend.open().await;
    let stream = new_stream();
    let events = new_events(3);
    store.append(&stream, ExpectedRevision::NoStream, events.clone()).await.expect("the stream is new");
    let before = all(&store, None).await;
    backend.close(store).await;

    let store = backend.open().await;
    assert_eq!(all(&store, None).await, before);
    assert_eq!(ids(before.iter().map(|recorded| &recorded.event)), ids(&events));
    assert_conflict(store.append(&stream, ExpectedRevision::NoStream, new_events(1)).await, &stream);
    store.append(&stream, ExpectedRevision::Exact(Revision(2)), new_events(1)).await.expect("the revision is current");
}

/// A caller who did not hear the answer asks again, even much later, and even at the same moment.
pub async fn a_retried_append_is_written_once(backend: &impl Backend) {
    let store = backend.open().await;
    let stream = new_stream();
    let (first, second) = (new_events(2), new_events(3));
    let at_start = store.append(&stream, ExpectedRevision::NoStream, first.clone()).await.expect("the stream is new");
    let expected = ExpectedRevision::Exact(Revision(1));
    let (once, again) = tokio::join!(store.append(&stream, expected, second.clone()), store.append(&stream, expected, second.clone()));
    assert_eq!(once, again);
    assert_eq!(once.expect("the revision is current").revision, Revision(4));

    assert_eq!(store.append(&stream, expected, second.clone()).await, again);
    assert_eq!(store.append(&stream, ExpectedRevision::NoStream, first.clone()).await, Ok(at_start));
    backend.close(store).await;
    let store = backend.open().await;
    assert_eq!(store.append(&stream, ExpectedRevision::NoStream, first).await, Ok(at_start));
    assert_eq!(store.append(&stream, expected, second).await, again);
    assert_eq!(all(&store, None).await.len(), 5);
}

/// A retry is known by all of its ids at its very place, and by nothing less.
pub async fn other_events_at_a_taken_place_are_a_conflict(backend: &impl Backend) {
    let store = backend.open().await;
    let (stream, other) = (new_stream(), new_stream());
    let events = new_events(2);
    store.append(&stream, ExpectedRevision::NoStream, events.clone()).await.expect("the stream is new");
    let longer = events.iter().cloned().chain(new_events(1)).collect();
    let half_new = vec![events[0].clone(), new_event()];
    let swapped = vec![events[1].clone(), events[0].clone()];
    for batch in [longer, half_new, swapped] {
        assert_conflict(store.append(&stream, ExpectedRevision::NoStream, batch).await, &stream);
    }
    assert_conflict(store.append(&other, ExpectedRevision::Exact(Revision(0)), events).await, &other);
    assert_eq!(all(&store, None).await.len(), 2);
}

/// A code is redeemed once, however many try.
pub async fn concurrent_appenders_on_one_stream_have_exactly_one_winner(backend: &impl Backend) {
    let store = backend.open().await;
    let stream = new_stream();
    store.append(&stream, ExpectedRevision::NoStream, new_events(1)).await.expect("the stream is new");
    for round in 0..20 {
        let attempts = (0..16).map(|_| {
            let (store, stream) = (Arc::clone(&store), stream.clone());
            tokio::spawn(async move { store.append(&stream, ExpectedRevision::Exact(Revision(round)), new_events(1)).await })
        });
        let outcomes = join_all(attempts.collect::<Vec<_>>()).await;
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().map(|outcome| outcome.expect("no panic")).partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 15));
        for outcome in lost {
            assert_conflict(outcome, &stream);
        }
    }
    assert_eq!(revisions(&store, &stream).await.len(), 21);
}

/// Catching up and going on live are one stream without a seam.
pub async fn follow_sees_every_position_once_and_in_order_beside_eight_writers(backend: &impl Backend) {
    let store = backend.open().await;
    append_new(&store, 7).await;
    let (writers, written) = start_writers(&store);
    let followers = (0..4).map(|_| {
        let follower = store.follow(None).take(written + 7).try_collect::<Vec<_>>();
        tokio::spawn(follower)
    });
    let followers = join_all(followers.collect::<Vec<_>>()).await;
    writers.await.expect("every writer is done");
    let everything = all(&store, None).await;
    assert_each_once(&everything, written + 7);
    for seen in followers {
        assert_eq!(seen.expect("no panic").expect("the log can be followed"), everything);
    }
}

/// A projection that stopped anywhere goes on from there.
pub async fn follow_resumes_from_any_position(backend: &impl Backend) {
    let store = backend.open().await;
    for count in 1..5 {
        append_new(&store, count).await;
    }
    let before = all(&store, None).await;
    let starts = std::iter::once(None).chain(before.iter().map(|event| Some(event.position)));
    let followers: Vec<_> = starts.map(|after| store.follow(after)).collect();
    append_new(&store, 3).await;
    let everything = all(&store, None).await;
    for (read, follower) in followers.into_iter().enumerate() {
        let rest: Vec<_> = follower.take(everything.len() - read).try_collect().await.expect("the log can be followed");
        assert_eq!(rest, everything[read..]);
    }
}

/// A store that can't answer says so: an empty answer would be taken for a state.
pub async fn unavailable_is_an_error_and_never_an_empty_stream(backend: &impl Backend) {
    let store = backend.open().await;
    let stream = new_stream();
    store.append(&stream, ExpectedRevision::NoStream, new_events(1)).await.expect("the stream is new");
    backend.take_away(&store).await;
    let unavailable = |error: Option<StoreError>| assert!(matches!(error, Some(StoreError::Unavailable(_))), "{error:?}");
    unavailable(store.load(&stream, None).await.err());
    unavailable(store.load(&new_stream(), None).await.err());
    unavailable(store.append(&stream, ExpectedRevision::Exact(Revision(0)), new_events(1)).await.err());
    unavailable(store.head().await.err());
    unavailable(store.read_all(None).next().await.and_then(Result::err));
    unavailable(store.follow(None).next().await.and_then(Result::err));
}

async fn positions(store: &Arc<impl EventStore>) -> Vec<u64> {
    all(store, None).await.iter().map(|event| event.position.0).collect()
}

fn spans(spans: &[(u64, u64)]) -> Vec<Span> {
    spans.iter().map(|(first, last)| Span { first: *first, last: *last }).collect()
}

/// Nothing else is touched, now and after a restart, and no position is given out twice.
pub async fn dropped_events_are_gone_and_the_others_are_not(backend: &impl Backend<Store: DropEvents>) {
    let store = backend.open().await;
    let stream = new_stream();
    store.append(&stream, ExpectedRevision::NoStream, new_events(5)).await.expect("the stream is new");
    for _ in 0..4 {
        append_new(&store, 1).await;
    }
    let before = all(&store, None).await;
    store.drop_events(&spans(&[(2, 3), (6, 7)])).await.expect("they can go");
    store.drop_events(&spans(&[(4, 4)])).await.expect("it can go");
    let kept: Vec<_> = before.iter().filter(|event| [1, 5, 8, 9].contains(&event.position.0)).cloned().collect();
    assert_eq!(all(&store, None).await, kept);
    assert_eq!(all(&store, Some(Position(1))).await, kept[1..]);
    assert_eq!(all(&store, Some(Position(3))).await, kept[1..]);
    assert_eq!(revisions(&store, &stream).await, [0, 4]);
    let tail = store.load(&stream, Some(Revision(1))).await.expect("the stream can be read").events;
    assert_eq!(tail.iter().map(|event| event.revision.0).collect::<Vec<_>>(), [4]);
    backend.close(store).await;
    let store = backend.open().await;
    assert_eq!(all(&store, None).await, kept);
    assert_eq!(revisions(&store, &stream).await, [0, 4]);
    assert_eq!(store.head().await, Ok(Some(Position(9))));
    assert_eq!(append_new(&store, 1).await.position, Position(10));
}

/// Whoever decided on the stream before is not even disturbed.
pub async fn a_stream_goes_on_where_it_was_after_events_were_dropped(backend: &impl Backend<Store: DropEvents>) {
    let store = backend.open().await;
    let stream = new_stream();
    let last = new_events(1);
    store.append(&stream, ExpectedRevision::NoStream, new_events(3)).await.expect("the stream is new");
    let appended = store.append(&stream, ExpectedRevision::Exact(Revision(2)), last.clone()).await.expect("the revision is current");
    store.drop_events(&spans(&[(1, 3)])).await.expect("they can go");
    assert_conflict(store.append(&stream, ExpectedRevision::NoStream, new_events(1)).await, &stream);
    assert_conflict(store.append(&stream, ExpectedRevision::Exact(Revision(1)), new_events(2)).await, &stream);
    assert_eq!(store.append(&stream, ExpectedRevision::Exact(Revision(2)), last).await, Ok(appended));
    store.append(&stream, ExpectedRevision::Exact(Revision(3)), new_events(1)).await.expect("the revision is current");
    assert_eq!(revisions(&store, &stream).await, [3, 4]);
}

/// As if it had never been.
pub async fn a_stream_of_which_everything_was_dropped_begins_anew(backend: &impl Backend<Store: DropEvents>) {
    let store = backend.open().await;
    let stream = new_stream();
    store.append(&stream, ExpectedRevision::NoStream, new_events(3)).await.expect("the stream is new");
    append_new(&store, 1).await;
    store.drop_events(&spans(&[(1, 1)])).await.expect("it can go");
    store.drop_events(&spans(&[(2, 3)])).await.expect("they can go");
    assert!(revisions(&store, &stream).await.is_empty());
    assert_conflict(store.append(&stream, ExpectedRevision::Exact(Revision(2)), new_events(1)).await, &stream);
    store.append(&stream, ExpectedRevision::NoStream, new_events(2)).await.expect("there is no such stream");
    assert_eq!(revisions(&store, &stream).await, [0, 1]);
    assert_eq!(positions(&store).await, [4, 5, 6]);
}

/// Else its place would be given out again.
pub async fn the_last_event_of_what_goes_on_is_not_dropped(backend: &impl Backend<Store: DropEvents>) {
    let store = backend.open().await;
    let stream = new_stream();
    store.append(&stream, ExpectedRevision::NoStream, new_events(3)).await.expect("the stream is new");
    append_new(&store, 1).await;
    for wrong in [(3, 3), (4, 4)] {
        let outcome = store.drop_events(&spans(&[wrong])).await;
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{wrong:?}: {outcome:?}");
        assert_eq!(positions(&store).await, [1, 2, 3, 4]);
    }
}

/// Whoever was interrupted begins again.
pub async fn dropping_again_is_harmless(backend: &impl Backend<Store: DropEvents>) {
    let store = backend.open().await;
    for count in [4, 1, 1, 1] {
        append_new(&store, count).await;
    }
    for _ in 0..2 {
        store.drop_events(&spans(&[(1, 3), (5, 6)])).await.expect("they can go, or are gone");
        assert_eq!(positions(&store).await, [4, 7]);
    }
    store.drop_events(&spans(&[(2, 3)])).await.expect("they are gone");
    append_new(&store, 1).await;
    store.drop_events(&spans(&[(4, 4), (7, 7)])).await.expect("both can go");
    assert_eq!(positions(&store).await, [8]);
}

/// A projection that is far behind finds what there is.
pub async fn followers_pass_over_what_was_dropped(backend: &impl Backend<Store: DropEvents>) {
    let store = backend.open().await;
    for _ in 0..6 {
        append_new(&store, 1).await;
    }
    store.drop_events(&spans(&[(1, 2), (4, 4)])).await.expect("they can go");
    let seen: Vec<_> = store.follow(None).take(3).try_collect().await.expect("the log can be followed");
    assert_eq!(seen.iter().map(|event| event.position.0).collect::<Vec<_>>(), [3, 5, 6]);
}
