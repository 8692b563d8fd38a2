use std::{fs, sync::Arc};

use grantlog_core::{protocol::AccessTokenFormat::Opaque, store::Recorded};

use super::*;
use crate::testing::{History, Log, START, client, connected, grant, registered};

fn history() -> Vec<Arc<Recorded>> {
    connected(History::default().at(START, &client(1).stream(), registered("one")), grant(1), client(1), Opaque).0
}

fn fold(events: &[Arc<Recorded>]) -> State {
    events.iter().cloned().collect()
}

#[tokio::test]
async fn rebuilt_equals_folded() {
    let events = history();
    assert_eq!(rebuild(&Log::with(&events)).await.unwrap().digest(), fold(&events).digest());
}

#[tokio::test]
async fn an_empty_log_is_sound() {
    let found = verify(&Log::default(), None).await.unwrap();
    assert!(found.is_sound());
    assert_eq!(found.position, None);
}

#[tokio::test]
async fn a_snapshot_with_the_tail_agrees_with_the_log() {
    let (events, folder) = (history(), tempfile::tempdir().unwrap());
    snapshot::write(folder.path(), &fold(&events[..4])).unwrap();
    let found = verify(&Log::with(&events), Some(folder.path())).await.unwrap();
    assert_eq!(found.snapshots[0].outcome, SnapshotOutcome::Agrees);
    assert!(found.is_sound());
}

#[tokio::test]
async fn a_snapshot_that_says_something_else_is_found_out() {
    let (events, folder) = (history(), tempfile::tempdir().unwrap());
    // A state that never heard of the client, at a position that the log does have.
    snapshot::write(folder.path(), &fold(&events[3..4])).unwrap();
    let found = verify(&Log::with(&events), Some(folder.path())).await.unwrap();
    assert!(matches!(found.snapshots[0].outcome, SnapshotOutcome::Disagrees { .. }), "{found:?}");
    assert!(!found.is_sound());
}

#[tokio::test]
async fn a_snapshot_that_a_start_ignores_is_told_apart_from_a_wrong_one() {
    let (events, folder) = (history(), tempfile::tempdir().unwrap());
    snapshot::write(folder.path(), &fold(&events)).unwrap();
    fs::write(folder.path().join("live-9.snapshot"), "damaged").unwrap();
    // The log was restored from a backup: the snapshot is ahead of it.
    let found = verify(&Log::with(&events[..4]), Some(folder.path())).await.unwrap();
    assert!(matches!(found.snapshots[0].outcome, SnapshotOutcome::Ignored { .. }), "{found:?}");
    assert_eq!(found.snapshots[1].outcome, SnapshotOutcome::OfAnotherLog);
    assert_eq!(found.snapshots.len(), 2);
    assert!(found.is_sound());
}
