//! The token endpoint (OAuth 2.1 §3.2).

use grantlog_core::{
    app::issue::{IssuedTokens, PresentedCode},
    protocol::TokenRequest,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{authenticate_client, form, use_case_error, worded};
use crate::{
    app::{App, positioned},
    oauth_error::{OAuthErrorBody, OAuthFailure},
    reply::{self, Response},
    request::Request,
};

/// The token endpoint.
pub const PATH: &str = "/oauth2/token";

/// A token response (RFC 6749 §5.1).
#[derive(Serialize, ToSchema)]
pub struct TokenResponse {
    /// The access token.
    #[schema(example = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6Ii4uLiJ9…")]
    access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// How long the access token lives, in seconds.
    #[schema(example = 600)]
    expires_in: u32,
    /// What it is good for.
    #[schema(example = "email openid")]
    scope: String,
    /// The refresh token, when `offline_access` was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// The ID token, when `openid` was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

impl From<IssuedTokens> for TokenResponse {
    fn from(issued: IssuedTokens) -> Self {
        Self {
            access_token: issued.access_token.expose().to_owned(),
            token_type: "Bearer",
            expires_in: issued.expires_in.0,
            scope: issued.scope.to_string(),
            refresh_token: issued.refresh_token.map(|token| token.expose().to_owned()),
            id_token: issued.id_token.map(|token| token.expose().to_owned()),
        }
    }
}

/// The form of a token request (RFC 6749 §4.1.3, §4.4.2, §6).
#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents the form; requests are parsed by the protocol module")]
pub struct TokenForm {
    /// `authorization_code`, `refresh_token` or `client_credentials`.
    #[schema(example = "authorization_code")]
    grant_type: String,
    /// The code.
    code: Option<String>,
    /// The redirect URI of the authorization request.
    redirect_uri: Option<String>,
    /// The PKCE verifier (RFC 7636 §4.5).
    code_verifier: Option<String>,
    /// The refresh token.
    refresh_token: Option<String>,
    /// Scopes, separated by spaces.
    scope: Option<String>,
    /// The resource servers that the access token shall be for (RFC 8707 §2.2); may be sent several times.
    resource: Option<String>,
    /// The client's id, unless it is in the Authorization header.
    client_id: Option<String>,
    /// The client's secret (`client_secret_post`).
    client_secret: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer` (`private_key_jwt`).
    client_assertion_type: Option<String>,
    /// The assertion (RFC 7523 §2.2).
    client_assertion: Option<String>,
}

/// Get tokens.
#[utoipa::path(post, path = PATH, tag = "protocol", operation_id = "issueTokens",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded",
        example = json!({"grant_type": "authorization_code", "code": "glc_AZMtXnwafjG3qA9sPSqbEA…", "redirect_uri": "https://weather.example.com/callback",
            "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "client_id": "client_01932d5e7c1a7e31b7a80f6c3d2a9b10"})),
    security((), ("ClientBasic" = [])),
    responses(
        (status = 200, description = "Tokens.", body = TokenResponse),
        (status = 400, description = "The request or the grant is not valid (RFC 6749 §5.2).", body = OAuthErrorBody),
        (status = 401, description = "The client is not authenticated.", body = OAuthErrorBody),
        (status = "4XX", description = "The request is too large or too frequent.", body = OAuthErrorBody),
        (status = 503, description = "Try again.", body = OAuthErrorBody)))]
pub async fn token(app: App, request: Request) -> Result<Response, OAuthFailure> {
    let params = form(&request)?;
    let (client, context) = authenticate_client(&app, &request, &params).await?;
    let authority = &app.authority;
    let issued = match TokenRequest::parse(&params).map_err(|error| worded(&error, false))? {
        TokenRequest::AuthorizationCode { code, redirect_uri, code_verifier, resources } => {
            let presented = PresentedCode { code: code.expose(), redirect_uri, code_verifier, resources };
            authority.redeem_code(&context, &client, presented).await
        }
        TokenRequest::RefreshToken { refresh_token, scope, resources } => {
            authority.refresh(&context, &client, refresh_token.expose(), scope, resources).await
        }
        TokenRequest::ClientCredentials { scope, resources } => authority.issue_machine_token(&context, &client, scope, &resources).await,
    };
    // RFC 6749 §5.1: no-store, and no-cache for old caches.
    let response = reply::ok(&TokenResponse::from(issued.map_err(use_case_error)?)).no_cache_for_http_1_0();
    Ok(positioned(response, &context))
}
