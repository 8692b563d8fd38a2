//! Which scopes there are, and what they mean for people: those of the configuration and those of the policy.

use std::collections::BTreeSet;

use grantlog_core::domain::policy::Policy;

use crate::app::Inner;

impl Inner {
    /// Every scope there is.
    pub fn scopes(&self) -> BTreeSet<String> {
        let policy = self.live.policy();
        self.edge.scopes.keys().chain(policy.policy().scopes().keys()).cloned().collect()
    }

    /// What a scope means for people: in the first wanted language that the policy has it in, or as the policy or the
    /// configuration says by default, or just its name.
    pub fn describe_scope(&self, policy: &Policy, scope: &str, ui_locales: Option<&str>) -> String {
        let configured = || self.edge.scopes.get(scope).map(String::as_str);
        policy.description(scope, ui_locales).or_else(configured).unwrap_or(scope).to_owned()
    }
}
