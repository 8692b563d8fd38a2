//! What answers requests: the table, and around it the client's address, the request id, the deadline and the log.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use tokio::time::Instant;
use tower::Service;
use warp::filters::BoxedFilter;

use crate::{
    client_address::ClientAddress,
    limits::{Limits, Rates},
    reply::Context,
    routes::{Answer, Arrival},
    trace::{AnsweredBy, Exchange, REQUEST_ID},
};

/// What holds for every request.
#[derive(Clone)]
pub struct SiteOptions {
    /// The limiters; endpoints that limit by client or API key hold the same ones.
    pub limits: Arc<Limits>,
    /// How to find a client's address.
    pub client_address: ClientAddress,
    /// How long a request may take, from its first header to its answer. A body that is late is answered with 408, a
    /// handler with 503.
    pub request_timeout: Duration,
    /// What the `type` of a problem begins with.
    pub docs_base: Arc<str>,
}

impl Default for SiteOptions {
    fn default() -> Self {
        Self {
            limits: Arc::new(Limits::new(Rates::default())),
            client_address: ClientAddress::of_peer(),
            request_timeout: Duration::from_secs(30),
            docs_base: "https://grantlog.example/docs".into(),
        }
    }
}

/// A table that is ready to answer. Cheap to clone.
#[derive(Clone)]
pub struct Site {
    filter: BoxedFilter<(Answer,)>,
    options: Arc<SiteOptions>,
}

impl Site {
    pub(crate) fn new(filter: BoxedFilter<(Answer,)>, options: SiteOptions) -> Self {
        Self { filter, options: Arc::new(options) }
    }

    /// Answers a request that came from this TCP peer.
    pub(crate) async fn call<B>(&self, peer: IpAddr, mut request: http::Request<B>) -> Answer
    where
        B: hyper::body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Sync + 'static,
    {
        let client = self.options.client_address.resolve(peer, request.headers());
        let mut exchange = Exchange::begin(request.method().clone(), request.headers(), client);
        let context = Context::new(exchange.request_id, self.options.docs_base.clone());
        let deadline = Instant::now() + self.options.request_timeout;
        request.extensions_mut().insert(Arrival { context, client, deadline });
        let mut response = match warp::service(self.filter.clone()).call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let route = response.extensions_mut().remove::<AnsweredBy>().map(|AnsweredBy(template)| template);
        exchange.answered(response.status(), route);
        response.headers_mut().insert(REQUEST_ID, exchange.request_id.header());
        response
    }

    /// Answers a request without a socket, as if it came from this machine. For tests.
    pub async fn handle(&self, request: http::Request<Bytes>) -> http::Response<Bytes> {
        let answer = self.call(Ipv4Addr::LOCALHOST.into(), request.map(Full::new)).await;
        let (parts, body) = answer.into_parts();
        // The body is one of ours, complete in memory: reading it can't fail.
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        http::Response::from_parts(parts, body)
    }
}
