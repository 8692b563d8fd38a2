use aws_lc_rs::constant_time;

use super::{AttestedSubject, AuthorizationEvent, AuthorizationParameters, Basis, ConsentReason, DenialCause, DenialError, Shown};
use crate::{
    domain::{GrantId, Timestamp},
    protocol::Scope,
};

/// An authorization request, folded from its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorization {
    request: Option<Request>,
    attestation: Option<Attestation>,
    decision: Option<Decision>,
    decided_at: Option<Timestamp>,
    grant_id: Option<GrantId>,
}

/// What arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) parameters: AuthorizationParameters,
    pub(super) browser_binding: Option<String>,
    pub(super) hosted: bool,
    pub(super) requested_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

/// Who was attested, and when the application first vouched for this very authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attestation {
    pub(super) attested: AttestedSubject,
    pub(super) since: Timestamp,
}

/// How a request was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The person agreed, or did not have to be asked.
    Approved {
        /// What was granted.
        scope: Scope,
        /// Why the person was asked; absent when they were not.
        consent_reason: Option<ConsentReason>,
        /// What they saw.
        shown: Option<Shown>,
        /// What it rested on.
        basis: Basis,
    },
    /// It ended without a grant.
    Denied {
        /// What the client is told.
        error: DenialError,
        /// What made it end by itself; None when somebody ended it.
        cause: Option<DenialCause>,
    },
}

impl Authorization {
    /// Whether it ever arrived.
    pub fn exists(&self) -> bool {
        self.request.is_some()
    }

    /// What the client asked.
    pub fn parameters(&self) -> Option<&AuthorizationParameters> {
        self.request.as_ref().map(|request| &request.parameters)
    }

    /// Who is there, by the latest attestation.
    pub fn attested(&self) -> Option<&AttestedSubject> {
        self.attestation.as_ref().map(|attestation| &attestation.attested)
    }

    /// When it arrived.
    pub fn requested_at(&self) -> Option<Timestamp> {
        self.request.as_ref().map(|request| request.requested_at)
    }

    /// Until when it can be decided.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.request.as_ref().map(|request| request.expires_at)
    }

    /// The hash that tells whose browser it belongs to.
    pub fn browser_binding(&self) -> Option<&str> {
        self.request.as_ref().and_then(|request| request.browser_binding.as_deref())
    }

    /// Whether it came in at our own authorization endpoint.
    pub fn is_hosted(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.hosted)
    }

    /// Whether it was started by the browser that presents this hash; anybody's when it was bound to none.
    pub fn belongs_to_browser(&self, presented: Option<&str>) -> bool {
        match (self.browser_binding(), presented) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(bound), Some(presented)) => constant_time::verify_slices_are_equal(bound.as_bytes(), presented.as_bytes()).is_ok(),
        }
    }

    /// How it was decided.
    pub fn decision(&self) -> Option<&Decision> {
        self.decision.as_ref()
    }

    /// When it was decided.
    pub fn decided_at(&self) -> Option<Timestamp> {
        self.decided_at
    }

    /// The grant under which the code was issued.
    pub fn grant_id(&self) -> Option<GrantId> {
        self.grant_id
    }

    /// Whether its time ran out before anybody decided.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.decision.is_none() && self.expires_at().is_some_and(|end| now >= end)
    }

    /// Whether nobody decided, and there is time to.
    pub fn can_be_decided(&self, now: Timestamp) -> bool {
        self.decision.is_none() && !self.is_expired(now)
    }

    pub(super) fn request(&self) -> Option<&Request> {
        self.request.as_ref()
    }

    pub(super) fn attestation(&self) -> Option<&Attestation> {
        self.attestation.as_ref()
    }

    pub(super) fn evolve(mut self, event: &AuthorizationEvent, at: Timestamp) -> Self {
        match event {
            AuthorizationEvent::Requested { parameters, browser_binding, hosted, expires_at } => {
                self.request = Some(Request {
                    parameters: parameters.clone(),
                    browser_binding: browser_binding.clone(),
                    hosted: *hosted,
                    requested_at: at,
                    expires_at: *expires_at,
                });
            }
            AuthorizationEvent::SubjectAttested { subject, organization_id, authentication, roles, claims } => {
                let attested = AttestedSubject {
                    subject: *subject,
                    organization_id: organization_id.clone(),
                    authentication: authentication.clone(),
                    roles: roles.clone(),
                    claims: claims.clone(),
                };
                let since = self.attestation.as_ref().and_then(|before| before.vouches_for(&attested)).unwrap_or(at);
                self.attestation = Some(Attestation { attested, since });
            }
            AuthorizationEvent::Approved { scope, consent_reason, shown, basis } => {
                let (scope, consent_reason, shown, basis) = (scope.clone(), *consent_reason, shown.clone(), basis.clone());
                self.decided_at = Some(at);
                self.decision = Some(Decision::Approved { scope, consent_reason, shown, basis });
            }
            AuthorizationEvent::Completed { grant_id } => self.grant_id = Some(*grant_id),
            AuthorizationEvent::Denied { error, cause } => {
                self.decided_at = Some(at);
                self.decision = Some(Decision::Denied { error: *error, cause: *cause });
            }
        }
        self
    }
}

impl Attestation {
    /// Since when this authentication is known, if it is the same one. Roles or claims that change do not age it.
    fn vouches_for(&self, attested: &AttestedSubject) -> Option<Timestamp> {
        let before = &self.attested;
        (before.subject == attested.subject && before.authentication == attested.authentication).then_some(self.since)
    }
}
