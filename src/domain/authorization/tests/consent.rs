use serde_json::{Value, json};

use super::scope;
use crate::{
    domain::authorization::{ConsentReason, Prompt, consent_required},
    protocol::ClientMetadata,
};

fn client(client_type: &str, method: &str, more: Value) -> ClientMetadata {
    let mut all = json!({
        "client_type": client_type, "token_endpoint_auth_method": method, "client_name": "App", "scope": "openid profile offline_access",
        "grant_types": ["authorization_code"], "id_token_signed_response_alg": "RS256", "access_token_format": "jwt",
    });
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    serde_json::from_value(all).expect("metadata of a client")
}

/// What is asked of a confidential and of a public client of this type; it must be the same.
#[track_caller]
fn both(client_type: &str, prompt: &[Prompt], requested: &str, agreed: &str, remember: bool) -> Option<ConsentReason> {
    let ask = |method| consent_required(&client(client_type, method, json!({})), prompt, &scope(requested), &scope(agreed), remember);
    assert_eq!(ask("client_secret_basic"), ask("none"));
    ask("none")
}

#[test]
fn first_party_consent_is_skipped() {
    assert_eq!(both("first_party", &[], "openid profile", "", false), None);
    assert_eq!(both("first_party", &[], "openid profile", "openid", false), None);
}

#[test]
fn first_party_is_asked_with_prompt_consent() {
    let reason = both("first_party", &[Prompt::Consent], "openid", "openid", true);
    assert_eq!(reason, Some(ConsentReason::PromptConsent));
}

#[test]
fn first_party_is_asked_for_offline_access_once() {
    assert_eq!(both("first_party", &[], "openid offline_access", "", false), Some(ConsentReason::OfflineAccess));
    assert_eq!(both("first_party", &[], "openid offline_access", "openid", false), Some(ConsentReason::OfflineAccess));
    assert_eq!(both("first_party", &[], "openid offline_access", "openid offline_access", false), None);
}

#[test]
fn first_party_that_may_bypass_it_is_not_asked_for_offline_access_except_with_prompt_consent() {
    let client = client("first_party", "none", json!({"bypass_consent_for_offline_access": true}));
    let ask = |prompt: &[Prompt]| consent_required(&client, prompt, &scope("openid offline_access"), &scope(""), false);
    assert_eq!((ask(&[]), ask(&[Prompt::Consent])), (None, Some(ConsentReason::PromptConsent)));
}

#[test]
fn third_party_is_asked_the_first_time_and_after_revocation() {
    assert_eq!(both("third_party", &[], "openid", "", false), Some(ConsentReason::FirstTime));
    assert_eq!(both("third_party", &[Prompt::Consent], "openid offline_access", "", true), Some(ConsentReason::FirstTime));
}

#[test]
fn third_party_is_asked_when_scopes_are_added() {
    assert_eq!(both("third_party", &[], "openid profile", "openid", false), Some(ConsentReason::ScopesAdded));
    assert_eq!(both("third_party", &[], "openid offline_access", "openid", true), Some(ConsentReason::ScopesAdded));
}

#[test]
fn third_party_is_not_asked_for_what_was_agreed() {
    assert_eq!(both("third_party", &[], "openid", "openid profile", false), None);
}

#[test]
fn oidc_core_3_1_2_1_third_party_is_asked_with_prompt_consent_whatever_was_agreed() {
    assert_eq!(both("third_party", &[Prompt::Login, Prompt::Consent], "openid", "openid", true), Some(ConsentReason::PromptConsent));
}

#[test]
fn oidc_core_11_third_party_is_asked_for_offline_access_every_time_unless_it_is_remembered() {
    let ask = |remember| both("third_party", &[], "openid offline_access", "openid offline_access", remember);
    assert_eq!((ask(false), ask(true)), (Some(ConsentReason::OfflineAccess), None));
}

#[test]
fn third_party_never_bypasses_consent_for_offline_access() {
    let client = client("third_party", "none", json!({"bypass_consent_for_offline_access": true}));
    let scope = scope("openid offline_access");
    assert_eq!(consent_required(&client, &[], &scope, &scope, false), Some(ConsentReason::OfflineAccess));
}

#[test]
fn a_machine_client_is_not_trusted_with_a_persons_consent() {
    let client = client("machine", "client_secret_basic", json!({}));
    assert_eq!(consent_required(&client, &[], &scope("openid"), &scope(""), true), Some(ConsentReason::FirstTime));
}
