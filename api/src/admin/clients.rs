//! Clients: register, read, list, update, suspend, resume, delete, rotate the secret.

use std::sync::Arc;

use grantlog_core::{
    app::{UseCaseError, clients::RegisteredClient},
    domain::{
        ClientId, OrganizationId, Timestamp,
        client::{ClientRefusal, Registration},
    },
    protocol::{ClientMetadata, client_metadata::ClientMetadataInput, parse_client_id},
};
use grantlog_projections::live::{ClientFilter, ClientView};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ADMIN, PageQuery, READERS, invalid_metadata, organizations::organization_id_of};
use crate::{
    app::{App, acting_as, positioned, unavailable},
    idempotency::IdempotencyKeyHeader,
    problem::{Problem, ProblemBody, ProblemCode},
    reply::{self, Response},
    request::Request,
};

/// All clients.
pub const COLLECTION: &str = "/v1/clients";
/// One client.
pub const ITEM: &str = "/v1/clients/{client_id}";
/// Stop a client.
pub const SUSPEND: &str = "/v1/clients/{client_id}/suspend";
/// Let it go on.
pub const RESUME: &str = "/v1/clients/{client_id}/resume";
/// A second secret beside the first.
pub const SECRET_ROTATION: &str = "/v1/clients/{client_id}/secret-rotation";
/// The second secret becomes the only one.
pub const SECRET_ROTATION_COMPLETE: &str = "/v1/clients/{client_id}/secret-rotation/complete";

/// Vouch for a client.
pub const VERIFY: &str = "/v1/clients/{client_id}/verify";

/// A client.
#[derive(Serialize, ToSchema)]
pub struct Client {
    /// Its id.
    #[schema(example = "client_01932d5e7c1a7e31b7a80f6c3d2a9b10")]
    client_id: String,
    /// Its secret: in the answer to its registration and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// Whether it is suspended.
    state: ClientState,
    /// Whether a second secret is good beside the first.
    secret_rotation_underway: bool,
    /// When it was registered (RFC 3339, UTC).
    registered_at: String,
    /// How it came to be registered.
    registration: Registration,
    /// SHA-256 of the metadata document that it is read from, 64 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    document_sha256: Option<String>,
    /// Whether an administrator vouches for it. Administrators vouch for what they register themselves.
    verified: bool,
    /// Until when it may go unused (RFC 3339, UTC); then it lapses. Absent when it may do so for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_until: Option<String>,
    /// Whether it was ever used; known of clients with a lease only.
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<bool>,
    /// What is registered about it.
    #[serde(flatten)]
    metadata: ClientMetadata,
}

/// Whether a client is suspended.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientState {
    /// It works.
    Active,
    /// Nothing is issued to it and nothing of its is valid.
    Suspended,
    /// Its metadata document is gone: nothing is issued to it and nothing of its is valid, until it is back.
    Withdrawn,
}

/// A page of clients.
#[derive(Serialize, ToSchema)]
pub struct ClientPage {
    /// In the order of their registration.
    clients: Vec<Client>,
    /// Where the next page begins; null: this is the last one.
    next_cursor: Option<String>,
}

/// A new secret.
#[derive(Serialize, ToSchema)]
pub struct NewClientSecret {
    /// Shown this once.
    client_secret: String,
}

impl Client {
    /// As it was when it was registered, whatever has happened to it since.
    fn registered(registered: RegisteredClient, metadata: ClientMetadata) -> Self {
        Self {
            client_id: registered.client_id.to_string(),
            client_secret: registered.secret.map(|secret| secret.expose().to_owned()),
            state: ClientState::Active,
            secret_rotation_underway: false,
            registered_at: registered.registered_at.to_rfc3339(),
            registration: Registration::Administrator,
            document_sha256: None,
            verified: true,
            lease_until: None,
            used: None,
            metadata,
        }
    }

    fn of(view: &ClientView) -> Self {
        Self {
            client_id: view.client_id.to_string(),
            client_secret: None,
            state: match (view.suspended, view.standing.is_withdrawn()) {
                (true, _) => ClientState::Suspended,
                (false, true) => ClientState::Withdrawn,
                (false, false) => ClientState::Active,
            },
            secret_rotation_underway: view.has_next_secret,
            registered_at: view.registered_at.to_rfc3339(),
            registration: view.standing.registration(),
            document_sha256: view.document_sha256.clone(),
            verified: view.standing.is_verified(),
            lease_until: view.standing.lease_until().map(Timestamp::to_rfc3339),
            used: view.standing.lease_until().map(|_| view.standing.is_used()),
            metadata: view.metadata.clone(),
        }
    }
}

/// Register a client.
#[utoipa::path(post, path = COLLECTION, tag = "clients", operation_id = "registerClient", security(("ApiKey" = ["admin"])), params(IdempotencyKeyHeader),
    request_body(content = ClientMetadataInput, example = json!({"client_name": "Weather by Mail", "redirect_uris": ["https://weather.example.com/callback"], "scope": "openid email offline_access"})),
    responses(
        (status = 201, description = "The client, with its secret if it has one: shown this once.", body = Client),
        (status = 422, description = "The metadata is not acceptable; `problems` lists every mistake.", body = ProblemBody),
        (status = "4XX", description = "The call is not valid.", body = ProblemBody),
        (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn register(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let metadata = metadata(&request)?;
    let context = app.acting_once(&key, &request, "registerClient").await?;
    let registered = app.authority.register_client(&context, metadata.clone()).await.map_err(refused)?;
    Ok(positioned(reply::created(&Client::registered(registered, metadata)), &context))
}

/// List clients.
#[utoipa::path(get, path = COLLECTION, tag = "clients", operation_id = "listClients", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("cursor" = Option<String>, Query, description = "Where the page begins: `next_cursor` of the page before."), ("limit" = Option<u32>, Query, description = "How many: 1 to 200; 50 when nothing is said.", minimum = 1, maximum = 200), ("organization_id" = Option<String>, Query, description = "Only those that belong to this organization."), ("registration" = Option<Registration>, Query, description = "Only those that came to be registered in this way.")),
    responses((status = 200, description = "A page of clients.", body = ClientPage), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn list(app: App, request: Request) -> Result<Response, Problem> {
    app.require_role(&request, &READERS).await?;
    app.wait_for_min_position(&request).await?;
    let PageQuery { cursor, limit } = PageQuery::of(&request)?;
    let filter = ClientFilter { registration: registration(&request)?, organization_id: organization(&request)? };
    let page = app.live.clients(cursor.as_deref(), limit, &filter, app.authority.now());
    let page = page.map_err(|_| Problem::invalid_field("cursor", "It is not a cursor of this list."))?;
    let clients = page.clients.iter().map(|view| Client::of(view)).collect();
    Ok(reply::ok(&ClientPage { clients, next_cursor: page.next }))
}

/// Read a client.
#[utoipa::path(get, path = ITEM, tag = "clients", operation_id = "readClient", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])), params(("client_id" = String, Path, description = "The client's id.")),
    responses((status = 200, description = "The client.", body = Client), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn read(app: App, request: Request) -> Result<Response, Problem> {
    app.require_role(&request, &READERS).await?;
    app.wait_for_min_position(&request).await?;
    Ok(reply::ok(&Client::of(&*find(&app, &client_id(&request)?)?)))
}

/// Replace what is registered about a client.
///
/// `client_type`, and whether the client is public, can't change.
#[utoipa::path(put, path = ITEM, tag = "clients", operation_id = "updateClient", security(("ApiKey" = ["admin"])), params(("client_id" = String, Path, description = "The client's id.")),
    request_body(content = ClientMetadataInput, example = json!({"client_name": "Weather by Mail", "redirect_uris": ["https://weather.example.com/callback"], "scope": "openid email offline_access"})),
    responses((status = 200, description = "The client.", body = Client), (status = 422, description = "The metadata is not acceptable; `problems` lists every mistake.", body = ProblemBody), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn update(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let id = client_id(&request)?;
    let metadata = metadata(&request)?;
    let context = acting_as(&key, &request);
    app.authority.update_client(&context, &id, metadata).await.map_err(refused)?;
    Ok(positioned(reply::ok(&Client::of(&*find(&app, &id)?)), &context))
}

/// Delete a client for good, with everything it holds.
#[utoipa::path(delete, path = ITEM, tag = "clients", operation_id = "deleteClient", security(("ApiKey" = ["admin"])), params(("client_id" = String, Path, description = "The client's id.")),
    responses((status = 204, description = "It is gone."), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn delete(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let context = acting_as(&key, &request);
    app.authority.delete_client(&context, &client_id(&request)?).await.map_err(refused)?;
    Ok(positioned(reply::no_content(), &context))
}

/// Suspend a client: nothing is issued to it and nothing of its is valid, until it is resumed.
#[utoipa::path(post, path = SUSPEND, tag = "clients", operation_id = "suspendClient", security(("ApiKey" = ["admin"])), params(("client_id" = String, Path, description = "The client's id.")),
    responses((status = 200, description = "The client.", body = Client), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn suspend(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let (id, context) = (client_id(&request)?, acting_as(&key, &request));
    app.authority.suspend_client(&context, &id).await.map_err(refused)?;
    Ok(positioned(reply::ok(&Client::of(&*find(&app, &id)?)), &context))
}

/// End a client's suspension.
#[utoipa::path(post, path = RESUME, tag = "clients", operation_id = "resumeClient", security(("ApiKey" = ["admin"])), params(("client_id" = String, Path, description = "The client's id.")),
    responses((status = 200, description = "The client.", body = Client), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn resume(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let (id, context) = (client_id(&request)?, acting_as(&key, &request));
    app.authority.resume_client(&context, &id).await.map_err(refused)?;
    Ok(positioned(reply::ok(&Client::of(&*find(&app, &id)?)), &context))
}

/// Start to rotate a client's secret: the new one is good beside the present one.
#[utoipa::path(post, path = SECRET_ROTATION, tag = "clients", operation_id = "startClientSecretRotation", security(("ApiKey" = ["admin"])), params(("client_id" = String, Path, description = "The client's id."), IdempotencyKeyHeader),
    responses((status = 201, description = "The new secret: shown this once.", body = NewClientSecret), (status = 409, description = "A rotation is under way, or the client has no secret.", body = ProblemBody), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn start_secret_rotation(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let id = client_id(&request)?;
    let context = app.acting_once(&key, &request, "startClientSecretRotation").await?;
    let secret = app.authority.start_client_secret_rotation(&context, &id).await.map_err(refused)?;
    Ok(positioned(reply::created(&NewClientSecret { client_secret: secret.expose().to_owned() }), &context))
}

/// Complete the rotation: only the new secret is good.
#[utoipa::path(post, path = SECRET_ROTATION_COMPLETE, tag = "clients", operation_id = "completeClientSecretRotation", security(("ApiKey" = ["admin"])), params(("client_id" = String, Path, description = "The client's id.")),
    responses((status = 204, description = "Done."), (status = 409, description = "No rotation is under way.", body = ProblemBody), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn complete_secret_rotation(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let context = acting_as(&key, &request);
    app.authority.complete_client_secret_rotation(&context, &client_id(&request)?).await.map_err(refused)?;
    Ok(positioned(reply::no_content(), &context))
}

/// Cancel the rotation: the new secret is forgotten.
#[utoipa::path(delete, path = SECRET_ROTATION, tag = "clients", operation_id = "cancelClientSecretRotation", security(("ApiKey" = ["admin"])), params(("client_id" = String, Path, description = "The client's id.")),
    responses((status = 204, description = "Done."), (status = 409, description = "No rotation is under way.", body = ProblemBody), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn cancel_secret_rotation(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let context = acting_as(&key, &request);
    app.authority.cancel_client_secret_rotation(&context, &client_id(&request)?).await.map_err(refused)?;
    Ok(positioned(reply::no_content(), &context))
}

/// Vouch for a client that registered itself: consent pages show it as verified, and it never lapses.
///
/// A client that later changes what it says of itself is not verified any more.
#[utoipa::path(post, path = VERIFY, tag = "clients", operation_id = "verifyClient", security(("ApiKey" = ["admin"])), params(("client_id" = String, Path, description = "The client's id.")),
    responses((status = 200, description = "The client.", body = Client), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn verify(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let (id, context) = (client_id(&request)?, acting_as(&key, &request));
    app.authority.verify_client(&context, &id).await.map_err(refused)?;
    Ok(positioned(reply::ok(&Client::of(&*find(&app, &id)?)), &context))
}

/// Vouch for a client no more.
#[utoipa::path(delete, path = VERIFY, tag = "clients", operation_id = "withdrawClientVerification", security(("ApiKey" = ["admin"])), params(("client_id" = String, Path, description = "The client's id.")),
    responses((status = 200, description = "The client.", body = Client), (status = 409, description = "An administrator registered the client.", body = ProblemBody), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn withdraw_verification(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let (id, context) = (client_id(&request)?, acting_as(&key, &request));
    app.authority.withdraw_client_verification(&context, &id).await.map_err(refused)?;
    Ok(positioned(reply::ok(&Client::of(&*find(&app, &id)?)), &context))
}

fn registration(request: &Request) -> Result<Option<Registration>, Problem> {
    let Some(text) = request.query_param("registration")? else { return Ok(None) };
    let known = Registration::ALL.into_iter().find(|registration| registration.as_str() == text);
    let names = || Registration::ALL.map(Registration::as_str).join(", ");
    known.map(Some).ok_or_else(|| Problem::invalid_field("registration", format!("It must be one of {}.", names())))
}

fn organization(request: &Request) -> Result<Option<OrganizationId>, Problem> {
    let Some(text) = request.query_param("organization_id")? else { return Ok(None) };
    let invalid = || Problem::invalid_field("organization_id", "No organization can have this id.");
    organization_id_of(&text).map(Some).ok_or_else(invalid)
}

/// A text that no client can have as id names none.
fn client_id(request: &Request) -> Result<ClientId, Problem> {
    parse_client_id(request.param("client_id")?).ok_or_else(|| Problem::not_found("There is no such client."))
}

fn find(app: &App, id: &ClientId) -> Result<Arc<ClientView>, Problem> {
    let found = app.live.client(id).filter(|client| !client.standing.is_lapsed(app.authority.now()));
    found.ok_or_else(|| Problem::not_found("There is no such client."))
}

fn metadata(request: &Request) -> Result<ClientMetadata, Problem> {
    let input: ClientMetadataInput = request.json()?;
    input.into_metadata().map_err(|problems| invalid_metadata("What is registered about a client must be consistent", &problems))
}

fn refused(error: UseCaseError<ClientRefusal>) -> Problem {
    match error {
        UseCaseError::Trouble(trouble) => unavailable(trouble),
        UseCaseError::Refused(ClientRefusal::NotFound) => Problem::not_found("There is no such client."),
        UseCaseError::Refused(refusal) => Problem::new(ProblemCode::Conflict, refusal.to_string()),
    }
}
