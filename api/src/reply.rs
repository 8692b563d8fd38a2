//! Replies: the only place where a status is set. [`Response`] can't be made anywhere else.

mod body;
mod csp;

use std::{error::Error, fmt, sync::Arc};

use bytes::Bytes;
use futures::Stream;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LOCATION, PRAGMA, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};
use serde::Serialize;

pub(crate) use body::Body;
pub use csp::ContentSecurityPolicy;

use crate::{problem::ProblemBody, trace::RequestId};

/// The header that tells how far the log had to be written for this answer.
pub const POSITION: HeaderName = HeaderName::from_static("grantlog-position");

/// A complete response.
#[derive(Debug)]
pub struct Response(http::Response<Body>);

/// What a response may need to know of the request it answers.
#[derive(Clone, Debug)]
pub struct Context {
    request_id: RequestId,
    docs_base: Arc<str>,
    dialect: Dialect,
}

/// How errors are worded: chosen by who calls, never per handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// RFC 9457.
    Problem,
    /// RFC 6749 §5.2.
    OAuth,
}

impl Context {
    /// The context of one request. `docs_base` is the URL that the `type` of a problem begins with.
    pub fn new(request_id: RequestId, docs_base: Arc<str>) -> Self {
        Self { request_id, docs_base, dialect: Dialect::Problem }
    }

    pub(crate) fn speaking(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The id of the request.
    pub fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// What the `type` of a problem begins with.
    pub fn docs_base(&self) -> &str {
        &self.docs_base
    }

    /// Logs the private cause of an error, once, when it becomes a response.
    pub(crate) fn log_cause(&self, code: &str, status: StatusCode, cause: Option<&str>) {
        let request_id = self.request_id;
        match cause {
            Some(cause) if status == StatusCode::INTERNAL_SERVER_ERROR => tracing::error!(%request_id, code, cause, "bug"),
            Some(cause) => tracing::warn!(%request_id, code, cause, "error answered"),
            None => {}
        }
    }
}

/// What an endpoint may return.
pub trait IntoResponse {
    /// The response to the request of this context.
    fn into_response(self, context: &Context) -> Response;
}

impl IntoResponse for Response {
    fn into_response(self, _: &Context) -> Response {
        self
    }
}

impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    fn into_response(self, context: &Context) -> Response {
        match self {
            Ok(reply) => reply.into_response(context),
            Err(error) => error.into_response(context),
        }
    }
}

impl Response {
    fn new(status: StatusCode, content_type: Option<&'static str>, body: impl Into<Bytes>) -> Self {
        Self::with_body(status, content_type, Body::Whole(body.into()))
    }

    fn with_body(status: StatusCode, content_type: Option<&'static str>, body: Body) -> Self {
        let mut response = http::Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        Self(response)
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// The body; empty for one that is made while it is sent.
    pub fn body(&self) -> &Bytes {
        self.0.body().whole()
    }

    /// Adds a header, beside any of the same name (`Set-Cookie` may come more than once).
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers_mut().append(name, value);
        self
    }

    /// Sets these headers, in place of those of the same names.
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.0.headers_mut().extend(headers);
        self
    }

    /// Says what a page may do, and that nobody may frame it.
    fn under(self, policy: &ContentSecurityPolicy) -> Self {
        self.with_header(CONTENT_SECURITY_POLICY, policy.header()).with_header(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"))
    }

    /// Says up to which position the log has what this answer tells.
    pub fn at_position(mut self, position: u64) -> Self {
        self.0.headers_mut().insert(POSITION, position.into());
        self
    }

    /// Lets anyone keep the answer for so many seconds: for public documents only.
    pub fn cache_for(mut self, seconds: u64) -> Self {
        let value = HeaderValue::try_from(format!("public, max-age={seconds}"));
        if let Ok(value) = value {
            self.0.headers_mut().insert(CACHE_CONTROL, value);
        }
        self
    }

    /// RFC 6749 §5.1: a response with tokens has both headers.
    pub fn no_cache_for_http_1_0(mut self) -> Self {
        self.0.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
        self
    }

    /// The answer to HEAD (RFC 9110 §9.3.2): the headers of GET, its length included where it is known, and no content.
    pub(crate) fn without_body(mut self) -> Self {
        if let Body::Whole(body) = self.0.body() {
            let length = body.len();
            self.0.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        *self.0.body_mut() = Body::Whole(Bytes::new());
        self
    }

    /// Notes something for the code that sends the response.
    pub(crate) fn note<T: Clone + Send + Sync + 'static>(mut self, note: T) -> Self {
        self.0.extensions_mut().insert(note);
        self
    }

    pub(crate) fn into_http(self) -> http::Response<Body> {
        self.0
    }
}

fn serialized(status: StatusCode, content_type: &'static str, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => Response::new(status, Some(content_type), bytes),
        Err(cause) => broken(cause),
    }
}

/// A reply that can't be written is a bug; its caller gets a 500 without words.
fn broken(cause: impl fmt::Display) -> Response {
    tracing::error!(%cause, "a reply can't be written");
    Response::new(StatusCode::INTERNAL_SERVER_ERROR, None, Bytes::new())
}

/// 200 with a JSON document.
pub fn ok(body: &impl Serialize) -> Response {
    json(StatusCode::OK, body)
}

/// 201 with a JSON document: what was created.
pub fn created(body: &impl Serialize) -> Response {
    json(StatusCode::CREATED, body)
}

/// A JSON document.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    serialized(status, "application/json", body)
}

/// 200 with bytes of another type: a token in JWT form, a script, metrics.
pub fn content(content_type: &'static str, body: impl Into<Bytes>) -> Response {
    Response::new(StatusCode::OK, Some(content_type), body)
}

/// 200 with a file that is made while it is sent. Its parts are asked for one by one, each when the caller has taken the one
/// before. The deadline of a request is for the first of its headers to be answered, not for the last byte of this. An error
/// breaks the connection off, so that nobody takes a part for the whole.
pub fn download<S, E>(content_type: &'static str, name: &'static str, parts: S) -> Response
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
{
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    let response = Response::with_body(StatusCode::OK, Some(content_type), Body::parts(parts));
    match disposition {
        Ok(disposition) => response.with_header(CONTENT_DISPOSITION, disposition),
        Err(cause) => broken(cause),
    }
}

/// 200 without content (RFC 7009 §2.2).
pub fn empty() -> Response {
    Response::new(StatusCode::OK, None, Bytes::new())
}

/// 204: done, nothing to tell.
pub fn no_content() -> Response {
    Response::new(StatusCode::NO_CONTENT, None, Bytes::new())
}

/// 303: the browser goes there with GET, whatever method it came with (RFC 9700 §4.12: never 307).
pub fn see_other(location: &str) -> Response {
    redirect(StatusCode::SEE_OTHER, location)
}

/// 302, for a page that moved and nothing that carries a form.
pub fn found(location: &str) -> Response {
    redirect(StatusCode::FOUND, location)
}

fn redirect(status: StatusCode, location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => Response::new(status, None, Bytes::new()).with_header(LOCATION, location),
        Err(cause) => broken(cause),
    }
}

/// 200 with a page.
pub fn html(page: impl Into<Bytes>, policy: &ContentSecurityPolicy) -> Response {
    document(StatusCode::OK, page.into(), policy)
}

/// 400 with a page: for errors that a person meets and that must not be sent anywhere (RFC 6749 §4.1.2.1).
pub fn html_error(page: impl Into<Bytes>, policy: &ContentSecurityPolicy) -> Response {
    document(StatusCode::BAD_REQUEST, page.into(), policy)
}

fn document(status: StatusCode, page: Bytes, policy: &ContentSecurityPolicy) -> Response {
    Response::new(status, Some("text/html; charset=utf-8"), page).under(policy)
}

/// 200 with a public file that may be kept, if each use asks first whether it is still the same; 304 when it is, as the
/// `If-None-Match` of the request tells (RFC 9110 §13.1.2).
pub fn file(
    content_type: &'static str,
    bytes: &'static [u8],
    tag: &HeaderValue,
    known: Option<&str>,
    policy: &ContentSecurityPolicy,
) -> Response {
    let is_known = known.is_some_and(|known| known.trim() == "*" || known.split(',').any(|own| weak(own.trim()) == tag.as_bytes()));
    let response = if is_known {
        Response::new(StatusCode::NOT_MODIFIED, None, Bytes::new())
    } else {
        Response::new(StatusCode::OK, Some(content_type), Bytes::from_static(bytes))
    };
    let mut response = response.under(policy).with_header(ETAG, tag.clone());
    response.0.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// RFC 9110 §8.8.3.2: what may be used again is compared weakly.
fn weak(tag: &str) -> &[u8] {
    tag.strip_prefix("W/").unwrap_or(tag).as_bytes()
}

/// A problem of the JSON API. Endpoints return a [`crate::problem::Problem`] instead of calling this.
pub(crate) fn problem(status: StatusCode, body: &ProblemBody) -> Response {
    serialized(status, "application/problem+json", body)
}

/// 401 without content: the challenge says it all (RFC 6750 §3.1).
pub(crate) fn unauthorized() -> Response {
    Response::new(StatusCode::UNAUTHORIZED, None, Bytes::new())
}

/// 503 for a process that is not ready, as plain text for probes.
pub(crate) fn not_ready(reason: &str) -> Response {
    Response::new(StatusCode::SERVICE_UNAVAILABLE, Some("text/plain; charset=utf-8"), reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_has_the_security_headers() {
        for response in [ok(&1), empty(), no_content(), see_other("https://a.example/"), html("", &ContentSecurityPolicy::closed())] {
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert_eq!(response.headers()["x-content-type-options"], "nosniff");
            assert_eq!(response.headers()["referrer-policy"], "no-referrer");
        }
    }

    #[test]
    fn a_page_can_not_be_framed() {
        let page = html("<p>", &ContentSecurityPolicy::closed());
        assert_eq!(page.headers()["x-frame-options"], "DENY");
        assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"));
    }

    #[test]
    fn rfc9110_13_1_2_a_file_that_is_known_is_not_sent_again() {
        let tag = HeaderValue::from_static("\"7\"");
        let sent = |known| file("text/css", b"a{}", &tag, known, &ContentSecurityPolicy::closed());
        for known in ["\"7\"", "W/\"7\"", "\"6\", \"7\"", "*"] {
            let response = sent(Some(known));
            assert_eq!((response.status(), response.body().len()), (StatusCode::NOT_MODIFIED, 0), "{known}");
            assert_eq!(response.headers()["etag"], "\"7\"");
        }
        for known in [None, Some("\"8\""), Some("7"), Some("")] {
            let response = sent(known);
            assert_eq!((response.status(), response.body().len()), (StatusCode::OK, 3), "{known:?}");
            assert_eq!(response.headers()["cache-control"], "no-cache");
        }
    }

    #[test]
    fn a_public_document_may_be_kept() {
        assert_eq!(ok(&1).cache_for(300).headers()["cache-control"], "public, max-age=300");
    }

    #[test]
    fn a_location_can_not_smuggle_a_header() {
        let response = see_other("https://a.example/\r\nSet-Cookie: a=b");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(response.headers().get("location").is_none());
    }

    #[test]
    fn a_write_tells_its_position() {
        assert_eq!(created(&1).at_position(42).headers()["grantlog-position"], "42");
    }
}
