//! What ends for a person: everything they allowed, their sessions, a membership.

use grantlog_core::{app::Context, domain::subject::RoleChangeEffect};
use grantlog_tests::{Answer, Authorization, TestServer, claims, merged, text};
use http::Method;
use serde_json::{Value, json};

use crate::policy::{document, publish};

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
    assert_eq!(asked["consent_reason"], "revoked");
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

/// A server with the policy of roles and scopes, which does this when roles change; and a client that may ask for all of it.
async fn with_policy(effect: RoleChangeEffect) -> (TestServer, Value) {
    let server = TestServer::start_with(|settings| settings.on_role_change = effect, |_| {}).await;
    publish(&server, &document()).await.expect(200);
    let client = server.client_with(json!({"scope": "openid offline_access documents.read documents.write invoices.read"})).await;
    (server, client)
}

/// Ana in acme with these roles.
fn ana_as(server: &TestServer, roles: &[&str]) -> Value {
    merged(ana_in(server, Some("acme")), json!({"roles": roles}))
}

fn all_of_it<'a>(server: &'a TestServer, client: &'a Value) -> Authorization<'a> {
    Authorization::of(server, client, "openid offline_access documents.read documents.write").subject(ana_as(server, &["writer"]))
}

async fn push(server: &TestServer, roles: &[&str]) -> Answer {
    let body = json!({"organization_id": "acme", "roles": roles});
    server.call("consent", Method::PUT, "/v1/subjects/ana/roles", Some(&body)).await
}

#[tokio::test]
async fn a_grant_is_cut_back_to_what_the_roles_still_allow() {
    let (server, client) = with_policy(RoleChangeEffect::Narrow).await;
    let tokens = all_of_it(&server, &client).tokens().await;
    let narrow = Authorization::of(&server, &client, "documents.read").subject(ana_as(&server, &["writer"])).tokens().await;
    let code = all_of_it(&server, &client).code().await;
    let told = push(&server, &["reader", "reader"]).await.expect(200);
    assert_eq!(told, json!({"organization_id": "acme", "roles": ["reader"]}));
    // The token that carries more is dead, the one that does not is not, and a refresh gets what remains.
    assert!(!server.is_active(text(&tokens, "access_token")).await);
    assert!(server.is_active(text(&narrow, "access_token")).await);
    let left = "documents.read offline_access openid";
    let refreshed = server.refresh(&client, text(&tokens, "refresh_token")).await.expect(200);
    assert_eq!((text(&refreshed, "scope"), &claims(text(&refreshed, "access_token"))["scope"]), (left, &json!(left)));
    let redeemed = all_of_it(&server, &client).redeem(&code).await.expect(200);
    assert_eq!(text(&redeemed, "scope"), left);
    assert_eq!(server.grants("ana").await[0]["scope"], left);
    // The same again changes nothing, and more roles bring nothing back by themselves.
    let length = server.events().await.len();
    push(&server, &["reader"]).await.expect(200);
    assert_eq!(server.events().await.len(), length);
    push(&server, &["reader", "writer"]).await.expect(200);
    assert_eq!(server.grants("ana").await[0]["scope"], left);
    let asked = all_of_it(&server, &client).start().await;
    assert_eq!(asked["consent_reason"], "scopes_added");
}

#[tokio::test]
async fn a_grant_that_loses_something_ends_where_that_is_configured() {
    let (server, client) = with_policy(RoleChangeEffect::Revoke).await;
    let other = server.client_with(json!({"scope": "documents.read offline_access"})).await;
    let tokens = all_of_it(&server, &client).tokens().await;
    let kept = Authorization::of(&server, &other, "documents.read offline_access").subject(ana_as(&server, &["writer"])).tokens().await;
    push(&server, &["reader"]).await.expect(200);
    expect_dead(&server, &client, &tokens).await;
    assert!(server.is_active(text(&kept, "access_token")).await);
    let grants = server.grants("ana").await;
    assert_eq!((grants.len(), &grants[0]["client"]["client_id"]), (1, &other["client_id"]));
}

#[tokio::test]
async fn nothing_happens_to_grants_where_they_are_kept_and_in_other_organizations() {
    let (server, client) = with_policy(RoleChangeEffect::Keep).await;
    let tokens = all_of_it(&server, &client).tokens().await;
    push(&server, &[]).await.expect(200);
    assert!(server.is_active(text(&tokens, "access_token")).await);
    let (server, client) = with_policy(RoleChangeEffect::Revoke).await;
    let elsewhere = merged(ana_in(&server, Some("umbrella")), json!({"roles": ["writer"]}));
    let kept = Authorization::of(&server, &client, "documents.write").subject(elsewhere).tokens().await;
    all_of_it(&server, &client).tokens().await;
    push(&server, &[]).await.expect(200);
    assert!(server.is_active(text(&kept, "access_token")).await);
    assert_eq!(server.grants("ana").await.len(), 1);
}

#[tokio::test]
async fn what_is_attested_is_what_is_known_and_takes_nothing_away() {
    let (server, client) = with_policy(RoleChangeEffect::Revoke).await;
    let tokens = all_of_it(&server, &client).tokens().await;
    let with_less = Authorization::of(&server, &client, "documents.read").subject(ana_as(&server, &["reader"])).start().await;
    assert_eq!(with_less["next"], "redirect");
    assert!(server.is_active(text(&tokens, "access_token")).await);
    let kinds = |events: Vec<std::sync::Arc<grantlog_core::store::Recorded>>| {
        events.iter().filter(|event| event.event.kind == "subject.roles_set").count()
    };
    assert_eq!(kinds(server.events().await), 2, "writer, then reader");
    push(&server, &["reader"]).await.expect(200);
    assert_eq!(kinds(server.events().await), 2, "that was known");
}

#[tokio::test]
async fn a_consent_that_was_under_way_when_roles_changed_grants_only_what_they_allow() {
    let (server, client) = with_policy(RoleChangeEffect::Narrow).await;
    let request = all_of_it(&server, &client).start().await;
    // The approval is recorded, and then everything stops.
    server.store.allow_appends(Some(1));
    assert_eq!(server.decide(text(&request, "id"), &json!({"decision": "approve"})).await.status, 503);
    server.store.allow_appends(None);
    push(&server, &["reader"]).await.expect(200);
    let completed = server.read(text(&request, "id")).await.expect(200);
    let code = grantlog_tests::parameters_of(&completed["redirect_to"])["code"].clone();
    let tokens = all_of_it(&server, &client).redeem(&code).await.expect(200);
    assert_eq!(text(&tokens, "scope"), "documents.read offline_access openid");
}

#[tokio::test]
async fn a_change_of_roles_that_fails_midway_is_completed_after_a_restart() {
    let (server, client) = with_policy(RoleChangeEffect::Narrow).await;
    let other = server.client_with(json!({"scope": "documents.read documents.write"})).await;
    all_of_it(&server, &client).tokens().await;
    Authorization::of(&server, &other, "documents.read documents.write").subject(ana_as(&server, &["writer"])).tokens().await;
    server.store.allow_appends(Some(2));
    assert_eq!(push(&server, &["reader"]).await.status, 503);
    server.store.allow_appends(None);
    let restarted = server.restart().await;
    let live = restarted.app.live.clone();
    restarted.app.authority.enforce_pending(&Context::system(), &*live).await.unwrap();
    for grant in restarted.grants("ana").await {
        assert!(!text(&grant, "scope").contains("documents.write"), "{grant}");
    }
    let length = restarted.events().await.len();
    restarted.app.authority.enforce_pending(&Context::system(), &*live).await.unwrap();
    push(&restarted, &["reader"]).await.expect(200);
    assert_eq!(restarted.events().await.len(), length);
}

#[tokio::test]
async fn roles_are_checked_and_belong_to_a_person_who_is_known() {
    let (server, client) = with_policy(RoleChangeEffect::Narrow).await;
    let put = |id: &str, body: Value| {
        let path = format!("/v1/subjects/{id}/roles");
        let server = &server;
        async move { server.call("consent", Method::PUT, &path, Some(&body)).await }
    };
    assert_eq!(put("ana", json!({"roles": []})).await.problem(), (404, "not_found".to_owned(), None));
    all_of_it(&server, &client).tokens().await;
    let alone = put("ana", json!({"roles": ["owner"]})).await.expect(200);
    assert_eq!(alone, json!({"organization_id": null, "roles": ["owner"]}));
    for (body, field) in [(json!({"roles": [""]}), "roles"), (json!({"organization_id": "", "roles": []}), "organization_id")] {
        assert_eq!(put("ana", body).await.problem(), (400, "invalid_field".to_owned(), Some(field.to_owned())));
    }
}
