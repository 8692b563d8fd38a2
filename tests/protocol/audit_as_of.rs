//! What was true at a moment and at a position: consents, grants, clients, signing keys; and how it came about.

use grantlog_core::app::Context;
use grantlog_tests::{Authorization, TestServer, text};
use http::Method;
use serde_json::{Value, json};

use crate::policy::{document, publish};

async fn get(server: &TestServer, path: &str) -> Value {
    server.call("auditor", Method::GET, path, None).await.expect(200)
}

fn scopes(answer: &Value) -> Vec<&str> {
    answer["grants"].as_array().unwrap().iter().map(|grant| grant["scope"].as_str().unwrap()).collect()
}

/// At 14:00 Ana agrees to `openid`, at 14:10 to `email` too, at 14:20 she disconnects the client.
async fn history() -> (TestServer, Value, String) {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let ana = |server: &TestServer| json!({"id": "ana", "auth_time": server.now().as_seconds(), "organization_id": "acme"});
    Authorization::of(&server, &client, "openid").subject(ana(&server)).tokens().await;
    server.advance(600);
    let request = Authorization::of(&server, &client, "openid email").subject(ana(&server)).start().await;
    let descriptions = text(&request, "descriptions_sha256");
    let shown = json!({"ui_build": "42", "locale": "pt-BR", "texts_sha256": "ab".repeat(32), "descriptions_sha256": descriptions});
    server.decide(text(&request, "id"), &json!({"decision": "approve", "shown": shown})).await.expect(200);
    let grant = text(&server.grants("ana").await[0], "id").to_owned();
    server.advance(600);
    server.call("consent", Method::DELETE, &format!("/v1/subjects/ana/grants/{grant}"), None).await.expect(204);
    server.advance(600);
    (server, client, grant)
}

#[tokio::test]
async fn consents_are_as_they_were_at_each_moment() {
    let (server, client, grant) = history().await;
    for (moment, expected) in [
        ("2026-03-03T13:59:59Z", vec![]),
        ("2026-03-03T14:00:00Z", vec!["openid"]),
        ("2026-03-03T14:09:59.999Z", vec!["openid"]),
        ("2026-03-03T14:10:00Z", vec!["email openid"]),
        ("2026-03-03T14:19:00Z", vec!["email openid"]),
        ("2026-03-03T14:20:00Z", vec![]),
    ] {
        let answer = get(&server, &format!("/v1/audit/consents?subject=ana&as_of={moment}")).await;
        assert_eq!(scopes(&answer), expected, "{moment}");
    }
    assert_eq!(scopes(&get(&server, "/v1/audit/consents?subject=ana").await), Vec::<&str>::new());
    let then = get(&server, "/v1/audit/consents?subject=ana&as_of=2026-03-03T14:15:00Z").await;
    let consent = &then["grants"][0];
    assert_eq!(consent["grant_id"], grant);
    assert_eq!((&consent["organization_id"], &consent["state"]), (&json!("acme"), &json!("active")));
    assert_eq!(consent["client"]["client_id"], client["client_id"]);
    assert_eq!(consent["client"]["client_name"], "Weather by Mail");
    // What was shown, and why it was asked.
    assert_eq!(consent["consent"]["data"]["reason"], "scopes_added");
    // SHA-256 of {"email":"See your e-mail address","openid":"Know who you are"}: anybody can make it again.
    let descriptions = r#"{"email":"See your e-mail address","openid":"Know who you are"}"#;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, descriptions.as_bytes());
    let digits = hash.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let hash: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
    assert_eq!(consent["consent"]["data"]["shown"]["descriptions_sha256"], hash);
    // The same at the position that the answer names.
    let position = then["position"].as_u64().unwrap();
    assert_eq!(get(&server, &format!("/v1/audit/consents?subject=ana&position={position}")).await, then);
    let ended = get(&server, "/v1/audit/consents?subject=ana&include_ended=true").await;
    assert_eq!((scopes(&ended), &ended["grants"][0]["state"]), (vec!["email openid"], &json!("revoked")));
}

#[tokio::test]
async fn what_is_to_come_can_not_be_asked() {
    let (server, _, _) = history().await;
    for (query, field) in [
        ("subject=ana&as_of=2036-01-01T00:00:00Z", "as_of"),
        ("subject=ana&position=1000000", "position"),
        ("subject=ana&position=1&as_of=2026-03-03T14:00:00Z", "position"),
        ("client_id=c", "subject"),
    ] {
        let answer = server.call("auditor", Method::GET, &format!("/v1/audit/consents?{query}"), None).await;
        assert_eq!(answer.problem(), (400, "invalid_field".to_owned(), Some(field.to_owned())), "{query}");
    }
    let nothing = server.call("auditor", Method::GET, "/v1/audit/grants", None).await;
    assert_eq!(nothing.problem(), (400, "invalid_field".to_owned(), Some("organization".to_owned())));
}

#[tokio::test]
async fn which_apps_could_reach_an_organization() {
    let (server, client, _) = history().await;
    let id = text(&client, "client_id");
    let at = get(&server, "/v1/audit/consents?subject=ana&as_of=2026-03-03T14:15:00Z").await["position"].as_u64().unwrap();
    for (query, expected) in [
        (format!("organization=acme&position={at}"), 1),
        (format!("organization=acme&client_id={id}&subject=ana&position={at}"), 1),
        (format!("organization=other&position={at}"), 0),
        (format!("organization=acme&subject=ben&position={at}"), 0),
        ("organization=acme".to_owned(), 0),
    ] {
        assert_eq!(scopes(&get(&server, &format!("/v1/audit/grants?{query}")).await).len(), expected, "{query}");
    }
}

#[tokio::test]
async fn pages_of_grants_keep_their_position() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    for person in ["ana", "ben", "cleo"] {
        let subject = json!({"id": person, "auth_time": server.now().as_seconds()});
        Authorization::of(&server, &client, "openid").subject(subject).tokens().await;
    }
    let path = format!("/v1/audit/grants?client_id={}&limit=2", text(&client, "client_id"));
    let first = get(&server, &path).await;
    let grant = text(&server.grants("cleo").await[0], "id").to_owned();
    server.call("consent", Method::DELETE, &format!("/v1/subjects/cleo/grants/{grant}"), None).await.expect(204);
    let second = get(&server, &format!("{path}&cursor={}", text(&first, "next_cursor"))).await;
    // Revoked meanwhile, but not then.
    assert_eq!((scopes(&first).len(), scopes(&second).len()), (2, 1));
    assert_eq!((&second["position"], second.get("next_cursor")), (&first["position"], None));
    assert_eq!(second["grants"][0]["grant_id"], grant);
    let people: Vec<_> = first["people"].as_object().unwrap().values().collect();
    assert_eq!(people.len(), 2, "{people:?}");
}

#[tokio::test]
async fn a_suspended_and_a_deleted_client_reach_nothing() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    Authorization::of(&server, &client, "openid").tokens().await;
    let id = text(&client, "client_id");
    let state = async || {
        let answer = get(&server, "/v1/audit/consents?subject=ana").await;
        (answer["grants"][0]["state"].clone(), answer["position"].as_u64().unwrap())
    };
    let (active, at) = state().await;
    server.admin(Method::POST, &format!("/v1/clients/{id}/suspend"), None).await;
    let (suspended, _) = state().await;
    server.admin(Method::DELETE, &format!("/v1/clients/{id}"), None).await;
    let (deleted, _) = state().await;
    assert_eq!([active, suspended, deleted], [json!("active"), json!("client_suspended"), json!("client_deleted")]);
    let then = get(&server, &format!("/v1/audit/consents?subject=ana&position={at}")).await;
    assert_eq!((&then["grants"][0]["state"], &then["grants"][0]["client"]["client_name"]), (&json!("active"), &json!("Weather by Mail")));
}

/// What an organization does ends grants one by one, and the past knows both: that nothing was good any more, and that it ended.
#[tokio::test]
async fn what_an_organization_ends_is_over_from_its_decision_on() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let in_acme = |person: &str| json!({"id": person, "auth_time": server.now().as_seconds(), "organization_id": "acme"});
    for person in ["ana", "ben"] {
        Authorization::of(&server, &client, "openid").subject(in_acme(person)).tokens().await;
    }
    server.advance(60);
    // The decision and one of the two revocations get through.
    server.store.allow_appends(Some(2));
    let path = format!("/v1/organizations/acme/connected-apps/{}", text(&client, "client_id"));
    assert_eq!(server.call("consent", Method::DELETE, &path, None).await.status, 503);
    server.store.allow_appends(None);
    let told = get(&server, "/v1/audit/grants?organization=acme&include_ended=true").await;
    let mut states: Vec<_> = told["grants"].as_array().unwrap().iter().map(|grant| (text(grant, "state"), text(grant, "reason"))).collect();
    states.sort_unstable();
    assert_eq!(states, [("cut_off", "organization_disconnected"), ("revoked", "organization_disconnected")]);
    let before = get(&server, "/v1/audit/grants?organization=acme&as_of=2026-03-03T14:00:30Z").await;
    let states: Vec<_> = before["grants"].as_array().unwrap().iter().map(|grant| (&grant["state"], grant.get("reason"))).collect();
    assert_eq!(states, [(&json!("active"), None); 2]);
    // The same again ends the rest, and the grant's history has the decision that it followed from.
    server.call("consent", Method::DELETE, &path, None).await.expect(204);
    for grant in told["grants"].as_array().unwrap() {
        let history = get(&server, &format!("/v1/audit/consents/{}/history", text(grant, "grant_id"))).await;
        let steps: Vec<_> = history["steps"].as_array().unwrap().iter().map(|step| text(step, "step")).collect();
        assert!(steps.ends_with(&["organization_disconnected", "revoked"]), "{steps:?}");
        assert_eq!(history["grant"]["state"], "revoked");
    }
}

/// Who they were is not known any more; what was agreed, to whom and until when is.
#[tokio::test]
async fn what_an_erased_person_had_agreed_to_is_still_told_without_them() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    Authorization::of(&server, &client, "openid").tokens().await;
    let before = get(&server, "/v1/audit/consents?subject=ana").await;
    let subject_id = text(&before["grants"][0], "subject_id").to_owned();
    server.advance(60);
    // The erasure gets through, and the revocation that follows from it does not.
    server.store.allow_appends(Some(1));
    assert_eq!(server.call("admin", Method::POST, "/v1/subjects/ana/erase", None).await.status, 503);
    server.store.allow_appends(None);
    let path = format!("/v1/audit/consents?subject_id={subject_id}&include_ended=true");
    let told = async |when: &str| {
        let answer = get(&server, &format!("{path}{when}")).await;
        assert_eq!(answer["people"], json!({ &*subject_id: null }));
        (text(&answer["grants"][0], "state").to_owned(), answer["grants"][0].get("reason").cloned())
    };
    let erased = Some(json!("subject_erased"));
    assert_eq!(told("").await, ("cut_off".to_owned(), erased.clone()));
    assert_eq!(told("&as_of=2026-03-03T14:00:30Z").await, ("active".to_owned(), None));
    server.app.authority.enforce_pending(&Context::system(), &*server.app.live).await.unwrap();
    assert_eq!(told("").await, ("revoked".to_owned(), erased));
    let history = get(&server, &format!("/v1/audit/consents/{}/history", text(&before["grants"][0], "grant_id"))).await;
    let steps: Vec<_> = history["steps"].as_array().unwrap().iter().map(|step| text(step, "step")).collect();
    assert!(steps.ends_with(&["erased", "revoked"]) && history["subject"].is_null(), "{steps:?}");
}

#[tokio::test]
async fn a_grant_is_as_narrow_as_the_roles_left_it_and_the_change_of_roles_is_a_step() {
    let server = TestServer::start().await;
    publish(&server, &document()).await.expect(200);
    let client = server.client_with(json!({"scope": "openid documents.read documents.write"})).await;
    let ana = json!({"id": "ana", "auth_time": server.now().as_seconds(), "organization_id": "acme", "roles": ["writer"]});
    Authorization::of(&server, &client, "openid documents.read documents.write").subject(ana).tokens().await;
    server.advance(60);
    let roles = json!({"organization_id": "acme", "roles": ["reader"]});
    server.call("consent", Method::PUT, "/v1/subjects/ana/roles", Some(&roles)).await.expect(200);
    let now = get(&server, "/v1/audit/consents?subject=ana").await;
    let then = get(&server, "/v1/audit/consents?subject=ana&as_of=2026-03-03T14:00:30Z").await;
    assert_eq!((scopes(&then), scopes(&now)), (vec!["documents.read documents.write openid"], vec!["documents.read openid"]));
    let asked = |answer: &Value| answer["grants"][0]["asked_at"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        (asked(&then), asked(&now)),
        (
            vec!["documents.read".to_owned(), "documents.write".to_owned(), "openid".to_owned()],
            vec!["documents.read".to_owned(), "openid".to_owned()]
        )
    );
    assert_eq!(now["grants"][0]["asked_at"]["openid"], "2026-03-03T14:00:00.000Z");
    let told = get(&server, &format!("/v1/audit/consents/{}/history", text(&now["grants"][0], "grant_id"))).await;
    let steps: Vec<_> = told["steps"].as_array().unwrap().iter().map(|step| text(step, "step")).collect();
    assert!(steps.ends_with(&["roles_set", "token_revoked", "narrowed"]), "{steps:?}");
}

#[tokio::test]
async fn a_consent_is_told_step_by_step() {
    let (server, client, grant) = history().await;
    let told = get(&server, &format!("/v1/audit/consents/{grant}/history")).await;
    let steps: Vec<_> = told["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(
        steps,
        [
            "requested",
            "identified",
            "approved",
            "opened",
            "granted",
            "code_issued",
            "answered",
            "connected",
            "used",
            "requested",
            "identified",
            "approved",
            "granted",
            "code_issued",
            "answered",
            "revoked",
        ]
    );
    assert_eq!((&told["subject"], &told["grant"]["state"]), (&json!("ana"), &json!("revoked")));
    let steps = told["steps"].as_array().unwrap();
    let now = get(&server, &format!("/v1/audit/clients/{}", text(&client, "client_id"))).await;
    for step in steps {
        assert_eq!(step["client_metadata_sha256"], now["metadata_sha256"], "{step}");
        assert!(!text(step, "request_id").is_empty(), "{step}");
    }
    let (connected, revoked) = (&steps[7], &steps[15]);
    assert_eq!(text(connected, "actor"), format!("client:{}", text(&client, "client_id")));
    assert!(text(revoked, "actor").starts_with("api_key:"));
    assert_eq!(revoked["data"]["reason"], "disconnected");
    // As far as it had come before.
    let before = get(&server, &format!("/v1/audit/consents/{grant}/history?as_of=2026-03-03T14:05:00Z")).await;
    assert_eq!((before["steps"].as_array().unwrap().len(), &before["grant"]["state"]), (9, &json!("active")));
    let too_early = server.call("auditor", Method::GET, &format!("/v1/audit/consents/{grant}/history?position=1"), None).await;
    too_early.expect_problem(404, "not_found");
}

#[tokio::test]
async fn uses_that_follow_one_another_are_one_step() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let mut tokens = Authorization::of(&server, &client, "openid offline_access").tokens().await;
    for _ in 0..5 {
        server.advance(60);
        tokens = server.refresh(&client, text(&tokens, "refresh_token")).await.expect(200);
    }
    let grant = text(&server.grants("ana").await[0], "id").to_owned();
    let told = get(&server, &format!("/v1/audit/consents/{grant}/history")).await;
    let steps = told["steps"].as_array().unwrap();
    let used = &steps[steps.len() - 1];
    // An access and a refresh token at first, and both again five times.
    assert_eq!((&used["step"], &used["count"]), (&json!("used"), &json!(12)));
    assert_eq!((text(used, "time"), text(used, "last_time")), ("2026-03-03T14:00:00.000Z", "2026-03-03T14:05:00.000Z"));
}

#[tokio::test]
async fn a_client_is_what_it_was() {
    let (server, client, _) = history().await;
    let path = format!("/v1/audit/clients/{}", text(&client, "client_id"));
    server.change(&client, json!({"client_name": "Storms by Mail"})).await;
    let then = get(&server, &format!("{path}?as_of=2026-03-03T14:15:00Z")).await;
    let now = get(&server, &path).await;
    assert_eq!((&then["metadata"]["client_name"], &now["metadata"]["client_name"]), (&json!("Weather by Mail"), &json!("Storms by Mail")));
    assert_ne!(then["metadata_sha256"], now["metadata_sha256"]);
    assert_eq!((&then["state"], then["registered_at"].as_str()), (&json!("active"), Some("2026-03-03T14:00:00.000Z")));
    // Nothing secret is told.
    assert!(!now.to_string().contains("secret\""), "{now}");
    for path in [format!("{path}?as_of=2026-03-03T13:00:00Z"), "/v1/audit/clients/nobody".to_owned()] {
        server.call("auditor", Method::GET, &path, None).await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn signing_keys_are_what_they_were() {
    let server = TestServer::start().await;
    server.advance(60);
    server.admin(Method::POST, "/v1/signing-keys/rotate", None).await;
    server.advance(7_200);
    let states = async |query: &str| {
        let answer = get(&server, &format!("/v1/audit/signing-keys{query}")).await;
        let keys = answer["signing_keys"].as_array().unwrap().clone();
        keys.iter().filter(|key| key["algorithm"] == "EdDSA").map(|key| text(key, "state").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states("?as_of=2026-03-03T14:00:30Z").await, ["active"]);
    assert_eq!(states("?as_of=2026-03-03T14:01:00Z").await, ["active", "upcoming"]);
    assert_eq!(states("").await.len(), 2);
    assert_eq!(states("").await[1], "active");
    assert_eq!(states("?position=1").await.len(), 1);
}

#[tokio::test]
async fn there_was_no_policy_before_one_was_published() {
    let (server, _, _) = history().await;
    let answer = get(&server, "/v1/audit/policy?position=2").await;
    assert_eq!(answer, json!({"position": 2}));
}

#[tokio::test]
async fn the_policy_is_what_it_was_and_each_step_names_the_one_that_held() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    Authorization::of(&server, &client, "openid").tokens().await;
    server.advance(60);
    publish(&server, &document()).await.expect(200);
    server.advance(60);
    let before = get(&server, "/v1/audit/policy?as_of=2026-03-03T14:00:30Z").await;
    let since = get(&server, "/v1/audit/policy?as_of=2026-03-03T14:01:00Z").await;
    assert_eq!((before.get("version"), before.get("published")), (None, None));
    assert_eq!((&since["version"], &since["published"]["type"]), (&json!(1), &json!("policy.published")));
    let grant = text(&server.grants("ana").await[0], "id").to_owned();
    server.call("consent", Method::DELETE, &format!("/v1/subjects/ana/grants/{grant}"), None).await.expect(204);
    let told = get(&server, &format!("/v1/audit/consents/{grant}/history")).await;
    let steps = told["steps"].as_array().unwrap();
    assert_eq!((steps[0].get("policy_version"), &steps[steps.len() - 1]["policy_version"]), (None, &json!(1)));
}
