//! Dropping old issuance facts changes nothing that anybody can tell, and can be interrupted anywhere.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{TryStreamExt, stream::BoxStream};
use grantlog_core::{
    app::{
        Context,
        clock::ManualClock,
        retention::{Pass, Retention, RetentionError, SignedLedger},
    },
    domain::{
        Seconds, StreamId,
        catalog::reference::is_issuance,
        segment::{CoveringCheckpoint, Span},
    },
    jose::SigningKey,
    ledger::{Hash, NoteSigner},
    store::{
        Appended, DropEvents, EventStore, ExpectedRevision, Loaded, NewEvent, Position, Recorded, Revision, Segments, SqliteStore,
        StoreError,
    },
};
use grantlog_projections::{
    HistoryRunner, LedgerRunner,
    history::{self, EventsQuery, Filter, Order},
    ledger::{DataDirectory, LEDGER_FILE, LedgerOptions, LedgerReader, Trust, Verified, verify},
    rebuild::{self, SnapshotOutcome, rebuild},
};
use tempfile::TempDir;

use crate::{
    engine::{self, Engine},
    history::History,
};

/// Two days more than anything lives here.
const KEEP: Seconds = Seconds(3 * 86_400);

fn signer() -> NoteSigner {
    NoteSigner::new("auth.example.com", Arc::new(SigningKey::from_ed25519_seed(&[1; 32]))).expect("the key can sign")
}

async fn ledger(dir: &Path, store: Arc<SqliteStore>, clock: &ManualClock) -> LedgerRunner {
    let options = LedgerOptions {
        file: Some(dir.join(LEDGER_FILE)),
        segments: Some(Segments::of(dir)),
        checkpoint_every: None,
        checkpoint_file: None,
        signer: signer(),
        earlier_keys: Vec::new(),
        clock: Arc::new(clock.clone()),
    };
    LedgerRunner::start(store, options).await.expect("the ledger can be kept")
}

fn retention(dir: &Path, engine: &Engine, store: Arc<dyn DropEvents>, ledger: Arc<dyn SignedLedger>) -> Retention {
    Retention { store, segments: Segments::of(dir), ledger, pending: engine.live(), keep: KEEP, least: 1 }
}

/// Ends what was begun, and goes through the log once.
async fn drop_everything(engine: &Engine, retention: &Retention) -> Result<u64, RetentionError> {
    let context = Context::system();
    let mut dropped = engine.authority.drop_pending_segments(&context, retention).await?;
    let mut pass = Pass::default();
    loop {
        let step = engine.authority.retain(&context, retention, &mut pass).await?;
        dropped += step.dropped;
        if step.reached.is_none() {
            return Ok(dropped);
        }
    }
}

/// The same with nothing in the way.
async fn drop_undisturbed(dir: &Path, engine: &Engine) -> u64 {
    let runner = ledger(dir, engine.store.clone(), &engine.clock).await;
    let retention = retention(dir, engine, engine.store.clone(), runner.ledger());
    let dropped = drop_everything(engine, &retention).await.expect("nothing is in the way");
    runner.ledger().sign().await.expect("it signs");
    runner.shutdown().await;
    dropped
}

async fn positions(store: &SqliteStore) -> BTreeSet<Position> {
    store.read_all(None).map_ok(|event| event.position).try_collect().await.expect("the log can be read")
}

async fn audit(dir: &Path) -> Verified {
    let store = Arc::new(SqliteStore::open_read_only(dir).expect("the store can be opened"));
    let reader = LedgerReader::open_read_only(&dir.join(LEDGER_FILE), store).expect("the ledger can be opened");
    let mut evidence = DataDirectory::new(reader.with_segments(Segments::of(dir)));
    verify(&mut evidence, &Trust { keys: vec![signer().verifier().clone()], ..Trust::default() }, |_, _| {}).await.expect("everything fits")
}

async fn assert_live_is_rebuilt(engine: &Engine) {
    let position = engine.live().position().expect("something was written");
    engine.live().wait_for(position, Duration::from_secs(5)).await.expect("the read side keeps up");
    let (position, live) = engine.live().digest();
    let rebuilt = rebuild(engine.store.as_ref()).await.expect("the log can be read");
    assert_eq!((rebuilt.position(), rebuilt.digest()), (position, live));
}

/// What auditors ask has given up the same events, and nothing else.
async fn assert_history_is_rebuilt(engine: &Engine, dir: &Path, past: &HistoryRunner) {
    let head = engine.store.head().await.expect("the log can be read").expect("something was written");
    past.history().wait_for(head, Duration::from_secs(20)).await.expect("the history keeps up");
    let scratch = TempDir::new().expect("a directory");
    let found = history::verify(dir, engine.store.as_ref(), scratch.path()).await.expect("it can be compared");
    assert!(matches!(found, Some(history::Verification::Agrees { unreadable: 0, .. })), "{found:?}");
    let everything = EventsQuery { filter: Filter::default(), until: head, after: None, order: Order::Ascending, limit: usize::MAX };
    let told = past.history().events(everything).await.expect("it answers");
    let told: BTreeSet<_> = told.iter().map(|event| event.recorded.position).collect();
    assert_eq!(told, positions(&engine.store).await);
}

/// And everything goes on afterwards, time after time.
#[tokio::test(flavor = "multi_thread")]
async fn rebuilt_equals_live_when_old_facts_are_dropped() {
    for seed in 20..23 {
        let (dir, clock) = (TempDir::new().expect("a directory"), engine::clock());
        let engine = Engine::open(dir.path(), clock.clone(), 60).await;
        let mut history = History::new(seed);
        let past = HistoryRunner::start(dir.path(), engine.store.clone()).await.expect("the history can be kept");
        let mut dropped = 0;
        for pause in [400, 2 * 86_400, 3 * 86_400 + 600, 40, 86_400, 6 * 86_400] {
            history.go_on(&engine, 90).await;
            clock.advance(Seconds(pause));
            let before: Vec<Arc<Recorded>> = engine.store.read_all(None).try_collect().await.expect("the log can be read");
            dropped += drop_undisturbed(dir.path(), &engine).await;
            let kept = positions(&engine.store).await;
            let mut gone = before.iter().filter(|event| !kept.contains(&event.position));
            assert!(gone.all(|event| is_issuance(&event.event.kind) && event.event.time.plus(KEEP) < engine.authority.now()));
            assert_live_is_rebuilt(&engine).await;
            assert_history_is_rebuilt(&engine, dir.path(), &past).await;
        }
        past.shutdown().await;
        assert!(dropped > 30, "{dropped} events were dropped");
        assert_eq!(engine.live().unreadable(), 0);
        // What a start would come to from old snapshots is the same, where it can be told that they are of this log.
        let found = rebuild::verify(engine.store.as_ref(), Some(&engine::snapshots(dir.path()))).await.expect("the log can be read");
        assert!(found.is_sound());
        for snapshot in found.snapshots {
            assert!(matches!(snapshot.outcome, SnapshotOutcome::Agrees | SnapshotOutcome::Ignored { .. }), "{:?}", snapshot.outcome);
        }
        let live = engine.live().digest();
        engine.close().await;
        let engine = Engine::open(dir.path(), clock, 60).await;
        assert_eq!(engine.live().digest(), live);
        engine.close().await;
        let verified = audit(dir.path()).await;
        assert_eq!((verified.dropped, verified.unseen), (dropped, 0));
    }
}

/// When the process ends, in the course of which of its steps.
#[derive(Clone, Copy, Debug)]
enum Death {
    Before,
    Halfway,
    After,
}

/// So many steps outside go well, and in the next one the process ends.
struct Life {
    left: AtomicI64,
    death: Death,
}

enum Fate {
    Lives,
    Dies(Death),
    IsDead,
}

impl Life {
    fn step(&self) -> Fate {
        match self.left.fetch_sub(1, Ordering::SeqCst) {
            1.. => Fate::Lives,
            0 => Fate::Dies(self.death),
            _ => Fate::IsDead,
        }
    }

    /// Does something, unless the process has ended before it.
    async fn live<T, E>(&self, dead: E, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        match self.step() {
            Fate::Lives => work.await,
            Fate::Dies(Death::Before | Death::Halfway) | Fate::IsDead => Err(dead),
            Fate::Dies(Death::After) => work.await.and(Err(dead)),
        }
    }
}

fn dead() -> StoreError {
    StoreError::Unavailable("the process ended".to_owned())
}

struct Dying {
    store: Arc<SqliteStore>,
    life: Arc<Life>,
}

#[async_trait]
impl EventStore for Dying {
    async fn load(&self, stream: &StreamId, after: Option<Revision>) -> Result<Loaded, StoreError> {
        self.store.load(stream, after).await
    }

    async fn append(&self, stream: &StreamId, expected: ExpectedRevision, events: Vec<NewEvent>) -> Result<Appended, StoreError> {
        self.life.live(dead(), self.store.append(stream, expected, events)).await
    }

    fn read_all(&self, after: Option<Position>) -> BoxStream<'static, Result<Arc<Recorded>, StoreError>> {
        self.store.read_all(after)
    }

    fn follow(&self, after: Option<Position>) -> BoxStream<'static, Result<Arc<Recorded>, StoreError>> {
        self.store.follow(after)
    }

    async fn head(&self) -> Result<Option<Position>, StoreError> {
        self.store.head().await
    }
}

#[async_trait]
impl DropEvents for Dying {
    async fn drop_events(&self, spans: &[Span]) -> Result<(), StoreError> {
        match self.life.step() {
            Fate::Lives => self.store.drop_events(spans).await,
            Fate::Dies(Death::Before) | Fate::IsDead => Err(dead()),
            Fate::Dies(Death::Halfway) => self.store.drop_events(&spans[..spans.len() / 2]).await.and(Err(dead())),
            Fate::Dies(Death::After) => self.store.drop_events(spans).await.and(Err(dead())),
        }
    }
}

struct DyingLedger {
    ledger: Arc<dyn SignedLedger>,
    life: Arc<Life>,
}

#[async_trait]
impl SignedLedger for DyingLedger {
    async fn sign(&self) -> Result<CoveringCheckpoint, String> {
        self.life.live("the process ended".to_owned(), self.ledger.sign()).await
    }

    async fn first_other(&self, leaves: Vec<(u64, Hash)>) -> Result<Option<u64>, String> {
        self.life.live("the process ended".to_owned(), self.ledger.first_other(leaves)).await
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory can be made");
    for entry in fs::read_dir(from).expect("it can be listed") {
        let path = entry.expect("it can be listed").path();
        let target = to.join(path.file_name().expect("it has a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, target).expect("it can be copied");
        }
    }
}

/// Drops what is old, and ends after so many steps. Says whether it came to its end before that.
async fn drop_and_die(dir: &Path, clock: &ManualClock, steps: i64, death: Death) -> bool {
    let life = Arc::new(Life { left: AtomicI64::new(i64::MAX), death });
    let through = |store| -> Arc<dyn EventStore> { Arc::new(Dying { store, life: life.clone() }) };
    let engine = Engine::open_through(dir, clock.clone(), 100_000, through).await;
    let runner = ledger(dir, engine.store.clone(), clock).await;
    let store = Arc::new(Dying { store: engine.store.clone(), life: life.clone() });
    let dying = Arc::new(DyingLedger { ledger: runner.ledger(), life: life.clone() });
    life.left.store(steps, Ordering::SeqCst);
    let outcome = drop_everything(&engine, &retention(dir, &engine, store, dying)).await;
    drop(runner);
    engine.abandon().await;
    outcome.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_the_process_ends_the_next_one_goes_on() {
    let (first, clock) = (TempDir::new().expect("a directory"), engine::clock());
    let engine = Engine::open(first.path(), clock.clone(), 100_000).await;
    History::new(7).go_on(&engine, 150).await;
    clock.advance(Seconds(4 * 86_400));
    engine.close().await;

    let whole = TempDir::new().expect("a directory");
    copy(first.path(), whole.path());
    let engine = Engine::open(whole.path(), clock.clone(), 100_000).await;
    let before = positions(&engine.store).await;
    let dropped = drop_undisturbed(whole.path(), &engine).await;
    let expected: BTreeSet<Position> = positions(&engine.store).await.intersection(&before).copied().collect();
    assert!(dropped > 20, "{dropped} events were dropped");
    engine.close().await;

    let mut steps_of_a_whole_life = 0;
    for death in [Death::Before, Death::Halfway, Death::After] {
        for steps in 0.. {
            let dir = TempDir::new().expect("a directory");
            copy(first.path(), dir.path());
            let is_done = Box::pin(drop_and_die(dir.path(), &clock, steps, death)).await;
            // It may end again where it has just ended.
            Box::pin(drop_and_die(dir.path(), &clock, 1, death)).await;
            let engine = Engine::open(dir.path(), clock.clone(), 100_000).await;
            drop_undisturbed(dir.path(), &engine).await;
            let kept: BTreeSet<Position> = positions(&engine.store).await.intersection(&before).copied().collect();
            assert_eq!(kept, expected, "{death:?} in step {steps}");
            assert_live_is_rebuilt(&engine).await;
            engine.close().await;
            let verified = audit(dir.path()).await;
            assert_eq!((verified.dropped, verified.unseen), (dropped, 0), "{death:?} in step {steps}");
            let drafts = fs::read_dir(dir.path().join("segments")).expect("it can be listed");
            assert!(drafts.into_iter().all(|file| file.expect("it can be listed").path().extension().is_some_and(|end| end == "jsonl")));
            if is_done {
                steps_of_a_whole_life = steps;
                break;
            }
        }
    }
    assert!(steps_of_a_whole_life >= 6, "{steps_of_a_whole_life}");
}
