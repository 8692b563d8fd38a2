mod consent;
mod decisions;
mod interaction;
mod judgement;
mod properties;

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::{
    domain::{Decider, GrantId, SubjectId, Timestamp, testing::Spec},
    protocol::Scope,
};

/// In the middle of a second, as most moments are.
const CREATED: Timestamp = Timestamp(100_500);
const NOW: Timestamp = Timestamp(110_000);
const EXPIRES: Timestamp = Timestamp(700_000);
const ANA: SubjectId = SubjectId(Uuid::from_u128(0xa));
const BEN: SubjectId = SubjectId(Uuid::from_u128(0xb));
const GRANT: GrantId = GrantId(Uuid::from_u128(0x6));
const MFA: &str = "urn:example:mfa";

fn scope(text: &str) -> Scope {
    text.parse().expect("a scope")
}

/// A request for `openid profile`, with more parameters.
fn parameters(more: Value) -> AuthorizationParameters {
    let mut all = json!({
        "client_id": "app", "redirect_uri": "https://app.example/callback", "redirect_uri_given": true, "scope": "openid profile",
    });
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    serde_json::from_value(all).expect("parameters of a request")
}

fn requested_by(browser: Option<&str>, hosted: bool, more: Value) -> AuthorizationEvent {
    let (parameters, browser_binding) = (parameters(more), browser.map(str::to_owned));
    AuthorizationEvent::Requested { parameters, browser_binding, hosted, expires_at: EXPIRES }
}

fn requested(more: Value) -> AuthorizationEvent {
    requested_by(None, false, more)
}

/// A person who logged in at this second.
fn person(subject: SubjectId, auth_time: i64) -> AttestedSubject {
    let authentication = Authentication { auth_time: Timestamp::from_seconds(auth_time), acr: None, amr: vec![] };
    AttestedSubject { subject, organization_id: None, authentication, roles: vec![], claims: None }
}

fn with_acr(acr: &str, person: AttestedSubject) -> AttestedSubject {
    let authentication = Authentication { acr: Some(acr.to_owned()), ..person.authentication };
    AttestedSubject { authentication, ..person }
}

/// Ana, who logged in at second 105, after the request arrived.
fn ana() -> AttestedSubject {
    person(ANA, 105)
}

fn attested(person: AttestedSubject) -> AuthorizationEvent {
    let AttestedSubject { subject, organization_id, authentication, roles, claims } = person;
    AuthorizationEvent::SubjectAttested { subject, organization_id, authentication, roles, claims }
}

fn approved(text: &str) -> AuthorizationEvent {
    AuthorizationEvent::Approved {
        scope: scope(text),
        consent_reason: Some(ConsentReason::FirstTime),
        shown: None,
        basis: Basis::default(),
    }
}

fn denied(error: DenialError) -> AuthorizationEvent {
    AuthorizationEvent::Denied { error, cause: None }
}

fn supported() -> Arc<[String]> {
    [MFA.to_owned()].into()
}

fn attest_in(browser: Option<&str>, attested: Option<AttestedSubject>, at_creation: bool) -> AuthorizationCommand {
    let browser_binding = browser.map(str::to_owned);
    AuthorizationCommand::Attest { attested, at_creation, browser_binding, acr_values_supported: supported() }
}

fn attest(person: AttestedSubject) -> AuthorizationCommand {
    attest_in(None, Some(person), false)
}

fn attest_at_creation(person: AttestedSubject) -> AuthorizationCommand {
    attest_in(None, Some(person), true)
}

fn approve_in(browser: Option<&str>, text: &str) -> AuthorizationCommand {
    AuthorizationCommand::Approve {
        scope: Some(scope(text)),
        bounds: Bounds { grantable: scope("openid profile email phone"), required: Scope::default() },
        consent_reason: Some(ConsentReason::FirstTime),
        shown: None,
        basis: Basis::default(),
        browser_binding: browser.map(str::to_owned),
        acr_values_supported: supported(),
    }
}

fn approve(text: &str) -> AuthorizationCommand {
    approve_in(None, text)
}

fn deny_in(browser: Option<&str>, error: DenialError) -> AuthorizationCommand {
    AuthorizationCommand::Deny { error, cause: None, browser_binding: browser.map(str::to_owned) }
}

fn deny(error: DenialError) -> AuthorizationCommand {
    deny_in(None, error)
}

/// A history that begins at `CREATED` and goes on until `NOW`.
fn given<const N: usize>(request: AuthorizationEvent, later: [AuthorizationEvent; N]) -> Spec<AuthorizationDecider> {
    Spec::given([]).at(CREATED).and([request]).at(NOW).and(later).at(NOW)
}

/// What such a history folds into.
fn fold<const N: usize>(request: AuthorizationEvent, later: [AuthorizationEvent; N]) -> Authorization {
    let authorization = AuthorizationDecider::evolve(Authorization::default(), &request, CREATED);
    later.into_iter().fold(authorization, |authorization, event| AuthorizationDecider::evolve(authorization, &event, NOW))
}
