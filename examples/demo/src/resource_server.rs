//! The "Sundial Notes API": a resource server. It knows nothing of logins or consent; it is shown an access token and asks
//! grantlog whether it is good (RFC 7662).

use std::sync::Arc;

use askama::Template;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use warp::reply::Response;
use warp::{Filter, Rejection};

use crate::web::{self, Page};
use crate::{DemoConfig, NOTES_SCOPE};

struct ResourceServer {
    http: reqwest::Client,
    introspection_endpoint: String,
    api_key: String,
}

/// What introspection says of a token, as far as this API cares.
#[derive(Deserialize)]
struct Introspection {
    active: bool,
    #[serde(default)]
    scope: String,
    sub: Option<String>,
}

/// Why the API gives nothing away.
enum Refusal {
    NoToken,
    BadToken,
    ScopeMissing,
    CannotTell,
}

#[derive(Template)]
#[template(path = "api.html")]
struct ApiPage;

/// The resource server's routes.
pub fn routes(config: &DemoConfig, http: reqwest::Client) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<> {
    let server = Arc::new(ResourceServer {
        http,
        introspection_endpoint: format!("{}/oauth2/introspect", config.issuer),
        api_key: config.resource_server_api_key.clone(),
    });
    let notes = warp::path!("api" / "notes").and(warp::get()).and(warp::header::headers_cloned()).then(move |headers: HeaderMap| {
        let server = Arc::clone(&server);
        async move { server.notes(&headers).await.unwrap_or_else(|refusal| refuse(&refusal)) }
    });
    let about = warp::path!("api").and(warp::get()).map(|| web::page(StatusCode::OK, &ApiPage, Page::Plain));
    notes.or(about).unify()
}

impl ResourceServer {
    /// `GET /api/notes`
    async fn notes(&self, headers: &HeaderMap) -> Result<Response, Refusal> {
        let token = bearer_token(headers).ok_or(Refusal::NoToken)?;
        let introspection = self.introspect(token).await.map_err(|error| {
            tracing::warn!(%error, "introspection failed");
            Refusal::CannotTell
        })?;
        if !introspection.active {
            return Err(Refusal::BadToken);
        }
        if !introspection.scope.split(' ').any(|scope| scope == NOTES_SCOPE.0) {
            return Err(Refusal::ScopeMissing);
        }
        let notes = json!({
            "for": introspection.sub,
            "notes": [
                { "title": "Lisbon", "text": "Tram 28 before nine, pastéis after." },
                { "title": "Balcony", "text": "Basil wants morning sun, mint does not care." },
            ],
        });
        Ok(answer(StatusCode::OK, &notes))
    }

    /// RFC 7662 §2.1. Asked every time, so a revocation counts at once.
    async fn introspect(&self, token: &str) -> Result<Introspection, reqwest::Error> {
        let call = self.http.post(&self.introspection_endpoint).bearer_auth(&self.api_key);
        call.form(&[("token", token), ("token_type_hint", "access_token")]).send().await?.error_for_status()?.json().await
    }
}

/// RFC 6750 §2.1; the scheme's name has no case (RFC 9110 §11.1).
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn refuse(refusal: &Refusal) -> Response {
    let (status, challenge, text) = match refusal {
        // RFC 6750 §3.1: without credentials the challenge names no error.
        Refusal::NoToken => (StatusCode::UNAUTHORIZED, r#"Bearer realm="sundial-notes""#, "Send an access token."),
        Refusal::BadToken => (
            StatusCode::UNAUTHORIZED,
            r#"Bearer realm="sundial-notes", error="invalid_token", error_description="The access token is expired or revoked""#,
            "The access token is expired or revoked.",
        ),
        Refusal::ScopeMissing => (
            StatusCode::FORBIDDEN,
            r#"Bearer realm="sundial-notes", error="insufficient_scope", scope="notes.read""#,
            "The access token does not cover notes.read.",
        ),
        Refusal::CannotTell => (StatusCode::SERVICE_UNAVAILABLE, "", "The token could not be checked; try again."),
    };
    let mut response = answer(status, &json!({ "error": text }));
    if !challenge.is_empty() {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

fn answer(status: StatusCode, body: &Value) -> Response {
    web::reply(status, "application/json", body.to_string())
}
