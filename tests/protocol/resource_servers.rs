use grantlog_tests::{TestServer, merged, text};
use http::Method;
use serde_json::{Value, json};

const PATH: &str = "/v1/resource-servers";
const NOTES: &str = "https://notes.example.com/";

fn item(server: &Value) -> String {
    format!("{PATH}/{}", text(server, "id"))
}

/// What is told of it after its registration.
fn told(server: &Value) -> Value {
    merged(server.clone(), json!({"credentials": null}))
}

#[tokio::test]
async fn one_is_registered_with_its_credentials_and_read_without_them() {
    let server = TestServer::start().await;
    let body = json!({
        "identifier": NOTES, "name": "Sundial Notes", "access_token_format": "opaque", "access_token_lifetime": 300,
        "access_token_signing_alg": "ES256", "scopes": "notes.write notes.read", "default_scope": "notes.read openid",
        "access_token_claims": {"roles": "{{ subject.roles }}"}, "documentation": "https://notes.example.com/docs",
    });
    let answer = server.admin(Method::POST, PATH, Some(&body)).await;
    let made = answer.expect(201);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("grantlog-position").is_some());
    let credentials = &made["credentials"];
    assert!(text(credentials, "api_key").starts_with("glk_"));
    // The first 32 hexadecimal digits of SHA-256("https://notes.example.com/").
    assert_eq!(text(&made, "id"), "618cb2ffaad766bf857be829c32d4d7b");
    let expected = merged(
        body,
        json!({
            "id": made["id"], "scopes": "notes.read notes.write", "registered_at": "2026-03-03T14:00:00.000Z",
            "metadata_uri": format!("https://auth.example.com/resource-servers/{}/oauth-protected-resource", text(&made, "id")),
        }),
    );
    assert_eq!(told(&made), expected);
    assert_eq!(server.admin(Method::GET, &item(&made), None).await.told(), (200, expected));
    let keys = server.admin(Method::GET, "/v1/api-keys", None).await.expect(200);
    let key = keys["api_keys"].as_array().unwrap().iter().find(|key| key["id"] == credentials["api_key_id"]).unwrap().clone();
    assert_eq!((text(&key, "role"), text(&key, "audience"), text(&key, "name")), ("resource_server", NOTES, "Sundial Notes"));
}

#[tokio::test]
async fn an_identifier_is_registered_once_until_it_is_deleted() {
    let server = TestServer::start().await;
    let made = server.resource_server(json!({})).await;
    let body = json!({"identifier": NOTES, "name": "Other"});
    assert_eq!(server.admin(Method::POST, PATH, Some(&body)).await.problem(), (409, "conflict".to_owned(), None));
    // Another letter is another resource server (RFC 8707 §2).
    server.resource_server(json!({"identifier": "https://notes.example.com"})).await;
    assert_eq!(server.admin(Method::DELETE, &item(&made), None).await.told(), (204, Value::Null));
    assert_eq!(server.admin(Method::DELETE, &item(&made), None).await.told(), (204, Value::Null), "once more is no error");
    assert_eq!(server.admin(Method::GET, &item(&made), None).await.problem().0, 404);
    let again = server.admin(Method::POST, PATH, Some(&body)).await.expect(201);
    assert_eq!((&again["id"], text(&again, "name")), (&made["id"], "Other"));
}

#[tokio::test]
async fn every_mistake_is_listed() {
    let server = TestServer::start().await;
    let made = server.resource_server(json!({})).await;
    let body = json!({"identifier": "notes#x", "scopes": "openid", "access_token_claims": {"sub": "{{ subject.id }}", "x": "{{ env }}"}});
    for (method, path) in [(Method::POST, PATH.to_owned()), (Method::PUT, item(&made))] {
        let problem = server.admin(method, &path, Some(&body)).await.expect_problem(422, "invalid_metadata");
        let fields: Vec<_> = problem["problems"].as_array().unwrap().iter().map(|problem| text(problem, "field")).collect();
        assert_eq!(fields, ["identifier", "name", "scopes", "access_token_claims", "access_token_claims"]);
        assert_eq!(problem["field"], "identifier");
    }
    let unknown = json!({"identifier": NOTES, "name": "x", "scope": "a"});
    assert_eq!(
        server.admin(Method::POST, PATH, Some(&unknown)).await.problem(),
        (400, "invalid_json".to_owned(), Some("scope".to_owned()))
    );
    let algorithm = json!({"identifier": NOTES, "name": "x", "access_token_signing_alg": "HS256"});
    assert_eq!(server.admin(Method::POST, PATH, Some(&algorithm)).await.problem().0, 400);
}

#[tokio::test]
async fn an_update_replaces_all_but_the_identifier() {
    let server = TestServer::start().await;
    let made = server.resource_server(json!({})).await;
    let body = json!({"identifier": NOTES, "name": "Notes 2"});
    let updated = server.admin(Method::PUT, &item(&made), Some(&body)).await.expect(200);
    assert_eq!((text(&updated, "name"), updated.get("scopes")), ("Notes 2", None));
    let moved = json!({"identifier": "https://other.example.com/", "name": "Notes 2"});
    assert_eq!(server.admin(Method::PUT, &item(&made), Some(&moved)).await.problem(), (409, "conflict".to_owned(), None));
    for id in ["0123456789abcdef0123456789abcdef", "0123456789ABCDEF0123456789ABCDEF", "x"] {
        let path = format!("{PATH}/{id}");
        assert_eq!(server.admin(Method::PUT, &path, Some(&body)).await.problem().0, 404, "{id}");
        assert_eq!(server.admin(Method::GET, &path, None).await.problem().0, 404, "{id}");
        assert_eq!(server.admin(Method::DELETE, &path, None).await.problem().0, 404, "{id}");
        assert_eq!(server.admin(Method::POST, &format!("{path}/credentials"), None).await.problem().0, 404, "{id}");
    }
}

#[tokio::test]
async fn they_are_listed_page_by_page_in_the_order_of_registration() {
    let server = TestServer::start().await;
    for name in ["c", "a", "b"] {
        server.resource_server(json!({"identifier": format!("urn:{name}"), "name": name})).await;
    }
    let names = |page: &Value| {
        page["resource_servers"].as_array().unwrap().iter().map(|server| text(server, "name").to_owned()).collect::<Vec<_>>()
    };
    let first = server.call("auditor", Method::GET, &format!("{PATH}?limit=2"), None).await.expect(200);
    assert_eq!(names(&first), ["c", "a"]);
    assert!(!first.to_string().contains("glk_"));
    let second = server.admin(Method::GET, &format!("{PATH}?limit=2&cursor={}", text(&first, "next_cursor")), None).await.expect(200);
    assert_eq!((names(&second), &second["next_cursor"]), (vec!["b".to_owned()], &Value::Null));
    assert_eq!(server.admin(Method::GET, &format!("{PATH}?cursor=x"), None).await.problem().2.as_deref(), Some("cursor"));
}

#[tokio::test]
async fn credentials_are_rotated_without_a_gap() {
    let server = TestServer::start().await;
    let notes = server.resource_server(json!({})).await;
    let client = server.machine_client(json!({})).await;
    let fields = [("grant_type", "client_credentials"), ("resource", NOTES)];
    let tokens = server.as_client(&client, "/oauth2/token", &fields).await.expect(200);
    let token = text(&tokens, "access_token");
    let made = server.admin(Method::POST, &format!("{}/credentials", item(&notes)), None).await.expect(201);
    let (old, new) = (&notes["credentials"], &made);
    let bearer = |credentials: &Value| format!("Bearer {}", text(credentials, "api_key"));
    for credentials in [old, new] {
        assert_eq!(server.introspect_as(&bearer(credentials), token).await.expect(200)["active"], true);
    }
    server.admin(Method::DELETE, &format!("/v1/api-keys/{}", text(old, "api_key_id")), None).await.expect(204);
    assert_eq!(server.introspect_as(&bearer(old), token).await.oauth_error().0, 401);
    assert_eq!(server.introspect_as(&bearer(new), token).await.expect(200)["active"], true);
}

#[tokio::test]
async fn rfc9728_2_its_metadata_is_public_and_generated() {
    let server = TestServer::start().await;
    let notes =
        server.resource_server(json!({"documentation": "https://notes.example.com/docs", "access_token_signing_alg": "ES256"})).await;
    let path = text(&notes, "metadata_uri").strip_prefix(server.issuer()).unwrap();
    let answer = server.request(Method::GET, path, &[("origin", "https://app.example.com")], "").await;
    let expected = json!({
        "resource": NOTES, "authorization_servers": ["https://auth.example.com"], "scopes_supported": ["notes.read", "notes.write"],
        "bearer_methods_supported": ["header"], "resource_name": "Sundial Notes",
        "resource_documentation": "https://notes.example.com/docs", "access_token_signing_alg_values_supported": ["ES256"],
    });
    assert_eq!(answer.told(), (200, expected));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let opaque = server.resource_server(json!({"identifier": "urn:files", "scopes": null, "access_token_format": "opaque"})).await;
    let path = text(&opaque, "metadata_uri").strip_prefix(server.issuer()).unwrap();
    let expected = json!({
        "resource": "urn:files", "authorization_servers": ["https://auth.example.com"], "bearer_methods_supported": ["header"],
        "resource_name": "Sundial Notes",
    });
    assert_eq!(server.get(path).await.told(), (200, expected));
    server.admin(Method::DELETE, &item(&opaque), None).await.expect(204);
    assert_eq!(server.get(path).await.problem().0, 404);
}

#[tokio::test]
async fn rfc9728_4_the_server_names_its_protected_resources() {
    let server = TestServer::start().await;
    let named = async || {
        let metadata = server.get("/.well-known/oauth-authorization-server").await.expect(200);
        metadata.get("protected_resources").cloned()
    };
    assert_eq!(named().await, None);
    let notes = server.resource_server(json!({})).await;
    server.resource_server(json!({"identifier": "urn:files"})).await;
    assert_eq!(named().await, Some(json!([NOTES, "urn:files"])));
    server.admin(Method::DELETE, &item(&notes), None).await.expect(204);
    assert_eq!(named().await, Some(json!(["urn:files"])));
}
