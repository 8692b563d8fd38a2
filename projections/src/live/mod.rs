//! The read models on the hot path, in memory.
//!
//! `state` is all of them at one position: a pure fold over the log. `Live` shares the newest one: short critical
//! sections, answers that hold no lock.

mod api_keys;
mod clients;
mod connected;
mod digest;
mod grants;
mod initial_access_tokens;
mod machine_tokens;
mod organizations;
mod policy;
mod pool;
mod resource_servers;
mod segments;
mod signing_keys;
mod state;
mod subjects;
mod sweep;
mod trusted_issuers;
mod verdict;

use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
    },
};

pub use api_keys::ApiKeyView;
pub use clients::{ClientFilter, ClientPage, ClientView, InvalidCursor};
pub use connected::{ConnectedApp, Page, WouldBeCutOff};
pub use digest::Digest;
pub(crate) use digest::Hashing;
use grantlog_core::{
    app::{resource_servers::ResourceServerDirectory, retention::SegmentDirectory, trusted_issuers::IssuerDirectory},
    domain::{
        ClientId, GrantId, OrganizationId, ResourceServerId, SubjectId, Timestamp, TrustedIssuerId,
        grant::{FamilyNumber, Generation},
        policy::PublishedPolicy,
    },
    keys::{KeyDirectory, SigningKeyEntry},
    protocol::Scope,
    store::Position,
};
pub use grants::GrantView;
pub use initial_access_tokens::InitialAccessTokenView;
pub use resource_servers::{ResourceServerPage, ResourceServerView};
use serde::{Deserialize, Serialize};
pub use state::State;
pub(crate) use state::{Applied, Fact};
pub use subjects::ErasureView;
use tokio::sync::watch;
pub use trusted_issuers::TrustedIssuerView;
pub use verdict::{AccessTokenRef, LiveAccessToken, LiveRefreshToken};

/// Where in the log and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    position: Position,
    time: Timestamp,
}

/// What an opaque access token stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct TokenFacts {
    scope: Scope,
    audience: Vec<String>,
}

/// The newest state, shared.
pub struct Live {
    state: RwLock<State>,
    position: watch::Sender<Option<Position>>,
    following: AtomicBool,
}

impl Live {
    pub(crate) fn new(state: State) -> Self {
        let position = watch::Sender::new(state.position());
        Self { state: RwLock::new(state), position, following: AtomicBool::new(true) }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // The fold does not panic; should it ever, what was true before is still the best answer there is.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn apply(&self, facts: Vec<Fact>) {
        let position = {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            for fact in facts {
                state.fold(fact);
            }
            state.position()
        };
        self.position.send_if_modified(|known| std::mem::replace(known, position) != position);
    }

    /// A copy as it is now, to be encoded elsewhere. The entries themselves are shared.
    pub(crate) fn copy(&self) -> State {
        self.read().clone()
    }

    pub(crate) fn positions(&self) -> watch::Receiver<Option<Position>> {
        self.position.subscribe()
    }

    /// Says whether the log is being followed; answers what was true before.
    pub(crate) fn set_following(&self, following: bool) -> bool {
        self.following.swap(following, Ordering::Relaxed)
    }

    /// The position of the last event applied; None when there is none.
    pub fn position(&self) -> Option<Position> {
        *self.position.borrow()
    }

    /// Whether the log is being followed. False while the store fails: then the answers grow old.
    pub fn is_following(&self) -> bool {
        self.following.load(Ordering::Relaxed)
    }

    /// How many events could not be read; what they are about counts as ended. Anything but 0 needs an operator.
    pub fn unreadable(&self) -> u64 {
        self.read().unreadable()
    }

    /// The position and SHA-256 of the state, for comparison with a rebuilt one. Slow: it encodes everything.
    pub fn digest(&self) -> (Option<Position>, Digest) {
        let state = self.copy();
        (state.position(), state.digest())
    }

    /// A client; None when it is not registered or deleted.
    pub fn client(&self, client_id: &ClientId) -> Option<Arc<ClientView>> {
        self.read().clients.get(client_id).cloned()
    }

    /// At most `limit` clients in the order of their registration, after the cursor that the page before ended with; only
    /// those that are asked for. Lapsed ones are left out.
    pub fn clients(&self, after: Option<&str>, limit: usize, filter: &ClientFilter, now: Timestamp) -> Result<ClientPage, InvalidCursor> {
        self.read().clients.page(after, limit, filter, now)
    }

    /// The clients whose lease is over, and that nobody has cleared away yet.
    pub fn lapsed_clients(&self, now: Timestamp) -> Vec<ClientId> {
        self.read().clients.lapsed(now)
    }

    /// A grant; None when there is none or it is revoked.
    pub fn grant(&self, grant_id: GrantId) -> Option<Arc<GrantView>> {
        self.read().grants.get(grant_id).cloned()
    }

    /// At most `limit` grants that follow this one, oldest first: a way through all of them that never holds the lock for
    /// long.
    pub fn grants_after(&self, after: Option<GrantId>, limit: usize) -> Vec<Arc<GrantView>> {
        self.read().grants.after(after).take(limit).cloned().collect()
    }

    /// The policy in force; an empty one of version 0 before one is published.
    pub fn policy(&self) -> Arc<PublishedPolicy> {
        self.read().policy.current()
    }

    /// The grants of a subject, oldest first.
    pub fn grants_of_subject(&self, subject: SubjectId) -> Vec<Arc<GrantView>> {
        self.read().grants.of_subject(subject).cloned().collect()
    }

    /// The grant of a subject to a client in an organization.
    pub fn find_grant(&self, subject: SubjectId, client_id: &ClientId, organization_id: Option<&OrganizationId>) -> Option<Arc<GrantView>> {
        let is_it = |grant: &&Arc<GrantView>| grant.client_id == *client_id && grant.organization_id.as_ref() == organization_id;
        self.read().grants.of_subject(subject).find(is_it).cloned()
    }

    /// What a genuine access token stands for; None when it is not good, or not good any more.
    pub fn access_token(&self, token: &AccessTokenRef, now: Timestamp) -> Option<LiveAccessToken> {
        self.read().access_token(token, now)
    }

    /// What a genuine refresh token stands for; None when it is used up, or not good any more.
    pub fn refresh_token(
        &self,
        grant_id: GrantId,
        family: FamilyNumber,
        generation: Generation,
        now: Timestamp,
    ) -> Option<LiveRefreshToken> {
        self.read().refresh_token(grant_id, family, generation, now)
    }

    /// A resource server; None when it is not registered or deleted.
    pub fn resource_server(&self, id: &ResourceServerId) -> Option<Arc<ResourceServerView>> {
        self.read().resource_servers.get(id).cloned()
    }

    /// The resource servers, in the order of their registration.
    pub fn resource_servers(&self) -> Vec<Arc<ResourceServerView>> {
        self.read().resource_servers.list()
    }

    /// At most `limit` of them, after the cursor that the page before ended with.
    pub fn resource_server_page(&self, after: Option<&str>, limit: usize) -> Result<ResourceServerPage, InvalidCursor> {
        self.read().resource_servers.page(after, limit)
    }

    /// The initial access tokens that are not revoked, oldest first.
    pub fn initial_access_tokens(&self) -> Vec<Arc<InitialAccessTokenView>> {
        self.read().initial_access_tokens.list()
    }

    /// The API keys that are not revoked, oldest first.
    pub fn api_keys(&self) -> Vec<Arc<ApiKeyView>> {
        self.read().api_keys.list()
    }

    /// The trusted issuers, oldest first.
    pub fn trusted_issuers(&self) -> Vec<Arc<TrustedIssuerView>> {
        self.read().trusted_issuers.list()
    }

    /// A trusted issuer; None when there is none or it is deleted.
    pub fn trusted_issuer(&self, id: TrustedIssuerId) -> Option<Arc<TrustedIssuerView>> {
        self.read().trusted_issuers.get(id).cloned()
    }

    /// Whether pages of this origin may present tokens of some trusted issuer.
    pub fn is_registered_origin(&self, origin: &str) -> bool {
        self.read().trusted_issuers.have_origin(origin)
    }
}

impl IssuerDirectory for Live {
    fn issuers_named(&self, issuer: &str) -> Vec<TrustedIssuerId> {
        self.read().trusted_issuers.named(issuer)
    }
}

impl ResourceServerDirectory for Live {
    fn is_registered(&self, identifier: &str) -> bool {
        self.read().resource_servers.get(&ResourceServerId::of(identifier)).is_some()
    }

    fn scopes(&self) -> Arc<Scope> {
        self.read().resource_servers.scopes()
    }
}

impl SegmentDirectory for Live {
    fn pending_segments(&self) -> Vec<u64> {
        self.read().segments.list()
    }
}

impl KeyDirectory for Live {
    fn keys(&self) -> Arc<[SigningKeyEntry]> {
        self.read().signing_keys.list()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("position", &self.position()).field("following", &self.is_following()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
