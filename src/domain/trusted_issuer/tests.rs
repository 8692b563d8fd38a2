use serde_json::json;

use super::*;
use crate::{domain::testing::Spec, protocol::TrustedIssuerSettings};

fn settings(audience: &str) -> TrustedIssuerSettings {
    serde_json::from_value(json!({
        "issuer": "https://login.example.com", "jwks_uri": "https://login.example.com/jwks", "audience": audience, "algorithms": ["ES256"],
        "claims": {"subject": "sub", "organization": "org_id", "roles": "roles", "acr": "acr", "amr": "amr"},
        "origins": ["https://app.example.com"], "max_token_age": 300,
    }))
    .expect("settings of a trusted issuer")
}

fn registered() -> TrustedIssuerEvent {
    TrustedIssuerEvent::Registered { settings: settings("a") }
}

fn register() -> TrustedIssuerCommand {
    TrustedIssuerCommand::Register { settings: settings("a") }
}

fn update(audience: &str) -> TrustedIssuerCommand {
    TrustedIssuerCommand::Update { settings: settings(audience) }
}

#[test]
fn an_issuer_is_registered_once() {
    Spec::<TrustedIssuerDecider>::given([]).when(register()).then([registered()]);
    Spec::<TrustedIssuerDecider>::given([registered()]).when(register()).then_refused(TrustedIssuerRefusal::AlreadyExists);
}

#[test]
fn an_update_records_the_whole_and_only_what_changed() {
    Spec::<TrustedIssuerDecider>::given([registered()]).when(update("b")).then([TrustedIssuerEvent::Updated { settings: settings("b") }]);
    Spec::<TrustedIssuerDecider>::given([registered()]).when(update("a")).then_nothing();
}

#[test]
fn a_deleted_issuer_is_not_trusted_and_does_not_come_back() {
    let past = [registered(), TrustedIssuerEvent::Deleted {}];
    Spec::<TrustedIssuerDecider>::given([registered()]).when(TrustedIssuerCommand::Delete).then([TrustedIssuerEvent::Deleted {}]);
    Spec::<TrustedIssuerDecider>::given(past.clone()).when(TrustedIssuerCommand::Delete).then_nothing();
    Spec::<TrustedIssuerDecider>::given(past.clone()).when(register()).then_refused(TrustedIssuerRefusal::AlreadyExists);
    Spec::<TrustedIssuerDecider>::given(past.clone()).when(update("b")).then_refused(TrustedIssuerRefusal::NotFound);
    assert_eq!(Spec::<TrustedIssuerDecider>::given(past).state().settings(), None);
}

#[test]
fn nothing_can_be_asked_of_an_issuer_that_is_not_there() {
    for command in [update("a"), TrustedIssuerCommand::Delete] {
        Spec::<TrustedIssuerDecider>::given([]).when(command).then_refused(TrustedIssuerRefusal::NotFound);
    }
}
