//! Resource servers: register, list, read, update, delete; make their credentials.

use std::sync::Arc;

use grantlog_core::{
    app::{UseCaseError, resource_servers::ResourceServerCredentials},
    domain::{ResourceServerId, resource_server::ResourceServerRefusal},
    protocol::{ResourceServerInput, ResourceServerSettings},
};
use grantlog_projections::live::ResourceServerView;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ADMIN, PageQuery, READERS, invalid_metadata};
use crate::{
    app::{App, acting_as, positioned, unavailable},
    idempotency::IdempotencyKeyHeader,
    oauth::protected_resource,
    problem::{Problem, ProblemBody, ProblemCode},
    reply::{self, Response},
    request::Request,
};

/// All resource servers.
pub const COLLECTION: &str = "/v1/resource-servers";
/// One resource server.
pub const ITEM: &str = "/v1/resource-servers/{id}";
/// Credentials beside those there are.
pub const CREDENTIALS: &str = "/v1/resource-servers/{id}/credentials";

/// A resource server.
#[derive(Serialize, ToSchema)]
pub struct ResourceServer {
    /// Its id: the first 32 hexadecimal digits of the SHA-256 of its identifier.
    #[schema(example = "618cb2ffaad766bf857be829c32d4d7b")]
    id: String,
    /// What it introspects with: in the answer to its registration and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials: Option<Credentials>,
    /// Where its protected resource metadata is (RFC 9728).
    metadata_uri: String,
    /// When it was registered (RFC 3339, UTC).
    registered_at: String,
    /// What is registered about it.
    #[serde(flatten)]
    settings: ResourceServerSettings,
}

/// What a resource server introspects with.
#[derive(Serialize, ToSchema)]
pub struct Credentials {
    /// The API key's id: what it is revoked by.
    api_key_id: String,
    /// The API key. Shown this once.
    #[schema(example = "glk_AZMtXnwafjG3qA9sPSqbEA…")]
    api_key: String,
}

/// A page of resource servers.
#[derive(Serialize, ToSchema)]
pub struct ResourceServerPage {
    /// In the order of their registration.
    resource_servers: Vec<ResourceServer>,
    /// Where the next page begins; null: this is the last one.
    next_cursor: Option<String>,
}

impl Credentials {
    fn of(credentials: &ResourceServerCredentials) -> Self {
        Self { api_key_id: credentials.api_key_id.to_string(), api_key: credentials.api_key.expose().to_owned() }
    }
}

impl ResourceServer {
    fn of(app: &App, view: &ResourceServerView) -> Self {
        Self {
            id: view.id.to_string(),
            credentials: None,
            metadata_uri: protected_resource::url(app.issuer(), &view.id),
            registered_at: view.registered_at.to_rfc3339(),
            settings: view.settings.clone(),
        }
    }
}

/// Register a resource server.
///
/// Its first credentials are made with it. Its identifier, the audience of its tokens, is for good.
#[utoipa::path(post, path = COLLECTION, tag = "resource servers", operation_id = "registerResourceServer", security(("ApiKey" = ["admin"])), params(IdempotencyKeyHeader),
    request_body(content = ResourceServerInput, example = json!({"identifier": "https://notes.example.com/", "name": "Sundial Notes", "scopes": "notes.read notes.write",
        "default_scope": "notes.read", "access_token_claims": {"roles": "{{ subject.roles }}"}})),
    responses(
        (status = 201, description = "The resource server, with its credentials: shown this once.", body = ResourceServer),
        (status = 409, description = "A resource server with this identifier is registered.", body = ProblemBody),
        (status = 422, description = "The settings are not acceptable; `problems` lists every mistake.", body = ProblemBody),
        (status = "4XX", description = "The call is not valid.", body = ProblemBody),
        (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn register(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let settings = settings(&request)?;
    let context = app.acting_once(&key, &request, "registerResourceServer").await?;
    let (id, registered_at, credentials) = app.authority.register_resource_server(&context, settings.clone()).await.map_err(refused)?;
    // As it was when it was registered, whatever has happened to it since.
    let answer = ResourceServer {
        id: id.to_string(),
        credentials: Some(Credentials::of(&credentials)),
        metadata_uri: protected_resource::url(app.issuer(), &id),
        registered_at: registered_at.to_rfc3339(),
        settings,
    };
    Ok(positioned(reply::created(&answer), &context))
}

/// List resource servers.
#[utoipa::path(get, path = COLLECTION, tag = "resource servers", operation_id = "listResourceServers", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("cursor" = Option<String>, Query, description = "Where the page begins: `next_cursor` of the page before."), ("limit" = Option<u32>, Query, description = "How many: 1 to 200; 50 when nothing is said.", minimum = 1, maximum = 200)),
    responses((status = 200, description = "A page of resource servers.", body = ResourceServerPage), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn list(app: App, request: Request) -> Result<Response, Problem> {
    app.require_role(&request, &READERS).await?;
    app.wait_for_min_position(&request).await?;
    let PageQuery { cursor, limit } = PageQuery::of(&request)?;
    let page = app
        .live
        .resource_server_page(cursor.as_deref(), limit)
        .map_err(|_| Problem::invalid_field("cursor", "It is not a cursor of this list."))?;
    let resource_servers = page.resource_servers.iter().map(|view| ResourceServer::of(&app, view)).collect();
    Ok(reply::ok(&ResourceServerPage { resource_servers, next_cursor: page.next }))
}

/// Read a resource server.
#[utoipa::path(get, path = ITEM, tag = "resource servers", operation_id = "readResourceServer", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])), params(("id" = String, Path, description = "The resource server's id.")),
    responses((status = 200, description = "The resource server.", body = ResourceServer), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn read(app: App, request: Request) -> Result<Response, Problem> {
    app.require_role(&request, &READERS).await?;
    app.wait_for_min_position(&request).await?;
    Ok(reply::ok(&ResourceServer::of(&app, &*find(&app, &request.id("id")?)?)))
}

/// Replace what is registered about a resource server.
///
/// Its `identifier` can't change. Tokens issued from now on follow the new settings.
#[utoipa::path(put, path = ITEM, tag = "resource servers", operation_id = "updateResourceServer", security(("ApiKey" = ["admin"])), params(("id" = String, Path, description = "The resource server's id.")),
    request_body(content = ResourceServerInput, example = json!({"identifier": "https://notes.example.com/", "name": "Sundial Notes", "scopes": "notes.read notes.write", "access_token_lifetime": 300})),
    responses((status = 200, description = "The resource server.", body = ResourceServer), (status = 409, description = "The identifier is another one.", body = ProblemBody), (status = 422, description = "The settings are not acceptable; `problems` lists every mistake.", body = ProblemBody), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn update(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let id = request.id("id")?;
    let settings = settings(&request)?;
    let context = acting_as(&key, &request);
    app.authority.update_resource_server(&context, &id, settings).await.map_err(refused)?;
    Ok(positioned(reply::ok(&ResourceServer::of(&app, &*find(&app, &id)?)), &context))
}

/// Delete a resource server.
///
/// No more tokens are issued for it. Those that were issued live until they expire, and its credentials until they are
/// revoked. Its identifier may be registered again.
#[utoipa::path(delete, path = ITEM, tag = "resource servers", operation_id = "deleteResourceServer", security(("ApiKey" = ["admin"])), params(("id" = String, Path, description = "The resource server's id.")),
    responses((status = 204, description = "It is gone."), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn delete(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let context = acting_as(&key, &request);
    app.authority.delete_resource_server(&context, &request.id("id")?).await.map_err(refused)?;
    Ok(positioned(reply::no_content(), &context))
}

/// Make further credentials.
///
/// They are good beside those there are. To rotate without a gap, make new ones, use them, and then revoke the old API
/// key.
#[utoipa::path(post, path = CREDENTIALS, tag = "resource servers", operation_id = "createResourceServerCredentials", security(("ApiKey" = ["admin"])), params(("id" = String, Path, description = "The resource server's id."), IdempotencyKeyHeader),
    responses((status = 201, description = "The credentials: shown this once.", body = Credentials), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn create_credentials(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let id: ResourceServerId = request.id("id")?;
    let context = app.acting_once(&key, &request, "createResourceServerCredentials").await?;
    let credentials = app.authority.create_resource_server_credentials(&context, &id).await.map_err(refused)?;
    Ok(positioned(reply::created(&Credentials::of(&credentials)), &context))
}

fn find(app: &App, id: &ResourceServerId) -> Result<Arc<ResourceServerView>, Problem> {
    app.live.resource_server(id).ok_or_else(|| Problem::not_found("There is no such resource server."))
}

fn settings(request: &Request) -> Result<ResourceServerSettings, Problem> {
    let input: ResourceServerInput = request.json()?;
    input.into_settings().map_err(|problems| invalid_metadata("What is registered about a resource server must be consistent", &problems))
}

fn refused(error: UseCaseError<ResourceServerRefusal>) -> Problem {
    match error {
        UseCaseError::Trouble(trouble) => unavailable(trouble),
        UseCaseError::Refused(ResourceServerRefusal::NotFound) => Problem::not_found("There is no such resource server."),
        UseCaseError::Refused(refusal) => Problem::new(ProblemCode::Conflict, refusal.to_string()),
    }
}
