use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use grantlog_core::app::Context;
use grantlog_tests::{Authorization, TestServer, text};
use http::Method;
use serde_json::{Value, json};

const KEYS: &str = "/v1/signing-keys";

fn kids(keys: &Value, list: &str) -> BTreeSet<String> {
    keys[list].as_array().unwrap().iter().map(|key| text(key, "kid").to_owned()).collect()
}

#[tokio::test]
async fn the_keys_are_those_of_the_jwk_set() {
    let server = TestServer::start().await;
    let keys = server.admin(Method::GET, KEYS, None).await.expect(200);
    assert_eq!(kids(&keys, "signing_keys"), kids(&server.get("/oauth2/jwks").await.expect(200), "keys"));
    for key in keys["signing_keys"].as_array().unwrap() {
        let expected = json!({"kid": key["kid"], "algorithm": key["algorithm"], "active_from": "2026-03-03T14:00:00.000Z"});
        assert_eq!(*key, expected);
    }
}

#[tokio::test]
async fn a_rotation_says_when_which_key_signs() {
    let server = TestServer::start().await;
    let before = kids(&server.admin(Method::GET, KEYS, None).await.expect(200), "signing_keys");
    let answer = server.admin(Method::POST, "/v1/signing-keys/rotate", None).await;
    let keys = answer.expect(201);
    assert!(answer.header("grantlog-position").is_some());
    assert_eq!(keys["signing_keys"].as_array().unwrap().len(), 6);
    for key in keys["signing_keys"].as_array().unwrap() {
        let expected = if before.contains(text(key, "kid")) {
            json!({
                "kid": key["kid"], "algorithm": key["algorithm"], "active_from": "2026-03-03T14:00:00.000Z",
                "retired_at": "2026-03-03T15:00:00.000Z", "published_until": "2026-03-04T15:00:00.000Z",
            })
        } else {
            json!({"kid": key["kid"], "algorithm": key["algorithm"], "active_from": "2026-03-03T15:00:00.000Z"})
        };
        assert_eq!(*key, expected);
    }
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    for private in ["\"d\"", "\"p\"", "\"q\"", "PRIVATE"] {
        assert!(!text.contains(private), "{text}");
    }
}

#[tokio::test]
async fn a_revoked_key_is_replaced_and_what_it_signed_is_void() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let token = text(&Authorization::of(&server, &client, "openid email").tokens().await, "access_token").to_owned();
    let kid = jwt_header(&token)["kid"].as_str().unwrap().to_owned();
    let path = format!("{KEYS}/{kid}/revoke");
    server.admin(Method::POST, &path, None).await.expect(204);
    assert!(!server.is_active(&token).await);
    let keys = server.get("/oauth2/jwks").await.expect(200);
    assert!(!kids(&keys, "keys").contains(&kid));
    let algorithms: Vec<_> = keys["keys"].as_array().unwrap().iter().map(|key| text(key, "alg")).collect();
    assert_eq!(algorithms.len(), 3, "{algorithms:?}");
    let token = Authorization::of(&server, &client, "openid email").tokens().await;
    assert!(server.is_active(text(&token, "access_token")).await);
    server.admin(Method::POST, &path, None).await.expect(204);
    server.admin(Method::POST, &format!("{KEYS}/nobodys/revoke"), None).await.expect_problem(404, "not_found");
}

fn jwt_header(jwt: &str) -> Value {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(jwt.split('.').next().unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn keys_that_are_old_enough_are_rotated_by_schedule() {
    let server = TestServer::start().await;
    let authority = &server.app.authority;
    let interval = authority.settings.key_rotation_interval.0;
    server.advance(interval - 1);
    assert!(authority.rotate_aged_signing_keys(&Context::system()).await.unwrap().is_empty());
    server.advance(1);
    assert_eq!(authority.rotate_aged_signing_keys(&Context::system()).await.unwrap().len(), 3);
    // The next ones are published and young: nothing more to do.
    assert!(authority.rotate_aged_signing_keys(&Context::system()).await.unwrap().is_empty());
    assert_eq!(server.get("/oauth2/jwks").await.expect(200)["keys"].as_array().unwrap().len(), 6);
}
