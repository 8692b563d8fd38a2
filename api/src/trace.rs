//! Request ids, one log line per request, and the metrics of the HTTP side.
//!
//! The log line has the template of the route and never the path or the query: those may hold codes, tokens and the
//! names of persons.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::time::Instant;
use uuid::Uuid;

/// The header that every response has.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("grantlog-request-id");

/// Counts requests by route, method and status.
pub const REQUESTS_TOTAL: &str = "grantlog_http_requests_total";
/// Measures requests by route and method.
pub const REQUEST_DURATION: &str = "grantlog_http_request_duration_seconds";

/// Our id of a request. What a client sends as an id is logged, never trusted: two requests could share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(Uuid);

impl RequestId {
    /// A fresh id.
    #[expect(clippy::new_without_default, reason = "a default value that differs each time would surprise")]
    #[expect(clippy::disallowed_methods, reason = "a request id decides nothing; it only has to be unique and in order")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id as the value of a header.
    pub(crate) fn header(self) -> HeaderValue {
        let mut buffer = Uuid::encode_buffer();
        HeaderValue::from_str(self.0.as_hyphenated().encode_lower(&mut buffer)).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The template of the route that answered, noted on the response.
#[derive(Clone, Debug)]
pub(crate) struct AnsweredBy(pub(crate) Arc<str>);

/// One request under way. It writes its line when it is dropped, so one whose client went away is told of too.
pub(crate) struct Exchange {
    pub(crate) request_id: RequestId,
    pub(crate) client: IpAddr,
    method: Method,
    started: Instant,
    client_request_id: Option<String>,
    traceparent: Option<String>,
    answer: Option<(StatusCode, Option<Arc<str>>)>,
}

impl Exchange {
    pub(crate) fn begin(method: Method, headers: &HeaderMap, client: IpAddr) -> Self {
        Self {
            request_id: RequestId::new(),
            client,
            method,
            started: Instant::now(),
            client_request_id: well_formed(headers, "x-request-id", is_request_id),
            traceparent: well_formed(headers, "traceparent", is_traceparent),
            answer: None,
        }
    }

    /// Takes note of the answer.
    pub(crate) fn answered(&mut self, status: StatusCode, route: Option<Arc<str>>) {
        self.answer = Some((status, route));
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let elapsed = self.started.elapsed();
        let (status, route) = match self.answer.take() {
            Some((status, route)) => (status.as_u16(), route),
            // The client went away before there was an answer; nginx made this number common.
            None => (499, None),
        };
        let route = route.unwrap_or_else(|| "unmatched".into());
        let method = method_label(&self.method);
        tracing::info!(
            method,
            route = &*route,
            status,
            duration_ms = milliseconds(elapsed),
            request_id = %self.request_id,
            peer = %self.client,
            client_request_id = self.client_request_id.as_deref(),
            traceparent = self.traceparent.as_deref(),
            "request"
        );
        metrics::counter!(REQUESTS_TOTAL, "route" => route.clone(), "method" => method, "status" => status.to_string()).increment(1);
        metrics::histogram!(REQUEST_DURATION, "route" => route, "method" => method).record(elapsed.as_secs_f64());
    }
}

fn milliseconds(elapsed: Duration) -> f64 {
    elapsed.as_secs_f64() * 1000.0
}

/// Methods are free text; a label for each would let a client fill the memory of the metrics.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

fn well_formed(headers: &HeaderMap, name: &str, accept: fn(&str) -> bool) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| accept(text)).map(str::to_owned)
}

fn is_request_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// W3C Trace Context §3.2: `00-` trace id `-` parent id `-` flags, in lower-case hexadecimal.
fn is_traceparent(text: &str) -> bool {
    let lengths = [2, 32, 16, 2];
    let parts: Vec<_> = text.split('-').collect();
    let hexadecimal = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    parts.len() == lengths.len() && parts.iter().zip(lengths).all(|(part, length)| part.len() == length && hexadecimal(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_id_is_logged_only_when_it_can_not_forge_a_log_line() {
        assert!(is_request_id("req_1.A-b"));
        for text in ["", "a b", "a\"b", "a=b", &"a".repeat(65)] {
            assert!(!is_request_id(text), "{text}");
        }
    }

    #[test]
    fn trace_context_3_2_has_four_hexadecimal_parts() {
        assert!(is_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        for text in [
            "",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-1-2-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        ] {
            assert!(!is_traceparent(text), "{text}");
        }
    }

    #[test]
    fn an_unknown_method_has_no_label_of_its_own() {
        assert_eq!(method_label(&Method::from_bytes(b"BREW").unwrap()), "other");
    }

    #[test]
    fn ids_differ_and_fit_a_header() {
        let id = RequestId::new();
        assert_ne!(id, RequestId::new());
        assert_eq!(id.header(), id.to_string().as_str());
    }
}
