//! Organizations: which clients may work in them, which people connected, and how to end that for everyone.

use grantlog_core::{
    domain::{
        ClientId, OrganizationId, Timestamp,
        api_key::Role,
        organization::{ClientRule, OrganizationPolicy, OrganizationPolicyInput, OrganizationReason, PolicyProblem},
    },
    protocol::parse_client_id,
};
use grantlog_projections::live::{ConnectedApp as ConnectedAppView, GrantView};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{PageQuery, grants::GrantedClient};
use crate::{
    app::{App, acting_as, positioned, unavailable},
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// Which clients may work in an organization.
pub const POLICY: &str = "/v1/organizations/{id}/policy";
/// The clients that people have connected there.
pub const COLLECTION: &str = "/v1/organizations/{id}/connected-apps";
/// One of them.
pub const ITEM: &str = "/v1/organizations/{id}/connected-apps/{client_id}";
/// Who may disconnect a client for everyone: administrators, and the application's backend for those of the organization.
const DECIDERS: [Role; 2] = [Role::Admin, Role::Consent];
/// Who may look: auditors too.
const READERS: [Role; 3] = [Role::Admin, Role::Consent, Role::Auditor];

/// Which clients may work in an organization.
#[derive(Serialize, ToSchema)]
pub struct Policy {
    /// The application's own clients.
    first_party: ClientRule,
    /// Everybody else's.
    third_party: ClientRule,
}

/// What a policy does.
#[derive(Serialize, ToSchema)]
pub struct PolicyOutcome {
    /// The policy.
    policy: Policy,
    /// Whether nothing was done.
    dry_run: bool,
    /// How many grants it cuts off: they were revoked, or would be.
    cut_off: usize,
    /// Whom it would cut off: a page of them. Empty when it was done.
    grants: Vec<CutOffGrant>,
    /// Where the next page of them begins; null: this is the last one.
    next_cursor: Option<String>,
}

/// A grant that a policy would cut off.
#[derive(Serialize, ToSchema)]
pub struct CutOffGrant {
    /// Its id.
    id: String,
    /// Whom it is to.
    client: GrantedClient,
    /// The application's id of the person; null: the person is not known any more.
    #[schema(example = "ana")]
    subject: Option<String>,
    /// What was agreed, scopes separated by spaces.
    scope: String,
    /// Since when (RFC 3339, UTC).
    consented_at: Option<String>,
}

/// A client that people have connected in an organization.
#[derive(Serialize, ToSchema)]
pub struct ConnectedApp {
    /// Which.
    client: GrantedClient,
    /// Since when: the first consent that is still there (RFC 3339, UTC).
    since: Option<String>,
    /// How many people have connected it.
    people: usize,
    /// Whether it may work in the organization now.
    allowed: bool,
    /// Why it may not.
    reasons: Vec<OrganizationReason>,
}

/// A page of clients that people have connected.
#[derive(Serialize, ToSchema)]
pub struct ConnectedApps {
    /// By id.
    connected_apps: Vec<ConnectedApp>,
    /// Where the next page begins; null: this is the last one.
    next_cursor: Option<String>,
}

/// A client with the people who have connected it.
#[derive(Serialize, ToSchema)]
pub struct ConnectedAppWithPeople {
    /// The client.
    #[serde(flatten)]
    app: ConnectedApp,
    /// Those of this page, in the order in which they connected it first.
    connected_by: Vec<ConnectedPerson>,
    /// Where the next page of people begins; null: this is the last one.
    next_cursor: Option<String>,
}

/// A person who has connected a client.
#[derive(Serialize, ToSchema)]
pub struct ConnectedPerson {
    /// The application's id of them; null: they are not known any more.
    #[schema(example = "ana")]
    id: Option<String>,
    /// The grant.
    grant_id: String,
    /// What they agreed to, scopes separated by spaces.
    #[schema(example = "email openid profile")]
    scope: String,
    /// Since when (RFC 3339, UTC).
    consented_at: Option<String>,
}

impl From<OrganizationPolicy> for Policy {
    fn from(OrganizationPolicy { first_party, third_party }: OrganizationPolicy) -> Self {
        Self { first_party, third_party }
    }
}

impl From<ConnectedAppView> for ConnectedApp {
    fn from(view: ConnectedAppView) -> Self {
        Self {
            client: GrantedClient::of(&view.client),
            since: view.since.map(Timestamp::to_rfc3339),
            people: view.people,
            allowed: view.reasons.is_empty(),
            reasons: view.reasons,
        }
    }
}

/// Read which clients may work in an organization.
#[utoipa::path(get, path = POLICY, tag = "organizations", operation_id = "readOrganizationPolicy", security(("ApiKey" = ["admin"]), ("ApiKey" = ["consent"]), ("ApiKey" = ["auditor"])),
    params(("id" = String, Path, description = "The application's own id of the organization.", example = "acme")),
    responses((status = 200, description = "The policy; everybody may, when none was set.", body = Policy), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn read_policy(app: App, request: Request) -> Result<Response, Problem> {
    app.require_role(&request, &READERS).await?;
    app.wait_for_min_position(&request).await?;
    let organization_id = organization_id(&request)?;
    let policy = app.authority.organization_policy(&organization_id).await.map_err(unavailable)?;
    Ok(reply::ok(&Policy::from(policy)))
}

/// Say which clients may work in an organization.
///
/// What it cuts off is dead when the call returns: the grants are revoked. With `dry_run=true` nothing is done, and the answer
/// lists whom it would cut off. What an earlier call left undone is completed.
#[utoipa::path(put, path = POLICY, tag = "organizations", operation_id = "setOrganizationPolicy", security(("ApiKey" = ["admin"]), ("ApiKey" = ["consent"])),
    params(
        ("id" = String, Path, description = "The application's own id of the organization.", example = "acme"),
        ("dry_run" = Option<bool>, Query, description = "Whether to show only what would be done."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, of a dry run."),
        ("limit" = Option<usize>, Query, description = "How many grants a dry run shows: 1 to 200, and 50 when left out.")),
    request_body(content = OrganizationPolicyInput, example = json!({"first_party": {"mode": "all_allowed"},
        "third_party": {"mode": "restricted", "clients": ["client_01932d5e7c1a7e31b7a80f6c3d2a9b10"], "hosts": ["chat.example.com"]}})),
    responses(
        (status = 200, description = "The policy holds, or would.", body = PolicyOutcome),
        (status = 400, description = "The policy is not acceptable; `problems` lists every mistake.", body = ProblemBody),
        (status = "4XX", description = "The call is not valid.", body = ProblemBody),
        (status = 503, description = "Try again: what was begun is completed.", body = ProblemBody)))]
pub async fn set_policy(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &DECIDERS).await?;
    let policy = policy(&request)?;
    let organization_id = organization_id(&request)?;
    let page = PageQuery::of(&request)?;
    if is_dry_run(&request)? {
        app.wait_for_min_position(&request).await?;
        return show_cut_off(&app, page, &organization_id, policy).await;
    }
    let context = acting_as(&key, &request);
    let set = app.authority.set_organization_policy(&context, &*app.live, &organization_id, policy.clone()).await;
    let cut_off = set.map_err(unavailable)?;
    let outcome = PolicyOutcome { policy: policy.into(), dry_run: false, cut_off, grants: Vec::new(), next_cursor: None };
    Ok(positioned(reply::ok(&outcome), &context))
}

async fn show_cut_off(
    app: &App,
    PageQuery { cursor, limit }: PageQuery,
    organization_id: &OrganizationId,
    policy: OrganizationPolicy,
) -> Result<Response, Problem> {
    let found = app.live.would_be_cut_off(organization_id, &policy, cursor.as_deref(), limit).map_err(|_| invalid_cursor())?;
    let mut grants = Vec::with_capacity(found.page.items.len());
    for grant in &found.page.items {
        let Some(client) = app.live.client(&grant.client_id) else { continue };
        grants.push(CutOffGrant {
            id: grant.grant_id.to_string(),
            client: GrantedClient::of(&client),
            subject: person(app, grant).await?,
            scope: grant.scope.to_string(),
            consented_at: grant.consented_at.map(Timestamp::to_rfc3339),
        });
    }
    let (cut_off, next_cursor) = (found.total, found.page.next);
    Ok(reply::ok(&PolicyOutcome { policy: policy.into(), dry_run: true, cut_off, grants, next_cursor }))
}

/// List the clients that people have connected in an organization.
#[utoipa::path(get, path = COLLECTION, tag = "organizations", operation_id = "listConnectedApps", security(("ApiKey" = ["admin"]), ("ApiKey" = ["consent"]), ("ApiKey" = ["auditor"])),
    params(
        ("id" = String, Path, description = "The application's own id of the organization.", example = "acme"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
        ("limit" = Option<usize>, Query, description = "1 to 200; 50 when left out.")),
    responses((status = 200, description = "A page of them; none for an organization that is not known.", body = ConnectedApps), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn list(app: App, request: Request) -> Result<Response, Problem> {
    app.require_role(&request, &READERS).await?;
    app.wait_for_min_position(&request).await?;
    let PageQuery { cursor, limit } = PageQuery::of(&request)?;
    let page = app.live.connected_apps(&organization_id(&request)?, cursor.as_deref(), limit);
    let connected_apps = page.items.into_iter().map(ConnectedApp::from).collect();
    Ok(reply::ok(&ConnectedApps { connected_apps, next_cursor: page.next }))
}

/// Read a connected client with the people who have connected it.
#[utoipa::path(get, path = ITEM, tag = "organizations", operation_id = "readConnectedApp", security(("ApiKey" = ["admin"]), ("ApiKey" = ["consent"]), ("ApiKey" = ["auditor"])),
    params(
        ("id" = String, Path, description = "The application's own id of the organization.", example = "acme"),
        ("client_id" = String, Path, description = "The client's id."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
        ("limit" = Option<usize>, Query, description = "How many people: 1 to 200; 50 when left out.")),
    responses((status = 200, description = "The client and a page of people.", body = ConnectedAppWithPeople), (status = "4XX", description = "The call is not valid, or nobody has connected it.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn read(app: App, request: Request) -> Result<Response, Problem> {
    app.require_role(&request, &READERS).await?;
    app.wait_for_min_position(&request).await?;
    let (organization_id, client_id) = (organization_id(&request)?, client_id(&request)?);
    let PageQuery { cursor, limit } = PageQuery::of(&request)?;
    let connected = app.live.connected_app(&organization_id, &client_id).ok_or_else(not_connected)?;
    let page = app.live.grants_to_client_in(&organization_id, &client_id, cursor.as_deref(), limit).map_err(|_| invalid_cursor())?;
    let mut connected_by = Vec::with_capacity(page.items.len());
    for grant in &page.items {
        connected_by.push(ConnectedPerson {
            id: person(&app, grant).await?,
            grant_id: grant.grant_id.to_string(),
            scope: grant.scope.to_string(),
            consented_at: grant.consented_at.map(Timestamp::to_rfc3339),
        });
    }
    Ok(reply::ok(&ConnectedAppWithPeople { app: connected.into(), connected_by, next_cursor: page.next }))
}

/// Disconnect a client for everyone in an organization.
///
/// Everything that anybody there allowed it is dead when the call returns. People may connect it again, unless the policy
/// forbids it.
#[utoipa::path(delete, path = ITEM, tag = "organizations", operation_id = "disconnectApp", security(("ApiKey" = ["admin"]), ("ApiKey" = ["consent"])),
    params(("id" = String, Path, description = "The application's own id of the organization.", example = "acme"), ("client_id" = String, Path, description = "The client's id.")),
    responses((status = 204, description = "It is connected by nobody."), (status = "4XX", description = "The call is not valid, or there is no such client.", body = ProblemBody), (status = 503, description = "Try again: what was begun is completed.", body = ProblemBody)))]
pub async fn disconnect(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &DECIDERS).await?;
    let (organization_id, client_id) = (organization_id(&request)?, client_id(&request)?);
    if app.live.client(&client_id).is_none() {
        return Err(Problem::not_found("There is no such client."));
    }
    let context = acting_as(&key, &request);
    app.authority.disconnect_client(&context, &*app.live, &organization_id, &client_id).await.map_err(unavailable)?;
    Ok(positioned(reply::no_content(), &context))
}

/// A text that no organization can have as id names none.
pub(super) fn organization_id(request: &Request) -> Result<OrganizationId, Problem> {
    organization_id_of(request.param("id")?).ok_or_else(|| Problem::not_found("No organization can have this id.").field("id"))
}

/// The organization of this name, if it can be one.
pub(super) fn organization_id_of(text: &str) -> Option<OrganizationId> {
    let is_name = !text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control);
    is_name.then(|| OrganizationId(text.into()))
}

fn client_id(request: &Request) -> Result<ClientId, Problem> {
    parse_client_id(request.param("client_id")?).ok_or_else(|| Problem::not_found("There is no such client."))
}

fn policy(request: &Request) -> Result<OrganizationPolicy, Problem> {
    let input: OrganizationPolicyInput = request.json()?;
    input.into_policy().map_err(|problems| {
        let listed: Vec<_> = problems.iter().map(|PolicyProblem { field, problem }| json!({"field": field, "detail": problem})).collect();
        let first = problems.first().map(|problem| problem.field.clone()).unwrap_or_default();
        Problem::invalid_field(first, "The policy has mistakes; `problems` lists every one.").member("problems", listed)
    })
}

fn is_dry_run(request: &Request) -> Result<bool, Problem> {
    match request.query_param("dry_run")?.as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Problem::invalid_field("dry_run", "It must be true or false.")),
    }
}

/// The application's id of the person of a grant; None when they were forgotten.
async fn person(app: &App, grant: &GrantView) -> Result<Option<String>, Problem> {
    let id = app.authority.vault().external_id(grant.subject).await.map_err(|error| unavailable(error.into()))?;
    Ok(id.map(|id| id.to_string()))
}

fn invalid_cursor() -> Problem {
    Problem::invalid_field("cursor", "It is not a cursor of this list.")
}

fn not_connected() -> Problem {
    Problem::not_found("Nobody has connected this client in the organization.")
}
