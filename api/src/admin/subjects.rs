//! What ends for a person: everything they allowed, their sessions, a membership.

use grantlog_core::domain::SubjectId;

use super::{
    grants::{self, ENDERS, find_subject},
    organizations::organization_id_of,
};
use crate::{
    app::{App, acting_as, positioned, unavailable},
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// Everywhere a person is connected.
pub const SESSIONS: &str = "/v1/subjects/{id}/sessions";
/// A person's membership in an organization.
pub const MEMBERSHIP: &str = "/v1/subjects/{id}/organizations/{organization_id}";

/// Revoke all grants of a person.
///
/// Everything issued under them is dead when the call returns. Nothing happens to a person that is not known.
#[utoipa::path(delete, path = grants::COLLECTION, tag = "grants", operation_id = "revokeAllGrants", security(("ApiKey" = ["admin"]), ("ApiKey" = ["consent"])),
    params(("id" = String, Path, description = "The application's own id of the person.", example = "ana")),
    responses((status = 204, description = "They are over."), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again: those that are over stay over.", body = ProblemBody)))]
pub async fn revoke_all_grants(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ENDERS).await?;
    let context = acting_as(&key, &request);
    if let Some(subject) = find_subject(&app, &request).await? {
        app.authority.revoke_all_grants(&context, &*app.live, subject).await.map_err(unavailable)?;
    }
    Ok(positioned(reply::no_content(), &context))
}

/// End all sessions of a person.
///
/// Every token is dead when the call returns, and clients have to send the person through the authorization endpoint again.
/// What they agreed to stays, so they need not be asked again. Nothing happens to a person that is not known.
#[utoipa::path(delete, path = SESSIONS, tag = "subjects", operation_id = "endSessions", security(("ApiKey" = ["admin"]), ("ApiKey" = ["consent"])),
    params(("id" = String, Path, description = "The application's own id of the person.", example = "ana")),
    responses((status = 204, description = "They are over."), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again: those that are over stay over.", body = ProblemBody)))]
pub async fn end_sessions(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ENDERS).await?;
    let context = acting_as(&key, &request);
    if let Some(subject) = find_subject(&app, &request).await? {
        app.authority.end_sessions(&context, &*app.live, subject).await.map_err(unavailable)?;
    }
    Ok(positioned(reply::no_content(), &context))
}

/// Say that a person left an organization.
///
/// Everything they allowed there is dead when the call returns, unless the configuration says `subjects.on_role_change = "keep"`.
/// When they are attested there again, they are a member again.
#[utoipa::path(delete, path = MEMBERSHIP, tag = "subjects", operation_id = "leaveOrganization", security(("ApiKey" = ["admin"]), ("ApiKey" = ["consent"])),
    params(("id" = String, Path, description = "The application's own id of the person.", example = "ana"), ("organization_id" = String, Path, description = "The application's own id of the organization.", example = "acme")),
    responses((status = 204, description = "They are no member."), (status = "4XX", description = "The call is not valid, or the person is not known.", body = ProblemBody), (status = 503, description = "Try again: what was begun is completed.", body = ProblemBody)))]
pub async fn leave_organization(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ENDERS).await?;
    let missing = || Problem::not_found("No organization can have this id.").field("organization_id");
    let organization_id = organization_id_of(request.param("organization_id")?).ok_or_else(missing)?;
    let subject = known_subject(&app, &request).await?;
    let context = acting_as(&key, &request);
    app.authority.leave_organization(&context, &*app.live, subject, organization_id).await.map_err(unavailable)?;
    Ok(positioned(reply::no_content(), &context))
}

async fn known_subject(app: &App, request: &Request) -> Result<SubjectId, Problem> {
    find_subject(app, request).await?.ok_or_else(|| Problem::not_found("This person was never attested."))
}
