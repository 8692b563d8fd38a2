use std::collections::BTreeSet;

use futures::future::join_all;
use grantlog_core::app::{Context, DynamicRegistration};
use grantlog_tests::{Answer, Authorization, ClientKey, TestServer, merged, text};
use http::Method;
use serde_json::{Value, json};

const PATH: &str = "/oauth2/register";
const TOKENS: &str = "/v1/initial-access-tokens";
const WEEK: u32 = 7 * 86_400;

async fn server(dynamic: DynamicRegistration) -> TestServer {
    TestServer::start_with(|settings| settings.registration.dynamic = dynamic, |_| {}).await
}

async fn open() -> TestServer {
    server(DynamicRegistration::Open).await
}

/// What a public client says of itself.
fn public() -> Value {
    json!({
        "client_name": "Editor", "redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
    })
}

/// What a confidential client says of itself.
fn confidential() -> Value {
    json!({"client_name": "Notes", "redirect_uris": ["https://notes.example.com/cb"]})
}

async fn initial_access_token(server: &TestServer, members: Value) -> Value {
    let body = merged(json!({"name": "partners"}), members);
    server.admin(Method::POST, TOKENS, Some(&body)).await.expect(201)
}

async fn as_administrators_see(server: &TestServer, registered: &Value) -> Answer {
    server.admin(Method::GET, &format!("/v1/clients/{}", text(registered, "client_id")), None).await
}

fn ids(answers: &[Value]) -> BTreeSet<&str> {
    answers.iter().map(|registered| text(registered, "client_id")).collect()
}

#[tokio::test]
async fn rfc8414_2_the_endpoint_is_announced_where_it_is_there() {
    let announced =
        async |dynamic| server(dynamic).await.get("/.well-known/oauth-authorization-server").await.json()["registration_endpoint"].clone();
    assert_eq!(announced(DynamicRegistration::Off).await, Value::Null);
    for dynamic in [DynamicRegistration::InitialAccessToken, DynamicRegistration::Open] {
        assert_eq!(announced(dynamic).await, "https://auth.example.com/oauth2/register");
    }
}

#[tokio::test]
async fn nobody_registers_where_it_is_off() {
    let server = server(DynamicRegistration::Off).await;
    let token = initial_access_token(&server, json!({})).await;
    for token in [None, Some(text(&token, "initial_access_token"))] {
        server.register_itself(token, &confidential()).await.expect_oauth_error(404, "invalid_request");
    }
}

#[tokio::test]
async fn rfc7591_3_2_1_a_confidential_client_gets_all_that_was_registered() {
    let server = open().await;
    let answer = server.register_itself(None, &confidential()).await;
    let client = answer.expect(201);
    assert_eq!((answer.header("cache-control"), answer.header("access-control-allow-origin")), (Some("no-store"), Some("*")));
    let id = text(&client, "client_id");
    let expected = json!({
        "client_id": id, "client_id_issued_at": server.now().as_seconds(), "client_secret": text(&client, "client_secret"),
        "client_secret_expires_at": 0, "registration_access_token": text(&client, "registration_access_token"),
        "registration_client_uri": format!("https://auth.example.com/oauth2/register/{id}"), "client_name": "Notes",
        "redirect_uris": ["https://notes.example.com/cb"], "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code"], "response_types": ["code"], "scope": "address email openid phone profile",
        "id_token_signed_response_alg": "RS256",
    });
    assert_eq!(client, expected);
    assert!(text(&client, "client_secret").starts_with("gls_") && text(&client, "registration_access_token").starts_with("glm_"));
}

#[tokio::test]
async fn a_client_that_registered_itself_gets_tokens_and_people_see_who_it_is() {
    let server = open().await;
    let client = server.register_itself(None, &merged(confidential(), json!({"client_secret": null}))).await.expect(201);
    let request = Authorization::of(&server, &client, "openid email").start().await;
    assert_eq!((&request["client"]["registration"], &request["client"]["verified"]), (&json!("dynamic"), &json!(false)));
    assert_eq!(request["client"]["client_type"], "third_party");
    let tokens = Authorization::of(&server, &client, "openid email").tokens().await;
    assert!(server.is_active(text(&tokens, "access_token")).await);
}

#[tokio::test]
async fn a_public_client_refreshes() {
    let server = open().await;
    let said = merged(public(), json!({"redirect_uris": ["https://editor.example.com/callback"]}));
    let client = server.register_itself(None, &said).await.expect(201);
    let tokens = Authorization::of(&server, &client, "openid offline_access").tokens().await;
    assert_eq!(server.refresh(&client, text(&tokens, "refresh_token")).await.status, 200);
}

#[tokio::test]
async fn rfc7523_2_2_a_client_with_keys_registers_them() {
    let server = open().await;
    let jwks = json!({"keys": [ClientKey::of(1).jwk()]});
    let said = json!({"redirect_uris": ["https://notes.example.com/cb"], "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks});
    let client = server.register_itself(None, &said).await.expect(201);
    assert_eq!((&client["client_secret"], &client["jwks"], &client["client_name"]), (&Value::Null, &jwks, &json!("notes.example.com")));
}

#[tokio::test]
async fn rfc7591_3_2_2_every_mistake_is_named_in_the_description() {
    let server = open().await;
    let cases = [
        (
            json!({"redirect_uris": ["javascript:alert(1)", "https://a.example/#x"]}),
            "invalid_redirect_uri",
            &["redirect_uris [0]", "redirect_uris [1]"][..],
        ),
        (json!({}), "invalid_redirect_uri", &["redirect_uris"]),
        (
            json!({"redirect_uris": ["https://a.example/"], "token_endpoint_auth_method": "tls_client_auth", "logo_uri": 3, "scope": "admin"}),
            "invalid_client_metadata",
            &["token_endpoint_auth_method", "logo_uri", "scope"],
        ),
        (
            json!({"redirect_uris": ["http://a.example/"], "client_name": "a\u{202e}b"}),
            "invalid_client_metadata",
            &["redirect_uris", "client_name"],
        ),
        (json!([]), "invalid_client_metadata", &["object"]),
    ];
    for (said, code, named) in cases {
        let error = server.register_itself(None, &said).await.expect_oauth_error(400, code);
        assert!(named.iter().all(|name| text(&error, "error_description").contains(name)), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_json_object_of_a_decent_size_is_refused() {
    let server = open().await;
    let post = async |body: String| server.post(PATH, "application/json", body).await;
    for body in ["", "{", "null", "[]", "{}{}", "{\"client_name\":\"a\",\"client_name\":\"b\"}"] {
        post(body.to_owned()).await.expect_oauth_error(400, "invalid_client_metadata");
    }
    post(format!("{{\"x\":{}1{}}}", "[".repeat(40), "]".repeat(40))).await.expect_oauth_error(400, "invalid_client_metadata");
    post(merged(confidential(), json!({"x": "x".repeat(16_384)})).to_string()).await.expect_oauth_error(413, "invalid_request");
    server.post(PATH, "text/plain", confidential().to_string()).await.expect_oauth_error(400, "invalid_request");
    let many: Vec<_> = (0..21).map(|number| format!("https://notes.example.com/{number}")).collect();
    let said = merged(confidential(), json!({"redirect_uris": many}));
    server.register_itself(None, &said).await.expect_oauth_error(400, "invalid_redirect_uri");
}

#[tokio::test]
async fn rfc7591_2_a_client_gives_itself_nothing_that_administrators_decide() {
    let server = open().await;
    let more = json!({
        "client_type": "first_party", "pkce_exempt": true, "bypass_consent_for_offline_access": true, "full_access_allowed": true,
        "organization_id": "acme", "access_token_lifetime": 86400, "client_id": "client_mine", "client_secret": "chosen", "client_name#de": "Notizen",
        "verified": true, "registration": "administrator", "scope": "openid full_access notes.read", "contacts": ["ana@notes.example.com"],
    });
    let client = server.register_itself(None, &merged(confidential(), more)).await.expect(201);
    assert_ne!(client["client_id"], "client_mine");
    assert_ne!(client["client_secret"], "chosen");
    assert_eq!(client["scope"], "openid");
    let seen = as_administrators_see(&server, &client).await.expect(200);
    assert_eq!((&seen["client_type"], &seen["verified"], &seen["registration"]), (&json!("third_party"), &json!(false), &json!("dynamic")));
    for member in ["pkce_exempt", "bypass_consent_for_offline_access", "full_access_allowed", "organization_id", "access_token_lifetime"] {
        assert_eq!(seen[member], Value::Null, "{member}");
    }
}

#[tokio::test]
async fn scripts_of_any_origin_may_register() {
    let server = open().await;
    for path in [PATH, "/oauth2/register/client_1"] {
        let headers = [("origin", "https://inspector.example"), ("access-control-request-method", "POST")];
        let answer = server.request(Method::OPTIONS, path, &headers, "").await;
        assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (204, Some("*")), "{path}");
        assert!(answer.header("access-control-allow-headers").unwrap().contains("authorization"), "{path}");
    }
}

#[tokio::test]
async fn the_same_public_client_is_registered_once() {
    let server = open().await;
    let first = server.register_itself(None, &public()).await.expect(201);
    assert_eq!(
        (&first["registration_access_token"], &first["registration_client_uri"], &first["client_secret"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    let before = server.events().await.len();
    let turned = merged(public(), json!({"grant_types": ["refresh_token", "authorization_code"], "software_id": "x"}));
    let second = server.register_itself(None, &turned).await.expect(201);
    assert_eq!(second["client_id"], first["client_id"]);
    assert_eq!(server.events().await.len(), before, "nothing was recorded");
    let other = server.register_itself(None, &merged(public(), json!({"client_name": "Editor 2"}))).await.expect(201);
    assert_ne!(other["client_id"], first["client_id"]);
}

#[tokio::test]
async fn two_that_register_the_same_at_the_same_moment_are_one_client() {
    let server = open().await;
    let said = public();
    let answers = join_all((0..20).map(|_| server.register_itself(None, &said))).await;
    let answers: Vec<_> = answers.iter().map(|answer| answer.expect(201)).collect();
    assert_eq!(ids(&answers).len(), 1);
    assert_eq!(server.admin(Method::GET, "/v1/clients", None).await.expect(200)["clients"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn confidential_clients_and_those_of_an_initial_access_token_are_their_own() {
    let server = open().await;
    let token = initial_access_token(&server, json!({"max_uses": 2})).await;
    let mut answers = Vec::new();
    for (token, said) in
        [(None, confidential()), (None, confidential()), (Some(&token), public()), (Some(&token), public()), (None, public())]
    {
        let token = token.map(|token| text(token, "initial_access_token"));
        answers.push(server.register_itself(token, &said).await.expect(201));
    }
    assert_eq!(ids(&answers).len(), 5);
    assert!(answers[..4].iter().all(|registered| registered["registration_access_token"].is_string()));
}

#[tokio::test]
async fn a_shared_client_that_an_administrator_changed_or_deleted_is_not_given_out_again() {
    let server = open().await;
    let first = server.register_itself(None, &public()).await.expect(201);
    server.change(&first, json!({"scope": "openid notes.read"})).await;
    let second = server.register_itself(None, &public()).await.expect(201);
    assert_ne!(second["client_id"], first["client_id"]);
    server.admin(Method::DELETE, &format!("/v1/clients/{}", text(&second, "client_id")), None).await.expect(204);
    let third = server.register_itself(None, &public()).await.expect(201);
    assert!(third["client_id"] != first["client_id"] && third["client_id"] != second["client_id"]);
    assert_eq!(server.register_itself(None, &public()).await.expect(201)["client_id"], third["client_id"]);
}

#[tokio::test]
async fn registering_again_does_not_get_round_a_suspension() {
    let server = open().await;
    let client = server.register_itself(None, &public()).await.expect(201);
    server.admin(Method::POST, &format!("/v1/clients/{}/suspend", text(&client, "client_id")), None).await.expect(200);
    let again = server.register_itself(None, &public()).await.expect(201);
    assert_eq!(again["client_id"], client["client_id"]);
    assert_eq!(as_administrators_see(&server, &client).await.expect(200)["state"], "suspended");
}

#[tokio::test]
async fn a_client_that_is_never_used_lapses() {
    let server = open().await;
    let client = server
        .register_itself(None, &merged(confidential(), json!({"token_endpoint_auth_method": "client_secret_post"})))
        .await
        .expect(201);
    let seen = as_administrators_see(&server, &client).await.expect(200);
    assert_eq!((&seen["used"], &seen["lease_until"]), (&json!(false), &json!("2026-03-10T14:00:00.000Z")));
    server.advance(WEEK);
    assert_eq!(as_administrators_see(&server, &client).await.problem(), (404, "not_found".to_owned(), None));
    assert_eq!(server.admin(Method::GET, "/v1/clients?registration=dynamic", None).await.expect(200)["clients"], json!([]));
    assert_eq!(Authorization::of(&server, &client, "openid").start().await["state"], "rejected");
    let credentials = [("client_id", text(&client, "client_id")), ("client_secret", text(&client, "client_secret")), ("token", "x")];
    assert_eq!(server.post_form("/oauth2/revoke", None, &credentials).await.oauth_error().1, "invalid_client");
    assert_eq!(server.manage(Method::GET, &client, None).await.status, 401);
    let (app, lapsed) = (&server.app, server.app.live.lapsed_clients(server.now()));
    assert_eq!(lapsed.iter().map(ToString::to_string).collect::<Vec<_>>(), [text(&client, "client_id")]);
    assert!(app.authority.delete_lapsed_client(&Context::system(), &lapsed[0]).await.unwrap());
    assert!(!app.authority.delete_lapsed_client(&Context::system(), &lapsed[0]).await.unwrap());
    assert!(app.live.lapsed_clients(server.now()).is_empty());
}

#[tokio::test]
async fn the_first_code_is_the_first_use_and_ends_the_lease() {
    let server = open().await;
    let client = server.register_itself(None, &confidential()).await.expect(201);
    server.advance(WEEK - 60);
    let tokens = Authorization::of(&server, &client, "openid").tokens().await;
    assert_eq!(as_administrators_see(&server, &client).await.expect(200)["used"], true);
    server.advance(120);
    assert!(server.is_active(text(&tokens, "access_token")).await);
    assert!(server.app.live.lapsed_clients(server.now()).is_empty());
    assert_eq!(as_administrators_see(&server, &client).await.status, 200);
}

#[tokio::test]
async fn a_shared_client_does_not_lapse_under_who_registered_last() {
    let server = open().await;
    let first = server.register_itself(None, &public()).await.expect(201);
    server.advance(WEEK - 1);
    let second = server.register_itself(None, &public()).await.expect(201);
    assert_eq!(second["client_id"], first["client_id"]);
    server.advance(WEEK - 1);
    assert_eq!(as_administrators_see(&server, &second).await.status, 200);
    server.advance(1);
    assert_eq!(as_administrators_see(&server, &second).await.status, 404);
    let third = server.register_itself(None, &public()).await.expect(201);
    assert_ne!(third["client_id"], first["client_id"]);
}

#[tokio::test]
async fn who_an_administrator_vouches_for_is_shown_as_verified_and_stays() {
    let server = open().await;
    let client = server.register_itself(None, &confidential()).await.expect(201);
    let verify = format!("/v1/clients/{}/verify", text(&client, "client_id"));
    assert_eq!(server.admin(Method::POST, &verify, None).await.expect(200)["verified"], true);
    let request = Authorization::of(&server, &client, "openid").start().await;
    assert_eq!((&request["client"]["registration"], &request["client"]["verified"]), (&json!("dynamic"), &json!(true)));
    server.advance(WEEK);
    assert_eq!(as_administrators_see(&server, &client).await.status, 200);
    assert_eq!(server.admin(Method::DELETE, &verify, None).await.problem().0, 404, "it lapses at once");
}

#[tokio::test]
async fn an_administrator_takes_it_back() {
    let server = open().await;
    let client = server.register_itself(None, &confidential()).await.expect(201);
    let verify = format!("/v1/clients/{}/verify", text(&client, "client_id"));
    server.admin(Method::POST, &verify, None).await.expect(200);
    assert_eq!(server.admin(Method::DELETE, &verify, None).await.expect(200)["verified"], false);
}

#[tokio::test]
async fn rfc7591_3_an_initial_access_token_is_asked_for() {
    let server = server(DynamicRegistration::InitialAccessToken).await;
    let missing = server.register_itself(None, &confidential()).await;
    assert_eq!((missing.status.as_u16(), missing.header("www-authenticate")), (401, Some("Bearer realm=\"grantlog\"")));
    let token = initial_access_token(&server, json!({})).await;
    let token = text(&token, "initial_access_token");
    assert!(token.starts_with("gli_"));
    for wrong in ["x".to_owned(), format!("{token}x"), server.keys["admin"].clone(), token.to_uppercase()] {
        server.register_itself(Some(&wrong), &confidential()).await.expect_oauth_error(401, "invalid_token");
    }
    server.register_itself(Some(token), &confidential()).await.expect(201);
    server.register_itself(Some(token), &confidential()).await.expect_oauth_error(401, "invalid_token");
}

#[tokio::test]
async fn a_wrong_token_is_refused_even_where_none_is_needed() {
    open().await.register_itself(Some("gli_wrong"), &confidential()).await.expect_oauth_error(401, "invalid_token");
}

#[tokio::test]
async fn an_initial_access_token_is_good_so_many_times_and_so_long() {
    let server = server(DynamicRegistration::InitialAccessToken).await;
    let made = initial_access_token(&server, json!({"max_uses": 3, "expires_in": 60})).await;
    let token = text(&made, "initial_access_token");
    let said = public();
    let answers = join_all((0..8).map(|_| server.register_itself(Some(token), &said))).await;
    let registered: Vec<_> = answers.iter().filter(|answer| answer.status == 201).map(Answer::json).collect();
    assert_eq!((registered.len(), ids(&registered).len()), (3, 3));
    let listed = server.admin(Method::GET, TOKENS, None).await.expect(200);
    assert_eq!(
        (&listed["initial_access_tokens"][0]["uses"], &listed["initial_access_tokens"][0]["initial_access_token"]),
        (&json!(3), &Value::Null)
    );
    let second = initial_access_token(&server, json!({"expires_in": 60})).await;
    server.advance(60);
    server.register_itself(Some(text(&second, "initial_access_token")), &said).await.expect_oauth_error(401, "invalid_token");
}

#[tokio::test]
async fn a_mistake_in_the_metadata_uses_nothing_up() {
    let server = server(DynamicRegistration::InitialAccessToken).await;
    let made = initial_access_token(&server, json!({})).await;
    let token = text(&made, "initial_access_token");
    server.register_itself(Some(token), &json!({})).await.expect_oauth_error(400, "invalid_redirect_uri");
    server.register_itself(Some(token), &confidential()).await.expect(201);
}

#[tokio::test]
async fn a_revoked_initial_access_token_lets_nobody_register_and_its_clients_stay() {
    let server = server(DynamicRegistration::InitialAccessToken).await;
    let made = initial_access_token(&server, json!({"max_uses": 2})).await;
    let token = text(&made, "initial_access_token");
    let client = server.register_itself(Some(token), &confidential()).await.expect(201);
    let path = format!("{TOKENS}/{}", text(&made, "id"));
    for _ in 0..2 {
        server.admin(Method::DELETE, &path, None).await.expect(204);
    }
    server.register_itself(Some(token), &confidential()).await.expect_oauth_error(401, "invalid_token");
    assert_eq!(as_administrators_see(&server, &client).await.status, 200);
    assert_eq!(server.admin(Method::GET, TOKENS, None).await.expect(200)["initial_access_tokens"], json!([]));
    let unknown = format!("{TOKENS}/01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10");
    assert_eq!(server.admin(Method::DELETE, &unknown, None).await.problem(), (404, "not_found".to_owned(), None));
}

#[tokio::test]
async fn an_initial_access_token_has_a_name_and_bounds() {
    let server = open().await;
    for (members, field) in [
        (json!({"name": " "}), "name"),
        (json!({"name": "x".repeat(101)}), "name"),
        (json!({"expires_in": 59}), "expires_in"),
        (json!({"expires_in": 31_536_001}), "expires_in"),
        (json!({"max_uses": 0}), "max_uses"),
        (json!({"max_uses": 10_001}), "max_uses"),
    ] {
        let answer = server.admin(Method::POST, TOKENS, Some(&merged(json!({"name": "partners"}), members.clone()))).await;
        assert_eq!(answer.problem(), (400, "invalid_field".to_owned(), Some(field.to_owned())), "{members}");
    }
}

/// The process ends between the use of the token and the registration.
#[tokio::test]
async fn a_use_whose_registration_did_not_come_about_is_not_lost() {
    let server = server(DynamicRegistration::InitialAccessToken).await;
    let made = initial_access_token(&server, json!({})).await;
    let token = text(&made, "initial_access_token");
    server.store.allow_appends(Some(1));
    server.register_itself(Some(token), &confidential()).await.expect_oauth_error(503, "temporarily_unavailable");
    server.store.allow_appends(None);
    server.register_itself(Some(token), &confidential()).await.expect(201);
    server.register_itself(Some(token), &confidential()).await.expect_oauth_error(401, "invalid_token");
    assert_eq!(server.admin(Method::GET, TOKENS, None).await.expect(200)["initial_access_tokens"][0]["uses"], 1);
}

/// The process ends between the choice of the id and the registration.
#[tokio::test]
async fn a_shared_client_that_was_assigned_and_not_registered_is_registered_by_the_next() {
    let server = open().await;
    server.store.allow_appends(Some(1));
    server.register_itself(None, &public()).await.expect_oauth_error(503, "temporarily_unavailable");
    server.store.allow_appends(None);
    let before = server.events().await.len();
    let client = server.register_itself(None, &public()).await.expect(201);
    assert_eq!(server.events().await.len(), before + 1);
    assert_eq!(as_administrators_see(&server, &client).await.status, 200);
}
