//! The userinfo endpoint (OIDC Core §5.3).

use grantlog_core::{
    app::recognise::Recognised,
    protocol::{BearerToken, Params, SecretText},
};
use http::Method;
use serde_json::Value;

use crate::{
    app::{App, unavailable},
    oauth_error::{BearerFailure, OAuthErrorBody},
    reply::{self, Response},
    request::Request,
};

/// The userinfo endpoint.
pub const PATH: &str = "/oauth2/userinfo";

/// Claims about the end-user.
///
/// Send an access token that was granted `openid`. Which claims come back depends on its scopes, and on the
/// custom claims of the client.
#[utoipa::path(get, path = PATH, tag = "protocol", operation_id = "userinfo", security(("AccessToken" = [])),
    responses(
        (status = 200, description = "The claims; `sub` is always among them.", body = Object, example = json!({"sub": "ana", "name": "Ana Silva", "email": "ana@example.com"})),
        (status = 400, description = "The request is not valid.", body = OAuthErrorBody),
        (status = 401, description = "The token is missing or not active; the challenge says which (RFC 6750 §3)."),
        (status = 403, description = "The token was not granted `openid`.", body = OAuthErrorBody),
        (status = "4XX", description = "The request is too large or too frequent.", body = OAuthErrorBody),
        (status = 503, description = "Try again.", body = OAuthErrorBody)))]
pub async fn userinfo(app: App, request: Request) -> Result<Response, BearerFailure> {
    let presented = access_token(&request)?;
    app.wait_for_min_position(&request).await?;
    let invalid = || BearerFailure::invalid_token("The access token is unknown, expired or revoked.");
    let Some(Recognised::AccessToken { reference, claims }) = app.authority.recognise(presented.expose()) else { return Err(invalid()) };
    let token = app.live_access_token(reference, claims.as_ref()).ok_or_else(invalid)?;
    // OIDC Core §5.3: the token must come from an OpenID Connect authentication request.
    let (Some(subject), true) = (token.subject, token.scope.contains("openid")) else {
        return Err(BearerFailure::insufficient_scope("openid", "The token was not granted openid."));
    };
    let trouble = |error| BearerFailure::from(unavailable(error));
    let sub = app.authority.vault().external_id(subject).await.map_err(|error| trouble(error.into()))?.ok_or_else(invalid)?;
    let mut claims = app.authority.subject_claims(token.claims.as_deref(), &token.scope).await.map_err(trouble)?;
    if let Some(client) = app.live.client(&token.client_id) {
        let facts = token.claim_facts(&sub, &client.metadata.client_name);
        claims.extend(app.authority.custom_claims(&[&client.metadata.claims.userinfo], &facts).await.map_err(trouble)?);
    }
    claims.insert("sub".to_owned(), Value::from(&*sub));
    Ok(reply::ok(&claims))
}

/// The same by POST (OIDC Core §5.3.1); the token may then be in the form (RFC 6750 §2.2).
#[utoipa::path(post, path = PATH, tag = "protocol", operation_id = "userinfoByPost", security(("AccessToken" = [])),
    responses(
        (status = 200, description = "The claims; `sub` is always among them.", body = Object, example = json!({"sub": "ana", "name": "Ana Silva", "email": "ana@example.com"})),
        (status = 400, description = "The request is not valid.", body = OAuthErrorBody),
        (status = 401, description = "The token is missing or not active; the challenge says which (RFC 6750 §3)."),
        (status = 403, description = "The token was not granted `openid`.", body = OAuthErrorBody),
        (status = "4XX", description = "The request is too large or too frequent.", body = OAuthErrorBody),
        (status = 503, description = "Try again.", body = OAuthErrorBody)))]
pub async fn userinfo_by_post(app: App, request: Request) -> Result<Response, BearerFailure> {
    userinfo(app, request).await
}

/// The presented token: in the header, or in the form of a POST, and never in both (RFC 6750 §2).
fn access_token(request: &Request) -> Result<SecretText, BearerFailure> {
    let header = request.header("authorization")?;
    let in_header = header.map(|header| {
        BearerToken::from_header(header)
            .map(|token| SecretText::from(token.expose()))
            .map_err(|_| BearerFailure::invalid_request("The Authorization header holds no bearer token."))
    });
    // RFC 6750 §2.3: never in the query, where logs and histories would keep it.
    let in_form =
        if request.method == Method::POST && !request.body.is_empty() && request.has_content_type("application/x-www-form-urlencoded")? {
            let params = Params::parse(&request.body).map_err(|error| BearerFailure::invalid_request(&error.to_string()))?;
            params.get("access_token").map(SecretText::from)
        } else {
            None
        };
    match (in_header, in_form) {
        (Some(_), Some(_)) => Err(BearerFailure::invalid_request("The access token was sent twice.")),
        (Some(token), None) => Ok(token?),
        (None, Some(token)) => Ok(token),
        // RFC 6750 §3.1: no error code when nothing was presented.
        (None, None) => Err(BearerFailure::missing()),
    }
}
