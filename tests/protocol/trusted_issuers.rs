use grantlog_core::{
    jose::{Algorithm, SigningKey, sign_jwt},
    keys::generate_signing_key,
};
use grantlog_tests::{Answer, Authorization, Page, RemoteSite, TestServer, hmac_signed, merged, parameters_of, text, unsigned};
use http::Method;
use serde_json::{Value, json};

const APP: &str = "https://app.example.com";
const ISSUER: &str = "https://login.example.com";
const BINDING: &str = "b1nd1ng";
const REQUESTS: &str = "/v1/authorization-requests";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_ed25519_seed(&[seed; 32])
}

/// The keys that a login system publishes.
fn jwks(keys: &[&SigningKey]) -> Value {
    let jwk = |key: &&SigningKey| merged(key.public_jwk().to_value(), json!({"kid": key.kid()}));
    json!({"keys": keys.iter().map(jwk).collect::<Vec<_>>()})
}

fn inline(keys: &[&SigningKey]) -> Value {
    json!({"issuer": ISSUER, "jwks": jwks(keys), "audience": "grantlog", "algorithms": ["EdDSA", "ES256", "RS256"], "origins": [APP],
        "claims": {"passed_on": {"email": "/user/email"}}})
}

async fn register(server: &TestServer, settings: &Value) -> String {
    let issuer = server.admin(Method::POST, "/v1/trusted-issuers", Some(settings)).await.expect(201);
    text(&issuer, "id").to_owned()
}

/// The claims of a good token of Ana's, with these in place of some; null leaves one out.
fn claims(server: &TestServer, members: Value) -> Value {
    let now = server.now().as_seconds();
    let good = json!({"iss": ISSUER, "aud": "grantlog", "sub": "ana", "iat": now, "exp": now + 60, "auth_time": now - 5,
        "user": {"email": "ana@example.com"}});
    merged(good, members)
}

fn sign(key: &SigningKey, claims: &Value) -> String {
    sign_jwt(key, key.kid(), Some("JWT"), claims)
}

/// A page in a browser.
struct Browser<'a> {
    server: &'a TestServer,
    origin: Option<&'a str>,
    token: Option<String>,
}

impl<'a> Browser<'a> {
    fn with(server: &'a TestServer, token: &str) -> Self {
        Self { server, origin: Some(APP), token: Some(token.to_owned()) }
    }

    fn anonymous(server: &'a TestServer) -> Self {
        Self { server, origin: Some(APP), token: None }
    }

    async fn send(&self, method: Method, path: &str, more: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let authorization = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut headers = more.to_vec();
        headers.extend(self.origin.map(|origin| ("origin", origin)));
        headers.extend(authorization.as_deref().map(|authorization| ("authorization", authorization)));
        headers.extend(body.map(|_| ("content-type", "application/json")));
        self.server.request(method, path, &headers, body.map(Value::to_string).unwrap_or_default()).await
    }

    async fn create(&self, query: &str) -> Answer {
        self.send(Method::POST, REQUESTS, &[], Some(&json!({"query": query, "browser_binding": BINDING}))).await
    }

    async fn read(&self, id: &str) -> Answer {
        self.send(Method::GET, &format!("{REQUESTS}/{id}"), &[("grantlog-browser-binding", BINDING)], None).await
    }

    async fn attest(&self, id: &str) -> Answer {
        let body = json!({"browser_binding": BINDING});
        self.send(Method::PUT, &format!("{REQUESTS}/{id}/subject"), &[], Some(&body)).await
    }

    async fn approve(&self, id: &str) -> Answer {
        let body = json!({"decision": "approve", "browser_binding": BINDING});
        self.send(Method::POST, &format!("{REQUESTS}/{id}/decision"), &[], Some(&body)).await
    }
}

/// Status and reason of a refusal.
#[track_caller]
fn reason(answer: &Answer) -> (u16, String) {
    let (status, _, _) = answer.problem();
    (status, answer.json()["reason"].as_str().unwrap_or_default().to_owned())
}

struct Setup {
    server: TestServer,
    client: Value,
    key: SigningKey,
    issuer: String,
}

async fn setup() -> Setup {
    let server = TestServer::start().await;
    let client = server.public_client().await;
    let key = key(1);
    let issuer = register(&server, &inline(&[&key])).await;
    Setup { server, client, key, issuer }
}

impl Setup {
    fn query(&self) -> String {
        Authorization::of(&self.server, &self.client, "openid email").query()
    }

    fn token(&self, members: Value) -> String {
        sign(&self.key, &claims(&self.server, members))
    }

    async fn created_with(&self, token: &str) -> Answer {
        Browser::with(&self.server, token).create(&self.query()).await
    }

    /// A request that Ana's page took in.
    async fn request(&self, token: &str) -> String {
        text(&self.created_with(token).await.expect(201), "id").to_owned()
    }
}

#[tokio::test]
async fn a_page_without_a_backend_goes_the_whole_way() {
    let setup = setup().await;
    let page = Browser::with(&setup.server, &setup.token(json!({"jti": "1"})));
    let created = page.create(&setup.query()).await.expect(201);
    assert_eq!((text(&created, "next"), &created["subject"]["id"]), ("consent", &json!("ana")));
    let id = text(&created, "id");
    assert_eq!(page.read(id).await.expect(200)["next"], "consent");
    assert_eq!(page.attest(id).await.expect(200)["next"], "consent");
    let decided = page.approve(id).await.expect(200);
    assert_eq!(page.approve(id).await.expect(200)["redirect_to"], decided["redirect_to"]);
    let code = parameters_of(&decided["redirect_to"])["code"].clone();
    let tokens = Authorization::of(&setup.server, &setup.client, "openid email").redeem(&code).await.expect(200);
    let bearer = format!("Bearer {}", text(&tokens, "access_token"));
    let userinfo = setup.server.request(Method::GET, "/oauth2/userinfo", &[("authorization", &bearer)], "").await.expect(200);
    assert_eq!(userinfo, json!({"sub": "ana", "email": "ana@example.com"}));
}

#[tokio::test]
async fn a_page_creates_a_request_before_anybody_is_logged_in() {
    let setup = setup().await;
    let anonymous = Browser::anonymous(&setup.server);
    let created = anonymous.create(&setup.query()).await.expect(201);
    assert_eq!((text(&created, "next"), &created["client"]["client_name"]), ("login", &json!("Weather on the Phone")));
    let id = text(&created, "id");
    for answer in [anonymous.read(id).await, anonymous.attest(id).await, anonymous.approve(id).await] {
        assert_eq!(answer.problem().0, 401);
    }
    let page = Browser::with(&setup.server, &setup.token(json!({})));
    assert_eq!(page.attest(id).await.expect(200)["next"], "consent");
    assert_eq!(page.approve(id).await.expect(200)["state"], "completed");
    // With prompt=none whoever is not there is told so at once.
    let silent = Authorization::of(&setup.server, &setup.client, "openid").with("prompt", "none").query();
    let created = anonymous.create(&silent).await.expect(201);
    assert_eq!(parameters_of(&created["redirect_to"])["error"], "login_required");
}

#[tokio::test]
async fn without_a_registered_origin_nobody_creates_a_request() {
    let setup = setup().await;
    for origin in [None, Some("https://evil.example"), Some("null"), Some("https://app.example.com:8443"), Some("HTTPS://APP.EXAMPLE.COM")]
    {
        let page = Browser { server: &setup.server, origin, token: None };
        assert_eq!(page.create(&setup.query()).await.problem().0, 401, "{origin:?}");
    }
}

#[tokio::test]
async fn a_request_of_a_page_belongs_to_its_browser() {
    let setup = setup().await;
    let token = setup.token(json!({}));
    let page = Browser::with(&setup.server, &token);
    for sender in [&page, &Browser::anonymous(&setup.server)] {
        let answer = sender.send(Method::POST, REQUESTS, &[], Some(&json!({"query": setup.query()}))).await;
        assert_eq!(answer.problem(), (400, "invalid_field".to_owned(), Some("browser_binding".to_owned())));
    }
    let id = setup.request(&token).await;
    let path = format!("{REQUESTS}/{id}");
    let another = Some("browser_binding".to_owned());
    for binding in [&[][..], &[("grantlog-browser-binding", "other")]] {
        assert_eq!(page.send(Method::GET, &path, binding, None).await.problem(), (403, "forbidden".to_owned(), another.clone()));
    }
    for body in [json!({"decision": "approve"}), json!({"decision": "approve", "browser_binding": "other"})] {
        let answer = page.send(Method::POST, &format!("{path}/decision"), &[], Some(&body)).await;
        assert_eq!(answer.problem(), (403, "forbidden".to_owned(), another.clone()));
    }
    // What a backend took in for no browser is for the backend.
    let unbound = text(&setup.server.create(&json!({"query": setup.query()})).await.expect(201), "id").to_owned();
    let other = Browser::with(&setup.server, &setup.token(json!({"jti": "2"})));
    for answer in [other.read(&unbound).await, other.attest(&unbound).await, other.approve(&unbound).await] {
        assert_eq!(answer.problem(), (403, "forbidden".to_owned(), another.clone()));
    }
}

#[tokio::test]
async fn the_subject_comes_from_the_token_alone() {
    let setup = setup().await;
    let token = setup.token(json!({}));
    let page = Browser::with(&setup.server, &token);
    let bob = json!({"id": "bob", "auth_time": 1_772_546_400});
    let with_subject = json!({"query": setup.query(), "browser_binding": BINDING, "subject": bob});
    let refused = (400, "invalid_field".to_owned(), Some("subject".to_owned()));
    assert_eq!(page.send(Method::POST, REQUESTS, &[], Some(&with_subject)).await.problem(), refused);
    assert_eq!(Browser::anonymous(&setup.server).send(Method::POST, REQUESTS, &[], Some(&with_subject)).await.problem(), refused);
    let id = setup.request(&token).await;
    for subject in [&bob, &Value::Null] {
        let body = json!({"subject": subject, "browser_binding": BINDING});
        assert_eq!(page.send(Method::PUT, &format!("{REQUESTS}/{id}/subject"), &[], Some(&body)).await.problem(), refused);
    }
    let body = json!({"decision": "approve", "subject": bob, "browser_binding": BINDING});
    assert_eq!(page.send(Method::POST, &format!("{REQUESTS}/{id}/decision"), &[], Some(&body)).await.problem(), refused);
    // A backend still has to say it.
    assert_eq!(setup.server.attest(&id, &json!({"browser_binding": BINDING})).await.problem().1, "invalid_json");
}

#[tokio::test]
async fn a_token_is_good_for_one_request() {
    let setup = setup().await;
    for members in [json!({"jti": "once"}), json!({})] {
        let token = setup.token(members);
        let id = setup.request(&token).await;
        assert_eq!(reason(&setup.created_with(&token).await), (403, "token_used_elsewhere".to_owned()));
        let other = Browser::anonymous(&setup.server).create(&setup.query()).await.expect(201);
        let (page, other) = (Browser::with(&setup.server, &token), text(&other, "id"));
        for answer in [page.read(other).await, page.attest(other).await, page.approve(other).await] {
            assert_eq!(reason(&answer), (403, "token_used_elsewhere".to_owned()));
        }
        assert_eq!(page.read(&id).await.status, 200);
        assert_eq!(page.approve(&id).await.status, 200);
    }
}

#[tokio::test]
async fn a_token_of_the_same_jti_is_the_same_token() {
    let setup = setup().await;
    setup.request(&setup.token(json!({"jti": "once"}))).await;
    assert_eq!(reason(&setup.created_with(&setup.token(json!({"jti": "once", "x": 1}))).await), (403, "token_used_elsewhere".to_owned()));
}

#[tokio::test]
async fn a_request_that_is_not_valid_uses_up_no_token() {
    let setup = setup().await;
    let token = setup.token(json!({}));
    let page = Browser::with(&setup.server, &token);
    assert_eq!(page.create("client_id=nobody").await.expect(200)["state"], "rejected");
    setup.request(&token).await;
}

#[tokio::test]
async fn an_answer_is_for_the_person_who_decided() {
    let setup = setup().await;
    let ana = setup.token(json!({}));
    let id = setup.request(&ana).await;
    // In the same browser, but somebody else.
    let bob = Browser::with(&setup.server, &setup.token(json!({"sub": "bob"})));
    assert_eq!(bob.read(&id).await.expect(200)["subject"]["id"], "ana");
    Browser::with(&setup.server, &ana).approve(&id).await.expect(200);
    for answer in [bob.read(&id).await, bob.attest(&id).await, bob.approve(&id).await] {
        assert_eq!(reason(&answer), (403, "another_person".to_owned()));
    }
    // A later token of hers gets the same answer, although it tells of another login.
    let later = Browser::with(&setup.server, &setup.token(json!({"auth_time": setup.server.now().as_seconds()})));
    assert_eq!(later.approve(&id).await.expect(200)["state"], "completed");
}

#[tokio::test]
async fn rfc7519_4_1_4_a_token_that_has_expired_is_refused() {
    let setup = setup().await;
    let now = setup.server.now().as_seconds();
    for (members, expected) in [
        (json!({"exp": now - 31}), "expired"),
        (json!({"exp": null}), "expired"),
        (json!({"iat": now - 400}), "too_old"),
        (json!({"nbf": now + 100}), "not_yet_valid"),
        (json!({"iat": now + 100}), "not_yet_valid"),
    ] {
        assert_eq!(reason(&setup.created_with(&setup.token(members)).await), (401, expected.to_owned()));
    }
    let token = setup.token(json!({}));
    let id = setup.request(&token).await;
    setup.server.advance(100);
    assert_eq!(reason(&Browser::with(&setup.server, &token).approve(&id).await), (401, "expired".to_owned()));
}

#[tokio::test]
async fn rfc7519_4_1_3_a_token_for_somebody_else_is_refused() {
    let setup = setup().await;
    for aud in [json!("other"), json!(["other"]), json!(null), json!("https://auth.example.com")] {
        assert_eq!(reason(&setup.created_with(&setup.token(json!({"aud": aud}))).await), (401, "audience".to_owned()));
    }
    assert_eq!(setup.created_with(&setup.token(json!({"aud": ["other", "grantlog"]}))).await.status, 201);
}

#[tokio::test]
async fn rfc8725_3_8_a_token_of_another_issuer_is_refused() {
    let setup = setup().await;
    for iss in [json!("https://evil.example"), json!("https://login.example.com/"), json!(null), json!(setup.server.issuer())] {
        assert_eq!(reason(&setup.created_with(&setup.token(json!({"iss": iss}))).await), (401, "unknown_issuer".to_owned()));
    }
    // The key of one issuer does not sign for another.
    let other = key(2);
    register(&setup.server, &merged(inline(&[&other]), json!({"issuer": "https://other.example"}))).await;
    let token = sign(&setup.key, &claims(&setup.server, json!({"iss": "https://other.example"})));
    assert_eq!(reason(&setup.created_with(&token).await), (401, "unknown_key".to_owned()));
    let token = sign_jwt(&setup.key, other.kid(), None, &claims(&setup.server, json!({"iss": "https://other.example"})));
    assert_eq!(reason(&setup.created_with(&token).await), (401, "signature".to_owned()));
}

#[tokio::test]
async fn a_key_that_the_issuer_does_not_have_is_refused() {
    let setup = setup().await;
    let stranger = key(9);
    let claims = claims(&setup.server, json!({}));
    assert_eq!(reason(&setup.created_with(&sign(&stranger, &claims)).await), (401, "unknown_key".to_owned()));
    for kid in [setup.key.kid(), ""] {
        let answer = setup.created_with(&sign_jwt(&stranger, kid, None, &claims)).await;
        assert_eq!(answer.problem().0, 401);
    }
}

#[tokio::test]
async fn rfc8725_3_1_neither_none_nor_a_mac_nor_another_algorithm_is_a_signature() {
    let server = TestServer::start().await;
    let client = server.public_client().await;
    let generated = |algorithm| generate_signing_key(algorithm, &|seed| seed.fill(5)).unwrap();
    let (ec, rsa) = (generated(Algorithm::Es256), generated(Algorithm::Rs256));
    register(&server, &merged(inline(&[&ec, &rsa]), json!({"algorithms": ["ES256", "RS256"]}))).await;
    let query = Authorization::of(&server, &client, "openid").query();
    let claims = claims(&server, json!({}));
    let public = rsa.public_jwk().to_value().to_string();
    let swap_alg = |token: &str, kid: &str, alg: &str| {
        // The signature stays, and the header says something else.
        let rest = token.split_once('.').unwrap().1;
        let header = unsigned(&json!({"alg": alg, "kid": kid, "typ": "JWT"}), &json!({}));
        format!("{}.{rest}", header.split_once('.').unwrap().0)
    };
    let refused = [
        unsigned(&json!({"alg": "none"}), &claims),
        unsigned(&json!({"alg": "none", "kid": rsa.kid()}), &claims),
        hmac_signed(&json!({"alg": "HS256", "kid": rsa.kid()}), &claims, public.as_bytes()),
        hmac_signed(&json!({"alg": "RS256", "kid": rsa.kid()}), &claims, public.as_bytes()),
        swap_alg(&sign(&rsa, &claims), rsa.kid(), "ES256"),
        swap_alg(&sign(&ec, &claims), ec.kid(), "RS256"),
        swap_alg(&sign(&rsa, &claims), rsa.kid(), "PS256"),
        sign_jwt(&ec, rsa.kid(), None, &claims),
    ];
    for token in refused {
        let answer = Browser::with(&server, &token).create(&query).await;
        let (status, why) = reason(&answer);
        assert!(status == 401 && ["algorithm_not_allowed", "signature"].contains(&why.as_str()), "{token} {status} {why}");
    }
    for (number, key) in [&ec, &rsa].into_iter().enumerate() {
        let token = sign(key, &merged(claims.clone(), json!({"jti": number.to_string()})));
        assert_eq!(Browser::with(&server, &token).create(&query).await.status, 201);
    }
    // An algorithm that the key could do and that is not registered.
    let only_rsa = merged(inline(&[&ec]), json!({"issuer": "https://rsa.example", "algorithms": ["RS256"]}));
    register(&server, &only_rsa).await;
    let token = sign(&ec, &merged(claims, json!({"iss": "https://rsa.example"})));
    assert_eq!(reason(&Browser::with(&server, &token).create(&query).await), (401, "algorithm_not_allowed".to_owned()));
}

#[tokio::test]
async fn rfc8725_3_11_an_access_token_is_no_trusted_token() {
    let setup = setup().await;
    for typ in ["at+jwt", "logout+jwt"] {
        let token = sign_jwt(&setup.key, setup.key.kid(), Some(typ), &claims(&setup.server, json!({})));
        assert_eq!(reason(&setup.created_with(&token).await), (401, "type".to_owned()));
    }
    // Nor are tokens of ours.
    let tokens = Authorization::of(&setup.server, &setup.client, "openid").tokens().await;
    assert_eq!(reason(&setup.created_with(text(&tokens, "access_token")).await), (401, "type".to_owned()));
    assert_eq!(reason(&setup.created_with(text(&tokens, "id_token")).await), (401, "unknown_issuer".to_owned()));
}

#[tokio::test]
async fn rfc9700_4_15_no_token_names_a_client_as_subject() {
    let setup = setup().await;
    let client_id = text(&setup.client, "client_id");
    assert_eq!(reason(&setup.created_with(&setup.token(json!({"sub": client_id}))).await), (401, "subject_like_client".to_owned()));
    for sub in [json!(7), json!(""), json!(null)] {
        assert_eq!(reason(&setup.created_with(&setup.token(json!({"sub": sub}))).await), (401, "claim".to_owned()));
    }
}

#[tokio::test]
async fn a_token_comes_from_a_page_of_its_issuer() {
    let setup = setup().await;
    let token = setup.token(json!({}));
    let from = async |origin| Browser { server: &setup.server, origin, token: Some(token.clone()) }.create(&setup.query()).await;
    assert_eq!(reason(&from(None).await), (403, "origin_missing".to_owned()));
    assert_eq!(reason(&from(Some("https://evil.example")).await), (403, "origin_not_registered".to_owned()));
    // An origin of another issuer is registered, but not for this one's tokens.
    let other = json!({"issuer": "https://other.example", "origins": ["https://other.example.com"]});
    register(&setup.server, &merged(inline(&[&key(2)]), other)).await;
    let answer = from(Some("https://other.example.com")).await;
    assert_eq!(reason(&answer), (403, "origin_not_registered".to_owned()));
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://other.example.com"));
}

#[tokio::test]
async fn a_deleted_issuer_is_not_trusted_from_the_next_call_on() {
    let setup = setup().await;
    let token = setup.token(json!({}));
    let id = setup.request(&token).await;
    let path = format!("/v1/trusted-issuers/{}", setup.issuer);
    assert_eq!(setup.server.admin(Method::DELETE, &path, None).await.status, 204);
    let page = Browser::with(&setup.server, &token);
    for answer in [page.read(&id).await, page.approve(&id).await, page.create(&setup.query()).await] {
        assert_eq!(reason(&answer), (401, "unknown_issuer".to_owned()));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    assert_eq!(setup.server.admin(Method::GET, &path, None).await.status, 404);
    assert_eq!(setup.server.admin(Method::PUT, &path, Some(&inline(&[&setup.key]))).await.status, 404);
}

#[tokio::test]
async fn scripts_of_registered_origins_and_of_no_other_may_read_answers() {
    let setup = setup().await;
    let preflight = async |origin: &str, path: &str| {
        let headers = [("origin", origin), ("access-control-request-method", "POST"), ("access-control-request-headers", "authorization")];
        setup.server.request(Method::OPTIONS, path, &headers, "").await
    };
    let id = "01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10";
    for path in [REQUESTS.to_owned(), format!("{REQUESTS}/{id}"), format!("{REQUESTS}/{id}/subject"), format!("{REQUESTS}/{id}/decision")] {
        let answer = preflight(APP, &path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("access-control-allow-origin"), answer.header("vary")),
            (204, Some(APP), Some("Origin"))
        );
        assert!(answer.header("access-control-allow-headers").unwrap().contains("authorization"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        let refused = preflight("https://evil.example", &path).await;
        assert_eq!(
            (refused.status.as_u16(), refused.header("access-control-allow-origin"), refused.header("vary")),
            (405, None, Some("Origin"))
        );
    }
    // The rest of the JSON API is shared with nobody.
    for path in ["/v1/clients", "/v1/trusted-issuers"] {
        let answer = preflight(APP, path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("access-control-allow-origin"), answer.header("vary")),
            (405, None, None),
            "{path}"
        );
    }
    let answer = Browser::anonymous(&setup.server).create(&setup.query()).await;
    assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), (Some(APP), Some("Origin")));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let backend = setup.server.create(&json!({"query": setup.query()})).await;
    assert_eq!((backend.header("access-control-allow-origin"), backend.header("vary")), (None, Some("Origin")));
}

#[tokio::test]
async fn a_page_answers_a_request_of_the_hosted_way() {
    let setup = setup().await;
    let answer = setup.server.browse(&format!("/oauth2/authorize?{}", setup.query()), None).await;
    let id = answer.header("location").unwrap().rsplit_once('=').unwrap().1.to_owned();
    let page = Browser::with(&setup.server, &setup.token(json!({})));
    let path = format!("{REQUESTS}/{id}");
    assert_eq!(page.send(Method::GET, &path, &[], None).await.expect(200)["next"], "login");
    assert_eq!(page.send(Method::PUT, &format!("{path}/subject"), &[], Some(&json!({}))).await.expect(200)["next"], "consent");
    let decided = page.send(Method::POST, &format!("{path}/decision"), &[], Some(&json!({"decision": "approve"}))).await.expect(200);
    // The browser is checked by its cookie, on the last hop.
    assert!(text(&decided, "redirect_to").starts_with("https://auth.example.com/oauth2/authorize/"));
}

struct Published {
    site: RemoteSite,
    server: TestServer,
    client: Value,
}

/// A login system that publishes its keys.
async fn published(keys: &[&SigningKey]) -> Published {
    let site = RemoteSite::start().await;
    site.answer("/jwks", Page::json(&jwks(keys)).with("cache-control", "max-age=600"));
    let server = TestServer::start_beside(&[&site], |_| {}).await;
    let client = server.public_client().await;
    register(&server, &merged(inline(&[]), json!({"jwks": null, "jwks_uri": site.url("/jwks")}))).await;
    Published { site, server, client }
}

impl Published {
    async fn status(&self, key: &SigningKey, jti: &str) -> u16 {
        let token = sign(key, &claims(&self.server, json!({"jti": jti})));
        let query = Authorization::of(&self.server, &self.client, "openid").query();
        Browser::with(&self.server, &token).create(&query).await.status.as_u16()
    }
}

#[tokio::test]
async fn published_keys_are_fetched_once_and_kept_for_as_long_as_the_issuer_says() {
    let key = key(1);
    let issuer = published(&[&key]).await;
    assert_eq!(issuer.site.visits("/jwks"), 0, "nothing is fetched before it is needed");
    assert_eq!((issuer.status(&key, "1").await, issuer.status(&key, "2").await), (201, 201));
    assert_eq!(issuer.site.visits("/jwks"), 1);
    issuer.server.advance(599);
    issuer.status(&key, "3").await;
    assert_eq!(issuer.site.visits("/jwks"), 1);
    issuer.server.advance(1);
    assert_eq!(issuer.status(&key, "4").await, 201);
    assert_eq!(issuer.site.visits("/jwks"), 2);
}

#[tokio::test]
async fn a_new_key_is_found_at_once_and_made_up_ones_are_not_looked_for_again_and_again() {
    let (first, second, stranger) = (key(1), key(2), key(3));
    let issuer = published(&[&first]).await;
    assert_eq!(issuer.status(&first, "1").await, 201);
    issuer.server.advance(30);
    issuer.site.answer("/jwks", Page::json(&jwks(&[&first, &second])));
    assert_eq!(issuer.status(&second, "2").await, 201);
    assert_eq!(issuer.site.visits("/jwks"), 2);
    for _ in 0..5 {
        assert_eq!(issuer.status(&stranger, "3").await, 401);
    }
    assert_eq!(issuer.site.visits("/jwks"), 2);
    issuer.server.advance(30);
    assert_eq!(issuer.status(&stranger, "3").await, 401);
    assert_eq!(issuer.site.visits("/jwks"), 3);
}

#[tokio::test]
async fn keys_outlast_an_issuer_that_cannot_be_reached_for_a_while() {
    let key = key(1);
    let issuer = published(&[&key]).await;
    assert_eq!(issuer.status(&key, "1").await, 201);
    issuer.site.be_silent(true);
    issuer.server.advance(600 + 6 * 3_600 - 1);
    assert_eq!(issuer.status(&key, "2").await, 201);
    issuer.server.advance(1);
    assert_eq!(issuer.status(&key, "3").await, 503);
    issuer.site.be_silent(false);
    issuer.server.advance(30);
    assert_eq!(issuer.status(&key, "4").await, 201);
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_nobodys_fault() {
    let key = key(1);
    for page in [Page::status(404), Page::status(302), Page::json(&json!({"keys": []})), Page { body: "x".into(), ..Page::status(200) }] {
        let issuer = published(&[&key]).await;
        issuer.site.answer("/jwks", page.clone());
        assert_eq!(issuer.status(&key, "1").await, 503, "{page:?}");
        assert_eq!(issuer.status(&key, "1").await, 503);
        assert_eq!(issuer.site.visits("/jwks"), 1, "not again at once");
    }
}

#[tokio::test]
async fn what_is_registered_is_read_listed_and_replaced() {
    let setup = setup().await;
    let path = format!("/v1/trusted-issuers/{}", setup.issuer);
    let read = setup.server.call("auditor", Method::GET, &path, None).await.expect(200);
    assert_eq!((text(&read, "issuer"), &read["max_token_age"], &read["claims"]["subject"]), (ISSUER, &json!(300), &json!("sub")));
    let changed = merged(inline(&[&setup.key]), json!({"audience": "changed"}));
    assert_eq!(setup.server.admin(Method::PUT, &path, Some(&changed)).await.expect(200)["audience"], "changed");
    let listed = setup.server.call("auditor", Method::GET, "/v1/trusted-issuers", None).await.expect(200);
    assert_eq!(listed["trusted_issuers"][0]["audience"], "changed");
    assert_eq!(reason(&setup.created_with(&setup.token(json!({}))).await), (401, "audience".to_owned()));
}

#[tokio::test]
async fn every_mistake_is_named_at_once() {
    let server = TestServer::start().await;
    let wrong = json!({"issuer": server.issuer(), "jwks_uri": "https://169.254.169.254/keys", "algorithms": ["HS256"], "origins": ["*"],
        "claims": {"passed_on": {"aud": "x"}}});
    let answer = server.admin(Method::POST, "/v1/trusted-issuers", Some(&wrong)).await;
    assert_eq!(answer.problem(), (422, "invalid_metadata".to_owned(), Some("audience".to_owned())));
    let fields: Vec<_> = answer.json()["problems"].as_array().unwrap().iter().map(|problem| text(problem, "field").to_owned()).collect();
    assert_eq!(fields, ["audience", "algorithms", "claims.passed_on", "origins", "issuer", "jwks_uri"]);
    for uri in ["http://login.example.com/jwks", "https://localhost/jwks", "https://10.0.0.1/jwks", "ftp://a.example/"] {
        let wrong = merged(inline(&[]), json!({"jwks": null, "jwks_uri": uri}));
        assert_eq!(server.admin(Method::POST, "/v1/trusted-issuers", Some(&wrong)).await.problem().2.as_deref(), Some("jwks_uri"), "{uri}");
    }
}
