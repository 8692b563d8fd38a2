//! The headless flow: the application hosts the authorization endpoint and calls these routes.

mod caller;
pub mod create;
pub mod decide;
pub mod read;
pub mod resource;
pub mod subject;

use grantlog_core::{
    app::{
        Context, UseCaseError,
        authorize::{AuthorizationView, AuthorizeRefusal},
    },
    domain::{AuthorizationId, api_key::Role, authorization::AuthorizationRefusal},
    protocol::Scope,
};

use crate::{
    app::{App, unavailable},
    problem::{Problem, ProblemCode},
    request::Request,
};

/// Who may: the application's backend, and administrators.
pub(crate) const ROLES: [Role; 2] = [Role::Consent, Role::Admin];

fn authorization_id(request: &Request) -> Result<AuthorizationId, Problem> {
    request.id("id")
}

/// The answer to a refusal that is not a resource of its own.
async fn refused(app: &App, context: &Context, id: Option<AuthorizationId>, error: UseCaseError<AuthorizeRefusal>) -> Problem {
    let refusal = match error {
        UseCaseError::Trouble(trouble) => return unavailable(trouble),
        UseCaseError::Refused(AuthorizeRefusal::Authorization(refusal)) => refusal,
        UseCaseError::Refused(AuthorizeRefusal::ClientInactive) => {
            return Problem::new(ProblemCode::Conflict, "The client is suspended or deleted: nothing can be granted to it.")
                .field("client_id");
        }
        UseCaseError::Refused(AuthorizeRefusal::TokenUsedElsewhere) => {
            return Problem::forbidden("The trusted token was used for another authorization request.")
                .member("reason", "token_used_elsewhere");
        }
        UseCaseError::Refused(AuthorizeRefusal::AnotherPerson) => {
            return Problem::forbidden("The request was decided by somebody else.").member("reason", "another_person");
        }
        UseCaseError::Refused(AuthorizeRefusal::SubjectIsAClient) => {
            return Problem::invalid_field("subject.id", "It must not be the id of a client.");
        }
        UseCaseError::Refused(other) => return Problem::not_found(other.to_string()),
    };
    match refusal {
        AuthorizationRefusal::AnotherBrowser => {
            Problem::new(ProblemCode::Forbidden, "The request belongs to another browser.").field("browser_binding")
        }
        AuthorizationRefusal::ScopeNotRequested | AuthorizationRefusal::NothingApproved => {
            Problem::invalid_field("scopes", refusal.to_string())
        }
        AuthorizationRefusal::NotGrantable(scope) => {
            let detail = format!("The person can't grant {scope}; `scopes` of the request says why.");
            named(ProblemCode::ScopeNotGrantable, detail, &scope)
        }
        AuthorizationRefusal::RequiredMissing(scope) => {
            named(ProblemCode::RequiredScopeMissing, format!("The client is of no use without {scope}."), &scope)
        }
        AuthorizationRefusal::InvalidAuthTime => Problem::invalid_field("subject.auth_time", refusal.to_string()),
        // The page is never stranded: the conflict carries the request as it stands.
        refusal => {
            let problem = Problem::new(ProblemCode::Conflict, refusal.to_string());
            let Some(id) = id else { return problem };
            match app.authority.authorization(context, id).await {
                Ok(view) => problem.member("authorization_request", resource_value(app, &view)),
                Err(UseCaseError::Trouble(trouble)) => unavailable(trouble),
                Err(UseCaseError::Refused(_)) => problem,
            }
        }
    }
}

/// A problem of some scopes of a decision, with their names.
fn named(code: ProblemCode, detail: String, scope: &Scope) -> Problem {
    let names: Vec<_> = scope.iter().map(ToString::to_string).collect();
    Problem::new(code, detail).field("scopes").member("scopes", names)
}

fn resource_value(app: &App, view: &AuthorizationView) -> serde_json::Value {
    serde_json::to_value(resource::AuthorizationRequest::of(app, view)).unwrap_or_default()
}
