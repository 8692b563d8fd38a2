//! The OpenAPI document, assembled from the parts of the endpoint modules, and the pages that show it.

use std::{future::ready, sync::Arc};

use bytes::Bytes;
use http::Method;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self, Content, RefOr,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_swagger_ui::Config;

use crate::{
    health,
    oauth_error::OAuthErrorBody,
    problem::{Problem, ProblemBody, problems_markdown},
    reply::{self, ContentSecurityPolicy, Response},
    request::Request,
    routes::Table,
};

/// The document.
pub const OPENAPI: &str = "/openapi.json";
/// The pages that show it.
pub const DOCS: &str = "/docs";
/// What the `type` of a problem leads to when `docs_base` is the issuer.
pub const PROBLEMS: &str = "/problems";
const DOCS_INDEX: &str = "/docs/";
const DOCS_FILE: &str = "/docs/{file}";

/// What all parts share, and the operations of this package itself.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "grantlog",
        description = "An event-sourced OAuth 2.1 and OpenID Connect authorization service.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(health::livez, health::readyz, health::render, document, problems, docs, docs_index, docs_file),
    components(schemas(ProblemBody, OAuthErrorBody)),
    modifiers(&SecuritySchemes),
    tags(
        (name = "protocol", description = "OAuth 2.1 and OpenID Connect"),
        (name = "metadata", description = "What clients configure themselves from"),
        (name = "authorization requests", description = "Login and consent by your own pages"),
        (name = "grants", description = "What people allow clients"),
        (name = "clients", description = "Registered clients"),
        (name = "resource servers", description = "The APIs that access tokens are for"),
        (name = "registration", description = "Clients that register themselves"),
        (name = "API keys", description = "Who may call the JSON API"),
        (name = "trusted issuers", description = "Whose tokens pages without a backend may present"),
        (name = "signing keys", description = "What tokens are signed with"),
        (name = "operations", description = "Health, metrics and this document")
    )
)]
struct Base;

struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let mut add = |name: &str, scheme, description: &str| {
            let mut http = Http::new(scheme);
            http.description = Some(description.to_owned());
            components.add_security_scheme(name, SecurityScheme::Http(http));
        };
        add("ApiKey", HttpAuthScheme::Bearer, "An API key: `glk_…`.");
        add("InitialAccessToken", HttpAuthScheme::Bearer, "What an administrator gave out so that clients can be registered: `gli_…`.");
        add("RegistrationAccessToken", HttpAuthScheme::Bearer, "What a client manages its own registration with: `glm_…`.");
        add("TrustedToken", HttpAuthScheme::Bearer, "A JWT of a trusted issuer, presented by a page of a registered origin.");
        add("ClientBasic", HttpAuthScheme::Basic, "`client_id` and `client_secret`, each form-encoded (RFC 6749 §2.3.1).");
        add("AccessToken", HttpAuthScheme::Bearer, "An access token that grantlog issued.");
    }
}

/// The whole document: ours and these parts. A part is `<Its derive(OpenApi)>::openapi()`.
pub fn assemble(parts: impl IntoIterator<Item = openapi::OpenApi>) -> openapi::OpenApi {
    let mut document = parts.into_iter().fold(Base::openapi(), |mut document, part| {
        document.merge(part);
        document
    });
    label_problems(&mut document);
    document
}

/// RFC 9457 §3: a problem has a media type of its own, which no operation has to say for itself.
fn label_problems(document: &mut openapi::OpenApi) {
    let is_problem = |content: &RefOr<Content>| match content {
        RefOr::T(Content { schema: Some(RefOr::Ref(schema)), .. }) => schema.ref_location.ends_with("/ProblemBody"),
        RefOr::T(_) | RefOr::Ref(_) => false,
    };
    for item in document.paths.paths.values_mut() {
        for operation in all_operations_mut(item) {
            for response in operation.responses.responses.values_mut() {
                let RefOr::T(response) = response else { continue };
                let content = std::mem::take(&mut response.content);
                let labelled = content.into_iter().map(|(media_type, content)| {
                    if is_problem(&content) { ("application/problem+json".to_owned(), content) } else { (media_type, content) }
                });
                response.content = labelled.collect();
            }
        }
    }
}

fn all_operations_mut(item: &mut openapi::PathItem) -> impl Iterator<Item = &mut openapi::path::Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.delete, &mut item.patch].into_iter().flatten()
}

/// Method and path of every operation of a document, to compare with [`Table::operations`].
pub fn operations(document: &openapi::OpenApi) -> Vec<(Method, String)> {
    let item = |(path, item): (&String, &openapi::PathItem)| {
        let all = [
            (Method::GET, item.get.is_some()),
            (Method::POST, item.post.is_some()),
            (Method::PUT, item.put.is_some()),
            (Method::DELETE, item.delete.is_some()),
            (Method::PATCH, item.patch.is_some()),
        ];
        all.into_iter().filter(|(_, present)| *present).map(|(method, _)| (method, path.clone())).collect::<Vec<_>>()
    };
    document.paths.paths.iter().flat_map(item).collect()
}

/// Adds the document and its pages.
pub fn routes<A: Clone + Send + Sync + 'static>(table: Table<A>, document: &openapi::OpenApi) -> Result<Table<A>, serde_json::Error> {
    let text = Bytes::from(document.to_pretty_json()?);
    Ok(table
        .route(Method::GET, OPENAPI, move |_, _| ready(self::document(text.clone())))
        .route(Method::GET, PROBLEMS, |_, _| ready(problems()))
        .route(Method::GET, DOCS, |_, _| ready(docs()))
        .route(Method::GET, DOCS_INDEX, |_, _| ready(docs_index()))
        .route(Method::GET, DOCS_FILE, |_, request| ready(docs_file(&request))))
}

/// Read this document.
#[utoipa::path(get, path = OPENAPI, tag = "operations", operation_id = "openapi", security(()),
    responses((status = 200, description = "The OpenAPI document.", content_type = "application/json")))]
fn document(text: Bytes) -> Response {
    reply::content("application/json", text).cache_for(60)
}

/// Read what the problems of the JSON API mean.
#[utoipa::path(get, path = PROBLEMS, tag = "operations", operation_id = "problems", security(()),
    responses((status = 200, description = "Every kind of problem, as Markdown.", content_type = "text/plain", body = String)))]
fn problems() -> Response {
    reply::content("text/plain; charset=utf-8", problems_markdown()).cache_for(3600)
}

/// Go to the pages.
#[utoipa::path(get, path = DOCS, tag = "operations", operation_id = "docs", security(()),
    responses((status = 302, description = "The pages are one level below.")))]
fn docs() -> Response {
    reply::found(DOCS_INDEX)
}

/// Show this document.
#[utoipa::path(get, path = DOCS_INDEX, tag = "operations", operation_id = "docsIndex", security(()),
    responses((status = 200, description = "The page.", content_type = "text/html")))]
fn docs_index() -> Result<Response, Problem> {
    asset("index.html")
}

/// Read a file of the pages.
#[utoipa::path(get, path = DOCS_FILE, tag = "operations", operation_id = "docsFile", security(()),
    params(("file" = String, Path, description = "The name of the file.")),
    responses((status = 200, description = "The file.", content((String = "text/html"), (String = "text/css"), (String = "text/javascript"), (Vec<u8> = "image/png"))),
        (status = 404, description = "There is no such file.", body = ProblemBody)))]
fn docs_file(request: &Request) -> Result<Response, Problem> {
    asset(request.param("file")?)
}

/// The files of the page and no other: the package also carries other builds of the same scripts.
const ASSETS: [(&str, &str); 8] = [
    ("index.html", "text/html"),
    ("index.css", "text/css; charset=utf-8"),
    ("swagger-ui.css", "text/css; charset=utf-8"),
    ("swagger-initializer.js", "text/javascript; charset=utf-8"),
    ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    ("swagger-ui-standalone-preset.js", "text/javascript; charset=utf-8"),
    ("favicon-16x16.png", "image/png"),
    ("favicon-32x32.png", "image/png"),
];

fn asset(name: &str) -> Result<Response, Problem> {
    let missing = || Problem::not_found("There is no such file.");
    let (name, content_type) = ASSETS.into_iter().find(|(own, _)| *own == name).ok_or_else(missing)?;
    // No validator: the badge would send the document to a service of someone else.
    let config = Arc::new(Config::from(OPENAPI).validator_url("none"));
    let file = utoipa_swagger_ui::serve(name, config).map_err(Problem::internal)?.ok_or_else(missing)?;
    let bytes = Bytes::from(file.bytes.into_owned());
    Ok(match content_type {
        "text/html" => reply::html(bytes, &ContentSecurityPolicy::from_self()),
        other => reply::content(other, bytes).cache_for(3600),
    })
}

/// The responses of a document that have no description, which OpenAPI 3.1 requires. For the surface test.
pub fn undescribed(document: &openapi::OpenApi) -> Vec<String> {
    let mut found = Vec::new();
    for (path, item) in &document.paths.paths {
        let all = [&item.get, &item.post, &item.put, &item.delete, &item.patch];
        for (status, response) in all.into_iter().flatten().flat_map(|operation| &operation.responses.responses) {
            if matches!(response, RefOr::T(response) if response.description.is_empty()) {
                found.push(format!("{path} {status}"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{health::Metrics, site::SiteOptions};

    #[derive(Clone)]
    struct App;

    impl health::Readiness for App {
        fn ready(&self) -> Result<(), String> {
            Ok(())
        }
    }

    fn table() -> Table<App> {
        routes(health::routes(Table::new(), Metrics::detached()), &assemble([])).unwrap()
    }

    async fn get(path: &str) -> http::Response<Bytes> {
        table().into_site(App, SiteOptions::default()).handle(http::Request::get(path).body(Bytes::new()).unwrap()).await
    }

    #[test]
    fn the_table_and_the_document_have_the_same_operations() {
        let text = |operations: Vec<(Method, String)>| {
            operations.into_iter().map(|(method, path)| format!("{method} {path}")).collect::<BTreeSet<_>>()
        };
        assert_eq!(text(table().operations()), text(operations(&assemble([]))));
    }

    #[tokio::test]
    async fn the_document_is_openapi_3_1_with_a_licence_and_descriptions() {
        let document: serde_json::Value = serde_json::from_slice(get(OPENAPI).await.body()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["info"]["license"]["name"], "Apache-2.0");
        for scheme in ["ApiKey", "TrustedToken", "ClientBasic", "AccessToken"] {
            assert!(document["components"]["securitySchemes"][scheme].is_object(), "{scheme}");
        }
        assert_eq!(document["components"]["schemas"]["ProblemBody"]["properties"]["type"]["type"], "string");
        assert_eq!(undescribed(&assemble([])), Vec::<String>::new());
    }

    #[tokio::test]
    async fn the_page_runs_under_a_policy_without_inline_code() {
        let page = get(DOCS_INDEX).await;
        assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("script-src 'self'; style-src 'self';"));
        let html = String::from_utf8_lossy(page.body()).into_owned();
        for script in html.split("<script").skip(1) {
            assert!(script.trim_start().starts_with("src=\"./"), "{script}");
        }
        assert!(!html.contains("<style") && !html.contains(" style="));
    }

    #[tokio::test]
    async fn every_asset_is_there_and_nothing_else() {
        for (name, _) in ASSETS {
            assert_eq!(get(&format!("/docs/{name}")).await.status(), 200, "{name}");
        }
        assert_eq!(get("/docs").await.headers()["location"], "/docs/");
        assert_eq!(get("/docs/swagger-ui.js").await.status(), 404);
        assert_eq!(get("/docs/..%2Findex.html").await.status(), 404);
        let initializer = get("/docs/swagger-initializer.js").await;
        assert!(String::from_utf8_lossy(initializer.body()).contains("\"/openapi.json\""));
    }
}
