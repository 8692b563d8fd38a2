use super::{
    AttestedSubject, Authorization, AuthorizationCommand, AuthorizationEvent, Bounds, Decision, DenialCause, DenialError, Next, Prompt,
    interaction::{answers_too_early, shortcoming, silent_error},
    judgement::is_nothing,
    state::{Attestation, Request},
};
use crate::{
    domain::{Decider, GrantId, Timestamp},
    protocol::Scope,
};

/// How far the clock of the application may run ahead of ours.
const CLOCK_SKEW_SECONDS: i64 = 60;

/// What may happen to an authorization request.
#[derive(Debug)]
pub struct AuthorizationDecider;

/// Why something may not happen to an authorization request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationRefusal {
    /// The id is taken.
    #[error("the authorization request exists already")]
    AlreadyExists,
    /// It never arrived.
    #[error("there is no such authorization request")]
    NotFound,
    /// Its time is over.
    #[error("the authorization request has expired")]
    Expired,
    /// Another browser started it.
    #[error("the authorization request was started by another browser")]
    AnotherBrowser,
    /// It is decided, and for somebody else or on another login.
    #[error("the authorization request is decided")]
    Decided,
    /// It is decided in another way.
    #[error("the authorization request is decided in another way")]
    DecidedDifferently,
    /// The login lies before 1970 or in the future.
    #[error("auth_time can't be a time at which the subject was authenticated")]
    InvalidAuthTime,
    /// Nobody is attested.
    #[error("nobody is attested for the authorization request")]
    NoSubject,
    /// Somebody is attested, but not in the way that the request asks for.
    #[error("the attested subject does not suffice for the authorization request ({0:?} comes next)")]
    Insufficient(Next),
    /// More than was asked for.
    #[error("the approved scope exceeds the requested one")]
    ScopeNotRequested,
    /// Nothing of what was asked for: that is a denial.
    #[error("nothing of the requested scope is approved")]
    NothingApproved,
    /// More than the person can grant.
    #[error("the person can't grant: {0}")]
    NotGrantable(Scope),
    /// Less than the client needs.
    #[error("the client is of no use without: {0}")]
    RequiredMissing(Scope),
    /// There is nothing to complete.
    #[error("the authorization request is not approved")]
    NotApproved,
    /// The code was issued under another grant.
    #[error("the authorization request was completed under another grant")]
    CompletedUnderAnotherGrant,
}

use AuthorizationRefusal::{
    AlreadyExists, AnotherBrowser, CompletedUnderAnotherGrant, Decided, DecidedDifferently, Expired, Insufficient, InvalidAuthTime,
    NoSubject, NotApproved, NotFound, NotGrantable, NothingApproved, RequiredMissing, ScopeNotRequested,
};

impl Decider for AuthorizationDecider {
    type State = Authorization;
    type Command = AuthorizationCommand;
    type Event = AuthorizationEvent;
    type Refusal = AuthorizationRefusal;

    fn decide(
        authorization: &Authorization,
        command: &AuthorizationCommand,
        now: Timestamp,
    ) -> Result<Vec<AuthorizationEvent>, AuthorizationRefusal> {
        match command {
            AuthorizationCommand::Request { .. } if authorization.exists() => Err(AlreadyExists),
            AuthorizationCommand::Request { parameters, browser_binding, hosted, expires_at } => Ok(vec![AuthorizationEvent::Requested {
                parameters: parameters.clone(),
                browser_binding: browser_binding.clone(),
                hosted: *hosted,
                expires_at: *expires_at,
            }]),
            AuthorizationCommand::Attest { attested, at_creation, browser_binding, acr_values_supported } => {
                let request = request_of(authorization, browser_binding.as_deref())?;
                attest(authorization, request, attested.as_ref(), *at_creation, acr_values_supported, now)
            }
            AuthorizationCommand::Approve { scope, bounds, consent_reason, shown, basis, browser_binding, acr_values_supported } => {
                let request = request_of(authorization, browser_binding.as_deref())?;
                if is_approved_before(authorization, scope.as_ref(), now)? {
                    return Ok(vec![]);
                }
                suffices(authorization, request, acr_values_supported)?;
                let scope = approved(request, scope.as_ref(), bounds)?.clone();
                let (shown, basis) = (shown.clone(), basis.clone());
                Ok(vec![AuthorizationEvent::Approved { scope, consent_reason: *consent_reason, shown, basis }])
            }
            AuthorizationCommand::Deny { error, cause, browser_binding } => {
                request_of(authorization, browser_binding.as_deref())?;
                deny(authorization, *error, *cause, now)
            }
            AuthorizationCommand::Withdraw { cause } => withdraw(authorization, *cause),
            AuthorizationCommand::Complete { grant_id } => complete(authorization, *grant_id),
        }
    }

    fn evolve(authorization: Authorization, event: &AuthorizationEvent, at: Timestamp) -> Authorization {
        authorization.evolve(event, at)
    }
}

/// The request, for the browser that started it. On the hosted way the page can't see our cookie; there the browser is
/// checked when it passes by with the answer.
fn request_of<'a>(authorization: &'a Authorization, browser_binding: Option<&str>) -> Result<&'a Request, AuthorizationRefusal> {
    let request = authorization.request().ok_or(NotFound)?;
    if request.hosted || authorization.belongs_to_browser(browser_binding) { Ok(request) } else { Err(AnotherBrowser) }
}

fn attest(
    authorization: &Authorization,
    request: &Request,
    attested: Option<&AttestedSubject>,
    at_creation: bool,
    acr_values_supported: &[String],
    now: Timestamp,
) -> Result<Vec<AuthorizationEvent>, AuthorizationRefusal> {
    if authorization.decision().is_some() {
        return if says_the_same(authorization.attested(), attested) { Ok(vec![]) } else { Err(Decided) };
    }
    if authorization.is_expired(now) {
        return Err(Expired);
    }
    if attested.is_some_and(|attested| !is_plausible(attested.authentication.auth_time, now)) {
        return Err(InvalidAuthTime);
    }
    if attested.is_some() && attested == authorization.attested() {
        return Ok(vec![]);
    }
    let recorded = attested.filter(|attested| !(at_creation && answers_too_early(request, attested)));
    let mut events: Vec<_> = recorded.map(subject_attested).into_iter().collect();
    // OIDC Core §3.1.2.1: with `prompt=none` no page is shown; what can't be answered now ends in an error.
    if request.parameters.prompt.contains(&Prompt::None) {
        let attestation = recorded.map(|attested| Attestation { attested: attested.clone(), since: now });
        let error = shortcoming(request, attestation.as_ref(), acr_values_supported).and_then(silent_error);
        events.extend(error.map(|error| AuthorizationEvent::Denied { error, cause: None }));
    }
    Ok(events)
}

fn says_the_same(before: Option<&AttestedSubject>, now: Option<&AttestedSubject>) -> bool {
    match (before, now) {
        (None, None) => true,
        (Some(before), Some(now)) => before.agrees_with(now),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn is_plausible(auth_time: Timestamp, now: Timestamp) -> bool {
    (0..=now.as_seconds() + CLOCK_SKEW_SECONDS).contains(&auth_time.as_seconds())
}

fn subject_attested(attested: &AttestedSubject) -> AuthorizationEvent {
    AuthorizationEvent::SubjectAttested {
        subject: attested.subject,
        organization_id: attested.organization_id.clone(),
        authentication: attested.authentication.clone(),
        roles: attested.roles.clone(),
        claims: attested.claims.clone(),
    }
}

/// Whether this very scope was approved before; who names none agrees with what was. Why and with which page is evidence
/// of the first time; the answer to the client is the same.
fn is_approved_before(authorization: &Authorization, scope: Option<&Scope>, now: Timestamp) -> Result<bool, AuthorizationRefusal> {
    match authorization.decision() {
        Some(Decision::Approved { scope: approved, .. }) if scope.is_none_or(|scope| approved == scope) => Ok(true),
        Some(Decision::Approved { .. } | Decision::Denied { .. }) => Err(DecidedDifferently),
        None if authorization.is_expired(now) => Err(Expired),
        None => Ok(false),
    }
}

fn suffices(authorization: &Authorization, request: &Request, acr_values_supported: &[String]) -> Result<(), AuthorizationRefusal> {
    let attestation = authorization.attestation().ok_or(NoSubject)?;
    shortcoming(request, Some(attestation), acr_values_supported).map_or(Ok(()), |next| Err(Insufficient(next)))
}

/// What is granted, if it may be.
fn approved<'a>(request: &Request, scope: Option<&'a Scope>, bounds: &'a Bounds) -> Result<&'a Scope, AuthorizationRefusal> {
    let requested = &request.parameters.scope;
    let scope = scope.unwrap_or(&bounds.grantable);
    // RFC 6749 §3.3: the person may grant less than was asked; nobody may grant more.
    if !scope.is_subset(requested) {
        return Err(ScopeNotRequested);
    }
    if is_nothing(scope, requested) {
        return Err(NothingApproved);
    }
    let (beyond, missing) = (scope.difference(&bounds.grantable), bounds.required.difference(scope));
    if !beyond.is_empty() {
        return Err(NotGrantable(beyond));
    }
    if missing.is_empty() { Ok(scope) } else { Err(RequiredMissing(missing)) }
}

fn deny(
    authorization: &Authorization,
    error: DenialError,
    cause: Option<DenialCause>,
    now: Timestamp,
) -> Result<Vec<AuthorizationEvent>, AuthorizationRefusal> {
    match authorization.decision() {
        Some(Decision::Denied { error: before, .. }) if *before == error => Ok(vec![]),
        Some(Decision::Denied { .. } | Decision::Approved { .. }) => Err(DecidedDifferently),
        None if authorization.is_expired(now) => Err(Expired),
        None => Ok(vec![AuthorizationEvent::Denied { error, cause }]),
    }
}

/// An approval that led to no code yet can be taken back; one that did is ended with its grant.
fn withdraw(authorization: &Authorization, cause: DenialCause) -> Result<Vec<AuthorizationEvent>, AuthorizationRefusal> {
    match (authorization.decision(), authorization.grant_id()) {
        (Some(Decision::Approved { .. }), None) => {
            Ok(vec![AuthorizationEvent::Denied { error: DenialError::AccessDenied, cause: Some(cause) }])
        }
        (Some(Decision::Denied { .. }), _) => Ok(vec![]),
        (None, _) => Err(NotApproved),
        (Some(Decision::Approved { .. }), Some(_)) => Err(Decided),
    }
}

/// Never too late: the decision was made in time, and what follows from it may have been interrupted.
fn complete(authorization: &Authorization, grant_id: GrantId) -> Result<Vec<AuthorizationEvent>, AuthorizationRefusal> {
    match (authorization.request(), authorization.decision(), authorization.grant_id()) {
        (None, _, _) => Err(NotFound),
        (Some(_), None | Some(Decision::Denied { .. }), _) => Err(NotApproved),
        (Some(_), Some(Decision::Approved { .. }), None) => Ok(vec![AuthorizationEvent::Completed { grant_id }]),
        (Some(_), Some(Decision::Approved { .. }), Some(before)) if before == grant_id => Ok(vec![]),
        (Some(_), Some(Decision::Approved { .. }), Some(_)) => Err(CompletedUnderAnotherGrant),
    }
}
