//! Who can grant what, and what a token permits.

use serde::Serialize;

use super::{Permissions, Policy, PolicyPermission};
use crate::protocol::{ClientMetadata, ClientType, Scope, ScopeToken};

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
#[derive(Clone, Copy, Debug)]
pub struct PermissionCheck<'a> {
    /// The token's scope.
    pub scope: &'a Scope,
    /// On what.
    pub resource: &'a str,
    /// What.
    pub action: &'a str,
}

/// Why a token does not permit something. The code is what programs go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CheckDenial {
    /// The policy has no such action on no such resource.
    UnknownPermission,
    /// No scope of the token permits it.
    InsufficientScope,
}

/// Which scopes of the token permit the action by this policy.
/// `full_access` permits whatever there is: what the person may do is for their roles to say.
pub fn check_permission(policy: &Policy, check: PermissionCheck<'_>) -> Result<Scope, CheckDenial> {
    let PermissionCheck { scope, resource, action } = check;
    if !policy.has_action(resource, action) {
        return Err(CheckDenial::UnknownPermission);
    }
    let holds = |token: &&ScopeToken| {
        token.as_str() == FULL_ACCESS || policy.scope(token.as_str()).is_some_and(|permissions| permissions.hold(resource, action))
    };
    let holding: Scope = scope.iter().filter(holds).cloned().collect();
    if holding.is_empty() { Err(CheckDenial::InsufficientScope) } else { Ok(holding) }
}
