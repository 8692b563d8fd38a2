//! What ends for a person: all grants, all sessions, a membership. In the order of `organizations`: the event first, then
//! what follows from it, then the note that it is done.

use super::{Authority, Context, Trouble, UseCaseError, directory::GrantDirectory};
use crate::domain::{
    OrganizationId, SubjectId,
    grant::{EndSessions, GrantCommand, RevocationReason},
    subject::{Subject, SubjectCommand},
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
        if person.pending().is_empty() {
            return Ok(());
        }
        let cut_off: Vec<_> = directory.grants_of(subject).into_iter().filter_map(|grant| Some((grant.grant_id, grant.cut_off?))).collect();
        self.revoke_grants(context, &cut_off).await?;
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

    pub(super) async fn execute_subject(
        &self,
        context: &Context,
        subject: SubjectId,
        command: SubjectCommand,
    ) -> Result<std::sync::Arc<Subject>, Trouble> {
        match self.subjects.execute(&self.outside, context, &subject.stream(), &command).await {
            Ok(executed) => Ok(executed.state),
            Err(UseCaseError::Refused(never)) => match never {},
            Err(UseCaseError::Trouble(trouble)) => Err(trouble),
        }
    }
}
