//! Which clients may work in an organization, and the end of what it does not allow.

use std::sync::Arc;

use futures::future::join_all;
use grantlog_core::app::Context;
use grantlog_tests::{Answer, Authorization, TestServer, claims, text};
use http::Method;
use serde_json::{Value, json};

/// Somebody who acts in an organization.
fn member(server: &TestServer, id: &str, organization: &str) -> Value {
    json!({"id": id, "organization_id": organization, "auth_time": server.now().as_seconds()})
}

fn in_acme<'a>(server: &'a TestServer, client: &'a Value, id: &str) -> Authorization<'a> {
    Authorization::of(server, client, "openid email offline_access").subject(member(server, id, "acme"))
}

async fn set_policy(server: &TestServer, policy: Value) -> Answer {
    server.admin(Method::PUT, "/v1/organizations/acme/policy", Some(&policy)).await
}

async fn dry_run(server: &TestServer, query: &str, policy: Value) -> Answer {
    server.admin(Method::PUT, &format!("/v1/organizations/acme/policy?dry_run=true{query}"), Some(&policy)).await
}

async fn connected_apps(server: &TestServer, rest: &str) -> Answer {
    server.call("consent", Method::GET, &format!("/v1/organizations/acme/connected-apps{rest}"), None).await
}

async fn disconnect(server: &TestServer, client: &Value) -> Answer {
    let path = format!("/v1/organizations/acme/connected-apps/{}", text(client, "client_id"));
    server.call("consent", Method::DELETE, &path, None).await
}

fn no_third_party() -> Value {
    json!({"third_party": {"mode": "none_allowed"}})
}

/// How each grant in the log was revoked.
async fn revocations(server: &TestServer) -> Vec<String> {
    let events = server.events().await;
    let revoked = events.iter().filter(|event| event.event.kind == "grant.revoked");
    revoked.map(|event| serde_json::from_str::<Value>(&event.event.data).unwrap()["reason"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_policy_is_read_back_and_is_open_before() {
    let server = TestServer::start().await;
    let open = json!({"first_party": {"mode": "all_allowed"}, "third_party": {"mode": "all_allowed"}});
    let read = || server.call("auditor", Method::GET, "/v1/organizations/acme/policy", None);
    assert_eq!(read().await.expect(200), open);
    let policy = json!({
        "first_party": {"mode": "none_allowed"},
        "third_party": {"mode": "restricted", "clients": ["client_a"], "hosts": ["chat.example.com"]},
    });
    let outcome = set_policy(&server, policy.clone()).await.expect(200);
    assert_eq!(outcome, json!({"policy": policy, "dry_run": false, "cut_off": 0, "grants": [], "next_cursor": null}));
    assert_eq!(read().await.expect(200), policy);
}

#[tokio::test]
async fn every_mistake_in_a_policy_is_listed() {
    let server = TestServer::start().await;
    let wrong =
        json!({"first_party": {"mode": "restricted", "hosts": ["a.example"]}, "third_party": {"mode": "all_allowed", "clients": ["x"]}});
    let answer = set_policy(&server, wrong).await;
    assert_eq!(answer.problem(), (400, "invalid_field".to_owned(), Some("third_party.clients".to_owned())));
    let fields: Vec<_> = answer.json()["problems"].as_array().unwrap().iter().map(|problem| problem["field"].clone()).collect();
    assert_eq!(fields, ["third_party.clients", "first_party.hosts"]);
    let unclear = server.admin(Method::PUT, "/v1/organizations/acme/policy?dry_run=maybe", Some(&no_third_party())).await;
    assert_eq!(unclear.problem(), (400, "invalid_field".to_owned(), Some("dry_run".to_owned())));
}

#[tokio::test]
async fn tightening_shows_first_whom_it_cuts_off_and_then_does() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let own = server.client_with(json!({"client_type": "first_party", "client_name": "Notes"})).await;
    let ana = in_acme(&server, &client, "ana").tokens().await;
    let bob = in_acme(&server, &client, "bob").tokens().await;
    let kept = in_acme(&server, &own, "ana").tokens().await;
    let elsewhere = Authorization::of(&server, &client, "openid").subject(member(&server, "ana", "umbrella")).tokens().await;

    let shown = dry_run(&server, "", no_third_party()).await.expect(200);
    let grants = shown["grants"].as_array().unwrap();
    let people: Vec<_> = grants.iter().map(|grant| text(grant, "subject")).collect();
    assert_eq!((&shown["dry_run"], &shown["cut_off"], people), (&json!(true), &json!(2), vec!["ana", "bob"]));
    assert_eq!(grants[0]["client"]["client_id"], client["client_id"]);
    assert_eq!(
        (&grants[0]["scope"], &grants[0]["consented_at"]),
        (&json!("email offline_access openid"), &json!("2026-03-03T14:00:00.000Z"))
    );
    let first = dry_run(&server, "&limit=1", no_third_party()).await.expect(200);
    let second = dry_run(&server, &format!("&limit=1&cursor={}", text(&first, "next_cursor")), no_third_party()).await.expect(200);
    assert_eq!(
        (&first["grants"][0]["subject"], &second["grants"][0]["subject"], &second["next_cursor"]),
        (&json!("ana"), &json!("bob"), &Value::Null)
    );
    assert!(server.is_active(text(&ana, "access_token")).await, "nothing was done yet");

    let outcome = set_policy(&server, no_third_party()).await.expect(200);
    assert_eq!(outcome["cut_off"], 2);
    for tokens in [&ana, &bob] {
        assert!(!server.is_active(text(tokens, "access_token")).await);
        server.refresh(&client, text(tokens, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
    }
    for tokens in [&kept, &elsewhere] {
        assert!(server.is_active(text(tokens, "access_token")).await);
    }
    assert_eq!(revocations(&server).await, ["organization_policy", "organization_policy"]);
    assert_eq!(dry_run(&server, "", no_third_party()).await.expect(200)["cut_off"], 0);
    assert_eq!(set_policy(&server, no_third_party()).await.expect(200)["cut_off"], 0);
}

#[tokio::test]
async fn a_loosened_policy_brings_nothing_back() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let tokens = in_acme(&server, &client, "ana").tokens().await;
    set_policy(&server, no_third_party()).await.expect(200);
    set_policy(&server, json!({})).await.expect(200);
    assert!(!server.is_active(text(&tokens, "access_token")).await);
    let asked = in_acme(&server, &client, "ana").start().await;
    assert_eq!((&asked["next"], &asked["consent_reason"]), (&json!("consent"), &json!("revoked")));
    let anew = in_acme(&server, &client, "ana").tokens().await;
    assert!(server.is_active(text(&anew, "access_token")).await);
}

#[tokio::test]
async fn a_tightening_that_fails_midway_cuts_off_at_once_and_is_completed_later() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let people: Vec<String> = (0..5).map(|number| format!("person-{number}")).collect();
    let mut tokens = Vec::new();
    for person in &people {
        tokens.push(in_acme(&server, &client, person).tokens().await);
    }
    // The event and two of the five revocations still get through.
    server.store.allow_appends(Some(3));
    assert_eq!(set_policy(&server, no_third_party()).await.status, 503);
    for tokens in &tokens {
        assert!(!server.is_active(text(tokens, "access_token")).await, "what is cut off is dead, revoked or not");
    }
    server.store.allow_appends(None);
    assert!(revocations(&server).await.len() < 5);
    let restarted = server.restart().await;
    for tokens in &tokens {
        assert!(!restarted.is_active(text(tokens, "access_token")).await);
    }
    let live = restarted.app.live.clone();
    restarted.app.authority.enforce_pending(&Context::system(), &*live).await.unwrap();
    assert_eq!(revocations(&restarted).await.len(), 5);
    let length = restarted.events().await.len();
    restarted.app.authority.enforce_pending(&Context::system(), &*live).await.unwrap();
    set_policy(&restarted, no_third_party()).await.expect(200);
    assert_eq!(restarted.events().await.len(), length, "doing it again changes nothing");
}

#[tokio::test]
async fn the_same_call_again_completes_what_was_interrupted() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let tokens = in_acme(&server, &client, "ana").tokens().await;
    server.store.allow_appends(Some(1));
    assert_eq!(disconnect(&server, &client).await.status, 503);
    server.store.allow_appends(None);
    assert!(!server.is_active(text(&tokens, "access_token")).await);
    // The person comes back before it is completed: the old grant is not taken up again.
    server.advance(1);
    let back = in_acme(&server, &client, "ana").tokens().await;
    assert!(server.is_active(text(&back, "access_token")).await);
    let live = server.app.live.clone();
    server.app.authority.enforce_pending(&Context::system(), &*live).await.unwrap();
    assert!(server.is_active(text(&back, "access_token")).await);
    assert_eq!(revocations(&server).await, ["organization_disconnected"]);
}

#[tokio::test]
async fn a_client_is_disconnected_for_everyone() {
    let server = TestServer::start().await;
    let (client, other) = (server.confidential_client().await, server.public_client().await);
    let ana = in_acme(&server, &client, "ana").tokens().await;
    let bob = in_acme(&server, &client, "bob").tokens().await;
    let kept = in_acme(&server, &other, "ana").tokens().await;
    let elsewhere = Authorization::of(&server, &client, "openid").subject(member(&server, "ana", "umbrella")).tokens().await;
    let code = in_acme(&server, &client, "ana").code().await;
    assert_eq!(disconnect(&server, &client).await.told(), (204, Value::Null));
    for tokens in [&ana, &bob] {
        assert!(!server.is_active(text(tokens, "access_token")).await);
        server.refresh(&client, text(tokens, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
    }
    in_acme(&server, &client, "ana").redeem(&code).await.expect_oauth_error(400, "invalid_grant");
    for tokens in [&kept, &elsewhere] {
        assert!(server.is_active(text(tokens, "access_token")).await);
    }
    connected_apps(&server, &format!("/{}", text(&client, "client_id"))).await.expect_problem(404, "not_found");
    server.advance(1);
    let asked = in_acme(&server, &client, "ana").start().await;
    assert_eq!(asked["consent_reason"], "revoked");
    let back = in_acme(&server, &client, "ana").tokens().await;
    assert!(server.is_active(text(&back, "access_token")).await);
    // Idempotent, and each time for all that came since.
    assert_eq!(disconnect(&server, &client).await.told(), (204, Value::Null));
    assert!(!server.is_active(text(&back, "access_token")).await);
    assert_eq!(disconnect(&server, &json!({"client_id": "client_x"})).await.problem(), (404, "not_found".to_owned(), None));
}

#[tokio::test]
async fn connected_apps_are_listed_with_the_people_who_connected_them() {
    let server = TestServer::start().await;
    assert_eq!(connected_apps(&server, "").await.expect(200), json!({"connected_apps": [], "next_cursor": null}));
    let (client, other) = (server.confidential_client().await, server.public_client().await);
    in_acme(&server, &client, "ana").tokens().await;
    server.advance(60);
    in_acme(&server, &client, "bob").tokens().await;
    in_acme(&server, &other, "bob").tokens().await;
    Authorization::of(&server, &other, "openid").subject(member(&server, "carol", "umbrella")).tokens().await;

    let all = connected_apps(&server, "").await.expect(200);
    let mut counted: Vec<_> =
        all["connected_apps"].as_array().unwrap().iter().map(|app| (text(&app["client"], "client_id"), app["people"].clone())).collect();
    counted.sort_unstable_by_key(|(id, _)| (*id).to_owned());
    let mut expected = vec![(text(&client, "client_id"), json!(2)), (text(&other, "client_id"), json!(1))];
    expected.sort_unstable_by_key(|(id, _)| (*id).to_owned());
    assert_eq!((counted, &all["next_cursor"]), (expected, &Value::Null));
    let first = connected_apps(&server, "?limit=1").await.expect(200);
    let second = connected_apps(&server, &format!("?limit=1&cursor={}", text(&first, "next_cursor"))).await.expect(200);
    let pages = [&first["connected_apps"][0], &second["connected_apps"][0]];
    assert_eq!(pages.to_vec(), all["connected_apps"].as_array().unwrap().iter().collect::<Vec<_>>());
    assert_eq!(second["next_cursor"], Value::Null);

    let path = format!("/{}", text(&client, "client_id"));
    let one = connected_apps(&server, &path).await.expect(200);
    assert_eq!((&one["since"], &one["allowed"], &one["reasons"]), (&json!("2026-03-03T14:00:00.000Z"), &json!(true), &json!([])));
    let people: Vec<_> =
        one["connected_by"].as_array().unwrap().iter().map(|person| (&person["id"], &person["consented_at"], &person["scope"])).collect();
    let scope = json!("email offline_access openid");
    assert_eq!(
        people,
        [(&json!("ana"), &json!("2026-03-03T14:00:00.000Z"), &scope), (&json!("bob"), &json!("2026-03-03T14:01:00.000Z"), &scope)]
    );
    let page = connected_apps(&server, &format!("{path}?limit=1")).await.expect(200);
    let rest = connected_apps(&server, &format!("{path}?cursor={}", text(&page, "next_cursor"))).await.expect(200);
    assert_eq!((&page["connected_by"][0]["id"], &rest["connected_by"][0]["id"]), (&json!("ana"), &json!("bob")));
    assert_eq!(
        connected_apps(&server, &format!("{path}?cursor=x")).await.problem(),
        (400, "invalid_field".to_owned(), Some("cursor".to_owned()))
    );
}

#[tokio::test]
async fn the_clients_of_an_organization_are_listed_and_stay_its() {
    let server = TestServer::start().await;
    let theirs = server.client_with(json!({"organization_id": "acme"})).await;
    server.client_with(json!({"organization_id": "umbrella"})).await;
    server.confidential_client().await;
    let listed = |query: &str| {
        let path = format!("/v1/clients{query}");
        let server = &server;
        async move { server.admin(Method::GET, &path, None).await }
    };
    let page = listed("?organization_id=acme").await.expect(200);
    let ids: Vec<_> = page["clients"].as_array().unwrap().iter().map(|client| &client["client_id"]).collect();
    assert_eq!((ids, &page["next_cursor"]), (vec![&theirs["client_id"]], &Value::Null));
    assert_eq!(listed("").await.expect(200)["clients"].as_array().unwrap().len(), 3);
    assert_eq!(listed("?organization_id=").await.problem(), (400, "invalid_field".to_owned(), Some("organization_id".to_owned())));
}

#[tokio::test]
async fn the_organization_is_in_every_token_and_in_introspection() {
    let server = TestServer::start().await;
    for format in ["jwt", "opaque"] {
        let client = server.client_with(json!({"access_token_format": format})).await;
        let tokens = in_acme(&server, &client, "ana").tokens().await;
        assert_eq!(claims(text(&tokens, "id_token"))["org_id"], "acme", "{format}");
        assert_eq!(server.introspect(text(&tokens, "access_token")).await["org_id"], "acme", "{format}");
        if format == "jwt" {
            assert_eq!(claims(text(&tokens, "access_token"))["org_id"], "acme");
        }
        let refreshed = server.refresh(&client, text(&tokens, "refresh_token")).await.expect(200);
        assert_eq!(claims(text(&refreshed, "id_token"))["org_id"], "acme", "{format}");
        let alone = Authorization::of(&server, &client, "openid").tokens().await;
        assert_eq!(claims(text(&alone, "id_token")).get("org_id"), None, "{format}");
        assert_eq!(server.introspect(text(&alone, "access_token")).await.get("org_id"), None, "{format}");
    }
}

#[tokio::test]
async fn a_machine_client_of_an_organization_gets_it_in_its_tokens() {
    let server = TestServer::start().await;
    for format in ["jwt", "opaque"] {
        let client = server.machine_client(json!({"organization_id": "acme", "access_token_format": format})).await;
        let token = server.machine_token(&client).await;
        assert_eq!(server.introspect(&token).await["org_id"], "acme", "{format}");
        if format == "jwt" {
            assert_eq!(claims(&token)["org_id"], "acme");
        }
    }
}

/// Whoever comes first: when both are through, nothing is live that the policy forbids.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_consent_that_races_a_tightening_leaves_no_live_grant() {
    let server = Arc::new(TestServer::start().await);
    let client = Arc::new(server.confidential_client().await);
    for round in 0..10 {
        set_policy(&server, json!({})).await.expect(200);
        server.advance(1);
        let mut ids = Vec::new();
        for number in 0..4 {
            let request = in_acme(&server, &client, &format!("person-{round}-{number}")).start().await;
            ids.push(text(&request, "id").to_owned());
        }
        let tightening = {
            let server = server.clone();
            tokio::spawn(async move { set_policy(&server, no_third_party()).await })
        };
        let consents = ids.into_iter().map(|id| {
            let (server, client) = (server.clone(), client.clone());
            tokio::spawn(async move {
                let request = server.decide(&id, &json!({"decision": "approve"})).await;
                let code = request.json()["redirect_to"].as_str().and_then(|url| {
                    let url = url::Url::parse(url).ok()?;
                    url.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned())
                })?;
                let tokens = Authorization::of(&server, &client, "").redeem(&code).await;
                (tokens.status == 200).then(|| tokens.json())
            })
        });
        let consents: Vec<_> = consents.collect();
        tightening.await.unwrap().expect(200);
        for tokens in join_all(consents).await.into_iter().filter_map(Result::unwrap) {
            assert!(!server.is_active(text(&tokens, "access_token")).await);
            server.refresh(&client, text(&tokens, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
        }
        // And loosening it again brings nothing back: what came too late left no grant behind.
        set_policy(&server, json!({})).await.expect(200);
        for number in 0..4 {
            assert_eq!(server.grants(&format!("person-{round}-{number}")).await, Vec::<Value>::new());
        }
    }
}

/// What the client is told, and why, by the resource.
fn denial(request: &Value) -> (&str, &str, &str) {
    let told = |value: &'_ Value| value.as_str().unwrap_or_default().to_owned();
    assert_eq!(told(&request["next"]), "redirect", "{request}");
    (text(request, "state"), text(&request["error"], "code"), text(request, "denied_because"))
}

#[tokio::test]
async fn a_client_that_may_not_work_in_the_organization_is_denied_as_soon_as_the_person_is_known() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    set_policy(&server, json!({"third_party": {"mode": "restricted", "clients": ["client_other"]}})).await.expect(200);
    let request = in_acme(&server, &client, "ana").start_without_subject().await.expect(201);
    assert_eq!((&request["next"], &request["organization"]), (&json!("login"), &Value::Null));
    let attested = server.attest(text(&request, "id"), &json!({"subject": member(&server, "ana", "acme")})).await.expect(200);
    assert_eq!(denial(&attested), ("completed", "access_denied", "client_not_allowed"));
    assert_eq!(attested["organization"], json!({"id": "acme", "allowed": false, "reasons": ["client_not_allowed"]}));
    assert!(text(&attested, "redirect_to").contains("error=access_denied"));
    set_policy(&server, no_third_party()).await.expect(200);
    let at_once = in_acme(&server, &client, "ana").start().await;
    assert_eq!(denial(&at_once), ("completed", "access_denied", "client_type_not_allowed"));
    let silent = in_acme(&server, &client, "ana").with("prompt", "none").start().await;
    assert_eq!(denial(&silent), ("completed", "access_denied", "client_type_not_allowed"));
    // Elsewhere, and without an organization, it is nobody's business.
    for elsewhere in [member(&server, "ana", "umbrella"), json!({"id": "ana", "auth_time": server.now().as_seconds()})] {
        let request = Authorization::of(&server, &client, "openid").subject(elsewhere).start().await;
        assert_eq!((&request["next"], &request["organization"]["allowed"]), (&json!("consent"), &json!(true)));
    }
}

#[tokio::test]
async fn a_client_of_an_organization_works_there_and_nowhere_else() {
    let server = TestServer::start().await;
    let client = server.client_with(json!({"organization_id": "acme"})).await;
    let tokens = in_acme(&server, &client, "ana").tokens().await;
    assert!(server.is_active(text(&tokens, "access_token")).await);
    for (organization, elsewhere) in [
        (json!("umbrella"), member(&server, "ana", "umbrella")),
        (Value::Null, json!({"id": "ana", "auth_time": server.now().as_seconds()})),
    ] {
        let request = Authorization::of(&server, &client, "openid").subject(elsewhere).start().await;
        assert_eq!(denial(&request), ("completed", "access_denied", "client_of_another_organization"));
        let expected = json!({"id": organization, "allowed": false, "reasons": ["client_of_another_organization"]});
        assert_eq!(request["organization"], expected);
    }
}

#[tokio::test]
async fn a_client_is_allowed_by_the_host_that_is_its_own() {
    let server = TestServer::start().await;
    let own = server.client_with(json!({"redirect_uris": ["https://chat.example.com/callback"]})).await;
    let posing = server.client_with(json!({"redirect_uris": ["https://chat.example.com/callback", "http://127.0.0.1/callback"]})).await;
    set_policy(&server, json!({"third_party": {"mode": "restricted", "hosts": ["chat.example.com"]}})).await.expect(200);
    assert_eq!(in_acme(&server, &own, "ana").start().await["next"], "consent");
    assert_eq!(denial(&in_acme(&server, &posing, "ana").start().await), ("completed", "access_denied", "client_not_allowed"));
}

#[tokio::test]
async fn a_policy_that_was_tightened_while_the_page_was_open_denies_the_approval() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let request = in_acme(&server, &client, "ana").start().await;
    assert_eq!(request["next"], "consent");
    set_policy(&server, no_third_party()).await.expect(200);
    let answer = server.decide(text(&request, "id"), &json!({"decision": "approve"})).await;
    let told = answer.expect_problem(409, "conflict")["authorization_request"].clone();
    assert_eq!(denial(&told), ("completed", "access_denied", "client_type_not_allowed"));
    assert_eq!(server.grants("ana").await, Vec::<Value>::new());
}

/// The approval was recorded, and then everything stopped.
async fn approved_and_interrupted(server: &TestServer, client: &Value) -> String {
    let request = in_acme(server, client, "ana").start().await;
    server.store.allow_appends(Some(1));
    let interrupted = server.decide(text(&request, "id"), &json!({"decision": "approve"})).await;
    assert_eq!(interrupted.status, 503);
    server.store.allow_appends(None);
    text(&request, "id").to_owned()
}

#[tokio::test]
async fn an_approval_from_before_a_tightening_is_withdrawn_when_it_is_taken_up_again() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let id = approved_and_interrupted(&server, &client).await;
    set_policy(&server, no_third_party()).await.expect(200);
    let request = server.read(&id).await.expect(200);
    assert_eq!(denial(&request), ("completed", "access_denied", "client_type_not_allowed"));
    set_policy(&server, json!({})).await.expect(200);
    assert_eq!(denial(&server.read(&id).await.expect(200)), ("completed", "access_denied", "client_type_not_allowed"));
    assert_eq!(server.grants("ana").await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_approval_from_before_a_disconnection_opens_nothing_after_it() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let id = approved_and_interrupted(&server, &client).await;
    server.advance(1);
    disconnect(&server, &client).await.expect(204);
    let request = server.read(&id).await.expect(200);
    assert_eq!(denial(&request), ("completed", "access_denied", "client_disconnected"));
    assert_eq!(server.grants("ana").await, Vec::<Value>::new());
}
