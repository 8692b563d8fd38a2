//! Who can grant what, and what a token permits.

use std::{collections::BTreeSet, sync::Arc};

use serde::Serialize;

use super::{Permissions, Policy, PolicyPermission};
use crate::{
    domain::OrganizationId,
    protocol::{ClientMetadata, ClientType, Scope, ScopeToken},
};

/// Access while the person is away (OIDC Core §11). It says nothing of what may be done: by itself it is nothing.
pub const OFFLINE_ACCESS: &str = "offline_access";
/// Whatever the person may do; for first-party clients that are allowed it.
pub const FULL_ACCESS: &str = "full_access";

/// Why a scope can't be granted. The code is what programs go by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Obstacle {
    /// The person's roles don't permit all that the scope does.
    MissingPermissions {
        /// What they lack.
        permissions: Vec<PolicyPermission>,
    },
    /// The client may not have `full_access`.
    FullAccessNotAllowed,
}

impl Policy {
    /// What stands against this client being granted a scope by somebody who may do this much; None: nothing does. As
    /// long as nobody is known, only what holds for everybody is said.
    pub fn obstacle(&self, scope: &ScopeToken, client: &ClientMetadata, permitted: Option<&Permissions>) -> Option<Obstacle> {
        if scope.as_str() == FULL_ACCESS {
            let allowed = client.client_type == ClientType::FirstParty && client.full_access_allowed;
            return (!allowed).then_some(Obstacle::FullAccessNotAllowed);
        }
        // A scope without an entry needs no permission.
        let missing = self.scope(scope.as_str())?.without(permitted?);
        (!missing.is_empty()).then_some(Obstacle::MissingPermissions { permissions: missing })
    }
}

/// The question whether a token permits an action.
#[derive(Clone, Debug)]
pub struct PermissionCheck<'a> {
    /// The token's scope.
    pub scope: &'a Scope,
    /// The organization that the token is for.
    pub token_organization: Option<&'a OrganizationId>,
    /// The organization whose resource it is; None: that is not looked at.
    pub organization: Option<&'a OrganizationId>,
    /// On what.
    pub resource: &'a str,
    /// What.
    pub action: &'a str,
    /// What is known of the roles of whom the token acts for.
    pub roles: RolesKnown,
    /// Whether the roles have to permit it too.
    pub current_roles: bool,
}

/// What is known of somebody's roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolesKnown {
    /// There is nobody: a client acts for itself.
    NoPerson,
    /// Nobody said which.
    Unknown,
    /// These.
    These(Arc<BTreeSet<String>>),
}

/// Why a token does not permit something. The code is what programs go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CheckDenial {
    /// The token is not good, or not meant for whoever asks.
    TokenNotActive,
    /// The token is for another organization, or for none.
    OrganizationMismatch,
    /// The policy has no such action on no such resource.
    UnknownPermission,
    /// No scope of the token permits it.
    InsufficientScope,
    /// Nobody said which roles the person has.
    RolesUnknown,
    /// The person's roles don't permit it.
    RolesInsufficient,
}

/// Which scopes of a token permit the action by this policy. `full_access` stands for whatever the person may do, so what
/// permits by it alone is what their roles permit.
pub fn check_permission(policy: &Policy, check: &PermissionCheck<'_>) -> Result<Scope, CheckDenial> {
    let PermissionCheck { scope, resource, action, .. } = *check;
    if check.organization.is_some() && check.organization != check.token_organization {
        return Err(CheckDenial::OrganizationMismatch);
    }
    if !policy.has_action(resource, action) {
        return Err(CheckDenial::UnknownPermission);
    }
    let holds = |token: &&ScopeToken| policy.scope(token.as_str()).is_some_and(|permissions| permissions.hold(resource, action));
    let holding: Scope = scope.iter().filter(holds).cloned().collect();
    let full: Scope = scope.iter().filter(|token| token.as_str() == FULL_ACCESS).cloned().collect();
    if holding.is_empty() && full.is_empty() {
        return Err(CheckDenial::InsufficientScope);
    }
    let by_roles = match &check.roles {
        RolesKnown::NoPerson if holding.is_empty() => Err(CheckDenial::InsufficientScope),
        RolesKnown::NoPerson => Ok(()),
        RolesKnown::Unknown => Err(CheckDenial::RolesUnknown),
        RolesKnown::These(roles) if policy.permitted_to(&**roles).hold(resource, action) => Ok(()),
        RolesKnown::These(_) => Err(CheckDenial::RolesInsufficient),
    };
    if check.current_roles || holding.is_empty() {
        by_roles?;
    }
    Ok(if holding.is_empty() { full } else { holding })
}
