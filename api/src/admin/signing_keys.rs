//! Signing keys: look at them, rotate them.

use grantlog_core::{app::UseCaseError, domain::Timestamp, jose::Algorithm, keys::SigningKeyEntry};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ADMIN, READERS};
use crate::{
    app::{App, acting_as, positioned, unavailable},
    idempotency::IdempotencyKeyHeader,
    problem::{Problem, ProblemBody, ProblemCode},
    reply::{self, Response},
    request::Request,
};

/// All signing keys.
pub const COLLECTION: &str = "/v1/signing-keys";
/// Make the next ones.
pub const ROTATE: &str = "/v1/signing-keys/rotate";

/// End one at once.
pub const REVOKE: &str = "/v1/signing-keys/{kid}/revoke";

/// A signing key; its private half is never told.
#[derive(Serialize, ToSchema)]
pub struct SigningKey {
    /// Its id, as in the JWK Set.
    kid: String,
    /// What it signs with.
    algorithm: Algorithm,
    /// When it began, or will begin, to sign (RFC 3339, UTC).
    active_from: String,
    /// When it stops to sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    retired_at: Option<String>,
    /// Until when it is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    published_until: Option<String>,
}

/// All signing keys.
#[derive(Serialize, ToSchema)]
pub struct SigningKeys {
    /// Every key that is not revoked.
    signing_keys: Vec<SigningKey>,
}

impl SigningKey {
    fn of(entry: &SigningKeyEntry) -> Self {
        Self {
            kid: entry.kid.clone(),
            algorithm: entry.algorithm,
            active_from: entry.active_from.to_rfc3339(),
            retired_at: entry.retired_at.map(Timestamp::to_rfc3339),
            published_until: entry.published_until.map(Timestamp::to_rfc3339),
        }
    }
}

fn all(app: &App) -> SigningKeys {
    SigningKeys { signing_keys: app.authority.key_directory().keys().iter().map(SigningKey::of).collect() }
}

/// List signing keys.
#[utoipa::path(get, path = COLLECTION, tag = "signing keys", operation_id = "listSigningKeys", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    responses((status = 200, description = "The keys.", body = SigningKeys), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn list(app: App, request: Request) -> Result<Response, Problem> {
    app.require_role(&request, &READERS).await?;
    app.wait_for_min_position(&request).await?;
    Ok(reply::ok(&all(&app)))
}

/// Rotate the signing keys.
///
/// The next key of each algorithm is published at once and signs after the publication lead. The present one stays
/// published until the last token that it signed has expired.
#[utoipa::path(post, path = ROTATE, tag = "signing keys", operation_id = "rotateSigningKeys", security(("ApiKey" = ["admin"])), params(IdempotencyKeyHeader),
    responses((status = 201, description = "The keys.", body = SigningKeys), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn rotate(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let context = app.acting_once(&key, &request, "rotateSigningKeys").await?;
    match app.authority.rotate_signing_keys(&context).await {
        Ok(_) => Ok(positioned(reply::created(&all(&app)), &context)),
        Err(UseCaseError::Trouble(trouble)) => Err(unavailable(trouble)),
        Err(UseCaseError::Refused(refusal)) => Err(Problem::new(ProblemCode::Conflict, refusal.to_string())),
    }
}

/// Revoke a signing key.
///
/// For a key that may have leaked: it is published no more, every token that it signed is void, and a new key takes its
/// place at once.
#[utoipa::path(post, path = REVOKE, tag = "signing keys", operation_id = "revokeSigningKey", security(("ApiKey" = ["admin"])),
    params(("kid" = String, Path, description = "The key's id.")),
    responses((status = 204, description = "It is void."), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn revoke(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let context = acting_as(&key, &request);
    match app.authority.revoke_signing_key(&context, request.param("kid")?).await {
        Ok(()) => Ok(positioned(reply::no_content(), &context)),
        Err(UseCaseError::Trouble(trouble)) => Err(unavailable(trouble)),
        Err(UseCaseError::Refused(_)) => Err(Problem::not_found("There is no such signing key.")),
    }
}
