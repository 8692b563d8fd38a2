//! One kept-alive connection, and answers that are checked.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::{net::TcpStream, time::timeout};

use crate::failure::Failure;

/// `application/x-www-form-urlencoded`.
pub const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
/// `application/json`.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

const CONNECT: Duration = Duration::from_secs(5);
/// How much of a wrong answer is shown.
const SHOWN: usize = 600;

/// A request, but for where it goes.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path, with the query.
    pub path: String,
    /// The credentials.
    pub authorization: Option<HeaderValue>,
    /// The body and its type.
    pub body: Option<(HeaderValue, Bytes)>,
}

impl Call {
    /// A GET.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), authorization: None, body: None }
    }

    /// A POST of a form.
    pub fn form(path: impl Into<String>, fields: &[(&str, &str)]) -> Self {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Self { method: Method::POST, path: path.into(), authorization: None, body: Some((FORM, form.into())) }
    }

    /// A POST of JSON.
    pub fn json(path: impl Into<String>, value: &serde_json::Value) -> Self {
        Self { method: Method::POST, path: path.into(), authorization: None, body: Some((JSON, value.to_string().into())) }
    }

    /// With these credentials.
    pub fn with(mut self, authorization: &HeaderValue) -> Self {
        self.authorization = Some(authorization.clone());
        self
    }
}

/// A request that was made and how long its answer was: what the floor is made to repeat.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The request.
    pub call: Call,
    /// The length of the answer's body.
    pub answer_bytes: usize,
}

/// A connection to a server, kept alive.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    position: u64,
    recording: Option<Vec<Exchange>>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let no_answer = |why: String| Failure::NoAnswer { request: format!("a connection to {address}"), why };
        let stream = timeout(CONNECT, TcpStream::connect(address))
            .await
            .map_err(|elapsed| no_answer(elapsed.to_string()))?
            .map_err(|error| no_answer(error.to_string()))?;
        stream.set_nodelay(true).map_err(|error| no_answer(error.to_string()))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| no_answer(error.to_string()))?;
        // It ends with the sender; an error in it shows up in the request under way.
        tokio::spawn(connection);
        let host = HeaderValue::from_str(&address.to_string()).map_err(|error| no_answer(error.to_string()))?;
        Ok(Self { sender, host, position: 0, recording: None })
    }

    /// Makes a request and reads the whole answer.
    pub async fn send(&mut self, call: Call) -> Result<Answer, Failure> {
        let recorded = self.recording.is_some().then(|| call.clone());
        let Call { method, path, authorization, body } = call;
        let no_answer = |why: &dyn std::fmt::Display| Failure::NoAnswer { request: format!("{method} {path}"), why: why.to_string() };
        let mut request = Request::builder().method(method.clone()).uri(path.as_str()).header(HOST, self.host.clone());
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let content = match body {
            Some((content_type, content)) => {
                request = request.header(CONTENT_TYPE, content_type);
                Full::new(content)
            }
            None => Full::default(),
        };
        let request = request.body(content).map_err(|error| no_answer(&error))?;
        self.sender.ready().await.map_err(|error| no_answer(&error))?;
        let response = self.sender.send_request(request).await.map_err(|error| no_answer(&error))?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| no_answer(&error))?.to_bytes();
        if let Some(position) = head.headers.get("grantlog-position").and_then(|value| value.to_str().ok()?.parse().ok()) {
            self.position = self.position.max(position);
        }
        if let (Some(recording), Some(call)) = (&mut self.recording, recorded) {
            recording.push(Exchange { call, answer_bytes: body.len() });
        }
        Ok(Answer { method, path, status: head.status, body })
    }

    /// The highest position in the log that an answer named.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// From here on, remember what is exchanged.
    pub fn record(&mut self) {
        self.recording = Some(Vec::new());
    }

    /// What was exchanged since [`Connection::record`].
    pub fn recorded(&mut self) -> Vec<Exchange> {
        self.recording.take().unwrap_or_default()
    }
}

/// An answer, and the request it is for.
#[derive(Debug)]
pub struct Answer {
    method: Method,
    path: String,
    status: StatusCode,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// An error unless the status is this one.
    pub fn expect(self, status: StatusCode) -> Result<Self, Failure> {
        if self.status == status { Ok(self) } else { Err(self.wrong(format!("the status should be {}", status.as_u16()))) }
    }

    /// The body, as JSON of this type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| self.wrong(error.to_string()))
    }

    /// An error unless this holds.
    pub fn must(&self, holds: bool, what: &str) -> Result<(), Failure> {
        if holds { Ok(()) } else { Err(self.wrong(what)) }
    }

    /// The error that says that this answer is wrong.
    pub fn wrong(&self, what: impl Into<String>) -> Failure {
        let shown = &self.body[..self.body.len().min(SHOWN)];
        Failure::WrongAnswer {
            request: format!("{} {}", self.method, self.path),
            what: what.into(),
            status: self.status.as_u16(),
            body: String::from_utf8_lossy(shown).into_owned(),
        }
    }
}
