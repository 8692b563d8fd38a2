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
    protocol::{
        client_authentication::PresentedCredentials,
        oauth_error::{OAuthError, OAuthErrorCode},
        params::Params,
    },
};

use crate::{app::App, oauth_error::OAuthProblem, request::Request};

/// The form in the body (RFC 6749 §3.2: POST, form-encoded, no parameter twice).
fn form(request: &Request) -> Result<Params, OAuthProblem> {
    request.require_content_type("application/x-www-form-urlencoded").map_err(OAuthProblem::from)?;
    Params::parse(&request.body).map_err(|error| OAuthProblem::new(OAuthErrorCode::InvalidRequest.as_str(), error.to_string()))
}

/// The client that sent this request, and the context it acts in.
async fn authenticate_client(app: &App, request: &Request, params: &Params) -> Result<(AuthenticatedClient, Context), OAuthProblem> {
    let header = request.header("authorization").map_err(OAuthProblem::from)?;
    let used_header = header.is_some();
    let challenged = |problem: OAuthProblem| if used_header { problem.with_basic_challenge() } else { problem };
    let presented = PresentedCredentials::from_request(header, params).map_err(|error| challenged(worded(error)))?;
    let anonymous = Context::new("system", request.request_id.to_string());
    let client = app.authority.authenticate_client(&anonymous, &presented).await.map_err(|error| match error {
        UseCaseError::Trouble(trouble) => unavailable(trouble),
        // RFC 6749 §5.2: one answer for every reason, so that nothing about the client is told.
        UseCaseError::Refused(InvalidClient(why)) => {
            challenged(OAuthProblem::new(OAuthErrorCode::InvalidClient.as_str(), "Client authentication failed.".to_owned()).caused_by(why))
        }
    })?;
    app.limits.check_client(&client.id).map_err(OAuthProblem::from)?;
    let context = Context::new(format!("client:{}", client.id), request.request_id.to_string());
    Ok((client, context))
}

fn worded(error: OAuthError) -> OAuthProblem {
    OAuthProblem::new(error.code.as_str(), error.description)
}

fn unavailable(trouble: grantlog_core::app::Trouble) -> OAuthProblem {
    OAuthProblem::from(crate::app::unavailable(trouble))
}

fn use_case_error(error: UseCaseError<OAuthError>) -> OAuthProblem {
    match error {
        UseCaseError::Refused(error) => worded(error),
        UseCaseError::Trouble(trouble) => unavailable(trouble),
    }
}
