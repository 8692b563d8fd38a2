//! What is remembered of consents: for how long they hold, and to which client they were given.

use std::collections::BTreeMap;

use super::Grant;
use crate::{
    domain::{
        Seconds, Timestamp,
        authorization::{Basis, ConsentReason},
    },
    protocol::{Scope, ScopeToken},
};

/// What a subject agreed to before, as it is when a new request is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EarlierConsent {
    /// What still holds.
    pub scope: Scope,
    /// What was agreed to too long ago.
    pub expired: Scope,
    /// Whether all of it was revoked.
    pub revoked: bool,
    /// SHA-256 of the client's material metadata as it was then; None when that was not recorded.
    pub client_sha256: Option<String>,
}

/// When the person was asked for each scope, and how the client was then. A scope that they did not have to be asked for
/// has no time: there is no consent that could grow old.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Consents {
    asked_at: BTreeMap<ScopeToken, Timestamp>,
    client_sha256: Option<String>,
}

impl Consents {
    /// Takes note of a consent; `before` is all that was agreed to until then.
    pub(super) fn record(&mut self, before: &Scope, scope: &Scope, reason: Option<ConsentReason>, basis: &Basis, at: Timestamp) {
        let asked = match reason {
            None => Scope::default(),
            // The person was asked for what is new, and for nothing else.
            Some(ConsentReason::ScopesAdded) => scope.difference(before),
            Some(
                ConsentReason::FirstTime
                | ConsentReason::PromptConsent
                | ConsentReason::OfflineAccess
                | ConsentReason::Revoked
                | ConsentReason::ConsentExpired
                | ConsentReason::ClientChanged,
            ) => scope.clone(),
        };
        self.asked_at.extend(asked.iter().map(|token| (token.clone(), at)));
        if basis.client_sha256.is_some() {
            self.client_sha256.clone_from(&basis.client_sha256);
        }
    }
}

impl Grant {
    /// What the subject agreed to before, when consents hold for `lifetime`; None: until they are revoked.
    pub fn earlier_consent(&self, lifetime: Option<Seconds>, now: Timestamp) -> EarlierConsent {
        if !self.is_open() {
            return EarlierConsent { revoked: self.is_revoked(), ..EarlierConsent::default() };
        }
        let has_expired = |token: &&ScopeToken| {
            let asked_at = self.consents.asked_at.get(token);
            lifetime.zip(asked_at).is_some_and(|(lifetime, at)| at.plus(lifetime) <= now)
        };
        let expired: Scope = self.consented().iter().filter(has_expired).cloned().collect();
        let client_sha256 = self.consents.client_sha256.clone();
        EarlierConsent { scope: self.consented().difference(&expired), expired, revoked: false, client_sha256 }
    }

    /// When the consent to something of this ends first; None: never by itself.
    pub fn consent_end(&self, scope: &Scope, lifetime: Seconds) -> Option<Timestamp> {
        scope.iter().filter_map(|token| self.consents.asked_at.get(token)).min().map(|at| at.plus(lifetime))
    }
}
