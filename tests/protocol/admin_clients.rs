use std::collections::BTreeSet;

use grantlog_tests::{Answer, Authorization, TestServer, basic, merged, text};
use http::Method;
use serde_json::{Value, json};

const CLIENTS: &str = "/v1/clients";

fn path(client: &Value) -> String {
    format!("{CLIENTS}/{}", text(client, "client_id"))
}

/// What can be sent to update a client: its metadata alone.
fn metadata(client: &Value, members: Value) -> Value {
    let own = json!({
        "client_id": null, "client_secret": null, "state": null, "secret_rotation_underway": null, "registered_at": null,
        "registration": null, "verified": null,
    });
    merged(merged(client.clone(), own), members)
}

async fn token(server: &TestServer, client: &Value, secret: &str) -> Answer {
    let header = basic(text(client, "client_id"), secret);
    server.post_form("/oauth2/token", Some(&header), &[("grant_type", "client_credentials")]).await
}

#[tokio::test]
async fn rfc7591_3_2_1_a_client_is_registered_with_its_defaults_and_read_back() {
    let server = TestServer::start().await;
    let body = json!({"client_name": "Notes", "redirect_uris": ["https://notes.example.com/cb"], "scope": "openid email"});
    let answer = server.admin(Method::POST, CLIENTS, Some(&body)).await;
    let client = answer.expect(201);
    assert!(answer.header("grantlog-position").is_some());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let expected = json!({
        "client_id": client["client_id"], "state": "active", "secret_rotation_underway": false,
        "registered_at": "2026-03-03T14:00:00.000Z", "registration": "administrator", "verified": true, "client_type": "third_party",
        "token_endpoint_auth_method": "client_secret_basic", "client_name": "Notes",
        "redirect_uris": ["https://notes.example.com/cb"], "grant_types": ["authorization_code", "refresh_token"],
        "scope": "email openid", "id_token_signed_response_alg": "RS256", "access_token_format": "jwt",
    });
    assert_eq!(client, merged(expected.clone(), json!({"client_secret": text(&client, "client_secret")})));
    assert_eq!(server.admin(Method::GET, &path(&client), None).await.told(), (200, expected.clone()));
    let list = server.admin(Method::GET, CLIENTS, None).await.told();
    assert_eq!(list, (200, json!({"clients": [expected], "next_cursor": null})));
}

#[tokio::test]
async fn public_clients_and_those_with_keys_have_no_secret() {
    let server = TestServer::start().await;
    let key = grantlog_tests::ClientKey::of(1);
    for client in [server.public_client().await, server.client_with_key(&key, json!({})).await] {
        assert_eq!(client["client_secret"], Value::Null);
        let answer = server.admin(Method::POST, &format!("{}/secret-rotation", path(&client)), None).await;
        assert_eq!(answer.problem(), (409, "conflict".to_owned(), None));
    }
}

#[tokio::test]
async fn every_mistake_in_the_metadata_is_listed_at_once() {
    let server = TestServer::start().await;
    let body = json!({
        "client_uri": "http://notes.example", "redirect_uris": ["javascript:alert(1)", "https://a.example/cb#x"], "scope": "a  b",
        "default_scope": "\"", "refresh_grace": 301, "access_token_lifetime": 0, "jwks": {}, "bypass_consent_for_offline_access": true,
    });
    let client = server.confidential_client().await;
    for (method, path) in [(Method::POST, CLIENTS.to_owned()), (Method::PUT, path(&client))] {
        let answer = server.admin(method, &path, Some(&body)).await;
        assert_eq!(answer.problem(), (422, "invalid_metadata".to_owned(), Some("scope".to_owned())));
        let body = answer.json();
        let problems = body["problems"].as_array().unwrap();
        let fields: Vec<_> = problems.iter().map(|problem| text(problem, "field")).collect();
        assert_eq!(
            fields,
            [
                "scope",
                "default_scope",
                "client_name",
                "client_uri",
                "redirect_uris",
                "redirect_uris",
                "jwks",
                "access_token_lifetime",
                "refresh_grace",
                "bypass_consent_for_offline_access"
            ]
        );
        assert!(problems.iter().all(|problem| !text(problem, "detail").is_empty()), "{problems:?}");
    }
}

#[tokio::test]
async fn what_a_client_may_not_change_stays() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    for members in [json!({"client_type": "first_party"}), json!({"token_endpoint_auth_method": "none"})] {
        let answer = server.admin(Method::PUT, &path(&client), Some(&metadata(&client, members.clone()))).await;
        assert_eq!(answer.problem(), (409, "conflict".to_owned(), None), "{members}");
    }
    let public = server.public_client().await;
    let members = json!({"token_endpoint_auth_method": "client_secret_basic"});
    let answer = server.admin(Method::PUT, &path(&public), Some(&metadata(&public, members))).await;
    assert_eq!(answer.problem(), (409, "conflict".to_owned(), None));
    // What grantlog sets can't be sent.
    for members in [json!({"client_id": "mine"}), json!({"state": "suspended"}), json!({"client_secret": "x"})] {
        let answer = server.admin(Method::PUT, &path(&client), Some(&metadata(&client, members.clone()))).await;
        assert_eq!((answer.problem().0, answer.problem().1), (400, "invalid_json".to_owned()), "{members}");
    }
}

#[tokio::test]
async fn an_update_replaces_the_metadata_and_holds_at_once() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let moved = metadata(&client, json!({"redirect_uris": ["https://new.example.com/cb"], "client_uri": "https://new.example.com"}));
    let updated = server.admin(Method::PUT, &path(&client), Some(&moved)).await.expect(200);
    assert_eq!(updated["redirect_uris"], json!(["https://new.example.com/cb"]));
    assert_eq!(server.admin(Method::GET, &path(&client), None).await.told(), (200, updated.clone()));
    let rejected = Authorization::of(&server, &client, "openid").start().await;
    assert_eq!((&rejected["state"], &rejected["next"]), (&json!("rejected"), &json!("show_error")));
    let client_there = merged(client.clone(), json!({"redirect_uris": ["https://new.example.com/cb"]}));
    let tokens = Authorization::of(&server, &client_there, "openid").tokens().await;
    assert!(server.is_active(text(&tokens, "access_token")).await);
    // The same again changes nothing and records nothing; what is left out goes back to its default.
    let same = server.admin(Method::PUT, &path(&client), Some(&moved)).await;
    assert_eq!((same.told(), same.header("grantlog-position")), ((200, updated), None));
    let less = metadata(&client, json!({"scope": null}));
    let less = server.admin(Method::PUT, &path(&client), Some(&less)).await.expect(200);
    assert_eq!((&less["scope"], &less["client_uri"]), (&json!(""), &Value::Null));
}

#[tokio::test]
async fn a_list_is_read_page_by_page_while_clients_come_and_go() {
    let server = TestServer::start().await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(server.machine_client(json!({})).await);
        server.advance(1);
    }
    let page = async |cursor: &Value| {
        let cursor = cursor.as_str().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        server.admin(Method::GET, &format!("{CLIENTS}?limit=2{cursor}"), None).await.expect(200)
    };
    let ids =
        |page: &Value| page["clients"].as_array().unwrap().iter().map(|client| text(client, "client_id").to_owned()).collect::<Vec<_>>();
    let first = page(&Value::Null).await;
    let mut seen = ids(&first);
    assert_eq!(seen.len(), 2);
    // The row that the cursor stands on goes, and another comes.
    server.admin(Method::DELETE, &path(&clients[1]), None).await.expect(204);
    let late = server.machine_client(json!({})).await;
    let mut cursor = first["next_cursor"].clone();
    while cursor.is_string() {
        let next = page(&cursor).await;
        seen.extend(ids(&next));
        cursor = next["next_cursor"].clone();
    }
    let expected: Vec<_> = clients.iter().chain([&late]).map(|client| text(client, "client_id").to_owned()).collect();
    assert_eq!(seen, expected);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 6);
}

#[tokio::test]
async fn a_page_that_is_asked_for_wrongly_is_refused() {
    let server = TestServer::start().await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("limit=-1", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=1", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=", "cursor"),
        ("registration=x", "registration"),
        ("registration=", "registration"),
    ] {
        let answer = server.admin(Method::GET, &format!("{CLIENTS}?{query}"), None).await;
        assert_eq!(answer.problem(), (400, "invalid_field".to_owned(), Some(field.to_owned())), "{query}");
    }
}

#[tokio::test]
async fn a_suspended_client_gets_nothing_until_it_is_resumed() {
    let server = TestServer::start().await;
    let client = server.machine_client(json!({})).await;
    let secret = text(&client, "client_secret");
    for _ in 0..2 {
        let suspended = server.admin(Method::POST, &format!("{}/suspend", path(&client)), None).await.expect(200);
        assert_eq!(suspended["state"], "suspended");
    }
    assert_eq!(token(&server, &client, secret).await.oauth_error(), (401, "invalid_client".to_owned()));
    let resumed = server.admin(Method::POST, &format!("{}/resume", path(&client)), None).await.expect(200);
    assert_eq!(resumed["state"], "active");
    assert_eq!(token(&server, &client, secret).await.status, 200);
}

#[tokio::test]
async fn a_suspended_client_sends_nobody_to_a_consent_page() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let tokens = Authorization::of(&server, &client, "openid offline_access").tokens().await;
    server.admin(Method::POST, &format!("{}/suspend", path(&client)), None).await.expect(200);
    let request = Authorization::of(&server, &client, "openid").start().await;
    assert_eq!((&request["state"], &request["next"], &request["redirect_to"]), (&json!("rejected"), &json!("show_error"), &Value::Null));
    let refreshed = server.refresh(&client, text(&tokens, "refresh_token")).await;
    assert_eq!(refreshed.oauth_error(), (401, "invalid_client".to_owned()));
}

#[tokio::test]
async fn a_deleted_client_is_gone_for_good() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let tokens = Authorization::of(&server, &client, "openid offline_access").tokens().await;
    assert_eq!(server.admin(Method::DELETE, &path(&client), None).await.told(), (204, Value::Null));
    assert!(!server.is_active(text(&tokens, "access_token")).await);
    assert_eq!(server.refresh(&client, text(&tokens, "refresh_token")).await.oauth_error(), (401, "invalid_client".to_owned()));
    assert_eq!(server.grants("ana").await, Vec::<Value>::new());
    let missing = (404, "not_found".to_owned(), None);
    assert_eq!(server.admin(Method::GET, &path(&client), None).await.problem(), missing);
    assert_eq!(server.admin(Method::PUT, &path(&client), Some(&metadata(&client, json!({})))).await.problem(), missing);
    for operation in ["suspend", "resume", "secret-rotation", "secret-rotation/complete"] {
        assert_eq!(server.admin(Method::POST, &format!("{}/{operation}", path(&client)), None).await.problem(), missing, "{operation}");
    }
    assert_eq!(server.admin(Method::GET, CLIENTS, None).await.expect(200)["clients"], json!([]));
}

#[tokio::test]
async fn an_unknown_client_is_not_found() {
    let server = TestServer::start().await;
    for id in ["client_unknown", "%00", "a%2Fb", "%C3%A4"] {
        let answer = server.admin(Method::GET, &format!("{CLIENTS}/{id}"), None).await;
        assert_eq!(answer.problem(), (404, "not_found".to_owned(), None), "{id}");
    }
    let answer = server.admin(Method::GET, &format!("{CLIENTS}/%FF"), None).await;
    assert_eq!(answer.problem(), (400, "malformed_request".to_owned(), None));
}

#[tokio::test]
async fn a_secret_is_rotated_in_three_steps_without_a_gap() {
    let server = TestServer::start().await;
    let client = server.machine_client(json!({})).await;
    let old = text(&client, "client_secret");
    let rotation = format!("{}/secret-rotation", path(&client));
    let is_underway = async || server.admin(Method::GET, &path(&client), None).await.expect(200)["secret_rotation_underway"] == true;
    assert!(!is_underway().await);
    let started = server.admin(Method::POST, &rotation, None).await;
    let next = started.expect(201);
    let new = text(&next, "client_secret");
    assert_ne!(new, old);
    assert_eq!(started.header("cache-control"), Some("no-store"));
    // Both are good; a second rotation has to wait.
    assert!(is_underway().await);
    assert_eq!(token(&server, &client, old).await.status, 200);
    assert_eq!(token(&server, &client, new).await.status, 200);
    assert_eq!(server.admin(Method::POST, &rotation, None).await.problem(), (409, "conflict".to_owned(), None));
    assert_eq!(server.admin(Method::POST, &format!("{rotation}/complete"), None).await.told(), (204, Value::Null));
    assert!(!is_underway().await);
    assert_eq!(token(&server, &client, old).await.oauth_error(), (401, "invalid_client".to_owned()));
    assert_eq!(token(&server, &client, new).await.status, 200);
    assert_eq!(server.admin(Method::POST, &format!("{rotation}/complete"), None).await.problem(), (409, "conflict".to_owned(), None));
}

#[tokio::test]
async fn a_rotation_that_is_cancelled_leaves_the_old_secret() {
    let server = TestServer::start().await;
    let client = server.machine_client(json!({})).await;
    let rotation = format!("{}/secret-rotation", path(&client));
    let next = server.admin(Method::POST, &rotation, None).await.expect(201);
    assert_eq!(server.admin(Method::DELETE, &rotation, None).await.told(), (204, Value::Null));
    assert_eq!(token(&server, &client, text(&next, "client_secret")).await.oauth_error(), (401, "invalid_client".to_owned()));
    assert_eq!(token(&server, &client, text(&client, "client_secret")).await.status, 200);
    assert_eq!(server.admin(Method::DELETE, &rotation, None).await.problem(), (409, "conflict".to_owned(), None));
}

#[tokio::test]
async fn clients_are_listed_by_the_way_they_were_registered_in() {
    let server = TestServer::start().await;
    let client = server.machine_client(json!({})).await;
    let ids = async |registration: &str| {
        let page = server.admin(Method::GET, &format!("{CLIENTS}?registration={registration}"), None).await.expect(200);
        page["clients"].as_array().unwrap().iter().map(|client| client["client_id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids("administrator").await, [client["client_id"].clone()]);
    for other in ["dynamic", "metadata_document", "imported"] {
        assert_eq!(ids(other).await, Vec::<Value>::new(), "{other}");
    }
}

#[tokio::test]
async fn an_administrator_vouches_for_what_an_administrator_registered() {
    let server = TestServer::start().await;
    let client = server.machine_client(json!({})).await;
    let verify = format!("{}/verify", path(&client));
    let verified = server.admin(Method::POST, &verify, None).await;
    assert_eq!((verified.expect(200)["verified"].clone(), verified.header("grantlog-position")), (json!(true), None));
    assert_eq!(server.admin(Method::DELETE, &verify, None).await.problem(), (409, "conflict".to_owned(), None));
    let missing = (404, "not_found".to_owned(), None);
    for method in [Method::POST, Method::DELETE] {
        assert_eq!(server.admin(method, &format!("{CLIENTS}/client_unknown/verify"), None).await.problem(), missing);
    }
}
