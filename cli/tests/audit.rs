//! `audit` on a log that someone changed, and on one that nobody did: in its directory, over HTTP, and exported.

use std::{
    fs,
    path::{Path, PathBuf},
};

use grantlog_api::health::Metrics;
use grantlog_cli::{
    audit::{self, Log, check},
    boot::{Service, master_key, prepare_data_dir},
    config::{Config, Ledger},
    place::Place,
};
use grantlog_core::{app::Context, domain::api_key::Role, ledger::VerifierKey};
use grantlog_projections::ledger::Trust;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot};

/// Nothing but these keys.
fn believing(keys: &[VerifierKey]) -> Trust {
    Trust { keys: keys.to_vec(), ..Trust::default() }
}

async fn boot(config: &Config) -> Service {
    prepare_data_dir(&config.data_dir).unwrap();
    Service::start(config.clone(), &master_key(config).unwrap(), Metrics::detached(), |_| {}).await.unwrap()
}

async fn stop(service: Service) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    service.serve(listener, std::future::ready(())).await;
}

/// Positions 1 to 3 are signing keys, 4 is the first API key; 5 to 10 are others. All are signed.
async fn history() -> (TempDir, Config, VerifierKey) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger { checkpoint_every: 0, public: true, ..Ledger::default() };
    let config = Config { data_dir: folder.path().join("data"), ledger, ..Config::default() };
    let service = boot(&config).await;
    for _ in 0..6 {
        service.app.authority.create_api_key(&Context::system(), "another", Role::Consent, None).await.unwrap();
    }
    assert_eq!(service.app.ledger.sign().await.unwrap().size, 10);
    let key = service.app.ledger.verifier_key().clone();
    stop(service).await;
    (folder, config, key)
}

fn data(config: &Config) -> Log {
    Log { place: Place { data: Some(config.data_dir.clone()), ..Place::default() }, ..Log::default() }
}

fn edit(data_dir: &Path, sql: &str) {
    Connection::open(data_dir.join("events.db")).unwrap().execute_batch(sql).unwrap();
}

async fn finding_after(sql: &str) -> String {
    let (_folder, config, key) = history().await;
    edit(&config.data_dir, sql);
    check(&data(&config), &believing(&[key])).await.unwrap_err().to_string()
}

#[tokio::test]
async fn what_nobody_changed_is_verified_also_beside_a_live_server() {
    let (_folder, config, key) = history().await;
    let verified = check(&data(&config), &believing(std::slice::from_ref(&key))).await.unwrap();
    assert_eq!((verified.events, verified.checkpoints, verified.uncovered()), (10, 1, 0));
    assert_eq!(verified.newest.unwrap().origin, "127.0.0.1:8080");
    let service = boot(&config).await;
    service.app.authority.create_api_key(&Context::system(), "later", Role::Consent, None).await.unwrap();
    let verified = check(&data(&config), &believing(&[key])).await.unwrap();
    assert_eq!((verified.events, verified.uncovered()), (11, 1));
    stop(service).await;
}

#[tokio::test]
async fn whatever_is_changed_in_the_file_is_named() {
    for (sql, expected) in [
        ("UPDATE events SET data = replace(data, 'another', 'anothes') WHERE position = 7", "position 7: this is not the event"),
        ("UPDATE events SET data = data || ' ' WHERE position = 7", "position 7: this is not the event"),
        ("UPDATE events SET time = time + 1 WHERE position = 1", "position 1: this is not the event"),
        ("UPDATE events SET actor = 'nobody' WHERE position IN (6, 9)", "position 6: this is not the event"),
        ("DELETE FROM events WHERE position = 5", "position 5: "),
        ("DELETE FROM events WHERE position = 1", "position 1: "),
        ("DELETE FROM events WHERE position > 8", "position 9: it is missing"),
        ("DELETE FROM events", "position 1: it is missing"),
        ("UPDATE events SET stream = 'nonsense' WHERE position = 8", "position 8: "),
        ("UPDATE events SET id = x'00' WHERE position = 8", "position 8: "),
        (
            "DELETE FROM events WHERE position = 5; UPDATE events SET position = position - 1 WHERE position > 5",
            "position 5: this is not the event",
        ),
        (
            "UPDATE events SET position = -6 WHERE position = 6; UPDATE events SET position = 6 WHERE position = 7; UPDATE events SET position = 7 WHERE position = -6",
            "position 6: this is not the event",
        ),
    ] {
        let found = finding_after(sql).await;
        assert!(found.starts_with(expected), "{sql}: {found}");
    }
}

#[tokio::test]
async fn a_live_server_is_verified_over_http_and_so_is_an_export() {
    let (folder, config, key) = history().await;
    let service = boot(&config).await;
    service.app.authority.create_api_key(&Context::system(), "later", Role::Consent, None).await.unwrap();
    service.app.ledger.sign().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(service.serve(listener, async { drop(stopped.await) }));
    let live = Log { url: Some(url), ..Log::default() };
    // Without a key, the one that the server names.
    for keys in [vec![key.clone()], Vec::new()] {
        let verified = check(&live, &believing(&keys)).await.unwrap();
        assert_eq!((verified.events, verified.checkpoints), (11, 2));
    }
    stop.send(()).unwrap();
    serving.await.unwrap();
    let directory = folder.path().join("export");
    audit::run(audit::Command::Export { place: data(&config).place, directory: directory.clone() }).await.unwrap();
    let export = Log { export: Some(directory.clone()), ..Log::default() };
    assert_eq!(check(&export, &believing(std::slice::from_ref(&key))).await.unwrap().events, 11);
    let bundle = directory.join("tile/entries/000.p/11");
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[40] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let found = check(&export, &believing(&[key])).await.unwrap_err().to_string();
    assert!(found.starts_with("position 1: "), "{found}");
}

#[tokio::test]
async fn a_key_that_is_not_the_logs_believes_nothing() {
    let (_folder, config, key) = history().await;
    let other = VerifierKey::new(key.name(), [9; 32]).or_else(|_| VerifierKey::new(key.name(), [1; 32])).unwrap();
    let found = check(&data(&config), &believing(&[other])).await.unwrap_err().to_string();
    assert_eq!(found, "a checkpoint of size 10: it is not signed by a known key");
}

/// A restored backup that is older than what was signed, and the log that then goes on from there.
#[tokio::test]
async fn a_log_that_was_set_back_is_not_signed_and_is_found() {
    let (_folder, config, key) = history().await;
    edit(&config.data_dir, "DELETE FROM events WHERE position > 8");
    let service = boot(&config).await;
    for _ in 0..4 {
        service.app.authority.create_api_key(&Context::system(), "instead", Role::Consent, None).await.unwrap();
    }
    let refused = service.app.ledger.sign().await.unwrap_err().to_string();
    assert!(refused.contains("the log has 8 events, and a checkpoint was signed for 10"), "{refused}");
    stop(service).await;
    let found = check(&data(&config), &believing(&[key])).await.unwrap_err().to_string();
    assert!(found.starts_with("position 9: this is not the event that the checkpoint of size 10 was signed for"), "{found}");
}

#[tokio::test]
async fn after_a_new_key_both_are_named_and_what_the_first_signed_is_verified() {
    let (_folder, config, key) = history().await;
    let service = boot(&config).await;
    service.app.authority.make_ledger_key().await.unwrap();
    stop(service).await;
    let service = boot(&config).await;
    let next = service.app.ledger.verifier_key().clone();
    assert_ne!(next, key);
    service.app.authority.create_api_key(&Context::system(), "later", Role::Consent, None).await.unwrap();
    service.app.ledger.sign().await.unwrap();
    assert_eq!(service.app.ledger.keys().await.unwrap(), [key.clone(), next.clone()]);
    stop(service).await;
    assert_eq!(check(&data(&config), &believing(&[key.clone(), next])).await.unwrap().checkpoints, 2);
    assert!(check(&data(&config), &believing(&[key])).await.is_err());
}

#[tokio::test]
async fn a_proof_is_refused_for_what_it_does_not_prove() {
    let (folder, config, key) = history().await;
    let service = boot(&config).await;
    let proof = service.app.ledger.inclusion(grantlog_core::store::Position(6), None).await.unwrap();
    stop(service).await;
    let file: PathBuf = folder.path().join("proof.json");
    let verify = async |text: String| {
        fs::write(&file, text).unwrap();
        audit::run(audit::Command::VerifyProof { file: file.clone(), keys: vec![key.clone()], witnesses: Vec::new() })
            .await
            .map_err(|error| error.to_string())
    };
    let text = serde_json::to_string(&proof).unwrap();
    assert_eq!(verify(text.clone()).await, Ok(()));
    let found = verify(text.replace("\"position\":6", "\"position\":7")).await.unwrap_err();
    assert!(found.ends_with("the entry is not the one of the position that it names"), "{found}");
    assert!(verify("{}".to_owned()).await.unwrap_err().ends_with("this is no proof"));
}
