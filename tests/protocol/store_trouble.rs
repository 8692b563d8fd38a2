//! The store goes away and comes back: nobody is told a lie, and nothing that was acknowledged is lost.

use grantlog_tests::{Answer, Authorization, TestServer, parameters_of};
use http::Method;
use serde_json::{Value, json};

async fn setup() -> (TestServer, Value) {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    (server, client)
}

fn text<'a>(tokens: &'a Value, member: &str) -> &'a str {
    tokens[member].as_str().unwrap_or_else(|| panic!("no {member} in {tokens}"))
}

/// 503 with the time to wait; what is wrong with the store is not the caller's to know.
#[track_caller]
fn expect_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{:?}", answer.body);
    assert_eq!((answer.header("retry-after"), answer.header("cache-control")), (Some("2"), Some("no-store")));
    assert!(!String::from_utf8_lossy(&answer.body).contains("taken away"), "{:?}", answer.body);
    assert_eq!(answer.header("grantlog-position"), None);
}

#[track_caller]
fn expect_unavailable_problem(answer: &Answer) {
    expect_unavailable(answer);
    answer.expect_problem(503, "unavailable");
}

/// RFC 6749 §5.2 has no code for it: we borrow that of §4.1.2.1.
#[track_caller]
fn expect_unavailable_oauth(answer: &Answer) {
    expect_unavailable(answer);
    answer.expect_oauth_error(503, "temporarily_unavailable");
}

#[tokio::test]
async fn the_headless_way_is_unavailable_and_goes_on_where_it_was() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, "openid");
    let request = authorization.start().await;
    let id = text(&request, "id");
    server.store.set_available(false);
    expect_unavailable_problem(&server.create(&json!({"query": authorization.query()})).await);
    let ben = json!({"subject": {"id": "ben", "auth_time": server.now().as_seconds()}});
    expect_unavailable_problem(&server.attest(id, &ben).await);
    for decision in ["approve", "deny"] {
        expect_unavailable_problem(&server.decide(id, &json!({"decision": decision})).await);
    }
    // What can't be looked up is not said to be missing.
    expect_unavailable_problem(&server.read("019cb3f0-0000-7000-8000-000000000000").await);
    server.store.set_available(true);
    assert_eq!(server.read(id).await.expect(200), request);
    let request = server.decide(id, &json!({"decision": "approve"})).await.expect(200);
    authorization.redeem(&parameters_of(&request["redirect_to"])["code"]).await.expect(200);
}

#[tokio::test]
async fn the_hosted_way_is_unavailable_and_not_an_error_of_the_client() {
    let (server, client) = setup().await;
    let path = format!("/oauth2/authorize?{}", Authorization::of(&server, &client, "openid").query());
    server.store.set_available(false);
    let answer = server.get(&path).await;
    expect_unavailable_problem(&answer);
    assert_eq!((answer.header("location"), answer.header("set-cookie")), (None, None));
    server.store.set_available(true);
    assert_eq!(server.get(&path).await.status, 303);
}

#[tokio::test]
async fn a_code_and_a_refresh_token_survive_the_trouble() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, "openid offline_access");
    let (tokens, code) = (authorization.tokens().await, authorization.code().await);
    server.store.set_available(false);
    for _ in 0..2 {
        expect_unavailable_oauth(&authorization.redeem(&code).await);
        expect_unavailable_oauth(&server.refresh(&client, text(&tokens, "refresh_token")).await);
    }
    server.store.set_available(true);
    // Neither was spent, and the repetitions were no replays.
    authorization.redeem(&code).await.expect(200);
    server.refresh(&client, text(&tokens, "refresh_token")).await.expect(200);
    assert!(server.is_active(text(&tokens, "access_token")).await);
}

#[tokio::test]
async fn a_machine_gets_no_token_that_is_not_recorded() {
    let server = TestServer::start().await;
    let client = server.register(json!({"client_name": "Nightly", "client_type": "machine", "scope": "notes.read"})).await;
    let fields = [("grant_type", "client_credentials")];
    server.store.set_available(false);
    expect_unavailable_oauth(&server.as_client(&client, "/oauth2/token", &fields).await);
    server.store.set_available(true);
    let tokens = server.as_client(&client, "/oauth2/token", &fields).await.expect(200);
    assert!(server.is_active(text(&tokens, "access_token")).await);
}

#[tokio::test]
async fn an_unknown_client_is_not_told_to_be_one_while_nobody_can_know() {
    let (server, _) = setup().await;
    server.store.set_available(false);
    let stranger = json!({"client_id": "nobody", "client_secret": "x"});
    expect_unavailable_oauth(&server.refresh(&stranger, "x").await);
    server.store.set_available(true);
    server.refresh(&stranger, "x").await.expect_oauth_error(401, "invalid_client");
}

#[tokio::test]
async fn rfc7009_2_2_1_a_revocation_that_could_not_be_recorded_is_503_and_has_not_happened() {
    let (server, client) = setup().await;
    let tokens = Authorization::of(&server, &client, "openid offline_access").tokens().await;
    let revoke = [("token", text(&tokens, "refresh_token"))];
    server.store.set_available(false);
    expect_unavailable_oauth(&server.as_client(&client, "/oauth2/revoke", &revoke).await);
    server.store.set_available(true);
    assert!(server.is_active(text(&tokens, "access_token")).await);
    assert_eq!(server.as_client(&client, "/oauth2/revoke", &revoke).await.status, 200);
    assert!(!server.is_active(text(&tokens, "access_token")).await);
}

#[tokio::test]
async fn administration_is_unavailable_and_half_done_is_not_done() {
    let (server, client) = setup().await;
    let tokens = Authorization::of(&server, &client, "openid").tokens().await;
    let grants = server.call("consent", Method::GET, "/v1/subjects/ana/grants", None).await.expect(200);
    let grant = format!("/v1/subjects/ana/grants/{}", text(&grants["grants"][0], "id"));
    let item = format!("/v1/clients/{}", text(&client, "client_id"));
    let new_client = json!({"client_name": "x", "redirect_uris": ["https://a.example/"]});
    let new_key = json!({"name": "x", "role": "auditor"});
    let before = server.call("admin", Method::GET, "/v1/clients", None).await.expect(200);
    server.store.set_available(false);
    for (method, path, body) in [
        (Method::POST, "/v1/clients".to_owned(), Some(&new_client)),
        (Method::PUT, item.clone(), Some(&new_client)),
        (Method::POST, format!("{item}/suspend"), None),
        (Method::POST, format!("{item}/secret-rotation"), None),
        (Method::DELETE, item.clone(), None),
        (Method::DELETE, grant.clone(), None),
        (Method::POST, "/v1/api-keys".to_owned(), Some(&new_key)),
        (Method::POST, "/v1/signing-keys/rotate".to_owned(), None),
    ] {
        let answer = server.call("admin", method.clone(), &path, body).await;
        assert_eq!(answer.status, 503, "{method} {path} {:?}", answer.body);
        expect_unavailable_problem(&answer);
    }
    server.store.set_available(true);
    assert_eq!(server.call("admin", Method::GET, "/v1/clients", None).await.expect(200), before);
    assert!(server.is_active(text(&tokens, "access_token")).await);
    server.call("admin", Method::DELETE, &grant, None).await.expect(204);
    assert!(!server.is_active(text(&tokens, "access_token")).await);
}

#[tokio::test]
async fn an_api_key_that_can_not_be_looked_up_is_not_said_to_be_wrong() {
    let (mut server, _) = setup().await;
    // Well made, and in the log of another server only.
    let other = TestServer::start().await;
    let made = other.call("admin", Method::POST, "/v1/api-keys", Some(&json!({"name": "x", "role": "auditor"}))).await.expect(201);
    server.keys.insert("stranger", text(&made, "api_key").to_owned());
    server.store.set_available(false);
    expect_unavailable_problem(&server.call("stranger", Method::GET, "/v1/signing-keys", None).await);
    server.store.set_available(true);
    server.call("stranger", Method::GET, "/v1/signing-keys", None).await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn what_was_acknowledged_before_the_trouble_is_there_after_it() {
    let (server, client) = setup().await;
    let tokens = Authorization::of(&server, &client, "openid offline_access").tokens().await;
    let revoked = Authorization::of(&server, &client, "openid offline_access").with("prompt", "consent").tokens().await;
    let revoke = [("token", text(&revoked, "refresh_token"))];
    assert_eq!(server.as_client(&client, "/oauth2/revoke", &revoke).await.status, 200);
    for _ in 0..3 {
        server.store.set_available(false);
        expect_unavailable_oauth(&server.refresh(&client, text(&tokens, "refresh_token")).await);
        server.store.set_available(true);
        assert!(server.is_active(text(&tokens, "access_token")).await);
        assert!(!server.is_active(text(&revoked, "access_token")).await);
        server.refresh(&client, text(&revoked, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
    }
    server.refresh(&client, text(&tokens, "refresh_token")).await.expect(200);
}

#[tokio::test]
async fn documents_that_need_no_store_are_served_still() {
    let (server, _) = setup().await;
    server.store.set_available(false);
    for path in ["/livez", "/oauth2/jwks", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
}
