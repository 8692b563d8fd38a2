//! `fsck` on a log that someone changed, and on one that nobody did.

use std::path::Path;

use grantlog_api::health::Metrics;
use grantlog_cli::{
    boot::{Service, master_key, prepare_data_dir},
    config::Config,
    fsck::{Summary, check},
};
use grantlog_core::{app::Context, domain::api_key::Role};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::net::TcpListener;

async fn boot(config: &Config) -> Service {
    prepare_data_dir(&config.data_dir).unwrap();
    Service::start(config.clone(), &master_key(config).unwrap(), Metrics::detached(), |_| {}).await.unwrap()
}

async fn stop(service: Service) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    service.serve(listener, std::future::ready(())).await;
}

/// Positions 1 to 3 are signing keys, 4 the first API key; 5 and 6 create another and revoke it, 7 is a third.
async fn history() -> (TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { data_dir: folder.path().join("data"), ..Config::default() };
    let service = boot(&config).await;
    assert!(service.first_admin_key.is_some());
    let (context, authority) = (Context::system(), &service.app.authority);
    let (id, _) = authority.create_api_key(&context, "second", Role::Consent, None).await.unwrap();
    authority.revoke_api_key(&context, id).await.unwrap();
    authority.create_api_key(&context, "third", Role::Auditor, None).await.unwrap();
    stop(service).await;
    (folder, config)
}

fn edit(data_dir: &Path, sql: &str) {
    Connection::open(data_dir.join("events.db")).unwrap().execute_batch(sql).unwrap();
}

async fn finding_after(sql: &str) -> String {
    let (_folder, config) = history().await;
    edit(&config.data_dir, sql);
    check(&config).await.unwrap_err().to_string()
}

#[tokio::test]
async fn what_nobody_changed_fits_also_beside_a_live_server() {
    let (_folder, config) = history().await;
    let Summary { events, streams, snapshots, notes, .. } = check(&config).await.unwrap();
    assert_eq!((events, streams.values().sum::<u64>(), snapshots, notes), (7, 6, 1, vec![]));
    let service = boot(&config).await;
    assert!(service.first_admin_key.is_none());
    assert_eq!(check(&config).await.unwrap().events, 7);
    stop(service).await;
}

#[tokio::test]
async fn a_byte_that_flipped_is_found() {
    let found =
        finding_after("UPDATE events SET data = replace(data, '\"role\":\"consent\"', '\"role\":\"confent\"') WHERE position = 5").await;
    assert!(found.starts_with("position 5: api_key-") && found.contains("confent"), "{found}");
    let found = finding_after("UPDATE events SET data = data || ' ' WHERE position = 5").await;
    assert!(found.starts_with("position 5: ") && found.contains("canonical"), "{found}");
    let found = finding_after("UPDATE events SET id = (SELECT id FROM events WHERE position = 5) WHERE position = 7").await;
    assert!(found.starts_with("position 7: ") && found.contains("used before"), "{found}");
    let found = finding_after("UPDATE events SET stream = 'grand-' || stream WHERE position = 5").await;
    assert!(found.contains("after position") || found.contains("beginning"), "{found}");
}

#[tokio::test]
async fn a_changed_word_that_decodes_is_found_by_the_snapshot() {
    let found = finding_after("UPDATE events SET data = replace(data, 'third', 'thirf') WHERE position = 7").await;
    assert!(found.contains("does not say what the log says"), "{found}");
}

#[tokio::test]
async fn an_event_that_was_dropped_is_found() {
    let found = finding_after("DELETE FROM events WHERE position = 4").await;
    assert!(found.contains("position 4 is missing"), "{found}");
    // Also when the gap was closed: then the stream has one.
    let found = finding_after("DELETE FROM events WHERE position = 5; UPDATE events SET position = position - 1 WHERE position > 5").await;
    assert!(found.starts_with("position 5: api_key-") && found.contains("revision 1 stands where revision 0 belongs"), "{found}");
}

#[tokio::test]
async fn events_in_another_order_are_found() {
    let swap = "UPDATE events SET position = 100 WHERE position = 5; UPDATE events SET position = 5 WHERE position = 6;
         UPDATE events SET position = 6 WHERE position = 100";
    let found = finding_after(swap).await;
    assert!(found.starts_with("position 5: api_key-") && found.contains("revision 1 stands where"), "{found}");
    // Renumbered, the stream begins with its end.
    let renumber = "UPDATE events SET revision = 9 WHERE position = 6; UPDATE events SET revision = 1 WHERE position = 5 OR position = 100;
         UPDATE events SET revision = 0 WHERE revision = 9";
    let found = finding_after(&format!("{renumber}; {swap}")).await;
    assert!(found.contains("the stream begins with api_key.revoked"), "{found}");
}

#[tokio::test]
async fn a_stream_that_was_cut_off_is_found() {
    let found = finding_after("DELETE FROM events WHERE position = 6; UPDATE events SET position = 6 WHERE position = 7").await;
    assert!(found.contains("is not in the log") || found.contains("does not say"), "{found}");
    let found = finding_after("DELETE FROM events WHERE position = 7").await;
    assert!(found.contains("ends in an event that is not in the log"), "{found}");
}

#[tokio::test]
async fn a_vault_without_a_private_half_is_found() {
    let (_folder, config) = history().await;
    let vault = Connection::open(config.data_dir.join("vault.db")).unwrap();
    vault.execute("DELETE FROM signing_keys WHERE algorithm = 'ES256'", []).unwrap();
    drop(vault);
    let found = check(&config).await.unwrap_err().to_string();
    assert!(found.contains("is not in the vault"), "{found}");
}

#[tokio::test]
async fn a_lost_master_key_is_not_replaced() {
    let (_folder, config) = history().await;
    std::fs::remove_file(config.data_dir.join("master.key")).unwrap();
    assert!(master_key(&config).unwrap_err().to_string().contains("restore it"));
    assert_eq!(check(&config).await.unwrap().notes.len(), 1);
}
