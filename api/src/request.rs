//! A request as endpoints see it: raw values, read by our own code, so that every error is ours.

pub(crate) mod body;

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use bytes::Bytes;
use grantlog_core::protocol::from_strict;
use http::{HeaderMap, Method, header::CONTENT_TYPE};
use serde::de::DeserializeOwned;

use crate::{
    percent::decode_query,
    problem::{Problem, ProblemCode},
    trace::RequestId,
};

/// A reader asks with this header not to be answered from before a position.
pub const MIN_POSITION: &str = "grantlog-min-position";

/// A request whose body has arrived.
pub struct Request {
    /// The method.
    pub method: Method,
    /// The parameters of the path, decoded, in the template's order.
    pub params: Vec<(Arc<str>, String)>,
    /// The query as it was sent, without its question mark; empty when there is none.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The address of the client; proxies that are trusted are seen through.
    pub peer: IpAddr,
    /// Our id of the request.
    pub request_id: RequestId,
}

/// Query, headers and body may hold secrets.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("method", &self.method).field("request_id", &self.request_id).finish_non_exhaustive()
    }
}

impl Request {
    /// A parameter of the path.
    pub fn param(&self, name: &str) -> Result<&str, Problem> {
        let found = self.params.iter().find(|(own, _)| **own == *name);
        found.map(|(_, value)| value.as_str()).ok_or_else(|| Problem::internal(format_args!("the template has no parameter {name}")))
    }

    /// A parameter of the path that is an id. A text that is no id names nothing: 404.
    pub fn id<T: FromStr>(&self, name: &str) -> Result<T, Problem> {
        self.param(name)?.parse().map_err(|_| Problem::not_found("There is nothing of this id.").field(name))
    }

    /// A parameter of the query of the JSON API. One that is repeated is an error, since either could be meant.
    pub fn query_param(&self, name: &str) -> Result<Option<String>, Problem> {
        let mut found = None;
        for pair in self.query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let unreadable = |_| Problem::new(ProblemCode::MalformedRequest, "The query is not percent-encoded UTF-8.");
            if decode_query(key).map_err(unreadable)? != name {
                continue;
            }
            if found.replace(decode_query(value).map_err(unreadable)?).is_some() {
                return Err(Problem::invalid_field(name, "The parameter is given more than once."));
            }
        }
        Ok(found)
    }

    /// A header that may be given once.
    pub fn header(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        let invalid = |detail| Problem::new(ProblemCode::InvalidHeader, detail).field(name);
        let mut values = self.headers.get_all(name).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(invalid("The header is given more than once."));
        }
        value.to_str().map(Some).map_err(|_| invalid("The header has characters that are not visible ASCII."))
    }

    /// The position that the answer must not be older than.
    pub fn min_position(&self) -> Result<Option<u64>, Problem> {
        let number = |text: &str| {
            let invalid = |_| Problem::new(ProblemCode::InvalidHeader, "The position is not a whole number.").field(MIN_POSITION);
            text.parse().map_err(invalid)
        };
        self.header(MIN_POSITION)?.map(number).transpose()
    }

    /// Is the body of this media type? Parameters such as `charset` are ignored: both types we read are UTF-8.
    pub fn has_content_type(&self, expected: &str) -> Result<bool, Problem> {
        let Some(value) = self.header(CONTENT_TYPE.as_str())? else { return Ok(false) };
        let essence = value.split(';').next().unwrap_or_default();
        Ok(essence.trim().eq_ignore_ascii_case(expected))
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if !self.has_content_type("application/json")? {
            return Err(Problem::new(ProblemCode::UnsupportedMediaType, "Send the body as application/json."));
        }
        from_strict(&self.body).map_err(|error| {
            let problem = Problem::new(ProblemCode::InvalidJson, error.to_string());
            match error.field() {
                Some(field) => problem.field(field),
                None => problem,
            }
        })
    }

    /// The body as a form, still encoded. For OAuth endpoints: a wrong type becomes `invalid_request` there
    /// (RFC 6749 §5.2).
    pub fn form(&self) -> Result<&[u8], Problem> {
        if self.has_content_type("application/x-www-form-urlencoded")? {
            return Ok(&self.body);
        }
        Err(Problem::new(ProblemCode::UnsupportedMediaType, "Send the parameters as application/x-www-form-urlencoded."))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde::Deserialize;

    use super::*;

    fn request() -> Request {
        Request {
            method: Method::POST,
            params: vec![("id".into(), "ana".to_owned())],
            query: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            peer: [127, 0, 0, 1].into(),
            request_id: RequestId::new(),
        }
    }

    fn with_header(name: &'static str, values: &[&'static [u8]]) -> Request {
        let mut request = request();
        for value in values {
            request.headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        request
    }

    fn code<T>(result: Result<T, Problem>) -> ProblemCode {
        match result {
            Ok(_) => panic!("accepted"),
            Err(problem) => problem.code(),
        }
    }

    #[test]
    fn a_header_given_twice_is_an_error() {
        assert_eq!(code(with_header("authorization", &[b"a", b"b"]).header("authorization")), ProblemCode::InvalidHeader);
        assert_eq!(code(with_header("authorization", &[b"\xffa"]).header("authorization")), ProblemCode::InvalidHeader);
        assert_eq!(with_header("authorization", &[b"a"]).header("authorization").unwrap(), Some("a"));
        assert_eq!(request().header("authorization").unwrap(), None);
    }

    #[test]
    fn parameters_of_the_media_type_are_ignored() {
        assert!(with_header("content-type", &[b"Application/JSON ; charset=utf-8"]).has_content_type("application/json").unwrap());
        assert!(!with_header("content-type", &[b"application/json5"]).has_content_type("application/json").unwrap());
        assert_eq!(code(request().json::<u8>()), ProblemCode::UnsupportedMediaType);
        assert_eq!(code(request().form()), ProblemCode::UnsupportedMediaType);
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only parsed")]
        names: Vec<String>,
    }

    #[test]
    fn a_json_error_names_the_member() {
        let parse = |body: &'static str| {
            let mut request = with_header("content-type", &[b"application/json"]);
            request.body = Bytes::from_static(body.as_bytes());
            request.json::<Sample>()
        };
        assert!(parse("{\"names\":[\"a\"]}").is_ok());
        let problem = parse("{\"names\":[\"a\",3]}").unwrap_err();
        assert_eq!((problem.code(), problem.blamed_field()), (ProblemCode::InvalidJson, Some("names[1]")));
        for body in ["", "{", "{}", "{\"names\":[]} x", "{\"names\":[],\"names\":[]}", "{\"names\":[],\"x\":1}"] {
            assert_eq!(code(parse(body)), ProblemCode::InvalidJson, "{body}");
        }
    }

    #[test]
    fn a_query_parameter_given_twice_is_an_error() {
        let query = |text: &str| Request { query: text.to_owned(), ..request() };
        assert_eq!(query("limit=5&cursor=a+b%26").query_param("cursor").unwrap().as_deref(), Some("a b&"));
        assert_eq!(query("limit=5").query_param("cursor").unwrap(), None);
        assert_eq!(code(query("a=1&%61=2").query_param("a")), ProblemCode::InvalidField);
        assert_eq!(code(query("a=%ff").query_param("a")), ProblemCode::MalformedRequest);
    }

    #[test]
    fn a_text_that_is_no_id_names_nothing() {
        assert_eq!(code(request().id::<uuid::Uuid>("id")), ProblemCode::NotFound);
        assert_eq!(request().id::<String>("id").unwrap(), "ana");
    }

    #[test]
    fn a_position_is_a_whole_number() {
        assert_eq!(with_header(MIN_POSITION, &[b"42"]).min_position().unwrap(), Some(42));
        assert_eq!(code(with_header(MIN_POSITION, &[b"-1"]).min_position()), ProblemCode::InvalidHeader);
    }
}
