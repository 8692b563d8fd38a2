//! Whether a token is good now: the questions of introspection, userinfo and resource servers.
//!
//! The caller has proved that the token is genuine (its MAC or its signature); here it is only found out what it stands
//! for. Everything not known to be alive is dead.

use std::sync::Arc;

use grantlog_core::{
    domain::{
        AuthorizationId, ClientId, GrantId, MachineTokenId, OrganizationId, Sealed, SubjectId, Timestamp,
        authorization::Authentication,
        grant::{FamilyNumber, Generation, TokenNumber},
    },
    protocol::Scope,
};

use super::state::State;

/// What an access token names, once it is known to be genuine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessTokenRef {
    /// One issued under a grant, in either form.
    Grant {
        /// Under which grant.
        grant_id: GrantId,
        /// Its number there.
        token: TokenNumber,
    },
    /// An opaque one of a machine client.
    MachineOpaque {
        /// Which.
        id: MachineTokenId,
    },
    /// A JWT of a machine client: what is not kept comes from its claims.
    MachineJwt {
        /// Its `jti`.
        id: MachineTokenId,
        /// Its `client_id`.
        client_id: ClientId,
        /// Its `exp`.
        expires_at: Timestamp,
    },
}

/// An access token that is good now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveAccessToken {
    /// Whose it is.
    pub client_id: ClientId,
    /// For whom it acts; None when the client acts for itself.
    pub subject: Option<SubjectId>,
    /// In which organization.
    pub organization_id: Option<OrganizationId>,
    /// Under which grant; None for a machine token.
    pub grant_id: Option<GrantId>,
    /// In which family of the grant.
    pub family: Option<FamilyNumber>,
    /// What it is good for; None for a JWT, which says so itself.
    pub scope: Option<Scope>,
    /// For whom; None for a JWT, which says so itself.
    pub audience: Option<Vec<String>>,
    /// Until when.
    pub expires_at: Timestamp,
    /// How and when the subject was authenticated.
    pub authentication: Option<Arc<Authentication>>,
    /// The roles of the subject.
    pub roles: Arc<[String]>,
    /// Claims about the subject.
    pub claims: Option<Arc<Sealed>>,
}

/// A refresh token that is good now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRefreshToken {
    /// Whose it is.
    pub client_id: ClientId,
    /// For whom it acts.
    pub subject: SubjectId,
    /// In which organization.
    pub organization_id: Option<OrganizationId>,
    /// Under which grant.
    pub grant_id: GrantId,
    /// In which family of the grant.
    pub family: FamilyNumber,
    /// The authorization request that started the family.
    pub authorization_id: AuthorizationId,
    /// When it was started.
    pub started_at: Timestamp,
    /// What the family is good for.
    pub scope: Arc<Scope>,
    /// Until when the token lives.
    pub expires_at: Timestamp,
    /// How and when the subject was authenticated.
    pub authentication: Arc<Authentication>,
    /// Claims about the subject.
    pub claims: Option<Arc<Sealed>>,
}

impl State {
    pub(super) fn access_token(&self, token: &AccessTokenRef, now: Timestamp) -> Option<LiveAccessToken> {
        let live = match token {
            AccessTokenRef::Grant { grant_id, token } => self.token_of_grant(*grant_id, *token),
            AccessTokenRef::MachineOpaque { id } => self.opaque_machine_token(*id),
            AccessTokenRef::MachineJwt { id, client_id, expires_at } => self.machine_jwt(*id, client_id, *expires_at),
        }?;
        (now < live.expires_at && self.clients.is_active(&live.client_id)).then_some(live)
    }

    fn token_of_grant(&self, grant_id: GrantId, token: TokenNumber) -> Option<LiveAccessToken> {
        let grant = self.grants.get(grant_id).filter(|grant| self.cut_off(grant).is_none())?;
        let token = grant.token(token)?;
        let family = grant.family(token.family)?;
        Some(LiveAccessToken {
            client_id: grant.client_id.clone(),
            subject: Some(grant.subject),
            organization_id: grant.organization_id.clone(),
            grant_id: Some(grant_id),
            family: Some(family.number),
            scope: token.facts.as_ref().map(|facts| facts.scope.clone()),
            audience: token.facts.as_ref().map(|facts| facts.audience.clone()),
            expires_at: token.expires_at,
            authentication: Some(Arc::clone(&family.authentication)),
            roles: Arc::clone(&family.roles),
            claims: family.claims.clone(),
        })
    }

    fn opaque_machine_token(&self, id: MachineTokenId) -> Option<LiveAccessToken> {
        let token = self.machine_tokens.opaque(id)?;
        Some(LiveAccessToken {
            scope: Some(token.facts.scope.clone()),
            audience: Some(token.facts.audience.clone()),
            ..self.machine_token(&token.client_id, token.expires_at)
        })
    }

    fn machine_jwt(&self, id: MachineTokenId, client_id: &ClientId, expires_at: Timestamp) -> Option<LiveAccessToken> {
        (!self.machine_tokens.is_revoked(id)).then(|| self.machine_token(client_id, expires_at))
    }

    fn machine_token(&self, client_id: &ClientId, expires_at: Timestamp) -> LiveAccessToken {
        LiveAccessToken {
            client_id: client_id.clone(),
            subject: None,
            // A client belongs to one organization for good, so its tokens need not say so again.
            organization_id: self.clients.get(client_id).and_then(|client| client.metadata.organization_id.clone()),
            grant_id: None,
            family: None,
            scope: None,
            audience: None,
            expires_at,
            authentication: None,
            roles: Arc::default(),
            claims: None,
        }
    }

    pub(super) fn refresh_token(
        &self,
        grant_id: GrantId,
        family: FamilyNumber,
        generation: Generation,
        now: Timestamp,
    ) -> Option<LiveRefreshToken> {
        let grant = self.grants.get(grant_id).filter(|grant| self.cut_off(grant).is_none())?;
        let family = grant.family(family)?;
        // RFC 9700 §4.14.2: a refresh token that was rotated is used up.
        let refresh = family.refresh.filter(|refresh| refresh.generation == generation && now < refresh.expires_at)?;
        self.clients.is_active(&grant.client_id).then(|| LiveRefreshToken {
            client_id: grant.client_id.clone(),
            subject: grant.subject,
            organization_id: grant.organization_id.clone(),
            grant_id,
            family: family.number,
            authorization_id: family.authorization_id,
            started_at: family.started_at,
            scope: Arc::clone(&family.scope),
            expires_at: refresh.expires_at,
            authentication: Arc::clone(&family.authentication),
            claims: family.claims.clone(),
        })
    }
}
