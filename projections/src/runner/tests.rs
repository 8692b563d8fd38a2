use grantlog_core::{
    app::Visibility,
    domain::{Timestamp, client::ClientEvent, grant::TokenNumber},
    protocol::AccessTokenFormat::Opaque,
};
use tempfile::TempDir;

use super::*;
use crate::{
    live::AccessTokenRef,
    rebuild::rebuild,
    testing::{History, Log, START, after, client, connected, grant, registered},
    wait::WaitTimeout,
};

const LONG: Duration = Duration::from_mins(1);

fn history() -> Vec<Arc<Recorded>> {
    let history = connected(History::default().at(START, &client(1).stream(), registered("one")), grant(1), client(1), Opaque);
    history.at(after(9), &client(2).stream(), registered("two")).at(after(9), &client(2).stream(), ClientEvent::Suspended {}).0
}

fn options(folder: Option<&TempDir>) -> LiveOptions {
    LiveOptions { snapshot_dir: folder.map(|folder| folder.path().to_owned()), ..LiveOptions::default() }
}

async fn start(log: &Log, options: LiveOptions) -> LiveRunner {
    LiveRunner::start(log.store(), options, |_| {}).await.unwrap()
}

fn has_token(live: &Live, now: Timestamp) -> bool {
    live.access_token(&AccessTokenRef::Grant { grant_id: grant(1), token: TokenNumber(0) }, now).is_some()
}

#[tokio::test(start_paused = true)]
async fn a_start_catches_up_and_says_how_far_it_is() {
    let events = history();
    let mut seen = Vec::new();
    let runner = LiveRunner::start(Log::with(&events).store(), options(None), |progress| seen.push(progress)).await.unwrap();
    let head = events.last().unwrap().position;
    assert_eq!(runner.live().position(), Some(head));
    assert_eq!(seen.last(), Some(&Progress { done: head, of: head }));
    assert!(has_token(&runner.live(), after(1000)));
}

#[tokio::test(start_paused = true)]
async fn a_start_without_the_store_fails() {
    let log = Log::with(&history());
    log.fail(true);
    assert!(matches!(LiveRunner::start(log.store(), options(None), |_| {}).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test(start_paused = true)]
async fn what_is_appended_later_becomes_visible_and_wakes_those_who_wait() {
    let events = history();
    let log = Log::with(&events[..3]);
    let runner = start(&log, options(None)).await;
    let live = runner.live();
    let waiting = tokio::spawn({
        let (live, last) = (Arc::clone(&live), events.last().unwrap().position);
        async move { live.wait_for(last, LONG).await }
    });
    tokio::task::yield_now().await;
    log.push(&events[3..]);
    assert_eq!(waiting.await.unwrap(), Ok(()));
    assert!(has_token(&live, after(1000)));
    assert_eq!(live.digest().1, rebuild(&log).await.unwrap().digest());
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_in_time() {
    let log = Log::with(&history()[..1]);
    let live = start(&log, options(None)).await.live();
    let timeout = WaitTimeout { awaited: Position(99), reached: Some(Position(0)) };
    assert_eq!(live.wait_for(Position(99), Duration::from_secs(1)).await, Err(timeout));
    assert_eq!(live.wait_for(Position(0), Duration::ZERO).await, Ok(()));
    assert!(!live.wait_until_visible(Position(99)).await);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_tried_again_and_nothing_is_lost() {
    let events = history();
    let log = Log::with(&events[..3]);
    let runner = start(&log, options(None)).await;
    let live = runner.live();
    log.fail(true);
    time::sleep(LONG).await;
    assert!(!live.is_following());
    log.push(&events[3..]);
    log.fail(false);
    live.wait_for(events.last().unwrap().position, LONG).await.unwrap();
    assert!(live.is_following());
    assert_eq!(live.digest().1, rebuild(&log).await.unwrap().digest());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_works_again_is_noticed_though_nothing_is_written() {
    let log = Log::with(&history());
    let runner = start(&log, options(None)).await;
    log.fail(true);
    time::sleep(LONG).await;
    log.fail(false);
    time::sleep(LONG).await;
    assert!(runner.live().is_following());
}

#[tokio::test]
async fn after_a_shutdown_only_the_tail_is_read() {
    let (events, folder) = (history(), tempfile::tempdir().unwrap());
    start(&Log::with(&events[..6]), options(Some(&folder))).await.shutdown().await;

    let log = Log::with(&events);
    let runner = start(&log, options(Some(&folder))).await;
    assert_eq!(log.reads().last(), Some(&Some(events[5].position)));
    assert_eq!(runner.live().digest().1, rebuild(&log).await.unwrap().digest());
}

#[tokio::test]
async fn a_snapshot_is_written_every_so_many_events() {
    let (events, folder) = (history(), tempfile::tempdir().unwrap());
    let options = LiveOptions { snapshot_every: 1, ..options(Some(&folder)) };
    let runner = start(&Log::with(&events), options).await;
    runner.shutdown().await;
    let newest = snapshot::candidates(folder.path()).remove(0);
    assert_eq!(snapshot::read(&newest).unwrap().position(), events.last().map(|event| event.position));
}

#[tokio::test]
async fn a_corrupt_snapshot_is_ignored_and_the_one_before_is_used() {
    let (events, folder) = (history(), tempfile::tempdir().unwrap());
    start(&Log::with(&events[..4]), options(Some(&folder))).await.shutdown().await;
    start(&Log::with(&events[..6]), options(Some(&folder))).await.shutdown().await;
    let newest = snapshot::candidates(folder.path()).remove(0);
    std::fs::write(newest, "damaged").unwrap();

    let log = Log::with(&events);
    let runner = start(&log, options(Some(&folder))).await;
    assert_eq!(log.reads().last(), Some(&Some(events[3].position)));
    assert_eq!(runner.live().digest().1, rebuild(&log).await.unwrap().digest());
}

#[tokio::test]
async fn a_snapshot_of_another_log_is_ignored() {
    let (events, folder) = (history(), tempfile::tempdir().unwrap());
    start(&Log::with(&events), options(Some(&folder))).await.shutdown().await;

    let log = Log::with(&events[..4]);
    let runner = start(&log, options(Some(&folder))).await;
    assert_eq!(runner.live().position(), Some(events[3].position));
    assert_eq!(runner.live().digest().1, rebuild(&log).await.unwrap().digest());
}

#[tokio::test]
async fn a_state_that_lacks_something_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let events = History(history()).unreadable(&grant(1).stream()).0;
    start(&Log::with(&events), options(Some(&folder))).await.shutdown().await;
    assert!(snapshot::candidates(folder.path()).is_empty());
}
