//! When a person is asked, row by row. Each row holds for confidential and for public clients alike.

use grantlog_tests::{Authorization, TestServer, merged, parameters_of};
use http::Method;
use serde_json::{Value, json};

use crate::policy::{ana_as, document, publish};

/// Whose client.
#[derive(Clone, Copy, Debug)]
enum Whose {
    FirstParty,
    ThirdParty,
}

use Whose::{FirstParty, ThirdParty};

/// A confidential and a public client of this kind.
async fn clients(server: &TestServer, whose: Whose, members: Value) -> [Value; 2] {
    let client_type = match whose {
        FirstParty => "first_party",
        ThirdParty => "third_party",
    };
    let members = merged(json!({"client_type": client_type}), members);
    let public = merged(members.clone(), json!({"token_endpoint_auth_method": "none"}));
    [server.client_with(members).await, server.client_with(public).await]
}

/// Why Ana is asked for this; None when she is not. A request that asks for nothing completes with a code.
async fn asked(authorization: &Authorization<'_>) -> Option<String> {
    reason(&authorization.start().await)
}

fn reason(request: &Value) -> Option<String> {
    let required = request["consent_required"].as_bool().unwrap_or_else(|| panic!("nobody is known: {request}"));
    if !required {
        assert_eq!((&request["state"], &request["consent_reason"]), (&json!("completed"), &Value::Null), "{request}");
        assert!(parameters_of(&request["redirect_to"]).contains_key("code"), "{request}");
        return None;
    }
    assert_eq!((&request["state"], &request["next"]), (&json!("awaiting_consent"), &json!("consent")), "{request}");
    Some(request["consent_reason"].as_str().expect("a reason").to_owned())
}

/// Approves this much of it.
async fn approve(server: &TestServer, authorization: &Authorization<'_>, scopes: &[&str]) -> Value {
    let request = authorization.start().await;
    let path = format!("/v1/authorization-requests/{}/decision", request["id"].as_str().expect("an id"));
    server.call("consent", Method::POST, &path, Some(&json!({"decision": "approve", "scopes": scopes}))).await.expect(200)
}

async fn disconnect(server: &TestServer, client: &Value) {
    let grants = server.grants("ana").await;
    let grant = grants.iter().find(|grant| grant["client"]["client_id"] == client["client_id"]).expect("a grant");
    let path = format!("/v1/subjects/ana/grants/{}", grant["id"].as_str().expect("an id"));
    server.call("consent", Method::DELETE, &path, None).await.expect(204);
}

/// The error that the client gets when nothing may be shown; None when it gets a code.
async fn silent(server: &TestServer, client: &Value, scope: &str) -> Option<String> {
    let request = Authorization::of(server, client, scope).with("prompt", "none").start().await;
    parameters_of(&request["redirect_to"]).remove("error")
}

// First party

#[tokio::test]
async fn first_party_without_offline_access_is_not_asked() {
    let server = TestServer::start().await;
    for client in clients(&server, FirstParty, json!({})).await {
        for scope in ["openid profile", "openid", "openid profile email"] {
            assert_eq!(asked(&Authorization::of(&server, &client, scope)).await, None, "{scope}");
        }
    }
}

#[tokio::test]
async fn first_party_with_offline_access_is_asked_once() {
    let server = TestServer::start().await;
    for client in clients(&server, FirstParty, json!({})).await {
        let authorization = Authorization::of(&server, &client, "openid offline_access");
        assert_eq!(asked(&authorization).await.as_deref(), Some("offline_access"));
        authorization.code().await;
        assert_eq!(asked(&authorization).await, None);
    }
}

#[tokio::test]
async fn first_party_that_may_bypass_it_is_not_asked_for_offline_access() {
    let server = TestServer::start().await;
    for client in clients(&server, FirstParty, json!({"bypass_consent_for_offline_access": true})).await {
        let tokens = Authorization::of(&server, &client, "openid offline_access").tokens().await;
        assert!(tokens["refresh_token"].is_string(), "{tokens}");
    }
}

// Third party

#[tokio::test]
async fn third_party_is_asked_the_first_time() {
    let server = TestServer::start().await;
    for client in clients(&server, ThirdParty, json!({})).await {
        assert_eq!(asked(&Authorization::of(&server, &client, "openid")).await.as_deref(), Some("first_time"));
        // Whoever says no, or nothing, was not asked for good.
        assert_eq!(asked(&Authorization::of(&server, &client, "openid")).await.as_deref(), Some("first_time"));
    }
}

#[tokio::test]
async fn third_party_with_the_same_scopes_is_not_asked() {
    let server = TestServer::start().await;
    for client in clients(&server, ThirdParty, json!({})).await {
        Authorization::of(&server, &client, "openid profile").code().await;
        assert_eq!(asked(&Authorization::of(&server, &client, "profile openid")).await, None);
    }
}

#[tokio::test]
async fn third_party_with_a_part_of_earlier_scopes_is_not_asked_and_gets_no_more() {
    let server = TestServer::start().await;
    for client in clients(&server, ThirdParty, json!({})).await {
        Authorization::of(&server, &client, "openid profile notes.read").code().await;
        let part = Authorization::of(&server, &client, "openid notes.read");
        assert_eq!(asked(&part).await, None);
        assert_eq!(part.tokens().await["scope"], "notes.read openid");
    }
}

#[tokio::test]
async fn third_party_with_added_scopes_is_asked_for_those() {
    let server = TestServer::start().await;
    for client in clients(&server, ThirdParty, json!({})).await {
        Authorization::of(&server, &client, "openid profile").code().await;
        let more = Authorization::of(&server, &client, "openid notes.read");
        let request = more.start().await;
        assert_eq!(reason(&request).as_deref(), Some("scopes_added"));
        let new: Vec<_> = request["scopes"].as_array().unwrap().iter().filter(|scope| scope["already_granted"] == false).collect();
        assert_eq!(new.iter().map(|scope| scope["scope"].as_str().unwrap()).collect::<Vec<_>>(), ["notes.read"]);
        more.code().await;
        // All that was ever agreed to is remembered.
        assert_eq!(asked(&Authorization::of(&server, &client, "openid profile notes.read")).await, None);
    }
}

#[tokio::test]
async fn what_the_person_left_out_is_asked_for_again() {
    let server = TestServer::start().await;
    for client in clients(&server, ThirdParty, json!({})).await {
        let authorization = Authorization::of(&server, &client, "openid profile");
        approve(&server, &authorization, &["openid"]).await;
        assert_eq!(asked(&Authorization::of(&server, &client, "openid")).await, None);
        assert_eq!(asked(&authorization).await.as_deref(), Some("scopes_added"));
    }
}

#[tokio::test]
async fn third_party_with_offline_access_is_asked_every_time() {
    let server = TestServer::start().await;
    for client in clients(&server, ThirdParty, json!({})).await {
        let authorization = Authorization::of(&server, &client, "openid offline_access");
        authorization.code().await;
        assert_eq!(asked(&authorization).await.as_deref(), Some("offline_access"));
        assert_eq!(asked(&Authorization::of(&server, &client, "openid")).await, None);
    }
}

#[tokio::test]
async fn third_party_with_offline_access_is_not_asked_again_when_it_is_remembered() {
    let server = TestServer::start_with(|settings| settings.remember_offline_access = true, |_| {}).await;
    for client in clients(&server, ThirdParty, json!({})).await {
        let authorization = Authorization::of(&server, &client, "openid offline_access");
        assert_eq!(asked(&authorization).await.as_deref(), Some("first_time"));
        authorization.code().await;
        assert_eq!(asked(&authorization).await, None);
    }
}

#[tokio::test]
async fn third_party_can_not_be_registered_to_bypass_consent() {
    let server = TestServer::start().await;
    let metadata = json!({"client_name": "Weather", "redirect_uris": ["https://weather.example.com/callback"], "scope": "openid offline_access",
        "bypass_consent_for_offline_access": true});
    let problem = server.admin(Method::POST, "/v1/clients", Some(&metadata)).await.expect_problem(422, "invalid_metadata");
    assert_eq!(problem["field"], "bypass_consent_for_offline_access");
}

// Any client

#[tokio::test]
async fn oidc_core_3_1_2_1_prompt_consent_asks_whatever_was_agreed() {
    let server = TestServer::start().await;
    for whose in [FirstParty, ThirdParty] {
        for client in clients(&server, whose, json!({})).await {
            Authorization::of(&server, &client, "openid").code().await;
            assert_eq!(
                asked(&Authorization::of(&server, &client, "openid").with("prompt", "consent")).await.as_deref(),
                Some("prompt_consent")
            );
        }
    }
}

#[tokio::test]
async fn oidc_core_3_1_2_1_prompt_consent_asks_those_too_who_may_bypass_offline_access() {
    let server = TestServer::start().await;
    for client in clients(&server, FirstParty, json!({"bypass_consent_for_offline_access": true})).await {
        let authorization = Authorization::of(&server, &client, "openid offline_access").with("prompt", "consent");
        assert_eq!(asked(&authorization).await.as_deref(), Some("prompt_consent"));
    }
}

#[tokio::test]
async fn after_a_revocation_everybody_is_asked_and_it_is_not_the_first_time() {
    let server = TestServer::start().await;
    for whose in [FirstParty, ThirdParty] {
        for client in clients(&server, whose, json!({"bypass_consent_for_offline_access": matches!(whose, FirstParty)})).await {
            let authorization = Authorization::of(&server, &client, "openid profile");
            authorization.code().await;
            disconnect(&server, &client).await;
            let request = authorization.start().await;
            assert_eq!(reason(&request).as_deref(), Some("revoked"), "{whose:?}");
            assert!(request["scopes"].as_array().unwrap().iter().all(|scope| scope["already_granted"] == false), "{request}");
            authorization.code().await;
            assert_eq!(asked(&authorization).await, None, "{whose:?}");
        }
    }
}

#[tokio::test]
async fn oidc_core_3_1_2_6_whoever_would_be_asked_gets_an_error_when_nothing_may_be_shown() {
    let server = TestServer::start().await;
    let [first_party, _] = clients(&server, FirstParty, json!({})).await;
    let [third_party, _] = clients(&server, ThirdParty, json!({})).await;
    assert_eq!(silent(&server, &first_party, "openid").await, None);
    assert_eq!(silent(&server, &first_party, "openid offline_access").await.as_deref(), Some("consent_required"));
    assert_eq!(silent(&server, &third_party, "openid").await.as_deref(), Some("consent_required"));
    Authorization::of(&server, &third_party, "openid").code().await;
    assert_eq!(silent(&server, &third_party, "openid").await, None);
    assert_eq!(silent(&server, &third_party, "openid profile").await.as_deref(), Some("consent_required"));
    disconnect(&server, &third_party).await;
    assert_eq!(silent(&server, &third_party, "openid").await.as_deref(), Some("consent_required"));
}

// Consent that grows old

/// How long a consent holds in these tests: longer than an authorization, shorter than a refresh token.
const LIFETIME: u32 = 3_600;

async fn forgetful() -> TestServer {
    let lifetime = Some(grantlog_core::domain::Seconds(LIFETIME));
    TestServer::start_with(|settings| settings.consent_lifetime = lifetime, |_| {}).await
}

#[tokio::test]
async fn third_party_is_asked_again_when_the_consent_is_too_old() {
    let server = forgetful().await;
    for client in clients(&server, ThirdParty, json!({})).await {
        let ask = || Authorization::of(&server, &client, "openid profile");
        ask().code().await;
        server.advance(LIFETIME - 1);
        assert_eq!(asked(&ask()).await, None);
        // What passed without asking has not made it younger.
        server.advance(1);
        let request = ask().start().await;
        assert_eq!(reason(&request).as_deref(), Some("consent_expired"));
        assert!(request["scopes"].as_array().unwrap().iter().all(|scope| scope["already_granted"] == false), "{request}");
        ask().code().await;
        server.advance(LIFETIME - 1);
        assert_eq!(asked(&ask()).await, None);
    }
}

#[tokio::test]
async fn each_scope_is_as_old_as_the_consent_to_it() {
    let server = forgetful().await;
    for client in clients(&server, ThirdParty, json!({})).await {
        Authorization::of(&server, &client, "openid").code().await;
        server.advance(LIFETIME / 2);
        Authorization::of(&server, &client, "openid profile").code().await;
        server.advance(LIFETIME / 2);
        assert_eq!(asked(&Authorization::of(&server, &client, "profile")).await, None);
        assert_eq!(asked(&Authorization::of(&server, &client, "openid profile")).await.as_deref(), Some("consent_expired"));
    }
}

#[tokio::test]
async fn first_party_is_asked_again_for_offline_access_when_the_consent_is_too_old() {
    let server = forgetful().await;
    for client in clients(&server, FirstParty, json!({})).await {
        let ask = |scope: &str| Authorization::of(&server, &client, scope);
        ask("openid offline_access").code().await;
        server.advance(LIFETIME);
        assert_eq!(asked(&ask("openid offline_access")).await.as_deref(), Some("consent_expired"));
        assert_eq!(asked(&ask("openid")).await, None);
    }
}

#[tokio::test]
async fn no_token_outlives_the_consent() {
    let server = forgetful().await;
    for client in clients(&server, ThirdParty, json!({})).await {
        let tokens = Authorization::of(&server, &client, "openid offline_access").tokens().await;
        assert_eq!(tokens["expires_in"], 600);
        server.advance(LIFETIME - 100);
        let refreshed = server.refresh(&client, tokens["refresh_token"].as_str().unwrap()).await.expect(200);
        assert_eq!(refreshed["expires_in"], 100);
        let access_token = refreshed["access_token"].as_str().unwrap();
        assert!(server.is_active(access_token).await);
        server.advance(100);
        assert!(!server.is_active(access_token).await);
        let refused = server.refresh(&client, refreshed["refresh_token"].as_str().unwrap()).await;
        refused.expect_oauth_error(400, "invalid_grant");
    }
}

#[tokio::test]
async fn a_first_party_client_that_need_not_ask_has_no_consent_that_grows_old() {
    let server = forgetful().await;
    for client in clients(&server, FirstParty, json!({"bypass_consent_for_offline_access": true})).await {
        let tokens = Authorization::of(&server, &client, "openid offline_access").tokens().await;
        server.advance(LIFETIME);
        server.refresh(&client, tokens["refresh_token"].as_str().unwrap()).await.expect(200);
        assert_eq!(asked(&Authorization::of(&server, &client, "openid offline_access")).await, None);
    }
}

#[tokio::test]
async fn without_a_setting_consent_does_not_grow_old() {
    let server = TestServer::start().await;
    for client in clients(&server, ThirdParty, json!({})).await {
        Authorization::of(&server, &client, "openid").code().await;
        server.advance(10 * 365 * 86_400);
        assert_eq!(asked(&Authorization::of(&server, &client, "openid")).await, None);
    }
}

// Clients that change

#[tokio::test]
async fn third_party_that_shows_another_face_is_asked_for_again() {
    let changes = [
        json!({"client_name": "Weather by Letter"}),
        json!({"client_uri": "https://weather.example.com/"}),
        json!({"logo_uri": "https://weather.example.com/logo.svg"}),
        json!({"policy_uri": "https://weather.example.com/privacy"}),
        json!({"tos_uri": "https://weather.example.com/terms"}),
        json!({"redirect_uris": ["https://weather.example.com/callback", "https://other.example.com/callback"]}),
    ];
    let server = TestServer::start().await;
    for client in clients(&server, ThirdParty, json!({})).await {
        let ask = || Authorization::of(&server, &client, "openid");
        ask().code().await;
        for change in &changes {
            server.change(&client, change.clone()).await;
            assert_eq!(asked(&ask()).await.as_deref(), Some("client_changed"), "{change}");
            ask().code().await;
            assert_eq!(asked(&ask()).await, None, "{change}");
        }
    }
}

#[tokio::test]
async fn a_client_that_changes_what_nobody_sees_is_not_asked_for_again() {
    let server = TestServer::start().await;
    for client in clients(&server, ThirdParty, json!({})).await {
        Authorization::of(&server, &client, "openid").code().await;
        server.change(&client, json!({"access_token_lifetime": 60, "scope": "openid notes.read", "claims_in_id_token": true})).await;
        assert_eq!(asked(&Authorization::of(&server, &client, "openid")).await, None);
    }
}

#[tokio::test]
async fn first_party_that_shows_another_face_is_not_asked_for() {
    let server = TestServer::start().await;
    for client in clients(&server, FirstParty, json!({})).await {
        Authorization::of(&server, &client, "openid offline_access").code().await;
        server.change(&client, json!({"client_name": "Weather by Letter"})).await;
        assert_eq!(asked(&Authorization::of(&server, &client, "openid offline_access")).await, None);
    }
}

// The policy

#[tokio::test]
async fn another_policy_alone_is_no_reason_to_ask() {
    let server = TestServer::start().await;
    publish(&server, &document()).await.expect(200);
    for client in clients(&server, ThirdParty, json!({"scope": "openid documents.read"})).await {
        let ask = |roles: &[&str]| Authorization::of(&server, &client, "openid documents.read").subject(ana_as(&server, roles));
        ask(&["owner"]).code().await;
        let mut changed = document();
        changed["scopes"][0]["description"] = json!(format!("Read what you wrote, {}", client["client_id"]));
        publish(&server, &changed).await.expect(200);
        assert_eq!(asked(&ask(&["owner"])).await, None);
        // Who may not do it any more does not grant it any more, whatever was agreed before.
        let tokens = ask(&["stranger"]).tokens().await;
        assert_eq!(tokens["scope"], "openid");
    }
}
