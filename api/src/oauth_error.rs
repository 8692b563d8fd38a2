//! The error dialects of OAuth: RFC 6749 §5.2 JSON, and RFC 6750 §3 bearer challenges.

use std::{borrow::Cow, fmt};

use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    problem::{Problem, ProblemCode, RETRY_AFTER_SECONDS},
    reply::{self, Context, IntoResponse, Response},
};

/// The body of an OAuth error (RFC 6749 §5.2).
#[derive(Debug, Serialize, ToSchema)]
pub struct OAuthErrorBody {
    /// A registered error code.
    pub error: Cow<'static, str>,
    /// What went wrong, for the developer of the client.
    pub error_description: String,
}

/// An error of an OAuth endpoint, before it becomes a response.
#[derive(Debug)]
pub struct OAuthFailure(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Cow<'static, str>,
    description: String,
    status: StatusCode,
    headers: HeaderMap,
    cause: Option<String>,
}

impl OAuthFailure {
    /// An error with a registered code. The status goes with the code: 400, or 503 for `temporarily_unavailable`, which
    /// we borrow from RFC 6749 §4.1.2.1 because §5.2 has none for it, or 500 for `server_error`.
    pub fn new(code: impl Into<Cow<'static, str>>, description: impl Into<String>) -> Self {
        let code = code.into();
        let mut headers = HeaderMap::new();
        let status = match &*code {
            "temporarily_unavailable" => {
                headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS.into());
                StatusCode::SERVICE_UNAVAILABLE
            }
            "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        Self(Box::new(Inner { code, description: presentable(&description.into()), status, headers, cause: None }))
    }

    /// `invalid_client`. RFC 6749 §5.2: 401 with a challenge when the client tried to authenticate by the header
    /// `Authorization`. Otherwise 400, since RFC 9110 §15.5.2 has no 401 without a challenge.
    pub fn invalid_client(description: impl Into<String>, used_authorization_header: bool) -> Self {
        let mut failure = Self::new("invalid_client", description);
        if used_authorization_header {
            failure.0.status = StatusCode::UNAUTHORIZED;
            failure.0.headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"grantlog\""));
        }
        failure
    }

    /// The API key of a caller that is no client is missing or no good. RFC 7662 §2.3: 401, with the challenges of both
    /// schemes that the key may come in (RFC 9110 §11.6.1).
    pub fn invalid_caller(description: impl Into<String>) -> Self {
        let mut failure = Self::invalid_client(description, true);
        let challenges = HeaderValue::from_static("Basic realm=\"grantlog\", Bearer realm=\"grantlog\"");
        failure.0.headers.insert(WWW_AUTHENTICATE, challenges);
        failure
    }

    /// The store can't be reached, or too many decided at once. The caller may try again.
    pub fn temporarily_unavailable(cause: impl fmt::Display) -> Self {
        Self::new("temporarily_unavailable", "The service can't answer just now. Try again.").caused_by(cause)
    }

    /// Records what the operator has to know and the caller must not.
    pub fn caused_by(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// The error code.
    pub fn code(&self) -> &str {
        &self.0.code
    }
}

/// What goes wrong before an endpoint is reached is a problem; an OAuth endpoint words it in its own dialect.
impl From<Problem> for OAuthFailure {
    fn from(problem: Problem) -> Self {
        let (code, detail, headers, cause) = problem.into_parts();
        let (name, status) = match code {
            ProblemCode::Internal => ("server_error", code.status()),
            // No registered code says "slow down" here, other than for the device grant (RFC 8628 §3.5).
            ProblemCode::TooManyRequests | ProblemCode::Unavailable => ("temporarily_unavailable", code.status()),
            ProblemCode::BodyTooLarge
            | ProblemCode::RequestTimeout
            | ProblemCode::MethodNotAllowed
            | ProblemCode::NoSuchEndpoint
            | ProblemCode::NotFound
            | ProblemCode::Dropped => ("invalid_request", code.status()),
            ProblemCode::Unauthenticated => ("invalid_client", code.status()),
            ProblemCode::Forbidden => ("unauthorized_client", code.status()),
            // RFC 6749 §5.2: everything that is wrong with the request itself is 400, the media type included.
            ProblemCode::InvalidJson
            | ProblemCode::InvalidField
            | ProblemCode::InvalidHeader
            | ProblemCode::MalformedRequest
            | ProblemCode::UnsupportedMediaType
            | ProblemCode::Conflict
            | ProblemCode::InvalidPolicy
            | ProblemCode::ScopeNotGrantable
            | ProblemCode::RequiredScopeMissing
            | ProblemCode::InvalidMetadata
            | ProblemCode::IdempotencyKeyReused => ("invalid_request", StatusCode::BAD_REQUEST),
        };
        Self(Box::new(Inner { code: name.into(), description: presentable(&detail), status, headers, cause }))
    }
}

impl IntoResponse for OAuthFailure {
    fn into_response(self, context: &Context) -> Response {
        let inner = *self.0;
        context.log_cause(&inner.code, inner.status, inner.cause.as_deref());
        let body = OAuthErrorBody { error: inner.code, error_description: inner.description };
        reply::json(inner.status, &body).with_headers(inner.headers).with_header(PRAGMA, HeaderValue::from_static("no-cache"))
    }
}

/// An error of a protocol resource that takes an access token (RFC 6750 §3.1), such as userinfo.
#[derive(Debug)]
pub struct BearerFailure(Refusal);

#[derive(Debug)]
enum Refusal {
    Challenge {
        status: StatusCode,
        error: Option<(&'static str, String)>,
        scope: Option<String>,
    },
    /// Nothing to do with the token.
    Other(Problem),
}

impl BearerFailure {
    /// RFC 6750 §3.1: a request without credentials gets a challenge without an error code.
    pub fn missing() -> Self {
        Self(Refusal::Challenge { status: StatusCode::UNAUTHORIZED, error: None, scope: None })
    }

    /// The token is expired, revoked or otherwise not valid.
    pub fn invalid_token(description: &str) -> Self {
        Self::coded(StatusCode::UNAUTHORIZED, "invalid_token", description, None)
    }

    /// The request is malformed: credentials given in more than one way, for example.
    pub fn invalid_request(description: &str) -> Self {
        Self::coded(StatusCode::BAD_REQUEST, "invalid_request", description, None)
    }

    /// The token is valid, but lacks these scopes.
    pub fn insufficient_scope(scope: &str, description: &str) -> Self {
        Self::coded(StatusCode::FORBIDDEN, "insufficient_scope", description, Some(presentable(scope)))
    }

    fn coded(status: StatusCode, code: &'static str, description: &str, scope: Option<String>) -> Self {
        Self(Refusal::Challenge { status, error: Some((code, presentable(description))), scope })
    }
}

impl From<Problem> for BearerFailure {
    fn from(problem: Problem) -> Self {
        Self(Refusal::Other(problem))
    }
}

impl IntoResponse for BearerFailure {
    fn into_response(self, context: &Context) -> Response {
        let (status, error, scope) = match self.0 {
            Refusal::Challenge { status, error, scope } => (status, error, scope),
            Refusal::Other(problem) => return problem.into_response(context),
        };
        let challenge = challenge(error.as_ref(), scope.as_deref());
        let response = match error {
            Some((code, error_description)) => reply::json(status, &OAuthErrorBody { error: code.into(), error_description }),
            None => reply::unauthorized(),
        };
        response.with_header(WWW_AUTHENTICATE, challenge)
    }
}

/// RFC 6750 §3: the challenge. Its values were made presentable, so a quoted string can hold them.
fn challenge(error: Option<&(&'static str, String)>, scope: Option<&str>) -> HeaderValue {
    let mut text = String::from("Bearer realm=\"grantlog\"");
    let (code, description) = (error.map(|(code, _)| *code), error.map(|(_, description)| description.as_str()));
    for (name, value) in [("error", code), ("error_description", description), ("scope", scope)] {
        if let Some(value) = value {
            text.extend([", ", name, "=\"", value, "\""]);
        }
    }
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("Bearer realm=\"grantlog\""))
}

/// RFC 6749 §5.2, RFC 6750 §3: descriptions have the characters %x20-21, %x23-5B and %x5D-7E only.
fn presentable(text: &str) -> String {
    let allowed = |character| match character {
        '"' => '\'',
        '\\' => '/',
        ' '..='~' => character,
        _ => '?',
    };
    text.chars().map(allowed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::RequestId;

    fn respond(failure: impl IntoResponse) -> Response {
        failure.into_response(&Context::new(RequestId::new(), "".into()))
    }

    #[test]
    fn rfc6749_5_2_an_error_is_json_that_nobody_keeps() {
        let response = respond(OAuthFailure::new("invalid_grant", "the code \"x\" is \u{e9}xpired"));
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["pragma"], "no-cache");
        assert_eq!(&response.body()[..], br#"{"error":"invalid_grant","error_description":"the code 'x' is ?xpired"}"#);
    }

    #[test]
    fn rfc6749_5_2_invalid_client_is_challenged_when_it_used_the_header() {
        let response = respond(OAuthFailure::invalid_client("no", true));
        assert_eq!(
            (response.status().as_u16(), &response.headers()["www-authenticate"]),
            (401, &HeaderValue::from_static("Basic realm=\"grantlog\""))
        );
        let response = respond(OAuthFailure::invalid_client("no", false));
        assert_eq!((response.status().as_u16(), response.headers().get("www-authenticate")), (400, None));
    }

    #[test]
    fn store_trouble_is_503_and_says_when_to_return() {
        let response = respond(OAuthFailure::temporarily_unavailable("disk full"));
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &HeaderValue::from_static("2")));
        assert!(!String::from_utf8_lossy(response.body()).contains("disk"));
    }

    #[test]
    fn rfc6749_5_2_a_wrong_media_type_is_invalid_request() {
        let response = respond(OAuthFailure::from(Problem::new(ProblemCode::UnsupportedMediaType, "x")));
        assert_eq!(response.status(), 400);
        assert!(response.body().starts_with(b"{\"error\":\"invalid_request\""));
    }

    #[test]
    fn rfc6750_3_1_without_credentials_there_is_no_error_code() {
        let response = respond(BearerFailure::missing());
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"grantlog\"");
    }

    #[test]
    fn rfc6750_3_1_errors_are_in_the_challenge() {
        let response = respond(BearerFailure::insufficient_scope("openid email", "say \"please\"\r\n"));
        assert_eq!(response.status(), 403);
        let expected =
            "Bearer realm=\"grantlog\", error=\"insufficient_scope\", error_description=\"say 'please'??\", scope=\"openid email\"";
        assert_eq!(response.headers()["www-authenticate"], expected);
        assert_eq!(respond(BearerFailure::invalid_token("expired")).status(), 401);
        assert_eq!(respond(BearerFailure::invalid_request("twice")).status(), 400);
    }
}
