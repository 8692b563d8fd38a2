//! A subject's grants: which clients they let in; and how to end that.

use grantlog_core::{
    domain::{GrantId, SubjectId, api_key::Role},
    protocol::RedirectUri,
};
use grantlog_projections::live::{ClientView, GrantView};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::{App, acting_as, positioned, unavailable},
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// A subject's grants.
pub const COLLECTION: &str = "/v1/subjects/{id}/grants";
/// One of them.
pub const ITEM: &str = "/v1/subjects/{id}/grants/{grant_id}";
/// Who may end a grant: administrators, and the application's backend for the person.
pub(super) const ENDERS: [Role; 2] = [Role::Admin, Role::Consent];
/// Who may look at grants: auditors too.
const READERS: [Role; 3] = [Role::Admin, Role::Consent, Role::Auditor];

/// What a subject allows a client.
#[derive(Serialize, ToSchema)]
pub struct Grant {
    /// Its id.
    id: String,
    /// Whom.
    client: GrantedClient,
    /// In which organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_id: Option<String>,
    /// What was agreed, scopes separated by spaces.
    #[schema(example = "email openid profile")]
    scope: String,
    /// Since when (RFC 3339, UTC).
    consented_at: String,
    /// How many authorizations (browsers, devices) are connected under it.
    families: usize,
}

/// The client of a grant.
#[derive(Serialize, ToSchema)]
pub struct GrantedClient {
    /// Its id.
    client_id: String,
    /// The host that browsers are sent back to; show it first.
    redirect_host: Option<String>,
    /// What it calls itself.
    client_name: String,
    /// Its home page.
    client_uri: Option<String>,
    /// Its logo.
    logo_uri: Option<String>,
    /// Whether it is suspended.
    suspended: bool,
}

impl GrantedClient {
    pub(super) fn of(client: &ClientView) -> Self {
        Self {
            client_id: client.client_id.to_string(),
            redirect_host: client.metadata.redirect_uris.first().map(RedirectUri::host_for_display),
            client_name: client.metadata.client_name.clone(),
            client_uri: client.metadata.client_uri.clone(),
            logo_uri: client.metadata.logo_uri.clone(),
            suspended: client.suspended,
        }
    }
}

/// A subject's grants.
#[derive(Serialize, ToSchema)]
pub struct Grants {
    /// In the order of the first consent.
    grants: Vec<Grant>,
}

/// List a subject's grants.
#[utoipa::path(get, path = COLLECTION, tag = "grants", operation_id = "listGrants", security(("ApiKey" = ["admin"]), ("ApiKey" = ["consent"]), ("ApiKey" = ["auditor"])),
    params(("id" = String, Path, description = "The application's own id of the person.", example = "ana")),
    responses((status = 200, description = "The grants; none for a person that is not known.", body = Grants), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn list(app: App, request: Request) -> Result<Response, Problem> {
    app.require_role(&request, &READERS).await?;
    app.wait_for_min_position(&request).await?;
    let grants = match find_subject(&app, &request).await? {
        Some(subject) => app.live.grants_of_subject(subject).iter().filter_map(|grant| describe(&app, grant)).collect(),
        None => Vec::new(),
    };
    Ok(reply::ok(&Grants { grants }))
}

/// Revoke a grant.
///
/// Everything issued under it is dead when the call returns.
#[utoipa::path(delete, path = ITEM, tag = "grants", operation_id = "revokeGrant", security(("ApiKey" = ["admin"]), ("ApiKey" = ["consent"])),
    params(("id" = String, Path, description = "The application's own id of the person.", example = "ana"), ("grant_id" = String, Path, description = "The grant's id.")),
    responses((status = 204, description = "It is over."), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn revoke(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ENDERS).await?;
    let missing = || Problem::not_found("This person has no such grant.");
    let grant_id: GrantId = request.id("grant_id")?;
    let subject = find_subject(&app, &request).await?.ok_or_else(missing)?;
    let context = acting_as(&key, &request);
    if app.authority.revoke_grant(&context, subject, grant_id).await.map_err(unavailable)? {
        Ok(positioned(reply::no_content(), &context))
    } else {
        Err(missing())
    }
}

pub(super) async fn find_subject(app: &App, request: &Request) -> Result<Option<SubjectId>, Problem> {
    let found = app.authority.vault().find_subject(request.param("id")?).await.map_err(|error| unavailable(error.into()))?;
    // Whoever is being erased is not known any more, even while the vault still has their key.
    Ok(found.filter(|subject| !app.live.is_erased(*subject)))
}

fn describe(app: &App, grant: &GrantView) -> Option<Grant> {
    let client = app.live.client(&grant.client_id)?;
    Some(Grant {
        id: grant.grant_id.to_string(),
        client: GrantedClient::of(&client),
        organization_id: grant.organization_id.as_ref().map(|organization| organization.0.to_string()),
        scope: grant.scope.to_string(),
        consented_at: grant.consented_at?.to_rfc3339(),
        families: grant.live_families(app.authority.now()),
    })
}
