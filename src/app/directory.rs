//! What revoking many grants needs of the read side: which there are. What becomes of each is decided in its stream.

use crate::domain::{GrantId, OrganizationId, SubjectId, grant::RevocationReason, subject::ErasureId};

/// A grant that is not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantEntry {
    /// Which.
    pub grant_id: GrantId,
    /// In which organization.
    pub organization_id: Option<OrganizationId>,
    /// Why nothing under it is good, though it is not revoked yet.
    pub cut_off: Option<RevocationReason>,
}

/// The grants there are, as of all that was visible when it was asked. The read side implements it.
pub trait GrantDirectory: Send + Sync + 'static {
    /// Those in an organization that are cut off and not revoked, with the reason.
    fn cut_off_in(&self, organization_id: &OrganizationId) -> Vec<(GrantId, RevocationReason)>;

    /// Those of a person.
    fn grants_of(&self, subject: SubjectId) -> Vec<GrantEntry>;

    /// The organizations in which grants that are cut off may not be revoked yet.
    fn pending_organizations(&self) -> Vec<OrganizationId>;

    /// The people to whose grants something is still to be done, or who are not forgotten yet.
    fn pending_subjects(&self) -> Vec<SubjectId>;

    /// Whom this erasure is about.
    fn subject_of_erasure(&self, erasure_id: ErasureId) -> Option<SubjectId>;

    /// How many grants were revoked because the person was erased.
    fn grants_ended_by_erasure(&self, subject: SubjectId) -> u64;

    /// Everybody who was erased.
    fn erased_subjects(&self) -> Vec<SubjectId>;
}
