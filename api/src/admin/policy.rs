//! The RBAC policy: read it, publish another one, try one out, look at its history.

use std::collections::BTreeMap;

use grantlog_core::{
    app::{UseCaseError, policy::PolicyVersion},
    domain::{
        ClientId, GrantId, Timestamp,
        policy::{PermissionChange, Policy, PolicyChanges, PolicyDocument, PolicyProblem, PolicyRefusal, PublishedPolicy},
    },
    protocol::Scope,
};
use grantlog_projections::live::GrantView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ADMIN, PageQuery, READERS};
use crate::{
    app::{App, acting_as, positioned, unavailable},
    problem::{Problem, ProblemBody, ProblemCode},
    reply::{self, Response},
    request::Request,
};

/// The policy in force.
pub const POLICY: &str = "/v1/policy";
/// Its history.
pub const VERSIONS: &str = "/v1/policy/versions";
/// One version of it.
pub const VERSION: &str = "/v1/policy/versions/{version}";

/// How large a policy may be, in bytes.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// How many affected grants a dry run lists.
const LISTED: usize = 1000;
/// How many grants are looked at before the next ones are asked for.
const AT_ONCE: usize = 1000;

/// The policy in force.
#[derive(Serialize, ToSchema)]
pub struct PublishedPolicyBody {
    /// Its number; 0: none was published yet.
    #[schema(example = 3)]
    version: u32,
    /// When it was published (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    published_at: Option<String>,
    /// All of it.
    document: PolicyDocument,
}

/// A policy to publish.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishPolicy {
    /// All of it.
    document: PolicyDocument,
    /// The version that it is meant to follow: if the policy has another one by now, nothing is published.
    #[serde(default)]
    #[schema(example = 2)]
    expected_version: Option<u32>,
}

/// What publishing a policy would change.
#[derive(Serialize, ToSchema)]
pub struct PolicyDryRun {
    /// The version that is in force, and stays so.
    version: u32,
    /// Scopes that come, go, or permit something else.
    scopes: Vec<PermissionChange>,
    /// Roles that come, go, or permit something else.
    roles: Vec<PermissionChange>,
    /// The grants whose tokens would be good for something else; the first 1000 of them.
    grants: Vec<AffectedGrant>,
    /// How many such grants there are.
    grants_affected: u64,
}

/// A grant whose tokens would be good for something else.
#[derive(Serialize, ToSchema)]
pub struct AffectedGrant {
    /// Its id.
    grant_id: String,
    /// The application's own id of the person.
    #[schema(example = "ana")]
    subject_id: Option<String>,
    /// Whom they allow.
    client_id: String,
    /// What it calls itself.
    client_name: Option<String>,
    /// In which organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_id: Option<String>,
    /// Scopes that would be good for nothing any more.
    scopes_lost: Vec<String>,
    /// Scopes that would permit more.
    scopes_widened: Vec<String>,
    /// Scopes that would permit less.
    scopes_narrowed: Vec<String>,
}

/// A version of the policy.
#[derive(Serialize, ToSchema)]
pub struct PolicyVersionBody {
    /// Its number.
    #[schema(example = 3)]
    version: u32,
    /// When it was published (RFC 3339, UTC).
    published_at: String,
    /// By whom.
    #[schema(example = "api_key:01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10")]
    actor: String,
    /// All of it; not in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<PolicyDocument>,
}

/// A page of versions.
#[derive(Serialize, ToSchema)]
pub struct PolicyVersions {
    /// In the order they were published in.
    versions: Vec<PolicyVersionBody>,
    /// Where the next page begins; null: this is the last one.
    next_cursor: Option<String>,
}

impl PublishedPolicyBody {
    fn of(published: &PublishedPolicy) -> Self {
        Self {
            version: published.version(),
            published_at: published.published_at().map(Timestamp::to_rfc3339),
            document: published.policy().document().clone(),
        }
    }
}

impl PolicyVersionBody {
    fn of(version: PolicyVersion, whole: bool) -> Self {
        Self {
            version: version.version,
            published_at: version.published_at.to_rfc3339(),
            actor: version.actor,
            document: whole.then_some(version.document),
        }
    }
}

/// Read the policy in force.
#[utoipa::path(get, path = POLICY, tag = "policy", operation_id = "readPolicy", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    responses((status = 200, description = "The policy; empty, with version 0, before one is published.", body = PublishedPolicyBody), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn read(app: App, request: Request) -> Result<Response, Problem> {
    app.require_role(&request, &READERS).await?;
    app.wait_for_min_position(&request).await?;
    Ok(reply::ok(&PublishedPolicyBody::of(&*app.authority.policy().await.map_err(unavailable)?)))
}

/// Publish a policy in place of the present one.
///
/// It is checked as a whole. With `dry_run=true` nothing is published: the answer says what would change, and for whom.
#[utoipa::path(put, path = POLICY, tag = "policy", operation_id = "publishPolicy", security(("ApiKey" = ["admin"])),
    params(("dry_run" = Option<bool>, Query, description = "Whether only to say what would change.")),
    request_body(content = PublishPolicy, example = json!({"expected_version": 0, "document": {
        "resources": [{"resource": "documents", "description": "What people write", "actions": ["read", "write"]}],
        "roles": [{"role": "editor", "description": "Writes", "permissions": [{"resource": "documents", "actions": ["*"]}]}],
        "scopes": [{"scope": "documents.read", "description": "Read your documents", "descriptions": {"de": "Deine Dokumente lesen"},
            "permissions": [{"resource": "documents", "actions": ["read"]}]}]}})),
    responses((status = 200, description = "The policy in force; with `dry_run=true`: what would change (`PolicyDryRun`).", body = PublishedPolicyBody),
        (status = 409, description = "The policy has another version than the one expected; `version` tells which.", body = ProblemBody),
        (status = 422, description = "The policy is not acceptable; `problems` lists every mistake.", body = ProblemBody),
        (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn publish(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let dry_run = dry_run(&request)?;
    let PublishPolicy { document, expected_version } = request.json()?;
    let policy = Policy::new(document).map_err(invalid)?;
    if dry_run {
        return try_out(&app, &policy, expected_version).await;
    }
    let context = acting_as(&key, &request);
    match app.authority.publish_policy(&context, policy, expected_version).await {
        Ok(published) => Ok(positioned(reply::ok(&PublishedPolicyBody::of(&published)), &context)),
        Err(UseCaseError::Trouble(trouble)) => Err(unavailable(trouble)),
        Err(UseCaseError::Refused(refusal)) => Err(refused(refusal)),
    }
}

/// List the versions of the policy.
#[utoipa::path(get, path = VERSIONS, tag = "policy", operation_id = "listPolicyVersions", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("cursor" = Option<String>, Query, description = "Where the page begins: `next_cursor` of the page before."), ("limit" = Option<u32>, Query, description = "How many: 1 to 200; 50 when nothing is said.", minimum = 1, maximum = 200)),
    responses((status = 200, description = "A page of versions, without their documents.", body = PolicyVersions), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn versions(app: App, request: Request) -> Result<Response, Problem> {
    app.require_role(&request, &READERS).await?;
    app.wait_for_min_position(&request).await?;
    let PageQuery { cursor, limit } = PageQuery::of(&request)?;
    let after =
        cursor.as_deref().map(|cursor| cursor.parse().map_err(|_| Problem::invalid_field("cursor", "It is not a cursor of this list.")));
    let mut found = app.authority.policy_versions(after.transpose()?.unwrap_or_default(), limit + 1).await.map_err(unavailable)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|last| last.version.to_string());
    let versions = found.into_iter().map(|version| PolicyVersionBody::of(version, false)).collect();
    Ok(reply::ok(&PolicyVersions { versions, next_cursor }))
}

/// Read one version of the policy.
#[utoipa::path(get, path = VERSION, tag = "policy", operation_id = "readPolicyVersion", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("version" = u32, Path, description = "Its number, from 1.", example = 3)),
    responses((status = 200, description = "The version.", body = PolicyVersionBody), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn version(app: App, request: Request) -> Result<Response, Problem> {
    app.require_role(&request, &READERS).await?;
    app.wait_for_min_position(&request).await?;
    let found = app.authority.policy_version(request.id("version")?).await.map_err(unavailable)?;
    let found = found.ok_or_else(|| Problem::not_found("The policy has no such version."))?;
    Ok(reply::ok(&PolicyVersionBody::of(found, true)))
}

fn dry_run(request: &Request) -> Result<bool, Problem> {
    match request.query_param("dry_run")?.as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Problem::invalid_field("dry_run", "It must be true or false.")),
    }
}

fn invalid(problems: Vec<PolicyProblem>) -> Problem {
    // Places are told as they are in the body.
    let problems: Vec<_> =
        problems.into_iter().map(|problem| PolicyProblem { path: format!("document.{}", problem.path), ..problem }).collect();
    let first = problems.first().map(|problem| problem.path.clone()).unwrap_or_default();
    Problem::new(ProblemCode::InvalidPolicy, "The policy must be sound as a whole; `problems` lists every mistake.")
        .field(first)
        .member("problems", serde_json::to_value(problems).unwrap_or_default())
}

fn refused(refusal: PolicyRefusal) -> Problem {
    let problem = Problem::new(ProblemCode::Conflict, refusal.to_string());
    match refusal {
        PolicyRefusal::AnotherVersion(version) => problem.field("expected_version").member("version", version),
        PolicyRefusal::Exhausted => problem,
    }
}

async fn try_out(app: &App, policy: &Policy, expected_version: Option<u32>) -> Result<Response, Problem> {
    let current = app.authority.policy().await.map_err(unavailable)?;
    if expected_version.is_some_and(|expected| expected != current.version()) {
        return Err(refused(PolicyRefusal::AnotherVersion(current.version())));
    }
    let changes = PolicyChanges::between(current.policy(), policy);
    let (mut grants, mut grants_affected) = (Vec::new(), 0);
    let mut names = BTreeMap::new();
    let mut last: Option<GrantId> = None;
    loop {
        let some = app.live.grants_after(last, AT_ONCE);
        let Some(newest) = some.last() else { break };
        last = Some(newest.grant_id);
        for grant in &some {
            let affected = changes.affect(&grant.scope);
            if affected == <(Scope, Scope, Scope)>::default() {
                continue;
            }
            grants_affected += 1;
            if grants.len() < LISTED {
                grants.push(describe(app, grant, affected, &mut names).await?);
            }
        }
    }
    let PolicyChanges { scopes, roles } = changes;
    Ok(reply::ok(&PolicyDryRun { version: current.version(), scopes, roles, grants, grants_affected }))
}

async fn describe(
    app: &App,
    grant: &GrantView,
    (lost, widened, narrowed): (Scope, Scope, Scope),
    names: &mut BTreeMap<ClientId, Option<String>>,
) -> Result<AffectedGrant, Problem> {
    let words = |scope: Scope| scope.iter().map(ToString::to_string).collect();
    let subject = app.authority.vault().external_id(grant.subject).await.map_err(|error| unavailable(error.into()))?;
    let name = names
        .entry(grant.client_id.clone())
        .or_insert_with(|| app.live.client(&grant.client_id).map(|client| client.metadata.client_name.clone()));
    Ok(AffectedGrant {
        grant_id: grant.grant_id.to_string(),
        subject_id: subject.map(|subject| subject.to_string()),
        client_id: grant.client_id.to_string(),
        client_name: name.clone(),
        organization_id: grant.organization_id.as_ref().map(|organization| organization.0.to_string()),
        scopes_lost: words(lost),
        scopes_widened: words(widened),
        scopes_narrowed: words(narrowed),
    })
}
