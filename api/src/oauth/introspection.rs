//! Token introspection (RFC 7662), for resource servers and only for tokens that are meant for them.

use std::sync::Arc;

use crate::access_token::LiveAccessToken;
use grantlog_core::{
    app::{api_keys::AuthenticatedApiKey, recognise::Recognised},
    domain::{ResourceServerId, api_key::Role},
    protocol::{BearerToken, SecretText, claims_template::is_reserved_claim, client_authentication::basic_password, presented_token},
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{form, unavailable, worded};
use crate::{
    app::App,
    oauth_error::{OAuthErrorBody, OAuthFailure},
    reply::{self, Response},
    request::Request,
};

/// The introspection endpoint.
pub const PATH: &str = "/oauth2/introspect";

/// The form of an introspection request (RFC 7662 §2.1).
#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents the form; requests are parsed by the protocol module")]
pub struct IntrospectionForm {
    /// An access token.
    token: String,
    /// What kind of token it is, as the caller thinks; not needed.
    token_type_hint: Option<String>,
}

/// What is known of a token (RFC 7662 §2.2). Of a token that is not active nothing is told but that.
#[derive(Default, Serialize, ToSchema)]
pub struct IntrospectionResponse {
    /// Whether it is good now.
    active: bool,
    /// What it is good for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "email openid")]
    scope: Option<String>,
    /// The client that it was issued to.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// Always `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// When it expires: seconds since 1970-01-01 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    /// Who allowed it; for a machine client the client itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "ana")]
    sub: Option<Arc<str>>,
    /// For whom it is meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aud: Vec<String>,
    /// Who issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    /// The organization that the subject acted in.
    #[serde(skip_serializing_if = "Option::is_none")]
    org_id: Option<String>,
    /// When the subject was authenticated: seconds since 1970-01-01 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
    /// The authentication context class.
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
    /// Custom claims of the client and of the resource servers, as they stand in a JWT.
    #[serde(flatten)]
    custom: Map<String, Value>,
}

/// Look at a token.
///
/// Send an API key with the role `resource_server`, as Bearer or as the password of HTTP Basic. A token that is not
/// meant for this resource server is answered like one that does not exist.
#[utoipa::path(post, path = PATH, tag = "protocol", operation_id = "introspectToken",
    request_body(content = IntrospectionForm, content_type = "application/x-www-form-urlencoded",
        example = json!({"token": "eyJhbGciOiJFZERTQSIsImtpZCI6Ii4uLiJ9…"})),
    security(("ApiKey" = ["resource_server"]), ("ClientBasic" = [])),
    responses(
        (status = 200, description = "What is known of the token.", body = IntrospectionResponse),
        (status = 400, description = "The request is not valid.", body = OAuthErrorBody),
        (status = 401, description = "The caller is not authenticated.", body = OAuthErrorBody),
        (status = "4XX", description = "The caller may not introspect, or the request is too large or too frequent.", body = OAuthErrorBody),
        (status = 503, description = "Try again.", body = OAuthErrorBody)))]
pub async fn introspect(app: App, request: Request) -> Result<Response, OAuthFailure> {
    // RFC 7662 §2.1: the caller is authorized, or tokens could be fished for.
    let caller = authenticate(&app, &request).await?;
    app.wait_for_min_position(&request).await?;
    let token = presented_token(&form(&request)?).map_err(|error| worded(&error, false))?;
    let told = look_at(&app, &caller, token.expose()).await?;
    Ok(reply::ok(&told.unwrap_or_default()))
}

async fn authenticate(app: &App, request: &Request) -> Result<AuthenticatedApiKey, OAuthFailure> {
    let header = request.header("authorization")?;
    let refused = |why: &str| OAuthFailure::invalid_caller(why);
    let header = header.ok_or_else(|| refused("Send an API key with the role resource_server."))?;
    let key = match BearerToken::from_header(header) {
        Ok(bearer) => SecretText::from(bearer.expose()),
        Err(_) => basic_password(header).ok_or_else(|| refused("The Authorization header holds no API key."))?,
    };
    let key = app.identify(request, key.expose()).await?.ok_or_else(|| refused("The API key is unknown or revoked."))?;
    match key.role {
        Role::ResourceServer => Ok(key),
        _ => Err(OAuthFailure::from(crate::problem::Problem::forbidden("This needs an API key with the role resource_server."))),
    }
}

async fn look_at(app: &App, caller: &AuthenticatedApiKey, presented: &str) -> Result<Option<IntrospectionResponse>, OAuthFailure> {
    // Refresh tokens are for the authorization server alone: to a resource server they are nothing.
    let Some(Recognised::AccessToken { reference, claims }) = app.authority.recognise(presented) else { return Ok(None) };
    let Some(token) = app.live_access_token(reference, claims.as_ref()) else { return Ok(None) };
    // RFC 7662 §4: a resource server learns nothing of tokens that are meant for others.
    let own_audience = caller.audience.as_deref().unwrap_or(&app.authority.settings.audience);
    if !token.audience.iter().any(|audience| audience == own_audience) {
        return Ok(None);
    }
    describe(app, token, reference.to_string(), claims).await
}

/// What a JWT says beside the protocols; of an opaque token what it would say as a JWT.
async fn custom_claims(
    app: &App,
    token: &LiveAccessToken,
    sub: &str,
    claims: Option<Map<String, Value>>,
) -> Result<Map<String, Value>, OAuthFailure> {
    if let Some(mut claims) = claims {
        claims.retain(|name, _| !is_reserved_claim(name));
        return Ok(claims);
    }
    let Some(client) = app.live.client(&token.client_id) else { return Ok(Map::new()) };
    let servers: Vec<_> = token.audience.iter().filter_map(|audience| app.live.resource_server(&ResourceServerId::of(audience))).collect();
    let of_servers = servers.iter().map(|server| &server.settings.access_token_claims);
    let templates: Vec<_> = std::iter::once(&client.metadata.claims.access_token).chain(of_servers).collect();
    let facts = token.claim_facts(sub, &client.metadata.client_name);
    app.authority.custom_claims(&templates, &facts).await.map_err(unavailable)
}

async fn describe(
    app: &App,
    token: LiveAccessToken,
    jti: String,
    claims: Option<Map<String, Value>>,
) -> Result<Option<IntrospectionResponse>, OAuthFailure> {
    let sub = match token.subject {
        None => Some(token.client_id.0.clone()),
        Some(subject) => app.authority.vault().external_id(subject).await.map_err(|error| unavailable(error.into()))?,
    };
    // A subject that was forgotten has no live token.
    let Some(sub) = sub else { return Ok(None) };
    let custom = custom_claims(app, &token, &sub, claims).await?;
    Ok(Some(IntrospectionResponse {
        active: true,
        scope: Some(token.scope.to_string()),
        client_id: Some(token.client_id.to_string()),
        token_type: Some("Bearer"),
        exp: Some(token.expires_at.as_seconds()),
        sub: Some(sub),
        aud: token.audience,
        iss: Some(app.issuer().to_owned()),
        jti: Some(jti),
        org_id: token.organization_id.map(|organization| organization.0.to_string()),
        auth_time: token.authentication.as_ref().map(|authentication| authentication.auth_time.as_seconds()),
        acr: token.authentication.and_then(|authentication| authentication.acr.clone()),
        custom,
    }))
}
