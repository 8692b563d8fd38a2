use grantlog_tests::{Answer, Authorization, TestServer, merged, parameters_of};
use http::Method;
use serde_json::{Value, json};

/// Two resources; owners may do everything, writers write, and there are three scopes for it.
pub fn document() -> Value {
    let on = |resource: &str, actions: &[&str]| json!({"resource": resource, "actions": actions});
    json!({
        "resources": [
            {"resource": "documents", "description": "What people write", "actions": ["read", "write"]},
            {"resource": "invoices", "description": "", "actions": ["read"]},
        ],
        "roles": [
            {"role": "owner", "description": "", "permissions": [on("documents", &["*"]), on("invoices", &["*"])]},
            {"role": "writer", "description": "", "permissions": [on("documents", &["read", "write"])]},
            {"role": "reader", "description": "", "permissions": [on("documents", &["read"])]},
        ],
        "scopes": [
            {"scope": "documents.read", "description": "Read your documents", "descriptions": {"de": "Deine Dokumente lesen"},
             "permissions": [on("documents", &["read"])]},
            {"scope": "documents.write", "description": "Change your documents", "permissions": [on("documents", &["*"])]},
            {"scope": "invoices.read", "description": "See your invoices", "permissions": [on("invoices", &["read"])]},
        ],
    })
}

/// A policy that permits nothing.
fn nothing() -> Value {
    json!({"resources": [], "roles": [], "scopes": []})
}

pub async fn publish(server: &TestServer, document: &Value) -> Answer {
    server.admin(Method::PUT, "/v1/policy", Some(&json!({"document": document}))).await
}

/// A server with the policy, and a third-party client that may ask for all of it.
pub async fn setup() -> (TestServer, Value) {
    let server = TestServer::start().await;
    publish(&server, &document()).await.expect(200);
    let scope = "openid profile offline_access notes.read documents.read documents.write invoices.read";
    let client = server.client_with(json!({"scope": scope})).await;
    (server, client)
}

/// Ana with these roles.
pub fn ana_as(server: &TestServer, roles: &[&str]) -> Value {
    merged(server.ana(0), json!({"roles": roles}))
}

fn id(request: &Value) -> &str {
    request["id"].as_str().unwrap_or_else(|| panic!("no id in {request}"))
}

fn told(request: &Value) -> (&str, &str) {
    (request["state"].as_str().unwrap_or_default(), request["next"].as_str().unwrap_or_default())
}

/// What the client is told by the redirect.
fn error_to_client(request: &Value) -> String {
    assert_eq!(told(request), ("completed", "redirect"), "{request}");
    parameters_of(&request["redirect_to"]).remove("error").unwrap_or_else(|| panic!("no error in {request}"))
}

fn scope_of<'a>(request: &'a Value, name: &str) -> &'a Value {
    let found = request["scopes"].as_array().and_then(|scopes| scopes.iter().find(|scope| scope["scope"] == name));
    found.unwrap_or_else(|| panic!("no {name} in {request}"))
}

async fn read(server: &TestServer, path: &str) -> Value {
    server.call("auditor", Method::GET, path, None).await.expect(200)
}

// Publishing

#[tokio::test]
async fn before_a_policy_is_published_there_is_an_empty_one() {
    let server = TestServer::start().await;
    let empty = json!({"version": 0, "document": {"resources": [], "roles": [], "scopes": []}});
    assert_eq!(read(&server, "/v1/policy").await, empty);
    assert_eq!(read(&server, "/v1/policy/versions").await, json!({"versions": [], "next_cursor": null}));
}

#[tokio::test]
async fn a_policy_is_published_as_a_whole_and_read_back() {
    let server = TestServer::start().await;
    let answer = publish(&server, &document()).await;
    let expected = json!({"version": 1, "published_at": "2026-03-03T14:00:00.000Z", "document": document()});
    assert_eq!(answer.expect(200), expected);
    assert!(answer.header("grantlog-position").is_some());
    assert_eq!(read(&server, "/v1/policy").await, expected);
}

#[tokio::test]
async fn the_same_policy_again_records_nothing() {
    let server = TestServer::start().await;
    publish(&server, &document()).await.expect(200);
    let again = publish(&server, &document()).await;
    assert_eq!((again.expect(200)["version"].clone(), again.header("grantlog-position")), (json!(1), None));
}

#[tokio::test]
async fn a_policy_is_published_only_after_the_version_that_its_author_saw() {
    let server = TestServer::start().await;
    let put = |expected: u32, document: Value| {
        let body = json!({"document": document, "expected_version": expected});
        let server = &server;
        async move { server.admin(Method::PUT, "/v1/policy", Some(&body)).await }
    };
    put(0, document()).await.expect(200);
    let problem = put(0, nothing()).await.expect_problem(409, "conflict");
    assert_eq!((&problem["field"], &problem["version"]), (&json!("expected_version"), &json!(1)));
    assert_eq!(put(1, nothing()).await.expect(200)["version"], 2);
}

#[tokio::test]
async fn history_stays_readable() {
    let server = TestServer::start().await;
    for version in 1..=3 {
        server.advance(60);
        let resource = json!({"resource": format!("r{version}"), "description": "", "actions": ["read"]});
        publish(&server, &json!({"resources": [resource], "roles": [], "scopes": []})).await.expect(200);
    }
    let first = read(&server, "/v1/policy/versions/1").await;
    assert_eq!((&first["version"], &first["published_at"]), (&json!(1), &json!("2026-03-03T14:01:00.000Z")));
    assert_eq!(first["document"]["resources"][0]["resource"], "r1");
    assert!(first["actor"].as_str().is_some_and(|actor| actor.starts_with("api_key:")), "{first}");
    let page = read(&server, "/v1/policy/versions?limit=2").await;
    assert_eq!(page["versions"].as_array().unwrap().iter().map(|version| &version["version"]).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(page["versions"][0].get("document"), None);
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = read(&server, &format!("/v1/policy/versions?limit=2&cursor={cursor}")).await;
    assert_eq!((&page["versions"][0]["version"], &page["next_cursor"]), (&json!(3), &Value::Null));
    for missing in ["0", "4", "x", "99999999999"] {
        server.admin(Method::GET, &format!("/v1/policy/versions/{missing}"), None).await.expect_problem(404, "not_found");
    }
    let path = "/v1/policy/versions?cursor=x";
    assert_eq!(server.admin(Method::GET, path, None).await.expect_problem(400, "invalid_field")["field"], "cursor");
}

#[tokio::test]
async fn every_mistake_is_named_at_once_with_its_place_in_the_body() {
    let server = TestServer::start().await;
    let wrong = json!({
        "resources": [{"resource": "documents", "actions": ["read", "read"]}],
        "roles": [{"role": "", "permissions": [{"resource": "letters", "actions": ["read"]}]}],
        "scopes": [{"scope": "openid", "description": "Who", "permissions": [{"resource": "documents", "actions": ["*", "read"]}]}],
    });
    let problem = publish(&server, &wrong).await.expect_problem(422, "invalid_policy");
    let found: Vec<_> = problem["problems"].as_array().unwrap().iter().map(|problem| (&problem["path"], &problem["code"])).collect();
    let expected = [
        ("document.resources[0].actions[1]", "duplicate"),
        ("document.roles[0].role", "empty"),
        ("document.roles[0].permissions[0].resource", "unknown_resource"),
        ("document.scopes[0].permissions", "reserved"),
        ("document.scopes[0].permissions[0].actions", "wildcard_not_alone"),
    ];
    assert_eq!(found, expected.map(|(path, code)| (json!(path), json!(code))).iter().map(|(path, code)| (path, code)).collect::<Vec<_>>());
    assert_eq!(problem["field"], "document.resources[0].actions[1]");
    assert_eq!(read(&server, "/v1/policy").await["version"], 0);
}

#[tokio::test]
async fn a_member_that_is_not_known_is_named() {
    let server = TestServer::start().await;
    let body = json!({"document": {"resources": [], "roles": [], "scopes": [{"scope": "a", "description": "A", "permisions": []}]}});
    let problem = server.admin(Method::PUT, "/v1/policy", Some(&body)).await.expect_problem(400, "invalid_json");
    assert_eq!(problem["field"], "document.scopes[0].permisions");
}

#[tokio::test]
async fn a_list_that_is_left_out_takes_nothing_away() {
    let (server, _) = setup().await;
    for name in ["resources", "roles", "scopes"] {
        let problem = publish(&server, &merged(document(), json!({name: null}))).await.expect_problem(400, "invalid_json");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(name)), "{problem}");
    }
    assert_eq!(read(&server, "/v1/policy").await["version"], 1);
}

#[tokio::test]
async fn a_policy_may_be_large_and_not_too_large() {
    let server = TestServer::start().await;
    let roles: Vec<_> =
        (0..1000).map(|i| json!({"role": format!("role-{i}"), "description": "x".repeat(900), "permissions": []})).collect();
    publish(&server, &json!({"resources": [], "roles": roles, "scopes": []})).await.expect(200);
    let huge = json!({"resources": [], "roles": [{"role": "a", "description": "x".repeat(1_100_000), "permissions": []}], "scopes": []});
    publish(&server, &huge).await.expect_problem(413, "body_too_large");
}

// What it would change

#[tokio::test]
async fn a_dry_run_says_what_would_change_and_for_whom() {
    let (server, client) = setup().await;
    let everything = "openid documents.read documents.write invoices.read";
    let subject = merged(ana_as(&server, &["owner"]), json!({"organization_id": "acme"}));
    Authorization::of(&server, &client, everything).subject(subject).code().await;
    // Who has nothing of what changes is not affected.
    let ben = json!({"id": "ben", "auth_time": server.now().as_seconds()});
    Authorization::of(&server, &client, "openid").subject(ben).code().await;
    let mut changed = document();
    changed["scopes"][0]["permissions"][0]["actions"] = json!(["*"]);
    changed["scopes"][1]["permissions"][0]["actions"] = json!(["write"]);
    changed["scopes"].as_array_mut().unwrap().remove(2);
    changed["roles"].as_array_mut().unwrap().remove(2);
    let body = json!({"document": changed, "expected_version": 1});
    let tried = server.admin(Method::PUT, "/v1/policy?dry_run=true", Some(&body)).await;
    let told = tried.expect(200);
    let names = |kind: &str| told[kind].as_array().unwrap().iter().map(|change| change["name"].clone()).collect::<Vec<_>>();
    assert_eq!(
        (names("scopes"), names("roles")),
        (vec![json!("documents.read"), json!("documents.write"), json!("invoices.read")], vec![json!("reader")])
    );
    assert_eq!(told["scopes"][0]["gained"], json!([{"resource": "documents", "actions": ["write"]}]));
    assert_eq!(told["scopes"][1]["lost"], json!([{"resource": "documents", "actions": ["read"]}]));
    assert_eq!((&told["scopes"][2]["removed"], &told["version"], &told["grants_affected"]), (&json!(true), &json!(1), &json!(1)));
    let [grant] = &told["grants"].as_array().unwrap()[..] else { panic!("{told}") };
    assert_eq!(grant["grant_id"], server.grants("ana").await[0]["id"]);
    assert_eq!((&grant["subject_id"], &grant["client_id"]), (&json!("ana"), &client["client_id"]));
    assert_eq!((&grant["client_name"], &grant["organization_id"]), (&json!("Weather by Mail"), &json!("acme")));
    assert_eq!(grant["scopes_lost"], json!(["invoices.read"]));
    assert_eq!(grant["scopes_widened"], json!(["documents.read"]));
    assert_eq!(grant["scopes_narrowed"], json!(["documents.write"]));
    // Nothing was published.
    assert_eq!((tried.header("grantlog-position"), read(&server, "/v1/policy").await["version"].clone()), (None, json!(1)));
}

#[tokio::test]
async fn a_dry_run_is_checked_like_a_publication() {
    let (server, _) = setup().await;
    let put = |query: &'static str, body: Value| {
        let server = &server;
        async move { server.admin(Method::PUT, &format!("/v1/policy{query}"), Some(&body)).await }
    };
    put("?dry_run=true", json!({"document": {"resources": [], "roles": [{"role": ""}], "scopes": []}}))
        .await
        .expect_problem(422, "invalid_policy");
    put("?dry_run=true", json!({"document": nothing(), "expected_version": 7})).await.expect_problem(409, "conflict");
    assert_eq!(put("?dry_run=1", json!({"document": nothing()})).await.expect_problem(400, "invalid_field")["field"], "dry_run");
    let same = put("?dry_run=true", json!({"document": document()})).await.expect(200);
    assert_eq!(same, json!({"version": 1, "scopes": [], "roles": [], "grants": [], "grants_affected": 0}));
    assert_eq!(put("?dry_run=false", json!({"document": nothing()})).await.expect(200)["version"], 2);
}

// Scopes

#[tokio::test]
async fn rfc8414_2_the_scopes_of_the_policy_are_supported() {
    let (server, _) = setup().await;
    let metadata = server.get("/.well-known/oauth-authorization-server").await.expect(200);
    let expected = json!(["documents.read", "documents.write", "email", "invoices.read", "notes.read", "openid"]);
    assert_eq!(metadata["scopes_supported"], expected);
}

#[tokio::test]
async fn oidc_core_3_1_2_1_ui_locales_choose_the_language_of_descriptions() {
    let (server, client) = setup().await;
    let ask = |locales: &'static str| {
        let authorization = Authorization::of(&server, &client, "openid documents.read").with("ui_locales", locales);
        async move { authorization.start().await }
    };
    assert_eq!(scope_of(&ask("de-CH en").await, "documents.read")["description"], "Deine Dokumente lesen");
    assert_eq!(scope_of(&ask("fr").await, "documents.read")["description"], "Read your documents");
    // What the policy does not describe is described by the configuration.
    assert_eq!(scope_of(&ask("de").await, "openid")["description"], "Know who you are");
    let mut described = document();
    let openid = json!({"scope": "openid", "description": "Sign you in", "descriptions": {"de": "Dich anmelden"}, "permissions": []});
    described["scopes"].as_array_mut().unwrap().push(openid);
    publish(&server, &described).await.expect(200);
    assert_eq!(scope_of(&ask("de").await, "openid")["description"], "Dich anmelden");
}

// Who can grant what

#[tokio::test]
async fn who_lacks_a_permission_can_not_grant_the_scope_and_is_told_why() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, "openid documents.read documents.write").subject(ana_as(&server, &["reader"]));
    let request = authorization.start().await;
    assert_eq!((told(&request), &request["policy_version"]), (("awaiting_consent", "consent"), &json!(1)));
    let expected = json!({
        "scope": "documents.write", "description": "Change your documents", "grantable": false, "already_granted": false, "required": false,
        "reason": {"code": "missing_permissions", "permissions": [{"resource": "documents", "actions": ["write"]}]},
    });
    assert_eq!(scope_of(&request, "documents.write"), &expected);
    assert_eq!(
        (&scope_of(&request, "documents.read")["grantable"], &scope_of(&request, "openid")["grantable"]),
        (&json!(true), &json!(true))
    );
    let problem = server.decide(id(&request), &json!({"decision": "approve", "scopes": ["openid", "documents.write"]})).await;
    let problem = problem.expect_problem(422, "scope_not_grantable");
    assert_eq!((&problem["field"], &problem["scopes"]), (&json!("scopes"), &json!(["documents.write"])));
    // What can't be granted is left out, and the flow goes on.
    let request = server.decide(id(&request), &json!({"decision": "approve"})).await.expect(200);
    let tokens = authorization.redeem(&parameters_of(&request["redirect_to"])["code"]).await.expect(200);
    assert_eq!(tokens["scope"], "documents.read openid");
}

#[tokio::test]
async fn nobody_is_asked_for_what_they_can_not_grant() {
    let (server, client) = setup().await;
    let ask = |scope: &str| Authorization::of(&server, &client, scope).subject(ana_as(&server, &["reader"]));
    ask("openid documents.read").code().await;
    let request = ask("openid documents.read documents.write").start().await;
    assert_eq!((told(&request), &request["consent_required"]), (("completed", "redirect"), &json!(false)));
    let tokens = ask("openid").redeem(&parameters_of(&request["redirect_to"])["code"]).await.expect(200);
    assert_eq!(tokens["scope"], "documents.read openid");
}

#[tokio::test]
async fn when_nothing_can_be_granted_the_flow_ends_by_itself() {
    let (server, client) = setup().await;
    for (scope, prompt) in
        [("documents.read", ""), ("documents.read offline_access", ""), ("documents.read", "none"), ("documents.read", "consent")]
    {
        let authorization = Authorization::of(&server, &client, scope).subject(ana_as(&server, &[]));
        let authorization = if prompt.is_empty() { authorization } else { authorization.with("prompt", prompt) };
        let request = authorization.start().await;
        assert_eq!(
            (error_to_client(&request).as_str(), &request["denied_because"]),
            ("access_denied", &json!("nothing_grantable")),
            "{scope}"
        );
    }
    // As soon as the person is known, and not before: somebody else might be able to.
    let request = Authorization::of(&server, &client, "documents.read").start_without_subject().await.expect(201);
    assert_eq!((told(&request), &scope_of(&request, "documents.read")["grantable"]), (("awaiting_subject", "login"), &json!(true)));
    let request = server.attest(id(&request), &json!({"subject": ana_as(&server, &["stranger"])})).await.expect(200);
    assert_eq!(error_to_client(&request), "access_denied");
}

#[tokio::test]
async fn an_approval_that_comes_with_a_person_who_can_grant_nothing_ends_the_flow() {
    let (server, client) = setup().await;
    let request = Authorization::of(&server, &client, "documents.read").start_without_subject().await.expect(201);
    let approve = json!({"decision": "approve", "subject": ana_as(&server, &[])});
    for _ in 0..2 {
        let conflict = server.decide(id(&request), &approve).await.expect_problem(409, "conflict");
        assert_eq!(error_to_client(&conflict["authorization_request"]), "access_denied");
    }
}

#[tokio::test]
async fn oidc_core_11_offline_access_alone_is_nothing() {
    let (server, client) = setup().await;
    let request = Authorization::of(&server, &client, "offline_access").start().await;
    assert_eq!((error_to_client(&request).as_str(), &request["denied_because"]), ("access_denied", &json!("nothing_grantable")));
    let request = Authorization::of(&server, &client, "openid offline_access").start().await;
    let alone = server.decide(id(&request), &json!({"decision": "approve", "scopes": ["offline_access"]})).await;
    assert_eq!(alone.expect_problem(400, "invalid_field")["field"], "scopes");
}

#[tokio::test]
async fn what_the_client_needs_is_granted_or_nothing_is() {
    let (server, client) = setup().await;
    server.change(&client, json!({"required_scope": "documents.read"})).await;
    let ask = |roles: &[&str]| Authorization::of(&server, &client, "openid documents.read").subject(ana_as(&server, roles));
    for prompt in ["none", "consent"] {
        let request = ask(&[]).with("prompt", prompt).start().await;
        let because = json!("required_scope_not_grantable");
        assert_eq!((error_to_client(&request).as_str(), &request["denied_because"]), ("access_denied", &because), "{prompt}");
    }
    let request = ask(&["reader"]).start().await;
    assert_eq!(
        (&scope_of(&request, "documents.read")["required"], &scope_of(&request, "openid")["required"]),
        (&json!(true), &json!(false))
    );
    let less = server.decide(id(&request), &json!({"decision": "approve", "scopes": ["openid"]})).await;
    let problem = less.expect_problem(422, "required_scope_missing");
    assert_eq!((&problem["field"], &problem["scopes"]), (&json!("scopes"), &json!(["documents.read"])));
    let enough = json!({"decision": "approve", "scopes": ["documents.read"]});
    assert_eq!(told(&server.decide(id(&request), &enough).await.expect(200)), ("completed", "redirect"));
    // What was not asked for is not needed.
    let request = Authorization::of(&server, &client, "openid profile").subject(ana_as(&server, &[])).start().await;
    assert_eq!(told(&request), ("awaiting_consent", "consent"));
}

#[tokio::test]
async fn rfc6749_6_a_refresh_stays_within_what_was_granted() {
    let (server, client) = setup().await;
    let ask =
        Authorization::of(&server, &client, "openid offline_access documents.read documents.write").subject(ana_as(&server, &["writer"]));
    let request = ask.start().await;
    let partial = json!({"decision": "approve", "scopes": ["openid", "offline_access", "documents.read"]});
    let request = server.decide(id(&request), &partial).await.expect(200);
    let tokens = ask.redeem(&parameters_of(&request["redirect_to"])["code"]).await.expect(200);
    assert_eq!(tokens["scope"], "documents.read offline_access openid");
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    let refresh = |scope: &'static str| {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("scope", scope)];
        let (server, client) = (&server, &client);
        async move { server.as_client(client, "/oauth2/token", &fields).await }
    };
    refresh("openid documents.write").await.expect_oauth_error(400, "invalid_scope");
    let narrowed = refresh("documents.read").await.expect(200);
    assert_eq!(narrowed["scope"], "documents.read");
    // The next one may have all that was granted again.
    let again = server.refresh(&client, narrowed["refresh_token"].as_str().unwrap()).await.expect(200);
    assert_eq!(again["scope"], "documents.read offline_access openid");
}

#[tokio::test]
async fn full_access_is_for_first_party_clients_that_are_allowed_it() {
    let (server, client) = setup().await;
    let id = client["client_id"].as_str().unwrap();
    let third_party =
        json!({"client_name": "Weather", "redirect_uris": ["https://weather.example.com/callback"], "scope": "openid full_access"});
    server.admin(Method::PUT, &format!("/v1/clients/{id}"), Some(&third_party)).await.expect_problem(422, "invalid_metadata");
    let own = server.client_with(json!({"client_type": "first_party", "scope": "openid full_access", "full_access_allowed": true})).await;
    let request = Authorization::of(&server, &own, "openid full_access").start().await;
    assert_eq!((told(&request), &scope_of(&request, "full_access")["grantable"]), (("completed", "redirect"), &json!(true)));
    let tokens = Authorization::of(&server, &own, "openid").redeem(&parameters_of(&request["redirect_to"])["code"]).await.expect(200);
    assert_eq!(tokens["scope"], "full_access openid");
}

#[tokio::test]
async fn the_decision_and_the_consent_record_what_they_rested_on() {
    let (server, client) = setup().await;
    Authorization::of(&server, &client, "openid").code().await;
    let recorded = server.recorded().await;
    for kind in ["authorization.approved", "grant.consented"] {
        let [event] = &recorded.iter().filter(|event| event.0 == kind).collect::<Vec<_>>()[..] else { panic!("{kind}: {recorded:?}") };
        assert_eq!(event.1["policy_version"], 1, "{kind}");
        assert_eq!(event.1["client_sha256"].as_str().map(str::len), Some(64), "{kind}");
    }
}
