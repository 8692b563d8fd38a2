//! Token revocation (RFC 7009).

use grantlog_core::{
    app::UseCaseError,
    protocol::{OAuthErrorCode, presented_token},
};
use utoipa::ToSchema;

use super::{authenticate_client, form, unavailable, worded};
use crate::{
    app::{App, positioned},
    oauth_error::{OAuthErrorBody, OAuthFailure},
    reply::{self, Response},
    request::Request,
};

/// The revocation endpoint.
pub const PATH: &str = "/oauth2/revoke";

/// The form of a revocation request (RFC 7009 §2.1).
#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents the form; requests are parsed by the protocol module")]
pub struct RevocationForm {
    /// An access token or a refresh token.
    token: String,
    /// What kind of token it is, as the client thinks; not needed.
    token_type_hint: Option<String>,
    /// The client's id, unless it is in the Authorization header.
    client_id: Option<String>,
    /// The client's secret (`client_secret_post`).
    client_secret: Option<String>,
}

/// Revoke an access token or a refresh token.
///
/// Revoking a refresh token also ends the access tokens of the same authorization. A token that is unknown or dead
/// already is answered in the same way.
#[utoipa::path(post, path = PATH, tag = "protocol", operation_id = "revokeToken",
    request_body(content = RevocationForm, content_type = "application/x-www-form-urlencoded",
        example = json!({"token": "glr_AZMtXnwafjG3qA9sPSqbEA…", "client_id": "client_01932d5e7c1a7e31b7a80f6c3d2a9b10"})),
    security((), ("ClientBasic" = [])),
    responses(
        (status = 200, description = "The token is dead."),
        (status = 400, description = "The request is not valid, or the token was issued to another client.", body = OAuthErrorBody),
        (status = 401, description = "The client is not authenticated.", body = OAuthErrorBody),
        (status = "4XX", description = "The request is too large or too frequent.", body = OAuthErrorBody),
        (status = 503, description = "The token may still live: try again (RFC 7009 §2.2.1).", body = OAuthErrorBody)))]
pub async fn revoke(app: App, request: Request) -> Result<Response, OAuthFailure> {
    let params = form(&request)?;
    // RFC 7009 §2.1: the client is authenticated first.
    let (client, context) = authenticate_client(&app, &request, &params).await?;
    let token = presented_token(&params).map_err(|error| worded(&error, false))?;
    match app.authority.revoke_token(&context, &client, token.expose()).await {
        // RFC 7009 §2.2: 200, whether there was something to revoke or not.
        Ok(()) => Ok(positioned(reply::empty(), &context)),
        // RFC 7009 §2.1 refuses another client's token; a client that proved nothing is told nothing.
        Err(UseCaseError::Refused(_)) if client.is_public() => Ok(reply::empty()),
        Err(UseCaseError::Refused(refusal)) => Err(OAuthFailure::new(OAuthErrorCode::InvalidGrant.as_str(), format!("token: {refusal}"))),
        // RFC 7009 §2.2.1: 503, so that the client takes the token for alive and comes back.
        Err(UseCaseError::Trouble(trouble)) => Err(unavailable(trouble)),
    }
}
