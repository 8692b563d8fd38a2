//! What is connected in an organization, and what is cut off there: the questions of its administrators, and of whoever
//! revokes what was cut off.

use std::{collections::BTreeSet, ops::Bound, sync::Arc};

use grantlog_core::{
    app::directory::{GrantDirectory, GrantEntry},
    domain::{
        ClientId, GrantId, OrganizationId, SubjectId, Timestamp,
        grant::RevocationReason,
        organization::{OrganizationPolicy, OrganizationReason, verdict},
        subject::ErasureId,
    },
};

use super::{ClientView, ErasureView, GrantView, InvalidCursor, Live, state::State};

/// A client that people have connected in an organization.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectedApp {
    /// Which.
    pub client: Arc<ClientView>,
    /// Since when: the first of the consents that are still there.
    pub since: Option<Timestamp>,
    /// How many people.
    pub people: usize,
    /// Why it may not work there now; nothing when it may.
    pub reasons: Vec<OrganizationReason>,
}

/// Some of what was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// These.
    pub items: Vec<T>,
    /// What to ask for the next page with; None when this is the last.
    pub next: Option<String>,
}

/// Some of the grants that a policy would cut off.
#[derive(Clone, Debug, PartialEq)]
pub struct WouldBeCutOff {
    /// How many there are in all.
    pub total: usize,
    /// Those of this page.
    pub page: Page<Arc<GrantView>>,
}

impl State {
    /// Why nothing under this grant is good, though it is not revoked; nothing when it is.
    pub(super) fn cut_off(&self, grant: &GrantView) -> Option<RevocationReason> {
        let subject = self.subjects.get(grant.subject);
        if subject.is_some_and(|subject| subject.is_erased()) {
            return Some(RevocationReason::SubjectErased);
        }
        if subject.is_some_and(|subject| subject.is_unreadable()) {
            return Some(RevocationReason::LeftOrganization);
        }
        let organization = grant.organization_id.as_ref();
        let left = organization.zip(subject).and_then(|(id, subject)| subject.left_at(id));
        if left > Some(grant.opened_position) {
            return Some(RevocationReason::LeftOrganization);
        }
        let view = organization.and_then(|id| self.organizations.get(id));
        let disconnected = view.and_then(|view| view.disconnected.get(&grant.client_id).copied());
        if disconnected > Some(grant.opened_position) {
            return Some(RevocationReason::OrganizationDisconnected);
        }
        let is_closed = view.is_some_and(|view| view.unreadable);
        (is_closed || !self.objections(organization, &grant.client_id).is_empty()).then_some(RevocationReason::OrganizationPolicy)
    }

    fn objections(&self, organization_id: Option<&OrganizationId>, client_id: &ClientId) -> Vec<OrganizationReason> {
        let policy = organization_id.and_then(|id| self.organizations.get(id)).map(|view| &view.policy);
        let default = OrganizationPolicy::default();
        self.objections_by(organization_id.map(|id| (id, policy.unwrap_or(&default))), client_id)
    }

    fn objections_by(&self, organization: Option<(&OrganizationId, &OrganizationPolicy)>, client_id: &ClientId) -> Vec<OrganizationReason> {
        self.clients.get(client_id).map(|client| verdict(organization, client_id, &client.metadata)).unwrap_or_default()
    }

    fn connected_apps(&self, organization_id: &OrganizationId, after: Option<&str>, limit: usize) -> Page<ConnectedApp> {
        let after = after.map(ClientId::from);
        let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let connected = self.grants.in_organization(organization_id);
        let mut following = connected.into_iter().flat_map(|clients| clients.range((from, Bound::Unbounded)));
        let page: Vec<_> = following.by_ref().take(limit).collect();
        let next = page.last().filter(|_| following.next().is_some()).map(|(client_id, _)| client_id.to_string());
        let items = page.into_iter().filter_map(|(client_id, grants)| self.connected_app(organization_id, client_id, grants)).collect();
        Page { items, next }
    }

    fn connected_app(&self, organization_id: &OrganizationId, client_id: &ClientId, grants: &BTreeSet<GrantId>) -> Option<ConnectedApp> {
        // Ids are ordered by time: the first is the oldest.
        let oldest = grants.first().and_then(|grant_id| self.grants.get(*grant_id));
        Some(ConnectedApp {
            client: Arc::clone(self.clients.get(client_id)?),
            since: oldest.and_then(|grant| grant.consented_at),
            people: grants.len(),
            reasons: self.objections(Some(organization_id), client_id),
        })
    }

    fn would_be_cut_off(
        &self,
        organization_id: &OrganizationId,
        policy: &OrganizationPolicy,
        after: Option<GrantId>,
        limit: usize,
    ) -> WouldBeCutOff {
        let clients = self.grants.in_organization(organization_id).into_iter().flatten();
        let forbidden = clients.filter(|(client_id, _)| !self.objections_by(Some((organization_id, policy)), client_id).is_empty());
        // What is cut off already is no news.
        let is_news = |grant: &&Arc<GrantView>| self.cut_off(grant).is_none();
        let grants = forbidden.flat_map(|(_, grants)| grants).filter_map(|grant_id| self.grants.get(*grant_id)).filter(is_news);
        let mut all: Vec<_> = grants.cloned().collect();
        all.sort_unstable_by_key(|grant| grant.grant_id);
        let total = all.len();
        WouldBeCutOff { total, page: page_of(all.into_iter().filter(|grant| Some(grant.grant_id) > after), limit) }
    }
}

/// The cursor is the id of the last grant of a page: grants that come or go meanwhile move nothing.
fn page_of(mut following: impl Iterator<Item = Arc<GrantView>>, limit: usize) -> Page<Arc<GrantView>> {
    let items: Vec<_> = following.by_ref().take(limit).collect();
    let more = following.next().is_some();
    let next = items.last().filter(|_| more).map(|grant| grant.grant_id.to_string());
    Page { items, next }
}

fn grant_cursor(after: Option<&str>) -> Result<Option<GrantId>, InvalidCursor> {
    after.map(|cursor| cursor.parse().map_err(|_| InvalidCursor)).transpose()
}

impl Live {
    /// Which clients may work in an organization; all of them, when it never said so.
    pub fn organization_policy(&self, organization_id: &OrganizationId) -> OrganizationPolicy {
        self.read().organizations.get(organization_id).map(|view| view.policy.clone()).unwrap_or_default()
    }

    /// At most `limit` clients that people have connected in an organization, by id, after the cursor that the page before
    /// ended with.
    pub fn connected_apps(&self, organization_id: &OrganizationId, after: Option<&str>, limit: usize) -> Page<ConnectedApp> {
        self.read().connected_apps(organization_id, after, limit)
    }

    /// A client that people have connected in an organization; None when nobody has.
    pub fn connected_app(&self, organization_id: &OrganizationId, client_id: &ClientId) -> Option<ConnectedApp> {
        let state = self.read();
        let grants = state.grants.in_organization(organization_id)?.get(client_id)?;
        state.connected_app(organization_id, client_id, grants)
    }

    /// At most `limit` of the grants to a client in an organization, oldest first, after the cursor that the page before
    /// ended with.
    pub fn grants_to_client_in(
        &self,
        organization_id: &OrganizationId,
        client_id: &ClientId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Arc<GrantView>>, InvalidCursor> {
        let from = grant_cursor(after)?.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.read();
        let grants = state.grants.in_organization(organization_id).and_then(|clients| clients.get(client_id));
        let following = grants.into_iter().flat_map(|grants| grants.range((from, Bound::Unbounded)));
        Ok(page_of(following.filter_map(|grant_id| state.grants.get(*grant_id)).cloned(), limit))
    }

    /// Whom a policy would cut off that may work in the organization now: at most `limit` grants, oldest first, after the
    /// cursor that the page before ended with.
    pub fn would_be_cut_off(
        &self,
        organization_id: &OrganizationId,
        policy: &OrganizationPolicy,
        after: Option<&str>,
        limit: usize,
    ) -> Result<WouldBeCutOff, InvalidCursor> {
        let after = grant_cursor(after)?;
        Ok(self.read().would_be_cut_off(organization_id, policy, after, limit))
    }

    /// A person's roles in an organization, or where there is none, as last said; None when nobody said which.
    pub fn current_roles(&self, subject: SubjectId, organization_id: Option<&OrganizationId>) -> Option<Arc<BTreeSet<String>>> {
        self.read().subjects.get(subject).and_then(|subject| subject.roles(organization_id)).cloned()
    }
}

impl Live {
    /// At most `limit` erasures, in the order of their ids, after the cursor that the page before ended with.
    pub fn erasures(&self, after: Option<&str>, limit: usize) -> Result<Page<ErasureView>, InvalidCursor> {
        let after = after.map(|cursor| cursor.parse().map_err(|_| InvalidCursor)).transpose()?;
        let state = self.read();
        let mut following = state.subjects.erasures(after);
        let items: Vec<_> = following.by_ref().take(limit).cloned().collect();
        let next = items.last().filter(|_| following.next().is_some()).map(|erasure| erasure.id.to_string());
        Ok(Page { items, next })
    }

    /// Whether a person was erased.
    pub fn is_erased(&self, subject: SubjectId) -> bool {
        self.read().subjects.erasure_of(subject).is_some()
    }
}

impl GrantDirectory for Live {
    fn cut_off_in(&self, organization_id: &OrganizationId) -> Vec<(GrantId, RevocationReason)> {
        let state = self.read();
        let ids = state.grants.in_organization(organization_id).into_iter().flatten().flat_map(|(_, grants)| grants);
        ids.filter_map(|grant_id| Some((*grant_id, state.cut_off(state.grants.get(*grant_id)?)?))).collect()
    }

    fn grants_of(&self, subject: SubjectId) -> Vec<GrantEntry> {
        let state = self.read();
        let entry = |grant: &Arc<GrantView>| GrantEntry {
            grant_id: grant.grant_id,
            organization_id: grant.organization_id.clone(),
            cut_off: state.cut_off(grant),
        };
        state.grants.of_subject(subject).map(entry).collect()
    }

    fn pending_organizations(&self) -> Vec<OrganizationId> {
        self.read().organizations.pending().cloned().collect()
    }

    fn pending_subjects(&self) -> Vec<SubjectId> {
        let state = self.read();
        // A grant may have been opened while its person was being erased.
        let erased = state.subjects.erasures(None).map(|erasure| erasure.subject);
        let late = erased.filter(|subject| state.grants.of_subject(*subject).next().is_some());
        state.subjects.pending().chain(late).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn subject_of_erasure(&self, erasure_id: ErasureId) -> Option<SubjectId> {
        self.read().subjects.erasure(erasure_id).map(|erasure| erasure.subject)
    }

    fn grants_ended_by_erasure(&self, subject: SubjectId) -> u64 {
        self.read().subjects.erasure_of(subject).map_or(0, |erasure| erasure.grants_ended)
    }

    fn erased_subjects(&self) -> Vec<SubjectId> {
        self.read().subjects.erasures(None).map(|erasure| erasure.subject).collect()
    }
}
