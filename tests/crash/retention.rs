use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use grantlog_core::{
    app::{
        clock::{Clock, SystemClock},
        entropy::{Entropy, SystemEntropy},
    },
    domain::{ClientId, Event, MachineTokenId, Seconds, Timestamp, machine_token::MachineTokenEvent},
    protocol::AccessTokenFormat,
    store::{EventStore, ExpectedRevision, NewEvent, SqliteStore},
};
use grantlog_tests::process::Installation;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::sleep;

use crate::ledger::read_log;

/// More than one segment has.
const EVENTS: usize = 20_000;
const KILLS: usize = 6;
const PATIENCE: Duration = Duration::from_mins(1);
const DAY: u32 = 86_400;

/// Tokens that were issued a year ago.
async fn write_history(installation: &Installation) {
    let store = SqliteStore::open(installation.data()).expect("the store can be opened");
    let entropy = SystemEntropy::default();
    let at = Timestamp(SystemClock.now().0 - 365 * 86_400_000);
    let appends = futures::stream::iter(0..EVENTS).map(|_| {
        let event = Event::from(MachineTokenEvent::Issued {
            client_id: ClientId::from("nightly-export"),
            scope: "notes.read".parse().expect("a scope"),
            audience: vec![],
            format: AccessTokenFormat::Jwt,
            expires_at: at.plus(Seconds(600)),
        });
        let encoded = event.encode();
        let event = NewEvent {
            id: entropy.uuid_v7(at),
            kind: encoded.kind,
            schema: encoded.schema,
            time: at,
            actor: "client:nightly-export".to_owned(),
            request_id: String::new(),
            data: encoded.data,
        };
        let (store, stream) = (&store, MachineTokenId(entropy.uuid_v7(at)).stream());
        async move { store.append(&stream, ExpectedRevision::NoStream, vec![event]).await }
    });
    appends.buffer_unordered(1000).try_collect::<Vec<_>>().await.expect("the store works");
    store.close().await;
}

async fn left(installation: &Installation) -> usize {
    let store = SqliteStore::open_read_only(installation.data()).expect("the store can be opened");
    let tokens = store.read_all(None).try_filter(|event| std::future::ready(event.event.kind == "machine_token.issued"));
    tokens.count().await
}

/// SIGKILL again and again while old events are sealed and dropped: each is in the log or in a segment, and in the end all
/// are in segments.
#[tokio::test(flavor = "multi_thread")]
async fn old_events_are_dropped_once_however_often_the_server_is_killed() {
    let mut rng = StdRng::seed_from_u64(20_261_125);
    let installation = Installation::new().retaining(60 * DAY);
    write_history(&installation).await;
    let mut interrupted = 0;
    for round in 0..KILLS {
        let server = installation.start().await;
        let begin = Instant::now();
        // Half of them at any time, half of them soon after the first ones are gone.
        let before = left(&installation).await;
        while round % 2 == 1 && left(&installation).await == before && begin.elapsed() < PATIENCE {
            sleep(Duration::from_millis(2)).await;
        }
        sleep(Duration::from_millis(rng.random_range(0..200))).await;
        server.kill();
        read_log(&installation, 0).await;
        let found = installation.expect_sound();
        let left = left(&installation).await;
        assert!(left == EVENTS || found.contains(&format!("{} events were dropped", EVENTS - left)), "{left} are left: {found}");
        interrupted += usize::from(left > 0 && left < EVENTS);
    }
    let server = installation.start().await;
    let deadline = Instant::now() + PATIENCE;
    while left(&installation).await > 0 {
        assert!(Instant::now() < deadline, "they are not dropped: {}", installation.stderr());
        sleep(Duration::from_millis(100)).await;
    }
    server.stop().await;
    let found = installation.expect_sound();
    assert!(found.contains(&format!("{EVENTS} events were dropped")), "{found}");
    println!("{KILLS} kills, {interrupted} of them halfway: {}", found.trim());
}
