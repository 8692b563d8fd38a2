use serde::Serialize;

use super::{
    AttestedSubject, Authorization, AuthorizationParameters, ConsentReason, Decision, DenialError, Prompt,
    state::{Attestation, Request},
};
use crate::domain::{Seconds, Timestamp};

/// What the page has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// Log the person in.
    Login,
    /// Log the same person in again.
    Reauthenticate,
    /// Log the person in by stronger means.
    StepUp,
    /// Let the person choose an account.
    SelectAccount,
    /// Ask for consent.
    Consent,
    /// Send the browser on.
    Redirect,
    /// Tell the person what went wrong.
    ShowError,
}

/// How far an authorization request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorizationState {
    /// Nobody is attested, or not in the way that the request asks for.
    AwaitingSubject,
    /// It is known who the person is; the decision, or the code that follows from it, is missing.
    AwaitingConsent,
    /// There is an answer for the client.
    Completed,
    /// Nobody decided in time.
    Expired,
}

impl Authorization {
    /// How far it is at this moment.
    pub fn state_at(&self, now: Timestamp, acr_values_supported: &[String]) -> AuthorizationState {
        match (self.request(), self.decision()) {
            (None, _) => AuthorizationState::Expired,
            (Some(_), Some(Decision::Denied { .. })) => AuthorizationState::Completed,
            (Some(_), Some(Decision::Approved { .. })) if self.grant_id().is_some() => AuthorizationState::Completed,
            // Approved, but interrupted before the code was issued: the same decision, sent again, goes on from there.
            (Some(_), Some(Decision::Approved { .. })) => AuthorizationState::AwaitingConsent,
            (Some(_), None) if self.is_expired(now) => AuthorizationState::Expired,
            (Some(request), None) => match shortcoming(request, self.attestation(), acr_values_supported) {
                Some(_) => AuthorizationState::AwaitingSubject,
                None => AuthorizationState::AwaitingConsent,
            },
        }
    }
}

/// What the page has to do now. `consent` is why the attested subject must be asked (see `consent_required`); it is
/// not looked at as long as nobody sufficing is attested.
pub fn next(authorization: &Authorization, now: Timestamp, acr_values_supported: &[String], consent: Option<ConsentReason>) -> Next {
    match authorization.state_at(now, acr_values_supported) {
        AuthorizationState::Completed => Next::Redirect,
        AuthorizationState::Expired => Next::ShowError,
        AuthorizationState::AwaitingConsent if consent.is_none() && authorization.decision().is_none() => Next::Redirect,
        AuthorizationState::AwaitingConsent => Next::Consent,
        AuthorizationState::AwaitingSubject => authorization
            .request()
            .and_then(|request| shortcoming(request, authorization.attestation(), acr_values_supported))
            .unwrap_or(Next::Login),
    }
}

/// What a client is told that asked for `prompt=none` when the page would have to do this (OIDC Core §3.1.2.6).
pub fn silent_error(next: Next) -> Option<DenialError> {
    match next {
        // OIDC Core §3.1.2.1: whoever is not the person of `id_token_hint` is answered as if nobody were logged in.
        Next::Login | Next::Reauthenticate | Next::SelectAccount => Some(DenialError::LoginRequired),
        Next::StepUp => Some(DenialError::InteractionRequired),
        Next::Consent => Some(DenialError::ConsentRequired),
        Next::Redirect | Next::ShowError => None,
    }
}

/// What is missing before the attested subject may decide; nothing when they suffice.
pub(super) fn shortcoming(request: &Request, attestation: Option<&Attestation>, acr_values_supported: &[String]) -> Option<Next> {
    let parameters = &request.parameters;
    let Some(Attestation { attested, since }) = attestation else {
        // OIDC Core §3.1.2.1: `prompt=select_account` lets the person choose.
        return Some(if parameters.prompt.contains(&Prompt::SelectAccount) { Next::SelectAccount } else { Next::Login });
    };
    // OIDC Core §3.1.2.1: `id_token_hint` names who is expected.
    if parameters.expected_subject.is_some_and(|expected| expected != attested.subject) {
        return Some(Next::SelectAccount);
    }
    if asks_for_login(parameters) && !logged_in_for(request, attested) || is_older_than(parameters.max_age, attested, *since) {
        return Some(Next::Reauthenticate);
    }
    needs_step_up(parameters, attested, acr_values_supported).then_some(Next::StepUp)
}

/// Whether an attestation that came along with the request would be taken for the choice or the login that the request
/// asks for. It is neither: it tells who was there before anybody was asked.
pub(super) fn answers_too_early(request: &Request, attested: &AttestedSubject) -> bool {
    let parameters = &request.parameters;
    parameters.prompt.contains(&Prompt::SelectAccount) || asks_for_login(parameters) && logged_in_for(request, attested)
}

/// OIDC Core §3.1.2.1: `prompt=login`, and `max_age=0` is the same.
fn asks_for_login(parameters: &AuthorizationParameters) -> bool {
    parameters.prompt.contains(&Prompt::Login) || parameters.max_age == Some(Seconds(0))
}

/// Whether the person logged in since the request arrived. Applications know `auth_time` in whole seconds, so whole
/// seconds are compared: a login within the second of the arrival counts.
fn logged_in_for(request: &Request, attested: &AttestedSubject) -> bool {
    attested.authentication.auth_time.as_seconds() >= request.requested_at.as_seconds()
}

/// OIDC Core §3.1.2.1, `max_age`: counted when the application vouched for the login, so that nobody is sent back to it
/// for having read the consent page slowly.
fn is_older_than(max_age: Option<Seconds>, attested: &AttestedSubject, since: Timestamp) -> bool {
    let age = since.as_seconds() - attested.authentication.auth_time.as_seconds();
    // 0 asks for a login; the seconds that it took do not make it void.
    max_age.is_some_and(|limit| limit != Seconds(0) && age > i64::from(limit.0))
}

/// OIDC Core §3.1.2.1, `acr_values`: a wish. Classes that the application can't bring about are no reason to stop.
fn needs_step_up(parameters: &AuthorizationParameters, attested: &AttestedSubject, supported: &[String]) -> bool {
    let wanted = &parameters.acr_values;
    let reached = attested.authentication.acr.as_ref().is_some_and(|acr| wanted.contains(acr));
    !reached && wanted.iter().any(|acr| supported.contains(acr))
}
