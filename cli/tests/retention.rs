//! Retention on a data directory: what goes and what stays, what `fsck` and `audit` say of it, and that it can be
//! interrupted anywhere.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::TryStreamExt;
use grantlog_api::health::Metrics;
use grantlog_cli::{
    audit::{self, Log, check},
    boot::{Service, master_key, prepare_data_dir},
    config::{Config, Ledger, Retention},
    fsck,
    place::Place,
    retention::run_through,
};
use grantlog_core::{
    app::{clock::Clock, clock::SystemClock, entropy::Entropy, entropy::SystemEntropy},
    domain::{
        AuthorizationId, ClientId, Event, GrantId, MachineTokenId, Seconds, StreamId, SubjectId, Timestamp,
        authorization::{Authentication, Basis},
        catalog::reference::is_issuance,
        grant::{CodeBinding, FamilyNumber, Generation, GrantEvent, RevocationReason, TokenNumber},
        machine_token::MachineTokenEvent,
    },
    protocol::AccessTokenFormat,
    store::{EventStore, ExpectedRevision, NewEvent, Position, Recorded, SqliteStore},
};
use grantlog_projections::ledger::Trust;
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot};

const DAY: i64 = 86_400_000;

async fn boot(config: &Config) -> Service {
    prepare_data_dir(&config.data_dir).unwrap();
    Service::start(config.clone(), &master_key(config).unwrap(), Metrics::detached(), |_| {}).await.unwrap()
}

async fn stop(service: Service) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    service.serve(listener, std::future::ready(())).await;
}

/// Writes events as they were written long ago.
struct Past {
    store: SqliteStore,
    entropy: SystemEntropy,
    now: Timestamp,
}

impl Past {
    fn days_ago(&self, days: i64) -> Timestamp {
        Timestamp(self.now.0 - days * DAY)
    }

    async fn write(&self, stream: &StreamId, days: i64, events: Vec<Event>) {
        let last = self.store.load(stream, None).await.unwrap().events.last().map(|event| event.revision);
        let expected = last.map_or(ExpectedRevision::NoStream, ExpectedRevision::Exact);
        let events = events.into_iter().map(|event| {
            let encoded = event.encode();
            NewEvent {
                id: self.entropy.uuid_v7(self.now),
                kind: encoded.kind,
                schema: encoded.schema,
                time: self.days_ago(days),
                actor: "system".to_owned(),
                request_id: String::new(),
                data: encoded.data,
            }
        });
        self.store.append(stream, expected, events.collect()).await.unwrap();
    }

    async fn machine_token(&self, days: i64, is_revoked: bool) {
        let stream = MachineTokenId(self.entropy.uuid_v7(self.now)).stream();
        let issued = MachineTokenEvent::Issued {
            client_id: ClientId::from("robot"),
            scope: "orders:read".parse().unwrap(),
            audience: vec!["https://api.example.com".to_owned()],
            format: AccessTokenFormat::Jwt,
            expires_at: self.days_ago(days).plus(Seconds(600)),
        };
        self.write(&stream, days, vec![issued.into()]).await;
        if is_revoked {
            self.write(&stream, days, vec![MachineTokenEvent::Revoked {}.into()]).await;
        }
    }

    /// An authorization: a consent, a code, a family with its first tokens.
    async fn authorize(&self, grant: GrantId, family: u32, days: i64) {
        let authorization_id = AuthorizationId(self.entropy.uuid_v7(self.now));
        let scope = "openid offline_access".parse().unwrap();
        let binding = CodeBinding {
            redirect_uri: serde_json::from_value(json!("https://app.example.com/cb")).unwrap(),
            redirect_uri_given: true,
            code_challenge: None,
            scope,
            nonce: None,
            authentication: Authentication { auth_time: self.days_ago(days), acr: None, amr: vec![] },
            roles: vec![],
            claims: None,
            resources: vec![],
        };
        let mut events = Vec::new();
        if family == 0 {
            let subject = SubjectId(self.entropy.uuid_v7(self.now));
            events.push(GrantEvent::Opened { subject, client_id: ClientId::from("app"), organization_id: None });
        }
        let scope = binding.scope.clone();
        events.extend([
            GrantEvent::Consented { authorization_id, scope, reason: None, shown: None, basis: Basis::default() },
            GrantEvent::CodeIssued { authorization_id, binding, expires_at: self.days_ago(days).plus(Seconds(60)) },
            GrantEvent::CodeRedeemed { authorization_id, family: FamilyNumber(family) },
        ]);
        self.write(&grant.stream(), days, events.into_iter().map(Event::from).collect()).await;
        self.tokens(grant, family, 0, family * 10, days).await;
    }

    /// An access token and the refresh token of this generation.
    async fn tokens(&self, grant: GrantId, family: u32, generation: u32, token: u32, days: i64) {
        let (family, expires_at) = (FamilyNumber(family), self.days_ago(days).plus(Seconds(30 * 86_400)));
        let token = GrantEvent::AccessTokenIssued {
            token: TokenNumber(token),
            family,
            scope: "openid".parse().unwrap(),
            audience: vec![],
            format: AccessTokenFormat::Opaque,
            expires_at: self.days_ago(days).plus(Seconds(600)),
        };
        let refresh = match generation {
            0 => GrantEvent::RefreshTokenIssued { family, expires_at },
            _ => GrantEvent::RefreshTokenRotated { family, generation: Generation(generation), expires_at },
        };
        self.write(&grant.stream(), days, vec![token.into(), refresh.into()]).await;
    }
}

/// A grant that lives, of someone who authorized twice and went on with the second one for years.
const LIVING: GrantId = GrantId(uuid::Uuid::from_u128(0x0193_2d5e_0000_7000_8000_0000_0000_0001));
/// A grant that was revoked long ago.
const REVOKED: GrantId = GrantId(uuid::Uuid::from_u128(0x0193_2d5e_0000_7000_8000_0000_0000_0002));

/// A server with keys, and before the last of what it did a long past.
async fn history() -> (TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger { checkpoint_every: 0, public: true, ..Ledger::default() };
    let retention = Retention { issuance: Some(90 * 86_400) };
    let config = Config { data_dir: folder.path().join("data"), ledger, retention, ..Config::default() };
    prepare_data_dir(&config.data_dir).unwrap();
    let past = Past { store: SqliteStore::open(&config.data_dir).unwrap(), entropy: SystemEntropy::default(), now: SystemClock.now() };
    for days in (300..320).rev() {
        past.machine_token(days, days % 10 == 0).await;
    }
    past.authorize(LIVING, 0, 290).await;
    past.authorize(REVOKED, 0, 290).await;
    past.authorize(LIVING, 1, 280).await;
    let revoked = GrantEvent::Revoked { reason: RevocationReason::Disconnected };
    past.write(&REVOKED.stream(), 275, vec![revoked.into()]).await;
    for generation in 1..=25 {
        past.tokens(LIVING, 1, generation, 10 + generation, 280 - 10 * i64::from(generation)).await;
    }
    for days in [5, 4, 3] {
        past.machine_token(days, false).await;
    }
    past.store.close().await;
    (folder, config)
}

fn data(config: &Config) -> Log {
    Log { place: Place { data: Some(config.data_dir.clone()), ..Place::default() }, ..Log::default() }
}

async fn log(config: &Config) -> Vec<Arc<Recorded>> {
    let store = SqliteStore::open_read_only(&config.data_dir).unwrap();
    store.read_all(None).try_collect().await.unwrap()
}

fn segments(config: &Config) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(config.data_dir.join("segments")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn edit(data_dir: &Path, sql: &str) {
    Connection::open(data_dir.join("events.db")).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test]
async fn old_issuance_facts_go_and_everything_else_stays() {
    let (_folder, config) = history().await;
    let before = log(&config).await;
    let dropped = run_through(&config).await.unwrap();
    let after = log(&config).await;
    let is_there = |event: &Arc<Recorded>| after.iter().any(|other| other.position == event.position);
    let gone: Vec<_> = before.iter().filter(|event| !is_there(event)).collect();
    assert_eq!(gone.len() as u64, dropped);
    assert!(gone.iter().all(|event| is_issuance(&event.event.kind)));
    let of = |events: &[Arc<Recorded>], stream: &StreamId| -> Vec<(u64, String)> {
        let of_stream = events.iter().filter(|event| event.stream == *stream);
        of_stream.map(|event| (event.revision.0, event.event.kind.clone())).collect()
    };
    // The revoked machine tokens and the young ones.
    let tokens = after.iter().filter(|event| event.event.kind == "machine_token.issued").count();
    assert_eq!(tokens, 2 + 3);
    let revoked = of(&after, &REVOKED.stream());
    let kinds: Vec<_> = revoked.iter().map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["grant.opened", "grant.consented", "grant.code_issued", "grant.code_redeemed", "grant.access_token_issued", "grant.revoked"]
    );
    // Of the living grant the first family is gone; of the second there are what began it, a refresh token for each lifetime
    // of one, and the young ones.
    let living = of(&after, &LIVING.stream());
    let of_kind = |kind: &str| living.iter().filter(|(_, other)| other == kind).map(|(revision, _)| *revision).collect::<Vec<_>>();
    assert_eq!(of_kind("grant.consented"), [1, 6]);
    assert_eq!((of_kind("grant.code_issued"), of_kind("grant.code_redeemed")), (vec![7], vec![8]));
    assert_eq!(of_kind("grant.refresh_token_issued"), [10]);
    assert_eq!(of_kind("grant.refresh_token_rotated"), [14, 18, 22, 26, 30, 34, 38, 42, 46, 50, 52, 54, 56, 58, 60]);
    // Nothing more is to be done, and the server starts.
    assert_eq!(run_through(&config).await.unwrap(), 0);
    let service = boot(&config).await;
    let live = service.app.live.refresh_token(LIVING, FamilyNumber(1), Generation(25), SystemClock.now());
    assert!(live.is_none(), "its client was never registered");
    stop(service).await;
}

#[tokio::test]
async fn fsck_and_audit_are_content_with_or_without_the_segments() {
    let (folder, config) = history().await;
    let dropped = run_through(&config).await.unwrap();
    let found = fsck::check(&config).await.unwrap();
    assert_eq!((found.dropped, found.segments.len(), found.notes.len()), (dropped, 1, 0));
    let verified = check(&data(&config), &Trust::default()).await.unwrap();
    assert_eq!((verified.dropped, verified.unseen), (dropped, 0));
    assert_eq!(verified.events, found.head.unwrap().0);
    let directory = folder.path().join("export");
    let export = Log { export: Some(directory.clone()), ..Log::default() };
    audit::run(audit::Command::Export { place: data(&config).place, directory: directory.clone() }).await.unwrap();
    let exported = check(&export, &Trust::default()).await.unwrap();
    assert_eq!((exported.dropped, exported.unseen), (0, 0), "an export with the segments has every bundle");

    // To cold storage.
    let file = segments(&config).remove(0);
    let away = folder.path().join("away.jsonl");
    fs::rename(&file, &away).unwrap();
    let found = fsck::check(&config).await.unwrap();
    assert_eq!((found.dropped, found.notes.len()), (dropped, 1));
    let verified = check(&data(&config), &Trust::default()).await.unwrap();
    assert_eq!((verified.dropped, verified.unseen), (dropped, dropped));
    fs::remove_dir_all(&directory).unwrap();
    audit::run(audit::Command::Export { place: data(&config).place, directory: directory.clone() }).await.unwrap();
    assert!(directory.join("kept/000.p").is_dir() && !directory.join("tile/entries").exists());
    let exported = check(&export, &Trust::default()).await.unwrap();
    assert_eq!((exported.dropped, exported.unseen), (dropped, dropped));
    fs::rename(&away, &file).unwrap();
    assert_eq!(check(&data(&config), &Trust::default()).await.unwrap().unseen, 0);
}

#[tokio::test]
async fn a_live_server_shows_what_it_has() {
    let (folder, config) = history().await;
    let dropped = run_through(&config).await.unwrap();
    let first = log(&config).await.windows(2).find(|pair| pair[1].position.0 != pair[0].position.0 + 1).unwrap()[0].position.0 + 1;
    let service = boot(&config).await;
    let ledger = service.app.ledger.clone();
    ledger.inclusion(Position(first), None).await.unwrap().verify(&ledger.keys().await.unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(service.serve(listener, async { drop(stopped.await) }));
    let live = Log { url: Some(url.clone()), ..Log::default() };
    let verified = check(&live, &Trust::default()).await.unwrap();
    assert_eq!((verified.dropped, verified.unseen), (0, 0), "they are served from the segment");
    let file = segments(&config).remove(0);
    fs::rename(&file, folder.path().join("away.jsonl")).unwrap();
    let verified = check(&live, &Trust::default()).await.unwrap();
    assert!(verified.unseen >= dropped, "a bundle is shown as a whole or not at all");
    let refused = ledger.inclusion(Position(first), None).await.unwrap_err().to_string();
    assert!(refused.contains("was dropped, and its segment is not here"), "{refused}");
    // What is beside it can still be proven.
    let kept = log(&config).await[0].position;
    ledger.inclusion(kept, None).await.unwrap().verify(&ledger.keys().await.unwrap()).unwrap();
    stop.send(()).unwrap();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_bit_that_flipped_in_a_segment_is_found_and_its_event_is_named() {
    let (_folder, config) = history().await;
    run_through(&config).await.unwrap();
    let file = segments(&config).remove(0);
    let good = fs::read(&file).unwrap();
    let lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();
    let seventh: usize = lines[..7].iter().map(|line| line.len()).sum();
    let position = serde_json::from_slice::<serde_json::Value>(lines[7]).unwrap()["position"].as_u64().unwrap();
    let digits = seventh + String::from_utf8_lossy(lines[7]).rfind("\"position\":").unwrap() + 11;
    for at in [seventh + 3, seventh + 40, digits, seventh + lines[7].len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&file, bad).unwrap();
        let found = check(&data(&config), &Trust::default()).await.unwrap_err().to_string();
        assert!(found.starts_with(&format!("position {position}: ")), "byte {at}: {found}");
        let found = fsck::check(&config).await.unwrap_err().to_string();
        assert!(found.contains("is not the file that was sealed"), "{found}");
        let ledger_says = boot(&config).await;
        let refused = ledger_says.app.ledger.inclusion(Position(position), None).await.unwrap_err().to_string();
        assert!(refused.contains(&format!("position {position}")), "{refused}");
        stop(ledger_says).await;
    }
}

#[tokio::test]
async fn what_somebody_takes_out_beside_what_was_dropped_is_found() {
    let (_folder, config) = history().await;
    run_through(&config).await.unwrap();
    let consent = log(&config).await.into_iter().find(|event| event.event.kind == "grant.consented").unwrap();
    let position = consent.position.0;
    edit(&config.data_dir, &format!("DELETE FROM events WHERE position = {position}"));
    for found in
        [check(&data(&config), &Trust::default()).await.unwrap_err().to_string(), fsck::check(&config).await.unwrap_err().to_string()]
    {
        assert!(found.contains(&format!("position {position} is missing")), "{found}");
    }
    // And if they note it as dropped, too.
    let stream = &consent.stream;
    edit(
        &config.data_dir,
        &format!(
            "UPDATE dropped SET first = {position} WHERE first = {position} + 1;
             UPDATE dropped_revisions SET first = {0} WHERE stream = '{stream}' AND first = {0} + 1;",
            consent.revision.0
        ),
    );
    let found = check(&data(&config), &Trust::default()).await.unwrap_err().to_string();
    assert_eq!(found, format!("position {position}: it is missing, and no sealed segment names it"));
    let found = fsck::check(&config).await.unwrap_err().to_string();
    assert!(found.starts_with(&format!("position {position}: ")), "{found}");
}

#[tokio::test]
async fn a_tree_that_is_lost_is_made_again_from_segments_or_refused() {
    let (folder, config) = history().await;
    run_through(&config).await.unwrap();
    let tree = |sql: &str| Connection::open(config.data_dir.join("ledger.db")).unwrap().execute_batch(sql).unwrap();
    // Damaged above the leaves: those are enough.
    let file = segments(&config).remove(0);
    let away = folder.path().join("away.jsonl");
    fs::rename(&file, &away).unwrap();
    tree("UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE level > 0; UPDATE tree SET size = size - 1");
    let service = boot(&config).await;
    assert_eq!(service.app.ledger.refusal(), None);
    service.app.ledger.sign().await.unwrap();
    stop(service).await;
    check(&data(&config), &Trust::default()).await.unwrap();
    // All of it: without the segment nobody knows what was there.
    tree("DELETE FROM tiles");
    let service = boot(&config).await;
    let refusal = service.app.ledger.refusal().unwrap();
    assert!(refusal.contains("the segment that it is in is needed"), "{refusal}");
    stop(service).await;
    fs::rename(&away, &file).unwrap();
    let service = boot(&config).await;
    assert_eq!(service.app.ledger.refusal(), None);
    service.app.ledger.sign().await.unwrap();
    stop(service).await;
    assert_eq!(check(&data(&config), &Trust::default()).await.unwrap().unseen, 0);
}

#[tokio::test]
async fn a_log_that_is_not_what_was_signed_loses_nothing() {
    let (_folder, config) = history().await;
    // Signed, and then changed.
    let keeping = Config { retention: Retention::default(), ..config.clone() };
    let service = boot(&keeping).await;
    service.app.ledger.sign().await.unwrap();
    stop(service).await;
    let before = log(&config).await;
    let position = before.iter().find(|event| event.event.kind == "machine_token.issued").unwrap().position.0;
    edit(&config.data_dir, &format!("UPDATE events SET actor = 'nobody' WHERE position = {position}"));
    let refused = run_through(&config).await.unwrap_err().to_string();
    assert!(refused.starts_with(&format!("the event at position {position} is not the one that was signed")), "{refused}");
    assert_eq!(log(&config).await.len(), before.len());
}

#[tokio::test]
async fn without_a_time_everything_is_kept() {
    let (_folder, config) = history().await;
    let config = Config { retention: Retention::default(), ..config };
    let before = log(&config).await.len();
    let refused = run_through(&config).await.unwrap_err().to_string();
    assert!(refused.contains("retention.issuance is not configured"), "{refused}");
    assert!(log(&config).await.len() >= before);
}
