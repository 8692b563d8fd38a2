//! A tiny grantlog: it speaks the HTTP contract from memory and checks nothing that the demo's pages do not depend on.
#![expect(clippy::disallowed_methods, reason = "a stand-in for the server has neither its clock nor its entropy")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use warp::Filter;
use warp::reply::{Reply, Response};

/// The key the demo's application uses.
pub const CONSENT_KEY: &str = "glk_consent";
/// The key the demo's resource server uses.
pub const RESOURCE_SERVER_KEY: &str = "glk_resource_server";
/// The demo client.
pub const CLIENT_ID: &str = "postcard-press";
/// Its secret.
pub const CLIENT_SECRET: &str = "glc_secret";

/// What the fake remembers.
#[derive(Default)]
pub struct Memory {
    /// Members that every new authorization request gets on top, to act out special cases.
    pub overlay: Value,
    /// The client's name.
    pub client_name: String,
    /// What was called: `METHOD /path`, and the body.
    pub calls: Vec<(String, Value)>,
    requests: HashMap<String, Request>,
    grants: Vec<Value>,
    codes: HashMap<String, (String, String)>,
    /// Access and refresh tokens that are good, with the scope.
    tokens: HashMap<String, String>,
}

struct Request {
    resource: Value,
    query: HashMap<String, String>,
    binding: Value,
}

/// A running fake.
#[derive(Clone)]
pub struct Fake {
    /// Its issuer.
    pub issuer: String,
    demo_url: String,
    memory: Arc<Mutex<Memory>>,
}

impl Fake {
    /// Start one that sends browsers to the demo at this address.
    pub async fn start(address: &str, demo_url: &str) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(address).await?;
        let at: SocketAddr = listener.local_addr()?;
        let memory = Memory { client_name: "Postcard Press".to_owned(), ..Memory::default() };
        let fake = Self { issuer: format!("http://{at}"), demo_url: demo_url.to_owned(), memory: Arc::new(Mutex::new(memory)) };
        let answering = fake.clone();
        let routes = warp::method().and(warp::path::full()).and(warp::header::headers_cloned()).and(warp::body::bytes()).map(
            move |method, path: warp::path::FullPath, headers, body: warp::hyper::body::Bytes| {
                answering.answer(&method, path.as_str(), &headers, &body)
            },
        );
        tokio::spawn(warp::serve(routes).incoming(listener).run());
        Ok(fake)
    }

    /// Look into its memory, or change it.
    pub fn with<T>(&self, look: impl FnOnce(&mut Memory) -> T) -> T {
        look(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn answer(&self, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Response {
        let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
        let form: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        self.with(|memory| {
            memory.calls.push((format!("{method} {path}"), parsed.clone()));
            let api = segments.first() == Some(&"v1");
            let key = if api { CONSENT_KEY } else { RESOURCE_SERVER_KEY };
            let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
            if (api || path == "/oauth2/introspect") && authorization != format!("Bearer {key}") {
                return problem(401, "this key is not good");
            }
            match (method.as_str(), segments.as_slice()) {
                ("GET", [".well-known", _]) => ok(&json!({
                    "issuer": self.issuer, "authorization_endpoint": format!("{}/authorize", self.demo_url),
                    "token_endpoint": format!("{}/oauth2/token", self.issuer),
                })),
                ("POST", ["oauth2", "token"]) => self.token(memory, &form),
                ("POST", ["oauth2", "introspect"]) => {
                    let scope = form.get("token").and_then(|token| memory.tokens.get(token));
                    ok(&scope.map_or(json!({ "active": false }), |scope| json!({ "active": true, "scope": scope, "sub": "sub_1" })))
                }
                ("POST", ["v1", "authorization-requests"]) => memory.create(&parsed),
                (_, ["v1", "authorization-requests", id, rest @ ..]) => {
                    let Some(mut request) = memory.requests.remove(*id) else {
                        return problem(404, "no such authorization request");
                    };
                    let answer = if *method != Method::GET && request.binding != parsed["browser_binding"] {
                        problem(403, "this authorization request belongs to another browser")
                    } else {
                        match rest {
                            ["subject"] => request.attest(&parsed["subject"], memory),
                            ["decision"] => self.decide(memory, &mut request, &parsed),
                            _ => ok(&request.resource),
                        }
                    };
                    memory.requests.insert((*id).to_owned(), request);
                    answer
                }
                ("GET", ["v1", "subjects", _, "grants"]) => ok(&json!({ "grants": memory.grants })),
                ("DELETE", ["v1", "subjects", _, "grants", id]) => {
                    memory.grants.retain(|grant| grant["id"] != *id);
                    memory.tokens.clear();
                    StatusCode::NO_CONTENT.into_response()
                }
                ("GET", ["docs", ..]) => ok(&json!("the docs")),
                _ => problem(404, "no such path"),
            }
        })
    }

    fn decide(&self, memory: &mut Memory, request: &mut Request, decision: &Value) -> Response {
        if request.resource["state"] == "completed" {
            return reply(409, &json!({ "detail": "decided", "authorization_request": request.resource }));
        }
        let part = |name: &str| request.query.get(name).cloned().unwrap_or_default();
        let mut back = form_urlencoded::Serializer::new(String::new());
        if decision["decision"] == "approve" {
            let code = Uuid::now_v7().to_string();
            let scope: Vec<&str> = decision["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            memory.codes.insert(code.clone(), (scope.join(" "), part("nonce")));
            memory.grants = vec![json!({
                "id": "grant_1", "client": request.resource["client"], "organization_id": null, "scope": scope.join(" "),
                "consented_at": "2026-03-09T10:15:00Z", "families": 1,
            })];
            back.append_pair("code", &code);
        } else {
            back.append_pair("error", "access_denied");
        }
        back.append_pair("state", &part("state")).append_pair("iss", &self.issuer);
        request.resource["state"] = json!("completed");
        request.resource["next"] = json!("redirect");
        request.resource["redirect_to"] = json!(format!("{}?{}", part("redirect_uri"), back.finish()));
        ok(&request.resource)
    }

    fn token(&self, memory: &mut Memory, form: &HashMap<String, String>) -> Response {
        let part = |name: &str| form.get(name).cloned().unwrap_or_default();
        let refused = || reply(400, &json!({ "error": "invalid_grant", "error_description": "not good (any more)" }));
        let (scope, nonce) = match part("grant_type").as_str() {
            "authorization_code" => match memory.codes.remove(&part("code")) {
                Some(found) => found,
                None => return refused(),
            },
            _ => match memory.tokens.remove(&part("refresh_token")) {
                Some(scope) => (scope, String::new()),
                None => return refused(),
            },
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        let claims =
            json!({ "iss": self.issuer, "sub": "sub_1", "aud": CLIENT_ID, "exp": now + 600, "scope": scope, "jti": Uuid::now_v7() });
        let mut id_claims = json!({ "iss": self.issuer, "sub": "sub_1", "aud": CLIENT_ID, "exp": now + 600, "name": "Ana Lindqvist" });
        id_claims["nonce"] = json!(nonce);
        let (access, refresh) = (jwt(&claims), format!("glr_{}", Uuid::now_v7().simple()));
        memory.tokens.insert(access.clone(), scope.clone());
        memory.tokens.insert(refresh.clone(), scope.clone());
        let mut answer =
            json!({ "access_token": access, "token_type": "Bearer", "expires_in": 600, "refresh_token": refresh, "scope": scope });
        if part("grant_type") == "authorization_code" {
            answer["id_token"] = json!(jwt(&id_claims));
        }
        ok(&answer)
    }
}

impl Memory {
    fn create(&mut self, body: &Value) -> Response {
        let query: HashMap<String, String> =
            form_urlencoded::parse(body["query"].as_str().unwrap_or_default().as_bytes()).into_owned().collect();
        if query.get("client_id").map(String::as_str) != Some(CLIENT_ID) {
            return reply(
                201,
                &json!({
                    "state": "rejected", "next": "show_error", "scopes": [], "hints": {}, "subject": null,
                    "error": { "code": "invalid_request", "description": "the client is not known" },
                }),
            );
        }
        let id = Uuid::now_v7().to_string();
        let scopes = query.get("scope").cloned().unwrap_or_default();
        let scopes: Vec<Value> = scopes.split_whitespace().map(scope).collect();
        let resource = json!({
            "id": id, "state": "awaiting_subject", "next": "login", "scopes": scopes, "subject": null,
            "hints": { "login_hint": null, "ui_locales": null, "display": null, "acr_values": [], "max_age": null, "prompt": [] },
            "client": {
                "redirect_host": "127.0.0.1:8081", "client_id": CLIENT_ID, "client_name": self.client_name, "client_uri": null,
                "logo_uri": null, "policy_uri": "https://postcard.example/privacy", "tos_uri": "javascript:alert(1)",
                "client_type": "third_party", "public": false, "registration": "administrator", "verified": true,
            },
            "consent_required": null, "consent_reason": null, "created_at": "2026-03-09T10:15:00Z", "expires_at": "2026-03-09T10:25:00Z",
        });
        let mut request = Request { resource, query, binding: body["browser_binding"].clone() };
        request.attest(&body["subject"], self);
        for (name, value) in self.overlay.as_object().into_iter().flatten() {
            request.resource[name] = value.clone();
        }
        let answer = reply(201, &request.resource);
        self.requests.insert(id, request);
        answer
    }
}

impl Request {
    fn attest(&mut self, subject: &Value, memory: &Memory) -> Response {
        let known = !subject.is_null();
        self.resource["subject"] = if known { json!({ "id": subject["id"] }) } else { Value::Null };
        self.resource["state"] = json!(if known { "awaiting_consent" } else { "awaiting_subject" });
        self.resource["next"] = json!(if known { "consent" } else { "login" });
        self.resource["consent_reason"] = json!(if memory.grants.is_empty() { "first_time" } else { "offline_access" });
        ok(&self.resource)
    }
}

fn scope(name: &str) -> Value {
    let description = match name {
        "openid" => "Know who you are in Sundial Notes",
        "profile" => "See your name",
        "email" => "See your e-mail address",
        "offline_access" => "Keep this access while you are away",
        _ => "Read the notes you keep in Sundial Notes",
    };
    json!({ "scope": name, "description": description, "grantable": true, "already_granted": false, "reason": null })
}

fn jwt(claims: &Value) -> String {
    format!("eyJhbGciOiJFZERTQSJ9.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn ok(body: &Value) -> Response {
    reply(200, body)
}

fn problem(status: u16, detail: &str) -> Response {
    reply(status, &json!({ "title": "No", "status": status, "detail": detail }))
}

fn reply(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = warp::reply::with_status(warp::reply::json(body), status).into_response();
    response.headers_mut().insert("grantlog-request-id", HeaderValue::from_static("req_1"));
    response.headers_mut().insert("grantlog-position", HeaderValue::from_static("7"));
    response
}
