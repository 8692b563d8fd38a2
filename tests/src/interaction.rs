use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use url::Url;

use crate::{Answer, TestServer};

/// The calls that the application's pages make.
impl TestServer {
    /// Takes a request in.
    pub async fn create(&self, body: &Value) -> Answer {
        self.call("consent", Method::POST, "/v1/authorization-requests", Some(body)).await
    }

    /// Looks at a request.
    pub async fn read(&self, id: &str) -> Answer {
        self.call("consent", Method::GET, &format!("/v1/authorization-requests/{id}"), None).await
    }

    /// Says who is there.
    pub async fn attest(&self, id: &str, body: &Value) -> Answer {
        self.call("consent", Method::PUT, &format!("/v1/authorization-requests/{id}/subject"), Some(body)).await
    }

    /// Says what the person decided.
    pub async fn decide(&self, id: &str, body: &Value) -> Answer {
        self.call("consent", Method::POST, &format!("/v1/authorization-requests/{id}/decision"), Some(body)).await
    }

    /// Ana, who logged in so many seconds ago.
    pub fn ana(&self, seconds_ago: i64) -> Value {
        json!({"id": "ana", "auth_time": self.now().as_seconds() - seconds_ago})
    }

    /// Comes with a browser, and with this cookie if it has one.
    pub async fn browse(&self, location: &str, cookie: Option<&str>) -> Answer {
        let path = location.strip_prefix(self.issuer()).unwrap_or(location);
        let mut request = http::Request::get(path);
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        self.send(request.body(Bytes::new()).expect("a request")).await
    }

    /// Posts a body of any type, with no credentials.
    pub async fn post(&self, path: &str, content_type: &str, body: impl Into<Bytes>) -> Answer {
        let request = http::Request::post(path).header("content-type", content_type);
        self.send(request.body(body.into()).expect("a request")).await
    }

    /// Changes what is registered about a client: the members given here replace those that were there.
    pub async fn change(&self, client: &Value, members: Value) -> Value {
        let path = format!("/v1/clients/{}", client["client_id"].as_str().unwrap_or_default());
        let mut metadata = self.call("admin", Method::GET, &path, None).await.expect(200);
        if let (Some(metadata), Value::Object(members)) = (metadata.as_object_mut(), members) {
            for told in
                ["client_id", "state", "secret_rotation_underway", "registered_at", "registration", "verified", "lease_until", "used"]
            {
                metadata.remove(told);
            }
            metadata.extend(members);
        }
        self.call("admin", Method::PUT, &path, Some(&metadata)).await.expect(200)
    }
}

/// The parameters in the query of a URL.
#[track_caller]
pub fn parameters_of(url: &Value) -> BTreeMap<String, String> {
    let url = url.as_str().unwrap_or_else(|| panic!("no URL: {url}"));
    Url::parse(url).unwrap_or_else(|error| panic!("{error}: {url}")).query_pairs().into_owned().collect()
}

impl Answer {
    /// A problem with this status and code (RFC 9457).
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{problem}");
        assert_eq!((problem["code"].as_str(), problem["status"].as_u64()), (Some(code), Some(status.into())), "{problem}");
        assert_eq!(problem["request_id"].as_str(), self.header("grantlog-request-id"), "{problem}");
        problem
    }

    /// An error of an OAuth endpoint with this status and code, which nobody keeps (RFC 6749 §5.2).
    #[track_caller]
    pub fn expect_oauth_error(&self, status: u16, code: &str) -> Value {
        let error = self.expect(status);
        assert_eq!(error["error"], code, "{error}");
        assert!(error["error_description"].as_str().is_some_and(|description| !description.is_empty()), "{error}");
        assert_eq!((self.header("content-type"), self.header("cache-control")), (Some("application/json"), Some("no-store")));
        error
    }
}
