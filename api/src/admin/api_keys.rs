//! API keys: create, list, revoke.

use grantlog_core::{
    app::UseCaseError,
    domain::{
        ApiKeyId,
        api_key::{ApiKeyRefusal, Role},
    },
};
use grantlog_projections::live::ApiKeyView;
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

/// All API keys.
pub const COLLECTION: &str = "/v1/api-keys";
/// One API key.
pub const ITEM: &str = "/v1/api-keys/{id}";

/// An API key to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    /// What it is called.
    #[schema(example = "consent pages", min_length = 1, max_length = 100)]
    name: String,
    /// What it may do.
    role: Role,
    /// For a resource server: the audience whose tokens it may introspect; absent: the service's default audience.
    #[serde(default)]
    #[schema(example = "https://api.example.com")]
    audience: Option<String>,
}

/// An API key.
#[derive(Serialize, ToSchema)]
pub struct ApiKey {
    /// Its id.
    id: String,
    /// The key itself: in the answer to its creation and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "glk_AZMtXnwafjG3qA9sPSqbEA…")]
    api_key: Option<String>,
    /// What it is called.
    name: String,
    /// What it may do.
    role: Role,
    /// For a resource server: the audience whose tokens it may introspect.
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<String>,
    /// When it was made (RFC 3339, UTC).
    created_at: String,
}

/// All API keys.
#[derive(Serialize, ToSchema)]
pub struct ApiKeys {
    /// In the order of their creation.
    api_keys: Vec<ApiKey>,
}

impl ApiKey {
    fn of(view: &ApiKeyView) -> Self {
        Self {
            id: view.id.to_string(),
            api_key: None,
            name: view.name.clone(),
            role: view.role,
            audience: view.audience.clone(),
            created_at: view.created_at.to_rfc3339(),
        }
    }
}

/// Create an API key.
#[utoipa::path(post, path = COLLECTION, tag = "API keys", operation_id = "createApiKey", security(("ApiKey" = ["admin"])), params(IdempotencyKeyHeader),
    request_body(content = CreateApiKey, example = json!({"name": "notes API", "role": "resource_server", "audience": "https://api.example.com"})),
    responses((status = 201, description = "The key: shown this once.", body = ApiKey), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn create(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let input: CreateApiKey = request.json()?;
    if input.name.is_empty() || input.name.len() > 100 || input.name.chars().any(char::is_control) {
        return Err(Problem::invalid_field("name", "It must have 1 to 100 bytes and no control characters."));
    }
    match &input.audience {
        Some(_) if input.role != Role::ResourceServer => {
            return Err(Problem::invalid_field("audience", "Only a resource server has an audience."));
        }
        Some(audience) if audience.is_empty() || audience.len() > 2048 => {
            return Err(Problem::invalid_field("audience", "It must have 1 to 2048 bytes."));
        }
        _ => {}
    }
    let context = app.acting_once(&key, &request, "createApiKey").await?;
    let CreateApiKey { name, role, audience } = input;
    let (id, api_key) = app.authority.create_api_key(&context, &name, role, audience.clone()).await.map_err(refused)?;
    let created_at = app.authority.api_key(id).await.map_err(unavailable)?.created_at().unwrap_or_else(|| app.authority.now());
    let created = ApiKey {
        id: id.to_string(),
        api_key: Some(api_key.expose().to_owned()),
        name,
        role,
        audience,
        created_at: created_at.to_rfc3339(),
    };
    Ok(positioned(reply::created(&created), &context))
}

/// List API keys.
#[utoipa::path(get, path = COLLECTION, tag = "API keys", operation_id = "listApiKeys", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    responses((status = 200, description = "The keys, without their secrets.", body = ApiKeys), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn list(app: App, request: Request) -> Result<Response, Problem> {
    app.require_role(&request, &READERS).await?;
    app.wait_for_min_position(&request).await?;
    Ok(reply::ok(&ApiKeys { api_keys: app.live.api_keys().iter().map(|view| ApiKey::of(view)).collect() }))
}

/// Revoke an API key.
#[utoipa::path(delete, path = ITEM, tag = "API keys", operation_id = "revokeApiKey", security(("ApiKey" = ["admin"])), params(("id" = String, Path, description = "The key's id.")),
    responses((status = 204, description = "It is good for nothing any more."), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn revoke(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let id: ApiKeyId = request.id("id")?;
    let context = acting_as(&key, &request);
    app.authority.revoke_api_key(&context, id).await.map_err(refused)?;
    Ok(positioned(reply::no_content(), &context))
}

fn refused(error: UseCaseError<ApiKeyRefusal>) -> Problem {
    match error {
        UseCaseError::Trouble(trouble) => unavailable(trouble),
        UseCaseError::Refused(ApiKeyRefusal::NotFound) => Problem::not_found("There is no such API key."),
        UseCaseError::Refused(refusal) => Problem::new(ProblemCode::Conflict, refusal.to_string()),
    }
}
