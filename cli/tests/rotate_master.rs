//! The master key is replaced on a stopped server's data directory.

use std::fs;

use grantlog_api::health::Metrics;
use grantlog_cli::{
    boot::{Engine, MASTER_KEY_FILE, Service, master_key, prepare_data_dir},
    config::Config,
    keys::{self, Command},
    place::Place,
};
use grantlog_core::{app::Context, domain::api_key::Role, keys::MasterKey};
use tempfile::TempDir;
use tokio::net::TcpListener;

fn place(config: &Config) -> Place {
    Place { config: None, data: Some(config.data_dir.clone()) }
}

async fn rotate(config: &Config) {
    keys::run(Command::RotateMaster { place: place(config), next: None }).await.expect("the master key is replaced");
}

/// A data directory with everything that a first start makes, and an API key that was handed out.
async fn used() -> (TempDir, Config, String) {
    let dir = tempfile::tempdir().expect("a folder");
    let config = Config { data_dir: dir.path().join("data"), ..Config::default() };
    prepare_data_dir(&config.data_dir).expect("a folder");
    let key = master_key(&config).expect("a key");
    let service = Service::start(config.clone(), &key, Metrics::detached(), |_| {}).await.expect("it starts");
    let api_key = service.first_admin_key.as_ref().expect("the first start makes one").expose().to_owned();
    service.serve(TcpListener::bind("127.0.0.1:0").await.expect("a port"), std::future::ready(())).await;
    (dir, config, api_key)
}

async fn is_let_in(config: &Config, api_key: &str) -> bool {
    let engine = Engine::open(config, &master_key(config).expect("a key"), |_| {}).await.expect("it opens");
    let found = engine.authority.authenticate_api_key(api_key).await.expect("the log is read");
    // What needs a private key of the vault works too.
    engine.authority.rotate_signing_keys(&Context::system()).await.expect("signing keys are made");
    engine.close().await;
    found.is_some_and(|key| key.role == Role::Admin)
}

#[tokio::test]
async fn what_was_handed_out_before_stays_good_and_the_old_key_opens_nothing() {
    let (_dir, config, api_key) = used().await;
    let file = config.data_dir.join(MASTER_KEY_FILE);
    let before = fs::read_to_string(&file).expect("a key");
    for _ in 0..2 {
        rotate(&config).await;
        assert!(is_let_in(&config, &api_key).await);
    }
    assert_ne!(fs::read_to_string(&file).expect("a key"), before);
    let old = MasterKey::from_base64(&before).expect("a key");
    assert!(Engine::open(&config, &old, |_| {}).await.is_err());
}

#[tokio::test]
async fn a_rotation_that_was_interrupted_is_finished_by_the_next() {
    let (_dir, config, api_key) = used().await;
    let file = config.data_dir.join(MASTER_KEY_FILE);
    let old = fs::read_to_string(&file).expect("a key");
    rotate(&config).await;
    // As if it had been killed when the vault was sealed anew and the file was not in its place yet.
    let next = file.with_added_extension("next");
    fs::rename(&file, &next).expect("moved");
    fs::write(&file, &old).expect("written");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("only ours");
    rotate(&config).await;
    assert!(is_let_in(&config, &api_key).await);
    assert!(!next.exists());
    // As if it had been killed when there was a next key and nothing was sealed under it.
    MasterKey::load_or_create(&next).expect("a key");
    rotate(&config).await;
    assert!(is_let_in(&config, &api_key).await);
}

#[tokio::test]
async fn the_next_key_may_come_from_a_file_elsewhere() {
    let (dir, config, api_key) = used().await;
    let next = dir.path().join("next.key");
    keys::run(Command::GenerateMaster { file: next.clone() }).await.expect("a key");
    keys::run(Command::RotateMaster { place: place(&config), next: Some(next.clone()) }).await.expect("replaced");
    assert!(is_let_in(&Config { master_key_file: Some(next), ..config }, &api_key).await);
}
