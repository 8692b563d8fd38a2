use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use grantlog_core::protocol::CodeVerifier;
use http::Method;
use serde_json::{Value, json};
use url::Url;

use crate::TestServer;

/// A PKCE pair: RFC 7636 Appendix B.
pub struct Pkce;

impl Pkce {
    /// The verifier.
    pub const VERIFIER: &'static str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    /// Its S256 challenge.
    pub const CHALLENGE: &'static str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    /// Whether the verifier is one, as the server sees it.
    pub fn is_valid() -> bool {
        CodeVerifier::parse(Self::VERIFIER).is_ok()
    }
}

/// One authorization in the making: what the client asks, and what the application says of the person.
pub struct Authorization<'a> {
    server: &'a TestServer,
    client: &'a Value,
    query: Vec<(String, String)>,
    subject: Value,
}

impl<'a> Authorization<'a> {
    /// Asks for `scope`, with PKCE and a state, for Ana, who has just logged in.
    pub fn of(server: &'a TestServer, client: &'a Value, scope: &str) -> Self {
        let redirect_uri = client["redirect_uris"][0].as_str().unwrap_or_default();
        let query = [
            ("response_type", "code"),
            ("client_id", client["client_id"].as_str().unwrap_or_default()),
            ("redirect_uri", redirect_uri),
            ("scope", scope),
            ("state", "af0ifjsldkj"),
            ("code_challenge", Pkce::CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let query = query.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let claims = json!({"name": "Ana Silva", "email": "ana@example.com", "email_verified": true});
        let subject = json!({"id": "ana", "auth_time": server.now().as_seconds(), "claims": claims});
        Self { server, client, query, subject }
    }

    /// Sets a parameter, in place of what it was.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.query.retain(|(own, _)| own != name);
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a parameter, beside those of the same name.
    pub fn also(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves a parameter out.
    pub fn without(mut self, name: &str) -> Self {
        self.query.retain(|(own, _)| own != name);
        self
    }

    /// Somebody else, or Ana in another way.
    pub fn subject(mut self, subject: Value) -> Self {
        self.subject = subject;
        self
    }

    /// The query as the client sends it.
    pub fn query(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.query).finish()
    }

    /// Takes the request in with nobody logged in, and returns the answer, whatever it is.
    pub async fn start_without_subject(&self) -> crate::Answer {
        self.server.create(&json!({"query": self.query()})).await
    }

    /// Takes the request in, with the subject.
    pub async fn start(&self) -> Value {
        let body = json!({"query": self.query(), "subject": self.subject});
        let answer = self.server.call("consent", Method::POST, "/v1/authorization-requests", Some(&body)).await;
        assert!(answer.status.is_success(), "{answer:?}");
        answer.json()
    }

    /// Takes the request in, approves it when somebody has to be asked, and returns the answer's parameters.
    pub async fn approve(&self) -> Vec<(String, String)> {
        let mut request = self.start().await;
        if request["next"] == "consent" {
            let path = format!("/v1/authorization-requests/{}/decision", request["id"].as_str().unwrap_or_default());
            request = self.server.call("consent", Method::POST, &path, Some(&json!({"decision": "approve"}))).await.expect(200);
        }
        let redirect_to = request["redirect_to"].as_str().unwrap_or_else(|| panic!("no redirect in {request}"));
        Url::parse(redirect_to).expect("a URL").query_pairs().into_owned().collect()
    }

    /// Approves and returns the code.
    pub async fn code(&self) -> String {
        let parameters = self.approve().await;
        let code = parameters.iter().find(|(name, _)| name == "code");
        code.unwrap_or_else(|| panic!("no code in {parameters:?}")).1.clone()
    }

    /// Approves, redeems the code and returns the token response.
    pub async fn tokens(&self) -> Value {
        let code = self.code().await;
        self.redeem(&code).await.expect(200)
    }

    /// Redeems a code as the client.
    pub async fn redeem(&self, code: &str) -> crate::Answer {
        let redirect_uri = self.client["redirect_uris"][0].as_str().unwrap_or_default();
        let fields =
            [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri), ("code_verifier", Pkce::VERIFIER)];
        self.server.as_client(self.client, "/oauth2/token", &fields).await
    }
}

impl TestServer {
    /// Posts a form as this client: by HTTP Basic when it has a secret, else by `client_id`.
    pub async fn as_client(&self, client: &Value, path: &str, fields: &[(&str, &str)]) -> crate::Answer {
        let id = client["client_id"].as_str().unwrap_or_default();
        if let Some(secret) = client["client_secret"].as_str() {
            let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")));
            return self.post_form(path, Some(&basic), fields).await;
        }
        let mut fields = fields.to_vec();
        fields.push(("client_id", id));
        self.post_form(path, None, &fields).await
    }

    /// Refreshes as this client.
    pub async fn refresh(&self, client: &Value, refresh_token: &str) -> crate::Answer {
        self.as_client(client, "/oauth2/token", &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    /// A confidential third-party client that may ask for everything.
    pub async fn confidential_client(&self) -> Value {
        self.register(json!({
            "client_name": "Weather by Mail",
            "redirect_uris": ["https://weather.example.com/callback"],
            "scope": "openid profile email offline_access notes.read",
        }))
        .await
    }

    /// A public third-party client that may ask for everything.
    pub async fn public_client(&self) -> Value {
        self.register(json!({
            "client_name": "Weather on the Phone",
            "token_endpoint_auth_method": "none",
            "redirect_uris": ["com.example.weather:/callback"],
            "scope": "openid profile email offline_access notes.read",
        }))
        .await
    }
}

/// The claims of a JWT, unverified.
pub fn claims(jwt: &str) -> Value {
    let payload = jwt.split('.').nth(1).unwrap_or_default();
    BASE64_URL_SAFE_NO_PAD
        .decode(payload)
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok())
        .unwrap_or_else(|| panic!("no JWT: {jwt}"))
}
