//! What changes for a person: their roles; and what ends: everything they allowed, their sessions, a membership.

use std::collections::BTreeSet;

use grantlog_core::domain::{OrganizationId, SubjectId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    grants::{self, ENDERS, find_subject},
    organizations::organization_id_of,
};
use crate::{
    app::{App, acting_as, positioned, unavailable},
    authorization_requests::subject::check_names,
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// A person's roles.
pub const ROLES: &str = "/v1/subjects/{id}/roles";
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

/// A person's roles in an organization, or where there is none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetSubjectRoles {
    /// Where; absent: where they act without an organization.
    #[serde(default)]
    #[schema(example = "acme", max_length = 255)]
    pub organization_id: Option<String>,
    /// All of them.
    #[schema(example = json!(["editor"]), max_items = 100)]
    pub roles: Vec<String>,
}

/// What is known of a person's roles.
#[derive(Serialize, ToSchema)]
pub struct SubjectRoles {
    /// Where.
    organization_id: Option<String>,
    /// All of them.
    roles: Vec<String>,
}

/// Say which roles a person has.
///
/// It replaces what was known of them there, and is what `current_roles` of a token check goes by. What it does to grants that
/// hold more than the roles allow is configured (`subjects.on_role_change`), and is done when the call returns.
#[utoipa::path(put, path = ROLES, tag = "subjects", operation_id = "setSubjectRoles", security(("ApiKey" = ["admin"]), ("ApiKey" = ["consent"])),
    params(("id" = String, Path, description = "The application's own id of the person.", example = "ana")),
    request_body(content = SetSubjectRoles, example = json!({"organization_id": "acme", "roles": ["editor"]})),
    responses((status = 200, description = "The roles.", body = SubjectRoles), (status = "4XX", description = "The call is not valid, or the person was never attested.", body = ProblemBody), (status = 503, description = "Try again: what was begun is completed.", body = ProblemBody)))]
pub async fn set_roles(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ENDERS).await?;
    let SetSubjectRoles { organization_id, roles } = request.json()?;
    let invalid = || Problem::invalid_field("organization_id", "No organization can have this id.");
    let organization: Option<OrganizationId> = match &organization_id {
        None => None,
        Some(id) => Some(organization_id_of(id).ok_or_else(invalid)?),
    };
    check_names("roles", &roles)?;
    let subject = known_subject(&app, &request).await?;
    let context = acting_as(&key, &request);
    let all: BTreeSet<String> = roles.into_iter().collect();
    let roles = all.iter().cloned().collect();
    app.authority.set_roles(&context, &*app.live, subject, organization, all).await.map_err(unavailable)?;
    Ok(positioned(reply::ok(&SubjectRoles { organization_id, roles }), &context))
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
