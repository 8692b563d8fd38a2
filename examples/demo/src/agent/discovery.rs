//! How a client that knows nothing but a URL finds out all the rest: 401, protected resource metadata (RFC 9728),
//! authorization server metadata (RFC 8414), registration (RFC 7591) or a client ID metadata document.

use http::header::WWW_AUTHENTICATE;
use serde::Deserialize;
use serde_json::{Value, json};
use url::{Host, Url};

use super::Introduction;
use crate::oauth::{self, OAuth, OAuthError};

/// One thing that was asked and answered, for the page to tell.
#[derive(Clone)]
pub struct Step {
    pub title: &'static str,
    pub transcript: String,
}

/// What came of it.
pub struct Discovered {
    pub oauth: OAuth,
    /// What to ask for.
    pub scope: String,
    pub steps: Vec<Step>,
}

/// The parts of a protected resource's metadata that matter here.
#[derive(Deserialize)]
struct ResourceMetadata {
    resource: String,
    #[serde(default)]
    authorization_servers: Vec<String>,
    #[serde(default)]
    scopes_supported: Vec<String>,
}

/// What a client is called when it introduces itself.
pub const CLIENT_NAME: &str = "Lamplight";

/// From a bare URL to a client that can ask for consent.
pub async fn discover(
    http: &reqwest::Client,
    resource: &str,
    introduction: Introduction,
    base_url: &str,
) -> Result<Discovered, OAuthError> {
    let mut steps = Vec::new();
    let url = on_this_machine(resource)?;
    let answer = http.get(url).send().await?;
    let challenge = answer.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    steps.push(Step {
        title: "Ask without a token, and be told where to look",
        transcript: format!("GET {resource}\n{}\nWWW-Authenticate: {challenge}", answer.status()),
    });
    // RFC 9728 §5.1
    let metadata_url =
        parameter(&challenge, "resource_metadata").ok_or(OAuthError::Untrusted("The refusal does not say where to look."))?;
    let document: Value = http.get(on_this_machine(&metadata_url)?).send().await?.error_for_status()?.json().await?;
    steps.push(Step {
        title: "Read about the resource: who grants access to it?",
        transcript: format!("GET {metadata_url}\n{}", pretty(&document)),
    });
    let metadata: ResourceMetadata =
        serde_json::from_value(document).map_err(|_| OAuthError::Untrusted("The resource's metadata makes no sense."))?;
    // RFC 9728 §3.3: metadata of another resource must not be used.
    if metadata.resource != resource {
        return Err(OAuthError::Untrusted("The metadata is about another resource."));
    }
    let issuer =
        metadata.authorization_servers.first().ok_or(OAuthError::Untrusted("The resource names no authorization server."))?.clone();
    let server = oauth::metadata(http, &issuer).await?;
    steps.push(Step {
        title: "Read about the authorization server",
        transcript: format!(
            "GET {issuer}/.well-known/oauth-authorization-server\nregistration_endpoint: {}\nclient_id_metadata_document_supported: {}",
            server.registration_endpoint.as_ref().map_or("none", Url::as_str),
            server.client_id_metadata_document_supported
        ),
    });
    let redirect_uri = format!("{base_url}/callback");
    let client_id = match (introduction, &server.registration_endpoint) {
        (Introduction::Document, _) if server.client_id_metadata_document_supported => {
            let client_id = format!("{base_url}/client.json");
            steps.push(Step { title: "Introduce itself by a document at its own URL", transcript: format!("client_id={client_id}") });
            client_id
        }
        (_, Some(endpoint)) => {
            let request = registration(&redirect_uri);
            let answer: Value = http.post(endpoint.clone()).json(&request).send().await?.error_for_status()?.json().await?;
            steps.push(Step {
                title: "Register itself",
                transcript: format!("POST {endpoint}\n{}\n\n{}", pretty(&request), pretty(&answer)),
            });
            let client_id = answer.get("client_id").and_then(Value::as_str);
            client_id.ok_or(OAuthError::Untrusted("The registration gave no client_id."))?.to_owned()
        }
        (_, None) => return Err(OAuthError::Untrusted("The server does not let clients introduce themselves.")),
    };
    let scope = parameter(&challenge, "scope").unwrap_or_else(|| metadata.scopes_supported.join(" "));
    let oauth = OAuth { http: http.clone(), issuer, client_id, client_secret: None, redirect_uri, resource: Some(resource.to_owned()) };
    Ok(Discovered { oauth, scope, steps })
}

/// What it says of itself, in either way.
pub fn registration(redirect_uri: &str) -> Value {
    json!({
        "client_name": CLIENT_NAME, "redirect_uris": [redirect_uri], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "scope": "notes.read notes.write offline_access",
    })
}

/// Whoever types a URL into this page makes this server fetch it, so it goes nowhere but to this machine.
fn on_this_machine(url: &str) -> Result<Url, OAuthError> {
    let refused = OAuthError::Untrusted("This demonstration only goes to addresses of its own machine.");
    let Ok(url) = Url::parse(url) else { return Err(refused) };
    let is_local = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if is_local { Ok(url) } else { Err(refused) }
}

/// A quoted parameter of a challenge (RFC 9110 §11.2), as simply as this demo's challenges are written.
pub fn parameter(challenge: &str, name: &str) -> Option<String> {
    let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
    Some(rest.split('"').next()?.to_owned())
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
