//! RFC 9457 problems: the error dialect of the JSON API.
//!
//! A problem has a public text and a private cause. The cause is logged once, where the problem becomes a response,
//! with the request id that the caller gets too; nothing can put it into the response.

mod registry;

use std::{borrow::Cow, collections::BTreeMap, fmt};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

pub use registry::{ProblemCode, problems_markdown};

use crate::{
    oauth_error::OAuthFailure,
    reply::{self, Context, Dialect, IntoResponse, Response},
};

/// How long a caller should wait when the store could not answer and nothing better is known.
pub(crate) const RETRY_AFTER_SECONDS: u64 = 2;

/// An error of the JSON API, before it becomes a response.
#[derive(Debug)]
pub struct Problem(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: ProblemCode,
    detail: Cow<'static, str>,
    field: Option<String>,
    members: BTreeMap<&'static str, Value>,
    headers: HeaderMap,
    cause: Option<String>,
}

/// The body of a problem (RFC 9457 §3).
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemBody {
    /// A URL that names the kind of problem and leads to its explanation.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in words. The same for every problem of this kind.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time.
    pub detail: Cow<'static, str>,
    /// The last part of `type`: what programs should branch on.
    pub code: &'static str,
    /// The field, parameter or header that is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The id of the request, as in the header `Grantlog-Request-Id`.
    pub request_id: String,
    /// Members that only some kinds of problem have (RFC 9457 §3.2).
    #[serde(flatten)]
    #[schema(inline, additional_properties)]
    pub members: BTreeMap<&'static str, Value>,
}

impl Problem {
    /// A problem of this kind. The detail is read by the caller.
    pub fn new(code: ProblemCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner { code, detail: detail.into(), field: None, members: BTreeMap::new(), headers: HeaderMap::new(), cause: None }))
    }

    /// A value of the request that can't be accepted, and which one it is.
    pub fn invalid_field(field: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemCode::InvalidField, detail).field(field)
    }

    /// There are no credentials, or they are not valid. RFC 9110 §15.5.2: a 401 names a way to authenticate.
    pub fn unauthenticated(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemCode::Unauthenticated, detail).header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"grantlog\""))
    }

    /// The caller is known, and may know that it may not do this.
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemCode::Forbidden, detail)
    }

    /// There is nothing of this name, or the caller may not know of it.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemCode::NotFound, detail)
    }

    /// Something that grantlog needs can't be reached, or answered too late. The caller may try again.
    pub fn unavailable(cause: impl fmt::Display) -> Self {
        Self::new(ProblemCode::Unavailable, "The service can't answer just now. Try again.")
            .retry_after(RETRY_AFTER_SECONDS)
            .caused_by(cause)
    }

    /// A bug of ours.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(ProblemCode::Internal, "Something went wrong in grantlog. Tell its operator the request id.").caused_by(cause)
    }

    /// Says which field, parameter or header is to blame.
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// Adds an extension member (RFC 9457 §3.2).
    pub fn member(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.members.insert(name, value.into());
        self
    }

    /// Adds a header to the response.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Says after how many seconds a retry may succeed.
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(RETRY_AFTER, seconds.into())
    }

    /// Records what the operator has to know and the caller must not.
    pub fn caused_by(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// The kind of problem.
    pub fn code(&self) -> ProblemCode {
        self.0.code
    }

    /// What went wrong this time.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The field, parameter or header that is to blame.
    pub fn blamed_field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// Its parts, for the other dialect: code, detail, headers and cause.
    pub(crate) fn into_parts(self) -> (ProblemCode, Cow<'static, str>, HeaderMap, Option<String>) {
        let inner = *self.0;
        (inner.code, inner.detail, inner.headers, inner.cause)
    }
}

impl IntoResponse for Problem {
    fn into_response(self, context: &Context) -> Response {
        if context.dialect() == Dialect::OAuth {
            return OAuthFailure::from(self).into_response(context);
        }
        let inner = *self.0;
        context.log_cause(inner.code.name(), inner.code.status(), inner.cause.as_deref());
        let body = ProblemBody {
            kind: format!("{}/problems#{}", context.docs_base(), inner.code.name()),
            title: inner.code.title(),
            status: inner.code.status().as_u16(),
            detail: inner.detail,
            code: inner.code.name(),
            field: inner.field,
            request_id: context.request_id().to_string(),
            members: inner.members,
        };
        reply::problem(inner.code.status(), &body).with_headers(inner.headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::RequestId;

    #[test]
    fn rfc9457_3_a_problem_has_every_member_and_never_its_cause() {
        let context = Context::new(RequestId::new(), "https://docs.example".into());
        let problem = Problem::invalid_field("redirect_uris[0]", "not a URL").member("seen", 3).caused_by("hunter2");
        let response = problem.into_response(&context);
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        let expected = serde_json::json!({
            "type": "https://docs.example/problems#invalid_field", "title": "A field is not acceptable", "status": 400,
            "detail": "not a URL", "code": "invalid_field", "field": "redirect_uris[0]", "seen": 3,
            "request_id": context.request_id().to_string(),
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn rfc9110_15_5_2_a_401_names_a_way_to_authenticate() {
        let response = Problem::unauthenticated("no key").into_response(&Context::new(RequestId::new(), "".into()));
        assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"grantlog\"");
    }

    #[test]
    fn a_503_says_when_to_try_again() {
        let response = Problem::unavailable("disk full").into_response(&Context::new(RequestId::new(), "".into()));
        assert_eq!(response.headers()["retry-after"], "2");
        assert!(!String::from_utf8_lossy(response.body()).contains("disk"));
    }
}
