//! What an application and its clients say to a server over HTTP. An answer that does not come is no failure here but a
//! fact: [`Lost`].

use std::collections::BTreeMap;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use url::Url;

use crate::{Pkce, process::Installation};

/// The connection ended before the answer: nobody knows what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// What a server answered, complete.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// `Grantlog-Position`: where what was written is in the log.
    pub position: Option<u64>,
    /// The body; null when it is empty or no JSON.
    pub body: Value,
}

impl Reply {
    /// The body of an answer with this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }
}

/// A server, seen from outside. Cheap to clone.
#[derive(Clone)]
pub struct Remote {
    http: Client,
    issuer: String,
    keys: BTreeMap<&'static str, String>,
}

impl Remote {
    /// The server of an installation that was started for the first time; makes an API key of each role.
    pub async fn of(installation: &Installation) -> Self {
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().expect("a client");
        let keys = BTreeMap::from([("admin", installation.first_admin_key())]);
        let mut remote = Self { http, issuer: installation.issuer(), keys };
        for role in ["consent", "resource_server"] {
            let made = remote.call("admin", Method::POST, "/v1/api-keys", Some(&json!({"name": role, "role": role}))).await;
            let key = made.expect("an answer").expect(201);
            remote.keys.insert(role, text(&key["api_key"]));
        }
        remote
    }

    /// The issuer identifier.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The API key of a role.
    pub fn key(&self, role: &str) -> &str {
        &self.keys[role]
    }

    async fn send(&self, request: RequestBuilder) -> Result<Reply, Lost> {
        let answer = request.send().await.map_err(|_| Lost)?;
        let status = answer.status();
        let position = answer.headers().get("grantlog-position").and_then(|value| value.to_str().ok()?.parse().ok());
        let body = answer.bytes().await.map_err(|_| Lost)?;
        Ok(Reply { status, position, body: serde_json::from_slice(&body).unwrap_or_default() })
    }

    /// Calls the JSON API with the key of a role.
    pub async fn call(&self, role: &str, method: Method, path: &str, body: Option<&Value>) -> Result<Reply, Lost> {
        let request = self.http.request(method, format!("{}{path}", self.issuer)).bearer_auth(&self.keys[role]);
        self.send(if let Some(body) = body { request.json(body) } else { request }).await
    }

    /// Reads with the key of a role, as of this position.
    pub async fn read_at(&self, role: &str, path: &str, position: u64) -> Result<Reply, Lost> {
        let request = self.http.get(format!("{}{path}", self.issuer)).bearer_auth(&self.keys[role]);
        self.send(request.header("grantlog-min-position", position)).await
    }

    /// Gets something without credentials.
    pub async fn get(&self, path: &str) -> Result<Reply, Lost> {
        self.send(self.http.get(format!("{}{path}", self.issuer))).await
    }

    /// Posts a form as a client with a secret.
    pub async fn as_client(&self, client: &Value, path: &str, fields: &[(&str, &str)]) -> Result<Reply, Lost> {
        let request = self.http.post(format!("{}{path}", self.issuer));
        self.send(request.basic_auth(text(&client["client_id"]), Some(text(&client["client_secret"]))).form(fields)).await
    }

    /// Registers a client.
    pub async fn register(&self, metadata: &Value) -> Result<Reply, Lost> {
        self.call("admin", Method::POST, "/v1/clients", Some(metadata)).await
    }

    /// Asks for a token for the client itself.
    pub async fn machine_token(&self, client: &Value) -> Result<Reply, Lost> {
        self.as_client(client, "/oauth2/token", &[("grant_type", "client_credentials")]).await
    }

    /// Takes in an authorization request of this client for this person, who is logged in.
    pub async fn request(&self, client: &Value, person: &str) -> Result<Reply, Lost> {
        let parameters = [
            ("response_type", "code"),
            ("client_id", client["client_id"].as_str().unwrap_or_default()),
            ("redirect_uri", client["redirect_uris"][0].as_str().unwrap_or_default()),
            ("scope", "openid offline_access notes.read"),
            ("code_challenge", Pkce::CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        // Not a moment that matters: nothing here asks how old a login is.
        let subject = json!({"id": person, "auth_time": 1_700_000_000});
        self.call("consent", Method::POST, "/v1/authorization-requests", Some(&json!({"query": query, "subject": subject}))).await
    }

    /// Says yes to an authorization request.
    pub async fn approve(&self, request: &Value) -> Result<Reply, Lost> {
        let path = format!("/v1/authorization-requests/{}/decision", text(&request["id"]));
        self.call("consent", Method::POST, &path, Some(&json!({"decision": "approve"}))).await
    }

    /// Redeems a code.
    pub async fn redeem(&self, client: &Value, code: &str) -> Result<Reply, Lost> {
        let redirect_uri = text(&client["redirect_uris"][0]);
        let fields =
            [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", &redirect_uri), ("code_verifier", Pkce::VERIFIER)];
        self.as_client(client, "/oauth2/token", &fields).await
    }

    /// Refreshes.
    pub async fn refresh(&self, client: &Value, refresh_token: &str) -> Result<Reply, Lost> {
        self.as_client(client, "/oauth2/token", &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    /// Revokes a token.
    pub async fn revoke(&self, client: &Value, token: &str) -> Result<Reply, Lost> {
        self.as_client(client, "/oauth2/revoke", &[("token", token)]).await
    }

    /// Introspects a token as a resource server.
    pub async fn introspect(&self, token: &str) -> Result<Reply, Lost> {
        let request = self.http.post(format!("{}/oauth2/introspect", self.issuer)).bearer_auth(&self.keys["resource_server"]);
        self.send(request.form(&[("token", token)])).await
    }

    /// Whether a token is active, as a server says that is expected to answer.
    pub async fn is_active(&self, token: &str) -> bool {
        self.introspect(token).await.expect("an answer").expect(200)["active"] == true
    }
}

/// The code in where the browser is sent.
pub fn code_of(request: &Value) -> String {
    let redirect_to = Url::parse(request["redirect_to"].as_str().unwrap_or_default());
    let code = redirect_to.ok().and_then(|url| url.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned()));
    code.unwrap_or_else(|| panic!("no code in {request}"))
}

/// A string of an answer.
#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no string: {value}")).to_owned()
}
