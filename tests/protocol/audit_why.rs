//! Why a token was issued.

use grantlog_tests::{Authorization, TestServer, claims, text};
use http::Method;
use serde_json::{Value, json};

async fn why(server: &TestServer, jti: &str) -> Value {
    server.call("auditor", Method::GET, &format!("/v1/audit/tokens/{jti}/why"), None).await.expect(200)
}

fn facts(reasons: &Value) -> Vec<&str> {
    reasons["reasons"].as_array().unwrap().iter().map(|reason| reason["type"].as_str().unwrap()).collect()
}

fn jti(tokens: &Value) -> String {
    text(&claims(text(tokens, "access_token")), "jti").to_owned()
}

#[tokio::test]
async fn the_chain_of_facts_leads_from_the_registration_to_the_token() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let tokens = Authorization::of(&server, &client, "openid email").tokens().await;
    let reasons = why(&server, &jti(&tokens)).await;
    assert_eq!(
        facts(&reasons),
        [
            "signing_key.generated",
            "client.registered",
            "authorization.requested",
            "authorization.subject_attested",
            "authorization.approved",
            "grant.opened",
            "grant.consented",
            "grant.code_issued",
            "authorization.completed",
            "grant.code_redeemed",
            "grant.access_token_issued",
        ]
    );
    assert_eq!((&reasons["subject"], &reasons["scope"]), (&json!("ana"), &json!("email openid")));
    assert_eq!(reasons["client_id"], client["client_id"]);
    let registered =
        server.call("auditor", Method::GET, &format!("/v1/audit/clients/{}", text(&client, "client_id")), None).await.expect(200);
    assert_eq!(reasons["client_metadata_sha256"], registered["metadata_sha256"]);
    // The key that it names is the one in the token's header.
    let header = text(&tokens, "access_token").split('.').next().unwrap().to_owned();
    let header: Value = serde_json::from_slice(&base64_url(&header)).unwrap();
    assert_eq!(reasons["signing_key"], header["kid"]);
}

fn base64_url(text: &str) -> Vec<u8> {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

#[tokio::test]
async fn a_refreshed_token_has_the_refresh_and_what_ended_it() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let first = Authorization::of(&server, &client, "openid offline_access").tokens().await;
    // Another family, in between: it is none of this token's business.
    Authorization::of(&server, &client, "openid offline_access").tokens().await;
    server.advance(60);
    let second = server.refresh(&client, text(&first, "refresh_token")).await.expect(200);
    server.revoke(&client, text(&second, "refresh_token")).await.expect(200);
    let reasons = why(&server, &jti(&second)).await;
    let facts = facts(&reasons);
    assert_eq!(facts[facts.len() - 3..], ["grant.refresh_token_rotated", "grant.access_token_issued", "grant.family_ended"]);
    assert_eq!(facts.iter().filter(|fact| **fact == "grant.code_redeemed").count(), 1);
    assert_eq!(facts.iter().filter(|fact| **fact == "authorization.requested").count(), 1);
    assert_eq!(text(&reasons, "issued_at"), "2026-03-03T14:01:00.000Z");
}

#[tokio::test]
async fn the_key_is_of_the_algorithm_that_the_resource_server_wants() {
    let server = TestServer::start().await;
    let notes = server.resource_server(json!({"access_token_signing_alg": "RS256"})).await;
    let client = server.client_with(json!({"scope": "openid notes.read"})).await;
    let tokens = Authorization::of(&server, &client, "openid notes.read").also("resource", text(&notes, "identifier")).tokens().await;
    let reasons = why(&server, &jti(&tokens)).await;
    let header = text(&tokens, "access_token").split('.').next().unwrap().to_owned();
    let header: Value = serde_json::from_slice(&base64_url(&header)).unwrap();
    assert_eq!((&header["alg"], &reasons["signing_key"]), (&json!("RS256"), &header["kid"]));
    assert!(facts(&reasons).contains(&"resource_server.registered"), "{reasons}");
}

#[tokio::test]
async fn who_was_not_asked_again_has_the_consent_that_was_enough() {
    let server = TestServer::start().await;
    let client = server.client_with(json!({"client_type": "third_party", "scope": "openid email"})).await;
    Authorization::of(&server, &client, "openid email").tokens().await;
    server.advance(60);
    let again = Authorization::of(&server, &client, "openid").code().await;
    server.advance(1);
    let tokens = Authorization::of(&server, &client, "openid").redeem(&again).await.expect(200);
    let reasons = why(&server, &jti(&tokens)).await;
    let consents: Vec<_> = reasons["reasons"].as_array().unwrap().iter().filter(|fact| fact["type"] == "grant.consented").collect();
    let told: Vec<_> = consents.iter().map(|fact| (text(fact, "time"), fact["data"].get("reason"))).collect();
    assert_eq!(told, [("2026-03-03T14:00:00.000Z", Some(&json!("first_time"))), ("2026-03-03T14:01:00.000Z", None)]);
}

#[tokio::test]
async fn the_organization_the_roles_and_what_made_it_void_are_among_the_facts() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let rules = json!({"third_party": {"mode": "restricted", "clients": [client["client_id"]]}});
    server.admin(Method::PUT, "/v1/organizations/acme/policy", Some(&rules)).await.expect(200);
    let ana = json!({"id": "ana", "auth_time": server.now().as_seconds(), "organization_id": "acme", "roles": ["editor"]});
    let jti = jti(&Authorization::of(&server, &client, "openid").subject(ana).tokens().await);
    let path = format!("/v1/clients/{}", text(&client, "client_id"));
    server.admin(Method::POST, &format!("{path}/suspend"), None).await.expect(200);
    server.advance(86_400);
    server.admin(Method::POST, &format!("{path}/resume"), None).await.expect(200);
    let reasons = why(&server, &jti).await;
    let facts = facts(&reasons);
    for fact in ["organization.policy_set", "subject.roles_set", "client.suspended"] {
        assert_eq!(facts.iter().filter(|found| **found == fact).count(), 1, "{fact} in {facts:?}");
    }
    // The token had long expired.
    assert!(!facts.contains(&"client.resumed"), "{facts:?}");
}

#[tokio::test]
async fn a_machines_token_has_no_person() {
    let server = TestServer::start().await;
    let client = server.machine_client(json!({})).await;
    let token = server.machine_token(&client).await;
    let jti = text(&claims(&token), "jti").to_owned();
    server.revoke(&client, &token).await.expect(200);
    let reasons = why(&server, &jti).await;
    assert_eq!(facts(&reasons), ["signing_key.generated", "client.registered", "machine_token.issued", "machine_token.revoked"]);
    assert_eq!((reasons.get("subject"), reasons.get("grant_id")), (None, None));
}

#[tokio::test]
async fn rfc9110_12_5_1_the_same_in_sentences_for_who_asks_for_text() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let jti = jti(&Authorization::of(&server, &client, "openid email").tokens().await);
    let key = server.key("auditor");
    let path = format!("/v1/audit/tokens/{jti}/why");
    let asked = server.request(Method::GET, &path, &[("authorization", &key), ("accept", "text/plain")], "").await;
    let by_format = server.request(Method::GET, &format!("{path}?format=text"), &[("authorization", &key)], "").await;
    for answer in [asked, by_format] {
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("text/plain; charset=utf-8")));
        let words = String::from_utf8(answer.body.to_vec()).unwrap();
        for sentence in [
            "The client was registered as \"Weather by Mail\"",
            "They were asked (\"first_time\") and agreed to \"email openid\"; what was shown is not known",
            "The client redeemed the code; token family 0 began",
            "The access token was issued, good for \"email openid\"",
            "There was no policy when consent was given.",
        ] {
            assert!(words.contains(sentence), "{sentence:?} is not in {words}");
        }
    }
    server.call("auditor", Method::GET, &format!("{path}?format=song"), None).await.expect_problem(400, "invalid_field");
}

#[tokio::test]
async fn a_token_that_was_never_issued_has_no_reasons_and_the_question_is_on_record() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let known = jti(&Authorization::of(&server, &client, "openid").tokens().await);
    let unknown = grantlog_core::keys::AccessTokenRef::Grant {
        grant_id: "01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10".parse().unwrap(),
        token: grantlog_core::domain::grant::TokenNumber(0),
    };
    for token in ["x".to_owned(), unknown.to_string(), known[..known.len() - 2].to_owned()] {
        let answer = server.call("auditor", Method::GET, &format!("/v1/audit/tokens/{token}/why"), None).await;
        answer.expect_problem(404, "not_found");
    }
    let asked = server.call("auditor", Method::GET, "/v1/audit/events?type=audit.read", None).await.expect(200);
    let filters: Vec<_> = asked["events"].as_array().unwrap().iter().map(|event| &event["data"]["filters"]).collect();
    assert_eq!(filters, [&json!({"unknown": ["token"]}); 3]);
}
