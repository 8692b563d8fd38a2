//! The "Sundial Notes API": a resource server. It knows nothing of logins or consent; it is shown an access token and asks
//! grantlog whether it is good (RFC 7662).
//!
//! It has two doors. `/api/notes` is for clients that were told about it. `/mcp` is for those that know nothing but its
//! URL, as agents do: its refusals say where everything else is found (RFC 9728).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use askama::Template;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use warp::reply::Response;
use warp::{Filter, Rejection};

use crate::web::{self, Fields, Page};
use crate::{DemoConfig, NOTES_SCOPE, WRITE_SCOPE};

/// A door of the API: what stands in its challenges, and who may ask about tokens that are meant for it.
struct Door {
    http: reqwest::Client,
    introspection_endpoint: String,
    api_key: String,
    /// Where clients find out about the rest (RFC 9728 §5.1); only for those who know nothing else.
    resource_metadata: Option<String>,
}

/// What introspection says of a token, as far as this API cares.
#[derive(Deserialize)]
struct Introspection {
    active: bool,
    #[serde(default)]
    scope: String,
    sub: Option<String>,
    client_id: Option<String>,
}

impl Introspection {
    /// Whether the client acts for itself, and not for a person.
    fn is_machine(&self) -> bool {
        self.sub == self.client_id
    }
}

/// Why the API gives nothing away.
enum Refusal {
    NoToken,
    BadToken,
    ScopeMissing,
    CannotTell,
}

#[derive(Clone, Serialize)]
struct Note {
    title: String,
    text: String,
}

/// Everybody's notes, by their owner.
struct Notes(Mutex<HashMap<String, Vec<Note>>>);

const MOST_NOTES: usize = 20;

impl Notes {
    fn of(&self, owner: &str) -> Vec<Note> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(owner.to_owned()).or_insert_with(first_notes).clone()
    }

    fn add(&self, owner: &str, note: Note) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = all.entry(owner.to_owned()).or_insert_with(first_notes);
        own.truncate(MOST_NOTES - 1);
        own.push(note);
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().map(Vec::len).sum()
    }
}

fn first_notes() -> Vec<Note> {
    [("Lisbon", "Tram 28 before nine, pastéis after."), ("Balcony", "Basil wants morning sun, mint does not care.")]
        .map(|(title, text)| Note { title: title.to_owned(), text: text.to_owned() })
        .into()
}

#[derive(Template)]
#[template(path = "api.html")]
struct ApiPage;

struct Api {
    /// For clients that were told.
    told: Door,
    /// For those that have to find out.
    found: Door,
    /// The protected resource metadata, as grantlog makes it.
    metadata: String,
    notes: Notes,
}

/// The resource server's routes.
pub fn routes(config: &DemoConfig, http: reqwest::Client) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<> {
    let door = |api_key: &str, resource_metadata| Door {
        http: http.clone(),
        introspection_endpoint: format!("{}/oauth2/introspect", config.issuer),
        api_key: api_key.to_owned(),
        resource_metadata,
    };
    let api = Arc::new(Api {
        told: door(&config.resource_server_api_key, None),
        found: door(&config.agents_api_key, Some(config.at("/.well-known/oauth-protected-resource/mcp"))),
        metadata: format!("{}/resource-servers/{}/oauth-protected-resource", config.issuer, config.agents_resource_server_id),
        notes: Notes(Mutex::default()),
    });
    let shared = move || {
        let api = Arc::clone(&api);
        warp::any().map(move || Arc::clone(&api))
    };
    let told = warp::path!("api" / "notes")
        .and(warp::get())
        .and(shared())
        .and(warp::header::headers_cloned())
        .then(async |api: Arc<Api>, headers: HeaderMap| api.read(&api.told, &headers).await);
    let read = warp::path!("mcp")
        .and(warp::get())
        .and(shared())
        .and(warp::header::headers_cloned())
        .then(async |api: Arc<Api>, headers: HeaderMap| api.read(&api.found, &headers).await);
    let write = warp::path!("mcp")
        .and(warp::post())
        .and(shared())
        .and(warp::header::headers_cloned())
        .and(web::form())
        .then(async |api: Arc<Api>, headers: HeaderMap, form: Fields| api.write(&headers, &form).await);
    let metadata = warp::path!(".well-known" / "oauth-protected-resource" / "mcp")
        .and(warp::get())
        .and(shared())
        .then(async |api: Arc<Api>| api.resource_metadata().await);
    let about = warp::path!("api").and(warp::get()).map(|| web::page(StatusCode::OK, &ApiPage, Page::Plain));
    told.or(read).unify().or(write).unify().or(metadata).unify().or(about).unify()
}

impl Api {
    /// The notes of whoever the token is about; how many there are in all, for a machine.
    async fn read(&self, door: &Door, headers: &HeaderMap) -> Response {
        match door.check(headers, NOTES_SCOPE.0).await {
            Ok(token) if token.is_machine() => answer(StatusCode::OK, &json!({ "notes_kept": self.notes.count() })),
            Ok(token) => {
                let owner = token.sub.unwrap_or_default();
                answer(StatusCode::OK, &json!({ "for": owner, "notes": self.notes.of(&owner) }))
            }
            Err(refusal) => door.refuse(&refusal, NOTES_SCOPE.0),
        }
    }

    async fn write(&self, headers: &HeaderMap, form: &Fields) -> Response {
        // To change a note one has to see it: the challenge names both, so that a client asks for both at once.
        let needed = format!("{} {}", NOTES_SCOPE.0, WRITE_SCOPE.0);
        match self.found.check(headers, WRITE_SCOPE.0).await {
            Ok(token) => {
                let text = |name| form.get(name).unwrap_or_default().chars().take(200).collect();
                let note = Note { title: text("title"), text: text("text") };
                self.notes.add(&token.sub.unwrap_or_default(), note.clone());
                answer(StatusCode::CREATED, &json!({ "added": note }))
            }
            Err(refusal) => self.found.refuse(&refusal, &needed),
        }
    }

    /// RFC 9728 §3.1: the document stands below this server's own address; grantlog knows what has to be in it.
    async fn resource_metadata(&self) -> Response {
        let document = async { self.found.http.get(&self.metadata).send().await?.error_for_status()?.json::<Value>().await };
        match document.await {
            Ok(document) => answer(StatusCode::OK, &document),
            Err(error) => {
                tracing::warn!(%error, "the protected resource metadata cannot be read");
                answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": "Try again." }))
            }
        }
    }
}

impl Door {
    async fn check(&self, headers: &HeaderMap, scope: &str) -> Result<Introspection, Refusal> {
        let token = bearer_token(headers).ok_or(Refusal::NoToken)?;
        let introspection = self.introspect(token).await.map_err(|error| {
            tracing::warn!(%error, "introspection failed");
            Refusal::CannotTell
        })?;
        if !introspection.active {
            return Err(Refusal::BadToken);
        }
        if introspection.scope.split(' ').any(|granted| granted == scope) { Ok(introspection) } else { Err(Refusal::ScopeMissing) }
    }

    /// RFC 7662 §2.1. Asked every time, so a revocation counts at once.
    async fn introspect(&self, token: &str) -> Result<Introspection, reqwest::Error> {
        let call = self.http.post(&self.introspection_endpoint).bearer_auth(&self.api_key);
        call.form(&[("token", token), ("token_type_hint", "access_token")]).send().await?.error_for_status()?.json().await
    }

    fn refuse(&self, refusal: &Refusal, scope: &str) -> Response {
        // RFC 6750 §3.1: without credentials the challenge names no error.
        let (status, error, text) = match refusal {
            Refusal::NoToken => (StatusCode::UNAUTHORIZED, None, "Send an access token."),
            Refusal::BadToken => (StatusCode::UNAUTHORIZED, Some("invalid_token"), "The access token is expired or revoked."),
            Refusal::ScopeMissing => {
                (StatusCode::FORBIDDEN, Some("insufficient_scope"), "The access token does not cover what this call needs.")
            }
            Refusal::CannotTell => {
                return answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": "The token could not be checked; try again." }));
            }
        };
        let mut challenge = String::from(r#"Bearer realm="sundial-notes""#);
        for (name, value) in [("error", error), ("scope", Some(scope)), ("resource_metadata", self.resource_metadata.as_deref())] {
            if let Some(value) = value {
                challenge.extend([", ", name, "=\"", value, "\""]);
            }
        }
        let mut response = answer(status, &json!({ "error": text }));
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// RFC 6750 §2.1; the scheme's name has no case (RFC 9110 §11.1).
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn answer(status: StatusCode, body: &Value) -> Response {
    web::reply(status, "application/json", body.to_string())
}
