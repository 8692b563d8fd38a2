//! The writer without its thread: batches exactly as composed here, and trouble exactly where it is wanted.

use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::store::contract::{new_events, new_stream};

type Outcome = Result<Appended, StoreError>;

fn writer(dir: &Path) -> Writer {
    let directory = DataDirectory::lock(dir).expect("the directory is free");
    Writer::new(directory, broadcast::Sender::new(16), Arc::default()).expect("the file can be opened")
}

fn append(stream: &StreamId, expected: ExpectedRevision, count: usize) -> (Append, oneshot::Receiver<Outcome>) {
    let (answer, answered) = oneshot::channel();
    (Append { stream: stream.clone(), expected, events: new_events(count), answer }, answered)
}

/// Commits one batch and says what was answered to each of its appends.
fn commit(writer: &mut Writer, appends: Vec<(Append, oneshot::Receiver<Outcome>)>) -> Vec<Outcome> {
    let (batch, answers): (Vec<_>, Vec<_>) = appends.into_iter().unzip();
    writer.commit(batch);
    answers.into_iter().map(|mut answer| answer.try_recv().expect("everyone is answered")).collect()
}

fn commit_one(writer: &mut Writer, count: usize) -> Outcome {
    commit(writer, vec![append(&new_stream(), ExpectedRevision::NoStream, count)]).remove(0)
}

fn on_connection(writer: &Writer, sql: &str) {
    writer.connection.as_ref().expect("there is a connection").execute_batch(sql).expect("the SQL is good");
}

/// The positions in the file, as another process sees them.
fn positions(dir: &TempDir) -> Vec<i64> {
    let connection = file::open_reader(&file::path(dir.path())).expect("the file can be read");
    let mut statement = connection.prepare("SELECT position FROM events ORDER BY position").expect("the table is there");
    statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).expect("the rows can be read")
}

#[test]
fn a_conflict_costs_only_its_own_append() {
    let dir = TempDir::new().expect("a directory");
    let mut writer = writer(dir.path());
    let (stream, other) = (new_stream(), new_stream());
    let outcomes = commit(
        &mut writer,
        vec![
            append(&stream, ExpectedRevision::NoStream, 2),
            append(&stream, ExpectedRevision::NoStream, 1),
            append(&other, ExpectedRevision::NoStream, 1),
            append(&stream, ExpectedRevision::Exact(Revision(1)), 1),
        ],
    );
    let at = |position, revision| Ok(Appended { position: Position(position), revision: Revision(revision) });
    assert_eq!(outcomes, [at(2, 1), Err(StoreError::Conflict { stream }), at(3, 0), at(4, 2)]);
    assert_eq!(positions(&dir), [1, 2, 3, 4]);
    assert_eq!(writer.counters.read(), Stats { batches: 1, events: 4 });
}

#[test]
fn a_full_disk_is_unavailable_and_loses_nothing_acknowledged() {
    let dir = TempDir::new().expect("a directory");
    let mut writer = writer(dir.path());
    commit_one(&mut writer, 3).expect("there is room");
    on_connection(&writer, "PRAGMA max_page_count = 1");
    // The limit can't be below what the file has; the batch needs a lot more.
    let streams = [new_stream(), new_stream()];
    let appends = streams.iter().map(|stream| append(stream, ExpectedRevision::NoStream, 500)).collect();
    for outcome in commit(&mut writer, appends) {
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    }
    assert_eq!(positions(&dir), [1, 2, 3]);

    on_connection(&writer, "PRAGMA max_page_count = 1000000");
    let outcomes = commit(&mut writer, vec![append(&streams[0], ExpectedRevision::NoStream, 2)]);
    assert_eq!(outcomes, [Ok(Appended { position: Position(5), revision: Revision(1) })]);
    assert_eq!(positions(&dir), [1, 2, 3, 4, 5]);
}

#[test]
fn a_locked_file_is_unavailable_after_a_while_and_then_available_again() {
    let dir = TempDir::new().expect("a directory");
    let mut writer = writer(dir.path());
    commit_one(&mut writer, 1).expect("nobody else is there");
    let other = Connection::open(file::path(dir.path())).expect("the file can be opened");
    other.execute_batch("BEGIN EXCLUSIVE").expect("nobody writes");
    let outcome = commit_one(&mut writer, 1);
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    other.execute_batch("ROLLBACK").expect("a transaction is open");
    assert_eq!(commit_one(&mut writer, 1).expect("the lock is gone").position, Position(2));
    assert_eq!(positions(&dir), [1, 2]);
}

#[test]
fn a_failed_commit_is_unknown_and_the_writer_looks_where_the_log_ends() {
    let dir = TempDir::new().expect("a directory");
    let mut writer = writer(dir.path());
    commit_one(&mut writer, 2).expect("nothing is wrong yet");
    // A deferred constraint is checked by COMMIT. All of it is gone with the connection.
    on_connection(
        &writer,
        "PRAGMA foreign_keys = ON;
         CREATE TEMP TABLE parents (id INTEGER PRIMARY KEY);
         CREATE TEMP TABLE children (parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED);
         CREATE TEMP TRIGGER orphan AFTER INSERT ON main.events BEGIN INSERT INTO children VALUES (1); END;",
    );
    let stream = new_stream();
    let appends = vec![append(&stream, ExpectedRevision::NoStream, 1), append(&stream, ExpectedRevision::NoStream, 1)];
    for outcome in commit(&mut writer, appends) {
        assert!(matches!(outcome, Err(StoreError::Unknown(_))), "{outcome:?}");
    }
    assert_eq!(positions(&dir), [1, 2]);
    let outcomes = commit(&mut writer, vec![append(&stream, ExpectedRevision::NoStream, 1)]);
    assert_eq!(outcomes, [Ok(Appended { position: Position(3), revision: Revision(0) })]);
}

#[test]
fn a_doubtful_batch_that_did_arrive_is_passed_on() {
    let dir = TempDir::new().expect("a directory");
    let mut writer = writer(dir.path());
    let mut live = writer.live.subscribe();
    // As if the last commit had been answered with an error after it was done.
    commit_one(&mut writer, 2).expect("nothing is wrong");
    writer.head = 0;
    writer.connection = None;
    writer.connection().expect("the file can be opened");
    assert_eq!(writer.head, 2);
    assert_eq!(live.try_recv().expect("the batch").len(), 2);
    assert!(live.try_recv().expect("a hint to look into the file").is_empty());
}

#[test]
fn a_log_that_lost_its_end_is_corrupt() {
    let dir = TempDir::new().expect("a directory");
    let mut writer = writer(dir.path());
    commit_one(&mut writer, 2).expect("nothing is wrong");
    on_connection(&writer, "DELETE FROM events WHERE position = 2");
    writer.connection = None;
    let outcome = commit_one(&mut writer, 1);
    assert!(matches!(outcome, Err(StoreError::Corrupt(_))), "{outcome:?}");
}

#[test]
fn a_batch_ends_before_it_is_too_large() {
    let (sender, receiver) = mpsc::channel(16);
    let mut queue = Queue { work: receiver, held: None };
    let mut answers = Vec::new();
    for count in [1000, 24, 1, 2000, 1] {
        let (append, answer) = append(&new_stream(), ExpectedRevision::NoStream, count);
        sender.try_send(Work::Append(append)).map_err(|_| ()).expect("there is room");
        answers.push(answer);
    }
    let (mut large, answer) = append(&new_stream(), ExpectedRevision::NoStream, 1);
    large.events[0].data = "x".repeat(BATCH_BYTES);
    sender.try_send(Work::Append(large)).map_err(|_| ()).expect("there is room");
    answers.push(answer);
    drop(sender);
    let mut sizes = Vec::new();
    while let Some(Next::Appends(batch)) = queue.next() {
        sizes.push(batch.iter().map(|append| append.events.len()).collect::<Vec<_>>());
    }
    assert_eq!(sizes, [vec![1000, 24], vec![1], vec![2000], vec![1], vec![1]]);
}
