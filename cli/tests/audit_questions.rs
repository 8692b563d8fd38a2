//! The questions of `grantlog audit`: the same answers from a running server, from the data directory of a stopped one, and from an
//! export.

use std::{
    path::Path,
    process::{Command, Output},
};

use grantlog_api::health::Metrics;
use grantlog_cli::{
    boot::{Service, master_key, prepare_data_dir},
    config::Config,
};
use grantlog_core::{app::Context, domain::api_key::Role};
use tokio::{
    net::TcpListener,
    sync::{Mutex, oneshot},
    task::JoinHandle,
};

/// Between its fork and its exec a child process has the lock of every data directory that is open here. So nobody may start
/// one while another test expects its directory to be free.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

struct Running {
    url: String,
    /// The key of an auditor.
    key: String,
    admin: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn serve(config: &Config) -> Running {
    prepare_data_dir(&config.data_dir).unwrap();
    let service = Service::start(config.clone(), &master_key(config).unwrap(), Metrics::detached(), |_| {}).await.unwrap();
    let (_, key) = service.app.authority.create_api_key(&Context::system(), "auditor", Role::Auditor, None).await.unwrap();
    let admin = service.first_admin_key.as_ref().unwrap().expose().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(async move {
        service.serve(listener, async { drop(stopped.await) }).await;
    });
    Running { url, key: key.expose().to_owned(), admin, stop, task }
}

async fn audit(arguments: &[&str], whom: &[&str], key: Option<&str>) -> Output {
    grantlog(&[&["audit"], arguments, whom].concat(), key).await
}

async fn grantlog(arguments: &[&str], key: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grantlog"));
    command.args(arguments).env_remove("GRANTLOG_API_KEY");
    if let Some(key) = key {
        command.env("GRANTLOG_API_KEY", key);
    }
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[track_caller]
fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_and_its_data_directory_say_the_same() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let config = Config { data_dir: folder.path().join("data"), ..Config::default() };
    let running = serve(&config).await;
    let questions: [&[&str]; 5] = [
        &["events", "--type", "api_key.created"],
        &["events", "--type", "api_key.created", "--json"],
        &["signing-keys", "--position", "3"],
        &["policy", "--position", "3"],
        &["events", "--type", "signing_key.generated", "--format", "csv"],
    ];
    let mut told = Vec::new();
    for question in questions {
        told.push(printed(&audit(question, &["--url", &running.url], Some(&running.key)).await));
    }
    assert_eq!(told[0].lines().filter(|line| line.contains("api_key.created")).count(), 2, "{}", told[0]);
    assert_eq!(told[4].lines().count(), 4, "{}", told[4]);
    let file = folder.path().join("key");
    std::fs::write(&file, format!("{}\n", running.key)).unwrap();
    let by_file = audit(questions[2], &["--url", &running.url, "--api-key-file", text(&file)], None).await;
    assert_eq!(printed(&by_file), told[2]);

    let refused = audit(&["events", "--from", "yesterday"], &["--url", &running.url], Some(&running.key)).await;
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("from: It is no RFC 3339 moment"), "{refused:?}");
    let without_key = audit(questions[0], &["--url", &running.url], None).await;
    assert!(String::from_utf8_lossy(&without_key.stderr).contains("--api-key-file"), "{without_key:?}");
    let beside = audit(questions[0], &["--data", text(&config.data_dir)], None).await;
    assert!(String::from_utf8_lossy(&beside.stderr).contains("--url"), "{beside:?}");

    running.stop.send(()).unwrap();
    running.task.await.unwrap();
    for (question, told) in questions.iter().zip(told) {
        let offline = printed(&audit(question, &["--data", text(&config.data_dir)], None).await);
        // A list tells up to where it goes, and the log has grown by the questions.
        let timeless = |text: &str| {
            text.lines().filter(|line| !line.contains("position\"") && !line.contains("as of")).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(timeless(&offline), timeless(&told), "{question:?}");
    }
    // The operator's questions are on record, too.
    let reads = printed(
        &audit(&["events", "--type", "audit.read", "--actor", "system", "--format", "ndjson"], &["--data", text(&config.data_dir)], None)
            .await,
    );
    assert_eq!(reads.lines().count(), 5, "{reads}");
    assert!(reads.lines().all(|line| line.contains("-operator\"")), "{reads}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_answers_too_unless_somebody_changed_it() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let config = Config { data_dir: folder.path().join("data"), ..Config::default() };
    let running = serve(&config).await;
    let post = |path: &'static str, body: serde_json::Value| {
        let (url, key) = (format!("{}{path}", running.url), running.admin.clone());
        async move { reqwest::Client::new().post(url).bearer_auth(key).json(&body).send().await.unwrap().status() }
    };
    let client = serde_json::json!({"client_name": "Weather by Mail", "redirect_uris": ["https://a.example/cb"]});
    assert_eq!(post("/v1/clients", client).await, 201);
    assert_eq!(post("/v1/audit/checkpoints", serde_json::json!({})).await, 200);
    let questions: [&[&str]; 3] = [
        &["events", "--type", "client.registered", "--json"],
        &["signing-keys", "--position", "4"],
        &["events", "--to", "2040-01-01T00:00:00Z", "--format", "ndjson"],
    ];
    let mut told = Vec::new();
    for question in questions {
        told.push(printed(&audit(question, &["--url", &running.url], Some(&running.key)).await));
    }
    running.stop.send(()).unwrap();
    running.task.await.unwrap();
    let export = folder.path().join("export");
    printed(&audit(&["export", text(&export)], &["--data", text(&config.data_dir)], None).await);
    for (question, told) in questions.iter().zip(told) {
        let answer = printed(&audit(question, &["--export", text(&export)], None).await);
        // What came since it was signed is not in it, and a list tells up to where it goes.
        let lines = |text: &str| text.lines().filter(|line| !line.starts_with("  \"position\"")).map(str::to_owned).collect::<Vec<_>>();
        let (answer, told) = (lines(&answer), lines(&told));
        assert!(!answer.is_empty() && told.starts_with(&answer), "{question:?}: {answer:?} and {told:?}");
    }
    let by_name = audit(&["consents", "--subject", "ana"], &["--export", text(&export)], None).await;
    assert!(String::from_utf8_lossy(&by_name.stderr).contains("--subject-id"), "{by_name:?}");

    let tiles = export.join("tile/entries");
    let bundle = std::fs::read_dir(tiles.join("000.p")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&bundle).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    let changed = audit(questions[0], &["--export", text(&export)], None).await;
    assert!(!changed.status.success());
    assert!(String::from_utf8_lossy(&changed.stderr).contains("position 1: "), "{changed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_made_by_the_server_and_checked_without_it() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let config = Config { data_dir: folder.path().join("data"), ..Config::default() };
    let running = serve(&config).await;
    let call = async |method: reqwest::Method, path: &str, body: serde_json::Value| {
        let request = reqwest::Client::new().request(method, format!("{}{path}", running.url)).bearer_auth(&running.admin);
        request.json(&body).send().await.unwrap().json::<serde_json::Value>().await.unwrap()
    };
    let post = async |path: &str, body| call(reqwest::Method::POST, path, body).await;
    let client = serde_json::json!({"client_name": "Weather by Mail", "redirect_uris": ["https://a.example/cb"], "scope": "openid email"});
    let client = post("/v1/clients", client).await;
    let query = format!(
        "response_type=code&client_id={}&redirect_uri=https%3A%2F%2Fa.example%2Fcb&scope=openid%20email\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
        client["client_id"].as_str().unwrap()
    );
    let subject = serde_json::json!({"id": "ana", "auth_time": 1_700_000_000});
    let request = post("/v1/authorization-requests", serde_json::json!({"query": query, "subject": subject})).await;
    let decision = format!("/v1/authorization-requests/{}/decision", request["id"].as_str().unwrap());
    post(&decision, serde_json::json!({"decision": "approve"})).await;
    let grants = call(reqwest::Method::GET, "/v1/subjects/ana/grants", serde_json::Value::Null).await;
    let grant = grants["grants"][0]["id"].as_str().unwrap();
    let keys = call(reqwest::Method::GET, "/ledger/keys", serde_json::Value::Null).await;
    let key = keys["verifier_keys"][0].as_str().unwrap();
    let receipt = printed(&audit(&["receipt", grant], &["--url", &running.url], Some(&running.key)).await);
    let file = folder.path().join("receipt.json");
    std::fs::write(&file, &receipt).unwrap();
    let verify = async |key: &str| grantlog(&["receipt", "verify", text(&file), "--key", key], None).await;
    let told = printed(&verify(key).await);
    assert!(told.contains("the consent of ana") && told.ends_with("the receipt is good\n"), "{told}");
    std::fs::write(&file, receipt.replace("Weather by Mail", "Weather by Post")).unwrap();
    let changed = verify(key).await;
    assert!(!changed.status.success() && String::from_utf8_lossy(&changed.stderr).contains("its signature is not valid"), "{changed:?}");
    let export = folder.path().join("export");
    let refused = audit(&["receipt", grant], &["--export", text(&export)], None).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no key to sign"), "{refused:?}");
    running.stop.send(()).unwrap();
    running.task.await.unwrap();
}
