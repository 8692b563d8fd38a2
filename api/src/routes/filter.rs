//! The table as one warp filter.

use std::{net::IpAddr, sync::Arc};

use bytes::Buf;
use futures::{Stream, future::ready};
use http::{
    HeaderMap, HeaderValue, Method,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, ALLOW, ORIGIN, VARY,
    },
};
use tokio::time::{Instant, timeout_at};
use warp::{Filter, Rejection, filters::BoxedFilter, path::FullPath};

use super::{Cors, Route};
use crate::{
    limits::Limits,
    percent::NotDecodable,
    problem::{Problem, ProblemCode},
    reply::{self, Context, IntoResponse, Response},
    request::{Request, body},
    template::Captured,
    trace::AnsweredBy,
};

/// What is known of a request before its route is.
#[derive(Clone)]
pub(crate) struct Arrival {
    pub(crate) context: Context,
    pub(crate) client: IpAddr,
    pub(crate) deadline: Instant,
}

/// What warp answers with.
pub(crate) type Answer = warp::reply::Response;

impl warp::Reply for Response {
    fn into_response(self) -> Answer {
        self.into_http().map(Into::into)
    }
}

/// Folded from the right, so that the first route is found at once; each step boxed, since the type of an unboxed
/// chain takes minutes to compile.
pub(super) fn fold<A>(routes: &Arc<[Arc<Route<A>>]>, app: &A, limits: &Arc<Limits>) -> BoxedFilter<(Answer,)>
where
    A: Clone + Send + Sync + 'static,
{
    let last = no_route(routes.clone(), app.clone());
    routes.iter().rev().fold(last, |rest, route| one(route.clone(), app.clone(), limits.clone()).or(rest).unify().boxed())
}

fn one<A>(route: Arc<Route<A>>, app: A, limits: Arc<Limits>) -> BoxedFilter<(Answer,)>
where
    A: Clone + Send + Sync + 'static,
{
    let matched = route.clone();
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method()
        .and(warp::path::full())
        .and_then(move |method: Method, path: FullPath| ready(match_route(&matched, method, path.as_str())))
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Arrival>())
        .and(warp::body::stream())
        .then(move |matched: Matched, query, headers, arrival, body| {
            let head = Head { matched, query, headers, arrival };
            let (route, app, limits) = (route.clone(), app.clone(), limits.clone());
            async move { warp::Reply::into_response(run(&route, app, &limits, head, body).await) }
        })
        .boxed()
}

struct Matched {
    method: Method,
    params: Result<Captured, NotDecodable>,
}

struct Head {
    matched: Matched,
    query: String,
    headers: HeaderMap,
    arrival: Arrival,
}

fn match_route<A: Send + 'static>(route: &Route<A>, method: Method, path: &str) -> Result<Matched, Rejection> {
    if route.answers(&method) && route.template.matches(path) {
        let params = route.template.capture(path);
        return Ok(Matched { method, params });
    }
    Err(warp::reject::not_found())
}

async fn run<A, S, B>(route: &Route<A>, app: A, limits: &Limits, head: Head, body: S) -> Response
where
    A: Send + 'static,
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let (context, deadline) = (head.arrival.context.clone().speaking(route.dialect), head.arrival.deadline);
    let is_head = head.matched.method == Method::HEAD;
    let sharing = Sharing::of(&route.cors, &app, &head.headers);
    let response = match receive(route, limits, head, body).await {
        Ok(request) => answer(route, app, request, &context, deadline).await,
        Err(problem) => problem.into_response(&context),
    };
    let response = sharing.share(response).note(AnsweredBy(route.template.text().clone()));
    if is_head { response.without_body() } else { response }
}

/// Everything that precedes the handler.
async fn receive<A, S, B>(route: &Route<A>, limits: &Limits, head: Head, body: S) -> Result<Request, Problem>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let Head { matched, query, headers, arrival } = head;
    if route.limited {
        limits.check_address(arrival.client)?;
    }
    let undecodable = |_| Problem::new(ProblemCode::MalformedRequest, "The path is not percent-encoded UTF-8.");
    let params = matched.params.map_err(undecodable)?;
    let body = timeout_at(arrival.deadline, body::read(body, &headers, route.body_limit))
        .await
        .map_err(|_| Problem::new(ProblemCode::RequestTimeout, "The body did not arrive in time."))??;
    let (peer, request_id) = (arrival.client, arrival.context.request_id());
    Ok(Request { method: matched.method, params, query, headers, body, peer, request_id })
}

/// Calls the handler in a task of its own: what was begun is carried through, even when the client goes away or its
/// time is up, so that no write is torn from what follows it. A handler that panics has a bug; that is answered too.
async fn answer<A>(route: &Route<A>, app: A, request: Request, context: &Context, deadline: Instant) -> Response {
    let handled = tokio::spawn((route.handler)(app, request, context.clone()));
    match timeout_at(deadline, handled).await {
        Ok(Ok(response)) => response,
        Ok(Err(panicked)) => Problem::internal(panicked).into_response(context),
        Err(_) => Problem::unavailable("the handler took too long").into_response(context),
    }
}

/// Who may read an answer (Fetch standard, CORS check).
#[derive(Clone)]
enum Sharing {
    /// Scripts of our own origin.
    Nobody,
    /// Scripts of any origin.
    Everybody,
    /// Scripts of one origin, or of none; who asks makes a difference, and caches have to know.
    Origin(Option<HeaderValue>),
}

impl Sharing {
    fn of<A>(cors: &Cors<A>, app: &A, headers: &HeaderMap) -> Self {
        match cors {
            Cors::None => Self::Nobody,
            Cors::Any => Self::Everybody,
            Cors::Registered(is_registered) => {
                let origin = headers.get(ORIGIN).filter(|origin| origin.to_str().is_ok_and(|origin| is_registered(app, origin)));
                Self::Origin(origin.cloned())
            }
        }
    }

    fn is_allowed(&self) -> bool {
        matches!(self, Self::Everybody | Self::Origin(Some(_)))
    }

    fn share(&self, response: Response) -> Response {
        const EXPOSED: HeaderValue = HeaderValue::from_static("grantlog-request-id, retry-after, www-authenticate");
        const EXPOSED_TO_PAGES: HeaderValue =
            HeaderValue::from_static("grantlog-position, grantlog-request-id, ratelimit, retry-after, www-authenticate");
        match self {
            Self::Nobody => response,
            Self::Everybody => response
                .with_header(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))
                .with_header(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED),
            Self::Origin(None) => response.with_header(VARY, HeaderValue::from_static("Origin")),
            Self::Origin(Some(origin)) => response
                .with_header(VARY, HeaderValue::from_static("Origin"))
                .with_header(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone())
                .with_header(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_TO_PAGES),
        }
    }

    /// Fetch standard, CORS-preflight: no credentials, which are the cookies of a browser.
    fn preflight(&self, allowed: HeaderValue) -> Response {
        const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type");
        const HEADERS_OF_PAGES: HeaderValue =
            HeaderValue::from_static("authorization, content-type, grantlog-browser-binding, grantlog-min-position");
        // Origins are registered and taken away again: browsers don't remember those for long.
        let (headers, max_age) = match self {
            Self::Nobody | Self::Everybody => (HEADERS, HeaderValue::from_static("86400")),
            Self::Origin(_) => (HEADERS_OF_PAGES, HeaderValue::from_static("600")),
        };
        self.share(reply::no_content())
            .with_header(ACCESS_CONTROL_ALLOW_METHODS, allowed)
            .with_header(ACCESS_CONTROL_ALLOW_HEADERS, headers)
            .with_header(ACCESS_CONTROL_MAX_AGE, max_age)
    }
}

/// The one answer for requests that no route takes. It stands last in the fold and takes everything, so that no
/// rejection is ever left over.
fn no_route<A: Clone + Send + Sync + 'static>(routes: Arc<[Arc<Route<A>>]>, app: A) -> BoxedFilter<(Answer,)> {
    warp::method()
        .and(warp::path::full())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Arrival>())
        .map(move |method: Method, path: FullPath, headers: HeaderMap, arrival: Arrival| {
            let response = unrouted(&routes, &app, &method, path.as_str(), &headers, &arrival.context);
            let response = if method == Method::HEAD { response.without_body() } else { response };
            warp::Reply::into_response(response)
        })
        .boxed()
}

fn unrouted<A>(routes: &[Arc<Route<A>>], app: &A, method: &Method, path: &str, headers: &HeaderMap, context: &Context) -> Response {
    let here: Vec<_> = routes.iter().filter(|route| route.template.matches(path)).collect();
    let Some(first) = here.first() else {
        let problem = Problem::new(ProblemCode::NoSuchEndpoint, "No operation has this path.");
        return problem.into_response(context);
    };
    // The operations of one path are shared alike, or not at all.
    let shared = here.iter().map(|route| Sharing::of(&route.cors, app, headers)).find(|sharing| !matches!(sharing, Sharing::Nobody));
    let sharing = shared.unwrap_or(Sharing::Nobody);
    let allowed = methods(&here, sharing.is_allowed());
    let response = if sharing.is_allowed() && method == Method::OPTIONS {
        sharing.preflight(allowed)
    } else {
        let problem = Problem::new(ProblemCode::MethodNotAllowed, "The path exists, but not with this method.").header(ALLOW, allowed);
        let response = problem.into_response(&context.clone().speaking(first.dialect));
        sharing.share(response)
    };
    response.note(AnsweredBy(first.template.text().clone()))
}

/// RFC 9110 §10.2.1: the methods that the path has.
fn methods<A>(routes: &[&Arc<Route<A>>], cors: bool) -> HeaderValue {
    let mut names: Vec<&str> = Vec::new();
    for route in routes {
        names.push(route.method.as_str());
        if route.method == Method::GET {
            names.push("HEAD");
        }
    }
    if cors {
        names.push("OPTIONS");
    }
    names.sort_unstable();
    names.dedup();
    // Method names are tokens, which a header can hold.
    HeaderValue::try_from(names.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
}
