use serde_json::{Value, json};

use super::{parameters, scope};
use crate::{
    domain::{
        authorization::{ConsentReason, Known, Prompt, consent_required},
        grant::EarlierConsent,
        policy::Policy,
    },
    protocol::{ClientMetadata, Scope},
};

/// What the client is like now.
const NOW: &str = "5f5f";

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

/// Earlier consent to this much, to the client as it is now.
fn agreed(text: &str) -> EarlierConsent {
    EarlierConsent { scope: scope(text), client_sha256: Some(NOW.to_owned()), ..EarlierConsent::default() }
}

fn ask(client: &ClientMetadata, prompt: &[Prompt], grantable: &Scope, earlier: &EarlierConsent, remember: bool) -> Option<ConsentReason> {
    let parameters = parameters(json!({"prompt": prompt}));
    let policy = Policy::default();
    let known =
        Known { parameters: &parameters, client, client_sha256: NOW, policy: &policy, person: None, remember_offline_access: remember };
    consent_required(&known, earlier, grantable)
}

/// What is asked of a confidential and of a public client of this type; it must be the same.
#[track_caller]
fn either(client_type: &str, prompt: &[Prompt], requested: &str, earlier: &EarlierConsent, remember: bool) -> Option<ConsentReason> {
    let ask = |method| ask(&client(client_type, method, json!({})), prompt, &scope(requested), earlier, remember);
    assert_eq!(ask("client_secret_basic"), ask("none"));
    ask("none")
}

/// The same, by what was agreed.
#[track_caller]
fn both(client_type: &str, prompt: &[Prompt], requested: &str, text: &str, remember: bool) -> Option<ConsentReason> {
    either(client_type, prompt, requested, &agreed(text), remember)
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
    let ask = |prompt: &[Prompt]| ask(&client, prompt, &scope("openid offline_access"), &agreed(""), false);
    assert_eq!((ask(&[]), ask(&[Prompt::Consent])), (None, Some(ConsentReason::PromptConsent)));
}

#[test]
fn third_party_is_asked_the_first_time() {
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
    assert_eq!(ask(&client, &[], &scope, &agreed("openid offline_access"), false), Some(ConsentReason::OfflineAccess));
}

#[test]
fn a_machine_client_is_not_trusted_with_a_persons_consent() {
    let client = client("machine", "client_secret_basic", json!({}));
    assert_eq!(ask(&client, &[], &scope("openid"), &agreed(""), true), Some(ConsentReason::FirstTime));
}

#[test]
fn everybody_is_asked_after_a_revocation() {
    let revoked = EarlierConsent { revoked: true, ..EarlierConsent::default() };
    for client_type in ["first_party", "third_party"] {
        assert_eq!(either(client_type, &[], "openid", &revoked, true), Some(ConsentReason::Revoked));
    }
}

#[test]
fn third_party_is_asked_when_what_it_asks_for_was_agreed_too_long_ago() {
    let expired = EarlierConsent { expired: scope("profile"), ..agreed("openid") };
    assert_eq!(either("third_party", &[], "openid profile", &expired, false), Some(ConsentReason::ConsentExpired));
    assert_eq!(either("third_party", &[], "openid", &expired, false), None);
    let all = EarlierConsent { expired: scope("openid"), ..agreed("") };
    assert_eq!(either("third_party", &[], "openid", &all, false), Some(ConsentReason::ConsentExpired));
}

#[test]
fn first_party_is_asked_again_for_offline_access_that_was_agreed_too_long_ago() {
    let expired = EarlierConsent { expired: scope("offline_access"), ..agreed("openid") };
    assert_eq!(either("first_party", &[], "openid offline_access", &expired, false), Some(ConsentReason::ConsentExpired));
    assert_eq!(either("first_party", &[], "openid", &expired, false), None);
}

#[test]
fn third_party_is_asked_when_the_client_is_not_what_was_agreed_to() {
    let another = EarlierConsent { client_sha256: Some("a0a0".to_owned()), ..agreed("openid") };
    assert_eq!(either("third_party", &[], "openid", &another, false), Some(ConsentReason::ClientChanged));
    assert_eq!(either("first_party", &[], "openid", &another, false), None);
    let not_recorded = EarlierConsent { client_sha256: None, ..agreed("openid") };
    assert_eq!(either("third_party", &[], "openid", &not_recorded, false), None);
}
