use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::TryStreamExt;
use grantlog_core::store::{EventStore, Recorded};
use http::Method;
use serde_json::{Map, Value, json};

use crate::{Answer, TestServer};

impl Answer {
    /// Status and body, to compare at one glance. An empty body is null.
    pub fn told(&self) -> (u16, Value) {
        let body = if self.body.is_empty() { Value::Null } else { self.json() };
        (self.status.as_u16(), body)
    }

    /// Status and `error` of an OAuth error.
    #[track_caller]
    pub fn oauth_error(&self) -> (u16, String) {
        let body = self.json();
        let error = body["error"].as_str().unwrap_or_else(|| panic!("no OAuth error: {} {body}", self.status));
        assert!(body["error_description"].is_string(), "{body}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{body}");
        (self.status.as_u16(), error.to_owned())
    }

    /// Status, `code` and `field` of a problem.
    #[track_caller]
    pub fn problem(&self) -> (u16, String, Option<String>) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{} {:?}", self.status, self.body);
        let body = self.json();
        assert_eq!(body["status"], self.status.as_u16(), "{body}");
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        (self.status.as_u16(), text("code").unwrap_or_else(|| panic!("no code in {body}")), text("field"))
    }
}

/// HTTP Basic with the name and the password as they are, neither form-encoded.
pub fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")))
}

/// A member of a JSON object that is a text.
#[track_caller]
pub fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_else(|| panic!("no {name} in {object}"))
}

impl TestServer {
    /// The `Authorization` header of an API key with this role.
    pub fn key(&self, role: &str) -> String {
        format!("Bearer {}", self.keys[role])
    }

    /// Sends a request with these headers.
    pub async fn request(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let request = http::Request::builder().method(method).uri(path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(body.into()).expect("a request")).await
    }

    /// Everything that is in the log.
    pub async fn events(&self) -> Vec<Arc<Recorded>> {
        self.store.read_all(None).try_collect().await.expect("the log can be read")
    }

    /// Calls the JSON API as an administrator.
    pub async fn admin(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.call("admin", method, path, body).await
    }

    /// Registers a client that differs from the usual confidential one in these members; null leaves one out.
    pub async fn client_with(&self, members: Value) -> Value {
        let usual = json!({
            "client_name": "Weather by Mail",
            "redirect_uris": ["https://weather.example.com/callback"],
            "scope": "openid profile email offline_access notes.read",
        });
        self.register(merged(usual, members)).await
    }

    /// Registers a machine client that differs from the usual one in these members.
    pub async fn machine_client(&self, members: Value) -> Value {
        let usual = json!({"client_type": "machine", "client_name": "Nightly Export", "scope": "notes.read"});
        self.register(merged(usual, members)).await
    }

    /// Registers a client as itself, with an initial access token if there is one.
    pub async fn register_itself(&self, initial_access_token: Option<&str>, said: &Value) -> Answer {
        let authorization = initial_access_token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(authorization.as_deref().map(|authorization| ("authorization", authorization)));
        self.request(Method::POST, "/oauth2/register", &headers, said.to_string()).await
    }

    /// Sends a request to the registration of a client, as the client that was registered so.
    pub async fn manage(&self, method: Method, registered: &Value, body: Option<&Value>) -> Answer {
        let path = text(registered, "registration_client_uri").strip_prefix(self.issuer()).expect("a URL of ours");
        let authorization = format!("Bearer {}", text(registered, "registration_access_token"));
        let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
        self.request(method, path, &headers, body.map(Value::to_string).unwrap_or_default()).await
    }

    /// An access token of a machine client.
    pub async fn machine_token(&self, client: &Value) -> String {
        let answer = self.as_client(client, "/oauth2/token", &[("grant_type", "client_credentials")]).await.expect(200);
        text(&answer, "access_token").to_owned()
    }

    /// Revokes a token as this client.
    pub async fn revoke(&self, client: &Value, token: &str) -> Answer {
        self.as_client(client, "/oauth2/revoke", &[("token", token)]).await
    }

    /// Introspects with an `Authorization` header of one's own.
    pub async fn introspect_as(&self, authorization: &str, token: &str) -> Answer {
        self.post_form("/oauth2/introspect", Some(authorization), &[("token", token)]).await
    }

    /// The grants of a subject.
    pub async fn grants(&self, subject: &str) -> Vec<Value> {
        let answer = self.admin(Method::GET, &format!("/v1/subjects/{subject}/grants"), None).await.expect(200);
        answer["grants"].as_array().expect("a list").clone()
    }
}

/// An object with these members in place of its own; null removes one.
pub fn merged(mut object: Value, members: Value) -> Value {
    let own: &mut Map<String, Value> = object.as_object_mut().expect("an object");
    for (name, value) in members.as_object().expect("an object") {
        match value {
            Value::Null => own.remove(name),
            value => own.insert(name.clone(), value.clone()),
        };
    }
    object
}
