use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use grantlog_tests::{Authorization, TestServer, text};
use http::Method;
use serde_json::{Value, json};

const LEAD: u32 = 3_600;
/// The longest that any token may live.
const DAY: u32 = 86_400;

async fn keys(server: &TestServer) -> Vec<Value> {
    server.get("/oauth2/jwks").await.expect(200)["keys"].as_array().unwrap().clone()
}

fn kids(keys: &[Value]) -> BTreeSet<&str> {
    keys.iter().map(|key| text(key, "kid")).collect()
}

/// The name of the key that a JWT is signed with.
fn kid(jwt: &str) -> String {
    let header = BASE64_URL_SAFE_NO_PAD.decode(jwt.split('.').next().unwrap()).unwrap();
    text(&serde_json::from_slice(&header).unwrap(), "kid").to_owned()
}

async fn rotate(server: &TestServer) -> Value {
    server.admin(Method::POST, "/v1/signing-keys/rotate", None).await.expect(201)
}

#[tokio::test]
async fn rfc7517_5_the_set_has_public_keys_for_every_algorithm_and_nothing_else() {
    let server = TestServer::start().await;
    let keys = keys(&server).await;
    assert_eq!(keys.len(), 3);
    assert_eq!(kids(&keys).len(), 3);
    let mut members: Vec<(&str, Vec<&str>)> =
        keys.iter().map(|key| (text(key, "alg"), key.as_object().unwrap().keys().map(String::as_str).collect())).collect();
    for (_, names) in &mut members {
        names.sort_unstable();
    }
    members.sort_unstable();
    assert_eq!(
        members,
        [
            ("ES256", vec!["alg", "crv", "kid", "kty", "use", "x", "y"]),
            ("EdDSA", vec!["alg", "crv", "kid", "kty", "use", "x"]),
            ("RS256", vec!["alg", "e", "kid", "kty", "n", "use"]),
        ]
    );
    assert!(keys.iter().all(|key| key["use"] == "sig"));
}

#[tokio::test]
async fn clients_may_keep_the_set_for_less_than_the_publication_lead() {
    let server = TestServer::start().await;
    let answer = server.get("/oauth2/jwks").await;
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn a_new_key_is_published_before_it_signs() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let before = keys(&server).await;
    rotate(&server).await;
    let after = keys(&server).await;
    assert_eq!(after.len(), 6);
    assert!(kids(&after).is_superset(&kids(&before)));
    let sign = async || {
        let tokens = Authorization::of(&server, &client, "openid").tokens().await;
        (kid(text(&tokens, "access_token")), kid(text(&tokens, "id_token")))
    };
    server.advance(LEAD - 1);
    let (access, id) = sign().await;
    assert!(kids(&before).contains(access.as_str()) && kids(&before).contains(id.as_str()));
    server.advance(1);
    let (access, id) = sign().await;
    assert!(!kids(&before).contains(access.as_str()) && !kids(&before).contains(id.as_str()));
    assert!(kids(&after).contains(access.as_str()) && kids(&after).contains(id.as_str()));
}

#[tokio::test]
async fn an_old_key_stays_until_the_last_token_that_it_signed_has_expired() {
    let server = TestServer::start().await;
    let client = server.client_with(json!({"access_token_lifetime": DAY})).await;
    let before = keys(&server).await;
    rotate(&server).await;
    server.advance(LEAD - 1);
    let tokens = Authorization::of(&server, &client, "openid").tokens().await;
    let last = text(&tokens, "access_token");
    assert!(kids(&before).contains(kid(last).as_str()));
    server.advance(DAY - 1);
    assert!(server.is_active(last).await);
    assert!(kids(&keys(&server).await).is_superset(&kids(&before)));
    server.advance(1);
    assert!(!server.is_active(last).await);
    server.advance(1);
    let after = keys(&server).await;
    assert!(kids(&after).is_disjoint(&kids(&before)), "{after:?}");
    assert_eq!(after.len(), 3);
}

#[tokio::test]
async fn keys_that_are_rotated_again_before_they_signed_take_over_in_turn() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let sign = async || kid(text(&Authorization::of(&server, &client, "notes.read").tokens().await, "access_token"));
    let first = sign().await;
    rotate(&server).await;
    server.advance(LEAD / 2);
    rotate(&server).await;
    assert_eq!(sign().await, first);
    server.advance(LEAD / 2);
    let second = sign().await;
    server.advance(LEAD / 2);
    let third = sign().await;
    assert_eq!(BTreeSet::from([first, second, third]).len(), 3);
}
