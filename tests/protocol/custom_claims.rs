use grantlog_tests::{Authorization, TestServer, claims, text};
use http::Method;
use serde_json::{Value, json};

const NOTES: &str = "https://notes.example.com/";

/// Ana, with everything that can be said of her.
fn ana(server: &TestServer) -> Value {
    json!({
        "id": "ana", "organization_id": "acme", "auth_time": server.now().as_seconds(), "acr": "urn:example:gold", "amr": ["pwd", "otp"],
        "roles": ["editor", "auditor"],
        "claims": {
            "name": "Ana Silva", "email": "ana@example.com", "tier": 3, "https://example.com/plan": {"name": "gold", "seats": 5}, "beta": false,
        },
    })
}

async fn tokens(server: &TestServer, client: &Value, scope: &str, resource: Option<&str>) -> Value {
    let authorization = Authorization::of(server, client, scope).subject(ana(server));
    match resource {
        Some(resource) => authorization.with("resource", resource).tokens().await,
        None => authorization.tokens().await,
    }
}

async fn userinfo(server: &TestServer, tokens: &Value) -> Value {
    let bearer = format!("Bearer {}", text(tokens, "access_token"));
    server.request(Method::GET, "/oauth2/userinfo", &[("authorization", &bearer)], "").await.expect(200)
}

/// The members that are custom: those of these names.
fn only(object: &Value, names: &[&str]) -> Value {
    let members = object.as_object().expect("an object").iter().filter(|(name, _)| names.contains(&name.as_str()));
    Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect())
}

#[tokio::test]
async fn each_place_has_its_own_claims() {
    let server = TestServer::start().await;
    let everything = json!({
        "roles": "{{ subject.roles }}", "user": "user:{{ subject.id }}", "tier": "{{ subject.claims.tier }}", "org": "{{ organization.id }}",
        "app": "{{ client.name }} ({{ client.id }})", "granted": "{{ scope }}", "level": "{{ acr }}", "how": "{{ amr }}", "since": "{{ auth_time }}",
        "plan": {"kind": "{{ subject.claims.https://example.com/plan }}", "fixed": [1, true, null]},
    });
    let members = json!({"claims": {"access_token": everything, "id_token": {"tier": "{{ subject.claims.tier }}"}, "userinfo": {"beta": "{{ subject.claims.beta }}"}}});
    let client = server.client_with(members).await;
    let tokens = tokens(&server, &client, "openid", None).await;
    let expected = json!({
        "roles": ["editor", "auditor"], "user": "user:ana", "tier": 3, "org": "acme",
        "app": format!("Weather by Mail ({})", text(&client, "client_id")), "granted": "openid", "level": "urn:example:gold",
        "how": ["pwd", "otp"], "since": server.now().as_seconds(),
        "plan": {"kind": {"name": "gold", "seats": 5}, "fixed": [1, true, null]},
    });
    let names: Vec<_> = expected.as_object().unwrap().keys().map(String::as_str).collect();
    let all = [&names[..], &["beta"]].concat();
    assert_eq!(only(&claims(text(&tokens, "access_token")), &all), expected);
    assert_eq!(only(&claims(text(&tokens, "id_token")), &all), json!({"tier": 3}));
    assert_eq!(userinfo(&server, &tokens).await, json!({"sub": "ana", "beta": false}));
    assert_eq!(only(&server.introspect(text(&tokens, "access_token")).await, &all), expected);
}

#[tokio::test]
async fn claims_of_a_standard_scope_need_the_scope_and_others_do_not() {
    let server = TestServer::start().await;
    let template =
        json!({"mail": "{{ subject.claims.email }}", "tier": "{{ subject.claims.tier }}", "greeting": "Hi {{ subject.claims.name }}"});
    let places = json!({"access_token": template, "id_token": template, "userinfo": template});
    let client = server.client_with(json!({"claims": places})).await;
    for (scope, expected) in [
        ("openid", json!({"tier": 3, "greeting": "Hi "})),
        ("openid email", json!({"tier": 3, "greeting": "Hi ", "mail": "ana@example.com"})),
        ("openid profile", json!({"tier": 3, "greeting": "Hi Ana Silva"})),
    ] {
        let tokens = tokens(&server, &client, scope, None).await;
        let places = [
            claims(text(&tokens, "access_token")),
            claims(text(&tokens, "id_token")),
            userinfo(&server, &tokens).await,
            server.introspect(text(&tokens, "access_token")).await,
        ];
        for place in places {
            assert_eq!(only(&place, &["mail", "tier", "greeting"]), expected, "{scope}");
        }
    }
}

#[tokio::test]
async fn attested_claims_are_told_nobody_who_does_not_name_them() {
    let server = TestServer::start().await;
    let client = server.client_with(json!({"claims_in_id_token": true})).await;
    let tokens = tokens(&server, &client, "openid profile email", None).await;
    let names = ["tier", "https://example.com/plan", "beta"];
    for place in [claims(text(&tokens, "access_token")), claims(text(&tokens, "id_token")), userinfo(&server, &tokens).await] {
        assert_eq!(only(&place, &names), json!({}));
    }
}

#[tokio::test]
async fn a_resource_server_adds_its_own_and_has_the_last_word() {
    let server = TestServer::start().await;
    let template = json!({"roles": "{{ subject.roles }}", "for": "notes"});
    server.resource_server(json!({"access_token_claims": template})).await;
    let members = json!({"claims": {"access_token": {"for": "client", "app": "{{ client.name }}"}}});
    let client = server.client_with(members).await;
    let names = ["roles", "for", "app"];
    let named = tokens(&server, &client, "openid", Some(NOTES)).await;
    let expected = json!({"roles": ["editor", "auditor"], "for": "notes", "app": "Weather by Mail"});
    assert_eq!(only(&claims(text(&named, "access_token")), &names), expected);
    let usual = tokens(&server, &client, "openid", None).await;
    assert_eq!(only(&claims(text(&usual, "access_token")), &names), json!({"for": "client", "app": "Weather by Mail"}));
}

#[tokio::test]
async fn rfc7662_2_2_introspection_tells_of_an_opaque_token_what_a_jwt_would_say() {
    let server = TestServer::start().await;
    let template = json!({"roles": "{{ subject.roles }}", "tier": "{{ subject.claims.tier }}", "org": "{{ organization.id }}"});
    let settings =
        |identifier: &str, format: &str| json!({"identifier": identifier, "access_token_format": format, "access_token_claims": template});
    let opaque = server.resource_server(settings("urn:opaque", "opaque")).await;
    let jwt = server.resource_server(settings("urn:jwt", "jwt")).await;
    let client = server.client_with(json!({"claims": {"access_token": {"app": "{{ client.name }}"}}})).await;
    let expected = json!({"roles": ["editor", "auditor"], "tier": 3, "org": "acme", "app": "Weather by Mail"});
    for (resource_server, identifier) in [(&opaque, "urn:opaque"), (&jwt, "urn:jwt")] {
        let tokens = tokens(&server, &client, "openid offline_access", Some(identifier)).await;
        let refreshed = server.refresh(&client, text(&tokens, "refresh_token")).await.expect(200);
        for token in [&tokens, &refreshed] {
            let told = server.introspect_by(resource_server, text(token, "access_token")).await;
            assert_eq!(only(&told, &["roles", "tier", "org", "app"]), expected, "{identifier}");
        }
    }
}

#[tokio::test]
async fn a_machine_has_claims_without_a_subject() {
    let server = TestServer::start().await;
    for format in ["jwt", "opaque"] {
        let template = json!({"who": "{{ subject.id }}", "roles": "{{ subject.roles }}", "app": "{{ client.name }}", "kind": "machine", "may": "{{ scope }}"});
        let client = server.machine_client(json!({"access_token_format": format, "claims": {"access_token": template}})).await;
        let token = server.machine_token(&client).await;
        let told = server.introspect(&token).await;
        let expected = json!({"app": "Nightly Export", "kind": "machine", "may": "notes.read"});
        assert_eq!(only(&told, &["who", "roles", "app", "kind", "may"]), expected, "{format}");
    }
}

#[tokio::test]
async fn every_mistake_in_a_template_is_refused_when_it_is_saved() {
    let server = TestServer::start().await;
    let body = json!({
        "client_name": "x", "redirect_uris": ["https://x.example/cb"],
        "claims": {"access_token": {"sub": "x", "scope": "y"}, "id_token": {"a": "{{ subject.password }}"}, "userinfo": {"a": "{{ subject.id"}},
    });
    let problem = server.admin(Method::POST, "/v1/clients", Some(&body)).await.expect_problem(422, "invalid_metadata");
    let fields: Vec<_> = problem["problems"].as_array().unwrap().iter().map(|problem| text(problem, "field")).collect();
    assert_eq!(fields, ["claims.access_token", "claims.access_token", "claims.id_token", "claims.userinfo"]);
    let unknown = json!({"client_name": "x", "redirect_uris": ["https://x.example/cb"], "claims": {"refresh_token": {}}});
    assert_eq!(server.admin(Method::POST, "/v1/clients", Some(&unknown)).await.problem().0, 400);
}

#[tokio::test]
async fn reserved_and_oversized_claims_can_not_be_attested() {
    let server = TestServer::start().await;
    let client = server.client_with(json!({})).await;
    let many: Value = Value::Object((0..101).map(|n| (format!("c{n}"), json!(n))).collect());
    for (attested, field) in [
        (json!({"iss": "x"}), "subject.claims.iss"),
        (json!({"scope": "admin"}), "subject.claims.scope"),
        (json!({"": 1}), "subject.claims"),
        (json!({"a\nb": 1}), "subject.claims"),
        (json!({"x".repeat(256): 1}), "subject.claims"),
        (json!({"x": "y".repeat(33_000)}), "subject.claims"),
        (many, "subject.claims"),
    ] {
        let body = json!({
            "query": Authorization::of(&server, &client, "openid").query(),
            "subject": {"id": "ana", "auth_time": server.now().as_seconds(), "claims": attested},
        });
        assert_eq!(server.create(&body).await.problem(), (400, "invalid_field".to_owned(), Some(field.to_owned())));
    }
}
