//! OAuth 2.1: authorization, token, introspection, revocation, registration, metadata.

pub mod authorization;
pub mod authorization_response;
pub mod introspection;
pub mod metadata;
pub mod protected_resource;
pub mod registration;
pub mod registration_management;
pub mod revocation;
pub mod token;

use grantlog_core::{
    app::{
        Context, UseCaseError,
        authenticate_client::{AuthenticatedClient, InvalidClient},
    },
    protocol::{OAuthError, OAuthErrorCode, Params, PresentedCredentials},
};

use crate::{app::App, oauth_error::OAuthFailure, request::Request};

/// The form in the body (RFC 6749 §3.2: POST, form-encoded, no parameter twice).
fn form(request: &Request) -> Result<Params, OAuthFailure> {
    Params::parse(request.form()?).map_err(|error| worded(&error.into(), false))
}

/// The client that sent this request, and the context it acts in.
async fn authenticate_client(app: &App, request: &Request, params: &Params) -> Result<(AuthenticatedClient, Context), OAuthFailure> {
    let header = request.header("authorization")?;
    let used_header = header.is_some();
    let presented = PresentedCredentials::parse(header, params).map_err(|error| worded(&error, used_header))?;
    let anonymous = Context::new("system", request.request_id.to_string());
    let client = match app.authority.authenticate_client(&anonymous, &presented).await {
        Ok(client) => client,
        Err(UseCaseError::Trouble(trouble)) => return Err(unavailable(trouble)),
        Err(UseCaseError::Refused(InvalidClient(why))) => {
            app.limits.check_address(request.peer)?;
            // RFC 6749 §5.2: one answer for every reason, so that nothing about the client is told.
            return Err(OAuthFailure::invalid_client("Client authentication failed.", used_header).caused_by(why));
        }
    };
    // Who proved nothing is limited by address, or anybody could use up what a public client may do.
    if client.is_public() {
        app.limits.check_address(request.peer)?;
    } else {
        app.limits.check_client(client.id.as_str())?;
    }
    let context = Context::new(format!("client:{}", client.id), request.request_id.to_string());
    Ok((client, context))
}

fn worded(error: &OAuthError, used_header: bool) -> OAuthFailure {
    match error.code() {
        OAuthErrorCode::InvalidClient => OAuthFailure::invalid_client(error.description(), used_header),
        code => OAuthFailure::new(code.as_str(), error.description()),
    }
}

fn unavailable(trouble: grantlog_core::app::Trouble) -> OAuthFailure {
    OAuthFailure::from(crate::app::unavailable(trouble))
}

fn use_case_error(error: UseCaseError<OAuthError>) -> OAuthFailure {
    match error {
        UseCaseError::Refused(error) => worded(&error, false),
        UseCaseError::Trouble(trouble) => unavailable(trouble),
    }
}
