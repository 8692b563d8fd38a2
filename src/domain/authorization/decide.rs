use super::{
    AttestedSubject, Authorization, AuthorizationCommand, AuthorizationEvent, ConsentReason, Decision, DenialError, Next, Prompt, Shown,
    interaction::{answers_too_early, shortcoming, silent_error},
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// There is nothing to complete.
    #[error("the authorization request is not approved")]
    NotApproved,
    /// The code was issued under another grant.
    #[error("the authorization request was completed under another grant")]
    CompletedUnderAnotherGrant,
}

use AuthorizationRefusal::{
    AlreadyExists, AnotherBrowser, CompletedUnderAnotherGrant, Decided, DecidedDifferently, Expired, Insufficient, InvalidAuthTime,
    NoSubject, NotApproved, NotFound, NothingApproved, ScopeNotRequested,
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
            AuthorizationCommand::Approve { scope, consent_reason, shown, browser_binding, acr_values_supported } => {
                let request = request_of(authorization, browser_binding.as_deref())?;
                if is_approved_before(authorization, scope, now)? {
                    return Ok(vec![]);
                }
                suffices(authorization, request, acr_values_supported)?;
                approve(request, scope, *consent_reason, shown.as_ref())
            }
            AuthorizationCommand::Deny { error, browser_binding } => {
                request_of(authorization, browser_binding.as_deref())?;
                deny(authorization, *error, now)
            }
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
        events.extend(error.map(|error| AuthorizationEvent::Denied { error }));
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

/// Whether this very scope was approved before. Why and with which page is evidence of the first time; the answer to
/// the client is the same.
fn is_approved_before(authorization: &Authorization, scope: &Scope, now: Timestamp) -> Result<bool, AuthorizationRefusal> {
    match authorization.decision() {
        Some(Decision::Approved { scope: approved, .. }) if approved == scope => Ok(true),
        Some(Decision::Approved { .. } | Decision::Denied { .. }) => Err(DecidedDifferently),
        None if authorization.is_expired(now) => Err(Expired),
        None => Ok(false),
    }
}

fn suffices(authorization: &Authorization, request: &Request, acr_values_supported: &[String]) -> Result<(), AuthorizationRefusal> {
    let attestation = authorization.attestation().ok_or(NoSubject)?;
    shortcoming(request, Some(attestation), acr_values_supported).map_or(Ok(()), |next| Err(Insufficient(next)))
}

fn approve(
    request: &Request,
    scope: &Scope,
    consent_reason: Option<ConsentReason>,
    shown: Option<&Shown>,
) -> Result<Vec<AuthorizationEvent>, AuthorizationRefusal> {
    let requested = &request.parameters.scope;
    // RFC 6749 §3.3: the person may grant less than was asked; nobody may grant more.
    if !scope.is_subset(requested) {
        return Err(ScopeNotRequested);
    }
    if scope.is_empty() && !requested.is_empty() {
        return Err(NothingApproved);
    }
    Ok(vec![AuthorizationEvent::Approved { scope: scope.clone(), consent_reason, shown: shown.cloned() }])
}

fn deny(authorization: &Authorization, error: DenialError, now: Timestamp) -> Result<Vec<AuthorizationEvent>, AuthorizationRefusal> {
    match authorization.decision() {
        Some(Decision::Denied { error: before }) if *before == error => Ok(vec![]),
        Some(Decision::Denied { .. } | Decision::Approved { .. }) => Err(DecidedDifferently),
        None if authorization.is_expired(now) => Err(Expired),
        None => Ok(vec![AuthorizationEvent::Denied { error }]),
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
