//! What a token permits: for resource servers that don't read scopes themselves.

use grantlog_core::{
    app::{api_keys::AuthenticatedApiKey, recognise::Recognised},
    domain::{
        OrganizationId,
        api_key::Role,
        policy::{CheckDenial, PermissionCheck, RolesKnown, check_permission},
    },
    protocol::{Scope, SecretText},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    access_token::LiveAccessToken,
    app::App,
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// What a token permits.
pub const CHECK: &str = "/v1/tokens/check";

/// Who may ask: resource servers of tokens that are meant for them, administrators of all.
const ASKERS: [Role; 2] = [Role::ResourceServer, Role::Admin];

/// The question whether a token permits an action.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckToken {
    /// The access token.
    token: String,
    /// The organization whose resource it is; absent: that is not looked at.
    #[serde(default)]
    #[schema(example = "acme")]
    organization_id: Option<String>,
    /// On what, as the policy names it.
    #[schema(example = "documents")]
    resource: String,
    /// What, as the policy names it.
    #[schema(example = "read")]
    action: String,
    /// Whether the person's roles, as last said, have to permit it too.
    #[serde(default)]
    current_roles: bool,
}

/// Whether the token permits it.
#[derive(Serialize, ToSchema)]
pub struct TokenCheck {
    /// Yes or no.
    allowed: bool,
    /// Why not; null: it is allowed.
    #[schema(inline)]
    reason: Option<CheckReason>,
    /// The scopes of the token that permit it.
    #[schema(example = json!(["documents.read"]))]
    scopes: Vec<String>,
    /// The version of the policy that this is by.
    #[schema(example = 3)]
    policy_version: u32,
}

/// Why it is not allowed. The code is what programs go by.
#[derive(Serialize, ToSchema)]
pub struct CheckReason {
    /// What kind of reason.
    code: CheckDenial,
    /// In words.
    text: &'static str,
}

impl CheckReason {
    fn of(code: CheckDenial) -> Self {
        let text = match code {
            CheckDenial::TokenNotActive => "The token is unknown, expired, revoked, or not meant for the caller.",
            CheckDenial::OrganizationMismatch => "The token is for another organization, or for none.",
            CheckDenial::UnknownPermission => "The policy has no such action on no such resource.",
            CheckDenial::InsufficientScope => "No scope of the token permits it.",
            CheckDenial::RolesUnknown => "Nobody has said which roles the person has there.",
            CheckDenial::RolesInsufficient => "The person's roles do not permit it.",
        };
        Self { code, text }
    }
}

/// Ask whether a token permits an action.
///
/// It does when it is good and meant for the caller, when it is for the organization, and when one of its scopes permits
/// the action by the policy in force. `full_access` permits what the person's roles permit.
#[utoipa::path(post, path = CHECK, tag = "tokens", operation_id = "checkToken", security(("ApiKey" = ["admin"]), ("ApiKey" = ["resource_server"])),
    request_body(content = CheckToken, example = json!({"token": "eyJhbGciOiJFZERTQSIsImtpZCI6Ii4uLiJ9…", "organization_id": "acme", "resource": "documents", "action": "read"})),
    responses((status = 200, description = "Yes or no, and why not.", body = TokenCheck), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn check(app: App, request: Request) -> Result<Response, Problem> {
    let caller = app.require_role(&request, &ASKERS).await?;
    app.wait_for_min_position(&request).await?;
    let CheckToken { token, organization_id, resource, action, current_roles } = request.json()?;
    let token = SecretText::from(token.as_str());
    let published = app.live.policy();
    let verdict = match live_token(&app, &caller, token.expose()) {
        None => Err(CheckDenial::TokenNotActive),
        Some(token) => {
            let organization = organization_id.map(|id| OrganizationId(id.into()));
            let check = PermissionCheck {
                scope: &token.scope,
                token_organization: token.organization_id.as_ref(),
                organization: organization.as_ref(),
                resource: &resource,
                action: &action,
                roles: roles(&app, &token),
                current_roles,
            };
            check_permission(published.policy(), &check)
        }
    };
    Ok(reply::ok(&TokenCheck::of(verdict, published.version())))
}

impl TokenCheck {
    fn of(verdict: Result<Scope, CheckDenial>, policy_version: u32) -> Self {
        let reason = verdict.as_ref().err().copied().map(CheckReason::of);
        let scopes = verdict.unwrap_or_default().iter().map(ToString::to_string).collect();
        Self { allowed: reason.is_none(), reason, scopes, policy_version }
    }
}

/// The token, if it is good and meant for whoever asks.
fn live_token(app: &App, caller: &AuthenticatedApiKey, presented: &str) -> Option<LiveAccessToken> {
    let Recognised::AccessToken { reference, claims } = app.authority.recognise(presented)? else { return None };
    let token = app.live_access_token(reference, claims.as_ref())?;
    // RFC 7662 §4: a resource server learns nothing of tokens that are meant for others.
    let own_audience = caller.audience.as_deref().unwrap_or(&app.authority.settings.audience);
    let is_meant = caller.role == Role::Admin || token.audience.iter().any(|audience| audience == own_audience);
    is_meant.then_some(token)
}

fn roles(app: &App, token: &LiveAccessToken) -> RolesKnown {
    match token.subject {
        None => RolesKnown::NoPerson,
        Some(subject) => app.live.current_roles(subject, token.organization_id.as_ref()).map_or(RolesKnown::Unknown, RolesKnown::These),
    }
}
