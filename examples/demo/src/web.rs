//! Plumbing that any web framework brings: pages with security headers, forms, cookies, sessions kept on the server.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use askama::Template;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, REFERRER_POLICY, SET_COOKIE};
use http::header::{X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use warp::reply::{Reply, Response};
use warp::{Filter, Rejection};

/// What a page may do beyond showing text: decides its Content-Security-Policy.
#[derive(Clone, Copy)]
pub enum Page {
    /// Its forms end on this site.
    Plain,
    /// Its forms may end, by redirect, at a client.
    MayLeave,
    /// It submits its one form to the client by itself.
    AutoSubmit,
}

impl Page {
    fn content_security_policy(self) -> &'static str {
        match self {
            Self::Plain => {
                "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
            }
            // Browsers apply form-action to the redirects that follow a form as well. A consent form ends at the client's
            // redirect URI, which may be any https URL or an app's own scheme, so on these pages the directive must be absent:
            // with it the person presses "Allow" and nothing happens.
            Self::MayLeave => "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'",
            Self::AutoSubmit => {
                "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; base-uri 'none'; frame-ancestors 'none'"
            }
        }
    }
}

/// Answer with a page.
pub fn page(status: StatusCode, template: &impl Template, kind: Page) -> Response {
    match template.render() {
        Ok(html) => {
            let mut response = reply(status, "text/html; charset=utf-8", html);
            let headers = response.headers_mut();
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(kind.content_security_policy()));
            headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
            response
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            reply(StatusCode::INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", "This page is broken.".to_owned())
        }
    }
}

/// Answer with a body that nobody may keep or sniff.
pub fn reply(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = body.into_response();
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Send the browser elsewhere: 303, so that it comes with GET and never repeats a form (RFC 9700 §4.12).
pub fn see_other(location: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        tracing::error!("a redirect target is not a header value");
        return reply(StatusCode::BAD_GATEWAY, "text/plain; charset=utf-8", "There is nowhere to go from here.".to_owned());
    };
    let mut response = reply(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", String::new());
    response.headers_mut().insert(LOCATION, location);
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// The stylesheet, the icon, and the one line of script.
pub fn assets() -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    let asset = |name: &'static str, content_type: &'static str, body: &'static str| {
        warp::path("assets")
            .and(warp::path(name))
            .and(warp::path::end())
            .and(warp::get())
            .map(move || reply(StatusCode::OK, content_type, body.to_owned()))
    };
    asset("style.css", "text/css; charset=utf-8", include_str!("../assets/style.css"))
        .or(asset("icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")))
        .unify()
        .or(asset("form_post.js", "text/javascript; charset=utf-8", include_str!("../assets/form_post.js")))
        .unify()
}

/// What no route took.
pub async fn not_found(rejection: Rejection) -> Result<Response, Infallible> {
    let (status, text) = if rejection.is_not_found() {
        (StatusCode::NOT_FOUND, "There is no such page.")
    } else {
        (StatusCode::BAD_REQUEST, "This request is not one that the demo understands.")
    };
    Ok(reply(status, "text/plain; charset=utf-8", text.to_owned()))
}

/// Name and value pairs, of a query or of a form.
#[derive(Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Read `a=1&b=2`.
    pub fn parse(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// The first value of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every value of this name: a form's checkboxes share one.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The raw query string, empty when there is none.
pub fn raw_query() -> impl Filter<Extract = (String,), Error = Infallible> + Clone {
    warp::query::raw().or(warp::any().map(String::new)).unify()
}

/// The query's fields.
pub fn query() -> impl Filter<Extract = (Fields,), Error = Infallible> + Clone {
    raw_query().map(|raw: String| Fields::parse(raw.as_bytes()))
}

/// A form's body, of bounded size, as it came.
pub fn raw_form() -> impl Filter<Extract = (String,), Error = Rejection> + Clone {
    warp::body::content_length_limit(64 * 1024)
        .and(warp::body::bytes())
        .map(|body: warp::hyper::body::Bytes| String::from_utf8_lossy(&body).into_owned())
}

/// A form's fields.
pub fn form() -> impl Filter<Extract = (Fields,), Error = Rejection> + Clone {
    raw_form().map(|raw: String| Fields::parse(raw.as_bytes()))
}

/// Sessions of one party, kept on the server under a random id that only the browser's cookie carries.
pub struct Sessions<T> {
    cookie_name: &'static str,
    cookie_attributes: String,
    make: fn() -> T,
    kept: Mutex<HashMap<String, Kept<T>>>,
}

struct Kept<T> {
    since: u64,
    session: T,
}

/// One request's view of its browser's session.
pub struct Visit<T> {
    id: String,
    is_new: bool,
    /// The session as it was when the request arrived.
    pub session: T,
}

const SESSION_SECONDS: u64 = 8 * 60 * 60;
const MOST_SESSIONS: usize = 10_000;

impl<T: Clone> Sessions<T> {
    /// Sessions whose cookie has this name and is sent below `path` only.
    pub fn new(cookie_name: &'static str, path: &str, public_url: &str, make: fn() -> T) -> Self {
        let secure = if public_url.starts_with("https:") { "; Secure" } else { "" };
        // Lax, not Strict: the browser comes here from the client's site and must still be recognised.
        let cookie_attributes = format!("Path={path}; HttpOnly; SameSite=Lax{secure}");
        Self { cookie_name, cookie_attributes, make, kept: Mutex::default() }
    }

    /// The session of the browser that sent these headers, or a fresh one.
    pub fn visit(&self, headers: &HeaderMap) -> Visit<T> {
        let mut kept = self.lock();
        let known = self.session_id(headers).and_then(|id| {
            let found = kept.get(id).filter(|found| now() < found.since + SESSION_SECONDS)?;
            Some(Visit { id: id.to_owned(), is_new: false, session: found.session.clone() })
        });
        known.unwrap_or_else(|| {
            make_room(&mut kept);
            let visit = Visit { id: random(), is_new: true, session: (self.make)() };
            kept.insert(visit.id.clone(), Kept { since: now(), session: visit.session.clone() });
            visit
        })
    }

    /// Change the session, both what is kept and what this visit sees of it.
    pub fn change(&self, visit: &mut Visit<T>, change: impl FnOnce(&mut T)) {
        if let Some(kept) = self.lock().get_mut(&visit.id) {
            change(&mut kept.session);
            visit.session = kept.session.clone();
        }
    }

    /// Give the session a new id. Done at login and logout, so that an id planted in a browser before is worth nothing after.
    pub fn renew(&self, visit: &mut Visit<T>) {
        let mut kept = self.lock();
        if let Some(session) = kept.remove(&visit.id) {
            visit.id = random();
            visit.is_new = true;
            kept.insert(visit.id.clone(), session);
        }
    }

    /// The response, with the cookie when the browser does not have it yet.
    pub fn finish(&self, visit: &Visit<T>, mut response: Response) -> Response {
        let cookie = format!("{}={}; {}", self.cookie_name, visit.id, self.cookie_attributes);
        if let (true, Ok(value)) = (visit.is_new, HeaderValue::from_str(&cookie)) {
            response.headers_mut().append(SET_COOKIE, value);
        }
        response
    }

    fn session_id<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.cookie_name).map(|(_, id)| id)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept<T>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory is bounded: expired sessions go first, and should that not be enough, all of them.
fn make_room<T>(kept: &mut HashMap<String, Kept<T>>) {
    if kept.len() >= MOST_SESSIONS {
        let now = now();
        kept.retain(|_, found| now < found.since + SESSION_SECONDS);
    }
    if kept.len() >= MOST_SESSIONS {
        kept.clear();
    }
}

/// 256 random bits for a session id, CSRF token, state, nonce or code verifier.
pub fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the one place of the demo where the time is read")]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// Are these the same secret? Takes the same time wherever they differ.
pub fn same_secret(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

/// SHA-256.
pub fn sha256(text: &str) -> Vec<u8> {
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}

/// Base64url without padding, as JWTs and PKCE write bytes.
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of an unpadded base64url text.
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A link that came from outside, if it is one that a page may show.
pub fn web_link(link: &str) -> Option<&str> {
    // Escaping does not help against `javascript:` in an href.
    let scheme = url::Url::parse(link).ok()?.scheme().to_owned();
    matches!(scheme.as_str(), "https" | "http").then_some(link)
}
