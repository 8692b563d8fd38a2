//! What must hold in a policy. Every mistake is named at once, each with its place.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;

use super::document::{ALL_ACTIONS, PolicyDocument, PolicyPermission, PolicyResource, PolicyRole, PolicyScope};
use crate::protocol::{ScopeToken, locale::is_locale};

/// The longest name of a resource, an action or a role, in bytes.
const LONGEST_NAME: usize = 255;
/// The longest description, in characters.
const LONGEST_DESCRIPTION: usize = 1000;
/// How many resources, roles or scopes there may be, and permissions of one of them.
const MOST: usize = 1000;
/// How many actions a resource may have.
const MOST_ACTIONS: usize = 100;
/// How many languages a scope may be described in.
const MOST_LOCALES: usize = 100;

/// Scopes whose meaning is fixed: they can be described and carry no permissions.
pub(super) const RESERVED: [&str; 7] = ["openid", "profile", "email", "phone", "address", "offline_access", "full_access"];

/// A kind of mistake in a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PolicyProblemCode {
    /// A permission names a resource that is not defined.
    UnknownResource,
    /// A permission names an action that its resource does not have.
    UnknownAction,
    /// Something is there twice.
    Duplicate,
    /// A name, a description or a list has nothing in it.
    Empty,
    /// A name or a description is too long.
    TooLong,
    /// There are too many of something.
    TooMany,
    /// A name has control characters, or blanks around it.
    Malformed,
    /// A scope is no scope token (RFC 6749 §3.3).
    MalformedScope,
    /// A language tag is none (RFC 5646).
    MalformedLocale,
    /// A scope permits nothing.
    NoPermissions,
    /// The name has a meaning of its own, and can't be used like this.
    Reserved,
    /// `*` stands beside other actions.
    WildcardNotAlone,
}

/// One mistake in a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[error("{path} {detail}")]
pub struct PolicyProblem {
    /// Where: `scopes[0].permissions[1].actions[0]`.
    pub path: String,
    /// What kind of mistake.
    pub code: PolicyProblemCode,
    /// What is wrong, as the rest of a sentence that begins with the place.
    pub detail: String,
}

/// Everything that is wrong, in the order of the document.
pub(super) fn problems(document: &PolicyDocument) -> Vec<PolicyProblem> {
    let mut actions: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for resource in &document.resources {
        actions.entry(resource.resource.as_str()).or_default().extend(resource.actions.iter().map(String::as_str));
    }
    let mut problems = Problems { found: Vec::new(), actions };
    problems.limit("resources", document.resources.len(), MOST);
    problems.duplicates(document.resources.iter().map(|resource| &resource.resource), |i| format!("resources[{i}].resource"));
    document.resources.iter().enumerate().for_each(|(i, resource)| problems.resource(&format!("resources[{i}]"), resource));
    problems.limit("roles", document.roles.len(), MOST);
    problems.duplicates(document.roles.iter().map(|role| &role.role), |i| format!("roles[{i}].role"));
    document.roles.iter().enumerate().for_each(|(i, role)| problems.role(&format!("roles[{i}]"), role));
    problems.limit("scopes", document.scopes.len(), MOST);
    problems.duplicates(document.scopes.iter().map(|scope| &scope.scope), |i| format!("scopes[{i}].scope"));
    document.scopes.iter().enumerate().for_each(|(i, scope)| problems.scope(&format!("scopes[{i}]"), scope));
    problems.found
}

struct Problems<'a> {
    found: Vec<PolicyProblem>,
    /// What the resources of this very document can be used for.
    actions: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl Problems<'_> {
    fn add(&mut self, path: impl Into<String>, code: PolicyProblemCode, detail: impl Into<String>) {
        self.found.push(PolicyProblem { path: path.into(), code, detail: detail.into() });
    }

    fn limit(&mut self, path: &str, count: usize, most: usize) {
        if count > most {
            self.add(path, PolicyProblemCode::TooMany, format!("has more than {most} entries"));
        }
    }

    fn duplicates<'a>(&mut self, names: impl Iterator<Item = &'a String>, path: impl Fn(usize) -> String) {
        let mut seen = HashSet::new();
        for (i, name) in names.enumerate() {
            if !seen.insert(name) {
                self.add(path(i), PolicyProblemCode::Duplicate, format!("names {name:?} a second time"));
            }
        }
    }

    fn name(&mut self, path: String, name: &str) {
        if name.is_empty() {
            self.add(path, PolicyProblemCode::Empty, "is empty");
        } else if name.len() > LONGEST_NAME {
            self.add(path, PolicyProblemCode::TooLong, format!("is longer than {LONGEST_NAME} bytes"));
        } else if name.trim() != name || name.chars().any(char::is_control) {
            self.add(path, PolicyProblemCode::Malformed, "has control characters, or blanks around it");
        } else if name == ALL_ACTIONS {
            self.add(path, PolicyProblemCode::Reserved, "must not be *, which stands for every action");
        }
    }

    fn description(&mut self, path: String, description: &str) {
        if description.chars().count() > LONGEST_DESCRIPTION {
            self.add(path, PolicyProblemCode::TooLong, format!("is longer than {LONGEST_DESCRIPTION} characters"));
        } else if description.chars().any(|c| c.is_control() && c != '\n') {
            self.add(path, PolicyProblemCode::Malformed, "has control characters");
        }
    }

    /// What people read must say something.
    fn shown(&mut self, path: String, description: &str) {
        if description.trim().is_empty() {
            self.add(path, PolicyProblemCode::Empty, "is empty, and people are shown it");
        } else {
            self.description(path, description);
        }
    }

    fn resource(&mut self, path: &str, resource: &PolicyResource) {
        self.name(format!("{path}.resource"), &resource.resource);
        self.description(format!("{path}.description"), &resource.description);
        let actions = format!("{path}.actions");
        if resource.actions.is_empty() {
            self.add(actions.as_str(), PolicyProblemCode::Empty, "is empty: nothing could be done with the resource");
        }
        self.limit(&actions, resource.actions.len(), MOST_ACTIONS);
        self.duplicates(resource.actions.iter(), |i| format!("{actions}[{i}]"));
        resource.actions.iter().enumerate().for_each(|(i, action)| self.name(format!("{actions}[{i}]"), action));
    }

    fn role(&mut self, path: &str, role: &PolicyRole) {
        self.name(format!("{path}.role"), &role.role);
        self.description(format!("{path}.description"), &role.description);
        self.permissions(path, &role.permissions);
    }

    fn scope(&mut self, path: &str, scope: &PolicyScope) {
        if scope.scope.is_empty() {
            self.add(format!("{path}.scope"), PolicyProblemCode::Empty, "is empty");
        } else if scope.scope.parse::<ScopeToken>().is_err() {
            // RFC 6749 §3.3: printable ASCII without blanks, quotes and backslashes.
            self.add(format!("{path}.scope"), PolicyProblemCode::MalformedScope, "is no scope (RFC 6749 §3.3)");
        }
        self.shown(format!("{path}.description"), &scope.description);
        self.descriptions(path, scope);
        let reserved = RESERVED.contains(&scope.scope.as_str());
        if reserved && !scope.permissions.is_empty() {
            let detail = format!("must be empty: what {} means is fixed", scope.scope);
            self.add(format!("{path}.permissions"), PolicyProblemCode::Reserved, detail);
        } else if !reserved && scope.permissions.is_empty() {
            self.add(format!("{path}.permissions"), PolicyProblemCode::NoPermissions, "is empty: the scope would be good for nothing");
        }
        self.permissions(path, &scope.permissions);
    }

    fn descriptions(&mut self, path: &str, scope: &PolicyScope) {
        self.limit(&format!("{path}.descriptions"), scope.descriptions.len(), MOST_LOCALES);
        let mut seen = HashSet::new();
        for (locale, description) in &scope.descriptions {
            let place = format!("{path}.descriptions.{locale}");
            if !is_locale(locale) {
                self.add(place.as_str(), PolicyProblemCode::MalformedLocale, "is no language tag (RFC 5646)");
            } else if !seen.insert(locale.to_ascii_lowercase()) {
                self.add(place.as_str(), PolicyProblemCode::Duplicate, "is there in another spelling too");
            }
            self.shown(place, description);
        }
    }

    fn permissions(&mut self, path: &str, permissions: &[PolicyPermission]) {
        let path = format!("{path}.permissions");
        self.limit(&path, permissions.len(), MOST);
        self.duplicates(permissions.iter().map(|permission| &permission.resource), |i| format!("{path}[{i}].resource"));
        permissions.iter().enumerate().for_each(|(i, permission)| self.permission(&format!("{path}[{i}]"), permission));
    }

    fn permission(&mut self, path: &str, permission: &PolicyPermission) {
        let actions = format!("{path}.actions");
        if permission.actions.is_empty() {
            self.add(actions.as_str(), PolicyProblemCode::Empty, "is empty");
        }
        if permission.actions.len() > 1 && permission.actions.iter().any(|action| action == ALL_ACTIONS) {
            self.add(actions.as_str(), PolicyProblemCode::WildcardNotAlone, "has * beside other actions");
        }
        self.duplicates(permission.actions.iter(), |i| format!("{actions}[{i}]"));
        let Some(known) = self.actions.get(permission.resource.as_str()).cloned() else {
            let detail = format!("names the resource {:?}, which is not defined", permission.resource);
            self.add(format!("{path}.resource"), PolicyProblemCode::UnknownResource, detail);
            return;
        };
        for (i, action) in permission.actions.iter().enumerate() {
            if action != ALL_ACTIONS && !known.contains(action.as_str()) {
                let detail = format!("names the action {action:?}, which {:?} does not have", permission.resource);
                self.add(format!("{actions}[{i}]"), PolicyProblemCode::UnknownAction, detail);
            }
        }
    }
}
