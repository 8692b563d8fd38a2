use grantlog_core::domain::subject::RoleChangeEffect;
use grantlog_tests::{Answer, Authorization, TestServer, merged, text};
use http::Method;
use serde_json::{Value, json};

use crate::policy::{ana_as, document, publish, setup};

async fn ask(server: &TestServer, role: &str, body: &Value) -> Answer {
    server.call(role, Method::POST, "/v1/tokens/check", Some(body)).await
}

/// What a resource server is told of this action on documents.
async fn check(server: &TestServer, token: &str, action: &str, more: Value) -> Value {
    let body = merged(json!({"token": token, "resource": "documents", "action": action}), more);
    ask(server, "resource_server", &body).await.expect(200)
}

async fn code(server: &TestServer, token: &str, action: &str, more: Value) -> Value {
    let told = check(server, token, action, more).await;
    assert_eq!((&told["allowed"], &told["scopes"]), (&json!(false), &json!([])), "{told}");
    assert!(told["reason"]["text"].is_string(), "{told}");
    told["reason"]["code"].clone()
}

/// An access token of Ana's for this.
async fn token(server: &TestServer, client: &Value, scope: &str, subject: Value) -> String {
    let tokens = Authorization::of(server, client, scope).subject(subject).tokens().await;
    text(&tokens, "access_token").to_owned()
}

#[tokio::test]
async fn a_token_permits_what_its_scopes_do() {
    let (server, client) = setup().await;
    for format in ["jwt", "opaque"] {
        server.change(&client, json!({"access_token_format": format})).await;
        let token = token(&server, &client, "openid documents.read", ana_as(&server, &["writer"])).await;
        let told = check(&server, &token, "read", json!({})).await;
        assert_eq!(told, json!({"allowed": true, "reason": null, "scopes": ["documents.read"], "policy_version": 1}), "{format}");
        // Ana may write, and has not let the client do so.
        assert_eq!(code(&server, &token, "write", json!({})).await, "insufficient_scope", "{format}");
        assert_eq!(code(&server, &token, "burn", json!({})).await, "unknown_permission", "{format}");
        assert_eq!(code(&server, &token, "read", json!({"resource": "letters"})).await, "unknown_permission", "{format}");
    }
}

#[tokio::test]
async fn the_policy_in_force_decides_and_not_the_one_of_the_consent() {
    let (server, client) = setup().await;
    let token = token(&server, &client, "documents.read", ana_as(&server, &["owner"])).await;
    let mut changed = document();
    changed["scopes"][0]["permissions"][0]["actions"] = json!(["write"]);
    publish(&server, &changed).await.expect(200);
    assert_eq!(code(&server, &token, "read", json!({})).await, "insufficient_scope");
    let told = check(&server, &token, "write", json!({})).await;
    assert_eq!((&told["allowed"], &told["policy_version"]), (&json!(true), &json!(2)));
}

#[tokio::test]
async fn a_token_that_is_not_good_permits_nothing() {
    let (server, client) = setup().await;
    let tokens = Authorization::of(&server, &client, "documents.read offline_access").subject(ana_as(&server, &["owner"])).tokens().await;
    let access_token = text(&tokens, "access_token");
    for bad in ["", "x", &access_token[..access_token.len() - 2], text(&tokens, "refresh_token")] {
        assert_eq!(code(&server, bad, "read", json!({})).await, "token_not_active", "{bad}");
    }
    server.revoke(&client, access_token).await.expect(200);
    assert_eq!(code(&server, access_token, "read", json!({})).await, "token_not_active");
    let token = token(&server, &client, "documents.read", ana_as(&server, &["owner"])).await;
    server.advance(600);
    assert_eq!(code(&server, &token, "read", json!({})).await, "token_not_active");
}

#[tokio::test]
async fn rfc7662_4_a_token_for_another_resource_server_is_like_none() {
    let (server, client) = setup().await;
    let token = token(&server, &client, "documents.read", ana_as(&server, &["owner"])).await;
    let body = json!({"name": "Another API", "role": "resource_server", "audience": "https://other.example.com"});
    let key = server.admin(Method::POST, "/v1/api-keys", Some(&body)).await.expect(201);
    let authorization = format!("Bearer {}", text(&key, "api_key"));
    let body = json!({"token": token, "resource": "documents", "action": "read"});
    let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
    let told = server.request(Method::POST, "/v1/tokens/check", &headers, body.to_string()).await.expect(200);
    assert_eq!(told["reason"]["code"], "token_not_active");
    // Administrators may ask about every token.
    assert_eq!(ask(&server, "admin", &body).await.expect(200)["allowed"], true);
}

#[tokio::test]
async fn the_organization_is_that_of_the_token() {
    let (server, client) = setup().await;
    let in_acme = merged(ana_as(&server, &["owner"]), json!({"organization_id": "acme"}));
    let acme = token(&server, &client, "documents.read", in_acme).await;
    let nowhere = token(&server, &client, "documents.read", ana_as(&server, &["owner"])).await;
    assert_eq!(check(&server, &acme, "read", json!({"organization_id": "acme"})).await["allowed"], true);
    assert_eq!(check(&server, &acme, "read", json!({})).await["allowed"], true);
    assert_eq!(code(&server, &acme, "read", json!({"organization_id": "globex"})).await, "organization_mismatch");
    assert_eq!(code(&server, &nowhere, "read", json!({"organization_id": "acme"})).await, "organization_mismatch");
}

#[tokio::test]
async fn a_machine_client_acts_for_itself_and_has_no_roles() {
    let (server, _) = setup().await;
    let client = server.machine_client(json!({"scope": "documents.read"})).await;
    let token = server.machine_token(&client).await;
    assert_eq!(check(&server, &token, "read", json!({"current_roles": true})).await["allowed"], true);
    assert_eq!(code(&server, &token, "write", json!({})).await, "insufficient_scope");
}

#[tokio::test]
async fn full_access_permits_nothing_to_whom_nobody_knows_the_roles_of() {
    let (server, _) = setup().await;
    let members = json!({"client_type": "first_party", "scope": "openid full_access", "full_access_allowed": true});
    let client = server.client_with(members).await;
    let token = token(&server, &client, "openid full_access", server.ana(0)).await;
    assert_eq!(code(&server, &token, "write", json!({})).await, "roles_unknown");
    assert_eq!(code(&server, &token, "burn", json!({})).await, "unknown_permission");
}

/// A server that takes nothing from grants when roles change, so that tokens permit what their people may not do any more.
async fn lenient() -> TestServer {
    let server = TestServer::start_with(|settings| settings.on_role_change = RoleChangeEffect::Keep, |_| {}).await;
    publish(&server, &document()).await.expect(200);
    server
}

async fn set_roles(server: &TestServer, body: Value) {
    server.call("consent", Method::PUT, "/v1/subjects/ana/roles", Some(&body)).await.expect(200);
}

#[tokio::test]
async fn current_roles_are_asked_when_that_is_wanted() {
    let server = lenient().await;
    let client = server.client_with(json!({"scope": "openid documents.read"})).await;
    let token = token(&server, &client, "documents.read", ana_as(&server, &["reader"])).await;
    let current = || json!({"current_roles": true});
    assert_eq!(check(&server, &token, "read", current()).await["allowed"], true);
    set_roles(&server, json!({"roles": ["stranger"]})).await;
    assert_eq!(code(&server, &token, "read", current()).await, "roles_insufficient");
    assert_eq!(check(&server, &token, "read", json!({})).await["allowed"], true);
    // Roles elsewhere are no roles here.
    set_roles(&server, json!({"roles": ["reader"], "organization_id": "acme"})).await;
    assert_eq!(code(&server, &token, "read", current()).await, "roles_insufficient");
}

#[tokio::test]
async fn full_access_permits_what_the_roles_do_today() {
    let server = lenient().await;
    let members = json!({"client_type": "first_party", "scope": "openid full_access", "full_access_allowed": true});
    let client = server.client_with(members).await;
    let token = token(&server, &client, "openid full_access", ana_as(&server, &["reader"])).await;
    assert_eq!(check(&server, &token, "read", json!({})).await["scopes"], json!(["full_access"]));
    assert_eq!(code(&server, &token, "write", json!({})).await, "roles_insufficient");
    set_roles(&server, json!({"roles": ["writer"]})).await;
    assert_eq!(check(&server, &token, "write", json!({})).await["allowed"], true);
    set_roles(&server, json!({"roles": []})).await;
    assert_eq!(code(&server, &token, "read", json!({})).await, "roles_insufficient");
}

#[tokio::test]
async fn without_a_policy_nothing_is_permitted() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let token = token(&server, &client, "notes.read", server.ana(0)).await;
    let told = check(&server, &token, "read", json!({})).await;
    assert_eq!((&told["reason"]["code"], &told["policy_version"]), (&json!("unknown_permission"), &json!(0)));
}
