//! Trusted issuers: register, read, list, update, delete.

use std::sync::Arc;

use grantlog_core::{
    app::{UseCaseError, trusted_issuers::RegisteredTrustedIssuer},
    domain::{TrustedIssuerId, trusted_issuer::TrustedIssuerRefusal},
    protocol::{TrustedIssuerInput, TrustedIssuerSettings},
};
use grantlog_projections::live::TrustedIssuerView;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ADMIN, READERS, invalid_metadata};
use crate::{
    app::{App, acting_as, positioned, unavailable},
    idempotency::IdempotencyKeyHeader,
    problem::{Problem, ProblemBody, ProblemCode},
    reply::{self, Response},
    request::Request,
};

/// All trusted issuers.
pub const COLLECTION: &str = "/v1/trusted-issuers";
/// One trusted issuer.
pub const ITEM: &str = "/v1/trusted-issuers/{id}";

/// A trusted issuer.
#[derive(Serialize, ToSchema)]
pub struct TrustedIssuer {
    /// Its id here.
    #[schema(example = "01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10")]
    id: String,
    /// When it was registered (RFC 3339, UTC).
    registered_at: String,
    /// What is registered about it.
    #[serde(flatten)]
    settings: TrustedIssuerSettings,
}

/// All trusted issuers.
#[derive(Serialize, ToSchema)]
pub struct TrustedIssuers {
    /// In the order of their registration.
    trusted_issuers: Vec<TrustedIssuer>,
}

impl TrustedIssuer {
    fn of(view: &TrustedIssuerView) -> Self {
        Self { id: view.id.to_string(), registered_at: view.registered_at.to_rfc3339(), settings: view.settings.clone() }
    }
}

/// Register a trusted issuer.
///
/// Pages of its origins may then present its tokens instead of an API key.
#[utoipa::path(post, path = COLLECTION, tag = "trusted issuers", operation_id = "registerTrustedIssuer", security(("ApiKey" = ["admin"])), params(IdempotencyKeyHeader),
    request_body(content = TrustedIssuerInput, example = json!({"issuer": "https://login.example.com", "jwks_uri": "https://login.example.com/.well-known/jwks.json",
        "audience": "https://auth.example.com", "algorithms": ["RS256"], "origins": ["https://app.example.com"],
        "claims": {"subject": "sub", "organization": "org_id", "auth_time": "auth_time", "passed_on": {"email": "email", "name": "/user/name"}}})),
    responses(
        (status = 201, description = "The trusted issuer.", body = TrustedIssuer),
        (status = 422, description = "It is not acceptable; `problems` lists every mistake.", body = ProblemBody),
        (status = "4XX", description = "The call is not valid.", body = ProblemBody),
        (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn register(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let settings = settings(&app, &request)?;
    let context = app.acting_once(&key, &request, "registerTrustedIssuer").await?;
    let registered = app.authority.register_trusted_issuer(&context, settings.clone()).await.map_err(refused)?;
    let RegisteredTrustedIssuer { id, registered_at } = registered;
    let issuer = TrustedIssuer { id: id.to_string(), registered_at: registered_at.to_rfc3339(), settings };
    Ok(positioned(reply::created(&issuer), &context))
}

/// List trusted issuers.
#[utoipa::path(get, path = COLLECTION, tag = "trusted issuers", operation_id = "listTrustedIssuers", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    responses((status = 200, description = "All of them.", body = TrustedIssuers), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn list(app: App, request: Request) -> Result<Response, Problem> {
    app.require_role(&request, &READERS).await?;
    app.wait_for_min_position(&request).await?;
    let trusted_issuers = app.live.trusted_issuers().iter().map(|view| TrustedIssuer::of(view)).collect();
    Ok(reply::ok(&TrustedIssuers { trusted_issuers }))
}

/// Read a trusted issuer.
#[utoipa::path(get, path = ITEM, tag = "trusted issuers", operation_id = "readTrustedIssuer", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])), params(("id" = String, Path, description = "Its id.")),
    responses((status = 200, description = "The trusted issuer.", body = TrustedIssuer), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn read(app: App, request: Request) -> Result<Response, Problem> {
    app.require_role(&request, &READERS).await?;
    app.wait_for_min_position(&request).await?;
    Ok(reply::ok(&TrustedIssuer::of(&*find(&app, request.id("id")?)?)))
}

/// Replace what is registered about a trusted issuer.
///
/// Its keys are fetched anew.
#[utoipa::path(put, path = ITEM, tag = "trusted issuers", operation_id = "updateTrustedIssuer", security(("ApiKey" = ["admin"])), params(("id" = String, Path, description = "Its id.")),
    request_body(content = TrustedIssuerInput, example = json!({"issuer": "https://login.example.com", "jwks_uri": "https://login.example.com/.well-known/jwks.json",
        "audience": "https://auth.example.com", "algorithms": ["RS256"], "origins": ["https://app.example.com", "https://beta.example.com"]})),
    responses((status = 200, description = "The trusted issuer.", body = TrustedIssuer), (status = 422, description = "It is not acceptable; `problems` lists every mistake.", body = ProblemBody), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn update(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let id = request.id("id")?;
    let settings = settings(&app, &request)?;
    let context = acting_as(&key, &request);
    app.authority.update_trusted_issuer(&context, id, settings).await.map_err(refused)?;
    Ok(positioned(reply::ok(&TrustedIssuer::of(&*find(&app, id)?)), &context))
}

/// Delete a trusted issuer: its tokens are not accepted any more.
///
/// What was granted by its tokens stays.
#[utoipa::path(delete, path = ITEM, tag = "trusted issuers", operation_id = "deleteTrustedIssuer", security(("ApiKey" = ["admin"])), params(("id" = String, Path, description = "Its id.")),
    responses((status = 204, description = "It is not trusted any more."), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn delete(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let (id, context) = (request.id("id")?, acting_as(&key, &request));
    app.authority.delete_trusted_issuer(&context, id).await.map_err(refused)?;
    Ok(positioned(reply::no_content(), &context))
}

fn find(app: &App, id: TrustedIssuerId) -> Result<Arc<TrustedIssuerView>, Problem> {
    app.live.trusted_issuer(id).ok_or_else(missing)
}

fn missing() -> Problem {
    Problem::not_found("There is no such trusted issuer.")
}

fn settings(app: &App, request: &Request) -> Result<TrustedIssuerSettings, Problem> {
    let input: TrustedIssuerInput = request.json()?;
    let checked = app.authority.check_trusted_issuer(input);
    checked.map_err(|problems| invalid_metadata("What is registered about a trusted issuer must be sound", &problems))
}

fn refused(error: UseCaseError<TrustedIssuerRefusal>) -> Problem {
    match error {
        UseCaseError::Trouble(trouble) => unavailable(trouble),
        UseCaseError::Refused(TrustedIssuerRefusal::NotFound) => missing(),
        UseCaseError::Refused(refusal) => Problem::new(ProblemCode::Conflict, refusal.to_string()),
    }
}
