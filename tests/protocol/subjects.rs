//! What ends for a person: everything they allowed, their sessions, a membership.

use grantlog_core::{app::Context, domain::subject::RoleChangeEffect};
use grantlog_tests::{Answer, Authorization, TestServer, text};
use http::Method;
use serde_json::{Value, json};

fn ana_in(server: &TestServer, organization: Option<&str>) -> Value {
    json!({"id": "ana", "organization_id": organization, "auth_time": server.now().as_seconds()})
}

async fn end(server: &TestServer, path: &str) -> Answer {
    server.call("consent", Method::DELETE, &format!("/v1/subjects/{path}"), None).await
}

async fn tokens(server: &TestServer, client: &Value, organization: Option<&str>) -> Value {
    Authorization::of(server, client, "openid offline_access").subject(ana_in(server, organization)).tokens().await
}

async fn expect_dead(server: &TestServer, client: &Value, tokens: &Value) {
    assert!(!server.is_active(text(tokens, "access_token")).await);
    server.refresh(client, text(tokens, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn all_grants_of_a_person_are_revoked_at_once() {
    let server = TestServer::start().await;
    let (one, other) = (server.confidential_client().await, server.public_client().await);
    let first = tokens(&server, &one, None).await;
    let second = tokens(&server, &other, Some("acme")).await;
    let bob = json!({"id": "bob", "auth_time": server.now().as_seconds()});
    let bobs = Authorization::of(&server, &one, "openid").subject(bob).tokens().await;
    assert_eq!(end(&server, "ana/grants").await.told(), (204, Value::Null));
    assert_eq!(server.grants("ana").await, Vec::<Value>::new());
    expect_dead(&server, &one, &first).await;
    expect_dead(&server, &other, &second).await;
    assert!(server.is_active(text(&bobs, "access_token")).await);
    for again in ["ana/grants", "nobody/grants"] {
        assert_eq!(end(&server, again).await.told(), (204, Value::Null));
    }
}

#[tokio::test]
async fn when_the_sessions_end_the_consent_stays() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let first = Authorization::of(&server, &client, "openid email").tokens().await;
    let second = tokens(&server, &client, None).await;
    let code = Authorization::of(&server, &client, "openid").code().await;
    assert_eq!(end(&server, "ana/sessions").await.told(), (204, Value::Null));
    assert!(!server.is_active(text(&first, "access_token")).await);
    expect_dead(&server, &client, &second).await;
    Authorization::of(&server, &client, "").redeem(&code).await.expect_oauth_error(400, "invalid_grant");
    let grants = server.grants("ana").await;
    assert_eq!((grants.len(), &grants[0]["families"], &grants[0]["scope"]), (1, &json!(0), &json!("email offline_access openid")));
    // Nobody is asked again for what was agreed to.
    let anew = Authorization::of(&server, &client, "openid email").start().await;
    assert_eq!(anew["next"], "redirect");
    let length = server.events().await.len();
    end(&server, "ana/sessions").await.expect(204);
    end(&server, "nobody/sessions").await.expect(204);
    let codes = server.events().await.len() - length;
    assert_eq!(codes, 1, "the code that was on its way, and nothing more");
}

#[tokio::test]
async fn whoever_leaves_an_organization_has_nothing_there_until_they_come_back() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let there = tokens(&server, &client, Some("acme")).await;
    let elsewhere = tokens(&server, &client, Some("umbrella")).await;
    let alone = tokens(&server, &client, None).await;
    assert_eq!(end(&server, "ana/organizations/acme").await.told(), (204, Value::Null));
    expect_dead(&server, &client, &there).await;
    for kept in [&elsewhere, &alone] {
        assert!(server.is_active(text(kept, "access_token")).await);
    }
    server.advance(1);
    let asked = Authorization::of(&server, &client, "openid").subject(ana_in(&server, Some("acme"))).start().await;
    assert_eq!(asked["consent_reason"], "first_time");
    let back = tokens(&server, &client, Some("acme")).await;
    assert!(server.is_active(text(&back, "access_token")).await);
    assert_eq!(end(&server, "nobody/organizations/acme").await.problem(), (404, "not_found".to_owned(), None));
}

#[tokio::test]
async fn where_everything_is_kept_leaving_ends_nothing() {
    let server = TestServer::start_with(|settings| settings.on_role_change = RoleChangeEffect::Keep, |_| {}).await;
    let client = server.confidential_client().await;
    let there = tokens(&server, &client, Some("acme")).await;
    assert_eq!(end(&server, "ana/organizations/acme").await.told(), (204, Value::Null));
    assert!(server.is_active(text(&there, "access_token")).await);
}

#[tokio::test]
async fn a_leaving_that_fails_midway_is_completed_after_a_restart() {
    let server = TestServer::start().await;
    let (one, other) = (server.confidential_client().await, server.public_client().await);
    let first = tokens(&server, &one, Some("acme")).await;
    let second = tokens(&server, &other, Some("acme")).await;
    server.store.allow_appends(Some(2));
    assert_eq!(end(&server, "ana/organizations/acme").await.status, 503);
    server.store.allow_appends(None);
    let restarted = server.restart().await;
    for tokens in [&first, &second] {
        assert!(!restarted.is_active(text(tokens, "access_token")).await);
    }
    let live = restarted.app.live.clone();
    restarted.app.authority.enforce_pending(&Context::system(), &*live).await.unwrap();
    assert_eq!(restarted.grants("ana").await, Vec::<Value>::new());
    let length = restarted.events().await.len();
    restarted.app.authority.enforce_pending(&Context::system(), &*live).await.unwrap();
    end(&restarted, "ana/organizations/acme").await.expect(204);
    assert_eq!(restarted.events().await.len(), length);
}
