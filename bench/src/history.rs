//! What a long history costs at a start, and what is left of that when retention has dropped it.
//!
//! The events are written through the store itself, since as many requests would take hours; the server is a process of its
//! own, as ever.

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    ops::Range,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt};
use grantlog_core::{
    domain::{ClientId, Event, MachineTokenId, Seconds, StreamId, Timestamp, machine_token::MachineTokenEvent},
    protocol::AccessTokenFormat,
    store::{EventStore, ExpectedRevision, NewEvent, SqliteStore},
};
use http::StatusCode;
use indicatif::ProgressBar;
use uuid::Uuid;

use crate::{
    args::HistoryArguments,
    facts,
    failure::Failure,
    http::{Call, Connection},
    server::free_address,
};

/// How many appends wait for a commit at the same time.
const APPENDS: usize = 2048;
/// How long a start may take.
pub(super) const START: Duration = Duration::from_mins(30);
pub(super) const DAY: i64 = 86_400_000;
/// How long ago the history began, and for how long it went on.
const DAYS: (i64, i64) = (400, 300);

/// One start of the server.
pub(super) struct Start {
    pub(super) took: Duration,
    peak_kib: u64,
}

/// A data directory at some point of the run.
struct Stage {
    what: String,
    with_snapshot: Start,
    without: Start,
    log_bytes: u64,
    ledger_bytes: u64,
    segment_bytes: u64,
}

/// Measures starts with no history, with a tenth of it, with all of it, and when it is dropped. Returns a table.
pub async fn run(arguments: &HistoryArguments) -> Result<String, Failure> {
    let parent = arguments.data_in.clone().unwrap_or_else(std::env::temp_dir);
    let directory = tempfile::Builder::new().prefix("grantlog-history-").tempdir_in(parent).map_err(Failure::io("a directory"))?;
    let site = Site { server: arguments.server.clone(), directory: directory.path().to_owned() };
    let mut stages = vec![site.measure("no history".to_owned()).await?];
    let mut written = 0;
    for events in [arguments.events / 10, arguments.events] {
        write(&site.data(), written, events, arguments.events).await?;
        written = events;
        stages.push(site.measure(format!("{events} live")).await?);
    }
    let began = Instant::now();
    let peak = site.drop_everything()?;
    let took = began.elapsed();
    stages.push(site.measure(format!("{written} dropped")).await?);
    let mut table = table(&stages);
    // Writing to a String can't fail.
    let _ = writeln!(table, "\ndropping them took {:.0} s and {} MiB at most", took.as_secs_f64(), peak / 1024);
    Ok(table)
}

/// A server and its data.
pub(super) struct Site {
    pub(super) server: PathBuf,
    pub(super) directory: PathBuf,
}

impl Site {
    pub(super) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub(super) fn command(&self, address: SocketAddr) -> Command {
        let mut command = Command::new(&self.server);
        command
            .env_clear()
            .env("GRANTLOG_LISTEN", address.to_string())
            .env("GRANTLOG_ISSUER", format!("http://{address}"))
            .env("GRANTLOG_DATA_DIR", self.data())
            .env("GRANTLOG_LEDGER__ORIGIN", "history.example")
            .env("GRANTLOG_LEDGER__CHECKPOINT_EVERY", "1")
            .env("GRANTLOG_LEDGER__PUBLIC", "true")
            .env("GRANTLOG_LIMITS__PER_ADDRESS", "{per_second=100000,burst=100000}")
            .env("GRANTLOG_LIMITS__PER_API_KEY", "{per_second=100000,burst=100000}")
            .env("GRANTLOG_LOG__FILTER", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    async fn measure(&self, what: String) -> Result<Stage, Failure> {
        // Once without a watch: the tree catches up, and a snapshot is taken at the end.
        self.start(true).await?;
        let with_snapshot = self.start(false).await?;
        fs::remove_dir_all(self.data().join("snapshots")).map_err(Failure::io("the snapshots"))?;
        let without = self.start(false).await?;
        let size = |name: &str| size_of(&self.data().join(name));
        Ok(Stage {
            what,
            with_snapshot,
            without,
            log_bytes: size("events.db") + size("events.db-wal"),
            ledger_bytes: size("ledger.db") + size("ledger.db-wal"),
            segment_bytes: size("segments"),
        })
    }

    /// Starts the server, waits until it is ready, and ends it in order.
    pub(super) async fn start(&self, until_signed: bool) -> Result<Start, Failure> {
        let address = free_address()?;
        let began = Instant::now();
        let mut child = self.command(address).arg("serve").spawn().map(Running).map_err(Failure::io("starting the server"))?;
        let mut connection = loop {
            if let Some(connection) = ready(address).await {
                break connection;
            }
            child.must_run(began)?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let took = began.elapsed();
        while until_signed && signed(&mut connection).await? < self.head().await? {
            child.must_run(began)?;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let peak_kib = child.peak()?;
        child.stop()?;
        Ok(Start { took, peak_kib })
    }

    async fn head(&self) -> Result<u64, Failure> {
        let store = SqliteStore::open_read_only(&self.data()).map_err(store_failure)?;
        Ok(store.head().await.map_err(store_failure)?.map_or(0, |head| head.0))
    }

    /// Has everything dropped that is older than anything lives. Returns how much memory that took, in KiB.
    fn drop_everything(&self) -> Result<u64, Failure> {
        let mut command = self.command(free_address()?);
        command.env("GRANTLOG_RETENTION__ISSUANCE", (40 * 86_400).to_string()).args(["retention", "run"]);
        let mut child = command.spawn().map(Running).map_err(Failure::io("starting grantlog retention"))?;
        let mut peak = 0;
        loop {
            // When it has just ended there is nothing to read.
            peak = child.peak().unwrap_or(peak).max(peak);
            match child.0.try_wait().map_err(Failure::io("waiting for grantlog retention"))? {
                Some(status) if status.success() => return Ok(peak),
                Some(status) => {
                    return Err(Failure::Ended { program: "grantlog retention".into(), status: status.to_string(), stderr: String::new() });
                }
                None => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }
}

/// A process that does not outlive us.
pub(super) struct Running(pub(super) Child);

impl Running {
    fn must_run(&mut self, began: Instant) -> Result<(), Failure> {
        if began.elapsed() > START {
            return Err(Failure::Deadline(START.as_secs()));
        }
        match self.0.try_wait().map_err(Failure::io("waiting for the server"))? {
            None => Ok(()),
            Some(status) => Err(Failure::Ended { program: "grantlog".into(), status: status.to_string(), stderr: String::new() }),
        }
    }

    /// The most memory that it has had, in KiB.
    pub(super) fn peak(&self) -> Result<u64, Failure> {
        let path = format!("/proc/{}/status", self.0.id());
        let status = fs::read_to_string(&path).map_err(Failure::io(path.clone()))?;
        peak_of(&status).ok_or_else(|| Failure::Io { what: path, source: std::io::ErrorKind::InvalidData.into() })
    }

    pub(super) fn stop(mut self) -> Result<(), Failure> {
        let told = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        told.and_then(|_| self.0.wait()).map(drop).map_err(Failure::io("stopping the server"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to stop.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn peak_of(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

pub(super) async fn ready(address: SocketAddr) -> Option<Connection> {
    let mut connection = Connection::open(address).await.ok()?;
    let answer = connection.send(Call::get("/readyz")).await.ok()?;
    answer.expect(StatusCode::OK).ok().map(|_| connection)
}

/// How many events the newest checkpoint covers.
async fn signed(connection: &mut Connection) -> Result<u64, Failure> {
    let answer = connection.send(Call::get("/ledger/checkpoint")).await?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    Ok(text.lines().nth(1).and_then(|size| size.parse().ok()).unwrap_or(0))
}

/// Writes the events from `from` to `to` of a history of `all`.
async fn write(data: &Path, from: u64, to: u64, all: u64) -> Result<(), Failure> {
    append_all(data, from..to, |number| {
        let (stream, event) = issued(number, at(number, all));
        (stream, vec![event])
    })
    .await
}

/// When an event of a history of `all` was.
pub(super) fn at(number: u64, all: u64) -> Timestamp {
    let now = facts::now().as_millisecond();
    let length = u128::from(DAYS.1.unsigned_abs() * DAY.unsigned_abs());
    Timestamp(now - DAYS.0 * DAY + i64::try_from(u128::from(number) * length / u128::from(all)).unwrap_or(0))
}

/// Begins a stream with the events of each number; one that has none is passed over.
pub(super) async fn append_all(
    data: &Path,
    numbers: Range<u64>,
    events: impl Fn(u64) -> (StreamId, Vec<NewEvent>) + Copy,
) -> Result<(), Failure> {
    let store = Arc::new(SqliteStore::open(data).map_err(store_failure)?);
    let bar = ProgressBar::new(numbers.end - numbers.start);
    let appends = futures::stream::iter(numbers).map(|number| {
        let (store, bar) = (Arc::clone(&store), bar.clone());
        async move {
            let (stream, events) = events(number);
            if !events.is_empty() {
                store.append(&stream, ExpectedRevision::NoStream, events).await.map_err(store_failure)?;
            }
            bar.inc(1);
            Ok::<_, Failure>(())
        }
    });
    appends.buffer_unordered(APPENDS).try_collect::<()>().await?;
    bar.finish_and_clear();
    store.close().await;
    Ok(())
}

/// As a server writes it when a machine client gets an opaque token.
pub(super) fn issued(number: u64, at: Timestamp) -> (StreamId, NewEvent) {
    let id = |kind: u64| Uuid::from_u64_pair((at.0.unsigned_abs() << 16) | 0x7000 | kind, 0x8000_0000_0000_0000 | number);
    let event = Event::from(MachineTokenEvent::Issued {
        client_id: ClientId::from("nightly-export"),
        scope: "orders:read orders:write".parse().unwrap_or_default(),
        audience: vec!["https://api.example.com".to_owned()],
        format: AccessTokenFormat::Opaque,
        expires_at: at.plus(Seconds(600)),
    });
    let encoded = event.encode();
    let new = NewEvent {
        id: id(1),
        kind: encoded.kind,
        schema: encoded.schema,
        time: at,
        actor: "client:nightly-export".to_owned(),
        request_id: format!("{number:032x}"),
        data: encoded.data,
    };
    (MachineTokenId(id(0)).stream(), new)
}

pub(super) fn store_failure(error: grantlog_core::store::StoreError) -> Failure {
    Failure::Io { what: "the event store".to_owned(), source: std::io::Error::other(error) }
}

/// Of a file, or of everything in a folder.
pub(super) fn size_of(path: &Path) -> u64 {
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| size_of(&entry.path())).sum(),
        Err(_) => fs::metadata(path).map_or(0, |file| file.len()),
    }
}

fn table(stages: &[Stage]) -> String {
    let mut table =
        String::from("history            start ms  peak MiB | without a snapshot: ms  peak MiB |  log MiB  ledger MiB  segments MiB\n");
    let mib = |bytes: u64| bytes / (1 << 20);
    for stage in stages {
        let Stage { what, with_snapshot, without, log_bytes, ledger_bytes, segment_bytes } = stage;
        // Writing to a String can't fail.
        let _ = writeln!(
            table,
            "{what:<18} {:>8} {:>9} | {:>22} {:>9} | {:>8} {:>11} {:>13}",
            with_snapshot.took.as_millis(),
            with_snapshot.peak_kib / 1024,
            without.took.as_millis(),
            without.peak_kib / 1024,
            mib(*log_bytes),
            mib(*ledger_bytes),
            mib(*segment_bytes),
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_memory_is_read_from_the_status() {
        assert_eq!(peak_of("Name:\tgrantlog\nVmHWM:\t   12345 kB\nVmRSS:\t 1 kB\n"), Some(12_345));
        assert_eq!(peak_of("Name:\tgrantlog\n"), None);
    }

    #[test]
    fn every_event_has_a_stream_and_an_id_of_its_own() {
        let (one, other) = (issued(1, Timestamp(DAY)), issued(2, Timestamp(DAY)));
        assert_ne!((one.0, one.1.id), (other.0, other.1.id));
    }
}
