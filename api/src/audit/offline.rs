//! The same answers without HTTP, for who has the data directory.

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header::ACCEPT};

use super::{Reader, clients, consents, events, export, grants, policy, receipts, signing_keys, why};
use crate::{
    app::App,
    problem::{Problem, ProblemCode},
    reply::{Body, Context, IntoResponse, Response},
    request::Request,
    template::Template,
    trace::RequestId,
};

/// An answer.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    body: Body,
}

impl Answer {
    /// The body, part by part.
    pub fn into_parts(self) -> impl Stream<Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>> + Send {
        match self.body {
            Body::Whole(bytes) => stream::iter([Ok(bytes)]).boxed(),
            Body::Parts(parts) => parts.boxed(),
        }
    }
}

/// Answers `GET` of a path with a query, asked by who has the data directory. It is recorded like every other question.
pub async fn get(app: &App, path: &str, query: &str, accept: Option<&'static str>) -> Answer {
    let context = Context::new(RequestId::new(), "".into());
    let response = answer(app, path, query, accept).await.into_response(&context);
    let (parts, body) = response.into_http().into_parts();
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn answer(app: &App, path: &str, query: &str, accept: Option<&'static str>) -> Result<Response, Problem> {
    let templates = [
        events::EVENTS,
        export::EXPORT,
        consents::CONSENTS,
        consents::HISTORY,
        receipts::RECEIPT,
        grants::GRANTS,
        clients::CLIENT,
        policy::POLICY,
        signing_keys::SIGNING_KEYS,
        why::WHY,
    ];
    let missing = || Problem::new(ProblemCode::NoSuchEndpoint, "No audit question has this path.");
    let found = templates.into_iter().map(|text| (text, Template::new(text))).find(|(_, template)| template.matches(path));
    let (text, template) = found.ok_or_else(missing)?;
    let params =
        template.capture(path).map_err(|_| Problem::new(ProblemCode::MalformedRequest, "The path is not percent-encoded UTF-8."))?;
    let headers = accept.map(|accept| (ACCEPT, HeaderValue::from_static(accept))).into_iter().collect();
    let request = Request {
        method: Method::GET,
        params,
        query: query.to_owned(),
        headers,
        body: Bytes::new(),
        peer: std::net::Ipv4Addr::LOCALHOST.into(),
        request_id: RequestId::new(),
    };
    let reader = Reader::operator();
    match text {
        events::EVENTS => events::answer(app, &reader, &request).await,
        export::EXPORT => export::answer(app, &reader, &request).await,
        consents::CONSENTS => consents::answer(app, &reader, &request).await,
        consents::HISTORY => consents::answer_history(app, &reader, &request).await,
        receipts::RECEIPT => receipts::answer(app, &reader, &request).await,
        grants::GRANTS => grants::answer(app, &reader, &request).await,
        clients::CLIENT => clients::answer(app, &reader, &request).await,
        policy::POLICY => policy::answer(app, &reader, &request).await,
        signing_keys::SIGNING_KEYS => signing_keys::answer(app, &reader, &request).await,
        why::WHY => why::answer(app, &reader, &request).await,
        _ => Err(missing()),
    }
}
