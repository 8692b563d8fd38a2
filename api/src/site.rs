//! What answers requests: the table, and around it the client's address, the request id, the deadline and the log.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::uri::{Parts, PathAndQuery, Uri};
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
    /// A path below which every path is found a second time: that of the issuer, which clients and browsers are sent to.
    /// Empty when it has none. Probes, and proxies that take the path away, find everything at the root.
    pub base_path: Arc<str>,
    /// What the `type` of a problem begins with: the issuer, under which [`crate::openapi::PROBLEMS`] explains them.
    pub docs_base: Arc<str>,
}

impl Default for SiteOptions {
    fn default() -> Self {
        Self {
            limits: Arc::new(Limits::new(Rates::default())),
            client_address: ClientAddress::of_peer(),
            request_timeout: Duration::from_secs(30),
            base_path: "".into(),
            docs_base: "".into(),
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
        strip_base_path(request.uri_mut(), &self.options.base_path);
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
        // A body that breaks off is none.
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        http::Response::from_parts(parts, body)
    }
}

/// Takes the base path off the front of the path, if it stands there as whole segments.
fn strip_base_path(uri: &mut Uri, base_path: &str) {
    let Some(path_and_query) = uri.path_and_query().filter(|_| !base_path.is_empty()) else { return };
    let Some(rest) = path_and_query.as_str().strip_prefix(base_path).filter(|rest| rest.starts_with('/')) else { return };
    let mut parts = Parts::default();
    parts.path_and_query = PathAndQuery::try_from(rest).ok();
    if let Ok(stripped) = Uri::from_parts(parts) {
        *uri = stripped;
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use http::{HeaderValue, Method, Request};

    use super::*;
    use crate::{client_address::ForwardedHeader, limits::Rate, reply, routes::Route, routes::Table};

    #[test]
    fn the_base_path_is_taken_off_as_whole_segments() {
        let stripped = |uri: &str, base_path: &str| {
            let mut uri = uri.parse().unwrap();
            strip_base_path(&mut uri, base_path);
            uri.to_string()
        };
        assert_eq!(stripped("/auth/oauth2/token?a=/auth", "/auth"), "/oauth2/token?a=/auth");
        assert_eq!(stripped("https://example.com/auth/x%2Fy", "/auth"), "/x%2Fy");
        for same in ["/oauth2/token", "/auth", "/authx/oauth2/token", "/x/auth/y"] {
            assert_eq!(stripped(same, "/auth"), same);
        }
        assert_eq!(stripped("/oauth2/token", ""), "/oauth2/token");
    }

    #[tokio::test]
    async fn an_address_is_that_behind_the_proxy_and_limited_in_the_words_of_the_route() {
        let one = NonZeroU32::MIN;
        let rates = Rates { address: Some(Rate { per_second: one, burst: one }), ..Rates::default() };
        let address = ClientAddress::behind(vec!["127.0.0.0/8".parse().unwrap()], ForwardedHeader::XForwardedFor);
        let options = SiteOptions { limits: Arc::new(Limits::new(rates)), client_address: address, ..SiteOptions::default() };
        let peer = |(), request: crate::request::Request| async move { reply::ok(&request.peer) };
        let site = Table::new()
            .with(Route::new(Method::GET, "/token", peer).oauth())
            .with(Route::new(Method::GET, "/probe", peer).unlimited())
            .into_site((), options);
        let get = async |path: &str, client: &'static str| {
            let mut request = Request::get(path).body(Bytes::new()).unwrap();
            request.headers_mut().insert("x-forwarded-for", HeaderValue::from_static(client));
            site.handle(request).await
        };
        assert_eq!(&get("/token", "192.0.2.1").await.body()[..], b"\"192.0.2.1\"");
        let refused = get("/token", "192.0.2.1").await;
        assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &HeaderValue::from_static("1")));
        assert!(refused.body().starts_with(b"{\"error\":\"temporarily_unavailable\""));
        assert_eq!(get("/token", "192.0.2.2").await.status(), 200);
        assert_eq!(get("/probe", "192.0.2.1").await.status(), 200);
    }
}
