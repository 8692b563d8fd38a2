//! Dynamic client registration (RFC 7591, OpenID Connect Dynamic Client Registration 1.0).

use grantlog_core::{
    app::{
        Context, UseCaseError,
        register_itself::{Admission, RegistrationRefusal, SelfRegistered},
    },
    domain::{ClientId, Seconds, Timestamp, client::Client},
    jose::Algorithm,
    protocol::{BearerToken, ClientAuthenticationMethod, ClientMetadata, GrantType, MetadataProblem, RedirectUri, Scope, parse_strict},
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    app::{App, positioned, unavailable},
    oauth_error::{BearerFailure, OAuthErrorBody, OAuthFailure},
    problem::{Problem, ProblemCode},
    reply::{self, IntoResponse, Response},
    request::Request,
};

/// The registration endpoint.
pub const PATH: &str = "/oauth2/register";

/// What a client may say of itself. Other members are passed over.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents the body; requests are read by the protocol module")]
pub struct ClientDescription {
    /// Where browsers may be sent back to.
    redirect_uris: Vec<String>,
    /// `client_secret_basic` when left out; `none` for a public client.
    token_endpoint_auth_method: Option<ClientAuthenticationMethod>,
    /// `authorization_code` when left out; `refresh_token` beside it.
    grant_types: Option<Vec<String>>,
    /// `code`.
    response_types: Option<Vec<String>>,
    /// The name to show to people; the host of the first redirect URI when left out.
    client_name: Option<String>,
    /// Its home page.
    client_uri: Option<String>,
    /// Its logo.
    logo_uri: Option<String>,
    /// Its privacy policy.
    policy_uri: Option<String>,
    /// Its terms of service.
    tos_uri: Option<String>,
    /// What it may ask for; all that a client may register itself for, when left out.
    scope: Option<String>,
    /// Its public keys, for `private_key_jwt`.
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    /// `RS256` when left out.
    id_token_signed_response_alg: Option<Algorithm>,
    /// The `max_age` of requests that name none.
    default_max_age: Option<Seconds>,
}

/// A registered client (RFC 7591 §3.2.1, RFC 7592 §3).
#[derive(Serialize, ToSchema)]
pub struct ClientInformation {
    /// Its id.
    #[schema(example = "client_01932d5e7c1a7e31b7a80f6c3d2a9b10")]
    client_id: String,
    /// When it was registered, in seconds.
    client_id_issued_at: i64,
    /// Its secret: in the answer to its registration and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// When the secret expires: 0, which is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<i64>,
    /// What it manages its registration with; absent when it may not.
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_access_token: Option<String>,
    /// Where it manages its registration; absent when it may not.
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_client_uri: Option<String>,
    redirect_uris: Vec<RedirectUri>,
    token_endpoint_auth_method: ClientAuthenticationMethod,
    grant_types: Vec<GrantType>,
    response_types: [&'static str; 1],
    client_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logo_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tos_uri: Option<String>,
    scope: Scope,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    id_token_signed_response_alg: Algorithm,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_max_age: Option<Seconds>,
}

/// An error in one of the dialects of registration: that of bearer tokens, or that of RFC 7591 §3.2.2.
pub enum RegistrationFailure {
    /// The token (RFC 6750 §3).
    Bearer(BearerFailure),
    /// Anything else.
    OAuth(OAuthFailure),
}

impl From<BearerFailure> for RegistrationFailure {
    fn from(failure: BearerFailure) -> Self {
        Self::Bearer(failure)
    }
}

impl From<Problem> for RegistrationFailure {
    fn from(problem: Problem) -> Self {
        Self::OAuth(problem.into())
    }
}

impl IntoResponse for RegistrationFailure {
    fn into_response(self, context: &reply::Context) -> Response {
        match self {
            Self::Bearer(failure) => failure.into_response(context),
            Self::OAuth(failure) => failure.into_response(context),
        }
    }
}

impl RegistrationFailure {
    /// RFC 7591 §3.2.2: `invalid_redirect_uri` when it is about these alone; every mistake is in the description.
    pub(super) fn metadata(problems: &[MetadataProblem]) -> Self {
        let only_redirect_uris = !problems.is_empty() && problems.iter().all(|problem| problem.field == "redirect_uris");
        let code = if only_redirect_uris { "invalid_redirect_uri" } else { "invalid_client_metadata" };
        let mistakes: Vec<_> = problems.iter().map(ToString::to_string).collect();
        Self::OAuth(OAuthFailure::new(code, mistakes.join("; ")))
    }
}

impl ClientInformation {
    /// What a client is told of itself. The registration access token is shown to whoever has it.
    pub(super) fn of(app: &App, client_id: &ClientId, client: &Client, metadata: &ClientMetadata, token: Option<String>) -> Self {
        let metadata = metadata.clone();
        Self {
            client_id: client_id.to_string(),
            client_id_issued_at: client.registered_at().map_or(0, Timestamp::as_seconds),
            client_secret: None,
            client_secret_expires_at: None,
            registration_client_uri: token.as_ref().map(|_| format!("{}{PATH}/{client_id}", app.issuer())),
            registration_access_token: token,
            redirect_uris: metadata.redirect_uris,
            token_endpoint_auth_method: metadata.token_endpoint_auth_method,
            grant_types: metadata.grant_types,
            response_types: ["code"],
            client_name: metadata.client_name,
            client_uri: metadata.client_uri,
            logo_uri: metadata.logo_uri,
            policy_uri: metadata.policy_uri,
            tos_uri: metadata.tos_uri,
            scope: metadata.scope,
            jwks: metadata.jwks,
            id_token_signed_response_alg: metadata.id_token_signed_response_alg,
            default_max_age: metadata.default_max_age,
        }
    }

    fn registered(app: &App, registered: &SelfRegistered) -> Result<Self, Problem> {
        let SelfRegistered { client_id, client, secret, registration_access_token } = registered;
        let metadata = client.metadata().ok_or_else(|| Problem::internal("a client that was just registered has no metadata"))?;
        let token = registration_access_token.as_ref().map(|token| token.expose().to_owned());
        let secret = secret.as_ref().map(|secret| secret.expose().to_owned());
        // RFC 7591 §3.2.1: required beside a secret; 0 is never.
        let client_secret_expires_at = secret.as_ref().map(|_| 0);
        Ok(Self { client_secret: secret, client_secret_expires_at, ..Self::of(app, client_id, client, metadata, token) })
    }
}

/// A client registers itself.
///
/// There when the operator allows it. A public client that says the same as one that is registered gets the same client
/// id, and can't manage its registration.
#[utoipa::path(post, path = PATH, tag = "registration", operation_id = "registerItself",
    request_body(content = ClientDescription, example = json!({"client_name": "Weather by Mail", "redirect_uris": ["https://weather.example.com/callback"], "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"]})),
    security((), ("InitialAccessToken" = [])),
    responses(
        (status = 201, description = "The client, with its secret and its registration access token, if it has them: shown this once.", body = ClientInformation),
        (status = 400, description = "The description is not acceptable; every mistake is named.", body = OAuthErrorBody),
        (status = 401, description = "An initial access token is needed, or is good for nothing.", body = OAuthErrorBody),
        (status = 404, description = "Clients don't register themselves here.", body = OAuthErrorBody),
        (status = "4XX", description = "The request is too large or too frequent.", body = OAuthErrorBody),
        (status = 503, description = "Try again.", body = OAuthErrorBody)))]
pub async fn register(app: App, request: Request) -> Result<Response, RegistrationFailure> {
    app.limits.check_registration(request.peer)?;
    let token = bearer(&request)?;
    let admission = app.authority.admit_to_registration(token.as_ref().map(BearerToken::expose)).await.map_err(refused)?;
    let said = description(&app, &request)?;
    let actor = match admission {
        Admission::Open => "system".to_owned(),
        Admission::InitialAccessToken(id) => format!("initial_access_token:{id}"),
    };
    let context = Context::new(actor, request.request_id.to_string());
    let registered = app.authority.register_itself(&context, admission, &said).await.map_err(refused)?;
    Ok(positioned(reply::created(&ClientInformation::registered(&app, &registered)?), &context))
}

/// The token in the header, if there is a header.
pub(super) fn bearer(request: &Request) -> Result<Option<BearerToken>, RegistrationFailure> {
    let Some(header) = request.header("authorization")? else { return Ok(None) };
    let token = BearerToken::from_header(header);
    token.map(Some).map_err(|_| BearerFailure::invalid_token("The Authorization header holds no bearer token.").into())
}

/// The body: a JSON object of a size that is allowed.
pub(super) fn description(app: &App, request: &Request) -> Result<Map<String, Value>, RegistrationFailure> {
    let most = app.authority.settings.registration.max_metadata_bytes;
    if request.body.len() > most {
        return Err(Problem::new(ProblemCode::BodyTooLarge, format!("The body may have {most} bytes.")).into());
    }
    if !request.has_content_type("application/json")? {
        return Err(Problem::new(ProblemCode::UnsupportedMediaType, "Send the metadata as application/json.").into());
    }
    let invalid = |why: String| RegistrationFailure::OAuth(OAuthFailure::new("invalid_client_metadata", why));
    match parse_strict(&request.body) {
        Ok(Value::Object(said)) => Ok(said),
        Ok(_) => Err(invalid("the metadata is not a JSON object".to_owned())),
        Err(error) => Err(invalid(error.to_string())),
    }
}

fn refused(error: UseCaseError<RegistrationRefusal>) -> RegistrationFailure {
    match error {
        UseCaseError::Trouble(trouble) => unavailable(trouble).into(),
        UseCaseError::Refused(RegistrationRefusal::Off) => Problem::not_found("Clients don't register themselves here.").into(),
        UseCaseError::Refused(RegistrationRefusal::TokenRequired) => BearerFailure::missing().into(),
        UseCaseError::Refused(RegistrationRefusal::InvalidToken) => {
            BearerFailure::invalid_token("The initial access token is unknown, expired, revoked or used up.").into()
        }
        UseCaseError::Refused(RegistrationRefusal::Metadata(problems)) => RegistrationFailure::metadata(&problems),
    }
}
