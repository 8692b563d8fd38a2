//! What ends for a person: all grants, all sessions, a membership, what their roles do not allow any more. In the order of
//! `organizations`: the event first, then what follows from it, then the note that it is done.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Authority, Context, Trouble, UseCaseError,
    directory::{GrantDirectory, GrantEntry},
};
use crate::{
    domain::{
        GrantId, OrganizationId, SubjectId,
        authorization::AttestedSubject,
        grant::{EndSessions, Grant, GrantCommand, Narrow, RevocationReason},
        subject::{RoleChangeEffect, Subject, SubjectCommand},
    },
    protocol::{Scope, ScopeToken},
};

impl Authority {
    /// Ends everything that a person allowed anybody. Says how many grants that were.
    pub async fn revoke_all_grants(&self, context: &Context, directory: &dyn GrantDirectory, subject: SubjectId) -> Result<usize, Trouble> {
        let all: Vec<_> = directory.grants_of(subject).into_iter().map(|grant| (grant.grant_id, RevocationReason::Disconnected)).collect();
        self.revoke_grants(context, &all).await
    }

    /// Ends every token family of a person, and every code that is on its way. What they agreed to stays.
    pub async fn end_sessions(&self, context: &Context, directory: &dyn GrantDirectory, subject: SubjectId) -> Result<(), Trouble> {
        for grant in directory.grants_of(subject) {
            let command = GrantCommand::EndSessions(EndSessions { reason: RevocationReason::SessionsEnded });
            self.execute_grant(context, grant.grant_id, command).await?;
        }
        Ok(())
    }

    /// Takes note of a person's roles in an organization, or where there is none, and has their grants follow as it is
    /// configured.
    pub async fn set_roles(
        &self,
        context: &Context,
        directory: &dyn GrantDirectory,
        subject: SubjectId,
        organization_id: Option<OrganizationId>,
        roles: BTreeSet<String>,
    ) -> Result<(), Trouble> {
        let command = SubjectCommand::SetRoles { organization_id, roles, effect: self.settings.on_role_change };
        self.execute_subject(context, subject, command).await?;
        self.enforce_subject(context, directory, subject).await
    }

    /// Takes note that a person left an organization, and ends what they allowed there unless everything is kept.
    pub async fn leave_organization(
        &self,
        context: &Context,
        directory: &dyn GrantDirectory,
        subject: SubjectId,
        organization_id: OrganizationId,
    ) -> Result<(), Trouble> {
        let command = SubjectCommand::LeaveOrganization { organization_id, effect: self.settings.on_role_change };
        self.execute_subject(context, subject, command).await?;
        self.enforce_subject(context, directory, subject).await
    }

    /// Does what changes of a person's roles and memberships still have to do to their grants.
    pub async fn enforce_subject(&self, context: &Context, directory: &dyn GrantDirectory, subject: SubjectId) -> Result<(), Trouble> {
        let person = self.subjects.load(&self.outside, &subject.stream()).await?;
        if person.erased().is_some() {
            return self.complete_erasure(context, directory, subject).await;
        }
        if person.pending().is_empty() {
            return Ok(());
        }
        for GrantEntry { grant_id, organization_id, cut_off } in directory.grants_of(subject) {
            if let Some(reason) = cut_off {
                self.end_grant(context, grant_id, reason).await?;
            } else if let Some(pending) = person.pending().get(&organization_id) {
                self.apply_roles(context, grant_id, person.roles(organization_id.as_ref()), pending.effect).await?;
            }
        }
        self.execute_subject(context, subject, SubjectCommand::NoteEnforced { change: person.change() }).await?;
        Ok(())
    }

    /// Takes up what was interrupted: of organizations, and of people. One that fails does not keep the others.
    pub async fn enforce_pending(&self, context: &Context, directory: &dyn GrantDirectory) -> Result<(), Trouble> {
        let mut outcome = Ok(());
        for organization_id in directory.pending_organizations() {
            outcome = outcome.and(self.enforce_organization(context, directory, &organization_id).await.map(drop));
        }
        for subject in directory.pending_subjects() {
            outcome = outcome.and(self.enforce_subject(context, directory, subject).await);
        }
        outcome
    }

    /// Takes note of roles that were attested: it is what is known of them now, and takes nothing away by itself.
    pub(super) async fn note_roles(
        &self,
        context: &Context,
        subject: SubjectId,
        organization_id: Option<OrganizationId>,
        roles: &[String],
    ) -> Result<(), Trouble> {
        let roles = roles.iter().cloned().collect();
        let command = SubjectCommand::SetRoles { organization_id, roles, effect: RoleChangeEffect::Keep };
        self.execute_subject(context, subject, command).await.map(drop)
    }

    /// Cuts back what was granted just now to what the person's roles allow, should the application have said meanwhile that
    /// they are others: whoever enforced that may not have found the grant.
    pub(super) async fn narrow_to_current_roles(
        &self,
        context: &Context,
        grant_id: GrantId,
        attested: &AttestedSubject,
        granted: &Scope,
    ) -> Result<(), Trouble> {
        let person = self.subjects.load(&self.outside, &attested.subject.stream()).await?;
        let Some(roles) = person.roles(attested.organization_id.as_ref()) else { return Ok(()) };
        let are_those = roles.iter().eq(attested.roles.iter().collect::<BTreeSet<_>>());
        if are_those || self.settings.on_role_change == RoleChangeEffect::Keep {
            return Ok(());
        }
        let grant = self.grants.load(&self.outside, &grant_id.stream()).await?;
        let lost = self.not_allowed(&grant, roles).await?.intersection(granted);
        if !lost.is_empty() {
            self.execute_grant(context, grant_id, GrantCommand::Narrow(Narrow { lost, reason: RevocationReason::RolesChanged })).await?;
        }
        Ok(())
    }

    async fn apply_roles(
        &self,
        context: &Context,
        grant_id: GrantId,
        roles: Option<&BTreeSet<String>>,
        effect: RoleChangeEffect,
    ) -> Result<(), Trouble> {
        let Some(roles) = roles else { return Ok(()) };
        let grant = self.grants.load(&self.outside, &grant_id.stream()).await?;
        let lost = self.not_allowed(&grant, roles).await?;
        if lost.is_empty() {
            return Ok(());
        }
        let reason = RevocationReason::RolesChanged;
        match effect {
            RoleChangeEffect::Keep => {}
            RoleChangeEffect::Narrow => drop(self.execute_grant(context, grant_id, GrantCommand::Narrow(Narrow { lost, reason })).await?),
            RoleChangeEffect::Revoke => drop(self.end_grant(context, grant_id, reason).await?),
        }
        Ok(())
    }

    /// What the grant holds that somebody with these roles could not grant, by the policy in force.
    async fn not_allowed(&self, grant: &Grant, roles: &BTreeSet<String>) -> Result<Scope, Trouble> {
        let Some(client_id) = grant.client_id() else { return Ok(Scope::default()) };
        let client = self.client(client_id).await?;
        let Some(metadata) = client.metadata() else { return Ok(Scope::default()) };
        let published = self.policy().await?;
        let roles: Vec<_> = roles.iter().cloned().collect();
        let permitted = published.policy().permitted_to(&roles);
        let is_lost = |scope: &&ScopeToken| published.policy().obstacle(scope, metadata, Some(&permitted)).is_some();
        Ok(grant.consented().iter().filter(is_lost).cloned().collect())
    }

    pub(super) async fn execute_subject(
        &self,
        context: &Context,
        subject: SubjectId,
        command: SubjectCommand,
    ) -> Result<Arc<Subject>, Trouble> {
        match self.subjects.execute(&self.outside, context, &subject.stream(), &command).await {
            Ok(executed) => Ok(executed.state),
            Err(UseCaseError::Refused(never)) => match never {},
            Err(UseCaseError::Trouble(trouble)) => Err(trouble),
        }
    }
}
