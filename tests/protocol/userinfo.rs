use grantlog_tests::{Answer, Authorization, TestServer, text};
use http::Method;
use serde_json::{Value, json};

const PATH: &str = "/oauth2/userinfo";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn access_token(server: &TestServer, scope: &str) -> String {
    let client = server.confidential_client().await;
    let tokens = Authorization::of(server, &client, scope).tokens().await;
    text(&tokens, "access_token").to_owned()
}

async fn get(server: &TestServer, token: &str) -> Answer {
    server.request(Method::GET, PATH, &[("authorization", &format!("Bearer {token}"))], "").await
}

/// Status and challenge.
fn challenge(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.header("www-authenticate").unwrap_or_else(|| panic!("no challenge: {answer:?}")))
}

#[tokio::test]
async fn oidc_core_5_3_1_the_token_comes_by_get_by_post_or_in_the_form() {
    let server = TestServer::start().await;
    let token = access_token(&server, "openid email").await;
    let bearer = format!("Bearer {token}");
    let ana = json!({"sub": "ana", "email": "ana@example.com", "email_verified": true});
    assert_eq!(get(&server, &token).await.told(), (200, ana.clone()));
    let lower = server.request(Method::GET, PATH, &[("authorization", &format!("bearer {token}"))], "").await;
    assert_eq!(lower.told(), (200, ana.clone()));
    let post = server.request(Method::POST, PATH, &[("authorization", &bearer)], "").await;
    assert_eq!(post.told(), (200, ana.clone()));
    let form = server.request(Method::POST, PATH, &[FORM], format!("access_token={token}")).await;
    assert_eq!(form.told(), (200, ana));
    assert_eq!(form.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn oidc_core_5_4_scopes_decide_which_claims_there_are() {
    let server = TestServer::start().await;
    for (scope, expected) in [
        ("openid", json!({"sub": "ana"})),
        ("openid notes.read", json!({"sub": "ana"})),
        ("openid profile", json!({"sub": "ana", "name": "Ana Silva"})),
        ("openid email", json!({"sub": "ana", "email": "ana@example.com", "email_verified": true})),
        ("openid email profile", json!({"sub": "ana", "name": "Ana Silva", "email": "ana@example.com", "email_verified": true})),
    ] {
        assert_eq!(get(&server, &access_token(&server, scope).await).await.told(), (200, expected), "{scope}");
    }
}

#[tokio::test]
async fn opaque_tokens_and_refreshed_ones_show_the_same_claims() {
    let server = TestServer::start().await;
    let client = server.client_with(json!({"access_token_format": "opaque"})).await;
    let tokens = Authorization::of(&server, &client, "openid profile offline_access").tokens().await;
    let ana = json!({"sub": "ana", "name": "Ana Silva"});
    assert_eq!(get(&server, text(&tokens, "access_token")).await.told(), (200, ana.clone()));
    let refreshed = server.refresh(&client, text(&tokens, "refresh_token")).await.expect(200);
    assert_eq!(get(&server, text(&refreshed, "access_token")).await.told(), (200, ana));
}

#[tokio::test]
async fn rfc6750_2_a_token_is_sent_in_one_way() {
    let server = TestServer::start().await;
    let token = access_token(&server, "openid").await;
    let bearer = format!("Bearer {token}");
    let both = server.request(Method::POST, PATH, &[FORM, ("authorization", &bearer)], format!("access_token={token}")).await;
    let text = "Bearer realm=\"grantlog\", error=\"invalid_request\", error_description=\"The access token was sent twice.\"";
    assert_eq!(challenge(&both), (400, text));
    let twice = server.request(Method::POST, PATH, &[FORM], format!("access_token={token}&access_token={token}")).await;
    assert_eq!((twice.status.as_u16(), &twice.json()["error"]), (400, &json!("invalid_request")));
    let two_headers = server.request(Method::GET, PATH, &[("authorization", &bearer), ("authorization", &bearer)], "").await;
    assert_eq!((two_headers.status.as_u16(), &two_headers.json()["error"]), (400, &json!("invalid_request")));
}

#[tokio::test]
async fn rfc6750_2_3_a_token_in_the_query_or_in_a_body_of_another_type_is_none() {
    let server = TestServer::start().await;
    let token = access_token(&server, "openid").await;
    let query = server.get(&format!("{PATH}?access_token={token}")).await;
    assert_eq!(challenge(&query), (401, "Bearer realm=\"grantlog\""));
    let json =
        server.request(Method::POST, PATH, &[("content-type", "application/json")], json!({"access_token": token}).to_string()).await;
    assert_eq!(challenge(&json), (401, "Bearer realm=\"grantlog\""));
    let get = server.request(Method::GET, PATH, &[FORM], format!("access_token={token}")).await;
    assert_eq!(challenge(&get), (401, "Bearer realm=\"grantlog\""));
}

#[tokio::test]
async fn rfc6750_3_1_without_a_token_there_is_no_error_code() {
    let server = TestServer::start().await;
    let answer = server.get(PATH).await;
    assert_eq!((challenge(&answer), answer.body.len()), ((401, "Bearer realm=\"grantlog\""), 0));
    let answer = server.request(Method::POST, PATH, &[FORM], "access_token=").await;
    assert_eq!(challenge(&answer), (401, "Bearer realm=\"grantlog\""));
}

#[tokio::test]
async fn rfc6750_3_1_a_token_that_is_not_active_is_invalid_token() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let tokens = Authorization::of(&server, &client, "openid offline_access").tokens().await;
    let access = text(&tokens, "access_token");
    let invalid =
        "Bearer realm=\"grantlog\", error=\"invalid_token\", error_description=\"The access token is unknown, expired or revoked.\"";
    for wrong in ["x", text(&tokens, "refresh_token"), text(&tokens, "id_token"), &access[..access.len() - 3], &server.keys["admin"]] {
        let answer = get(&server, wrong).await;
        assert_eq!(challenge(&answer), (401, invalid), "{wrong}");
        let body = json!({"error": "invalid_token", "error_description": "The access token is unknown, expired or revoked."});
        assert_eq!(answer.json(), body);
    }
    assert_eq!(get(&server, access).await.status, 200);
    assert_eq!(server.revoke(&client, access).await.told(), (200, Value::Null));
    assert_eq!(challenge(&get(&server, access).await), (401, invalid));
    let expired = access_token(&server, "openid").await;
    server.advance(600);
    assert_eq!(challenge(&get(&server, &expired).await), (401, invalid));
}

#[tokio::test]
async fn rfc6750_3_1_another_scheme_is_a_malformed_request() {
    let server = TestServer::start().await;
    for header in ["Basic YTpi", "Bearer", "Bearer a b", "token x"] {
        let answer = server.request(Method::GET, PATH, &[("authorization", header)], "").await;
        let text =
            "Bearer realm=\"grantlog\", error=\"invalid_request\", error_description=\"The Authorization header holds no bearer token.\"";
        assert_eq!(challenge(&answer), (400, text), "{header}");
    }
}

#[tokio::test]
async fn oidc_core_5_3_a_token_without_openid_is_insufficient() {
    let server = TestServer::start().await;
    let person = access_token(&server, "notes.read email").await;
    let machine = server.machine_token(&server.machine_client(json!({})).await).await;
    for token in [person, machine] {
        let text = "Bearer realm=\"grantlog\", error=\"insufficient_scope\", error_description=\"The token was not granted openid.\", scope=\"openid\"";
        assert_eq!(challenge(&get(&server, &token).await), (403, text));
    }
}

#[tokio::test]
async fn scripts_of_every_origin_may_call_userinfo_without_cookies() {
    let server = TestServer::start().await;
    let headers = [("origin", "https://spa.example.com"), ("access-control-request-method", "GET")];
    let preflight = server.request(Method::OPTIONS, PATH, &headers, "").await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
    assert_eq!(preflight.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS, POST"));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("authorization, content-type"));
    assert_eq!(preflight.header("access-control-allow-credentials"), None);
    let refused = server.get(PATH).await;
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
    assert!(refused.header("access-control-expose-headers").unwrap().contains("www-authenticate"));
}
