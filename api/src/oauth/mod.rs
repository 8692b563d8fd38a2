//! OAuth 2.1: authorization, token, introspection, revocation, metadata.

pub mod authorization;
pub mod authorization_response;
pub mod introspection;
pub mod metadata;
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
    let client = app.authority.authenticate_client(&anonymous, &presented).await.map_err(|error| match error {
        UseCaseError::Trouble(trouble) => unavailable(trouble),
        // RFC 6749 §5.2: one answer for every reason, so that nothing about the client is told.
        UseCaseError::Refused(InvalidClient(why)) => {
            OAuthFailure::invalid_client("Client authentication failed.", used_header).caused_by(why)
        }
    })?;
    app.limits.check_client(client.id.as_str())?;
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
