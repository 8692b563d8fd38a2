//! The contract, and what only a file can do.

use std::fs;

use futures::future::join_all;
use tempfile::TempDir;

use super::*;
use crate::store::contract::{Backend, new_events, new_stream};

struct Sqlite(TempDir);

impl Sqlite {
    fn new() -> Self {
        Self(TempDir::new().expect("a directory"))
    }

    fn store(&self) -> SqliteStore {
        SqliteStore::open(self.0.path()).expect("the store can be opened")
    }

    /// Damages the file through the back door, between two openings.
    fn alter(&self, sql: &str) {
        let connection = rusqlite::Connection::open(file::path(self.0.path())).expect("the file can be opened");
        connection.execute_batch(sql).expect("the SQL is good");
    }
}

#[async_trait]
impl Backend for Sqlite {
    type Store = SqliteStore;

    async fn open(&self) -> Arc<SqliteStore> {
        Arc::new(self.store())
    }

    async fn close(&self, store: Arc<SqliteStore>) {
        store.close().await;
    }

    async fn take_away(&self, store: &SqliteStore) {
        store.close().await;
    }
}

crate::store_contract!(Sqlite::new());
crate::dropping_contract!(Sqlite::new());

async fn append(store: &SqliteStore, count: usize) -> Result<Appended, StoreError> {
    store.append(&new_stream(), ExpectedRevision::NoStream, new_events(count)).await
}

async fn positions(store: &SqliteStore) -> Result<Vec<u64>, StoreError> {
    store.read_all(None).map_ok(|event| event.position.0).try_collect().await
}

#[tokio::test]
async fn a_second_process_is_refused_and_told_which_directory() {
    let dir = Sqlite::new();
    let store = dir.store();
    let refused = SqliteStore::open(dir.0.path()).expect_err("the directory is locked");
    assert_eq!(refused, StoreError::Unavailable(format!("the data directory {} is in use by another process", dir.0.path().display())));
    // Closing gives the directory back, and so does dropping.
    store.close().await;
    let second = dir.store();
    drop(second);
    dir.store();
}

#[tokio::test]
async fn what_is_queued_together_is_committed_together() {
    let dir = Sqlite::new();
    let store = dir.store();
    let other = rusqlite::Connection::open(file::path(dir.0.path())).expect("the file can be opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody writes");
    // The writer waits for the lock with what it found first, while everything else is queued.
    let mut appends = Box::pin(join_all((0..200).map(|_| append(&store, 2))));
    assert!(futures::poll!(&mut appends).is_pending());
    other.execute_batch("ROLLBACK").expect("a transaction is open");
    assert!(appends.await.iter().all(Result::is_ok));
    let stats = store.stats();
    assert_eq!(stats.events, 400);
    assert!(stats.batches <= 2, "{} transactions", stats.batches);
}

#[tokio::test]
async fn a_full_queue_is_unavailable_at_once() {
    let dir = Sqlite::new();
    let store = dir.store();
    let other = rusqlite::Connection::open(file::path(dir.0.path())).expect("the file can be opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody writes");
    // One batch is with the writer, and one append held back by it.
    let most = QUEUE + 1024 + 1;
    let mut appends = Box::pin(join_all((0..=most).map(|_| append(&store, 1))));
    assert!(futures::poll!(&mut appends).is_pending());
    other.execute_batch("ROLLBACK").expect("a transaction is open");
    let (written, refused): (Vec<_>, Vec<_>) = appends.await.into_iter().partition(Result::is_ok);
    assert!(!refused.is_empty());
    assert!(refused.iter().all(|outcome| matches!(outcome, Err(StoreError::Unavailable(_)))));
    assert_eq!(positions(&store).await.map(|positions| positions.len()), Ok(written.len()));
}

#[tokio::test]
async fn closing_commits_what_is_queued_and_leaves_one_file() {
    let dir = Sqlite::new();
    let store = dir.store();
    let mut appends = Box::pin(join_all((0..50).map(|_| append(&store, 1))));
    assert!(futures::poll!(&mut appends).is_pending());
    store.close().await;
    assert!(appends.await.iter().all(Result::is_ok));
    assert!(matches!(append(&store, 1).await, Err(StoreError::Unavailable(_))));
    store.close().await;
    let log = fs::metadata(dir.0.path().join("events.db-wal")).map_or(0, |file| file.len());
    assert_eq!(log, 0, "the write-ahead log was not checkpointed");
    assert_eq!(positions(&dir.store()).await, Ok((1..=50).collect()));
}

#[tokio::test]
async fn a_follower_is_told_that_the_store_was_closed() {
    let dir = Sqlite::new();
    let store = dir.store();
    let mut follower = store.follow(None);
    append(&store, 1).await.expect("a new stream");
    assert!(matches!(follower.next().await, Some(Ok(_))));
    store.close().await;
    assert!(matches!(follower.next().await, Some(Err(StoreError::Unavailable(_)))));
    assert!(follower.next().await.is_none());
}

#[tokio::test]
async fn a_follower_that_falls_behind_reads_the_rest_from_the_file() {
    let dir = Sqlite::new();
    let store = dir.store();
    append(&store, 1).await.expect("a new stream");
    let mut follower = store.follow(None);
    // Now it waits for the writer.
    let first = follower.next().await.and_then(Result::ok).map(|event| event.position);
    assert_eq!(first, Some(Position(1)));
    for _ in 0..LIVE_BATCHES + 10 {
        append(&store, 1).await.expect("a new stream");
    }
    let rest: Vec<_> = follower.take(LIVE_BATCHES + 10).map_ok(|event| event.position.0).try_collect().await.expect("it goes on");
    assert_eq!(rest, (2..=LIVE_BATCHES as u64 + 11).collect::<Vec<_>>());
}

#[tokio::test]
async fn pages_join_without_a_seam() {
    let dir = Sqlite::new();
    let store = dir.store();
    let count = 2 * reader::PAGE;
    append(&store, count).await.expect("a new stream");
    let everything: Vec<u64> = (1..=count as u64).collect();
    assert_eq!(positions(&store).await.as_ref(), Ok(&everything));
    let followed = store.follow(None).take(count).map_ok(|event| event.position.0).try_collect::<Vec<_>>().await;
    assert_eq!(followed, Ok(everything));
}

#[tokio::test]
async fn a_tool_reads_and_follows_beside_the_server_and_writes_nothing() {
    let dir = Sqlite::new();
    assert!(matches!(SqliteStore::open_read_only(dir.0.path()), Err(StoreError::Unavailable(_))));
    let server = dir.store();
    append(&server, 2).await.expect("a new stream");
    let tool = SqliteStore::open_read_only(dir.0.path()).expect("no lock is needed");
    let mut follower = tool.follow(Some(Position(1)));
    assert_eq!(follower.next().await.and_then(Result::ok).map(|event| event.position), Some(Position(2)));
    append(&server, 1).await.expect("a new stream");
    assert_eq!(follower.next().await.and_then(Result::ok).map(|event| event.position), Some(Position(3)));
    assert_eq!(tool.head().await, Ok(Some(Position(3))));
    assert!(matches!(append(&tool, 1).await, Err(StoreError::Unavailable(_))));
    server.close().await;
    assert_eq!(positions(&tool).await, Ok(vec![1, 2, 3]));
    // Without a server it works too.
    drop((tool, follower));
    let tool = SqliteStore::open_read_only(dir.0.path()).expect("no server is needed");
    assert_eq!(positions(&tool).await, Ok(vec![1, 2, 3]));
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let store = SqliteStore::open(&data).expect("the directory is made");
    append(&store, 1).await.expect("a new stream");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let modes: Vec<_> = fs::read_dir(&data).expect("it is there").map(|entry| mode(&entry.expect("it is there").path())).collect();
    assert_eq!(modes, [0o600; 4], "lock, database, write-ahead log and its index");
}

#[tokio::test]
async fn a_file_that_is_no_log_is_corrupt() {
    let dir = Sqlite::new();
    fs::write(file::path(dir.0.path()), "not a database, but long enough to have a header of its own".repeat(100)).expect("it is written");
    for outcome in [SqliteStore::open(dir.0.path()), SqliteStore::open_read_only(dir.0.path())] {
        assert!(matches!(outcome, Err(StoreError::Corrupt(_))), "{outcome:?}");
    }
    let dir = Sqlite::new();
    dir.alter("CREATE TABLE events (position INTEGER PRIMARY KEY)");
    for outcome in [SqliteStore::open(dir.0.path()), SqliteStore::open_read_only(dir.0.path())] {
        assert!(matches!(outcome, Err(StoreError::Corrupt(_))), "{outcome:?}");
    }
}

#[tokio::test]
async fn what_was_taken_out_of_the_log_is_noticed() {
    let dir = Sqlite::new();
    let store = dir.store();
    let stream = new_stream();
    store.append(&stream, ExpectedRevision::NoStream, new_events(3)).await.expect("the stream is new");
    store.close().await;
    dir.alter("DELETE FROM events WHERE revision = 1");
    let store = dir.store();
    let missing = |what: &str| Some(StoreError::Corrupt(format!("{what} is missing")));
    assert_eq!(store.load(&stream, None).await.err(), missing(&format!("revision 1 of {stream}")));
    assert_eq!(positions(&store).await.err(), missing("the event at position 2"));
}

#[tokio::test]
async fn a_row_that_we_never_wrote_is_corrupt() {
    for damage in ["stream = 'nonsense-1'", "id = x'00'", "schema = 70000", "revision = -1"] {
        let dir = Sqlite::new();
        let store = dir.store();
        append(&store, 1).await.expect("a new stream");
        store.close().await;
        dir.alter(&format!("UPDATE events SET {damage}"));
        let outcome = positions(&dir.store()).await;
        assert!(matches!(outcome, Err(StoreError::Corrupt(_))), "{damage}: {outcome:?}");
    }
}

#[tokio::test]
async fn what_was_taken_out_beside_dropped_events_is_noticed() {
    let dir = Sqlite::new();
    let store = dir.store();
    let stream = new_stream();
    store.append(&stream, ExpectedRevision::NoStream, new_events(8)).await.expect("the stream is new");
    append(&store, 1).await.expect("a new stream");
    let spans = [Span { first: 2, last: 3 }, Span { first: 5, last: 5 }];
    store.drop_events(&spans).await.expect("they can go");
    assert_eq!(positions(&store).await.expect("the log can be read"), [1, 4, 6, 7, 8, 9]);
    store.close().await;
    dir.alter("DELETE FROM events WHERE position = 4");
    let store = dir.store();
    let missing = |what: &str| Some(StoreError::Corrupt(format!("{what} is missing")));
    assert_eq!(store.load(&stream, None).await.err(), missing(&format!("revision 3 of {stream}")));
    assert_eq!(positions(&store).await.err(), missing("the event at position 4"));
}

#[tokio::test]
async fn the_space_of_dropped_events_is_given_back() {
    let dir = Sqlite::new();
    let store = dir.store();
    for _ in 0..20 {
        append(&store, 1000).await.expect("a new stream");
    }
    append(&store, 1).await.expect("a new stream");
    store.close().await;
    let before = fs::metadata(file::path(dir.0.path())).expect("it is there").len();
    let store = dir.store();
    store.drop_events(&[Span { first: 1, last: 20_000 }]).await.expect("they can go");
    store.close().await;
    let after = fs::metadata(file::path(dir.0.path())).expect("it is there").len();
    assert!(after * 10 < before, "{before} bytes became {after}");
}
