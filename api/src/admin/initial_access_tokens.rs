//! Initial access tokens (RFC 7591 §1.2): create, list, revoke.

use grantlog_core::{
    app::UseCaseError,
    domain::{InitialAccessTokenId, Seconds, Timestamp, initial_access_token::InitialAccessTokenRefusal},
};
use grantlog_projections::live::InitialAccessTokenView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ADMIN, READERS};
use crate::{
    app::{App, acting_as, positioned, unavailable},
    idempotency::IdempotencyKeyHeader,
    problem::{Problem, ProblemBody, ProblemCode},
    reply::{self, Response},
    request::Request,
};

/// All initial access tokens.
pub const COLLECTION: &str = "/v1/initial-access-tokens";
/// One initial access token.
pub const ITEM: &str = "/v1/initial-access-tokens/{id}";

const DEFAULT_LIFETIME: u32 = 7 * 86_400;
const LONGEST_LIFETIME: u32 = 365 * 86_400;
const MOST_USES: u32 = 10_000;

/// An initial access token to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInitialAccessToken {
    /// What it is called.
    #[schema(example = "partners", min_length = 1, max_length = 100)]
    name: String,
    /// How long it is good, in seconds; a week when left out.
    #[serde(default)]
    #[schema(minimum = 60, maximum = 31_536_000)]
    expires_in: Option<u32>,
    /// How many clients may be registered with it; one when left out.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10_000)]
    max_uses: Option<u32>,
}

/// An initial access token.
#[derive(Serialize, ToSchema)]
pub struct InitialAccessToken {
    /// Its id.
    id: String,
    /// The token itself: in the answer to its creation and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "gli_AZMtXnwafjG3qA9sPSqbEA…")]
    initial_access_token: Option<String>,
    /// What it is called.
    name: String,
    /// How many clients may be registered with it.
    max_uses: u32,
    /// How many were.
    uses: u32,
    /// When it was made (RFC 3339, UTC).
    created_at: String,
    /// Until when it is good (RFC 3339, UTC).
    expires_at: String,
}

/// All initial access tokens.
#[derive(Serialize, ToSchema)]
pub struct InitialAccessTokens {
    /// In the order of their creation.
    initial_access_tokens: Vec<InitialAccessToken>,
}

impl InitialAccessToken {
    fn of(view: &InitialAccessTokenView) -> Self {
        Self {
            id: view.id.to_string(),
            initial_access_token: None,
            name: view.name.clone(),
            max_uses: view.max_uses,
            uses: view.uses,
            created_at: view.created_at.to_rfc3339(),
            expires_at: view.expires_at.to_rfc3339(),
        }
    }
}

/// Create an initial access token: who has it can register clients.
#[utoipa::path(post, path = COLLECTION, tag = "registration", operation_id = "createInitialAccessToken", security(("ApiKey" = ["admin"])), params(IdempotencyKeyHeader),
    request_body(content = CreateInitialAccessToken, example = json!({"name": "partners", "expires_in": 86400, "max_uses": 20})),
    responses((status = 201, description = "The initial access token: shown this once.", body = InitialAccessToken), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn create(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let wanted: CreateInitialAccessToken = request.json()?;
    let name = wanted.name.trim();
    if name.is_empty() || name.chars().count() > 100 {
        return Err(Problem::invalid_field("name", "It must have 1 to 100 characters."));
    }
    let lifetime = wanted.expires_in.unwrap_or(DEFAULT_LIFETIME);
    if !(60..=LONGEST_LIFETIME).contains(&lifetime) {
        return Err(Problem::invalid_field("expires_in", format!("It must be between 60 and {LONGEST_LIFETIME} seconds.")));
    }
    let max_uses = wanted.max_uses.unwrap_or(1);
    if !(1..=MOST_USES).contains(&max_uses) {
        return Err(Problem::invalid_field("max_uses", format!("It must be between 1 and {MOST_USES}.")));
    }
    let context = app.acting_once(&key, &request, "createInitialAccessToken").await?;
    let created = app.authority.create_initial_access_token(&context, name, Seconds(lifetime), max_uses).await;
    let (id, token) = created.map_err(refused)?;
    let recorded = app.authority.initial_access_token(id).await.map_err(unavailable)?;
    let created = InitialAccessToken {
        id: id.to_string(),
        initial_access_token: Some(token.expose().to_owned()),
        name: name.to_owned(),
        max_uses,
        uses: 0,
        created_at: recorded.created_at().map(Timestamp::to_rfc3339).unwrap_or_default(),
        expires_at: recorded.expires_at().map(Timestamp::to_rfc3339).unwrap_or_default(),
    };
    Ok(positioned(reply::created(&created), &context))
}

/// List the initial access tokens that are not revoked, without the tokens themselves.
#[utoipa::path(get, path = COLLECTION, tag = "registration", operation_id = "listInitialAccessTokens", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    responses((status = 200, description = "The initial access tokens.", body = InitialAccessTokens), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn list(app: App, request: Request) -> Result<Response, Problem> {
    app.require_role(&request, &READERS).await?;
    app.wait_for_min_position(&request).await?;
    let tokens = app.live.initial_access_tokens();
    Ok(reply::ok(&InitialAccessTokens { initial_access_tokens: tokens.iter().map(|view| InitialAccessToken::of(view)).collect() }))
}

/// Revoke an initial access token. The clients that were registered with it stay.
#[utoipa::path(delete, path = ITEM, tag = "registration", operation_id = "revokeInitialAccessToken", security(("ApiKey" = ["admin"])), params(("id" = String, Path, description = "The initial access token's id.")),
    responses((status = 204, description = "It is good for nothing any more."), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn revoke(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let id = request.id::<InitialAccessTokenId>("id")?;
    let context = acting_as(&key, &request);
    app.authority.revoke_initial_access_token(&context, id).await.map_err(refused)?;
    Ok(positioned(reply::no_content(), &context))
}

fn refused(error: UseCaseError<InitialAccessTokenRefusal>) -> Problem {
    match error {
        UseCaseError::Trouble(trouble) => unavailable(trouble),
        UseCaseError::Refused(InitialAccessTokenRefusal::NotFound) => Problem::not_found("There is no such initial access token."),
        UseCaseError::Refused(refusal) => Problem::new(ProblemCode::Conflict, refusal.to_string()),
    }
}
