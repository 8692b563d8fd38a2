use grantlog_tests::{TestServer, merged, text};
use http::Method;
use serde_json::{Value, json};

const KEYS: &str = "/v1/api-keys";

#[tokio::test]
async fn a_key_is_shown_once_listed_without_its_secret_and_dead_when_revoked() {
    let server = TestServer::start().await;
    let body = json!({"name": "consent pages", "role": "consent"});
    let created = server.admin(Method::POST, KEYS, Some(&body)).await;
    let key = created.expect(201);
    assert_eq!(created.header("cache-control"), Some("no-store"));
    assert!(text(&key, "api_key").starts_with("glk_"));
    let listed = json!({"id": key["id"], "name": "consent pages", "role": "consent", "created_at": "2026-03-03T14:00:00.000Z"});
    assert_eq!(key, merged(listed.clone(), json!({"api_key": text(&key, "api_key")})));
    let list = server.admin(Method::GET, KEYS, None).await;
    assert_eq!(list.expect(200)["api_keys"].as_array().unwrap().last(), Some(&listed));
    assert!(!String::from_utf8_lossy(&list.body).contains("glk_"));
    let bearer = format!("Bearer {}", text(&key, "api_key"));
    let grants = async || server.request(Method::GET, "/v1/subjects/ana/grants", &[("authorization", &bearer)], "").await;
    assert_eq!(grants().await.told(), (200, json!({"grants": []})));
    let path = format!("{KEYS}/{}", text(&key, "id"));
    assert_eq!(server.admin(Method::DELETE, &path, None).await.told(), (204, Value::Null));
    assert_eq!(grants().await.problem(), (401, "unauthenticated".to_owned(), None));
    assert!(!server.admin(Method::GET, KEYS, None).await.expect(200)["api_keys"].as_array().unwrap().contains(&listed));
    // Once more is no error.
    assert_eq!(server.admin(Method::DELETE, &path, None).await.told(), (204, Value::Null));
}

#[tokio::test]
async fn keys_are_listed_in_the_order_of_their_creation() {
    let server = TestServer::start().await;
    server.advance(1);
    for name in ["b", "a", "c"] {
        server.admin(Method::POST, KEYS, Some(&json!({"name": name, "role": "auditor"}))).await.expect(201);
        server.advance(1);
    }
    let list = server.admin(Method::GET, KEYS, None).await.expect(200);
    let names: Vec<_> = list["api_keys"].as_array().unwrap().iter().map(|key| text(key, "name")).collect();
    assert_eq!(names[4..], ["b", "a", "c"]);
}

#[tokio::test]
async fn a_key_that_is_described_wrongly_is_refused() {
    let server = TestServer::start().await;
    for (body, code, field) in [
        (json!({"name": "", "role": "admin"}), "invalid_field", Some("name")),
        (json!({"name": "x".repeat(101), "role": "admin"}), "invalid_field", Some("name")),
        (json!({"name": "a\nb", "role": "admin"}), "invalid_field", Some("name")),
        (json!({"name": "x", "role": "admin", "audience": "https://api.example.com"}), "invalid_field", Some("audience")),
        (json!({"name": "x", "role": "resource_server", "audience": ""}), "invalid_field", Some("audience")),
        (json!({"name": "x", "role": "root"}), "invalid_json", Some("role")),
        (json!({"name": "x"}), "invalid_json", None),
    ] {
        let answer = server.admin(Method::POST, KEYS, Some(&body)).await;
        assert_eq!(answer.problem(), (400, code.to_owned(), field.map(str::to_owned)), "{body}");
    }
}

#[tokio::test]
async fn an_unknown_key_is_not_found() {
    let server = TestServer::start().await;
    let answer = server.admin(Method::DELETE, &format!("{KEYS}/01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10"), None).await;
    assert_eq!(answer.problem(), (404, "not_found".to_owned(), None));
    let answer = server.admin(Method::DELETE, &format!("{KEYS}/x"), None).await;
    assert_eq!(answer.problem(), (404, "not_found".to_owned(), Some("id".to_owned())));
}
