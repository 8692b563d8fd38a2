use base64::{Engine, prelude::BASE64_STANDARD};
use grantlog_tests::{Answer, Authorization, Pkce, TestServer, claims};
use http::Method;
use serde_json::{Value, json};

const PATH: &str = "/oauth2/token";
const FORM: &str = "application/x-www-form-urlencoded";
const REDIRECT_URI: &str = "https://weather.example.com/callback";
const OFFLINE: &str = "openid email offline_access";

async fn setup() -> (TestServer, Value) {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    (server, client)
}

fn text<'a>(tokens: &'a Value, member: &str) -> &'a str {
    tokens[member].as_str().unwrap_or_else(|| panic!("no {member} in {tokens}"))
}

/// The right fields of a redemption, for one of them to be changed.
fn redemption(code: &str) -> Vec<(&str, &str)> {
    vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT_URI), ("code_verifier", Pkce::VERIFIER)]
}

fn with<'a>(mut fields: Vec<(&'a str, &'a str)>, name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    fields.retain(|(own, _)| *own != name);
    if !value.is_empty() {
        fields.push((name, value));
    }
    fields
}

async fn admin(server: &TestServer, client: &Value, method: Method, action: &str) {
    let path = format!("/v1/clients/{}{action}", text(client, "client_id"));
    let answer = server.call("admin", method, &path, None).await;
    assert!(answer.status.is_success(), "{answer:?}");
}

async fn narrowed(server: &TestServer, client: &Value, refresh_token: &str, scope: &str) -> Answer {
    server.as_client(client, PATH, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("scope", scope)]).await
}

// Codes

#[tokio::test]
async fn rfc6749_5_1_a_token_response_says_all_and_is_kept_by_nobody() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, OFFLINE);
    let answer = authorization.redeem(&authorization.code().await).await;
    let tokens = answer.expect(200);
    let members: Vec<_> = tokens.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["access_token", "expires_in", "id_token", "refresh_token", "scope", "token_type"]);
    assert_eq!(
        (&tokens["token_type"], &tokens["expires_in"], &tokens["scope"]),
        (&json!("Bearer"), &json!(600), &json!("email offline_access openid"))
    );
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), (Some("no-store"), Some("no-cache")));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn oidc_core_3_1_3_3_without_openid_there_is_no_id_token() {
    let (server, client) = setup().await;
    let tokens = Authorization::of(&server, &client, "notes.read").tokens().await;
    assert_eq!((tokens.get("id_token"), tokens.get("refresh_token"), &tokens["scope"]), (None, None, &json!("notes.read")));
}

#[tokio::test]
async fn rfc6749_4_1_2_a_code_is_redeemed_once_and_a_replay_ends_what_it_started() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, OFFLINE);
    let other = authorization.tokens().await;
    let code = authorization.code().await;
    let tokens = authorization.redeem(&code).await.expect(200);
    let refreshed = server.refresh(&client, text(&tokens, "refresh_token")).await.expect(200);
    server.advance(5);
    for _ in 0..3 {
        authorization.redeem(&code).await.expect_oauth_error(400, "invalid_grant");
    }
    for dead in [&tokens, &refreshed] {
        assert!(!server.is_active(text(dead, "access_token")).await);
        server.refresh(&client, text(dead, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
    }
    // Another device's family goes on: the replay says nothing about it.
    assert!(server.is_active(text(&other, "access_token")).await);
    server.refresh(&client, text(&other, "refresh_token")).await.expect(200);
}

#[tokio::test]
async fn rfc6749_4_1_2_a_replay_long_after_is_a_replay_still() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, OFFLINE);
    let code = authorization.code().await;
    let tokens = authorization.redeem(&code).await.expect(200);
    server.advance(3_600);
    authorization.redeem(&code).await.expect_oauth_error(400, "invalid_grant");
    server.refresh(&client, text(&tokens, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn rfc6749_4_1_3_another_clients_code_is_refused_and_nothing_happens_to_it() {
    let (server, client) = setup().await;
    let thief = server.confidential_client().await;
    let public_thief = server.public_client().await;
    let authorization = Authorization::of(&server, &client, OFFLINE);
    let code = authorization.code().await;
    for thief in [&thief, &public_thief] {
        server.as_client(thief, PATH, &redemption(&code)).await.expect_oauth_error(400, "invalid_grant");
    }
    let tokens = authorization.redeem(&code).await.expect(200);
    server.as_client(&thief, PATH, &redemption(&code)).await.expect_oauth_error(400, "invalid_grant");
    assert!(server.is_active(text(&tokens, "access_token")).await);
}

#[tokio::test]
async fn rfc7636_4_6_a_wrong_or_missing_verifier_is_refused_and_does_not_spend_the_code() {
    let (server, client) = setup().await;
    let code = Authorization::of(&server, &client, "openid").code().await;
    let wrong = "x".repeat(43);
    for (verifier, error) in
        [(wrong.as_str(), "invalid_grant"), ("", "invalid_grant"), ("short", "invalid_request"), (Pkce::CHALLENGE, "invalid_grant")]
    {
        let fields = with(redemption(&code), "code_verifier", verifier);
        server.as_client(&client, PATH, &fields).await.expect_oauth_error(400, error);
    }
    server.as_client(&client, PATH, &redemption(&code)).await.expect(200);
}

#[tokio::test]
async fn rfc7636_4_4_1_a_public_client_must_send_a_challenge() {
    let server = TestServer::start().await;
    let client = server.public_client().await;
    let request = Authorization::of(&server, &client, "openid").without("code_challenge").without("code_challenge_method");
    let rejected = request.start_without_subject().await.expect(200);
    assert_eq!((&rejected["state"], &rejected["error"]["code"]), (&json!("rejected"), &json!("invalid_request")));
    let metadata = json!({"client_name": "x", "token_endpoint_auth_method": "none", "redirect_uris": [REDIRECT_URI], "pkce_exempt": true});
    let answer = server.call("admin", Method::POST, "/v1/clients", Some(&metadata)).await;
    assert_eq!(answer.expect_problem(422, "invalid_metadata")["problems"][0]["field"], "pkce_exempt");
}

#[tokio::test]
async fn oauth21_7_5_1_an_exempt_client_uses_a_nonce_instead() {
    let (server, client) = setup().await;
    server.change(&client, json!({"pkce_exempt": true})).await;
    let bare = |scope| Authorization::of(&server, &client, scope).without("code_challenge").without("code_challenge_method");
    let code = bare("openid").with("nonce", "n-0S6").code().await;
    // RFC 9700 §2.1.1: a verifier without a challenge tells that somebody took the challenge out.
    server.as_client(&client, PATH, &redemption(&code)).await.expect_oauth_error(400, "invalid_grant");
    server.as_client(&client, PATH, &with(redemption(&code), "code_verifier", "")).await.expect(200);
    for request in [bare("openid"), bare("email").with("nonce", "n-0S6")] {
        let rejected = request.start_without_subject().await.expect(200);
        assert_eq!((&rejected["state"], &rejected["error"]["code"]), (&json!("rejected"), &json!("invalid_request")));
    }
}

#[tokio::test]
async fn oauth21_7_5_1_who_sent_a_challenge_must_answer_it_exempt_or_not() {
    let (server, client) = setup().await;
    server.change(&client, json!({"pkce_exempt": true})).await;
    let code = Authorization::of(&server, &client, "openid").with("nonce", "n-0S6").code().await;
    let fields = with(redemption(&code), "code_verifier", "");
    server.as_client(&client, PATH, &fields).await.expect_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn rfc6749_4_1_3_the_redirect_uri_is_that_of_the_authorization_request() {
    let (server, client) = setup().await;
    let code = Authorization::of(&server, &client, "openid").code().await;
    for wrong in ["https://weather.example.com/callback/", "https://evil.example/", "https://WEATHER.example.com/callback"] {
        let fields = with(redemption(&code), "redirect_uri", wrong);
        server.as_client(&client, PATH, &fields).await.expect_oauth_error(400, "invalid_grant");
    }
    // OAuth 2.1 §4.1.3: PKCE binds the code, so the parameter may be left out.
    server.as_client(&client, PATH, &with(redemption(&code), "redirect_uri", "")).await.expect(200);
}

#[tokio::test]
async fn rfc6749_4_1_3_without_pkce_a_redirect_uri_that_was_given_is_required() {
    let (server, client) = setup().await;
    server.change(&client, json!({"pkce_exempt": true})).await;
    let bare =
        || Authorization::of(&server, &client, "openid").with("nonce", "n").without("code_challenge").without("code_challenge_method");
    let code = bare().code().await;
    let fields = [("grant_type", "authorization_code"), ("code", &code)];
    server.as_client(&client, PATH, &fields).await.expect_oauth_error(400, "invalid_grant");
    let code = bare().without("redirect_uri").code().await;
    server.as_client(&client, PATH, &[("grant_type", "authorization_code"), ("code", &code)]).await.expect(200);
}

#[tokio::test]
async fn rfc6749_4_1_2_a_code_expires_after_a_minute() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, "openid");
    let (early, late) = (authorization.code().await, authorization.code().await);
    server.advance(59);
    authorization.redeem(&early).await.expect(200);
    server.advance(1);
    authorization.redeem(&late).await.expect_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn rfc6749_5_2_what_was_never_a_code_is_invalid_grant() {
    let (server, client) = setup().await;
    let tokens = Authorization::of(&server, &client, OFFLINE).tokens().await;
    let code = Authorization::of(&server, &client, OFFLINE).code().await;
    let cut = &code[..code.len() - 1];
    let long = "x".repeat(8_000);
    for wrong in ["x", cut, text(&tokens, "refresh_token"), text(&tokens, "access_token"), "\u{e9}", long.as_str()] {
        server.as_client(&client, PATH, &redemption(wrong)).await.expect_oauth_error(400, "invalid_grant");
    }
    for wrong in ["x", &code, text(&tokens, "access_token"), "\u{e9}", long.as_str()] {
        server.refresh(&client, wrong).await.expect_oauth_error(400, "invalid_grant");
    }
}

#[tokio::test]
async fn a_code_of_a_grant_that_was_revoked_is_refused() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, OFFLINE);
    let code = authorization.code().await;
    let grants = server.call("consent", Method::GET, "/v1/subjects/ana/grants", None).await.expect(200);
    let path = format!("/v1/subjects/ana/grants/{}", text(&grants["grants"][0], "id"));
    server.call("consent", Method::DELETE, &path, None).await.expect(204);
    authorization.redeem(&code).await.expect_oauth_error(400, "invalid_grant");
}

// Refresh tokens

#[tokio::test]
async fn rfc9700_4_14_2_a_refresh_token_rotates() {
    let (server, client) = setup().await;
    let mut tokens = Authorization::of(&server, &client, OFFLINE).tokens().await;
    for _ in 0..4 {
        server.advance(100);
        let fresh = server.refresh(&client, text(&tokens, "refresh_token")).await.expect(200);
        assert_ne!(fresh["refresh_token"], tokens["refresh_token"]);
        assert_eq!((&fresh["scope"], &fresh["expires_in"]), (&tokens["scope"], &json!(600)));
        assert!(server.is_active(text(&fresh, "access_token")).await);
        tokens = fresh;
    }
}

#[tokio::test]
async fn a_retry_within_the_grace_window_gets_the_same_successor() {
    let (server, client) = setup().await;
    let tokens = Authorization::of(&server, &client, OFFLINE).tokens().await;
    let first = server.refresh(&client, text(&tokens, "refresh_token")).await.expect(200);
    server.advance(10);
    let retry = server.refresh(&client, text(&tokens, "refresh_token")).await.expect(200);
    assert_eq!(retry["refresh_token"], first["refresh_token"]);
    assert_ne!(retry["access_token"], first["access_token"]);
    server.refresh(&client, text(&first, "refresh_token")).await.expect(200);
}

#[tokio::test]
async fn rfc9700_4_14_2_a_replay_after_the_grace_window_ends_this_family_and_no_other() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, OFFLINE);
    let (phone, laptop) = (authorization.tokens().await, authorization.tokens().await);
    let fresh = server.refresh(&client, text(&phone, "refresh_token")).await.expect(200);
    server.advance(11);
    server.refresh(&client, text(&phone, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
    server.refresh(&client, text(&fresh, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
    for dead in [&phone, &fresh] {
        assert!(!server.is_active(text(dead, "access_token")).await);
    }
    assert!(server.is_active(text(&laptop, "access_token")).await);
    server.refresh(&client, text(&laptop, "refresh_token")).await.expect(200);
    // Both were under one grant.
    let grants = server.call("consent", Method::GET, "/v1/subjects/ana/grants", None).await.expect(200);
    assert_eq!(grants["grants"].as_array().unwrap().len(), 1, "{grants}");
}

#[tokio::test]
async fn rfc9700_4_14_2_a_grandparent_is_a_replay_even_within_the_grace_window() {
    let (server, client) = setup().await;
    let tokens = Authorization::of(&server, &client, OFFLINE).tokens().await;
    let second = server.refresh(&client, text(&tokens, "refresh_token")).await.expect(200);
    let third = server.refresh(&client, text(&second, "refresh_token")).await.expect(200);
    server.refresh(&client, text(&tokens, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
    server.refresh(&client, text(&third, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn without_grace_every_second_use_is_a_replay() {
    let (server, client) = setup().await;
    server.change(&client, json!({"refresh_grace": 0})).await;
    let tokens = Authorization::of(&server, &client, OFFLINE).tokens().await;
    let fresh = server.refresh(&client, text(&tokens, "refresh_token")).await.expect(200);
    server.refresh(&client, text(&tokens, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
    server.refresh(&client, text(&fresh, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn rfc6749_6_the_scope_may_be_narrowed_for_once_and_never_widened() {
    let (server, client) = setup().await;
    let tokens = Authorization::of(&server, &client, OFFLINE).tokens().await;
    let narrow = narrowed(&server, &client, text(&tokens, "refresh_token"), "email").await.expect(200);
    assert_eq!((&narrow["scope"], narrow.get("id_token")), (&json!("email"), None));
    assert_eq!(server.introspect(text(&narrow, "access_token")).await["scope"], "email");
    let refresh_token = text(&narrow, "refresh_token");
    for (wider, error) in [("email notes.read", "invalid_scope"), ("email\u{e9}", "invalid_scope"), ("notes.read", "invalid_scope")] {
        narrowed(&server, &client, refresh_token, wider).await.expect_oauth_error(400, error);
    }
    // RFC 6749 §6: without the parameter it is what was granted by the person, and the refusals did not spend the token.
    let full = server.refresh(&client, refresh_token).await.expect(200);
    assert_eq!(full["scope"], "email offline_access openid");
}

#[tokio::test]
async fn an_unused_refresh_token_expires_and_a_used_one_lives_on() {
    let (server, client) = setup().await;
    let tokens = Authorization::of(&server, &client, OFFLINE).tokens().await;
    server.advance(86_399);
    let fresh = server.refresh(&client, text(&tokens, "refresh_token")).await.expect(200);
    server.advance(86_399);
    let fresh = server.refresh(&client, text(&fresh, "refresh_token")).await.expect(200);
    server.advance(86_400);
    server.refresh(&client, text(&fresh, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn rfc6749_6_another_clients_refresh_token_is_refused_and_its_family_goes_on() {
    let (server, client) = setup().await;
    let thief = server.public_client().await;
    let tokens = Authorization::of(&server, &client, OFFLINE).tokens().await;
    let fresh = server.refresh(&client, text(&tokens, "refresh_token")).await.expect(200);
    server.advance(60);
    for stolen in [&tokens, &fresh] {
        server.refresh(&thief, text(stolen, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
    }
    server.refresh(&client, text(&fresh, "refresh_token")).await.expect(200);
}

#[tokio::test]
async fn rfc9700_4_14_2_the_refresh_token_of_a_public_client_rotates_too() {
    let server = TestServer::start().await;
    let client = server.public_client().await;
    let tokens = Authorization::of(&server, &client, OFFLINE).tokens().await;
    let fresh = server.refresh(&client, text(&tokens, "refresh_token")).await.expect(200);
    assert_ne!(fresh["refresh_token"], tokens["refresh_token"]);
    server.advance(11);
    server.refresh(&client, text(&tokens, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
    server.refresh(&client, text(&fresh, "refresh_token")).await.expect_oauth_error(400, "invalid_grant");
}

// Client credentials

async fn machine(server: &TestServer) -> Value {
    server.register(json!({"client_name": "Nightly", "client_type": "machine", "scope": "notes.read notes.write"})).await
}

#[tokio::test]
async fn oauth21_4_2_a_machine_gets_a_token_of_its_own_and_no_more() {
    let server = TestServer::start().await;
    let client = machine(&server).await;
    let tokens = server.as_client(&client, PATH, &[("grant_type", "client_credentials")]).await.expect(200);
    let members: Vec<_> = tokens.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["access_token", "expires_in", "scope", "token_type"]);
    assert_eq!(tokens["scope"], "notes.read notes.write");
    let claims = grantlog_tests::claims(text(&tokens, "access_token"));
    // RFC 9068 §5, RFC 9700 §4.15: the subject is the client, and no person can have that id.
    assert_eq!((&claims["sub"], &claims["client_id"]), (&client["client_id"], &client["client_id"]));
    assert!(server.is_active(text(&tokens, "access_token")).await);
    server.advance(600);
    assert!(!server.is_active(text(&tokens, "access_token")).await);
}

#[tokio::test]
async fn rfc6749_4_4_2_a_machine_asks_for_no_more_than_it_is_registered_for() {
    let server = TestServer::start().await;
    let client = machine(&server).await;
    let ask = async |scope: &str| server.as_client(&client, PATH, &[("grant_type", "client_credentials"), ("scope", scope)]).await;
    assert_eq!(ask("notes.read").await.expect(200)["scope"], "notes.read");
    for wrong in ["openid", "notes.read admin", "\"", "\u{e9}"] {
        ask(wrong).await.expect_oauth_error(400, "invalid_scope");
    }
}

#[tokio::test]
async fn rfc6749_5_2_a_grant_type_that_the_client_is_not_registered_for_is_unauthorized_client() {
    let (server, client) = setup().await;
    let machine = machine(&server).await;
    server.as_client(&client, PATH, &[("grant_type", "client_credentials")]).await.expect_oauth_error(400, "unauthorized_client");
    server.as_client(&machine, PATH, &redemption("x")).await.expect_oauth_error(400, "unauthorized_client");
    server.refresh(&machine, "x").await.expect_oauth_error(400, "unauthorized_client");
}

// The request itself

#[tokio::test]
async fn rfc6749_5_2_unsupported_grants_are_refused() {
    let (server, client) = setup().await;
    for grant_type in ["password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "AUTHORIZATION_CODE", "x"] {
        server.as_client(&client, PATH, &[("grant_type", grant_type)]).await.expect_oauth_error(400, "unsupported_grant_type");
    }
    for missing in [vec![], vec![("grant_type", "")], vec![("grant_type", "authorization_code")], vec![("grant_type", "refresh_token")]] {
        server.as_client(&client, PATH, &missing).await.expect_oauth_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn rfc6749_3_2_a_repeated_parameter_is_invalid_request() {
    let (server, client) = setup().await;
    let code = Authorization::of(&server, &client, "openid").code().await;
    for repeated in
        [("code", "x"), ("grant_type", "authorization_code"), ("grant_type", "refresh_token"), ("code_verifier", ""), ("x", "1")]
    {
        let mut fields = redemption(&code);
        fields.extend([repeated, ("x", "2")]);
        server.as_client(&client, PATH, &fields).await.expect_oauth_error(400, "invalid_request");
    }
    server.as_client(&client, PATH, &redemption(&code)).await.expect(200);
}

#[tokio::test]
async fn rfc6749_3_2_unknown_parameters_are_ignored() {
    let (server, client) = setup().await;
    let code = Authorization::of(&server, &client, "openid").code().await;
    let mut fields = redemption(&code);
    fields.extend([("audience", "x"), ("client_info", "1")]);
    server.as_client(&client, PATH, &fields).await.expect(200);
}

#[tokio::test]
async fn rfc6749_5_2_a_wrong_media_type_is_invalid_request() {
    let (server, _) = setup().await;
    for content_type in ["application/json", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded2"] {
        server.post(PATH, content_type, "grant_type=client_credentials").await.expect_oauth_error(400, "invalid_request");
    }
    let bare = http::Request::post(PATH).body(bytes::Bytes::from_static(b"grant_type=x")).unwrap();
    server.send(bare).await.expect_oauth_error(400, "invalid_request");
    let with_charset = server.post(PATH, "application/x-www-form-urlencoded; charset=UTF-8", "grant_type=x&client_id=nobody").await;
    with_charset.expect_oauth_error(400, "invalid_client");
}

#[tokio::test]
async fn rfc6749_3_2_only_post_is_a_token_request() {
    let (server, client) = setup().await;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let path = format!("{PATH}?grant_type=client_credentials&client_id={}", text(&client, "client_id"));
        let answer = server.send(http::Request::builder().method(method).uri(path).body(bytes::Bytes::new()).unwrap()).await;
        answer.expect_oauth_error(405, "invalid_request");
        assert_eq!(answer.header("allow"), Some("OPTIONS, POST"));
    }
    // RFC 6749 §2.3.1: parameters in the query are none.
    let path = format!("{PATH}?grant_type=client_credentials&client_id={}", text(&client, "client_id"));
    server.post(&path, FORM, "").await.expect_oauth_error(400, "invalid_client");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413() {
    let (server, _) = setup().await;
    server.post(PATH, FORM, "x".repeat(65 * 1024)).await.expect_oauth_error(413, "invalid_request");
    let mut many: String = (0..101).flat_map(|n| ["p".to_owned(), n.to_string(), "=1&".to_owned()]).collect();
    many.push_str("grant_type=refresh_token");
    server.post(PATH, FORM, many).await.expect_oauth_error(400, "invalid_request");
    server.post(PATH, FORM, format!("grant_type={}", "x".repeat(9_000))).await.expect_oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn rfc6749_appendix_b_what_is_not_utf8_is_invalid_request() {
    let (server, _) = setup().await;
    for body in [&b"grant_type=\xff"[..], b"grant_type=%ff", b"\xff=x", b"grant_type=%", b"grant_type=%zz", b"code=a%00b", b"code=a\r\nb"] {
        server.post(PATH, FORM, body.to_vec()).await.expect_oauth_error(400, "invalid_request");
    }
}

// Who sends it

#[tokio::test]
async fn rfc6749_2_3_1_a_wrong_secret_is_challenged_and_does_not_spend_the_code() {
    let (server, client) = setup().await;
    let code = Authorization::of(&server, &client, "openid").code().await;
    let id = text(&client, "client_id");
    let wrong = format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:wrong")));
    let unknown = format!("Basic {}", BASE64_STANDARD.encode("nobody:wrong"));
    let right_secret = text(&client, "client_secret");
    let empty = format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:")));
    let bearer = format!("Bearer {right_secret}");
    let mut texts = Vec::new();
    for header in [wrong.as_str(), &unknown, &empty, "Basic", "Basic !!!", "Basic Og==", &bearer] {
        let answer = server.post_form(PATH, Some(header), &redemption(&code)).await;
        texts.push(answer.expect_oauth_error(401, "invalid_client")["error_description"].clone());
        assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"grantlog\""));
    }
    // Whether the client exists is not told.
    assert_eq!(texts[0], texts[1]);
    server.as_client(&client, PATH, &redemption(&code)).await.expect(200);
}

#[tokio::test]
async fn rfc6749_2_3_a_client_authenticates_by_its_registered_method_and_no_other() {
    let (server, basic) = setup().await;
    let public = server.public_client().await;
    let metadata = json!({
        "client_name": "Post", "token_endpoint_auth_method": "client_secret_post", "redirect_uris": [REDIRECT_URI], "scope": "openid",
    });
    let post = server.register(metadata).await;
    let ask = async |client: &Value, header: bool, secret_in_body: bool| {
        let (id, secret) = (text(client, "client_id"), client["client_secret"].as_str().unwrap_or("x"));
        let header = header.then(|| format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}"))));
        let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", id)];
        if secret_in_body {
            fields.push(("client_secret", secret));
        }
        server.post_form(PATH, header.as_deref(), &fields).await
    };
    // Whoever is let in learns that the token is none.
    ask(&basic, true, false).await.expect_oauth_error(400, "invalid_grant");
    ask(&post, false, true).await.expect_oauth_error(400, "invalid_grant");
    ask(&public, false, false).await.expect_oauth_error(400, "invalid_grant");
    ask(&basic, false, true).await.expect_oauth_error(400, "invalid_client");
    ask(&basic, false, false).await.expect_oauth_error(400, "invalid_client");
    ask(&post, true, false).await.expect_oauth_error(401, "invalid_client");
    ask(&post, false, false).await.expect_oauth_error(400, "invalid_client");
    ask(&public, true, false).await.expect_oauth_error(401, "invalid_client");
    ask(&public, false, true).await.expect_oauth_error(400, "invalid_client");
    // RFC 6749 §2.3: not more than one method in a request.
    for client in [&basic, &post, &public] {
        ask(client, true, true).await.expect_oauth_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_request_that_speaks_for_two_clients_speaks_for_none() {
    let (server, client) = setup().await;
    let other = server.public_client().await;
    let code = Authorization::of(&server, &client, "openid").code().await;
    let mut fields = redemption(&code);
    fields.push(("client_id", text(&other, "client_id")));
    server.as_client(&client, PATH, &fields).await.expect_oauth_error(401, "invalid_client");
}

#[tokio::test]
async fn an_authorization_header_given_twice_is_refused() {
    let (server, client) = setup().await;
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", text(&client, "client_id"), text(&client, "client_secret"))));
    let request =
        http::Request::post(PATH).header("content-type", FORM).header("authorization", &basic).header("authorization", "Basic eDp5");
    let answer = server.send(request.body(bytes::Bytes::from_static(b"grant_type=client_credentials")).unwrap()).await;
    answer.expect_oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn while_a_secret_rotates_both_are_good() {
    let (server, client) = setup().await;
    let path = format!("/v1/clients/{}/secret-rotation", text(&client, "client_id"));
    let next = server.call("admin", Method::POST, &path, None).await;
    assert!(next.status.is_success(), "{next:?}");
    let mut renewed = client.clone();
    renewed["client_secret"] = next.json()["client_secret"].clone();
    for client in [&client, &renewed] {
        server.refresh(client, "x").await.expect_oauth_error(400, "invalid_grant");
    }
    let done = server.call("admin", Method::POST, &format!("{path}/complete"), None).await;
    assert!(done.status.is_success(), "{done:?}");
    server.refresh(&client, "x").await.expect_oauth_error(401, "invalid_client");
    server.refresh(&renewed, "x").await.expect_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_suspended_client_gets_nothing_until_it_is_resumed() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, OFFLINE);
    let (code, tokens) = (authorization.code().await, authorization.tokens().await);
    admin(&server, &client, Method::POST, "/suspend").await;
    authorization.redeem(&code).await.expect_oauth_error(401, "invalid_client");
    server.refresh(&client, text(&tokens, "refresh_token")).await.expect_oauth_error(401, "invalid_client");
    assert!(!server.is_active(text(&tokens, "access_token")).await);
    admin(&server, &client, Method::POST, "/resume").await;
    assert!(server.is_active(text(&tokens, "access_token")).await);
    authorization.redeem(&code).await.expect(200);
    server.refresh(&client, text(&tokens, "refresh_token")).await.expect(200);
}

#[tokio::test]
async fn a_deleted_client_gets_nothing_ever_again() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, OFFLINE);
    let (code, tokens) = (authorization.code().await, authorization.tokens().await);
    admin(&server, &client, Method::DELETE, "").await;
    authorization.redeem(&code).await.expect_oauth_error(401, "invalid_client");
    server.refresh(&client, text(&tokens, "refresh_token")).await.expect_oauth_error(401, "invalid_client");
    assert!(!server.is_active(text(&tokens, "access_token")).await);
}

#[tokio::test]
async fn oauth21_4_2_2_a_machine_client_gets_no_refresh_token() {
    let server = TestServer::start().await;
    let client = server.machine_client(json!({})).await;
    let tokens = server.as_client(&client, PATH, &[("grant_type", "client_credentials")]).await.expect(200);
    assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none(), "{tokens}");
}

#[tokio::test]
async fn rfc9068_5_the_subject_of_a_machine_token_is_its_client() {
    let server = TestServer::start().await;
    let client = server.machine_client(json!({})).await;
    let claims = claims(&server.machine_token(&client).await);
    assert_eq!((&claims["sub"], &claims["client_id"]), (&client["client_id"], &client["client_id"]));
}

#[tokio::test]
async fn a_stolen_code_or_refresh_token_is_answered_like_a_made_up_one() {
    let server = TestServer::start().await;
    let (owner, thief) = (server.confidential_client().await, server.confidential_client().await);
    let authorization = Authorization::of(&server, &owner, "openid offline_access");
    let code = authorization.code().await;
    let refresh_token = authorization.tokens().await["refresh_token"].as_str().unwrap().to_owned();
    let answer_to = async |fields: &[(&str, &str)]| server.as_client(&thief, PATH, fields).await.expect_oauth_error(400, "invalid_grant");
    let redeemed =
        async |code: &str| answer_to(&[("grant_type", "authorization_code"), ("code", code), ("code_verifier", Pkce::VERIFIER)]).await;
    assert_eq!(redeemed(&code).await, redeemed("glc_made-up").await);
    let refreshed = async |token: &str| answer_to(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await;
    assert_eq!(refreshed(&refresh_token).await, refreshed("glr_made-up").await);
    // And the theft did the owner no harm.
    authorization.redeem(&code).await.expect(200);
}
