use std::collections::BTreeMap;

use grantlog_tests::{Answer, Authorization, Pkce, TestServer, parameters_of};
use http::Method;
use serde_json::{Value, json};

async fn setup() -> (TestServer, Value) {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    (server, client)
}

async fn first_party(server: &TestServer, members: Value) -> Value {
    let mut metadata = json!({
        "client_name": "Mail",
        "client_type": "first_party",
        "redirect_uris": ["https://mail.example.com/callback"],
        "scope": "openid email offline_access",
    });
    metadata.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    server.register(metadata).await
}

fn id(request: &Value) -> &str {
    request["id"].as_str().unwrap_or_else(|| panic!("no id in {request}"))
}

/// What the page is told to do: state and next.
fn told(request: &Value) -> (&str, &str) {
    (request["state"].as_str().unwrap_or_default(), request["next"].as_str().unwrap_or_default())
}

/// The error that the redirect tells the client; nothing else may be in it than what RFC 6749 §4.1.2.1 and RFC 9207 say.
#[track_caller]
fn error_to_client(redirect_to: &Value) -> String {
    let parameters = parameters_of(redirect_to);
    assert_eq!(parameters.keys().map(String::as_str).collect::<Vec<_>>(), ["error", "error_description", "iss", "state"]);
    assert_eq!((parameters["state"].as_str(), parameters["iss"].as_str()), ("af0ifjsldkj", "https://auth.example.com"));
    parameters["error"].clone()
}

/// A rejected request that is answered by a redirect to the client.
#[track_caller]
fn rejected_to_client(answer: &Answer) -> String {
    let request = answer.expect(200);
    assert_eq!(told(&request), ("rejected", "redirect"), "{request}");
    assert_eq!(request.get("id"), None);
    assert!(request["redirect_to"].as_str().is_some_and(|to| to.starts_with("https://weather.example.com/callback?")), "{request}");
    let error = error_to_client(&request["redirect_to"]);
    assert_eq!(request["error"]["code"], error.as_str());
    error
}

/// A rejected request that must not be answered to anybody but the person.
#[track_caller]
fn rejected_to_nobody(answer: &Answer) {
    let request = answer.expect(200);
    assert_eq!(told(&request), ("rejected", "show_error"), "{request}");
    assert_eq!((request.get("redirect_to"), request.get("form_post"), request.get("id")), (None, None, None));
    assert_eq!(request["error"]["code"], "invalid_request");
    assert!(!answer.body.windows(5).any(|window| window == b"evil."), "{request}");
}

// What comes next

#[tokio::test]
async fn without_a_subject_the_person_logs_in_and_is_asked_and_sent_back() {
    let (server, client) = setup().await;
    let answer = Authorization::of(&server, &client, "openid email").start_without_subject().await;
    let request = answer.expect(201);
    assert_eq!(told(&request), ("awaiting_subject", "login"));
    assert_eq!((&request["subject"], &request["consent_required"], &request["consent_reason"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!(request["client"]["redirect_host"], "weather.example.com");
    assert_eq!(request["client"]["client_name"], "Weather by Mail");
    assert_eq!(
        (request["created_at"].as_str(), request["expires_at"].as_str()),
        (Some("2026-03-03T14:00:00.000Z"), Some("2026-03-03T14:10:00.000Z"))
    );
    let request = server.attest(id(&request), &json!({"subject": server.ana(0)})).await.expect(200);
    assert_eq!(told(&request), ("awaiting_consent", "consent"));
    assert_eq!((&request["subject"], &request["consent_required"]), (&json!({"id": "ana"}), &json!(true)));
    assert_eq!(request["consent_reason"], "first_time");
    let request = server.decide(id(&request), &json!({"decision": "approve"})).await.expect(200);
    assert_eq!(told(&request), ("completed", "redirect"));
    let parameters = parameters_of(&request["redirect_to"]);
    assert_eq!(parameters.keys().map(String::as_str).collect::<Vec<_>>(), ["code", "iss", "state"]);
    assert_eq!(parameters["iss"], server.issuer());
    assert_eq!(server.read(id(&request)).await.expect(200), request);
}

#[tokio::test]
async fn oidc_core_3_1_2_1_max_age_asks_for_a_newer_login() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, "openid").with("max_age", "60");
    let old = authorization.subject(server.ana(61));
    let request = old.start().await;
    assert_eq!((told(&request), &request["hints"]["max_age"]), (("awaiting_subject", "reauthenticate"), &json!(60)));
    // The page must not go on with a person who does not suffice.
    let conflict = server.decide(id(&request), &json!({"decision": "approve"})).await.expect_problem(409, "conflict");
    assert_eq!(told(&conflict["authorization_request"]), ("awaiting_subject", "reauthenticate"));
    let request = server.attest(id(&request), &json!({"subject": server.ana(60)})).await.expect(200);
    assert_eq!(told(&request), ("awaiting_consent", "consent"));
}

#[tokio::test]
async fn oidc_registration_2_default_max_age_counts_when_the_request_has_none() {
    let (server, client) = setup().await;
    server.change(&client, json!({"default_max_age": 30})).await;
    let request = Authorization::of(&server, &client, "openid").subject(server.ana(31)).start().await;
    assert_eq!((told(&request), &request["hints"]["max_age"]), (("awaiting_subject", "reauthenticate"), &json!(30)));
    let request = Authorization::of(&server, &client, "openid").with("max_age", "31").subject(server.ana(31)).start().await;
    assert_eq!(told(&request), ("awaiting_consent", "consent"));
}

#[tokio::test]
async fn oidc_core_3_1_2_1_prompt_login_is_not_answered_by_who_was_there_before() {
    for (name, value) in [("prompt", "login"), ("max_age", "0")] {
        let (server, client) = setup().await;
        let request = Authorization::of(&server, &client, "openid").with(name, value).subject(server.ana(5)).start().await;
        assert_eq!(told(&request), ("awaiting_subject", "reauthenticate"), "{name}={value}");
        // Even a login of this very second came before the request when it comes with it.
        let fresh = Authorization::of(&server, &client, "openid").with(name, value).start().await;
        assert_eq!(told(&fresh), ("awaiting_subject", "login"), "{name}={value}");
        server.advance(5);
        let request = server.attest(id(&request), &json!({"subject": server.ana(0)})).await.expect(200);
        assert_eq!(told(&request), ("awaiting_consent", "consent"), "{name}={value}");
    }
}

#[tokio::test]
async fn oidc_core_3_1_2_1_acr_values_ask_for_a_step_up() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, "openid").with("acr_values", "urn:example:gold");
    let request = authorization.start().await;
    assert_eq!(told(&request), ("awaiting_subject", "step_up"));
    assert_eq!(request["hints"]["acr_values"], json!(["urn:example:gold"]));
    let mut stronger = server.ana(0);
    stronger["acr"] = json!("urn:example:gold");
    let request = server.attest(id(&request), &json!({"subject": stronger})).await.expect(200);
    assert_eq!(told(&request), ("awaiting_consent", "consent"));
}

#[tokio::test]
async fn oidc_core_5_5_1_1_an_acr_value_that_nobody_can_reach_is_no_reason_to_stop() {
    let (server, client) = setup().await;
    let request = Authorization::of(&server, &client, "openid").with("acr_values", "urn:other:retina").start().await;
    assert_eq!(told(&request), ("awaiting_consent", "consent"));
}

#[tokio::test]
async fn oidc_core_3_1_2_1_prompt_select_account_lets_the_person_choose() {
    let (server, client) = setup().await;
    let request = Authorization::of(&server, &client, "openid").with("prompt", "select_account").start().await;
    assert_eq!(told(&request), ("awaiting_subject", "select_account"));
    let request = server.attest(id(&request), &json!({"subject": server.ana(0)})).await.expect(200);
    assert_eq!(told(&request), ("awaiting_consent", "consent"));
}

#[tokio::test]
async fn oidc_core_3_1_2_1_id_token_hint_asks_for_that_very_person() {
    let (server, client) = setup().await;
    let tokens = Authorization::of(&server, &client, "openid").tokens().await;
    let hinted = || Authorization::of(&server, &client, "openid").with("id_token_hint", tokens["id_token"].as_str().unwrap());
    assert_eq!(told(&hinted().start().await), ("completed", "redirect"));
    let ben = json!({"id": "ben", "auth_time": server.now().as_seconds()});
    assert_eq!(told(&hinted().subject(ben.clone()).start().await), ("awaiting_subject", "select_account"));
    let request = hinted().with("prompt", "none").subject(ben).start().await;
    assert_eq!((told(&request), error_to_client(&request["redirect_to"]).as_str()), (("completed", "redirect"), "login_required"));
    // Expired hints are good (OIDC Core §3.1.2.1); what we have not signed is not.
    server.advance(7_200);
    assert_eq!(told(&hinted().subject(server.ana(0)).start().await), ("completed", "redirect"));
    let access_token = tokens["access_token"].as_str().unwrap();
    for wrong in [access_token, "x", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbmEifQ."] {
        let answer = Authorization::of(&server, &client, "openid").with("id_token_hint", wrong).start_without_subject().await;
        assert_eq!(rejected_to_client(&answer), "invalid_request", "{wrong}");
    }
}

#[tokio::test]
async fn oidc_core_3_1_2_1_prompt_consent_asks_again() {
    let (server, client) = setup().await;
    Authorization::of(&server, &client, "openid").code().await;
    let request = Authorization::of(&server, &client, "openid").with("prompt", "consent").start().await;
    assert_eq!((told(&request), &request["consent_reason"]), (("awaiting_consent", "consent"), &json!("prompt_consent")));
    assert_eq!(request["scopes"][0]["already_granted"], true);
}

// prompt=none

#[tokio::test]
async fn oidc_core_3_1_2_6_prompt_none_without_a_login_is_login_required() {
    let (server, client) = setup().await;
    let silent = Authorization::of(&server, &client, "openid").with("prompt", "none");
    for request in [silent.start_without_subject().await.expect(201), silent.with("max_age", "1").subject(server.ana(2)).start().await] {
        assert_eq!(told(&request), ("completed", "redirect"));
        assert_eq!(error_to_client(&request["redirect_to"]), "login_required");
        assert_eq!(request["error"]["code"], "login_required");
    }
}

#[tokio::test]
async fn oidc_core_3_1_2_6_prompt_none_without_consent_is_consent_required() {
    let (server, client) = setup().await;
    let request = Authorization::of(&server, &client, "openid").with("prompt", "none").start().await;
    assert_eq!((told(&request), error_to_client(&request["redirect_to"]).as_str()), (("completed", "redirect"), "consent_required"));
    Authorization::of(&server, &client, "openid").code().await;
    let request = Authorization::of(&server, &client, "openid email").with("prompt", "none").start().await;
    assert_eq!((told(&request), error_to_client(&request["redirect_to"]).as_str()), (("completed", "redirect"), "consent_required"));
}

#[tokio::test]
async fn oidc_core_3_1_2_6_prompt_none_that_needs_a_step_up_is_interaction_required() {
    let (server, client) = setup().await;
    let silent = Authorization::of(&server, &client, "openid").with("prompt", "none").with("acr_values", "urn:example:gold");
    let request = silent.start().await;
    assert_eq!((told(&request), error_to_client(&request["redirect_to"]).as_str()), (("completed", "redirect"), "interaction_required"));
}

#[tokio::test]
async fn oidc_core_3_1_2_1_prompt_none_is_silent_when_all_was_agreed_before() {
    let (server, client) = setup().await;
    Authorization::of(&server, &client, "openid").code().await;
    let request = Authorization::of(&server, &client, "openid").with("prompt", "none").start().await;
    assert_eq!(told(&request), ("completed", "redirect"));
    assert!(parameters_of(&request["redirect_to"]).contains_key("code"), "{request}");
}

#[tokio::test]
async fn oidc_core_3_1_2_1_prompt_none_with_anything_else_is_an_error() {
    let (server, client) = setup().await;
    for prompt in ["none login", "consent none", "create"] {
        let answer = Authorization::of(&server, &client, "openid").with("prompt", prompt).start_without_subject().await;
        assert_eq!(rejected_to_client(&answer), "invalid_request", "{prompt}");
    }
}

// Decisions

#[tokio::test]
async fn the_same_decision_gets_the_same_answer_and_one_code() {
    let (server, client) = setup().await;
    let request = Authorization::of(&server, &client, "openid email").start().await;
    let approve = json!({"decision": "approve", "scopes": ["email", "openid"]});
    let first = server.decide(id(&request), &approve).await.expect(200);
    for again in [approve, json!({"decision": "approve"}), json!({"decision": "approve", "scopes": ["openid", "email", "openid"]})] {
        assert_eq!(server.decide(id(&request), &again).await.expect(200), first, "{again}");
    }
    let denied = Authorization::of(&server, &client, "openid").with("prompt", "consent").start().await;
    let first = server.decide(id(&denied), &json!({"decision": "deny"})).await.expect(200);
    assert_eq!(server.decide(id(&denied), &json!({"decision": "deny", "error": "access_denied"})).await.expect(200), first);
}

#[tokio::test]
async fn another_decision_is_a_conflict_that_carries_the_request() {
    let (server, client) = setup().await;
    let request = Authorization::of(&server, &client, "openid email").start().await;
    let decided = server.decide(id(&request), &json!({"decision": "approve"})).await.expect(200);
    for other in [json!({"decision": "deny"}), json!({"decision": "approve", "scopes": ["openid"]})] {
        let conflict = server.decide(id(&request), &other).await.expect_problem(409, "conflict");
        assert_eq!(conflict["authorization_request"], decided, "{other}");
    }
    let ben = json!({"subject": {"id": "ben", "auth_time": server.now().as_seconds()}});
    let conflict = server.attest(id(&request), &ben).await.expect_problem(409, "conflict");
    assert_eq!(conflict["authorization_request"], decided);
}

#[tokio::test]
async fn a_denial_is_told_in_the_words_that_the_application_chose() {
    let (server, client) = setup().await;
    let errors = [
        "access_denied",
        "login_required",
        "account_selection_required",
        "consent_required",
        "interaction_required",
        "unmet_authentication_requirements",
    ];
    for error in errors {
        let request = Authorization::of(&server, &client, "openid").start_without_subject().await.expect(201);
        let request = server.decide(id(&request), &json!({"decision": "deny", "error": error})).await.expect(200);
        assert_eq!((told(&request), error_to_client(&request["redirect_to"]).as_str()), (("completed", "redirect"), error));
        assert_eq!(request["error"]["code"], error);
    }
}

#[tokio::test]
async fn nobody_approves_before_somebody_is_there() {
    let (server, client) = setup().await;
    let request = Authorization::of(&server, &client, "openid").start_without_subject().await.expect(201);
    let conflict = server.decide(id(&request), &json!({"decision": "approve"})).await.expect_problem(409, "conflict");
    assert_eq!(conflict["authorization_request"], request);
    let both = json!({"decision": "approve", "subject": server.ana(0)});
    assert_eq!(told(&server.decide(id(&request), &both).await.expect(200)), ("completed", "redirect"));
}

#[tokio::test]
async fn rfc6749_3_3_the_person_may_grant_less_and_never_more() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, "openid email offline_access");
    let request = authorization.start().await;
    for (wrong, why) in [(json!(["openid", "notes.read"]), "more"), (json!([]), "nothing"), (json!(["a b"]), "no scope")] {
        let answer = server.decide(id(&request), &json!({"decision": "approve", "scopes": wrong})).await;
        assert_eq!(answer.expect_problem(400, "invalid_field")["field"], "scopes", "{why}");
    }
    let partial = json!({"decision": "approve", "scopes": ["openid", "offline_access"]});
    let request = server.decide(id(&request), &partial).await.expect(200);
    let tokens = authorization.redeem(&parameters_of(&request["redirect_to"])["code"]).await.expect(200);
    assert_eq!(tokens["scope"], "offline_access openid");
    // RFC 6749 §6: a refresh stays within what was granted, not within what was asked for.
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    let widened = [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("scope", "openid email")];
    server.as_client(&client, "/oauth2/token", &widened).await.expect_oauth_error(400, "invalid_scope");
    let refreshed = server.refresh(&client, refresh_token).await.expect(200);
    assert_eq!(refreshed["scope"], "offline_access openid");
}

#[tokio::test]
async fn oidc_core_11_who_refuses_offline_access_gives_no_refresh_token() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, "openid offline_access");
    let request = authorization.start().await;
    let request = server.decide(id(&request), &json!({"decision": "approve", "scopes": ["openid"]})).await.expect(200);
    let tokens = authorization.redeem(&parameters_of(&request["redirect_to"])["code"]).await.expect(200);
    assert_eq!((&tokens["scope"], tokens.get("refresh_token")), (&json!("openid"), None));
}

#[tokio::test]
async fn what_the_decision_says_must_fit_together() {
    let (server, client) = setup().await;
    let request = Authorization::of(&server, &client, "openid").start().await;
    for (body, field) in [
        (json!({"decision": "deny", "scopes": ["openid"]}), "scopes"),
        (json!({"decision": "approve", "error": "access_denied"}), "error"),
        (json!({"decision": "approve", "shown": {"texts_sha256": "x"}}), "shown.texts_sha256"),
        (json!({"decision": "approve", "shown": {"locale": "x".repeat(101)}}), "shown.locale"),
        (json!({"decision": "approve", "browser_binding": ""}), "browser_binding"),
    ] {
        assert_eq!(server.decide(id(&request), &body).await.expect_problem(400, "invalid_field")["field"], field, "{body}");
    }
    assert_eq!(told(&server.read(id(&request)).await.expect(200)), ("awaiting_consent", "consent"));
}

// The browser

#[tokio::test]
async fn a_request_belongs_to_the_browser_that_started_it() {
    let (server, client) = setup().await;
    let query = Authorization::of(&server, &client, "openid").query();
    let request = server.create(&json!({"query": query, "browser_binding": "mine"})).await.expect(201);
    for binding in [json!("theirs"), Value::Null] {
        let subject = json!({"subject": server.ana(0), "browser_binding": binding});
        assert_eq!(server.attest(id(&request), &subject).await.expect_problem(403, "forbidden")["field"], "browser_binding");
        for decision in ["approve", "deny"] {
            let decision = json!({"decision": decision, "subject": server.ana(0), "browser_binding": binding});
            assert_eq!(server.decide(id(&request), &decision).await.expect_problem(403, "forbidden")["field"], "browser_binding");
        }
    }
    assert_eq!(server.read(id(&request)).await.expect(200), request);
    let subject = json!({"subject": server.ana(0), "browser_binding": "mine"});
    assert_eq!(told(&server.attest(id(&request), &subject).await.expect(200)), ("awaiting_consent", "consent"));
    let decision = json!({"decision": "approve", "browser_binding": "mine"});
    assert_eq!(told(&server.decide(id(&request), &decision).await.expect(200)), ("completed", "redirect"));
    // The answer is for this browser too, though it was given before.
    let other = json!({"decision": "approve", "browser_binding": "theirs"});
    let refused = server.decide(id(&request), &other).await.expect_problem(403, "forbidden");
    assert_eq!(refused.get("authorization_request"), None);
}

#[tokio::test]
async fn a_request_that_is_bound_to_no_browser_is_decided_in_any() {
    let (server, client) = setup().await;
    let request = Authorization::of(&server, &client, "openid").start().await;
    let decision = json!({"decision": "approve", "browser_binding": "any"});
    assert_eq!(told(&server.decide(id(&request), &decision).await.expect(200)), ("completed", "redirect"));
}

// Time

#[tokio::test]
async fn a_request_that_nobody_decides_expires_and_says_where_to_start_over() {
    let (server, client) = setup().await;
    server.change(&client, json!({"client_uri": "https://weather.example.com/"})).await;
    let request = Authorization::of(&server, &client, "openid").start().await;
    server.advance(599);
    assert_eq!(told(&server.read(id(&request)).await.expect(200)), ("awaiting_consent", "consent"));
    server.advance(1);
    let expired = server.read(id(&request)).await.expect(200);
    assert_eq!((told(&expired), &expired["error"]["code"]), (("expired", "show_error"), &json!("expired")));
    assert_eq!((expired.get("redirect_to"), &expired["restart_url"]), (None, &json!("https://weather.example.com/")));
    for decision in ["approve", "deny"] {
        let conflict = server.decide(id(&request), &json!({"decision": decision})).await.expect_problem(409, "conflict");
        assert_eq!(conflict["authorization_request"], expired);
    }
    let conflict = server.attest(id(&request), &json!({"subject": server.ana(0)})).await.expect_problem(409, "conflict");
    assert_eq!(conflict["authorization_request"], expired);
}

#[tokio::test]
async fn a_decision_in_time_keeps_its_answer() {
    let (server, client) = setup().await;
    let request = Authorization::of(&server, &client, "openid").start().await;
    let decided = server.decide(id(&request), &json!({"decision": "approve"})).await.expect(200);
    server.advance(3_600);
    assert_eq!(server.read(id(&request)).await.expect(200), decided);
    assert_eq!(server.decide(id(&request), &json!({"decision": "approve"})).await.expect(200), decided);
}

// Consent

#[tokio::test]
async fn what_was_agreed_before_is_told_from_what_is_new() {
    let (server, client) = setup().await;
    Authorization::of(&server, &client, "openid email").code().await;
    assert_eq!(told(&Authorization::of(&server, &client, "email").start().await), ("completed", "redirect"));
    let request = Authorization::of(&server, &client, "openid email notes.read").start().await;
    assert_eq!((told(&request), &request["consent_reason"]), (("awaiting_consent", "consent"), &json!("scopes_added")));
    let granted = |scope, description, already| json!({"scope": scope, "description": description, "grantable": true, "already_granted": already, "required": false, "reason": null});
    assert_eq!(
        request["scopes"],
        json!([
            granted("email", "See your e-mail address", true),
            granted("notes.read", "Read your notes", false),
            granted("openid", "Know who you are", true)
        ])
    );
    server.decide(id(&request), &json!({"decision": "approve", "scopes": ["notes.read"]})).await.expect(200);
    assert_eq!(told(&Authorization::of(&server, &client, "openid email notes.read").start().await), ("completed", "redirect"));
}

#[tokio::test]
async fn a_denial_takes_nothing_back() {
    let (server, client) = setup().await;
    Authorization::of(&server, &client, "openid").code().await;
    let request = Authorization::of(&server, &client, "openid email").start().await;
    server.decide(id(&request), &json!({"decision": "deny"})).await.expect(200);
    assert_eq!(told(&Authorization::of(&server, &client, "openid").start().await), ("completed", "redirect"));
}

#[tokio::test]
async fn consent_is_of_one_person_in_one_organization() {
    let (server, client) = setup().await;
    Authorization::of(&server, &client, "openid").code().await;
    let now = server.now().as_seconds();
    for other in [json!({"id": "ben", "auth_time": now}), json!({"id": "ana", "organization_id": "acme", "auth_time": now})] {
        let request = Authorization::of(&server, &client, "openid").subject(other).start().await;
        assert_eq!((told(&request), &request["consent_reason"]), (("awaiting_consent", "consent"), &json!("first_time")));
    }
}

#[tokio::test]
async fn after_disconnecting_consent_is_asked_again() {
    let (server, client) = setup().await;
    let tokens = Authorization::of(&server, &client, "openid").tokens().await;
    let grants = server.call("consent", Method::GET, "/v1/subjects/ana/grants", None).await.expect(200);
    let path = format!("/v1/subjects/ana/grants/{}", grants["grants"][0]["id"].as_str().unwrap());
    server.call("consent", Method::DELETE, &path, None).await.expect(204);
    assert!(!server.is_active(tokens["access_token"].as_str().unwrap()).await);
    let request = Authorization::of(&server, &client, "openid").start().await;
    assert_eq!((told(&request), &request["consent_reason"]), (("awaiting_consent", "consent"), &json!("revoked")));
    assert_eq!(request["scopes"][0]["already_granted"], false);
    let request = server.decide(id(&request), &json!({"decision": "approve"})).await.expect(200);
    let again = Authorization::of(&server, &client, "openid");
    let again = again.redeem(&parameters_of(&request["redirect_to"])["code"]).await.expect(200);
    assert!(server.is_active(again["access_token"].as_str().unwrap()).await);
    assert!(!server.is_active(tokens["access_token"].as_str().unwrap()).await);
}

#[tokio::test]
async fn oidc_core_11_offline_access_is_asked_every_time_unless_remembered() {
    for remember in [false, true] {
        let server = TestServer::start_with(|settings| settings.remember_offline_access = remember, |_| {}).await;
        let client = server.confidential_client().await;
        Authorization::of(&server, &client, "openid offline_access").code().await;
        let request = Authorization::of(&server, &client, "openid offline_access").start().await;
        let expected =
            if remember { (("completed", "redirect"), json!(null)) } else { (("awaiting_consent", "consent"), json!("offline_access")) };
        assert_eq!((told(&request), request["consent_reason"].clone()), expected);
    }
}

#[tokio::test]
async fn a_first_party_client_does_not_ask() {
    let server = TestServer::start().await;
    let client = first_party(&server, json!({})).await;
    let request = Authorization::of(&server, &client, "openid email").start().await;
    assert_eq!((told(&request), &request["consent_required"]), (("completed", "redirect"), &json!(false)));
    assert_eq!(request["client"]["client_type"], "first_party");
    let request = Authorization::of(&server, &client, "openid").with("prompt", "consent").start().await;
    assert_eq!((told(&request), &request["consent_reason"]), (("awaiting_consent", "consent"), &json!("prompt_consent")));
}

#[tokio::test]
async fn oidc_core_11_a_first_party_client_asks_for_offline_access_unless_it_may_bypass_it() {
    let server = TestServer::start().await;
    let client = first_party(&server, json!({})).await;
    // What was not asked for is not given: else the question could be avoided.
    let tokens = Authorization::of(&server, &client, "openid").tokens().await;
    assert_eq!(tokens.get("refresh_token"), None);
    let request = Authorization::of(&server, &client, "openid offline_access").start().await;
    assert_eq!((told(&request), &request["consent_reason"]), (("awaiting_consent", "consent"), &json!("offline_access")));
    let trusted = first_party(&server, json!({"bypass_consent_for_offline_access": true})).await;
    assert_eq!(told(&Authorization::of(&server, &trusted, "openid offline_access").start().await), ("completed", "redirect"));
}

// Requests that are rejected

#[tokio::test]
async fn rfc6749_4_1_2_1_an_unregistered_redirect_uri_is_never_redirected_to() {
    let (server, client) = setup().await;
    for uri in [
        "https://evil.example/",
        "https://weather.example.com/callback/",
        "https://weather.example.com/callback?x=1",
        "https://weather.example.com/callback#x",
        "https://weather.example.com/CALLBACK",
        "https://weather.example.com:443/callback",
        "https://weather.example.com@evil.example/callback",
        "https://weather.example.com/callback/..;/evil.",
        "https://weather.example.com/%63allback",
        "http://weather.example.com/callback",
        "JavaScript:alert(1)//evil.",
        "data:text/html,evil.",
        "//evil.example/callback",
    ] {
        for mode in ["query", "form_post"] {
            let request = Authorization::of(&server, &client, "openid").with("redirect_uri", uri).with("response_mode", mode);
            rejected_to_nobody(&request.start_without_subject().await);
        }
    }
}

#[tokio::test]
async fn rfc6749_4_1_2_1_an_unknown_client_is_told_to_the_person() {
    let (server, client) = setup().await;
    let authorization = || Authorization::of(&server, &client, "openid");
    rejected_to_nobody(&authorization().without("client_id").start_without_subject().await);
    for unknown in ["client_unknown", "\u{e9}", "' or 1=1", &"x".repeat(5_000)] {
        rejected_to_nobody(&authorization().with("client_id", unknown).start_without_subject().await);
    }
    let suspend = format!("/v1/clients/{}/suspend", client["client_id"].as_str().unwrap());
    assert!(server.call("admin", Method::POST, &suspend, None).await.status.is_success());
    rejected_to_nobody(&authorization().start_without_subject().await);
}

#[tokio::test]
async fn rfc6749_3_1_2_3_without_redirect_uri_the_only_registered_one_is_meant() {
    let (server, client) = setup().await;
    let request = Authorization::of(&server, &client, "openid").without("redirect_uri").start().await;
    assert_eq!(told(&request), ("awaiting_consent", "consent"));
    server.change(&client, json!({"redirect_uris": ["https://weather.example.com/callback", "https://weather.example.com/other"]})).await;
    rejected_to_nobody(&Authorization::of(&server, &client, "openid").without("redirect_uri").start_without_subject().await);
}

#[tokio::test]
async fn rfc8252_7_3_a_loopback_uri_without_a_port_matches_any_port() {
    let server = TestServer::start().await;
    let client = server
        .register(json!({
            "client_name": "CLI",
            "token_endpoint_auth_method": "none",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "scope": "openid",
        }))
        .await;
    let authorization = Authorization::of(&server, &client, "openid").with("redirect_uri", "http://127.0.0.1:51004/callback");
    let parameters: BTreeMap<_, _> = authorization.approve().await.into_iter().collect();
    // RFC 6749 §4.1.3: the token request names the URI that was used, port and all.
    let redeem = async |uri: &str| {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", parameters["code"].as_str()),
            ("redirect_uri", uri),
            ("code_verifier", Pkce::VERIFIER),
        ];
        server.as_client(&client, "/oauth2/token", &fields).await
    };
    redeem("http://127.0.0.1/callback").await.expect_oauth_error(400, "invalid_grant");
    assert_eq!(redeem("http://127.0.0.1:51004/callback").await.expect(200)["token_type"], "Bearer");
    let elsewhere = Authorization::of(&server, &client, "openid").with("redirect_uri", "http://127.0.0.2:51004/callback");
    rejected_to_nobody(&elsewhere.start_without_subject().await);
}

#[tokio::test]
async fn rfc6749_4_1_2_1_what_may_be_told_is_told_to_the_client() {
    let (server, client) = setup().await;
    let long = "x".repeat(2_000);
    for (name, value, error) in [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "code id_token", "unsupported_response_type"),
        ("response_mode", "fragment", "invalid_request"),
        ("scope", "openid admin", "invalid_scope"),
        ("scope", "openid  \u{e9}", "invalid_scope"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("max_age", "-1", "invalid_request"),
        ("max_age", "1e3", "invalid_request"),
        ("max_age", "4294967296", "invalid_request"),
        ("nonce", long.as_str(), "invalid_request"),
        ("login_hint", long.as_str(), "invalid_request"),
        ("request", "x", "request_not_supported"),
        ("request_uri", "https://evil.example/request", "request_uri_not_supported"),
        ("registration", "{}", "registration_not_supported"),
    ] {
        let answer = Authorization::of(&server, &client, "openid").with(name, value).start_without_subject().await;
        assert_eq!(rejected_to_client(&answer), error, "{name}={value}");
    }
}

#[tokio::test]
async fn rfc6749_4_1_2_1_a_machine_has_nowhere_to_be_answered() {
    let server = TestServer::start().await;
    let machine = server.register(json!({"client_name": "Nightly", "client_type": "machine", "scope": "notes.read"})).await;
    rejected_to_nobody(&Authorization::of(&server, &machine, "notes.read").start_without_subject().await);
}

#[tokio::test]
async fn rfc6749_3_1_a_repeated_parameter_is_told_to_nobody() {
    let (server, client) = setup().await;
    let query = Authorization::of(&server, &client, "openid").query();
    for repeated in ["&scope=openid", "&state=x", "&redirect_uri=https%3A%2F%2Fevil.example%2F", "&scop%65=openid", "&client_id=x"] {
        rejected_to_nobody(&server.create(&json!({"query": format!("{query}{repeated}")})).await);
    }
}

#[tokio::test]
async fn rfc6749_appendix_b_what_does_not_decode_is_told_to_nobody() {
    let (server, client) = setup().await;
    let query = Authorization::of(&server, &client, "openid").query();
    for broken in ["&x=%ff", "&x=%zz", "&x=%", "&%c3=1", "&x=%00", "&x=%0d%0aLocation:x"] {
        rejected_to_nobody(&server.create(&json!({"query": format!("{query}{broken}")})).await);
    }
    rejected_to_nobody(&server.create(&json!({"query": ""})).await);
    let many: String = (0..101).flat_map(|n| ["&p".to_owned(), n.to_string(), "=".to_owned()]).collect();
    rejected_to_nobody(&server.create(&json!({"query": format!("{query}{many}")})).await);
    rejected_to_nobody(&server.create(&json!({"query": format!("{query}&x={}", "x".repeat(9_000))})).await);
}

#[tokio::test]
async fn rfc6749_3_1_unknown_parameters_are_ignored() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, "openid").with("extra", "1").with("claims", r#"{"userinfo":{"name":null}}"#);
    let request = authorization.with("claims_locales", "se").with("ui_locales", "se en").with("display", "popup").start().await;
    assert_eq!(told(&request), ("awaiting_consent", "consent"));
    assert_eq!((&request["hints"]["ui_locales"], &request["hints"]["display"]), (&json!("se en"), &json!("popup")));
}

#[tokio::test]
async fn the_state_comes_back_untouched_or_not_at_all() {
    let (server, client) = setup().await;
    let state = "a b+c&d=e%2f\"<script>'#\u{e9}\u{1f980}";
    let approved: BTreeMap<_, _> = Authorization::of(&server, &client, "openid").with("state", state).approve().await.into_iter().collect();
    assert_eq!(approved["state"], state);
    let approved: BTreeMap<_, _> = Authorization::of(&server, &client, "openid").without("state").approve().await.into_iter().collect();
    assert_eq!(approved.get("state"), None);
    let longest = "x".repeat(2_048);
    let approved: BTreeMap<_, _> =
        Authorization::of(&server, &client, "openid").with("state", &longest).approve().await.into_iter().collect();
    assert_eq!(approved["state"], longest);
    let answer = Authorization::of(&server, &client, "openid").with("state", &"x".repeat(2_049)).start_without_subject().await;
    assert_eq!(parameters_of(&answer.expect(200)["redirect_to"])["error"], "invalid_request");
}

#[tokio::test]
async fn a_redirect_uri_with_a_query_keeps_it() {
    let (server, client) = setup().await;
    server.change(&client, json!({"redirect_uris": ["https://weather.example.com/callback?tenant=a%20b&x"]})).await;
    let authorization =
        Authorization::of(&server, &client, "openid").with("redirect_uri", "https://weather.example.com/callback?tenant=a%20b&x");
    let request = authorization.start().await;
    let request = server.decide(id(&request), &json!({"decision": "approve"})).await.expect(200);
    assert!(request["redirect_to"].as_str().unwrap().starts_with("https://weather.example.com/callback?tenant=a%20b&x&code="), "{request}");
}

#[tokio::test]
async fn a_client_that_names_no_scope_gets_its_default() {
    let (server, client) = setup().await;
    server.change(&client, json!({"default_scope": "openid email"})).await;
    let request = Authorization::of(&server, &client, "").without("scope").start().await;
    let scopes: Vec<_> = request["scopes"].as_array().unwrap().iter().map(|scope| scope["scope"].as_str().unwrap()).collect();
    assert_eq!(scopes, ["email", "openid"]);
}

// Form post

#[tokio::test]
async fn form_post_response_mode_2_the_answer_is_a_form() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, "openid").with("response_mode", "form_post");
    let request = authorization.start().await;
    let request = server.decide(id(&request), &json!({"decision": "approve"})).await.expect(200);
    assert_eq!(request["form_post"]["action"], "https://weather.example.com/callback");
    let fields = request["form_post"]["fields"].as_object().unwrap();
    assert_eq!(fields.keys().map(String::as_str).collect::<Vec<_>>(), ["code", "iss", "state"]);
    // Nothing of the answer is in a URL.
    let redirect_to = request["redirect_to"].as_str().unwrap();
    assert!(redirect_to.starts_with(&format!("https://auth.example.com/oauth2/authorize/{}/response?t=", id(&request))), "{request}");
    assert!(!redirect_to.contains(fields["code"].as_str().unwrap()));
    authorization.redeem(fields["code"].as_str().unwrap()).await.expect(200);
}

#[tokio::test]
async fn form_post_response_mode_2_errors_are_a_form_too() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, "openid").with("response_mode", "form_post").with("response_type", "token");
    let request = authorization.start_without_subject().await.expect(200);
    assert_eq!((told(&request), request.get("redirect_to")), (("rejected", "redirect"), None));
    assert_eq!(request["form_post"]["action"], "https://weather.example.com/callback");
    let fields = &request["form_post"]["fields"];
    assert_eq!((&fields["error"], &fields["state"]), (&json!("unsupported_response_type"), &json!("af0ifjsldkj")));
    assert_eq!(fields["iss"], server.issuer());
}

// The JSON itself

#[tokio::test]
async fn members_that_are_unknown_missing_repeated_or_of_the_wrong_type_are_named() {
    let (server, client) = setup().await;
    let query = Authorization::of(&server, &client, "openid").query();
    let request = Authorization::of(&server, &client, "openid").start_without_subject().await.expect(201);
    let (create, subject) = ("/v1/authorization-requests".to_owned(), format!("/v1/authorization-requests/{}/subject", id(&request)));
    let decision = format!("/v1/authorization-requests/{}/decision", id(&request));
    let post = async |path: &str, body: String| {
        let method = if path.ends_with("/subject") { Method::PUT } else { Method::POST };
        let request = http::Request::builder().method(method).uri(path).header("content-type", "application/json");
        let request = request.header("authorization", format!("Bearer {}", server.keys["consent"]));
        server.send(request.body(body.into()).unwrap()).await
    };
    for (path, body, field) in [
        (&create, json!({"query": query, "scope": "x"}).to_string(), Some("scope")),
        (&create, json!({"query": 1}).to_string(), Some("query")),
        (&create, json!({"query": query, "subject": {"id": "ana", "auth_time": 1, "password": "x"}}).to_string(), Some("subject.password")),
        (&create, json!({"query": query, "subject": {"id": 7, "auth_time": 1}}).to_string(), Some("subject.id")),
        (&create, r#"{"query":"a","query":"b"}"#.to_owned(), Some("query")),
        (&create, "{}".to_owned(), None),
        (&create, "[]".to_owned(), None),
        (&create, "null".to_owned(), None),
        (&create, String::new(), None),
        (&create, "{\"query\":\"\"}x".to_owned(), None),
        (&create, format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)), None),
        (&subject, "{}".to_owned(), None),
        (&subject, json!({"subject": "ana"}).to_string(), Some("subject")),
        (&decision, json!({"decision": "maybe"}).to_string(), Some("decision")),
        (&decision, json!({"decision": "approve", "scopes": "openid"}).to_string(), Some("scopes")),
        (&decision, json!({"decision": "approve", "scopes": ["openid", 1]}).to_string(), Some("scopes[1]")),
        (&decision, json!({"decision": "deny", "error": "server_error"}).to_string(), Some("error")),
        (&decision, json!({"decision": "deny", "shown": {"x": 1}}).to_string(), Some("shown.x")),
    ] {
        let problem = post(path, body.clone()).await.expect_problem(400, "invalid_json");
        assert_eq!(problem.get("field").and_then(Value::as_str), field, "{body} {problem}");
    }
    assert_eq!(server.read(id(&request)).await.expect(200), request);
}

#[tokio::test]
async fn rfc8259_8_1_a_body_that_is_not_utf8_is_refused() {
    let (server, _) = setup().await;
    let request = http::Request::post("/v1/authorization-requests")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {}", server.keys["consent"]));
    let body = bytes::Bytes::from_static(b"{\"query\":\"\xff\"}");
    server.send(request.body(body).unwrap()).await.expect_problem(400, "invalid_json");
}

#[tokio::test]
async fn another_media_type_is_refused() {
    let (server, _) = setup().await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/json-seq"] {
        let request = http::Request::post("/v1/authorization-requests")
            .header("content-type", content_type)
            .header("authorization", format!("Bearer {}", server.keys["consent"]));
        let answer = server.send(request.body("{\"query\":\"\"}".into()).unwrap()).await;
        answer.expect_problem(415, "unsupported_media_type");
    }
}

#[tokio::test]
async fn lengths_are_bounded() {
    let (server, client) = setup().await;
    let query = Authorization::of(&server, &client, "openid").query();
    let long = "x".repeat(256);
    let with = |member: &str, value: Value| {
        let mut subject = server.ana(0);
        subject[member] = value;
        json!({"query": query, "subject": subject})
    };
    for (body, field) in [
        (with("id", json!(long)), "subject.id"),
        (with("id", json!("")), "subject.id"),
        (with("id", json!("a\nb")), "subject.id"),
        (with("organization_id", json!(long)), "subject.organization_id"),
        (with("acr", json!(long)), "subject.acr"),
        (with("amr", json!(vec!["pwd"; 101])), "subject.amr"),
        (with("roles", json!([""])), "subject.roles"),
        (with("claims", json!({"iss": "x"})), "subject.claims.iss"),
        (with("auth_time", json!(server.now().as_seconds() + 61)), "subject.auth_time"),
        (with("auth_time", json!(-1)), "subject.auth_time"),
        (with("auth_time", json!(i64::MAX)), "subject.auth_time"),
        (with("auth_time", json!(i64::MIN)), "subject.auth_time"),
        (with("auth_time", json!("yesterday")), "subject.auth_time"),
        (json!({"query": query, "browser_binding": "x".repeat(1_025)}), "browser_binding"),
        (json!({"query": query, "browser_binding": ""}), "browser_binding"),
    ] {
        assert_eq!(server.create(&body).await.expect_problem(400, "invalid_field")["field"], field, "{body}");
    }
    server.create(&json!({"query": "x".repeat(70_000)})).await.expect_problem(413, "body_too_large");
}

#[tokio::test]
async fn an_auth_time_is_seconds_or_rfc3339() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, "openid").with("max_age", "60");
    let request = authorization.subject(json!({"id": "ana", "auth_time": "2026-03-03T15:59:00+02:00"})).start().await;
    assert_eq!(told(&request), ("awaiting_consent", "consent"));
}

#[tokio::test]
async fn an_unknown_id_is_not_found() {
    let (server, _) = setup().await;
    for unknown in ["019cb3f0-0000-7000-8000-000000000000", "x", "..", "%00", "019cb3f0-0000-7000-8000-00000000000g"] {
        server.read(unknown).await.expect_problem(404, "not_found");
        server.attest(unknown, &json!({"subject": null})).await.expect_problem(404, "not_found");
        server.decide(unknown, &json!({"decision": "approve"})).await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn nobody_else_may_speak_for_the_person() {
    let (server, client) = setup().await;
    let request = Authorization::of(&server, &client, "openid").start().await;
    let path = format!("/v1/authorization-requests/{}", id(&request));
    for role in ["resource_server", "auditor"] {
        server.call(role, Method::GET, &path, None).await.expect_problem(403, "forbidden");
        let approve = json!({"decision": "approve"});
        server.call(role, Method::POST, &format!("{path}/decision"), Some(&approve)).await.expect_problem(403, "forbidden");
    }
    let answer = server.get(&path).await;
    answer.expect_problem(401, "unauthenticated");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"grantlog\""));
    assert_eq!(told(&server.call("admin", Method::GET, &path, None).await.expect(200)), ("awaiting_consent", "consent"));
}

#[tokio::test]
async fn nothing_is_granted_to_a_client_that_was_suspended_meanwhile() {
    let (server, client) = setup().await;
    let request = Authorization::of(&server, &client, "openid email").start().await;
    let id = request["id"].as_str().unwrap();
    let suspend = format!("/v1/clients/{}/suspend", client["client_id"].as_str().unwrap());
    server.call("admin", http::Method::POST, &suspend, None).await.expect(200);
    let problem = server.decide(id, &json!({"decision": "approve"})).await.expect_problem(409, "conflict");
    assert_eq!(problem["field"], "client_id");
    assert_eq!(server.read(id).await.expect(200)["state"], "awaiting_consent");
}

#[tokio::test]
async fn rfc9700_4_15_nobody_can_pass_for_a_client() {
    let (server, client) = setup().await;
    let id = client["client_id"].as_str().unwrap();
    let query = Authorization::of(&server, &client, "openid email").query();
    let subject = json!({"id": id, "auth_time": server.now().as_seconds()});
    let problem = server.create(&json!({"query": query, "subject": subject})).await.expect_problem(400, "invalid_field");
    assert_eq!(problem["field"], "subject.id");
}
