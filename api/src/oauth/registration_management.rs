//! Dynamic client registration management (RFC 7592).

use std::sync::Arc;

use grantlog_core::{
    app::{Context, UseCaseError, register_itself::ManagementRefusal},
    domain::{
        ClientId,
        client::{Client, ClientRefusal},
    },
    protocol::{BearerToken, MetadataProblem, parse_client_id},
};

use super::registration::{ClientDescription, ClientInformation, RegistrationFailure, bearer, description};
use crate::{
    app::{App, positioned, unavailable},
    oauth_error::{BearerFailure, OAuthErrorBody},
    problem::Problem,
    reply::{self, Response},
    request::Request,
};

/// The registration of one client.
pub const PATH: &str = "/oauth2/register/{client_id}";

/// A client that showed its registration access token.
struct Manager {
    client_id: ClientId,
    client: Arc<Client>,
    token: BearerToken,
    context: Context,
}

/// A client reads its registration.
///
/// The answer has no `client_secret`: what is kept of it is a hash.
#[utoipa::path(get, path = PATH, tag = "registration", operation_id = "readOwnRegistration", security(("RegistrationAccessToken" = [])), params(("client_id" = String, Path, description = "The client's id.")),
    responses(
        (status = 200, description = "The client.", body = ClientInformation),
        (status = 401, description = "The registration access token is missing, or is not that of a client that exists.", body = OAuthErrorBody),
        (status = 403, description = "The client is suspended.", body = OAuthErrorBody),
        (status = "4XX", description = "The request is not valid.", body = OAuthErrorBody),
        (status = 503, description = "Try again.", body = OAuthErrorBody)))]
pub async fn read(app: App, request: Request) -> Result<Response, RegistrationFailure> {
    let manager = authenticate(&app, &request).await?;
    Ok(reply::ok(&manager.information(&app)?))
}

/// A client replaces what it says of itself.
///
/// What is left out is deleted, or goes back to its default. `client_id` has to be there. A client that changes anything is
/// not verified any more.
#[utoipa::path(put, path = PATH, tag = "registration", operation_id = "updateOwnRegistration", security(("RegistrationAccessToken" = [])), params(("client_id" = String, Path, description = "The client's id.")),
    request_body(content = ClientDescription, example = json!({"client_id": "client_01932d5e7c1a7e31b7a80f6c3d2a9b10", "client_name": "Weather by Mail", "redirect_uris": ["https://weather.example.com/callback"], "grant_types": ["authorization_code", "refresh_token"]})),
    responses(
        (status = 200, description = "The client. Its registration access token stays the same.", body = ClientInformation),
        (status = 400, description = "The description is not acceptable; every mistake is named.", body = OAuthErrorBody),
        (status = 401, description = "The registration access token is missing, or is not that of a client that exists.", body = OAuthErrorBody),
        (status = 403, description = "The client is suspended.", body = OAuthErrorBody),
        (status = "4XX", description = "The request is not valid.", body = OAuthErrorBody),
        (status = 503, description = "Try again.", body = OAuthErrorBody)))]
pub async fn update(app: App, request: Request) -> Result<Response, RegistrationFailure> {
    let mut manager = authenticate(&app, &request).await?;
    let said = description(&app, &request)?;
    manager.client = app.authority.update_itself(&manager.context, &manager.client_id, &said).await.map_err(refused)?;
    Ok(positioned(reply::ok(&manager.information(&app)?), &manager.context))
}

/// A client ends its registration, with everything it holds.
#[utoipa::path(delete, path = PATH, tag = "registration", operation_id = "deleteOwnRegistration", security(("RegistrationAccessToken" = [])), params(("client_id" = String, Path, description = "The client's id.")),
    responses(
        (status = 204, description = "It is gone, with its grants and its tokens."),
        (status = 401, description = "The registration access token is missing, or is not that of a client that exists.", body = OAuthErrorBody),
        (status = 403, description = "The client is suspended.", body = OAuthErrorBody),
        (status = "4XX", description = "The request is not valid.", body = OAuthErrorBody),
        (status = 503, description = "Try again.", body = OAuthErrorBody)))]
pub async fn delete(app: App, request: Request) -> Result<Response, RegistrationFailure> {
    let Manager { client_id, context, .. } = authenticate(&app, &request).await?;
    match app.authority.delete_client(&context, &client_id).await {
        // RFC 7592 §2.3: 204.
        Ok(()) => Ok(positioned(reply::no_content(), &context)),
        Err(error) => Err(refused(error.map(ManagementRefusal::Client))),
    }
}

/// RFC 7592 §2.1: 401 for a token that is missing or wrong and for a client that is no more, without a difference that
/// could be told; 403 for a client that may not.
async fn authenticate(app: &App, request: &Request) -> Result<Manager, RegistrationFailure> {
    let token = bearer(request)?.ok_or_else(BearerFailure::missing)?;
    let client_id = parse_client_id(request.param("client_id")?).ok_or_else(not_the_clients)?;
    let client = app.authority.authenticate_registration(&client_id, token.expose()).await.map_err(unavailable)?;
    let client = client.ok_or_else(not_the_clients)?;
    if client.is_suspended() {
        return Err(suspended());
    }
    let context = Context::new(format!("client:{client_id}"), request.request_id.to_string());
    Ok(Manager { client_id, client, token, context })
}

impl Manager {
    fn information(&self, app: &App) -> Result<ClientInformation, RegistrationFailure> {
        let metadata = self.client.metadata().ok_or_else(not_the_clients)?;
        Ok(ClientInformation::of(app, &self.client_id, &self.client, metadata, Some(self.token.expose().to_owned())))
    }
}

fn not_the_clients() -> RegistrationFailure {
    BearerFailure::invalid_token("The registration access token is not that of this client.").into()
}

fn suspended() -> RegistrationFailure {
    Problem::forbidden("The client is suspended.").into()
}

fn refused(error: UseCaseError<ManagementRefusal>) -> RegistrationFailure {
    let metadata = |field, refusal: &ClientRefusal| {
        RegistrationFailure::metadata(&[MetadataProblem { field, problem: format!("is not acceptable: {refusal}") }])
    };
    match error {
        UseCaseError::Trouble(trouble) => unavailable(trouble).into(),
        UseCaseError::Refused(ManagementRefusal::Metadata(problems)) => RegistrationFailure::metadata(&problems),
        UseCaseError::Refused(ManagementRefusal::Client(refusal)) => match refusal {
            ClientRefusal::Suspended => suspended(),
            ClientRefusal::Immutable { field } => metadata(field, &refusal),
            ClientRefusal::NeedsSecret => metadata("token_endpoint_auth_method", &refusal),
            ClientRefusal::NotSelfRegistrable(_) => metadata("scope", &refusal),
            ClientRefusal::NotFound
            | ClientRefusal::AlreadyExists
            | ClientRefusal::NotASecretClient
            | ClientRefusal::RotationUnderway
            | ClientRefusal::NoRotation
            | ClientRefusal::RegisteredByOperator
            | ClientRefusal::FromDocument => not_the_clients(),
        },
    }
}
