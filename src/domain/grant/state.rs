use std::collections::BTreeMap;

use super::{CodeBinding, FamilyNumber, Generation, GrantEvent, RevocationReason, TokenNumber, consent::Consents};
use crate::{
    domain::{AuthorizationId, ClientId, OrganizationId, Sealed, SubjectId, Timestamp, authorization::Authentication, retention::MEMORY},
    protocol::Scope,
};

/// A grant as its events have made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    parties: Option<Parties>,
    consented: Scope,
    pub(super) consents: Consents,
    codes: BTreeMap<AuthorizationId, Code>,
    /// The newest request whose code was forgotten.
    forgotten: Option<AuthorizationId>,
    families: BTreeMap<FamilyNumber, Family>,
    access_tokens: BTreeMap<TokenNumber, AccessToken>,
    pub(super) next_family: FamilyNumber,
    pub(super) next_token: TokenNumber,
    revoked: bool,
}

/// Between whom the grant is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parties {
    subject: SubjectId,
    client_id: ClientId,
    organization_id: Option<OrganizationId>,
    opened_at: Timestamp,
}

/// A code that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) expires_at: Timestamp,
    pub(super) state: CodeState,
}

/// Whether a code was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CodeState {
    Issued(Box<CodeBinding>),
    Redeemed { family: FamilyNumber, replayed: bool },
}

/// The tokens that follow from one completed authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    authorization_id: AuthorizationId,
    scope: Scope,
    authentication: Authentication,
    nonce: Option<String>,
    roles: Vec<String>,
    claims: Option<Sealed>,
    resources: Vec<String>,
    refresh: Option<RefreshToken>,
    ended: Option<RevocationReason>,
    /// When the last of its tokens expires.
    until: Timestamp,
}

/// The current refresh token of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RefreshToken {
    pub(super) generation: Generation,
    /// When it took its predecessor's place.
    pub(super) since: Timestamp,
    pub(super) expires_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct AccessToken {
    family: FamilyNumber,
    scope: Scope,
    expires_at: Timestamp,
}

impl Family {
    /// The request that started it.
    pub fn authorization_id(&self) -> AuthorizationId {
        self.authorization_id
    }

    /// What its tokens are good for, unless a refresh narrows it.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// How and when the subject was authenticated.
    pub fn authentication(&self) -> &Authentication {
        &self.authentication
    }

    /// The nonce of the request.
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// The roles of the subject when they were authenticated.
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// The resource servers that its tokens may be for; none: the usual audience.
    pub fn resources(&self) -> &[String] {
        &self.resources
    }

    /// Claims about the subject, sealed.
    pub fn claims(&self) -> Option<&Sealed> {
        self.claims.as_ref()
    }

    /// The current refresh token's number; None when the family never had one.
    pub fn generation(&self) -> Option<Generation> {
        self.refresh.map(|token| token.generation)
    }

    /// Until when the current refresh token can be used.
    pub fn refresh_token_expires_at(&self) -> Option<Timestamp> {
        self.refresh.map(|token| token.expires_at)
    }

    /// Why it ended, if it did. A revoked grant ends every family.
    pub fn ended(&self) -> Option<RevocationReason> {
        self.ended
    }

    pub(super) fn refresh(&self) -> Option<RefreshToken> {
        self.refresh
    }
}

impl Grant {
    /// Everything the subject agreed to, over all requests.
    pub fn consented(&self) -> &Scope {
        &self.consented
    }

    /// Whether it exists and was not revoked.
    pub fn is_open(&self) -> bool {
        self.parties.is_some() && !self.revoked
    }

    /// Whether it is over.
    pub fn is_revoked(&self) -> bool {
        self.revoked
    }

    /// Who allows.
    pub fn subject(&self) -> Option<SubjectId> {
        self.parties.as_ref().map(|parties| parties.subject)
    }

    /// Whom.
    pub fn client_id(&self) -> Option<&ClientId> {
        self.parties.as_ref().map(|parties| &parties.client_id)
    }

    /// In which organization.
    pub fn organization_id(&self) -> Option<&OrganizationId> {
        self.parties.as_ref().and_then(|parties| parties.organization_id.as_ref())
    }

    /// Whether it existed at this time already.
    pub fn was_opened_by(&self, time: Timestamp) -> bool {
        self.parties.as_ref().is_some_and(|parties| parties.opened_at <= time)
    }

    /// The families of which something can be used now.
    pub(super) fn live_families(&self, now: Timestamp) -> impl Iterator<Item = (FamilyNumber, &Family)> {
        self.families.iter().filter(move |(number, _)| self.is_family_live(**number, now)).map(|(number, family)| (*number, family))
    }

    /// The access tokens that can be used now, with what they carry.
    pub(super) fn live_access_tokens(&self, now: Timestamp) -> impl Iterator<Item = (TokenNumber, &Scope)> {
        let live = self.access_tokens.iter().filter(move |(number, _)| self.is_access_token_live(**number, now));
        live.map(|(number, token)| (*number, &token.scope))
    }

    /// Whether a code was issued that can be redeemed now.
    pub(super) fn has_redeemable_code(&self, now: Timestamp) -> bool {
        self.codes.values().any(|code| matches!(code.state, CodeState::Issued(_)) && now < code.expires_at)
    }

    /// A family, for as long as it is remembered: a day longer than its last token lives.
    pub fn family(&self, family: FamilyNumber) -> Option<&Family> {
        self.families.get(&family)
    }

    /// What the code of this request is bound to, as long as it was not used.
    pub fn binding(&self, authorization_id: AuthorizationId) -> Option<&CodeBinding> {
        match &self.codes.get(&authorization_id)?.state {
            CodeState::Issued(binding) => Some(binding),
            CodeState::Redeemed { .. } => None,
        }
    }

    /// Whether this access token can be used now.
    pub fn is_access_token_live(&self, token: TokenNumber, now: Timestamp) -> bool {
        self.access_tokens.get(&token).is_some_and(|token| now < token.expires_at && self.goes_on(token.family).is_some())
    }

    /// Whether anything of this family can be used now.
    pub fn is_family_live(&self, family: FamilyNumber, now: Timestamp) -> bool {
        self.goes_on(family).is_some_and(|family| now < family.until)
    }

    /// The family, unless it ended.
    fn goes_on(&self, family: FamilyNumber) -> Option<&Family> {
        self.families.get(&family).filter(|family| !self.revoked && family.ended.is_none())
    }

    pub(super) fn code(&self, authorization_id: AuthorizationId) -> Option<&Code> {
        self.codes.get(&authorization_id)
    }

    /// Whether the code of this request may have been forgotten. Requests are numbered by time (UUIDv7), so one mark is
    /// enough to never issue the same code twice.
    pub(super) fn may_have_forgotten(&self, authorization_id: AuthorizationId) -> bool {
        self.forgotten.is_some_and(|newest| authorization_id <= newest)
    }

    /// When the last thing of this family expires, as long as the family is remembered.
    pub(super) fn family_end(&self, family: FamilyNumber) -> Option<Timestamp> {
        self.families.get(&family).map(|family| family.until)
    }

    /// Whether this access token is remembered.
    pub(super) fn knows_access_token(&self, token: TokenNumber) -> bool {
        self.access_tokens.contains_key(&token)
    }

    /// Whether this request is the newest whose code was forgotten.
    pub(super) fn is_newest_forgotten(&self, authorization_id: AuthorizationId) -> bool {
        self.forgotten == Some(authorization_id)
    }

    /// Folds one event into the state.
    pub(super) fn evolve(mut self, event: &GrantEvent, at: Timestamp) -> Self {
        match event {
            GrantEvent::Opened { subject, client_id, organization_id } => {
                let (subject, client_id, organization_id) = (*subject, client_id.clone(), organization_id.clone());
                self.parties = Some(Parties { subject, client_id, organization_id, opened_at: at });
            }
            GrantEvent::Consented { authorization_id: _, scope, reason, shown: _, basis } => {
                self.consents.record(&self.consented, scope, *reason, basis, at);
                self.consented = self.consented.union(scope);
            }
            GrantEvent::CodeIssued { authorization_id, binding, expires_at } => {
                self.forget(at);
                let state = CodeState::Issued(Box::new(binding.clone()));
                self.codes.insert(*authorization_id, Code { expires_at: *expires_at, state });
            }
            GrantEvent::CodeRedeemed { authorization_id, family } => self.start_family(*authorization_id, *family, at),
            GrantEvent::CodeReplayed { authorization_id } => {
                if let Some(Code { state: CodeState::Redeemed { replayed, .. }, .. }) = self.codes.get_mut(authorization_id) {
                    *replayed = true;
                }
            }
            GrantEvent::AccessTokenIssued { token, family, scope, audience: _, format: _, expires_at } => {
                self.forget(at);
                self.next_token = self.next_token.max(token.successor());
                let token_of_family = AccessToken { family: *family, scope: scope.clone(), expires_at: *expires_at };
                self.access_tokens.insert(*token, token_of_family);
                self.prolong(*family, *expires_at);
            }
            GrantEvent::RefreshTokenIssued { family, expires_at } => {
                self.set_refresh_token(*family, RefreshToken { generation: Generation(0), since: at, expires_at: *expires_at });
            }
            GrantEvent::RefreshTokenRotated { family, generation, expires_at } => {
                self.set_refresh_token(*family, RefreshToken { generation: *generation, since: at, expires_at: *expires_at });
            }
            // What follows from it is said by `FamilyEnded`.
            GrantEvent::RefreshTokenReplayed { family: _, generation: _ } => {}
            GrantEvent::AccessTokenRevoked { token, reason: _ } => {
                self.access_tokens.remove(token);
            }
            GrantEvent::FamilyEnded { family, reason } => self.end_family(*family, *reason),
            GrantEvent::Narrowed { scope, reason: _ } => self.narrow(scope, at),
            GrantEvent::SessionsEnded { reason } => self.end_sessions(*reason, at),
            GrantEvent::Revoked { reason } => self.end(*reason),
        }
        self
    }

    fn start_family(&mut self, authorization_id: AuthorizationId, family: FamilyNumber, at: Timestamp) {
        self.next_family = self.next_family.max(family.successor());
        let Some(code) = self.codes.get_mut(&authorization_id) else { return };
        let spent = std::mem::replace(&mut code.state, CodeState::Redeemed { family, replayed: false });
        if let CodeState::Issued(binding) = spent {
            let CodeBinding { scope, nonce, authentication, roles, claims, resources, .. } = *binding;
            let (refresh, ended, until) = (None, None, at);
            let fresh = Family { authorization_id, scope, authentication, nonce, roles, claims, resources, refresh, ended, until };
            self.families.insert(family, fresh);
        }
    }

    fn set_refresh_token(&mut self, family: FamilyNumber, token: RefreshToken) {
        if let Some(family) = self.families.get_mut(&family) {
            family.refresh = Some(token);
        }
        self.prolong(family, token.expires_at);
    }

    fn prolong(&mut self, family: FamilyNumber, until: Timestamp) {
        if let Some(family) = self.families.get_mut(&family) {
            family.until = family.until.max(until);
        }
    }

    fn end_family(&mut self, number: FamilyNumber, reason: RevocationReason) {
        self.access_tokens.retain(|_, token| token.family != number);
        if let Some(family) = self.families.get_mut(&number) {
            family.ended.get_or_insert(reason);
        }
    }

    /// Cuts everything back to this scope. A code that nothing is left of is over.
    fn narrow(&mut self, scope: &Scope, at: Timestamp) {
        self.consented = self.consented.intersection(scope);
        for code in self.codes.values_mut() {
            if let CodeState::Issued(binding) = &mut code.state {
                let left = binding.scope.intersection(scope);
                if left.is_empty() {
                    code.expires_at = code.expires_at.min(at);
                }
                binding.scope = left;
            }
        }
        for family in self.families.values_mut() {
            family.scope = family.scope.intersection(scope);
        }
    }

    fn end_sessions(&mut self, reason: RevocationReason, at: Timestamp) {
        for code in self.codes.values_mut().filter(|code| matches!(code.state, CodeState::Issued(_))) {
            code.expires_at = code.expires_at.min(at);
        }
        self.end_families(reason);
    }

    fn end(&mut self, reason: RevocationReason) {
        self.revoked = true;
        self.end_families(reason);
    }

    fn end_families(&mut self, reason: RevocationReason) {
        self.access_tokens.clear();
        for family in self.families.values_mut() {
            family.ended.get_or_insert(reason);
        }
    }

    /// Drops what nobody can use any more. It goes by the time of events, so that every fold of a stream is the same.
    pub(super) fn forget(&mut self, at: Timestamp) {
        self.access_tokens.retain(|_, token| at < token.expires_at);
        let forgotten = &mut self.forgotten;
        self.codes.retain(|id, code| {
            let keep = at < code.expires_at.plus(MEMORY);
            if !keep {
                *forgotten = (*forgotten).max(Some(*id));
            }
            keep
        });
        self.families.retain(|_, family| at < family.until.plus(MEMORY));
    }
}

impl FamilyNumber {
    fn successor(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl TokenNumber {
    fn successor(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
