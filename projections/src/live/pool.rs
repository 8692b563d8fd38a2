//! Equal values kept once: a million tokens of a thousand clients have a few dozen different scopes.

use std::{collections::HashSet, hash::Hash, sync::Arc};

use grantlog_core::{domain::OrganizationId, protocol::Scope};

use super::TokenFacts;

/// The values in use. Not part of the state: what is in it changes nothing but the memory needed.
#[derive(Default)]
pub(super) struct Pool {
    scopes: Shared<Scope>,
    facts: Shared<TokenFacts>,
    organizations: Shared<str>,
    roles: Shared<[String]>,
}

/// A copy of the state starts with an empty pool, so that it does not keep alive what the state itself has let go.
impl Clone for Pool {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Pool {
    pub(super) fn scope(&mut self, scope: Arc<Scope>) -> Arc<Scope> {
        self.scopes.get(scope)
    }

    pub(super) fn facts(&mut self, facts: Arc<TokenFacts>) -> Arc<TokenFacts> {
        self.facts.get(facts)
    }

    pub(super) fn roles(&mut self, roles: Arc<[String]>) -> Arc<[String]> {
        self.roles.get(roles)
    }

    pub(super) fn organization(&mut self, organization: OrganizationId) -> OrganizationId {
        OrganizationId(self.organizations.get(organization.0))
    }
}

struct Shared<T: ?Sized> {
    values: HashSet<Arc<T>>,
    tidy_at: usize,
}

impl<T: ?Sized> Default for Shared<T> {
    fn default() -> Self {
        Self { values: HashSet::new(), tidy_at: Self::SMALLEST }
    }
}

impl<T: ?Sized> Shared<T> {
    const SMALLEST: usize = 1024;
}

impl<T: ?Sized + Eq + Hash> Shared<T> {
    fn get(&mut self, value: Arc<T>) -> Arc<T> {
        if let Some(known) = self.values.get(&value) {
            return Arc::clone(known);
        }
        if self.values.len() >= self.tidy_at {
            self.values.retain(|known| Arc::strong_count(known) > 1);
            self.tidy_at = Self::SMALLEST.max(self.values.len() * 2);
        }
        self.values.insert(Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one() {
        let mut shared = Shared::<str>::default();
        let first = shared.get("a".into());
        assert!(Arc::ptr_eq(&first, &shared.get("a".into())));
    }

    #[test]
    fn values_nobody_uses_are_dropped() {
        let mut shared = Shared::<str>::default();
        let kept = shared.get("kept".into());
        for i in 0..10_000 {
            shared.get(i.to_string().into());
        }
        assert!(shared.values.len() <= Shared::<str>::SMALLEST + 1, "{}", shared.values.len());
        assert!(shared.values.contains(&kept));
    }
}
