//! `grantlog import`: files of every source, twice, with mistakes, interrupted; and what was imported works.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use grantlog_api::health::Metrics;
use grantlog_cli::{
    boot::{Engine, Service, master_key, prepare_data_dir},
    config::Config,
    import::{Options, Source, Summary, import, read_client_grants},
};
use grantlog_core::{
    app::{Context, import::ImportMode},
    domain::client::Registration,
};
use grantlog_projections::live::ClientFilter;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

const UPDATE: ImportMode = ImportMode { dry_run: false, update: true };
const DRY_RUN: ImportMode = ImportMode { dry_run: true, update: false };

/// A data directory, and nothing that runs on it.
struct Installation {
    folder: TempDir,
    config: Config,
}

impl Installation {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { data_dir: folder.path().join("data"), ..Config::default() };
        Self { folder, config }
    }

    async fn engine(&self) -> Engine {
        prepare_data_dir(&self.config.data_dir).unwrap();
        Engine::open(&self.config, &master_key(&self.config).unwrap(), |_| {}).await.unwrap()
    }

    /// Imports; returns the summary and what people were told.
    async fn import(&self, from: Source, input: impl BufRead, options: Options) -> (Summary, String) {
        let engine = self.engine().await;
        let mut told = Vec::new();
        let summary = import(&engine.authority, from, input, &options, &mut told, |_| {}).await.unwrap();
        engine.close().await;
        (summary, String::from_utf8(told).unwrap())
    }

    async fn import_sample(&self, from: Source, sample: &str, mode: ImportMode) -> (Summary, String) {
        self.import(from, sample_file(sample), Options { mode, ..Options::default() }).await
    }

    async fn clients(&self) -> Vec<Value> {
        let engine = self.engine().await;
        let page = engine.live().clients(None, 10_000, &ClientFilter::default(), engine.authority.now()).unwrap();
        let clients = page.clients.iter().map(|client| {
            let mut told = serde_json::to_value(&client.metadata).unwrap();
            told["client_id"] = client.client_id.as_str().into();
            told["registration"] = client.standing.registration().as_str().into();
            told["suspended"] = client.suspended.into();
            told
        });
        let clients = clients.collect();
        engine.close().await;
        clients
    }

    async fn client(&self, id: &str) -> Value {
        let clients = self.clients().await;
        clients.iter().find(|client| client["client_id"] == id).cloned().unwrap_or_else(|| panic!("{id} is not in {clients:?}"))
    }

    fn report(&self) -> PathBuf {
        self.folder.path().join("report.json")
    }
}

fn sample_file(name: &str) -> BufReader<fs::File> {
    BufReader::new(fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(name)).unwrap())
}

fn counts(summary: Summary) -> [u64; 5] {
    let Summary { imported, unchanged, differing, updated, refused, .. } = summary;
    [imported, unchanged, differing, updated, refused]
}

/// Asks for a token as a client would, with `client_secret_post` or `client_secret_basic`.
async fn token(service: &Service, id: &str, secret: &str, basic: bool) -> (u16, Value) {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    let mut request = http::Request::post("/oauth2/token").header("content-type", "application/x-www-form-urlencoded");
    if basic {
        let half = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let credentials = BASE64_STANDARD.encode(format!("{}:{}", half(id), half(secret)));
        request = request.header("authorization", format!("Basic {credentials}"));
    } else {
        form.append_pair("client_id", id).append_pair("client_secret", secret);
    }
    let answer = service.site.handle(request.body(Bytes::from(form.finish())).unwrap()).await;
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
}

async fn with_service<F: AsyncFnOnce(&Service)>(installation: &Installation, work: F) {
    let config = &installation.config;
    prepare_data_dir(&config.data_dir).unwrap();
    let service = Service::start(config.clone(), &master_key(config).unwrap(), Metrics::detached(), |_| {}).await.unwrap();
    work(&service).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    service.serve(listener, std::future::ready(())).await;
}

#[tokio::test]
async fn clients_of_auth0_keep_their_ids_and_secrets() {
    let installation = Installation::new();
    let client_grants = read_client_grants(sample_file("auth0-client-grants.json")).unwrap();
    let options = || Options { client_grants: client_grants.clone(), ..Options::default() };
    let (summary, told) = installation.import(Source::Auth0, sample_file("auth0.json"), options()).await;
    assert_eq!(counts(summary), [4, 0, 0, 0, 2], "{told}");

    let machine = installation.client("AaiyAPdpYdesoKnqjj8HJqRn4T5titww").await;
    assert_eq!((&machine["client_type"], &machine["registration"]), (&json!("machine"), &json!("imported")));
    assert_eq!(machine["scope"], "mail.send notes.read notes.write");
    assert_eq!(machine["resources"], json!(["https://notes.example.com", "https://mail.example.com"]));
    let mail = installation.client("mail-7b1Zq").await;
    assert_eq!((&mail["client_type"], &mail["client_name"]), (&json!("third_party"), &json!("Weather by Mail")));
    assert_eq!(mail["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert_eq!((&mail["refresh_grace"], &mail["refresh_token_lifetime"]), (&json!(30), &json!(1_296_000)));
    assert_eq!(mail["redirect_uris"], json!(["https://mail.weather.example.com/callback"]));
    for public in ["spa-9Qx", "native-2Lm"] {
        let client = installation.client(public).await;
        assert_eq!((&client["token_endpoint_auth_method"], &client["client_type"]), (&json!("none"), &json!("first_party")), "{public}");
    }
    // Nothing is lost without a word.
    for lost in [
        "grant_types: implicit",
        "grant_types: password",
        "allowed_logout_urls",
        "refresh_token.token_lifetime",
        "HS256",
        "client_metadata",
        "jwt_configuration.lifetime_in_seconds",
        "client_secret: the client does not",
        "device_code",
    ] {
        assert!(told.contains(lost), "{lost} is not in {told}");
    }
    // Every reason, not only the first.
    for reason in ["client_authentication_methods", "fewer than 8", "client_id must be printable", "redirect_uris", "global is true"] {
        assert!(told.contains(reason), "{reason} is not in {told}");
    }

    with_service(&installation, async |service| {
        let secret = "MG_TNT2ver-SylNat-_VeMmd-4m0Waba0jr1troztBniSChEw0glxmEgi2Kw40H";
        let (status, _) = token(service, "AaiyAPdpYdesoKnqjj8HJqRn4T5titww", secret, false).await;
        assert_eq!(status, 200);
        let (status, _) = token(service, "AaiyAPdpYdesoKnqjj8HJqRn4T5titww", &secret.to_lowercase(), false).await;
        assert_eq!(status, 400);
    })
    .await;
    let (summary, _) = installation.import(Source::Auth0, sample_file("auth0.json"), options()).await;
    assert_eq!(counts(summary), [0, 4, 0, 0, 2]);
}

#[tokio::test]
async fn clients_of_hydra_keep_their_ids_and_the_hashes_of_their_secrets() {
    let installation = Installation::new();
    let options = Options { report: Some(installation.report()), ..Options::default() };
    let (summary, told) = installation.import(Source::Hydra, sample_file("hydra.jsonl"), options).await;
    assert_eq!(counts(summary), [4, 0, 0, 0, 6], "{told}");

    let reports = installation.client("3f1c6f1e-4c0a-4b57-9d5e-6c6f9d4b8a11").await;
    assert_eq!((&reports["client_type"], &reports["access_token_lifetime"]), (&json!("machine"), &json!(900)));
    assert_eq!((&reports["resources"], &reports["scope"]), (&json!(["https://notes.example.com"]), &json!("notes.read notes.write")));
    let portal = installation.client("portal").await;
    assert_eq!((&portal["client_type"], &portal["access_token_format"]), (&json!("first_party"), &json!("opaque")));
    assert_eq!((&portal["access_token_lifetime"], &portal["refresh_token_lifetime"]), (&json!(3600), &json!(2_592_000)));
    assert_eq!(portal["scope"], "email offline_access openid");
    assert_eq!(installation.client("cli tool").await["client_name"], "cli tool");

    // The report for programs says the same, and where.
    let report: Value = serde_json::from_slice(&fs::read(installation.report()).unwrap()).unwrap();
    assert_eq!((&report["dry_run"], &report["summary"]["refused"]), (&json!(false), &json!(6)));
    let entries = report["entries"].as_array().unwrap();
    let refused: Vec<_> = entries.iter().filter(|entry| entry["outcome"] == "refused").map(|entry| &entry["line"]).collect();
    assert_eq!(refused, [&json!(6), &json!(7), &json!(8), &json!(9), &json!(10), &json!(11)], "{report:#}");
    let nobody = entries.iter().find(|entry| entry["line"] == 9).unwrap();
    let reasons: Vec<_> = nobody["reasons"].as_array().unwrap().iter().map(|reason| reason.as_str().unwrap()).collect();
    for reason in ["client_id is missing", "token_endpoint_auth_method tls_client_auth", "no duration: soon", "scope is malformed"] {
        assert!(reasons.iter().any(|told| told.contains(reason)), "{reason} is not in {reasons:?}");
    }
    assert!(
        entries[9]["reasons"].to_string().contains("not a hash of a known scheme")
            || entries[9]["reasons"].to_string().contains("resources"),
        "{report:#}"
    );
    assert_eq!(entries[0]["ignored"], json!(["created_at", "metadata", "owner", "updated_at"]));

    with_service(&installation, async |service| {
        let id = "3f1c6f1e-4c0a-4b57-9d5e-6c6f9d4b8a11";
        for secret in ["correct horse", "correct horse", "correct horsf"] {
            let (status, body) = token(service, id, secret, false).await;
            assert_eq!(status, if secret.ends_with('e') { 200 } else { 400 }, "{body}");
        }
        assert_eq!(token(service, "plain", "brought along in plain text", false).await.0, 200);
        assert_eq!(token(service, "plain", "another secret in plain text", false).await.0, 400);
    })
    .await;
}

#[tokio::test]
async fn our_own_clients_come_back_as_they_were() {
    let installation = Installation::new();
    let (summary, told) = installation.import_sample(Source::Grantlog, "grantlog.json", ImportMode::default()).await;
    assert_eq!(counts(summary), [2, 0, 0, 0, 1], "{told}");
    assert!(told.contains("colour"), "{told}");
    assert_eq!(installation.client("stopped").await["suspended"], true);
    let own = "client_01932d5e7c1a7e31b7a80f6c3d2a9b10";
    with_service(&installation, async |service| {
        let (status, _) = token(service, own, "gls_Zm9yIGFuIGltcG9ydCBvZiBvdXIgb3duLCB3aXRoIGEgc2VjcmV0", true).await;
        assert_eq!(status, 200);
        assert_eq!(token(service, "stopped", "correct horse", false).await.0, 400);
    })
    .await;
    assert_eq!(counts(installation.import_sample(Source::Grantlog, "grantlog.json", UPDATE).await.0), [0, 2, 0, 0, 1]);
}

fn machines(numbers: std::ops::Range<u32>) -> String {
    let machine = |number: u32| {
        json!({"client_id": format!("machine-{number}"), "client_name": format!("Machine {number}"), "scope": "notes.read",
            "client_secret": "$2a$04$saltSALTsaltSALTsaltSeOcfLwWNJU6G1KzrtKufNKgtJ2lyfXOq", "grant_types": ["client_credentials"]})
    };
    numbers.map(|number| machine(number).to_string()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_thousand_clients_come_in_once() {
    let installation = Installation::new();
    let text = machines(0..1000);
    let run = async |mode| counts(installation.import(Source::Hydra, text.as_bytes(), Options { mode, ..Options::default() }).await.0);
    assert_eq!(run(DRY_RUN).await, [1000, 0, 0, 0, 0]);
    assert_eq!(installation.clients().await.len(), 0);
    assert_eq!(run(ImportMode::default()).await, [1000, 0, 0, 0, 0]);
    assert_eq!(installation.clients().await.len(), 1000);
    let engine = installation.engine().await;
    let before = engine.live().position();
    engine.close().await;
    for mode in [ImportMode::default(), UPDATE, DRY_RUN] {
        assert_eq!(run(mode).await, [0, 1000, 0, 0, 0]);
    }
    let engine = installation.engine().await;
    assert_eq!(engine.live().position(), before, "the second run wrote something");
    engine.close().await;
}

#[tokio::test]
async fn what_is_registered_otherwise_is_told_and_overwritten_only_when_asked() {
    let installation = Installation::new();
    let client = |name: &str, secret: &str| {
        json!([{"client_id": "a", "client_name": name, "client_type": "machine", "client_secret": secret}]).to_string()
    };
    let run = async |name: &str, secret: &str, mode| {
        let text = client(name, secret);
        installation.import(Source::Grantlog, text.as_bytes(), Options { mode, ..Options::default() }).await
    };
    run("One", "the first secret", ImportMode::default()).await;
    let (summary, told) = run("Two", "the second secret", ImportMode::default()).await;
    assert_eq!(counts(summary), [0, 0, 1, 0, 0]);
    assert!(told.contains("client_name, client_secret"), "{told}");
    assert_eq!(installation.client("a").await["client_name"], "One");
    let dry = ImportMode { dry_run: true, update: true };
    assert_eq!(counts(run("Two", "the second secret", dry).await.0), [0, 0, 0, 1, 0]);
    assert_eq!(installation.client("a").await["client_name"], "One");
    assert_eq!(counts(run("Two", "the second secret", UPDATE).await.0), [0, 0, 0, 1, 0]);
    assert_eq!(installation.client("a").await["client_name"], "Two");
    with_service(&installation, async |service| {
        assert_eq!(token(service, "a", "the first secret", true).await.0, 401);
        assert_eq!(token(service, "a", "the second secret", true).await.0, 200);
    })
    .await;
    assert_eq!(counts(run("Two", "the second secret", UPDATE).await.0), [0, 1, 0, 0, 0]);
    // What is for good is refused, with its reason, and a dry run knows.
    let other =
        json!([{"client_id": "a", "client_name": "Two", "redirect_uris": ["https://a.example/cb"], "client_secret": "the second secret"}]);
    for mode in [dry, UPDATE] {
        let text = other.to_string();
        let (summary, told) = installation.import(Source::Grantlog, text.as_bytes(), Options { mode, ..Options::default() }).await;
        assert_eq!(counts(summary), [0, 0, 0, 0, 1]);
        assert!(told.contains("client_type of a client can't be changed"), "{told}");
    }
}

#[tokio::test]
async fn a_deleted_id_is_not_given_again() {
    let installation = Installation::new();
    let text = machines(0..1);
    installation.import(Source::Hydra, text.as_bytes(), Options::default()).await;
    let engine = installation.engine().await;
    engine.authority.delete_client(&Context::system(), &"machine-0".into()).await.unwrap();
    engine.close().await;
    let (summary, told) = installation.import(Source::Hydra, text.as_bytes(), Options { mode: UPDATE, ..Options::default() }).await;
    assert_eq!(counts(summary), [0, 0, 0, 0, 1]);
    assert!(told.contains("was deleted"), "{told}");
}

/// A file that ends in an error of the disk.
struct Breaks<'a>(&'a [u8]);

impl Read for Breaks<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(io::Error::other("the disk is gone")),
            read => Ok(read),
        }
    }
}

#[tokio::test]
async fn an_import_that_breaks_off_is_completed_by_the_next() {
    let installation = Installation::new();
    let text = machines(0..100);
    let engine = installation.engine().await;
    let broken = BufReader::with_capacity(64, Breaks(&text.as_bytes()[..text.len() / 2]));
    let failure = import(&engine.authority, Source::Hydra, broken, &Options::default(), io::sink(), |_| {}).await.unwrap_err();
    assert!(failure.to_string().contains("the disk is gone"));
    engine.close().await;
    let done = installation.clients().await.len() as u64;
    assert!((40..60).contains(&done), "{done}");
    let (summary, _) = installation.import(Source::Hydra, text.as_bytes(), Options::default()).await;
    assert_eq!(counts(summary), [100 - done, done, 0, 0, 0]);
}

fn program(installation: &Installation, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grantlog"));
    command.args(["import", "--from", "hydra", "--data"]).arg(&installation.config.data_dir).args(arguments);
    command
}

#[tokio::test]
async fn a_killed_import_is_completed_by_the_next() {
    let installation = Installation::new();
    installation.engine().await.close().await;
    let text = machines(0..400);
    let mut child = program(&installation, &["-"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // It is killed somewhere: when it has read at least what the pipe does not hold any more.
    input.write_all(text.as_bytes()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let done = installation.clients().await.len() as u64;
    let file = installation.folder.path().join("clients.jsonl");
    fs::write(&file, &text).unwrap();
    let report = installation.report();
    let again = program(&installation, &[file.to_str().unwrap(), "--report", report.to_str().unwrap()]).output().unwrap();
    assert!(again.status.success(), "{again:?}");
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert_eq!((report["summary"]["imported"].as_u64(), report["summary"]["unchanged"].as_u64()), (Some(400 - done), Some(done)));
    assert_eq!(installation.clients().await.len(), 400);
}

#[tokio::test]
async fn the_exit_code_tells_whether_something_was_refused() {
    let installation = Installation::new();
    installation.engine().await.close().await;
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/hydra.jsonl");
    let run = program(&installation, &[sample.to_str().unwrap(), "--dry-run"]).output().unwrap();
    assert!(!run.status.success());
    assert!(String::from_utf8_lossy(&run.stderr).contains("6 entries were refused"), "{run:?}");
    let file = installation.folder.path().join("good.jsonl");
    fs::write(&file, machines(0..3)).unwrap();
    let run = program(&installation, &[file.to_str().unwrap()]).output().unwrap();
    assert!(run.status.success() && String::from_utf8_lossy(&run.stdout).contains("3 imported"), "{run:?}");
}

#[tokio::test]
async fn a_running_server_is_left_alone() {
    let installation = Installation::new();
    with_service(&installation, async |_| {
        let mut child = program(&installation, &["-"]).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        assert!(!child.wait().unwrap().success());
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert!(told.contains("stop the server"), "{told}");
    })
    .await;
}

#[tokio::test]
async fn an_imported_client_says_so() {
    let installation = Installation::new();
    installation.import(Source::Hydra, machines(0..1).as_bytes(), Options::default()).await;
    let engine = installation.engine().await;
    let client = engine.authority.client(&"machine-0".into()).await.unwrap();
    assert_eq!(client.standing().registration(), Registration::Imported);
    engine.close().await;
}
