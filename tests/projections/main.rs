//! The read models are what the log says, however one gets to them: along with the writes, from the beginning, or from a
//! snapshot and the tail. With the real write side over a real file.

mod engine;
mod history;
mod retention;

use std::sync::Arc;

use engine::{Engine, Spy};
use grantlog_core::{domain::Seconds, store::EventStore};
use grantlog_projections::rebuild::{SnapshotOutcome, rebuild, verify};
use history::History;
use tempfile::TempDir;

const STEPS: usize = 150;

/// Live equals rebuilt, whatever happened.
#[tokio::test(flavor = "multi_thread")]
async fn rebuilt_equals_live_after_random_histories() {
    for seed in 0..4 {
        let (dir, clock) = (TempDir::new().expect("a directory"), engine::clock());
        let engine = Engine::open(dir.path(), clock.clone(), 100_000).await;
        let mut history = History::new(seed);
        for _ in 0..3 {
            history.go_on(&engine, STEPS).await;
            clock.advance(Seconds(400));
            let (position, live) = engine.live().digest();
            let rebuilt = rebuild(engine.store.as_ref()).await.expect("the log can be read");
            assert_eq!((rebuilt.position(), rebuilt.digest()), (position, live), "seed {seed}");
        }
        assert_eq!(engine.live().unreadable(), 0);
        engine.close().await;
    }
}

/// Stop anywhere and go on: what a start finds is what was there, and it reads only what came after the snapshot.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_from_a_snapshot_reads_only_the_tail() {
    let dir = TempDir::new().expect("a directory");
    let clock = engine::clock();
    let mut history = History::new(9);
    let mut before = None;
    for _ in 0..4 {
        let engine = Engine::open(dir.path(), clock.clone(), 100_000).await;
        assert_eq!(before.unwrap_or_else(|| engine.live().digest()), engine.live().digest());
        history.go_on(&engine, STEPS).await;
        before = Some(engine.live().digest());
        let stopped_at = engine.live().position().expect("something was written");
        engine.close().await;

        // Beside the snapshot's own event, which tells that it is of this log, nothing is read again.
        let spy = Arc::new(Spy::over(dir.path()));
        let runner = engine::follow(spy.clone(), dir.path(), 100_000).await;
        assert_eq!(Some(runner.live().digest()), before);
        assert!(spy.delivered() <= 1, "{} events were read, and none is new", spy.delivered());
        assert_eq!(spy.reads().last(), Some(&Some(stopped_at)));
        drop(runner);
    }
}

/// A server that was killed has old snapshots at most: from each of them the tail leads to the same state.
#[tokio::test(flavor = "multi_thread")]
async fn every_snapshot_and_its_tail_are_the_whole_log() {
    let dir = TempDir::new().expect("a directory");
    let engine = Engine::open(dir.path(), engine::clock(), 50).await;
    let mut history = History::new(4);
    history.go_on(&engine, 3 * STEPS).await;
    let live = engine.live().digest();
    // No shutdown: no last snapshot.
    engine.abandon().await;

    let spy = Arc::new(Spy::over(dir.path()));
    let found = verify(spy.as_ref(), Some(&engine::snapshots(dir.path()))).await.expect("the log can be read");
    assert_eq!((found.position, found.rebuilt), live);
    assert!(found.is_sound());
    assert!(!found.snapshots.is_empty(), "snapshots were taken");
    for snapshot in found.snapshots {
        assert_eq!(snapshot.outcome, SnapshotOutcome::Agrees, "{}", snapshot.path.display());
    }

    let spy = Arc::new(Spy::over(dir.path()));
    let runner = engine::follow(spy.clone(), dir.path(), 50).await;
    assert_eq!(runner.live().digest(), live);
    let events = spy.head().await.expect("the log can be read").map_or(0, |head| head.0);
    assert!(spy.delivered() < events, "{} of {events} events were read", spy.delivered());
    drop(runner);
}
