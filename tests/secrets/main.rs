//! Nothing usable and nothing personal is kept or logged: a server that logs everything is put through all it can do,
//! well and badly, and then its log and every file of its data directory are searched.

mod erasure;

use std::{fs, path::Path};

use grantlog_tests::{
    Pkce,
    process::Installation,
    remote::{Remote, code_of, text},
};
use http::Method;
use serde_json::{Value, json};

const PERSON: &str = "person-4711-anabela";
const PERSONAL: [&str; 4] = [PERSON, "Anabela Quintero", "anabela.quintero@example.com", "hint-of-anabela"];

/// What must be found nowhere: texts that work, or that say who somebody is.
struct Secrets(Vec<String>);

impl Secrets {
    fn keep(&mut self, secret: &Value) -> String {
        let secret = text(secret);
        // Of a JWT the claims may be public; the signature is what makes it usable.
        let searched = secret.rsplit('.').next().unwrap_or(&secret).to_owned();
        self.0.push(searched);
        secret
    }
}

async fn client(remote: &Remote, secrets: &mut Secrets, format: &str) -> Value {
    let metadata = json!({"client_name": "Weather by Mail", "redirect_uris": ["https://weather.example.com/callback"],
        "scope": "openid profile email offline_access", "access_token_format": format});
    let client = remote.register(&metadata).await.unwrap().expect(201);
    secrets.keep(&client["client_secret"]);
    client
}

async fn request(remote: &Remote, client: &Value) -> Value {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", &text(&client["client_id"]))
        .append_pair("scope", "openid profile email offline_access")
        .append_pair("login_hint", PERSONAL[3])
        .append_pair("code_challenge", Pkce::CHALLENGE)
        .append_pair("code_challenge_method", "S256")
        .finish();
    let claims = json!({"name": PERSONAL[1], "email": PERSONAL[2]});
    let subject = json!({"id": PERSON, "auth_time": 1_700_000_000, "claims": claims});
    let body = json!({"query": query, "subject": subject, "browser_binding": "binding-of-anabelas-browser"});
    remote.call("consent", Method::POST, "/v1/authorization-requests", Some(&body)).await.unwrap().expect(201)
}

async fn a_life(remote: &Remote, secrets: &mut Secrets, format: &str) {
    let client = client(remote, secrets, format).await;
    let request = request(remote, &client).await;
    let decision = json!({"decision": "approve", "browser_binding": "binding-of-anabelas-browser"});
    let path = format!("/v1/authorization-requests/{}/decision", text(&request["id"]));
    let decided = remote.call("consent", Method::POST, &path, Some(&decision)).await.unwrap().expect(200);
    let code = code_of(&decided);
    secrets.0.push(code.clone());
    let tokens = remote.redeem(&client, &code).await.unwrap().expect(200);
    for token in ["access_token", "refresh_token", "id_token"] {
        secrets.keep(&tokens[token]);
    }
    let access_token = text(&tokens["access_token"]);
    assert!(remote.is_active(&access_token).await);
    let refreshed = remote.refresh(&client, &text(&tokens["refresh_token"])).await.unwrap().expect(200);
    secrets.keep(&refreshed["access_token"]);
    let successor = secrets.keep(&refreshed["refresh_token"]);
    remote.revoke(&client, &access_token).await.unwrap().expect(200);
    // And badly.
    remote.redeem(&client, &code).await.unwrap().expect(400);
    remote.refresh(&client, &format!("{successor}x")).await.unwrap().expect(400);
    let mut stranger = client.clone();
    stranger["client_secret"] = json!("gls_wrong-secret-of-a-stranger");
    secrets.0.push("gls_wrong-secret-of-a-stranger".to_owned());
    remote.refresh(&stranger, &successor).await.unwrap().expect(401);
    let grants = format!("/v1/subjects/{PERSON}/grants");
    let grant = remote.call("consent", Method::GET, &grants, None).await.unwrap().expect(200)["grants"][0].clone();
    remote.call("consent", Method::DELETE, &format!("{grants}/{}", text(&grant["id"])), None).await.unwrap().expect(204);
}

fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found
}

fn holds(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[tokio::test]
async fn nothing_usable_and_nothing_personal_is_kept_or_logged() {
    let installation = Installation::new().logging("trace");
    let server = installation.start().await;
    let remote = Remote::of(&installation).await;
    let mut secrets = Secrets(PERSONAL.iter().map(|&personal| personal.to_owned()).collect());
    secrets.0.push("binding-of-anabelas-browser".to_owned());
    secrets.0.push(installation.first_admin_key());
    for role in ["consent", "resource_server", "auditor"] {
        let key = json!({"name": role, "role": role});
        let made = remote.call("admin", Method::POST, "/v1/api-keys", Some(&key)).await.unwrap().expect(201);
        secrets.keep(&made["api_key"]);
    }
    a_life(&remote, &mut secrets, "jwt").await;
    a_life(&remote, &mut secrets, "opaque").await;
    while_it_runs_and_after(&installation, &secrets);
    server.stop().await;
    while_it_runs_and_after(&installation, &secrets);
}

#[track_caller]
fn while_it_runs_and_after(installation: &Installation, secrets: &Secrets) {
    let mut places = files(installation.data());
    let log = installation.stderr();
    assert!(log.contains("/oauth2/token"), "the log is there to be searched: {log}");
    places.push(("the log".to_owned(), log.into_bytes()));
    for (place, content) in &places {
        for secret in &secrets.0 {
            assert!(secret.len() > 12, "{secret} could be anywhere");
            assert!(!holds(content, secret), "{secret} is in {place}");
        }
    }
}
