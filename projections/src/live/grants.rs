//! The grants that are not revoked, with what lives under them.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

use grantlog_core::{
    domain::{
        AuthorizationId, ClientId, GrantId, OrganizationId, Sealed, SubjectId, Timestamp,
        authorization::Authentication,
        grant::{CodeBinding, FamilyNumber, Generation, GrantEvent, TokenNumber},
    },
    protocol::{AccessTokenFormat, Scope},
    store::Position,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    TokenFacts,
    clients::Clients,
    pool::Pool,
    sweep::{is_past, next_keys},
};

/// How many grants each event lets be looked at.
const SWEPT_PER_EVENT: usize = 2;

/// A grant as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantView {
    /// Which.
    pub grant_id: GrantId,
    /// Who allows.
    pub subject: SubjectId,
    /// Whom.
    pub client_id: ClientId,
    /// In which organization.
    pub organization_id: Option<OrganizationId>,
    /// Where in the log it was opened: what cut grants off after that cut this one off.
    pub(super) opened_position: Position,
    /// Everything that was agreed to.
    pub scope: Arc<Scope>,
    /// When something was agreed to first; None when nothing was yet.
    pub consented_at: Option<Timestamp>,
    /// When something was agreed to last.
    pub last_consented_at: Option<Timestamp>,
    codes: Vec<Code>,
    families: Vec<Family>,
    tokens: Vec<Token>,
}

/// A code that was not redeemed: what its family will begin with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Code {
    authorization_id: AuthorizationId,
    scope: Arc<Scope>,
    #[serde(with = "crate::json")]
    authentication: Arc<Authentication>,
    roles: Arc<[String]>,
    claims: Option<Arc<Sealed>>,
    expires_at: Timestamp,
}

/// A token family: what one completed authorization started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Family {
    pub(super) number: FamilyNumber,
    pub(super) authorization_id: AuthorizationId,
    pub(super) scope: Arc<Scope>,
    #[serde(with = "crate::json")]
    pub(super) authentication: Arc<Authentication>,
    pub(super) roles: Arc<[String]>,
    pub(super) claims: Option<Arc<Sealed>>,
    pub(super) started_at: Timestamp,
    pub(super) refresh: Option<Refresh>,
    /// When the last thing issued in it expires.
    ends_at: Timestamp,
}

/// The one refresh token of a family that is not used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refresh {
    pub(super) generation: Generation,
    pub(super) expires_at: Timestamp,
}

/// An access token that is neither expired nor revoked; 24 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Token {
    number: TokenNumber,
    pub(super) family: FamilyNumber,
    pub(super) expires_at: Timestamp,
    /// Of an opaque token; a JWT carries its own.
    pub(super) facts: Option<Arc<TokenFacts>>,
}

impl GrantView {
    /// How many of its families have something that has not expired.
    pub fn live_families(&self, now: Timestamp) -> usize {
        self.families.iter().filter(|family| now < family.ends_at).count()
    }

    pub(super) fn family(&self, number: FamilyNumber) -> Option<&Family> {
        self.families.iter().find(|family| family.number == number)
    }

    pub(super) fn token(&self, number: TokenNumber) -> Option<&Token> {
        let at = self.tokens.binary_search_by_key(&number, |token| token.number).ok()?;
        self.tokens.get(at)
    }

    fn has_past(&self, time: Timestamp) -> bool {
        self.tokens.iter().any(|token| is_past(token.expires_at, time))
            || self.codes.iter().any(|code| is_past(code.expires_at, time))
            || self.families.iter().any(|family| is_past(family.ends_at, time))
    }

    fn forget_past(&mut self, time: Timestamp) {
        self.tokens.retain(|token| !is_past(token.expires_at, time));
        self.codes.retain(|code| !is_past(code.expires_at, time));
        self.families.retain(|family| !is_past(family.ends_at, time));
    }

    fn consent(&mut self, scope: &Scope, time: Timestamp, pool: &mut Pool) {
        if !scope.is_subset(&self.scope) {
            self.scope = pool.scope(Arc::new(self.scope.union(scope)));
        }
        self.consented_at.get_or_insert(time);
        self.last_consented_at = Some(time);
    }

    fn issue_code(&mut self, authorization_id: AuthorizationId, binding: CodeBinding, expires_at: Timestamp, pool: &mut Pool) {
        self.codes.retain(|code| code.authorization_id != authorization_id);
        self.codes.push(Code {
            authorization_id,
            scope: pool.scope(Arc::new(binding.scope)),
            authentication: Arc::new(binding.authentication),
            roles: pool.roles(binding.roles.into()),
            claims: binding.claims.map(Arc::new),
            expires_at,
        });
    }

    fn redeem_code(&mut self, authorization_id: AuthorizationId, number: FamilyNumber, time: Timestamp) {
        let Some(at) = self.codes.iter().position(|code| code.authorization_id == authorization_id) else { return };
        let code = self.codes.remove(at);
        self.end_family(number);
        self.families.push(Family {
            number,
            authorization_id,
            scope: code.scope,
            authentication: code.authentication,
            roles: code.roles,
            claims: code.claims,
            started_at: time,
            refresh: None,
            ends_at: code.expires_at,
        });
    }

    fn issue_access_token(&mut self, token: Token) {
        let Some(family) = self.families.iter_mut().find(|family| family.number == token.family) else { return };
        family.ends_at = family.ends_at.max(token.expires_at);
        match self.tokens.binary_search_by_key(&token.number, |known| known.number) {
            Ok(at) => self.tokens[at] = token,
            Err(at) => self.tokens.insert(at, token),
        }
    }

    fn issue_refresh_token(&mut self, number: FamilyNumber, refresh: Refresh) {
        if let Some(family) = self.families.iter_mut().find(|family| family.number == number) {
            family.refresh = Some(refresh);
            family.ends_at = family.ends_at.max(refresh.expires_at);
        }
    }

    /// Cuts everything back to this scope. A code that nothing is left of is over.
    fn narrow(&mut self, scope: &Scope, pool: &mut Pool) {
        let mut cut = |own: &mut Arc<Scope>| {
            if !own.is_subset(scope) {
                *own = pool.scope(Arc::new(own.intersection(scope)));
            }
        };
        cut(&mut self.scope);
        self.codes.iter_mut().for_each(|code| cut(&mut code.scope));
        self.families.iter_mut().for_each(|family| cut(&mut family.scope));
    }

    fn end_sessions(&mut self) {
        self.codes.clear();
        self.families.clear();
        self.tokens.clear();
    }

    fn revoke_access_token(&mut self, number: TokenNumber) {
        self.tokens.retain(|token| token.number != number);
    }

    fn end_family(&mut self, number: FamilyNumber) {
        self.families.retain(|family| family.number != number);
        self.tokens.retain(|token| token.family != number);
    }
}

/// What every fold of a grant's event needs beside it.
pub(super) struct Surroundings<'a> {
    pub(super) time: Timestamp,
    pub(super) position: Position,
    pub(super) clients: &'a Clients,
    pub(super) pool: &'a mut Pool,
}

#[derive(Clone, Default)]
pub(super) struct Grants {
    by_id: BTreeMap<GrantId, Arc<GrantView>>,
    by_subject: BTreeMap<SubjectId, Vec<GrantId>>,
    by_client: BTreeMap<ClientId, BTreeSet<GrantId>>,
    by_organization: BTreeMap<OrganizationId, BTreeMap<ClientId, BTreeSet<GrantId>>>,
    swept: Option<GrantId>,
}

impl Grants {
    pub(super) fn get(&self, grant_id: GrantId) -> Option<&Arc<GrantView>> {
        self.by_id.get(&grant_id)
    }

    /// Those that follow this one, oldest first: ids are ordered by time.
    pub(super) fn after(&self, after: Option<GrantId>) -> impl Iterator<Item = &Arc<GrantView>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_id.range((from, Bound::Unbounded)).map(|(_, grant)| grant)
    }

    /// Those of a subject, oldest first: ids are ordered by time.
    pub(super) fn of_subject(&self, subject: SubjectId) -> impl Iterator<Item = &Arc<GrantView>> {
        self.by_subject.get(&subject).into_iter().flatten().filter_map(|&grant_id| self.get(grant_id))
    }

    /// Those in an organization, by client; the oldest of each first.
    pub(super) fn in_organization(&self, organization_id: &OrganizationId) -> Option<&BTreeMap<ClientId, BTreeSet<GrantId>>> {
        self.by_organization.get(organization_id)
    }

    pub(super) fn apply(&mut self, grant_id: GrantId, event: GrantEvent, around: &mut Surroundings<'_>) {
        self.forget_past(grant_id, around.time);
        let time = around.time;
        match event {
            GrantEvent::Opened { subject, client_id, organization_id } => {
                self.open(grant_id, subject, &client_id, organization_id, around);
            }
            GrantEvent::Consented { authorization_id: _, scope, reason: _, shown: _, basis: _ } => {
                self.change(grant_id, |grant| grant.consent(&scope, time, around.pool));
            }
            GrantEvent::CodeIssued { authorization_id, binding, expires_at } => {
                self.change(grant_id, |grant| grant.issue_code(authorization_id, binding, expires_at, around.pool));
            }
            GrantEvent::CodeRedeemed { authorization_id, family } => {
                self.change(grant_id, |grant| grant.redeem_code(authorization_id, family, time));
            }
            GrantEvent::AccessTokenIssued { token, family, scope, audience, format, expires_at } => self.change(grant_id, |grant| {
                let facts = match format {
                    AccessTokenFormat::Jwt => None,
                    AccessTokenFormat::Opaque => Some(around.pool.facts(Arc::new(TokenFacts { scope, audience }))),
                };
                grant.issue_access_token(Token { number: token, family, expires_at, facts });
            }),
            GrantEvent::RefreshTokenIssued { family, expires_at } => {
                self.change(grant_id, |grant| grant.issue_refresh_token(family, Refresh { generation: Generation(0), expires_at }));
            }
            GrantEvent::RefreshTokenRotated { family, generation, expires_at } => {
                self.change(grant_id, |grant| grant.issue_refresh_token(family, Refresh { generation, expires_at }));
            }
            // What follows from a replay are events of their own: a family ends, or the grant.
            GrantEvent::CodeReplayed { authorization_id: _ } | GrantEvent::RefreshTokenReplayed { family: _, generation: _ } => {}
            GrantEvent::AccessTokenRevoked { token, reason: _ } => self.change(grant_id, |grant| grant.revoke_access_token(token)),
            GrantEvent::FamilyEnded { family, reason: _ } => self.change(grant_id, |grant| grant.end_family(family)),
            GrantEvent::Narrowed { scope, reason: _ } => self.change(grant_id, |grant| grant.narrow(&scope, around.pool)),
            GrantEvent::SessionsEnded { reason: _ } => self.change(grant_id, GrantView::end_sessions),
            GrantEvent::Revoked { reason: _ } => self.remove(grant_id),
        }
    }

    fn open(
        &mut self,
        grant_id: GrantId,
        subject: SubjectId,
        client_id: &ClientId,
        organization_id: Option<OrganizationId>,
        around: &mut Surroundings<'_>,
    ) {
        self.remove(grant_id);
        // A client that was deleted while its grant was being opened gets nothing out of it.
        let Some(client) = around.clients.get(client_id) else { return };
        let grant = GrantView {
            grant_id,
            subject,
            client_id: client.client_id.clone(),
            organization_id: organization_id.map(|organization| around.pool.organization(organization)),
            opened_position: around.position,
            scope: around.pool.scope(Arc::default()),
            consented_at: None,
            last_consented_at: None,
            codes: Vec::new(),
            families: Vec::new(),
            tokens: Vec::new(),
        };
        self.index(&grant);
        self.by_id.insert(grant_id, Arc::new(grant));
    }

    fn index(&mut self, grant: &GrantView) {
        let of_subject = self.by_subject.entry(grant.subject).or_default();
        if let Err(at) = of_subject.binary_search(&grant.grant_id) {
            of_subject.insert(at, grant.grant_id);
        }
        self.by_client.entry(grant.client_id.clone()).or_default().insert(grant.grant_id);
        if let Some(organization) = &grant.organization_id {
            let clients = self.by_organization.entry(organization.clone()).or_default();
            clients.entry(grant.client_id.clone()).or_default().insert(grant.grant_id);
        }
    }

    fn change(&mut self, grant_id: GrantId, change: impl FnOnce(&mut GrantView)) {
        if let Some(grant) = self.by_id.get_mut(&grant_id) {
            change(Arc::make_mut(grant));
        }
    }

    /// Ends the grant with everything under it.
    pub(super) fn remove(&mut self, grant_id: GrantId) {
        let Some(grant) = self.by_id.remove(&grant_id) else { return };
        if let Some(of_subject) = self.by_subject.get_mut(&grant.subject) {
            of_subject.retain(|&known| known != grant_id);
            if of_subject.is_empty() {
                self.by_subject.remove(&grant.subject);
            }
        }
        if let Some(of_client) = self.by_client.get_mut(&grant.client_id) {
            of_client.remove(&grant_id);
            if of_client.is_empty() {
                self.by_client.remove(&grant.client_id);
            }
        }
        if let Some(organization) = &grant.organization_id {
            self.remove_from_organization(organization, &grant.client_id, grant_id);
        }
    }

    fn remove_from_organization(&mut self, organization: &OrganizationId, client_id: &ClientId, grant_id: GrantId) {
        let Some(clients) = self.by_organization.get_mut(organization) else { return };
        if let Some(grants) = clients.get_mut(client_id) {
            grants.remove(&grant_id);
            if grants.is_empty() {
                clients.remove(client_id);
            }
        }
        if clients.is_empty() {
            self.by_organization.remove(organization);
        }
    }

    /// Ends every grant of a client.
    pub(super) fn remove_client(&mut self, client_id: &ClientId) {
        for grant_id in self.by_client.remove(client_id).unwrap_or_default() {
            self.remove(grant_id);
        }
    }

    fn forget_past(&mut self, grant_id: GrantId, time: Timestamp) {
        if let Some(grant) = self.by_id.get_mut(&grant_id)
            && grant.has_past(time)
        {
            Arc::make_mut(grant).forget_past(time);
        }
    }

    pub(super) fn sweep(&mut self, time: Timestamp) {
        for grant_id in next_keys(&self.by_id, &mut self.swept, SWEPT_PER_EVENT) {
            self.forget_past(grant_id, time);
        }
    }

    /// Forgets everything that is past, and whose turn it would be next.
    pub(super) fn settle(&mut self, time: Timestamp) {
        self.swept = None;
        for grant in self.by_id.values_mut().filter(|grant| grant.has_past(time)) {
            Arc::make_mut(grant).forget_past(time);
        }
    }

    /// Lets restored grants share what is equal.
    pub(super) fn share(&mut self, clients: &Clients, pool: &mut Pool) {
        for grant in self.by_id.values_mut().map(Arc::make_mut) {
            if let Some(client) = clients.get(&grant.client_id) {
                grant.client_id = client.client_id.clone();
            }
            grant.organization_id = grant.organization_id.take().map(|organization| pool.organization(organization));
            grant.scope = pool.scope(Arc::clone(&grant.scope));
            for code in &mut grant.codes {
                code.scope = pool.scope(Arc::clone(&code.scope));
                code.roles = pool.roles(Arc::clone(&code.roles));
            }
            for family in &mut grant.families {
                family.scope = pool.scope(Arc::clone(&family.scope));
                family.roles = pool.roles(Arc::clone(&family.roles));
            }
            for facts in grant.tokens.iter_mut().filter_map(|token| token.facts.as_mut()) {
                *facts = pool.facts(Arc::clone(facts));
            }
        }
    }
}

impl Serialize for Grants {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.by_id, &self.swept).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Grants {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (by_id, swept) = <(BTreeMap<GrantId, Arc<GrantView>>, Option<GrantId>)>::deserialize(deserializer)?;
        let mut grants = Self { swept, ..Self::default() };
        for grant in by_id.values() {
            grants.index(grant);
        }
        grants.by_id = by_id;
        Ok(grants)
    }
}
