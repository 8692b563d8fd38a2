use grantlog_core::jose::VerificationAlgorithm::{EdDsa, Es256, Rs256};
use grantlog_tests::{Answer, Authorization, Pkce, TestServer, claims, parameters_of, text};
use http::Method;
use serde_json::{Value, json};

const TOKEN: &str = "/oauth2/token";
const NOTES: &str = "https://notes.example.com/";
const FILES: &str = "https://files.example.com/v1";
const USUAL: &str = "https://api.example.com";

/// Two resource servers, and a client that may ask for all scopes.
async fn setup() -> (TestServer, Value, Value, Value) {
    let server = TestServer::start().await;
    let notes = server.resource_server(json!({})).await;
    let files = server.resource_server(json!({"identifier": FILES, "name": "Files", "scopes": "files.read shared.read"})).await;
    let client = server.client_with(json!({"scope": "openid email offline_access notes.read notes.write files.read shared.read"})).await;
    (server, notes, files, client)
}

/// An authorization for these resource servers.
fn for_resources<'a>(server: &'a TestServer, client: &'a Value, scope: &str, resources: &[&str]) -> Authorization<'a> {
    resources.iter().fold(Authorization::of(server, client, scope), |authorization, resource| authorization.also("resource", resource))
}

async fn redeem(server: &TestServer, client: &Value, code: &str, resources: &[&str]) -> Answer {
    let mut fields = vec![("grant_type", "authorization_code"), ("code", code), ("code_verifier", Pkce::VERIFIER)];
    fields.extend(resources.iter().map(|resource| ("resource", *resource)));
    server.as_client(client, TOKEN, &fields).await
}

async fn refresh(server: &TestServer, client: &Value, tokens: &Value, resources: &[&str]) -> Answer {
    let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", text(tokens, "refresh_token"))];
    fields.extend(resources.iter().map(|resource| ("resource", *resource)));
    server.as_client(client, TOKEN, &fields).await
}

async fn machine(server: &TestServer, client: &Value, fields: &[(&str, &str)]) -> Answer {
    let fields = [&[("grant_type", "client_credentials")], fields].concat();
    server.as_client(client, TOKEN, &fields).await
}

fn audience(tokens: &Value) -> Value {
    claims(text(tokens, "access_token"))["aud"].clone()
}

fn scope(tokens: &Value) -> &str {
    text(tokens, "scope")
}

#[tokio::test]
async fn rfc8707_2_1_a_token_is_for_the_resource_server_that_was_named() {
    let (server, notes, files, client) = setup().await;
    let request = for_resources(&server, &client, "openid notes.read", &[NOTES]);
    let shown = request.start().await;
    assert_eq!(shown["resources"], json!([{"resource": NOTES, "name": "Sundial Notes"}]));
    let tokens = request.tokens().await;
    assert_eq!(audience(&tokens), NOTES);
    let token = text(&tokens, "access_token");
    assert_eq!(server.introspect_by(&notes, token).await["aud"], json!([NOTES]));
    // RFC 7662 §4: to others it does not exist.
    assert_eq!(server.introspect_by(&files, token).await, json!({"active": false}));
    assert_eq!(server.introspect(token).await, json!({"active": false}));
}

#[tokio::test]
async fn rfc8707_2_2_of_several_a_token_request_may_narrow_to_some() {
    let (server, notes, files, client) = setup().await;
    let all = for_resources(&server, &client, "openid offline_access", &[NOTES, FILES, NOTES]);
    let code = all.code().await;
    redeem(&server, &client, &code, &[NOTES, USUAL]).await.expect_oauth_error(400, "invalid_target");
    // The code was not spent.
    let tokens = redeem(&server, &client, &code, &[FILES]).await.expect(200);
    assert_eq!(audience(&tokens), FILES);
    let all = refresh(&server, &client, &tokens, &[]).await.expect(200);
    assert_eq!(audience(&all), json!([NOTES, FILES]));
    for resource_server in [&notes, &files] {
        assert_eq!(server.introspect_by(resource_server, text(&all, "access_token")).await["aud"], json!([NOTES, FILES]));
    }
    refresh(&server, &client, &all, &[NOTES, USUAL]).await.expect_oauth_error(400, "invalid_target");
    let one = refresh(&server, &client, &all, &[NOTES]).await.expect(200);
    assert_eq!(audience(&one), NOTES);
    let both = refresh(&server, &client, &one, &[FILES, NOTES]).await.expect(200);
    assert_eq!(audience(&both), json!([FILES, NOTES]));
}

#[tokio::test]
async fn rfc8707_2_2_what_was_not_granted_is_never_issued() {
    let (server, _, _, client) = setup().await;
    let tokens = for_resources(&server, &client, "offline_access", &[NOTES]).tokens().await;
    refresh(&server, &client, &tokens, &[FILES]).await.expect_oauth_error(400, "invalid_target");
    refresh(&server, &client, &tokens, &[NOTES, FILES]).await.expect_oauth_error(400, "invalid_target");
    let tokens = refresh(&server, &client, &tokens, &[NOTES]).await.expect(200);
    // Nothing of it ended the family.
    refresh(&server, &client, &tokens, &[]).await.expect(200);
}

#[tokio::test]
async fn without_a_resource_tokens_are_for_the_usual_audience() {
    let (server, _, _, client) = setup().await;
    let code = Authorization::of(&server, &client, "offline_access notes.read").code().await;
    redeem(&server, &client, &code, &[NOTES]).await.expect_oauth_error(400, "invalid_target");
    // Who named none was granted the usual one, and may name it.
    let tokens = redeem(&server, &client, &code, &[USUAL]).await.expect(200);
    assert_eq!((audience(&tokens), scope(&tokens)), (json!(USUAL), "notes.read offline_access"));
    assert!(server.is_active(text(&tokens, "access_token")).await);
    let tokens = refresh(&server, &client, &tokens, &[]).await.expect(200);
    assert_eq!(audience(&tokens), USUAL);
    refresh(&server, &client, &tokens, &[FILES]).await.expect_oauth_error(400, "invalid_target");
    // It may be named from the beginning, registered or not.
    let tokens = for_resources(&server, &client, "notes.read", &[USUAL]).tokens().await;
    assert_eq!((audience(&tokens), scope(&tokens)), (json!(USUAL), "notes.read"));
}

#[tokio::test]
async fn the_usual_audience_has_its_settings_when_it_is_registered() {
    let (server, _, _, client) = setup().await;
    let before = Authorization::of(&server, &client, "openid notes.read").tokens().await;
    assert_eq!(scope(&before), "notes.read openid");
    let usual = server.resource_server(json!({"identifier": USUAL, "access_token_format": "opaque", "scopes": "files.read"})).await;
    let tokens = Authorization::of(&server, &client, "openid notes.read files.read").tokens().await;
    assert!(text(&tokens, "access_token").starts_with("gla_"), "{tokens}");
    assert_eq!(server.introspect_by(&usual, text(&tokens, "access_token")).await["scope"], "files.read openid");
}

#[tokio::test]
async fn rfc8707_2_an_authorization_request_for_a_wrong_resource_is_invalid_target() {
    let (server, _, _, client) = setup().await;
    let limited = server.client_with(json!({"resources": [FILES]})).await;
    for (client, wrong) in [
        (&client, "https://unknown.example.com/"),
        (&client, "https://notes.example.com"),
        (&client, "notes"),
        (&client, "https://notes.example.com/#fragment"),
        (&limited, NOTES),
    ] {
        let answer = for_resources(&server, client, "openid", &[FILES, wrong]).start_without_subject().await.expect(200);
        assert_eq!((&answer["state"], &answer["error"]["code"]), (&json!("rejected"), &json!("invalid_target")), "{wrong}");
        let told = parameters_of(&answer["redirect_to"]);
        assert_eq!(told["error"], "invalid_target", "{wrong}");
        assert!(told["error_description"].starts_with("resource: "), "{told:?}");
    }
    let tokens = for_resources(&server, &limited, "openid", &[FILES]).tokens().await;
    assert_eq!(audience(&tokens), FILES);
}

#[tokio::test]
async fn rfc8707_2_a_token_request_for_a_wrong_resource_is_invalid_target() {
    let (server, _, _, client) = setup().await;
    let limited = server.machine_client(json!({"resources": [FILES]})).await;
    machine(&server, &limited, &[("resource", NOTES)]).await.expect_oauth_error(400, "invalid_target");
    let tokens = for_resources(&server, &client, "offline_access", &[NOTES]).tokens().await;
    for wrong in ["https://unknown.example.com/", "notes", "https://notes.example.com/#fragment"] {
        machine(&server, &limited, &[("resource", wrong)]).await.expect_oauth_error(400, "invalid_target");
        refresh(&server, &client, &tokens, &[wrong]).await.expect_oauth_error(400, "invalid_target");
    }
}

#[tokio::test]
async fn nobody_learns_from_a_resource_whose_code_it_is() {
    let (server, _, _, client) = setup().await;
    let code = for_resources(&server, &client, "openid", &[NOTES]).code().await;
    let thief = server.client_with(json!({})).await;
    let made_up = format!("{}AAAA", &code[..code.len() - 4]);
    for code in [&code, &made_up] {
        for resource in [NOTES, FILES, "https://unknown.example.com/"] {
            let error = redeem(&server, &thief, code, &[resource]).await.expect_oauth_error(400, "invalid_grant");
            assert_eq!(error["error_description"], "no such code or refresh token", "{resource}");
        }
    }
    redeem(&server, &client, &code, &[NOTES]).await.expect(200);
}

#[tokio::test]
async fn form_lifetime_and_signature_are_those_of_the_resource_server() {
    let (server, _, _, client) = setup().await;
    let jwks = server.get("/oauth2/jwks").await.expect(200);
    for (algorithm, verification, identifier) in
        [("ES256", Es256, "urn:es256"), ("RS256", Rs256, "urn:rs256"), ("EdDSA", EdDsa, "urn:eddsa")]
    {
        let settings = json!({"identifier": identifier, "access_token_signing_alg": algorithm, "access_token_lifetime": 120});
        let resource_server = server.resource_server(settings).await;
        let tokens = for_resources(&server, &client, "openid email", &[identifier]).tokens().await;
        let token = text(&tokens, "access_token");
        let claims = server.verified(&jwks, token, verification);
        assert_eq!((&claims["aud"], &claims["exp"]), (&json!(identifier), &json!(server.now().as_seconds() + 120)));
        assert_eq!(tokens["expires_in"], 120);
        assert_eq!(server.introspect_by(&resource_server, token).await["active"], true, "{algorithm}");
        let bearer = format!("Bearer {token}");
        let info = server.request(Method::GET, "/oauth2/userinfo", &[("authorization", &bearer)], "").await.expect(200);
        assert_eq!(info, json!({"sub": "ana", "email": "ana@example.com", "email_verified": true}), "{algorithm}");
        assert_eq!(server.revoke(&client, token).await.status, 200);
        assert_eq!(server.introspect_by(&resource_server, token).await, json!({"active": false}), "{algorithm}");
    }
}

#[tokio::test]
async fn an_opaque_token_is_for_its_resource_server_too() {
    let (server, notes, _, client) = setup().await;
    let settings =
        json!({"identifier": "urn:opaque", "access_token_format": "opaque", "access_token_lifetime": 60, "scopes": "shared.read"});
    let opaque = server.resource_server(settings).await;
    let tokens = for_resources(&server, &client, "openid shared.read notes.read", &["urn:opaque"]).tokens().await;
    let token = text(&tokens, "access_token");
    assert!(token.starts_with("gla_"), "{token}");
    let told = server.introspect_by(&opaque, token).await;
    assert_eq!((&told["aud"], &told["scope"]), (&json!(["urn:opaque"]), &json!("openid shared.read")));
    assert_eq!(server.introspect_by(&notes, token).await, json!({"active": false}));
    server.advance(60);
    assert_eq!(server.introspect_by(&opaque, token).await, json!({"active": false}));
}

#[tokio::test]
async fn the_shortest_lifetime_holds() {
    let (server, ..) = setup().await;
    for (identifier, seconds) in [("urn:short", 30), ("urn:long", 3_000)] {
        server.resource_server(json!({"identifier": identifier, "access_token_lifetime": seconds})).await;
    }
    let usual = server.machine_client(json!({})).await;
    let own = server.machine_client(json!({"access_token_lifetime": 300})).await;
    for (client, resources, expected) in [
        (&usual, &["urn:short"][..], 30),
        (&usual, &["urn:long"], 3_000),
        (&usual, &["urn:long", "urn:short"], 30),
        (&usual, &[NOTES], 600),
        (&own, &["urn:long"], 300),
        (&own, &["urn:short"], 30),
    ] {
        let fields: Vec<_> = resources.iter().map(|resource| ("resource", *resource)).collect();
        assert_eq!(machine(&server, client, &fields).await.expect(200)["expires_in"], expected, "{resources:?}");
    }
}

#[tokio::test]
async fn resource_servers_that_want_different_tokens_are_asked_for_one_at_a_time() {
    let (server, _, _, client) = setup().await;
    server.resource_server(json!({"identifier": "urn:opaque", "access_token_format": "opaque"})).await;
    server
        .resource_server(json!({"identifier": "urn:opaque2", "access_token_format": "opaque", "access_token_signing_alg": "ES256"}))
        .await;
    server.resource_server(json!({"identifier": "urn:es256", "access_token_signing_alg": "ES256"})).await;
    let code = for_resources(&server, &client, "offline_access", &[NOTES, "urn:opaque", "urn:es256", "urn:opaque2"]).code().await;
    for together in [&[][..], &[NOTES, "urn:opaque"], &[NOTES, "urn:es256"]] {
        let error = redeem(&server, &client, &code, together).await.expect_oauth_error(400, "invalid_target");
        assert!(text(&error, "error_description").ends_with("ask for one at a time"), "{error}");
    }
    let tokens = redeem(&server, &client, &code, &["urn:es256"]).await.expect(200);
    let tokens = refresh(&server, &client, &tokens, &[NOTES]).await.expect(200);
    // How an opaque token would be signed does not matter.
    refresh(&server, &client, &tokens, &["urn:opaque", "urn:opaque2"]).await.expect(200);
}

#[tokio::test]
async fn a_token_lacks_the_scopes_that_only_others_understand() {
    let (server, notes, _, client) = setup().await;
    let asked = "openid email offline_access notes.read notes.write files.read shared.read";
    let tokens = for_resources(&server, &client, asked, &[NOTES, FILES]).tokens().await;
    assert_eq!(scope(&tokens), "email files.read notes.read notes.write offline_access openid shared.read");
    let tokens = refresh(&server, &client, &tokens, &[NOTES]).await.expect(200);
    assert_eq!(scope(&tokens), "email notes.read notes.write offline_access openid");
    assert_eq!(claims(text(&tokens, "access_token"))["scope"], scope(&tokens));
    assert_eq!(server.introspect_by(&notes, text(&tokens, "access_token")).await["scope"], scope(&tokens));
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", text(&tokens, "refresh_token")),
        ("resource", FILES),
        ("scope", "files.read notes.read"),
    ];
    let tokens = server.as_client(&client, TOKEN, &fields).await.expect(200);
    assert_eq!(scope(&tokens), "files.read");
    // The grant has lost nothing.
    let tokens = refresh(&server, &client, &tokens, &[]).await.expect(200);
    assert_eq!(scope(&tokens), "email files.read notes.read notes.write offline_access openid shared.read");
}

#[tokio::test]
async fn rfc6749_3_3_without_a_scope_the_default_of_the_resource_server_holds() {
    let server = TestServer::start().await;
    server.resource_server(json!({"default_scope": "notes.read openid offline_access"})).await;
    server.resource_server(json!({"identifier": FILES, "scopes": "files.read", "default_scope": "files.read"})).await;
    server.resource_server(json!({"identifier": "urn:none", "scopes": null})).await;
    let client = server.client_with(json!({"scope": "openid email notes.read files.read", "default_scope": "email"})).await;
    for (resources, expected) in
        [(&[NOTES][..], "notes.read openid"), (&[NOTES, FILES], "files.read notes.read openid"), (&["urn:none"], "email"), (&[], "email")]
    {
        let request = for_resources(&server, &client, "", resources).without("scope");
        let tokens = request.tokens().await;
        assert_eq!(scope(&tokens), expected, "{resources:?}");
    }
    let robot = server.machine_client(json!({"scope": "notes.read files.read", "default_scope": "files.read"})).await;
    assert_eq!(scope(&machine(&server, &robot, &[("resource", NOTES)]).await.expect(200)), "notes.read");
    assert_eq!(scope(&machine(&server, &robot, &[]).await.expect(200)), "files.read");
    // A client that may have nothing of the default gets its own.
    let other = server.machine_client(json!({"scope": "reports"})).await;
    assert_eq!(scope(&machine(&server, &other, &[("resource", NOTES)]).await.expect(200)), "reports");
}

#[tokio::test]
async fn rfc8707_2_2_a_machine_names_resource_servers_too() {
    let (server, notes, files, _) = setup().await;
    let client = server.machine_client(json!({"scope": "notes.read files.read"})).await;
    let tokens = machine(&server, &client, &[("resource", NOTES)]).await.expect(200);
    assert_eq!((audience(&tokens), scope(&tokens)), (json!(NOTES), "notes.read"));
    let both = machine(&server, &client, &[("resource", NOTES), ("resource", FILES)]).await.expect(200);
    assert_eq!((audience(&both), scope(&both)), (json!([NOTES, FILES]), "files.read notes.read"));
    for resource_server in [&notes, &files] {
        assert_eq!(server.introspect_by(resource_server, text(&both, "access_token")).await["sub"], client["client_id"]);
    }
    assert_eq!(server.introspect_by(&files, text(&tokens, "access_token")).await, json!({"active": false}));
    let usual = machine(&server, &client, &[]).await.expect(200);
    assert_eq!((audience(&usual), scope(&usual)), (json!(USUAL), "files.read notes.read"));
}

#[tokio::test]
async fn no_tokens_are_issued_for_a_resource_server_that_is_deleted() {
    let (server, notes, files, client) = setup().await;
    let tokens = for_resources(&server, &client, "offline_access", &[NOTES, FILES]).tokens().await;
    let delete = async |resource_server: &Value| {
        server.admin(Method::DELETE, &format!("/v1/resource-servers/{}", text(resource_server, "id")), None).await.expect(204)
    };
    delete(&notes).await;
    // What was issued lives on until it expires, for both.
    assert_eq!(server.introspect_by(&notes, text(&tokens, "access_token")).await["active"], true);
    refresh(&server, &client, &tokens, &[NOTES]).await.expect_oauth_error(400, "invalid_target");
    let tokens = refresh(&server, &client, &tokens, &[]).await.expect(200);
    assert_eq!(audience(&tokens), FILES);
    delete(&files).await;
    refresh(&server, &client, &tokens, &[]).await.expect_oauth_error(400, "invalid_target");
    let robot = server.machine_client(json!({})).await;
    machine(&server, &robot, &[("resource", NOTES)]).await.expect_oauth_error(400, "invalid_target");
    let answer = for_resources(&server, &client, "openid", &[NOTES]).start_without_subject().await.expect(200);
    assert_eq!(answer["error"]["code"], "invalid_target");
    // Registered again, it is the one that was granted.
    server.resource_server(json!({})).await;
    let tokens = refresh(&server, &client, &tokens, &[]).await.expect(200);
    assert_eq!(audience(&tokens), NOTES);
}

#[tokio::test]
async fn what_a_client_may_reach_no_more_is_not_issued() {
    let (server, _, _, client) = setup().await;
    let tokens = for_resources(&server, &client, "offline_access", &[NOTES, FILES]).tokens().await;
    server.change(&client, json!({"resources": [FILES]})).await;
    refresh(&server, &client, &tokens, &[NOTES]).await.expect_oauth_error(400, "invalid_target");
    let tokens = refresh(&server, &client, &tokens, &[]).await.expect(200);
    assert_eq!(audience(&tokens), FILES);
}
