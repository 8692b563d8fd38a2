//! Erase a person: nobody can tell afterwards who they were, and the log still shows that something was granted, when, and to
//! which client.
//!
//! The order is that of `organizations`: the event first, and from then on nothing that the person allowed is good; then their
//! key is destroyed, with which goes all that is personal about them; then their grants are revoked; then the note that it is
//! done. Whatever stops in between is taken up again, and doing it twice changes nothing.

use serde::Serialize;
use tracing::warn;

use super::{Authority, Context, Trouble, directory::GrantDirectory};
use crate::{
    domain::{
        SubjectId, Timestamp,
        grant::RevocationReason,
        subject::{ErasureId, SubjectCommand, SubjectEvent},
    },
    jose::sign_jwt,
    store::{Position, StoreError},
};

/// The `typ` of a certificate: no other JWT passes for one, and it passes for no other.
const CERTIFICATE_TYPE: &str = "grantlog-erasure+jwt";

/// An erasure, as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Its id.
    pub id: ErasureId,
    /// Whom it is about, by the random id that the log knows them by.
    pub subject: SubjectId,
    /// When it was recorded.
    pub erased_at: Timestamp,
    /// Who asked for it.
    pub erased_by: String,
    /// Where in the log that stands.
    pub position: Position,
    /// What came of it; None while something is still to be done.
    pub completed: Option<CompletedErasure>,
}

/// What came of an erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletedErasure {
    /// When.
    pub at: Timestamp,
    /// Where in the log that stands.
    pub position: Position,
    /// How many grants were revoked because of it.
    pub grants_ended: u64,
}

/// What a certificate says. `docs/operating/erasure.md` describes it.
#[derive(Serialize)]
struct CertificateClaims<'a> {
    iss: &'a str,
    jti: String,
    sub: String,
    iat: i64,
    erased_at: i64,
    erased_by: &'a str,
    position: u64,
    completed_position: u64,
    grants_ended: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<&'a CoveringCheckpoint>,
}

/// A signed head of the log's tree that an erasure is in, as its certificate names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CoveringCheckpoint {
    /// The identity of the log.
    pub origin: String,
    /// How many events it covers.
    pub size: u64,
    /// The root of the tree, in base64.
    pub root: String,
}

impl Authority {
    /// Erases a person, by the application's id of them; None when nobody is known by it. A request that is repeated under
    /// its idempotency key finds what it did, although the person is not known any more, or is somebody else by now.
    pub async fn erase_subject(
        &self,
        context: &Context,
        directory: &dyn GrantDirectory,
        external_id: &str,
    ) -> Result<Option<Erasure>, Trouble> {
        let id = ErasureId(self.new_id(context));
        let subject = match directory.subject_of_erasure(id) {
            Some(subject) => Some(subject),
            None => self.vault.find_subject(external_id).await?,
        };
        match subject {
            Some(subject) => self.erase(context, directory, subject, id).await,
            None => Ok(None),
        }
    }

    /// Erases somebody by the id that the log knows them by; None when it never heard of them. It is how an erasure is done
    /// again that a log from a backup does not have.
    pub async fn erase_again(
        &self,
        context: &Context,
        directory: &dyn GrantDirectory,
        subject: SubjectId,
    ) -> Result<Option<Erasure>, Trouble> {
        if !self.subjects.load(&self.outside, &subject.stream()).await?.exists() {
            return Ok(None);
        }
        self.erase(context, directory, subject, ErasureId(self.new_id(context))).await
    }

    async fn erase(
        &self,
        context: &Context,
        directory: &dyn GrantDirectory,
        subject: SubjectId,
        id: ErasureId,
    ) -> Result<Option<Erasure>, Trouble> {
        self.execute_subject(context, subject, SubjectCommand::Erase { erasure_id: id }).await?;
        self.complete_erasure(context, directory, subject).await?;
        self.erasure(subject).await
    }

    /// Does what is left of an erasure.
    pub(super) async fn complete_erasure(
        &self,
        context: &Context,
        directory: &dyn GrantDirectory,
        subject: SubjectId,
    ) -> Result<(), Trouble> {
        // First what they asked for: their grants are good for nothing already.
        self.vault.forget_subject(subject).await?;
        self.drop_hints_of(subject).await?;
        let grants: Vec<_> = directory.grants_of(subject).iter().map(|grant| (grant.grant_id, RevocationReason::SubjectErased)).collect();
        self.revoke_grants(context, &grants).await?;
        // Counted in the log, since an earlier try may have revoked some of them.
        let grants_ended = directory.grants_ended_by_erasure(subject);
        self.execute_subject(context, subject, SubjectCommand::CompleteErasure { grants_ended }).await.map(drop)
    }

    /// Drops the login hints of the requests that the person was attested for. They are not under their key, since a hint comes
    /// before anybody is known; there are only those of some minutes.
    async fn drop_hints_of(&self, subject: SubjectId) -> Result<(), Trouble> {
        let mut theirs = Vec::new();
        for id in self.vault.held_hints().await? {
            let authorization = self.authorizations.load(&self.outside, &id.stream()).await?;
            if authorization.attested().is_some_and(|attested| attested.subject == subject) {
                theirs.push(id);
            }
        }
        if theirs.is_empty() { Ok(()) } else { Ok(self.vault.drop_hints(theirs).await?) }
    }

    /// Destroys the keys of erased people that are there again: the vault is older than the log. Says how many. Nobody may
    /// be let in before.
    pub async fn forget_erased(&self, directory: &dyn GrantDirectory) -> Result<usize, Trouble> {
        let forgotten = self.vault.forget_subjects(directory.erased_subjects()).await?;
        if forgotten > 0 {
            warn!(people = forgotten, "the vault is older than the log: people who were erased are forgotten again");
        }
        Ok(forgotten)
    }

    /// An erasure by its id, as the log has it.
    pub async fn erasure_of_id(&self, directory: &dyn GrantDirectory, id: ErasureId) -> Result<Option<Erasure>, Trouble> {
        match directory.subject_of_erasure(id) {
            Some(subject) => self.erasure(subject).await,
            None => Ok(None),
        }
    }

    /// The erasure of a person, as the log has it.
    pub async fn erasure(&self, subject: SubjectId) -> Result<Option<Erasure>, Trouble> {
        let mut erasure: Option<Erasure> = None;
        for recorded in self.outside.store.load(&subject.stream(), None).await?.events {
            let event = recorded.decode().map_err(|error| StoreError::Corrupt(error.to_string()))?;
            let (at, position) = (recorded.event.time, recorded.position);
            match SubjectEvent::try_from(event) {
                Ok(SubjectEvent::Erased { erasure_id: id }) => {
                    erasure =
                        Some(Erasure { id, subject, erased_at: at, erased_by: recorded.event.actor.clone(), position, completed: None });
                }
                Ok(SubjectEvent::ErasureCompleted { grants_ended }) => {
                    if let Some(erasure) = &mut erasure {
                        erasure.completed = Some(CompletedErasure { at, position, grants_ended });
                    }
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(erasure)
    }

    /// The certificate of an erasure (a JWS), signed with the key of the ledger: it is the one that is kept for long. None
    /// while something is still to be done. It follows from the log alone, so it can be had again at any time.
    pub async fn erasure_certificate(&self, erasure: &Erasure, checkpoint: Option<&CoveringCheckpoint>) -> Result<Option<String>, Trouble> {
        let Some(completed) = erasure.completed else { return Ok(None) };
        let key = self.ensure_ledger_key().await?;
        let claims = CertificateClaims {
            iss: &self.settings.issuer,
            jti: erasure.id.to_string(),
            sub: erasure.subject.to_string(),
            iat: completed.at.as_seconds(),
            erased_at: erasure.erased_at.as_seconds(),
            erased_by: &erasure.erased_by,
            position: erasure.position.0,
            completed_position: completed.position.0,
            grants_ended: completed.grants_ended,
            checkpoint,
        };
        // What is signed here has no line break, and a checkpoint has some: neither signature is good for the other.
        Ok(Some(sign_jwt(&key, key.kid(), Some(CERTIFICATE_TYPE), &claims)))
    }
}
