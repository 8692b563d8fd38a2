//! What a client of the Model Context Protocol does that is given the URL of a resource server and knows nothing else.

use std::collections::BTreeMap;

use grantlog_core::app::DynamicRegistration;
use grantlog_tests::{Answer, Authorization, Pkce, TestServer, claims, text};
use http::Method;
use serde_json::{Value, json};
use url::Url;

/// A resource server: it only speaks to grantlog by introspection, with the credentials that it was given.
struct Api {
    registered: Value,
}

impl Api {
    const URL: &'static str = "https://notes.example.com/";

    async fn of(server: &TestServer) -> Self {
        Self { registered: server.resource_server(json!({})).await }
    }

    /// What it answers a call that needs this scope: the status, and the challenge if there is one (RFC 6750 §3, RFC 9728 §5.1).
    async fn call(&self, server: &TestServer, token: Option<&str>, needed: &str) -> (u16, Option<String>) {
        let metadata = format!("resource_metadata=\"{}\"", text(&self.registered, "metadata_uri"));
        let Some(token) = token else { return (401, Some(format!("Bearer {metadata}, scope=\"{needed}\""))) };
        let found = server.introspect_by(&self.registered, token).await;
        if found["active"] != true {
            return (401, Some(format!("Bearer error=\"invalid_token\", {metadata}")));
        }
        if !text(&found, "scope").split(' ').any(|scope| scope == needed) {
            return (403, Some(format!("Bearer error=\"insufficient_scope\", scope=\"{needed}\", {metadata}")));
        }
        (200, None)
    }
}

/// The parameters of a challenge.
fn challenge(header: &str) -> BTreeMap<String, String> {
    let parameters = header.strip_prefix("Bearer ").expect("a bearer challenge").split(", ");
    parameters.filter_map(|one| one.split_once('=')).map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned())).collect()
}

/// The client: what it has found out so far.
struct Client<'a> {
    server: &'a TestServer,
    resource: String,
    authorization_server: Value,
    registered: Value,
}

/// The port that the client happens to listen on.
const REDIRECT_URI: &str = "http://127.0.0.1:49152/callback";

impl<'a> Client<'a> {
    /// From a challenge to a registration.
    async fn find(server: &'a TestServer, url: &str, challenge: &BTreeMap<String, String>) -> Self {
        let protected = fetch(server, &challenge["resource_metadata"]).await.expect(200);
        // RFC 9728 §3.3: the metadata has to be about the resource that was asked for.
        assert_eq!(protected["resource"], url);
        let issuer = protected["authorization_servers"][0].as_str().unwrap();
        let well_known = Url::parse(issuer).unwrap().join("/.well-known/oauth-authorization-server").unwrap();
        let authorization_server = fetch(server, well_known.as_str()).await.expect(200);
        // RFC 8414 §3.3: the issuer has to be the one that the URL was made of.
        assert_eq!(authorization_server["issuer"], issuer);
        assert!(has(&authorization_server, "code_challenge_methods_supported", "S256"));
        assert!(has(&authorization_server, "token_endpoint_auth_methods_supported", "none"));
        assert_eq!(authorization_server["authorization_response_iss_parameter_supported"], true);
        let said = json!({
            "client_name": "Inspector", "redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"], "client_uri": "", "application_type": "native",
        });
        let endpoint = path(server, text(&authorization_server, "registration_endpoint"));
        let registered =
            server.request(Method::POST, &endpoint, &[("content-type", "application/json")], said.to_string()).await.expect(201);
        Self { server, resource: url.to_owned(), authorization_server, registered }
    }

    /// The authorization request that a browser is sent with.
    fn authorization(&self, scope: &str) -> Authorization<'_> {
        Authorization::of(self.server, &self.registered, scope).with("redirect_uri", REDIRECT_URI).with("resource", &self.resource)
    }

    /// The person agrees; the client checks the answer and redeems the code.
    async fn tokens(&self, scope: &str) -> Value {
        let answer: BTreeMap<_, _> = self.authorization(scope).approve().await.into_iter().collect();
        // RFC 9207 §2.4: the answer names who gave it.
        assert_eq!(answer["iss"], text(&self.authorization_server, "issuer"));
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", answer["code"].as_str()),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", Pkce::VERIFIER),
            ("resource", self.resource.as_str()),
        ];
        let endpoint = path(self.server, text(&self.authorization_server, "token_endpoint"));
        self.server.as_client(&self.registered, &endpoint, &fields).await.expect(200)
    }
}

fn has(document: &Value, member: &str, value: &str) -> bool {
    document[member].as_array().is_some_and(|values| values.iter().any(|own| own == value))
}

fn path(server: &TestServer, url: &str) -> String {
    url.strip_prefix(server.issuer()).unwrap_or_else(|| panic!("{url} is not of {}", server.issuer())).to_owned()
}

async fn fetch(server: &TestServer, url: &str) -> Answer {
    server.get(&path(server, url)).await
}

async fn server() -> TestServer {
    let adjust = |settings: &mut grantlog_core::app::Settings| {
        settings.registration.dynamic = DynamicRegistration::Open;
        settings.registration.scopes = "offline_access notes.read notes.write".parse().unwrap();
    };
    TestServer::start_with(adjust, |_| {}).await
}

#[tokio::test]
async fn from_a_bare_url_to_a_call_that_is_answered() {
    let server = server().await;
    let api = Api::of(&server).await;
    let (status, header) = api.call(&server, None, "notes.read").await;
    let asked = challenge(&header.unwrap());
    assert_eq!((status, asked["scope"].as_str()), (401, "notes.read"));
    let client = Client::find(&server, Api::URL, &asked).await;
    let tokens = client.tokens(&asked["scope"]).await;
    let token = text(&tokens, "access_token");
    assert_eq!(claims(token)["aud"], Api::URL);
    assert_eq!(api.call(&server, Some(token), "notes.read").await, (200, None));
}

#[tokio::test]
async fn a_token_of_another_resource_is_of_no_use() {
    let server = server().await;
    let api = Api::of(&server).await;
    let (_, header) = api.call(&server, None, "notes.read").await;
    let client = Client::find(&server, Api::URL, &challenge(&header.unwrap())).await;
    let elsewhere = Client { resource: "https://api.example.com".to_owned(), ..client };
    let tokens = elsewhere.tokens("notes.read").await;
    assert_eq!(api.call(&server, Some(text(&tokens, "access_token")), "notes.read").await.0, 401);
}

#[tokio::test]
async fn a_step_up_asks_for_what_is_missing_and_for_nothing_else() {
    let server = server().await;
    let api = Api::of(&server).await;
    let (_, header) = api.call(&server, None, "notes.read").await;
    let client = Client::find(&server, Api::URL, &challenge(&header.unwrap())).await;
    let tokens = client.tokens("notes.read").await;
    let (status, header) = api.call(&server, Some(text(&tokens, "access_token")), "notes.write").await;
    let asked = challenge(&header.unwrap());
    assert_eq!((status, asked["error"].as_str(), asked["scope"].as_str()), (403, "insufficient_scope", "notes.write"));
    // Together with what it has, as the client should.
    let scope = format!("notes.read {}", asked["scope"]);
    let page = client.authorization(&scope).start().await;
    assert_eq!((&page["next"], &page["consent_required"]), (&json!("consent"), &json!(true)));
    let shown = page["scopes"].as_array().unwrap();
    let new: Vec<_> = shown.iter().filter(|scope| scope["already_granted"] == false).map(|scope| text(scope, "scope")).collect();
    assert_eq!(new, ["notes.write"]);
    let tokens = client.tokens(&scope).await;
    for needed in ["notes.read", "notes.write"] {
        assert_eq!(api.call(&server, Some(text(&tokens, "access_token")), needed).await, (200, None), "{needed}");
    }
    // It is agreed now, and nobody is asked again.
    assert_eq!(client.authorization(&scope).start().await["next"], "redirect");
}

#[tokio::test]
async fn a_client_that_starts_anew_finds_itself_and_is_not_asked_again() {
    let server = server().await;
    let api = Api::of(&server).await;
    let (_, header) = api.call(&server, None, "notes.read").await;
    let asked = challenge(&header.unwrap());
    let first = Client::find(&server, Api::URL, &asked).await;
    first.tokens("notes.read").await;
    let second = Client::find(&server, Api::URL, &asked).await;
    assert_eq!(second.registered["client_id"], first.registered["client_id"]);
    assert_eq!(second.authorization("notes.read").start().await["next"], "redirect");
    // Consent is each person's own.
    let bert = json!({"id": "bert", "auth_time": server.now().as_seconds()});
    assert_eq!(second.authorization("notes.read").subject(bert).start().await["next"], "consent");
}

#[tokio::test]
async fn a_public_client_refreshes_for_its_resource_and_an_answer_that_got_lost_comes_again() {
    let server = server().await;
    let api = Api::of(&server).await;
    let (_, header) = api.call(&server, None, "notes.read").await;
    let client = Client::find(&server, Api::URL, &challenge(&header.unwrap())).await;
    let tokens = client.tokens("notes.read offline_access").await;
    let fields = [("grant_type", "refresh_token"), ("refresh_token", text(&tokens, "refresh_token")), ("resource", Api::URL)];
    let first = server.as_client(&client.registered, "/oauth2/token", &fields).await.expect(200);
    let again = server.as_client(&client.registered, "/oauth2/token", &fields).await.expect(200);
    assert_eq!(first["refresh_token"], again["refresh_token"]);
    assert_eq!(api.call(&server, Some(text(&again, "access_token")), "notes.read").await, (200, None));
}
