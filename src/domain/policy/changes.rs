use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Permissions, Policy, PolicyPermission};
use crate::protocol::Scope;

/// What is different between two versions of the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyChanges {
    /// Scopes that come, go, or permit something else.
    pub scopes: Vec<PermissionChange>,
    /// Roles that come, go, or permit something else.
    pub roles: Vec<PermissionChange>,
}

/// What a role or a scope gains and loses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PermissionChange {
    /// The role or the scope.
    #[cfg_attr(feature = "openapi", schema(example = "documents.read"))]
    pub name: String,
    /// Whether it is new in the policy.
    pub added: bool,
    /// Whether it is gone from the policy.
    pub removed: bool,
    /// What it permits now and did not before.
    pub gained: Vec<PolicyPermission>,
    /// What it permitted before and does not now.
    pub lost: Vec<PolicyPermission>,
}

impl PolicyChanges {
    /// What publishing `after` in place of `before` changes. Descriptions change nothing.
    pub fn between(before: &Policy, after: &Policy) -> Self {
        Self { scopes: changes(before.scopes(), after.scopes()), roles: changes(before.roles(), after.roles()) }
    }

    /// Which scopes of these are gone, permit more, and permit less.
    pub fn affect(&self, scope: &Scope) -> (Scope, Scope, Scope) {
        let of = |holds: fn(&PermissionChange) -> bool| {
            let names: BTreeSet<_> = self.scopes.iter().filter(|change| holds(change)).map(|change| change.name.as_str()).collect();
            scope.iter().filter(|token| names.contains(token.as_str())).cloned().collect::<Scope>()
        };
        (
            of(|change| change.removed && !change.lost.is_empty()),
            of(|change| !change.gained.is_empty()),
            of(|change| !change.removed && !change.lost.is_empty()),
        )
    }
}

fn changes(before: &BTreeMap<String, Permissions>, after: &BTreeMap<String, Permissions>) -> Vec<PermissionChange> {
    let nothing = Permissions::default();
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let change = |name: &String| {
        let (was, is) = (before.get(name), after.get(name));
        let (had, has) = (was.unwrap_or(&nothing), is.unwrap_or(&nothing));
        let (added, removed) = (was.is_none(), is.is_none());
        PermissionChange { name: name.clone(), added, removed, gained: has.without(had), lost: had.without(has) }
    };
    let differs = |change: &PermissionChange| change.added || change.removed || !change.gained.is_empty() || !change.lost.is_empty();
    names.into_iter().map(change).filter(differs).collect()
}
