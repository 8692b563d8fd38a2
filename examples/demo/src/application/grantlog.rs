//! The application's side of grantlog's headless API: six calls, and the resource they answer with.

use std::sync::atomic::{AtomicU64, Ordering};

use http::Method;
use reqwest::RequestBuilder;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

/// What grantlog answers: everything a page needs to know, with no OAuth left to parse.
#[derive(Clone, Debug, Deserialize)]
pub struct AuthorizationRequest {
    /// Absent when the request was rejected: there is nothing to come back to.
    pub id: Option<Uuid>,
    pub state: State,
    pub next: Next,
    pub client: Option<ClientIdentity>,
    #[serde(default)]
    pub scopes: Vec<RequestedScope>,
    #[serde(default)]
    pub hints: Hints,
    pub subject: Option<AttestedSubject>,
    pub consent_reason: Option<String>,
    pub redirect_to: Option<String>,
    pub form_post: Option<FormPost>,
    pub restart_url: Option<String>,
    pub error: Option<ShownError>,
}

/// How far the request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    AwaitingSubject,
    AwaitingConsent,
    Completed,
    Expired,
    Superseded,
    Rejected,
}

/// What the page has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    Login,
    Reauthenticate,
    StepUp,
    SelectAccount,
    Consent,
    Redirect,
    ShowError,
}

/// Who asks. The redirect host is the one fact about a client that it cannot make up.
#[derive(Clone, Debug, Deserialize)]
pub struct ClientIdentity {
    pub redirect_host: String,
    pub client_name: Option<String>,
    pub policy_uri: Option<String>,
    pub tos_uri: Option<String>,
    #[serde(default)]
    pub verified: bool,
}

impl ClientIdentity {
    /// Its name, or its host when it has none.
    pub fn name(&self) -> &str {
        self.client_name.as_deref().unwrap_or(&self.redirect_host)
    }
}

/// One thing that is asked for.
#[derive(Clone, Debug, Deserialize)]
pub struct RequestedScope {
    pub scope: String,
    pub description: Option<String>,
    pub grantable: bool,
    #[serde(default)]
    pub already_granted: bool,
    pub reason: Option<Reason>,
}

/// Why something can't be granted.
#[derive(Clone, Debug, Deserialize)]
pub struct Reason {
    pub code: String,
}

impl Reason {
    /// In plain words.
    pub fn words(&self) -> &str {
        match self.code.as_str() {
            "missing_permissions" => "you may not do this yourself",
            "full_access_not_allowed" => "the app may not have it",
            other => other,
        }
    }
}

/// What the client would like the pages to do.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Hints {
    pub login_hint: Option<String>,
    #[serde(default)]
    pub prompt: Vec<String>,
}

/// Who the application said is there.
#[derive(Clone, Debug, Deserialize)]
pub struct AttestedSubject {
    pub id: String,
}

/// The answer for a client that wants it posted instead of redirected.
#[derive(Clone, Debug, Deserialize)]
pub struct FormPost {
    pub action: String,
    /// Name to value.
    pub fields: std::collections::BTreeMap<String, String>,
}

/// What went wrong, in words for the person.
#[derive(Clone, Debug, Deserialize)]
pub struct ShownError {
    pub code: String,
    pub description: Option<String>,
}

/// One connected app of a person.
#[derive(Clone, Debug, Deserialize)]
pub struct Grant {
    pub id: String,
    pub client: ClientIdentity,
    #[serde(default)]
    pub scope: String,
    pub consented_at: Option<jiff::Timestamp>,
}

/// Why a call gave no resource.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// A second, different decision: this is what was decided first.
    #[error("it was already decided differently")]
    AlreadyDecided(Box<AuthorizationRequest>),
    /// grantlog refused (RFC 9457).
    #[error("grantlog answered {status}: {detail}")]
    Refused { status: u16, detail: String, request_id: Option<String> },
    /// No answer, or not one of grantlog's.
    #[error("grantlog cannot be reached: {0}")]
    Unreachable(#[from] reqwest::Error),
}

/// The person's answer.
pub enum Decision {
    /// Yes, to these scopes.
    Approve { scopes: Vec<String> },
    /// No.
    Deny,
}

/// The headless API, called with the application's key.
pub struct Grantlog {
    http: reqwest::Client,
    base: Url,
    api_key: String,
    /// The highest position any write answered with. Reads ask for it, so they see what was written even on another node.
    position: AtomicU64,
}

impl Grantlog {
    pub fn new(http: reqwest::Client, base: Url, api_key: String) -> Self {
        Self { http, base, api_key, position: AtomicU64::new(0) }
    }

    /// Begin: hand over the query string as it came, unparsed.
    pub async fn create(&self, query: &str, binding: &str, subject: Option<&Value>) -> Result<AuthorizationRequest, CallError> {
        let mut body = json!({ "query": query, "browser_binding": binding });
        put(&mut body, "subject", subject.cloned());
        self.resource(self.call(Method::POST, &["authorization-requests"]).json(&body)).await
    }

    /// Look at a request again.
    pub async fn get(&self, id: Uuid) -> Result<AuthorizationRequest, CallError> {
        self.resource(self.call(Method::GET, &["authorization-requests", &id.to_string()])).await
    }

    /// Say who is logged in, or (`None`) that nobody is.
    pub async fn attest(&self, id: Uuid, subject: Option<&Value>, binding: Option<&str>) -> Result<AuthorizationRequest, CallError> {
        let mut body = json!({ "subject": subject });
        put(&mut body, "browser_binding", binding);
        self.resource(self.call(Method::PUT, &["authorization-requests", &id.to_string(), "subject"]).json(&body)).await
    }

    /// Hand over the person's answer. The same answer twice is fine; `texts` is the evidence of what they read.
    pub async fn decide(
        &self,
        id: Uuid,
        decision: Decision,
        subject: Option<&Value>,
        binding: Option<&str>,
        texts: &str,
    ) -> Result<AuthorizationRequest, CallError> {
        let mut body = match decision {
            Decision::Approve { scopes } => json!({ "decision": "approve", "scopes": scopes }),
            Decision::Deny => json!({ "decision": "deny" }),
        };
        put(&mut body, "subject", subject.cloned());
        put(&mut body, "browser_binding", binding);
        let hash = hexadecimal(&crate::web::sha256(texts));
        put(&mut body, "shown", Some(json!({ "ui_build": env!("CARGO_PKG_VERSION"), "locale": "en", "texts_sha256": hash })));
        self.resource(self.call(Method::POST, &["authorization-requests", &id.to_string(), "decision"]).json(&body)).await
    }

    /// The apps a person has connected.
    pub async fn grants(&self, person_id: &str) -> Result<Vec<Grant>, CallError> {
        #[derive(Deserialize)]
        struct Grants {
            grants: Vec<Grant>,
        }
        let answer = self.send(self.call(Method::GET, &["subjects", person_id, "grants"])).await?;
        Ok(answer.json::<Grants>().await?.grants)
    }

    /// Cut one off: its tokens are dead when this returns.
    pub async fn disconnect(&self, person_id: &str, grant_id: &str) -> Result<(), CallError> {
        self.send(self.call(Method::DELETE, &["subjects", person_id, "grants", grant_id])).await.map(|_| ())
    }

    /// A call to `/v1/...`; each segment is percent-encoded.
    fn call(&self, method: Method, segments: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("v1").extend(segments);
        }
        self.http.request(method, url).bearer_auth(&self.api_key)
    }

    async fn resource(&self, call: RequestBuilder) -> Result<AuthorizationRequest, CallError> {
        Ok(self.send(call).await?.json().await?)
    }

    async fn send(&self, call: RequestBuilder) -> Result<reqwest::Response, CallError> {
        let seen = self.position.load(Ordering::Relaxed);
        let call = if seen > 0 { call.header("Grantlog-Min-Position", seen) } else { call };
        let answer = call.send().await?;
        if let Some(position) = header(&answer, "Grantlog-Position").and_then(|text| text.parse().ok()) {
            self.position.fetch_max(position, Ordering::Relaxed);
        }
        if answer.status().is_success() { Ok(answer) } else { Err(refusal(answer).await) }
    }
}

async fn refusal(answer: reqwest::Response) -> CallError {
    #[derive(Default, Deserialize)]
    struct Problem {
        title: Option<String>,
        detail: Option<String>,
        authorization_request: Option<Box<AuthorizationRequest>>,
    }
    let status = answer.status().as_u16();
    let request_id = header(&answer, "Grantlog-Request-Id");
    let problem: Problem = answer.json().await.unwrap_or_default();
    match problem.authorization_request {
        Some(request) if status == 409 => CallError::AlreadyDecided(request),
        _ => CallError::Refused { status, detail: problem.detail.or(problem.title).unwrap_or_default(), request_id },
    }
}

fn header(answer: &reqwest::Response, name: &str) -> Option<String> {
    answer.headers().get(name)?.to_str().ok().map(str::to_owned)
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

/// Optional members are left out, not sent as null.
fn put(body: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        body[name] = value.into();
    }
}
