use std::sync::Arc;

use super::{Authentication, AuthorizationParameters, Basis, ConsentReason, DenialCause, DenialError, Shown};
use crate::{
    domain::{GrantId, OrganizationId, Sealed, SubjectId, Timestamp},
    protocol::Scope,
};

/// Who the application says is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestedSubject {
    /// Who.
    pub subject: SubjectId,
    /// In which organization.
    pub organization_id: Option<OrganizationId>,
    /// How and when they were authenticated.
    pub authentication: Authentication,
    /// The roles that the application attests.
    pub roles: Vec<String>,
    /// Claims about the person: a JSON object, sealed.
    pub claims: Option<Sealed>,
}

impl AttestedSubject {
    /// Whether both say the same of the same person, their claims aside: the same claims, sealed twice, differ.
    pub fn agrees_with(&self, other: &Self) -> bool {
        (&self.subject, &self.organization_id, &self.authentication, &self.roles)
            == (&other.subject, &other.organization_id, &other.authentication, &other.roles)
    }
}

/// Between what an approval must lie, by what is known when it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// All that the person can grant of what was asked.
    pub grantable: Scope,
    /// What the client needs at least of what was asked.
    pub required: Scope,
}

/// What can be asked of an authorization request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizationCommand {
    /// Begin to exist.
    Request {
        /// What the client asks.
        parameters: AuthorizationParameters,
        /// SHA-256 of what the browser's session holds, base64url.
        browser_binding: Option<String>,
        /// Whether it came in at our own authorization endpoint.
        hosted: bool,
        /// Until when it can be decided.
        expires_at: Timestamp,
    },
    /// Take note of who the person is.
    Attest {
        /// Who; nothing when nobody is logged in.
        attested: Option<AttestedSubject>,
        /// Whether this came along with the request: then it is no answer to anything that the request asks for.
        at_creation: bool,
        /// SHA-256 of what the browser's session holds, base64url.
        browser_binding: Option<String>,
        /// The authentication context classes that the application can bring about.
        acr_values_supported: Arc<[String]>,
    },
    /// The person agreed, or need not be asked.
    Approve {
        /// What is granted; None: all that can be.
        scope: Option<Scope>,
        /// How much can be granted, and what must be.
        bounds: Bounds,
        /// Why the person was asked; absent when they were not.
        consent_reason: Option<ConsentReason>,
        /// What they saw.
        shown: Option<Shown>,
        /// What this rests on.
        basis: Basis,
        /// SHA-256 of what the browser's session holds, base64url.
        browser_binding: Option<String>,
        /// The authentication context classes that the application can bring about.
        acr_values_supported: Arc<[String]>,
    },
    /// End without a grant.
    Deny {
        /// What the client is told.
        error: DenialError,
        /// What made the request end by itself; None when somebody ended it.
        cause: Option<DenialCause>,
        /// SHA-256 of what the browser's session holds, base64url.
        browser_binding: Option<String>,
    },
    /// End without a grant after all: what was approved may not be granted any more.
    Withdraw {
        /// Why.
        cause: DenialCause,
    },
    /// Take note that the code was issued.
    Complete {
        /// Under which grant.
        grant_id: GrantId,
    },
}
