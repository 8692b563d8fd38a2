//! Which clients may work in an organization; and the end of what that does not allow any more.
//!
//! The event comes first: from then on nothing that it cuts off is good, since whoever validates a token asks for it. Then
//! the grants are revoked, one by one, and at last it is noted that this is done. Whatever stops in between is taken up
//! again, and doing it twice changes nothing.

use futures::future::try_join_all;

use super::{Authority, Context, Trouble, UseCaseError, directory::GrantDirectory};
use crate::{
    domain::{
        ClientId, GrantId, OrganizationId, SubjectId, Timestamp,
        grant::{CutOff, GrantCommand, RevocationReason, Revoke},
        organization::{OrganizationCommand, OrganizationPolicy, OrganizationReason, verdict},
    },
    protocol::ClientMetadata,
};

/// How many grants are revoked at a time: they share a commit, and other work still gets its turn.
const AT_A_TIME: usize = 32;

impl Authority {
    /// Which clients may work in an organization.
    pub async fn organization_policy(&self, organization_id: &OrganizationId) -> Result<OrganizationPolicy, Trouble> {
        Ok(self.organizations.load(&self.outside, &organization_id.stream()).await?.policy().clone())
    }

    /// Says which clients may work in an organization from now on, and revokes what that cuts off. Says how many grants
    /// that were.
    pub async fn set_organization_policy(
        &self,
        context: &Context,
        directory: &dyn GrantDirectory,
        organization_id: &OrganizationId,
        policy: OrganizationPolicy,
    ) -> Result<usize, Trouble> {
        self.execute_organization(context, organization_id, OrganizationCommand::SetPolicy { policy }).await?;
        self.enforce_organization(context, directory, organization_id).await
    }

    /// Ends what anybody allowed a client in an organization. Says how many grants that were. They may allow it anew.
    pub async fn disconnect_client(
        &self,
        context: &Context,
        directory: &dyn GrantDirectory,
        organization_id: &OrganizationId,
        client_id: &ClientId,
    ) -> Result<usize, Trouble> {
        let command = OrganizationCommand::DisconnectClient { client_id: client_id.clone() };
        self.execute_organization(context, organization_id, command).await?;
        self.enforce_organization(context, directory, organization_id).await
    }

    /// Revokes what is cut off in an organization, if that is not done. Says how many grants that were.
    pub async fn enforce_organization(
        &self,
        context: &Context,
        directory: &dyn GrantDirectory,
        organization_id: &OrganizationId,
    ) -> Result<usize, Trouble> {
        // What is known here is visible there: `execute` returned, or the read side itself named the organization.
        let organization = self.organizations.load(&self.outside, &organization_id.stream()).await?;
        if !organization.is_pending() {
            return Ok(0);
        }
        let revoked = self.revoke_grants(context, &directory.cut_off_in(organization_id)).await?;
        let change = organization.change();
        self.execute_organization(context, organization_id, OrganizationCommand::NoteEnforced { change }).await?;
        Ok(revoked)
    }

    /// Why this client may not work where a person acts; nothing when it may.
    pub async fn organization_reasons(
        &self,
        organization_id: Option<&OrganizationId>,
        client_id: &ClientId,
        client: &ClientMetadata,
    ) -> Result<Vec<OrganizationReason>, Trouble> {
        let Some(id) = organization_id else { return Ok(verdict(None, client_id, client)) };
        let organization = self.organizations.load(&self.outside, &id.stream()).await?;
        Ok(verdict(Some((id, organization.policy())), client_id, client))
    }

    /// Since when what a person allowed a client in an organization is over, by the latest that ended it. What a person who
    /// was erased allowed is over whenever that was.
    pub(super) async fn cut_off(
        &self,
        subject: SubjectId,
        client_id: &ClientId,
        organization_id: Option<&OrganizationId>,
    ) -> Result<Option<CutOff>, Trouble> {
        let person = self.subjects.load(&self.outside, &subject.stream()).await?;
        if person.erased().is_some() {
            return Ok(Some(CutOff { at: Timestamp(i64::MAX), reason: RevocationReason::SubjectErased }));
        }
        let Some(id) = organization_id else { return Ok(None) };
        let organization = self.organizations.load(&self.outside, &id.stream()).await?;
        let disconnected =
            organization.disconnected_at(client_id).map(|at| CutOff { at, reason: RevocationReason::OrganizationDisconnected });
        let left = person.left_at(id).map(|at| CutOff { at, reason: RevocationReason::LeftOrganization });
        Ok(disconnected.max(left))
    }

    /// Revokes these. One that is revoked already is no error. Says how many were not.
    pub(super) async fn revoke_grants(&self, context: &Context, grants: &[(GrantId, RevocationReason)]) -> Result<usize, Trouble> {
        let mut revoked = 0;
        for some in grants.chunks(AT_A_TIME) {
            let ended = try_join_all(some.iter().map(|(grant_id, reason)| self.end_grant(context, *grant_id, *reason))).await?;
            revoked += ended.into_iter().filter(|ended| *ended).count();
        }
        Ok(revoked)
    }

    /// Ends a grant with everything issued under it. False: it was over already.
    pub(super) async fn end_grant(&self, context: &Context, grant_id: GrantId, reason: RevocationReason) -> Result<bool, Trouble> {
        self.execute_grant(context, grant_id, GrantCommand::Revoke(Revoke { reason })).await
    }

    /// Has something done to a grant that it can't refuse. False: there was nothing to do.
    pub(super) async fn execute_grant(&self, context: &Context, grant_id: GrantId, command: GrantCommand) -> Result<bool, Trouble> {
        match self.grants.execute(&self.outside, context, &grant_id.stream(), &command).await {
            Ok(executed) => Ok(!executed.events.is_empty()),
            Err(UseCaseError::Refused(_)) => Ok(false),
            Err(UseCaseError::Trouble(trouble)) => Err(trouble),
        }
    }

    async fn execute_organization(
        &self,
        context: &Context,
        organization_id: &OrganizationId,
        command: OrganizationCommand,
    ) -> Result<(), Trouble> {
        match self.organizations.execute(&self.outside, context, &organization_id.stream(), &command).await {
            Ok(_) => Ok(()),
            Err(UseCaseError::Refused(never)) => match never {},
            Err(UseCaseError::Trouble(trouble)) => Err(trouble),
        }
    }
}
