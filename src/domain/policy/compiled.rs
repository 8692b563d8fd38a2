use std::collections::{BTreeMap, BTreeSet};

use super::{
    document::{ALL_ACTIONS, PolicyDocument, PolicyPermission, PolicyScope},
    rules::{self, PolicyProblem},
};
use crate::protocol::locale::best_match;

/// A sound policy, made ready to be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    document: PolicyDocument,
    resources: Permissions,
    roles: BTreeMap<String, Permissions>,
    scopes: BTreeMap<String, Permissions>,
}

/// Which actions on which resources. `*` is spelled out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions(BTreeMap<String, BTreeSet<String>>);

impl Policy {
    /// Checks a document as a whole and names every mistake.
    pub fn new(document: PolicyDocument) -> Result<Self, Vec<PolicyProblem>> {
        let problems = rules::problems(&document);
        if problems.is_empty() { Ok(Self::recorded(document)) } else { Err(problems) }
    }

    /// A document of the log, which was checked before it was written.
    pub fn recorded(document: PolicyDocument) -> Self {
        let resources = document.resources.iter().map(|resource| (resource.resource.clone(), resource.actions.iter().cloned().collect()));
        let resources = Permissions(resources.collect());
        let roles = document.roles.iter().map(|role| (role.role.clone(), resources.spell_out(&role.permissions))).collect();
        let scopes = document.scopes.iter().map(|scope| (scope.scope.clone(), resources.spell_out(&scope.permissions))).collect();
        Self { document, resources, roles, scopes }
    }

    /// It as it was written.
    pub fn document(&self) -> &PolicyDocument {
        &self.document
    }

    /// Whether there is such an action on such a resource.
    pub fn has_action(&self, resource: &str, action: &str) -> bool {
        self.resources.hold(resource, action)
    }

    /// What a scope permits; None when it has no entry.
    pub fn scope(&self, scope: &str) -> Option<&Permissions> {
        self.scopes.get(scope)
    }

    /// What each scope permits.
    pub fn scopes(&self) -> &BTreeMap<String, Permissions> {
        &self.scopes
    }

    /// What each role permits.
    pub fn roles(&self) -> &BTreeMap<String, Permissions> {
        &self.roles
    }

    /// What somebody with these roles may do. A role that is not defined permits nothing.
    pub fn permitted_to(&self, roles: &[String]) -> Permissions {
        roles.iter().filter_map(|role| self.roles.get(role)).fold(Permissions::default(), Permissions::and)
    }

    /// What a scope means for people, in the first wanted language that there is (OIDC Core §3.1.2.1, `ui_locales`),
    /// or by default; None when the scope has no entry.
    pub fn description(&self, scope: &str, ui_locales: Option<&str>) -> Option<&str> {
        let entry = self.document.scopes.iter().find(|entry| entry.scope == scope)?;
        Some(described(entry, ui_locales).unwrap_or(&entry.description))
    }
}

fn described<'a>(entry: &'a PolicyScope, ui_locales: Option<&str>) -> Option<&'a str> {
    let locale = best_match(ui_locales?, entry.descriptions.keys().map(String::as_str))?;
    entry.descriptions.get(locale).map(String::as_str)
}

impl Permissions {
    /// Whether this action on this resource is among them.
    pub fn hold(&self, resource: &str, action: &str) -> bool {
        self.0.get(resource).is_some_and(|actions| actions.contains(action))
    }

    /// Whether there are none.
    pub fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// What is here and not in `other`.
    pub fn without(&self, other: &Self) -> Vec<PolicyPermission> {
        let left = self.0.iter().map(|(resource, actions)| {
            let actions = actions.iter().filter(|action| !other.hold(resource, action)).cloned().collect();
            PolicyPermission { resource: resource.clone(), actions }
        });
        left.filter(|permission| !permission.actions.is_empty()).collect()
    }

    fn and(mut self, other: &Self) -> Self {
        for (resource, actions) in &other.0 {
            self.0.entry(resource.clone()).or_default().extend(actions.iter().cloned());
        }
        self
    }

    /// These permissions, with what `*` stands for by the resources that there are.
    fn spell_out(&self, permissions: &[PolicyPermission]) -> Self {
        permissions.iter().fold(Self::default(), |all, PolicyPermission { resource, actions }| {
            let actions = match actions.as_slice() {
                [one] if one == ALL_ACTIONS => self.0.get(resource).cloned().unwrap_or_default(),
                actions => actions.iter().cloned().collect(),
            };
            all.and(&Self(BTreeMap::from([(resource.clone(), actions)])))
        })
    }
}
