use serde_json::{Value, json};

use super::*;
use crate::{
    domain::{
        grant::EarlierConsent,
        policy::{Obstacle, Policy, PolicyPermission},
    },
    protocol::ClientMetadata,
};

fn client(more: Value) -> ClientMetadata {
    let mut all = json!({
        "client_type": "third_party", "token_endpoint_auth_method": "none", "client_name": "App", "scope": "openid",
        "grant_types": ["authorization_code"], "id_token_signed_response_alg": "RS256", "access_token_format": "jwt",
    });
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    serde_json::from_value(all).expect("metadata of a client")
}

/// Editors write documents, readers read them, and each has a scope for it.
fn policy() -> Policy {
    let permission = |actions: &[&str]| json!([{"resource": "documents", "actions": actions}]);
    let document = json!({
        "resources": [{"resource": "documents", "actions": ["read", "write"]}],
        "roles": [{"role": "editor", "permissions": permission(&["*"])}, {"role": "reader", "permissions": permission(&["read"])}],
        "scopes": [
            {"scope": "documents.read", "description": "Read", "permissions": permission(&["read"])},
            {"scope": "documents.all", "description": "All", "permissions": permission(&["*"])},
        ],
    });
    Policy::new(serde_json::from_value(document).expect("a document")).expect("a policy")
}

/// The judgement on a request for this scope by somebody with these roles who agreed to that before.
fn judged(client: &ClientMetadata, requested: &str, roles: Option<&[&str]>, agreed: &str) -> Judgement {
    let (parameters, policy) = (parameters(json!({"scope": requested})), policy());
    let roles: Option<Vec<String>> = roles.map(|roles| roles.iter().map(|&role| role.to_owned()).collect());
    let earlier = EarlierConsent { scope: scope(agreed), ..EarlierConsent::default() };
    judge(&Known {
        parameters: &parameters,
        client,
        client_sha256: "5f5f",
        policy: &policy,
        person: roles.as_ref().map(|roles| Person { roles, earlier: &earlier, organization_reasons: &[], is_erased: false }),
        remember_offline_access: false,
    })
}

fn missing(actions: &[&str]) -> Obstacle {
    let actions = actions.iter().map(|&action| action.to_owned()).collect();
    Obstacle::MissingPermissions { permissions: vec![PolicyPermission { resource: "documents".to_owned(), actions }] }
}

fn obstacles(judgement: &Judgement) -> Vec<Option<Obstacle>> {
    judgement.scopes.iter().map(|verdict| verdict.obstacle.clone()).collect()
}

#[test]
fn a_scope_is_grantable_by_whose_roles_permit_all_of_it() {
    let asked = "documents.all documents.read openid";
    assert_eq!(obstacles(&judged(&client(json!({})), asked, Some(&["editor"]), "")), [None, None, None]);
    assert_eq!(obstacles(&judged(&client(json!({})), asked, Some(&["reader"]), "")), [Some(missing(&["write"])), None, None]);
    let nothing = [Some(missing(&["read", "write"])), Some(missing(&["read"])), None];
    assert_eq!(obstacles(&judged(&client(json!({})), asked, Some(&["stranger"]), "")), nothing);
}

#[test]
fn nothing_is_said_against_a_scope_while_nobody_is_known() {
    let judgement = judged(&client(json!({})), "documents.all", None, "");
    assert_eq!((obstacles(&judgement), judgement.consent, judgement.hopeless), (vec![None], None, None));
}

#[test]
fn full_access_is_for_first_party_clients_that_are_allowed_it() {
    let allowed = client(json!({"client_type": "first_party", "full_access_allowed": true}));
    assert_eq!(obstacles(&judged(&allowed, "full_access", Some(&[]), "")), [None]);
    for (client_type, full_access_allowed) in [("first_party", false), ("third_party", true)] {
        let client = client(json!({"client_type": client_type, "full_access_allowed": full_access_allowed}));
        assert_eq!(obstacles(&judged(&client, "full_access", Some(&["editor"]), "")), [Some(Obstacle::FullAccessNotAllowed)]);
    }
}

#[test]
fn consent_is_asked_for_what_can_be_granted() {
    let judgement = judged(&client(json!({})), "documents.all documents.read openid", Some(&["reader"]), "documents.read openid");
    assert_eq!((judgement.consent, judgement.bounds.grantable), (None, scope("documents.read openid")));
    let judgement = judged(&client(json!({})), "documents.read openid", Some(&["reader"]), "openid");
    assert_eq!(judgement.consent, Some(ConsentReason::ScopesAdded));
    let agreed: Vec<_> = judgement.scopes.iter().map(|verdict| verdict.already_granted).collect();
    assert_eq!(agreed, [false, true]);
}

#[test]
fn a_request_is_hopeless_when_nothing_of_it_can_be_granted() {
    let hopeless = |asked: &str| judged(&client(json!({})), asked, Some(&[]), "").hopeless;
    assert_eq!(hopeless("documents.read"), Some(DenialCause::NothingGrantable));
    // OIDC Core §11: access while the person is away is access to nothing by itself.
    assert_eq!(hopeless("documents.read offline_access"), Some(DenialCause::NothingGrantable));
    assert_eq!((hopeless("documents.read openid"), hopeless("offline_access"), hopeless("")), (None, None, None));
}

#[test]
fn a_request_is_hopeless_when_what_the_client_needs_can_not_be_granted() {
    let needs = client(json!({"required_scope": "documents.all"}));
    assert_eq!(judged(&needs, "documents.all openid", Some(&["reader"]), "").hopeless, Some(DenialCause::RequiredScopeNotGrantable));
    assert_eq!(judged(&needs, "documents.all openid", Some(&["editor"]), "").hopeless, None);
    // What it needs and did not ask for stops nothing.
    assert_eq!(judged(&needs, "openid", Some(&["reader"]), "").hopeless, None);
}

#[test]
fn a_request_is_hopeless_where_the_client_may_not_work() {
    use crate::domain::organization::OrganizationReason::{ClientNotAllowed, ClientOfAnotherOrganization, ClientTypeNotAllowed};

    let (parameters, policy, earlier) = (parameters(json!({"scope": "openid"})), policy(), EarlierConsent::default());
    let client = client(json!({}));
    let hopeless = |reasons: &[_]| {
        let person = Some(Person { roles: &[], earlier: &earlier, organization_reasons: reasons, is_erased: false });
        let known =
            Known { parameters: &parameters, client: &client, client_sha256: "", policy: &policy, person, remember_offline_access: false };
        judge(&known).hopeless
    };
    assert_eq!(hopeless(&[]), None);
    assert_eq!(hopeless(&[ClientNotAllowed]), Some(DenialCause::ClientNotAllowed));
    assert_eq!(hopeless(&[ClientTypeNotAllowed]), Some(DenialCause::ClientTypeNotAllowed));
    let both = [ClientOfAnotherOrganization, ClientTypeNotAllowed];
    assert_eq!(hopeless(&both), Some(DenialCause::ClientOfAnotherOrganization));
}

#[test]
fn a_request_of_somebody_who_was_erased_is_hopeless_whatever_else_stands_in_its_way() {
    use crate::domain::organization::OrganizationReason::ClientNotAllowed;

    let (parameters, policy, earlier) = (parameters(json!({"scope": "openid"})), policy(), EarlierConsent::default());
    let client = client(json!({}));
    for organization_reasons in [&[][..], &[ClientNotAllowed]] {
        let person = Some(Person { roles: &[], earlier: &earlier, organization_reasons, is_erased: true });
        let known =
            Known { parameters: &parameters, client: &client, client_sha256: "", policy: &policy, person, remember_offline_access: false };
        assert_eq!(judge(&known).hopeless, Some(DenialCause::SubjectErased));
    }
}

#[test]
fn what_the_client_needs_is_told() {
    let judgement = judged(&client(json!({"required_scope": "openid profile"})), "documents.read openid", Some(&["editor"]), "");
    assert_eq!(judgement.bounds.required, scope("openid"));
    assert_eq!(judgement.scopes.iter().map(|verdict| verdict.required).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_hopeless_request_ends_by_itself_and_no_other_is_decided_twice() {
    let request = fold(requested(json!({})), [attested(ana())]);
    let hopeless = Judgement { hopeless: Some(DenialCause::NothingGrantable), ..Judgement::default() };
    let ends = Some(Conclusion::Deny { error: DenialError::AccessDenied, cause: Some(DenialCause::NothingGrantable) });
    for next in [Next::Consent, Next::Redirect] {
        assert_eq!(conclude(&request, next, &hopeless), ends);
    }
    // Whoever has to log in better first may turn out to be somebody else.
    assert_eq!(conclude(&request, Next::Reauthenticate, &hopeless), None);
    assert_eq!(conclude(&request, Next::Redirect, &Judgement::default()), Some(Conclusion::Approve));
    assert_eq!(conclude(&request, Next::Consent, &Judgement::default()), None);
    let decided = fold(requested(json!({})), [attested(ana()), approved("openid")]);
    assert_eq!(conclude(&decided, Next::Redirect, &hopeless), None);
}

#[test]
fn oidc_core_3_1_2_6_where_nothing_may_be_shown_a_question_is_an_error() {
    let silent = fold(requested(json!({"prompt": ["none"]})), [attested(ana())]);
    let required = Some(Conclusion::Deny { error: DenialError::ConsentRequired, cause: None });
    assert_eq!(conclude(&silent, Next::Consent, &Judgement::default()), required);
    let hopeless = Judgement { hopeless: Some(DenialCause::NothingGrantable), ..Judgement::default() };
    let denied = Some(Conclusion::Deny { error: DenialError::AccessDenied, cause: Some(DenialCause::NothingGrantable) });
    assert_eq!(conclude(&silent, Next::Consent, &hopeless), denied);
}
