//! What auditors' questions cost when the log is long: how fast the history follows it, what was true then, an export; and how fast
//! the log is replayed and verified, beside a plain scan of the same file.

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt};
use grantlog_core::{
    domain::{
        AuthorizationId, ClientId, Event, GrantId, StreamId, SubjectId, Timestamp,
        authorization::{Basis, ConsentReason},
        grant::GrantEvent,
    },
    keys::{MasterKey, Vault},
    ledger::{Edge, entry, leaf_hash},
    store::{EventStore, NewEvent, SqliteStore},
};
use http::{HeaderValue, StatusCode};
use uuid::Uuid;

use crate::{
    args::HistoryArguments,
    failure::Failure,
    history::{Running, START, Site, append_all, at, issued, ready, size_of, store_failure},
    http::{Call, Connection},
    load::Latencies,
    server::free_address,
};

/// One event in so many begins a grant, and the next one is its consent.
const GRANT_EVERY: u64 = 100;
/// Whose grants these are.
const PEOPLE: u64 = 1000;
/// How many are made for what costs microseconds.
const SAMPLE: usize = 100_000;
/// How many questions are asked.
const QUESTIONS: u64 = 200;

/// Measures a tenth of the events, and all of them. Returns a table.
pub async fn run(arguments: &HistoryArguments) -> Result<String, Failure> {
    let parent = arguments.data_in.clone().unwrap_or_else(std::env::temp_dir);
    let directory = tempfile::Builder::new().prefix("grantlog-audit-").tempdir_in(parent).map_err(Failure::io("a directory"))?;
    let site = Site { server: arguments.server.clone(), directory: directory.path().to_owned() };
    site.start(true).await?;
    let key = api_key(&site)?;
    let mut table = String::from(
        "events     scan/s   replay/s   verify/s | history/s  as-of p50 us  p99 us | export/s  MB/s  peak MiB before  after | history MiB\n",
    );
    let mut written = 0;
    for events in [arguments.events / 10, arguments.events] {
        append_all(&site.data(), written..events, |number| self::events(number, at(number, events))).await?;
        written = events;
        measure(&site, &key, events, &mut table).await?;
    }
    let (tree, sealing) = (tree(&site).await?, sealing(directory.path()).await?);
    // Writing to a String can't fail.
    let _ = writeln!(table, "\nthe Merkle tree: {tree:.2} us an event; sealing the claims of a person: {sealing:.2} us");
    Ok(table)
}

/// What it costs to make an event a leaf of the tree, in microseconds of one processor.
async fn tree(site: &Site) -> Result<f64, Failure> {
    let store = SqliteStore::open_read_only(&site.data()).map_err(store_failure)?;
    let events: Vec<_> = store.read_all(None).take(SAMPLE).try_collect().await.map_err(store_failure)?;
    let mut edge = Edge::default();
    let began = Instant::now();
    for event in &events {
        edge.push(leaf_hash(&entry(event).map_err(|error| invalid(&error))?));
    }
    Ok(microseconds(began.elapsed(), events.len()))
}

/// What it costs to seal what a login says of a person.
async fn sealing(directory: &Path) -> Result<f64, Failure> {
    let master_key = MasterKey::from_base64(&"A".repeat(43)).map_err(|error| invalid(&error))?;
    let vault = Vault::open(directory, &master_key).map_err(|error| invalid(&error))?;
    let person = vault.register_subject("ana", subject(0)).await.map_err(|error| invalid(&error))?.id;
    let claims = br#"{"email":"ana@example.com","email_verified":true,"name":"Ana Silva","picture":"https://app.example.com/ana.png"}"#;
    let began = Instant::now();
    for _ in 0..SAMPLE {
        vault.seal(person, "claims", claims).await.map_err(|error| invalid(&error))?;
    }
    Ok(microseconds(began.elapsed(), SAMPLE))
}

fn microseconds(took: Duration, count: usize) -> f64 {
    took.as_secs_f64() * 1e6 / f64::from(u32::try_from(count.max(1)).unwrap_or(u32::MAX))
}

/// An auditor's.
fn api_key(site: &Site) -> Result<HeaderValue, Failure> {
    let made =
        site.command(free_address()?).args(["api-keys", "create", "--role", "auditor", "--name", "bench"]).stdout(Stdio::piped()).output();
    let told = String::from_utf8_lossy(&made.map_err(Failure::io("making an API key"))?.stdout).into_owned();
    let key = told.split_whitespace().find(|word| word.starts_with("glk_")).unwrap_or_default();
    HeaderValue::from_str(&format!("Bearer {key}")).map_err(|error| invalid(&error))
}

async fn measure(site: &Site, key: &HeaderValue, events: u64, table: &mut String) -> Result<(), Failure> {
    let rate = |took: Duration| per_second(events, took);
    // The ledger catches up first, so that it is not in the way of anything else.
    site.start(true).await?;
    let began = Instant::now();
    let store = SqliteStore::open_read_only(&site.data()).map_err(store_failure)?;
    store.read_all(None).try_fold(0_u64, |count, _| async move { Ok(count + 1) }).await.map_err(store_failure)?;
    drop(store);
    let scan = rate(began.elapsed());
    fs::remove_dir_all(site.data().join("snapshots")).map_err(Failure::io("the snapshots"))?;
    let replay = rate(site.start(false).await?.took);
    let began = Instant::now();
    let verified = site.command(free_address()?).args(["audit", "verify"]).status().map_err(Failure::io("grantlog audit"))?;
    let verify = rate(began.elapsed());
    if !verified.success() {
        return Err(Failure::Ended { program: "grantlog audit verify".into(), status: verified.to_string(), stderr: String::new() });
    }
    for name in ["history.db", "history.db-wal", "history.db-shm"] {
        // There may be none of it.
        let _ = fs::remove_file(site.data().join(name));
    }
    let address = free_address()?;
    let began = Instant::now();
    let child = site.command(address).arg("serve").spawn().map(Running).map_err(Failure::io("starting the server"))?;
    let mut connection = answering(address, key, began).await?;
    let history = rate(began.elapsed());
    let latencies = ask(&mut connection, key, events).await?;
    let before = child.peak()?;
    let (bytes, took) = export(address, key)?;
    let after = child.peak()?;
    child.stop()?;
    let megabytes = bytes / 1_000_000;
    let size = size_of(&site.data().join("history.db")) >> 20;
    // Writing to a String can't fail.
    let _ = writeln!(
        table,
        "{events:<9} {scan:>7} {replay:>10} {verify:>10} | {history:>9} {:>13} {:>7} | {:>8} {:>5} {:>16} {:>6} | {size:>11}",
        latencies.quantile(0.5),
        latencies.quantile(0.99),
        rate(took),
        per_second(megabytes, took),
        before / 1024,
        after / 1024,
    );
    Ok(())
}

/// Waits until the history has all of the log: before, questions are answered with 503.
async fn answering(address: SocketAddr, key: &HeaderValue, began: Instant) -> Result<Connection, Failure> {
    loop {
        if let Some(mut connection) = ready(address).await {
            let answer = connection.send(Call::get("/v1/audit/policy").with(key)).await?;
            if answer.expect(StatusCode::OK).is_ok() {
                return Ok(connection);
            }
        }
        if began.elapsed() > START {
            return Err(Failure::Deadline(START.as_secs()));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What people had agreed to at moments in the past.
async fn ask(connection: &mut Connection, key: &HeaderValue, events: u64) -> Result<Latencies, Failure> {
    let mut latencies = Latencies::default();
    for question in 0..QUESTIONS {
        let person = question.wrapping_mul(7919) % PEOPLE.min(events / GRANT_EVERY);
        let moment = at(question.wrapping_mul(104_729) % events, events).to_rfc3339();
        let path = format!("/v1/audit/consents?subject_id={}&as_of={moment}&include_ended=true", subject(person));
        let began = Instant::now();
        connection.send(Call::get(path).with(key)).await?.expect(StatusCode::OK)?;
        latencies.record(began.elapsed());
    }
    Ok(latencies)
}

/// Takes all events as fast as they come. Returns how many bytes they were.
fn export(address: SocketAddr, key: &HeaderValue) -> Result<(u64, Duration), Failure> {
    let header = format!("Authorization: {}", key.to_str().unwrap_or_default());
    let url = format!("http://{address}/v1/audit/events/export?format=ndjson");
    let began = Instant::now();
    let done = Command::new("curl").args(["-sf", "-o", "/dev/null", "-w", "%{size_download}", "-H", &header, &url]).output();
    let done = done.map_err(Failure::io("curl"))?;
    let took = began.elapsed();
    let bytes = String::from_utf8_lossy(&done.stdout).trim().parse().map_err(|error| invalid(&error))?;
    Ok((bytes, took))
}

fn invalid(error: &dyn std::fmt::Display) -> Failure {
    Failure::Io { what: "what was told".to_owned(), source: std::io::Error::other(error.to_string()) }
}

fn per_second(count: u64, took: Duration) -> u64 {
    u64::try_from(u128::from(count) * 1000 / took.as_millis().max(1)).unwrap_or(u64::MAX)
}

fn id(kind: u64, number: u64) -> Uuid {
    Uuid::from_u64_pair((kind << 16) | 0x7000, 0x8000_0000_0000_0000 | number)
}

fn subject(person: u64) -> SubjectId {
    SubjectId(id(2, person))
}

/// A token; or a grant, which takes the place of two.
fn events(number: u64, time: Timestamp) -> (StreamId, Vec<NewEvent>) {
    match number % GRANT_EVERY {
        0 => {
            let grant = number / GRANT_EVERY;
            let client_id = ClientId::from(format!("client-{}", grant % 50).as_str());
            let opened = GrantEvent::Opened { subject: subject(grant % PEOPLE), client_id, organization_id: None };
            let consented = GrantEvent::Consented {
                authorization_id: AuthorizationId(id(3, number)),
                scope: "email openid orders:read".parse().unwrap_or_default(),
                reason: Some(ConsentReason::FirstTime),
                shown: None,
                basis: Basis::default(),
            };
            let events = [(4, opened), (5, consented)].map(|(kind, event)| new_event(id(kind, number), event.into(), time));
            (GrantId(id(1, number)).stream(), events.into())
        }
        // Its place was taken.
        1 => (GrantId(id(1, number - 1)).stream(), Vec::new()),
        _ => {
            let (stream, event) = issued(number, time);
            (stream, vec![event])
        }
    }
}

fn new_event(id: Uuid, event: Event, time: Timestamp) -> NewEvent {
    let encoded = event.encode();
    let (kind, schema, data) = (encoded.kind, encoded.schema, encoded.data);
    NewEvent { id, kind, schema, time, actor: "api_key:bench".to_owned(), request_id: format!("{id}"), data }
}
