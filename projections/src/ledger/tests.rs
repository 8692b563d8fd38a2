use std::{fs, path::Path, sync::Arc};

use futures::TryStreamExt;
use grantlog_core::{
    app::clock::Clock,
    domain::{
        StreamId, StreamKind, Timestamp,
        client::ClientEvent,
        segment::{self, CoveringCheckpoint, Positions, SegmentEvent},
    },
    jose::SigningKey,
    ledger::{NoteSigner, SignedCheckpoint, Tile, VerifierKey, entries_of},
    store::{EventStore, MemoryStore, NewEvent, Position, Recorded, Revision, Segments, SqliteStore},
};
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    database::{Database, Growth},
    *,
};
use crate::testing::{Log, START};

const ORIGIN: &str = "auth.example.com";

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        START
    }
}

fn signer(seed: u8) -> NoteSigner {
    NoteSigner::new(ORIGIN, Arc::new(SigningKey::from_ed25519_seed(&[seed; 32]))).unwrap()
}

pub(super) fn key() -> VerifierKey {
    signer(1).verifier().clone()
}

/// The event at this position, of one of three streams.
pub(super) fn event(position: u64) -> Arc<Recorded> {
    event_with(position, "{}")
}

fn event_with(position: u64, data: &str) -> Arc<Recorded> {
    let stream = StreamId::new(StreamKind::Client, &format!("client-{}", position % 3));
    let kind = grantlog_core::domain::Event::from(ClientEvent::Suspended {}).encode().kind;
    let event = NewEvent {
        id: Uuid::from_u64_pair(7, position),
        kind,
        schema: 1,
        time: START,
        actor: "system".to_owned(),
        request_id: String::new(),
        data: data.to_owned(),
    };
    Arc::new(Recorded { position: Position(position), stream, revision: Revision(position / 3), event })
}

pub(super) fn events(count: u64) -> Vec<Arc<Recorded>> {
    (1..=count).map(event).collect()
}

pub(super) fn options(file: Option<&Path>) -> LedgerOptions {
    LedgerOptions {
        file: file.map(Path::to_owned),
        segments: None,
        checkpoint_every: None,
        checkpoint_file: None,
        signer: signer(1),
        earlier_keys: Vec::new(),
        clock: Arc::new(Noon),
    }
}

async fn start(log: &Log, file: &Path) -> LedgerRunner {
    LedgerRunner::start(log.store(), options(Some(file))).await.unwrap()
}

/// A log of so many events with a checkpoint at each of these sizes, and its ledger in a file.
async fn ledger(sizes: &[u64]) -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(LEDGER_FILE);
    let log = Log::default();
    let runner = start(&log, &file).await;
    let mut there = 0;
    for size in sizes {
        log.push(&events(*size)[there..]);
        there = usize::try_from(*size).unwrap();
        assert_eq!(runner.ledger().sign().await.unwrap().size, *size);
    }
    runner.shutdown().await;
    (folder, file)
}

async fn check(file: &Path, events: &[Arc<Recorded>]) -> Result<Verified, String> {
    check_with(file, events, &[]).await
}

async fn check_with(file: &Path, events: &[Arc<Recorded>], pinned: &[String]) -> Result<Verified, String> {
    let reader = LedgerReader::open_read_only(file, Log::with(events).store()).unwrap();
    verify(&mut DataDirectory::new(reader), &Trust { keys: vec![key()], pinned: pinned.to_vec(), ..Trust::default() }, |_, _| {})
        .await
        .map_err(|flaw| flaw.to_string())
}

fn edit(file: &Path, sql: &str) {
    rusqlite::Connection::open(file).unwrap().execute_batch(sql).unwrap();
}

/// Flips a bit of the first hash of a tile.
fn flip(file: &Path, level: u8, place: u64) {
    let mut database = Database::open(file).unwrap();
    let mut hashes = database.tile(level, place).unwrap();
    hashes[0].0[0] ^= 1;
    let growth = Growth { size: database.size().unwrap(), tiles: vec![(level, place, hashes)] };
    database.grow(&growth, None).unwrap();
}

#[tokio::test]
async fn a_checkpoint_covers_what_was_in_the_log_when_it_was_asked_for() {
    let log = Log::with(&events(300));
    let runner = LedgerRunner::start(log.store(), options(None)).await.unwrap();
    let ledger = runner.ledger();
    assert_eq!(ledger.published(), None);
    let first = ledger.sign().await.unwrap();
    assert_eq!((first.size, first.signed_at), (300, START));
    let read = SignedCheckpoint::verify(&first.note, &[key()]).unwrap().checkpoint;
    assert_eq!((read.origin.as_str(), read.size, read.root), (ORIGIN, 300, first.root));
    // Nothing came: what was signed is told again, not signed again.
    assert_eq!(ledger.sign().await.unwrap(), first);
    log.push(&[event(301)]);
    assert_eq!(ledger.sign().await.unwrap().size, 301);
    assert_eq!(ledger.published().unwrap().size, 301);
    assert_eq!(ledger.checkpoints(0, 9).await.unwrap().len(), 2);
    runner.shutdown().await;
}

#[tokio::test]
async fn an_empty_log_is_not_signed() {
    let runner = LedgerRunner::start(Log::default().store(), options(None)).await.unwrap();
    assert!(matches!(runner.ledger().sign().await, Err(LedgerError::Refused(_))));
    assert_eq!(runner.ledger().refusal(), None);
}

#[tokio::test(start_paused = true)]
async fn a_tree_that_has_grown_is_signed_on_schedule_and_not_twice() {
    let log = Log::with(&events(3));
    let every = Some(std::time::Duration::from_mins(1));
    let runner = LedgerRunner::start(log.store(), LedgerOptions { checkpoint_every: every, ..options(None) }).await.unwrap();
    let ledger = runner.ledger();
    let mut published = ledger.published_changes();
    log.push(&[event(4)]);
    published.wait_for(|newest| newest.as_ref().is_some_and(|newest| newest.size == 4)).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_mins(5)).await;
    let sizes: Vec<u64> = ledger.checkpoints(0, 9).await.unwrap().iter().map(|checkpoint| checkpoint.size).collect();
    assert!(sizes.is_sorted_by(|one, next| one < next) && sizes.last() == Some(&4), "{sizes:?}");
}

#[tokio::test]
async fn a_tree_that_was_stopped_anywhere_goes_on_as_if_it_had_not() {
    let whole = LedgerRunner::start(Log::with(&events(700)).store(), options(None)).await.unwrap();
    let expected = whole.ledger().sign().await.unwrap().root;
    for stop in [1, 255, 256, 257, 512, 699] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(LEDGER_FILE);
        let log = Log::with(&events(stop));
        let runner = start(&log, &file).await;
        runner.ledger().sign().await.unwrap();
        // Without a word, as in a crash.
        drop(runner);
        log.push(&events(700)[usize::try_from(stop).unwrap()..]);
        let runner = start(&log, &file).await;
        assert_eq!(runner.ledger().sign().await.unwrap().root, expected, "{stop}");
        runner.shutdown().await;
        assert_eq!(check(&file, &events(700)).await.unwrap().checkpoints, 2);
    }
}

#[tokio::test]
async fn a_restart_reads_the_tail_of_the_log_only() {
    let (_folder, file) = ledger(&[600]).await;
    let log = Log::with(&events(600));
    let runner = start(&log, &file).await;
    assert_eq!(runner.ledger().sign().await.unwrap().size, 600);
    assert_eq!(log.reads(), [Some(Position(599))]);
}

#[tokio::test]
async fn a_tree_that_is_lost_or_damaged_is_made_again_from_the_log() {
    for damage in [
        "DELETE FROM tiles",
        "UPDATE tree SET size = 5",
        "UPDATE tiles SET hashes = zeroblob(length(hashes))",
        "UPDATE tiles SET hashes = x'00'",
    ] {
        let (_folder, file) = ledger(&[10, 300]).await;
        edit(&file, damage);
        let runner = start(&Log::with(&events(301)), &file).await;
        let signed = runner.ledger().sign().await.unwrap();
        assert_eq!(signed.size, 301, "{damage}");
        runner.shutdown().await;
        assert_eq!(check(&file, &events(301)).await.unwrap().checkpoints, 3, "{damage}");
    }
}

#[tokio::test]
async fn a_log_that_was_signed_otherwise_is_not_signed_again() {
    let (_folder, file) = ledger(&[10, 300]).await;
    // The log is another one: its last event is not the one that was hashed last.
    let mut other = events(400);
    other[4] = event_with(5, r#"{"a":1}"#);
    other[299] = event_with(300, r#"{"a":1}"#);
    let runner = start(&Log::with(&other), &file).await;
    let ledger = runner.ledger();
    let refusal = ledger.sign().await.unwrap_err().to_string();
    assert!(refusal.contains("the checkpoint of size 10 was signed for"), "{refusal}");
    assert!(ledger.refusal().is_some());
    assert_eq!(ledger.sign().await.unwrap_err().to_string(), refusal);
    assert_eq!(ledger.checkpoints(0, 9).await.unwrap().len(), 2);
    runner.shutdown().await;
    // The tree was kept, so the event can still be named.
    let found = check(&file, &other).await.unwrap_err();
    assert!(found.starts_with("position 5: this is not the event that the checkpoint of size 10 was signed for"), "{found}");
}

#[tokio::test]
async fn a_log_that_is_shorter_than_what_was_signed_is_not_signed_until_it_is_whole_again() {
    let (_folder, file) = ledger(&[10, 300]).await;
    let runner = start(&Log::with(&events(200)), &file).await;
    let refusal = runner.ledger().sign().await.unwrap_err().to_string();
    assert!(refusal.contains("the log has 200 events, and a checkpoint was signed for 300"), "{refusal}");
    runner.shutdown().await;
    assert!(check(&file, &events(200)).await.unwrap_err().starts_with("position 201: it is missing"));
    let runner = start(&Log::with(&events(301)), &file).await;
    assert_eq!(runner.ledger().sign().await.unwrap().size, 301);
}

#[tokio::test]
async fn a_hole_in_the_log_is_not_passed_over() {
    let mut holed = events(20);
    holed.remove(11);
    let runner = LedgerRunner::start(Log::with(&holed).store(), options(None)).await.unwrap();
    let refusal = runner.ledger().sign().await.unwrap_err().to_string();
    assert!(refusal.contains("the event at position 12 is missing"), "{refusal}");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_away_for_a_while_is_followed_again() {
    let log = Log::with(&events(5));
    let runner = LedgerRunner::start(log.store(), options(None)).await.unwrap();
    assert_eq!(runner.ledger().sign().await.unwrap().size, 5);
    log.fail(true);
    assert!(matches!(runner.ledger().sign().await, Err(LedgerError::Unavailable(_))));
    log.push(&[event(6)]);
    log.fail(false);
    assert_eq!(runner.ledger().sign().await.unwrap().size, 6);
}

#[tokio::test]
async fn nothing_but_more_is_ever_signed() {
    let (_folder, file) = ledger(&[10]).await;
    let mut database = Database::open(&file).unwrap();
    let kept = database.newest().unwrap().unwrap();
    let growth = Growth { size: 10, tiles: Vec::new() };
    for size in [9, 10] {
        let other = KeptCheckpoint { size, ..kept.clone() };
        assert!(matches!(database.grow(&growth, Some(&other)), Err(LedgerError::Corrupt(_))), "{size}");
    }
    assert_eq!(database.checkpoints(0, 9).unwrap(), [kept]);
}

#[tokio::test]
async fn checkpoints_are_appended_to_the_operators_file_once() {
    let (folder, file) = ledger(&[10]).await;
    let out = folder.path().join("checkpoints.jsonl");
    let log = Log::with(&events(10));
    for _ in 0..2 {
        let options = LedgerOptions { checkpoint_file: Some(out.clone()), ..options(Some(&file)) };
        LedgerRunner::start(log.store(), options).await.unwrap().shutdown().await;
    }
    log.push(&[event(11)]);
    let runner =
        LedgerRunner::start(log.store(), LedgerOptions { checkpoint_file: Some(out.clone()), ..options(Some(&file)) }).await.unwrap();
    runner.ledger().sign().await.unwrap();
    runner.shutdown().await;
    let lines: Vec<PublishedCheckpoint> =
        fs::read_to_string(&out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| line.size).collect::<Vec<_>>(), [10, 11]);
    SignedCheckpoint::verify(&lines[1].checkpoint, &[key()]).unwrap();
}

#[tokio::test]
async fn after_a_new_key_the_old_checkpoints_are_still_verified() {
    let (_folder, file) = ledger(&[10]).await;
    let options = LedgerOptions { signer: signer(2), earlier_keys: vec![key()], ..options(Some(&file)) };
    let runner = LedgerRunner::start(Log::with(&events(20)).store(), options).await.unwrap();
    runner.ledger().sign().await.unwrap();
    let keys = runner.ledger().keys().await.unwrap();
    assert_eq!(keys, [key(), signer(2).verifier().clone()]);
    runner.shutdown().await;
    let reader = LedgerReader::open_read_only(&file, Log::with(&events(20)).store()).unwrap();
    assert_eq!(verify(&mut DataDirectory::new(reader), &Trust { keys, ..Trust::default() }, |_, _| {}).await.unwrap().checkpoints, 2);
    assert!(check(&file, &events(20)).await.unwrap_err().contains("size 20: it is not signed by a known key"));
}

#[tokio::test]
async fn proofs_are_for_what_was_signed() {
    let (_folder, file) = ledger(&[10, 300, 700]).await;
    let reader = LedgerReader::open_read_only(&file, Log::with(&events(705)).store()).unwrap();
    for (position, size) in [(1, Some(10)), (10, Some(10)), (257, Some(300)), (1, None), (700, None)] {
        let proof = reader.inclusion(Position(position), size).await.unwrap();
        assert_eq!(proof.verify(&[key()]).unwrap(), grantlog_core::ledger::entry(&event(position)).unwrap());
        assert_eq!((proof.position, proof.size), (position, size.unwrap_or(700)));
    }
    for (from, to) in [(10, 300), (10, 700), (300, 700), (700, 700)] {
        reader.consistency(from, to).await.unwrap().verify(&[key()]).unwrap();
    }
    let refused = |size| ProofRefusal::NotCovered { position: Position(if size == 10 { 11 } else { 701 }), size };
    assert_eq!(reader.inclusion(Position(11), Some(10)).await, Err(refused(10)));
    assert_eq!(reader.inclusion(Position(701), None).await, Err(refused(700)));
    assert_eq!(reader.inclusion(Position(0), None).await, Err(ProofRefusal::NotCovered { position: Position(0), size: 700 }));
    assert_eq!(reader.inclusion(Position(1), Some(11)).await, Err(ProofRefusal::NoSuchCheckpoint(11)));
    assert_eq!(reader.consistency(300, 10).await, Err(ProofRefusal::Backwards));
    assert_eq!(reader.consistency(0, 10).await, Err(ProofRefusal::NoSuchCheckpoint(0)));
}

#[tokio::test]
async fn tiles_end_where_the_newest_checkpoint_does() {
    let (_folder, file) = ledger(&[300]).await;
    let reader = LedgerReader::open_read_only(&file, Log::with(&events(305)).store()).unwrap();
    let read = async |name: &str| reader.tile(name.parse::<Tile>().unwrap()).await.unwrap();
    for (name, length) in [("tile/0/000", 256 * 32), ("tile/0/000.p/7", 7 * 32), ("tile/0/001.p/44", 44 * 32), ("tile/1/000.p/1", 32)] {
        assert_eq!(read(name).await.map(|bytes| bytes.len()), Some(length), "{name}");
    }
    assert_eq!(entries_of(&read("tile/entries/001.p/44").await.unwrap()).unwrap().len(), 44);
    for name in ["tile/0/001.p/45", "tile/0/001", "tile/0/002.p/1", "tile/1/000.p/2", "tile/entries/001.p/45"] {
        assert_eq!(read(name).await, None, "{name}");
    }
}

type Edit<'a> = &'a dyn Fn(&mut Recorded);

/// What the whole point is: nobody changes the log unseen, and the event is named.
#[tokio::test]
async fn every_change_is_found_and_the_first_event_that_it_touches_is_named() {
    let (_folder, file) = ledger(&[10, 300, 700]).await;
    let good = events(705);
    let verified = check(&file, &good).await.unwrap();
    assert_eq!((verified.events, verified.checkpoints, verified.uncovered()), (705, 3, 5));
    for position in [1, 7, 10, 11, 256, 257, 300, 301, 555, 700] {
        let at = usize::try_from(position).unwrap() - 1;
        let named = format!("position {position}: ");
        let changed = |change: &dyn Fn(&mut Recorded)| {
            let mut event = Recorded::clone(&good[at]);
            change(&mut event);
            let mut events = good.clone();
            events[at] = Arc::new(event);
            events
        };
        let edits: [(&str, Edit<'_>); 9] = [
            ("data", &|event| event.event.data = r#"{"a":1}"#.into()),
            ("white space", &|event| event.event.data = "{ }".into()),
            ("actor", &|event| event.event.actor = "systen".into()),
            ("time", &|event| event.event.time.0 ^= 1),
            ("type", &|event| event.event.kind = "client.resumed".into()),
            ("schema", &|event| event.event.schema = 2),
            ("id", &|event| event.event.id = Uuid::from_u64_pair(7, position ^ 1024)),
            ("request", &|event| event.event.request_id = "r".into()),
            ("stream", &|event| event.stream = StreamId::new(StreamKind::Client, "client-9")),
        ];
        for (what, change) in edits {
            let found = check(&file, &changed(change)).await.unwrap_err();
            assert!(found.starts_with(&named), "{what} at {position}: {found}");
        }
        // Dropped, with everything after it moved down so that there is no hole.
        let moved = |events: Vec<Arc<Recorded>>| -> Vec<Arc<Recorded>> {
            let place = |(index, event): (usize, Arc<Recorded>)| {
                Arc::new(Recorded { position: Position(index as u64 + 1), ..Recorded::clone(&event) })
            };
            events.into_iter().enumerate().map(place).collect()
        };
        let mut dropped = good.clone();
        dropped.remove(at);
        assert!(check(&file, &dropped).await.unwrap_err().starts_with(&named), "dropped {position}");
        assert!(check(&file, &moved(dropped)).await.unwrap_err().starts_with(&named), "dropped and moved {position}");
        let mut inserted = good.clone();
        inserted.insert(at, event_with(position, r#"{"a":1}"#));
        assert!(check(&file, &moved(inserted)).await.unwrap_err().starts_with(&named), "inserted {position}");
        let mut swapped = good.clone();
        swapped.swap(at, at + 1);
        assert!(check(&file, &swapped).await.unwrap_err().starts_with(&named), "swapped {position}");
        assert!(check(&file, &moved(swapped)).await.unwrap_err().starts_with(&named), "swapped and moved {position}");
        let cut = good[..at].to_vec();
        let found = check(&file, &cut).await.unwrap_err();
        assert!(found.starts_with(&named) && found.contains("is missing"), "cut off before {position}: {found}");
    }
}

#[tokio::test]
async fn what_no_checkpoint_covers_yet_is_compared_with_what_was_hashed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(LEDGER_FILE);
    let log = Log::with(&events(10));
    let runner = start(&log, &file).await;
    runner.ledger().sign().await.unwrap();
    runner.shutdown().await;
    let mut changed = events(10);
    changed[9] = event_with(10, r#"{"a":1}"#);
    edit(&file, "DELETE FROM checkpoints");
    let found = check(&file, &changed).await.unwrap_err();
    assert!(found.starts_with("position 10: ") && found.contains("no checkpoint covers it yet"), "{found}");
}

#[tokio::test]
async fn a_tree_that_was_made_anew_after_a_change_is_found_by_what_was_signed() {
    let (_folder, file) = ledger(&[10, 300, 700]).await;
    let mut forged = events(700);
    forged[419] = event_with(420, r#"{"a":1}"#);
    // The forger has the file, and not the key: the tiles are those of the forged log.
    let other = tempfile::tempdir().unwrap();
    let other_file = other.path().join(LEDGER_FILE);
    let runner = start(&Log::with(&forged), &other_file).await;
    runner.ledger().sign().await.unwrap();
    runner.shutdown().await;
    edit(&file, &format!("ATTACH '{}' AS other; DELETE FROM tiles; INSERT INTO tiles SELECT * FROM other.tiles;", other_file.display()));
    let found = check(&file, &forged).await.unwrap_err();
    assert!(found.starts_with("position 301: from here to position 700 "), "{found}");
}

#[tokio::test]
async fn a_fork_that_has_its_own_checkpoints_is_found_by_one_that_was_kept_elsewhere() {
    let (_folder, file) = ledger(&[10, 300]).await;
    let kept = LedgerReader::open_read_only(&file, Log::default().store()).unwrap().checkpoints(0, 9).await.unwrap();
    let pinned: Vec<String> = kept.into_iter().map(|checkpoint| checkpoint.note).collect();
    let mut forked = events(400);
    forked[49] = event_with(50, r#"{"a":1}"#);
    // The operator, who has the key, signs the other log as if there had been no first.
    let other = tempfile::tempdir().unwrap();
    let other_file = other.path().join(LEDGER_FILE);
    let runner = start(&Log::with(&forked), &other_file).await;
    runner.ledger().sign().await.unwrap();
    runner.shutdown().await;
    assert_eq!(check(&other_file, &forked).await.unwrap().checkpoints, 1);
    let found = check_with(&other_file, &forked, &pinned).await.unwrap_err();
    assert!(found.starts_with("position 11: from here to position 300 ") && found.contains("there are two logs"), "{found}");
    assert_eq!(check_with(&file, &events(300), &pinned).await.unwrap().checkpoints, 2);
}

#[tokio::test]
async fn a_damaged_tile_is_told_from_a_changed_event() {
    let (_folder, file) = ledger(&[700]).await;
    flip(&file, 0, 1);
    let found = check(&file, &events(700)).await.unwrap_err();
    assert!(found.starts_with("position 257: the event is what was signed") && found.contains("the tile is damaged"), "{found}");
    let (_folder, file) = ledger(&[700]).await;
    flip(&file, 1, 0);
    let found = check(&file, &events(700)).await.unwrap_err();
    assert!(found.starts_with("tile/1/000.p/2 does not fit"), "{found}");
}

#[tokio::test]
async fn a_changed_checkpoint_is_not_believed() {
    let (_folder, file) = ledger(&[10, 300]).await;
    edit(
        &file,
        "UPDATE checkpoints SET note = replace(note, char(10) || '300' || char(10), char(10) || '299' || char(10)) WHERE size = 300",
    );
    let found = check(&file, &events(300)).await.unwrap_err();
    assert_eq!(found, "a checkpoint of size 299: its signature is not valid");
}

#[tokio::test]
async fn an_export_is_verified_without_the_service_and_its_changes_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(LEDGER_FILE);
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(70_000));
    let mut all = events(600);
    all[399] = event_with(400, &long);
    let log = Log::with(&all);
    let runner = start(&log, &file).await;
    runner.ledger().sign().await.unwrap();
    let out = folder.path().join("export");
    assert_eq!(export(&runner.ledger(), &out, |_, _| {}).await, Ok(600));
    assert!(matches!(export(&runner.ledger(), &out, |_, _| {}).await, Err(LedgerError::Unavailable(_))), "it is not written over");
    let check = async || {
        let mut evidence = Export::new(&out);
        let keys = evidence.keys().await.unwrap();
        assert_eq!(keys, [key()]);
        verify(&mut evidence, &Trust { keys, ..Trust::default() }, |_, _| {}).await.map_err(|flaw| flaw.to_string())
    };
    let verified = check().await.unwrap();
    assert_eq!((verified.events, verified.checkpoints, verified.uncovered()), (600, 1, 0));
    let changing = async |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let good = fs::read(out.join(name)).unwrap();
        let mut bytes = good.clone();
        change(&mut bytes);
        fs::write(out.join(name), &bytes).unwrap();
        let found = check().await.unwrap_err();
        fs::write(out.join(name), good).unwrap();
        found
    };
    let at = |bundle: &[u8], entry: usize| bundle_offset(bundle, entry);
    let flipped = changing("tile/entries/001", &|bytes| {
        let offset = at(bytes, 10);
        bytes[offset + 12] ^= 1;
    })
    .await;
    assert!(flipped.starts_with("position 267: "));
    let found = changing("tile/entries/002.p/88", &|bytes| bytes.truncate(at(bytes, 40))).await;
    assert!(found.starts_with("position 553: it is missing"), "{found}");
    let torn = changing("tile/entries/000", &|bytes| bytes.truncate(bytes.len() - 1)).await;
    assert!(torn.starts_with("position 1: tile/entries/000 is no bundle"));
    let payload = fs::read_dir(out.join(PAYLOADS)).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
    let found = changing(&format!("{PAYLOADS}/{payload}"), &|bytes| bytes[9] ^= 1).await;
    assert!(found.starts_with("position 400: its payload"), "{found}");
    let found = changing("checkpoint", &|bytes| bytes[1] ^= 1).await;
    assert!(found.contains("checkpoint"), "{found}");
    fs::remove_file(out.join("tile/entries/001")).unwrap();
    assert!(check().await.unwrap_err().starts_with("position 257: it is missing"));
}

/// Where an entry begins in a bundle.
#[tokio::test]
async fn an_export_becomes_the_log_that_it_was_made_of() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(70_000));
    let written: Vec<_> = (1..=600)
        .map(|position| {
            let event = event_with(position, if position == 300 { &long } else { "{}" });
            Arc::new(Recorded { revision: Revision((position - 1) / 3), ..Recorded::clone(&event) })
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join(LEDGER_FILE), folder.path().join("export"));
    let runner = start(&Log::with(&written), &file).await;
    runner.ledger().sign().await.unwrap();
    export(&runner.ledger(), &out, |_, _| {}).await.unwrap();
    runner.shutdown().await;

    let store = Arc::new(SqliteStore::open(&folder.path().join("log")).unwrap());
    assert_eq!(replay(&Export::new(&out), store.clone(), |_, _| {}).await, Ok(600));
    assert_eq!(store.read_all(None).try_collect::<Vec<_>>().await.unwrap(), written);
    store.close().await;

    let payload = fs::read_dir(out.join(PAYLOADS)).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(payload).unwrap();
    let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    let found = replay(&Export::new(&out), store, |_, _| {}).await.unwrap_err().to_string();
    assert_eq!(found, "position 300: the entry can't be read");
}

fn bundle_offset(bundle: &[u8], entry: usize) -> usize {
    entries_of(bundle).unwrap()[..entry].iter().map(|entry| entry.len() + 2).sum()
}

/// A log of 300 events of which these are not there any more; the 200th says so. Its ledger was kept while they were.
async fn thinned(dropped: std::ops::RangeInclusive<u64>) -> (TempDir, std::path::PathBuf, Vec<Arc<Recorded>>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(LEDGER_FILE);
    let positions = Positions::of(dropped.clone()).unwrap();
    let segments = Segments::of(folder.path());
    let entries = dropped.clone().map(|position| Ok(grantlog_core::ledger::entry(&event(position)).unwrap()));
    let written = segments.draft(&positions, entries).unwrap();
    segments.finish(&positions).unwrap();
    let checkpoint = CoveringCheckpoint { size: 199, root: String::new() };
    let (last, events_in) = (positions.last(), positions.count());
    let stream = segment::stream_of(positions.first());
    let sealed = SegmentEvent::Sealed {
        positions,
        last,
        events: events_in,
        bytes: written.bytes,
        sha256: written.sha256,
        before: START,
        checkpoint,
    };
    let encoded = grantlog_core::domain::Event::from(sealed).encode();
    let mut all = events(300);
    let mut sealing = Recorded::clone(&event_with(200, &encoded.data));
    sealing.stream = stream;
    sealing.event.kind = encoded.kind;
    all[199] = Arc::new(sealing);
    let runner = start(&Log::with(&all), &file).await;
    runner.ledger().sign().await.unwrap();
    runner.shutdown().await;
    all.retain(|event| !dropped.contains(&event.position.0));
    (folder, file, all)
}

async fn check_with_segments(folder: &TempDir, file: &Path, events: &[Arc<Recorded>]) -> Result<Verified, String> {
    let reader = LedgerReader::open_read_only(file, Log::with(events).store()).unwrap().with_segments(Segments::of(folder.path()));
    verify(&mut DataDirectory::new(reader), &Trust { keys: vec![key()], ..Trust::default() }, |_, _| {})
        .await
        .map_err(|flaw| flaw.to_string())
}

#[tokio::test]
async fn only_issuance_facts_may_be_dropped() {
    let (folder, file, log) = thinned(5..=7).await;
    let found = check_with_segments(&folder, &file, &log).await.unwrap_err();
    assert_eq!(found, "position 5: it was dropped, and is no issuance fact");
    // What they were can't be told without the segment, only that the log says that they were dropped.
    let verified = check(&file, &log).await.unwrap();
    assert_eq!((verified.events, verified.dropped, verified.unseen), (300, 3, 3));
}

#[tokio::test]
async fn an_event_that_is_gone_must_be_named_and_its_hash_must_be_the_one_that_was_signed() {
    let (_folder, file, mut log) = thinned(5..=7).await;
    let verified = check(&file, &log).await.unwrap();
    assert_eq!(verified.dropped, 3);
    let consent = log.remove(100);
    let found = check(&file, &log).await.unwrap_err();
    assert_eq!(found, format!("position {}: it is missing, and no sealed segment names it", consent.position.0));
    log.insert(100, consent);
    let mut database = Database::open(&file).unwrap();
    let mut hashes = database.tile(0, 0).unwrap();
    hashes[5].0[0] ^= 1;
    database.repair(&[(0, 0, hashes)]).unwrap();
    let found = check(&file, &log).await.unwrap_err();
    assert!(found.contains("the log is not the one that the checkpoint of size 300 was signed for"), "{found}");
}

#[tokio::test]
async fn what_was_dropped_is_not_passed_over_when_the_tree_is_made_again() {
    let (folder, file, log) = thinned(250..=299).await;
    // The tree goes on from its file, and is made again when that is damaged: the segment tells what was there.
    for damage in ["UPDATE tiles SET hashes = zeroblob(length(hashes))", "DELETE FROM tiles", "UPDATE tree SET size = 3"] {
        edit(&file, damage);
        let options = LedgerOptions { segments: Some(Segments::of(folder.path())), ..options(Some(&file)) };
        let runner = LedgerRunner::start(Log::with(&log).store(), options).await.unwrap();
        assert_eq!(runner.ledger().refusal(), None, "{damage}");
        assert_eq!(runner.ledger().sign().await.unwrap().size, 300);
        runner.shutdown().await;
        assert_eq!(check(&file, &log).await.unwrap().dropped, 50, "{damage}");
    }
    // Without it the hashes of the tree do, as long as they are there.
    edit(&file, "UPDATE tree SET size = 3");
    start(&Log::with(&log), &file).await.shutdown().await;
    assert_eq!(check(&file, &log).await.unwrap().dropped, 50);
    edit(&file, "DELETE FROM tiles");
    let runner = start(&Log::with(&log), &file).await;
    let refusal = runner.ledger().refusal().unwrap();
    assert!(refusal.starts_with("the event at position 250 is missing; if it was dropped"), "{refusal}");
}
