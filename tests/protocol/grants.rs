use grantlog_tests::{Authorization, TestServer, text};
use http::Method;
use serde_json::{Value, json};

fn subject(server: &TestServer, id: &str, organization_id: Option<&str>) -> Value {
    json!({"id": id, "auth_time": server.now().as_seconds(), "organization_id": organization_id})
}

async fn revoke(server: &TestServer, subject: &str, grant: &Value) -> grantlog_tests::Answer {
    server.call("consent", Method::DELETE, &format!("/v1/subjects/{subject}/grants/{}", text(grant, "id")), None).await
}

#[tokio::test]
async fn a_grant_is_listed_with_its_client() {
    let server = TestServer::start().await;
    let client = server.client_with(json!({"client_uri": "https://weather.example.com"})).await;
    Authorization::of(&server, &client, "openid email offline_access").tokens().await;
    let grants = server.grants("ana").await;
    let expected = json!({
        "id": grants[0]["id"],
        "client": {
            "client_id": client["client_id"], "redirect_host": "weather.example.com", "client_name": "Weather by Mail",
            "client_uri": "https://weather.example.com", "logo_uri": null, "suspended": false,
        },
        "scope": "email offline_access openid", "consented_at": "2026-03-03T14:00:00.000Z", "families": 1,
    });
    assert_eq!(grants, [expected]);
    server.advance(60);
    Authorization::of(&server, &client, "openid profile offline_access").tokens().await;
    let grants = server.grants("ana").await;
    assert_eq!((grants.len(), &grants[0]["families"]), (1, &json!(2)));
    assert_eq!(grants[0]["scope"], "email offline_access openid profile");
}

#[tokio::test]
async fn clients_and_organizations_have_grants_of_their_own() {
    let server = TestServer::start().await;
    let (one, other) = (server.confidential_client().await, server.public_client().await);
    for organization in [None, Some("acme"), Some("umbrella")] {
        Authorization::of(&server, &one, "openid").subject(subject(&server, "ana", organization)).tokens().await;
    }
    Authorization::of(&server, &other, "openid").tokens().await;
    Authorization::of(&server, &one, "openid").subject(subject(&server, "bob", None)).tokens().await;
    let grants = server.grants("ana").await;
    let organizations: Vec<_> = grants.iter().map(|grant| &grant["organization_id"]).collect();
    assert_eq!(organizations, [&Value::Null, &json!("acme"), &json!("umbrella"), &Value::Null]);
    assert_eq!(server.grants("bob").await.len(), 1);
    assert_eq!(server.grants("carol").await, Vec::<Value>::new());
}

#[tokio::test]
async fn everything_under_a_revoked_grant_is_dead_when_the_call_returns() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let request = Authorization::of(&server, &client, "openid offline_access");
    let first = request.tokens().await;
    let second = request.tokens().await;
    let refreshed = server.refresh(&client, text(&second, "refresh_token")).await.expect(200);
    let code = request.code().await;
    let grant = server.grants("ana").await.remove(0);
    let answer = revoke(&server, "ana", &grant).await;
    assert_eq!(answer.told(), (204, Value::Null));
    assert!(answer.header("grantlog-position").is_some());
    for tokens in [&first, &second, &refreshed] {
        assert!(!server.is_active(text(tokens, "access_token")).await);
        let refused = server.refresh(&client, text(tokens, "refresh_token")).await;
        assert_eq!(refused.oauth_error(), (400, "invalid_grant".to_owned()));
    }
    assert_eq!(request.redeem(&code).await.oauth_error(), (400, "invalid_grant".to_owned()));
    assert_eq!(server.grants("ana").await, Vec::<Value>::new());
    // Once more is no error, and records nothing.
    let again = revoke(&server, "ana", &grant).await;
    assert_eq!((again.told(), again.header("grantlog-position")), ((204, Value::Null), None));
}

#[tokio::test]
async fn a_grant_of_somebody_else_is_not_found() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let tokens = Authorization::of(&server, &client, "openid").tokens().await;
    Authorization::of(&server, &client, "openid").subject(subject(&server, "bob", None)).tokens().await;
    let grant = server.grants("ana").await.remove(0);
    for other in ["bob", "carol"] {
        assert_eq!(revoke(&server, other, &grant).await.problem(), (404, "not_found".to_owned(), None), "{other}");
    }
    assert!(server.is_active(text(&tokens, "access_token")).await);
    let unknown = json!({"id": "01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10"});
    assert_eq!(revoke(&server, "ana", &unknown).await.problem(), (404, "not_found".to_owned(), None));
    assert_eq!(revoke(&server, "ana", &json!({"id": "x"})).await.problem(), (404, "not_found".to_owned(), Some("grant_id".to_owned())));
}

#[tokio::test]
async fn ids_of_people_may_hold_anything() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    for (id, encoded) in [
        ("ana/silva@example.com", "ana%2Fsilva%40example.com"),
        ("a b+c", "a%20b+c"),
        ("\u{e4}%2F?#", "%C3%A4%252F%3F%23"),
        ("..", "%2E%2E"),
    ] {
        let tokens = Authorization::of(&server, &client, "openid").subject(subject(&server, id, None)).tokens().await;
        let grants = server.grants(encoded).await;
        assert_eq!(grants.len(), 1, "{id}");
        assert_eq!(revoke(&server, encoded, &grants[0]).await.told(), (204, Value::Null), "{id}");
        assert!(!server.is_active(text(&tokens, "access_token")).await, "{id}");
    }
}

#[tokio::test]
async fn a_new_consent_after_a_revocation_opens_another_grant() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let request = Authorization::of(&server, &client, "openid email offline_access");
    let dead = request.tokens().await;
    let old = server.grants("ana").await.remove(0);
    assert_eq!(revoke(&server, "ana", &old).await.told(), (204, Value::Null));
    let asked = Authorization::of(&server, &client, "openid").start().await;
    assert_eq!((&asked["next"], &asked["consent_reason"]), (&json!("consent"), &json!("revoked")));
    let tokens = Authorization::of(&server, &client, "openid").tokens().await;
    let grants = server.grants("ana").await;
    assert_eq!((grants.len(), &grants[0]["scope"]), (1, &json!("openid")));
    assert_ne!(grants[0]["id"], old["id"]);
    assert!(server.is_active(text(&tokens, "access_token")).await);
    assert!(!server.is_active(text(&dead, "access_token")).await);
}
