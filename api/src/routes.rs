//! The route table: method, template, handler. Once a route matched, nothing rejects: every error is a reply of ours.

mod filter;

use std::{future::Future, sync::Arc};

use futures::{FutureExt, future::BoxFuture};
use http::Method;

use crate::{
    reply::{Context, Dialect, IntoResponse, Response},
    request::{Request, body},
    site::{Site, SiteOptions},
    template::Template,
};

pub(crate) use filter::{Answer, Arrival};

type Handler<A> = Box<dyn Fn(A, Request, Context) -> BoxFuture<'static, Response> + Send + Sync>;

/// Whose scripts may call an operation, without the cookies of their browser.
pub(crate) enum Cors<A> {
    /// Those of its own origin.
    None,
    /// Those of any origin.
    Any,
    /// Those of origins that are registered.
    Registered(fn(&A, &str) -> bool),
}

/// One operation.
pub struct Route<A> {
    method: Method,
    template: Template,
    handler: Handler<A>,
    dialect: Dialect,
    cors: Cors<A>,
    limited: bool,
    body_limit: usize,
}

impl<A: Send + 'static> Route<A> {
    /// The operation of this method and template: `/v1/clients/{client_id}`. GET answers HEAD too.
    pub fn new<F, Fut>(method: Method, template: &str, handler: F) -> Self
    where
        F: Fn(A, Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoResponse> + Send + 'static,
    {
        let handler: Handler<A> = Box::new(move |app, request, context| {
            let answer = handler(app, request);
            async move { answer.await.into_response(&context) }.boxed()
        });
        let template = Template::new(template);
        Self { method, template, handler, dialect: Dialect::Problem, cors: Cors::None, limited: true, body_limit: body::DEFAULT_LIMIT }
    }

    /// Its errors are RFC 6749 §5.2 JSON: a [`crate::problem::Problem`] that it returns, or that comes before it, is
    /// worded so.
    pub fn oauth(self) -> Self {
        Self { dialect: Dialect::OAuth, ..self }
    }

    /// Scripts of any origin may call it, without the cookies of their browser: for the protocol endpoints that public
    /// clients in browsers need, and never for the JSON API.
    pub fn cors(self) -> Self {
        Self { cors: Cors::Any, ..self }
    }

    /// Scripts of these origins may call it, without the cookies of their browser: for what pages without a backend need.
    pub fn cors_for(self, is_registered: fn(&A, &str) -> bool) -> Self {
        Self { cors: Cors::Registered(is_registered), ..self }
    }

    /// Not limited by address: for probes, and for endpoints whose busy callers are few and limited by who they are.
    pub fn unlimited(self) -> Self {
        Self { limited: false, ..self }
    }

    /// How many bytes a body may have. Without this, 64 KiB.
    pub fn body_limit(self, bytes: usize) -> Self {
        Self { body_limit: bytes, ..self }
    }

    /// RFC 9110 §9.3.2: HEAD is GET without the content.
    fn answers(&self, method: &Method) -> bool {
        self.method == *method || (self.method == Method::GET && *method == Method::HEAD)
    }
}

/// All operations. `A` is what handlers share, usually an `Arc`.
pub struct Table<A> {
    routes: Vec<Route<A>>,
}

impl<A> Default for Table<A> {
    fn default() -> Self {
        Self { routes: Vec::new() }
    }
}

impl<A: Clone + Send + Sync + 'static> Table<A> {
    /// A table without routes. Add the hot ones first: routes are tried in the order of the table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an operation of the JSON API.
    pub fn route<F, Fut>(self, method: Method, template: &str, handler: F) -> Self
    where
        F: Fn(A, Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoResponse> + Send + 'static,
    {
        self.with(Route::new(method, template, handler))
    }

    /// Adds an operation.
    ///
    /// # Panics
    /// If the table has it already: the second would never be reached.
    pub fn with(mut self, route: Route<A>) -> Self {
        let known = |own: &Route<A>| own.method == route.method && own.template.text() == route.template.text();
        assert!(!self.routes.iter().any(known), "{} {} is in the table already", route.method, route.template.text());
        self.routes.push(route);
        self
    }

    /// Method and template of every operation, for the test that compares the table with the OpenAPI document.
    pub fn operations(&self) -> Vec<(Method, String)> {
        self.routes.iter().map(|route| (route.method.clone(), route.template.text().to_string())).collect()
    }

    /// What answers requests: this table, with these parts around it.
    pub fn into_site(self, app: A, options: SiteOptions) -> Site {
        let routes: Arc<[_]> = self.routes.into_iter().map(Arc::new).collect();
        Site::new(filter::fold(&routes, &app, &options.limits), options)
    }
}
