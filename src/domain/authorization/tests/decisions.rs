use serde_json::json;

use super::*;
use crate::domain::Sealed;

fn sealed(text: &str) -> Sealed {
    Sealed { subject: ANA, sealed: text.to_owned() }
}

fn decided(event: AuthorizationEvent) -> Spec<AuthorizationDecider> {
    given(requested(json!({})), [attested(ana()), event])
}

#[test]
fn a_request_arrives_once() {
    let request = |hosted| AuthorizationCommand::Request {
        parameters: parameters(json!({})),
        browser_binding: Some("mine".to_owned()),
        hosted,
        expires_at: EXPIRES,
    };
    Spec::<AuthorizationDecider>::given([]).at(CREATED).when(request(true)).then([requested_by(Some("mine"), true, json!({}))]);
    given(requested(json!({})), []).when(request(false)).then_refused(AuthorizationRefusal::AlreadyExists);
}

#[test]
fn nothing_can_be_asked_of_a_request_that_never_arrived() {
    let complete = AuthorizationCommand::Complete { grant_id: GRANT };
    for command in [attest(ana()), approve("openid"), deny(DenialError::AccessDenied), complete] {
        Spec::<AuthorizationDecider>::given([]).when(command).then_refused(AuthorizationRefusal::NotFound);
    }
}

#[test]
fn an_attestation_is_recorded_once() {
    given(requested(json!({})), []).when(attest(ana())).then([attested(ana())]);
    given(requested(json!({})), [attested(ana())]).when(attest(ana())).then_nothing();
}

#[test]
fn another_attestation_replaces_the_first() {
    given(requested(json!({})), [attested(ana())]).when(attest(person(BEN, 105))).then([attested(person(BEN, 105))]);
    assert_eq!(fold(requested(json!({})), [attested(ana()), attested(person(BEN, 105))]).attested(), Some(&person(BEN, 105)));
}

#[test]
fn that_nobody_is_logged_in_records_nothing() {
    given(requested(json!({})), []).when(attest_in(None, None, true)).then_nothing();
}

#[test]
fn a_login_in_the_future_or_before_1970_is_refused() {
    for auth_time in [171, i64::MAX, -1, i64::MIN] {
        given(requested(json!({})), []).when(attest(person(ANA, auth_time))).then_refused(AuthorizationRefusal::InvalidAuthTime);
    }
    given(requested(json!({})), []).when(attest(person(ANA, 170))).then([attested(person(ANA, 170))]);
}

#[test]
fn an_attestation_after_the_decision_is_refused_unless_it_says_the_same() {
    let same = AttestedSubject { claims: Some(sealed("sealed once more")), ..ana() };
    for event in [approved("openid"), denied(DenialError::AccessDenied)] {
        decided(event.clone()).when(attest(same.clone())).then_nothing();
        decided(event.clone()).when(attest(person(BEN, 105))).then_refused(AuthorizationRefusal::Decided);
        decided(event).when(attest_in(None, None, false)).then_refused(AuthorizationRefusal::Decided);
    }
}

#[test]
fn nothing_is_decided_after_the_request_expired() {
    for command in [attest(ana()), approve("openid"), deny(DenialError::AccessDenied)] {
        given(requested(json!({})), [attested(ana())]).at(EXPIRES).when(command).then_refused(AuthorizationRefusal::Expired);
    }
}

#[test]
fn an_approval_is_recorded_with_its_circumstances() {
    let shown = Some(Shown { ui_build: Some("42".to_owned()), locale: Some("de".to_owned()), texts_sha256: None });
    let basis = Basis { policy_version: Some(3), client_sha256: Some("5f".repeat(32)) };
    let command = AuthorizationCommand::Approve {
        scope: Some(scope("openid")),
        bounds: Bounds { grantable: scope("openid"), required: scope("openid") },
        consent_reason: None,
        shown: shown.clone(),
        basis: basis.clone(),
        browser_binding: None,
        acr_values_supported: supported(),
    };
    let approved =
        AuthorizationEvent::Approved { scope: scope("openid"), consent_reason: None, shown: shown.clone(), basis: basis.clone() };
    given(requested(json!({})), [attested(ana())]).when(command).then([approved.clone()]);
    let decision = Decision::Approved { scope: scope("openid"), consent_reason: None, shown, basis };
    assert_eq!(fold(requested(json!({})), [attested(ana()), approved]).decision(), Some(&decision));
}

#[test]
fn rfc6749_3_3_no_more_is_approved_than_was_asked() {
    given(requested(json!({})), [attested(ana())]).when(approve("openid email")).then_refused(AuthorizationRefusal::ScopeNotRequested);
}

#[test]
fn rfc6749_3_3_less_may_be_approved_than_was_asked_but_not_nothing() {
    given(requested(json!({})), [attested(ana())]).when(approve("profile")).then([approved("profile")]);
    given(requested(json!({})), [attested(ana())]).when(approve("")).then_refused(AuthorizationRefusal::NothingApproved);
    given(requested(json!({"scope": ""})), [attested(ana())]).when(approve("")).then([approved("")]);
}

/// Approves as much of a request as named, when this much can be granted and that much must be.
fn approve_within(scope_given: Option<&str>, grantable: &str, required: &str) -> AuthorizationCommand {
    let AuthorizationCommand::Approve { consent_reason, shown, basis, browser_binding, acr_values_supported, .. } = approve("") else {
        panic!("an approval")
    };
    let bounds = Bounds { grantable: scope(grantable), required: scope(required) };
    AuthorizationCommand::Approve {
        scope: scope_given.map(scope),
        bounds,
        consent_reason,
        shown,
        basis,
        browser_binding,
        acr_values_supported,
    }
}

#[test]
fn who_names_no_scope_approves_all_that_can_be_granted() {
    let attested = || given(requested(json!({})), [attested(ana())]);
    attested().when(approve_within(None, "openid", "")).then([approved("openid")]);
    attested().when(approve_within(None, "openid profile", "")).then([approved("openid profile")]);
}

#[test]
fn nothing_is_approved_that_can_not_be_granted() {
    let refusal = AuthorizationRefusal::NotGrantable(scope("profile"));
    given(requested(json!({})), [attested(ana())]).when(approve_within(Some("openid profile"), "openid", "")).then_refused(refusal);
}

#[test]
fn nothing_is_approved_without_what_the_client_needs() {
    let refusal = AuthorizationRefusal::RequiredMissing(scope("profile"));
    let less = approve_within(Some("openid"), "openid profile", "profile");
    given(requested(json!({})), [attested(ana())]).when(less).then_refused(refusal);
}

#[test]
fn offline_access_alone_is_nothing() {
    let request = || requested(json!({"scope": "openid offline_access"}));
    let alone = approve_within(Some("offline_access"), "openid offline_access", "");
    given(request(), [attested(ana())]).when(alone).then_refused(AuthorizationRefusal::NothingApproved);
}

#[test]
fn who_names_no_scope_agrees_with_what_was_approved_before() {
    decided(approved("openid")).when(approve_within(None, "openid profile", "")).then_nothing();
}

#[test]
fn nobody_approves_before_a_subject_suffices() {
    given(requested(json!({})), []).when(approve("openid")).then_refused(AuthorizationRefusal::NoSubject);
    for (more, next) in [
        (json!({"expected_subject": BEN}), Next::SelectAccount),
        (json!({"max_age": 4}), Next::Reauthenticate),
        (json!({"acr_values": [MFA]}), Next::StepUp),
    ] {
        given(requested(more), [attested(ana())]).when(approve("openid")).then_refused(AuthorizationRefusal::Insufficient(next));
    }
}

#[test]
fn the_same_approval_again_records_nothing() {
    decided(approved("openid")).when(approve("openid")).then_nothing();
    decided(approved("openid")).at(EXPIRES).when(approve("openid")).then_nothing();
}

#[test]
fn a_different_decision_is_refused() {
    let different = || AuthorizationRefusal::DecidedDifferently;
    decided(approved("openid")).when(approve("openid profile")).then_refused(different());
    decided(approved("openid")).when(deny(DenialError::AccessDenied)).then_refused(different());
    decided(denied(DenialError::AccessDenied)).when(approve("openid")).then_refused(different());
    decided(denied(DenialError::AccessDenied)).when(deny(DenialError::LoginRequired)).then_refused(different());
}

#[test]
fn rfc6749_4_1_2_1_a_denial_needs_no_subject_and_is_recorded_once() {
    let access_denied = DenialError::AccessDenied;
    given(requested(json!({})), []).when(deny(access_denied)).then([denied(access_denied)]);
    given(requested(json!({})), [denied(access_denied)]).when(deny(access_denied)).then_nothing();
}

#[test]
fn another_browser_learns_and_decides_nothing() {
    for browser in [None, Some("theirs"), Some("")] {
        for command in [attest_in(browser, Some(ana()), false), approve_in(browser, "openid"), deny_in(browser, DenialError::AccessDenied)]
        {
            let request = requested_by(Some("mine"), false, json!({}));
            let refusal = AuthorizationRefusal::AnotherBrowser;
            given(request.clone(), [attested(ana())]).when(command.clone()).then_refused(refusal.clone());
            given(request, [attested(ana()), approved("openid")]).when(command).then_refused(refusal);
        }
    }
}

#[test]
fn the_browser_that_started_the_request_decides() {
    let request = || requested_by(Some("mine"), false, json!({}));
    given(request(), []).when(attest_in(Some("mine"), Some(ana()), false)).then([attested(ana())]);
    given(request(), [attested(ana())]).when(approve_in(Some("mine"), "openid")).then([approved("openid")]);
    given(request(), []).when(deny_in(Some("mine"), DenialError::AccessDenied)).then([denied(DenialError::AccessDenied)]);
}

#[test]
fn a_request_that_is_bound_to_no_browser_is_decided_in_any() {
    given(requested(json!({})), [attested(ana())]).when(approve_in(Some("any"), "openid")).then([approved("openid")]);
}

#[test]
fn the_browser_of_a_hosted_request_is_checked_at_the_last_redirect() {
    let request = requested_by(Some("cookie"), true, json!({}));
    given(request.clone(), [attested(ana())]).when(approve("openid")).then([approved("openid")]);
    let authorization = fold(request, []);
    assert!(authorization.is_hosted() && authorization.belongs_to_browser(Some("cookie")));
    assert!(!authorization.belongs_to_browser(Some("other")) && !authorization.belongs_to_browser(None));
}

#[test]
fn an_approved_request_is_completed_once_however_late() {
    let complete = |n| AuthorizationCommand::Complete { grant_id: GrantId(Uuid::from_u128(n)) };
    let completed = AuthorizationEvent::Completed { grant_id: GRANT };
    let approved = || [attested(ana()), approved("openid")];
    given(requested(json!({})), approved()).at(EXPIRES).when(complete(0x6)).then([completed.clone()]);
    let after = || given(requested(json!({})), approved()).at(NOW).and([completed.clone()]);
    after().when(complete(0x6)).then_nothing();
    after().when(complete(0x7)).then_refused(AuthorizationRefusal::CompletedUnderAnotherGrant);
}

#[test]
fn an_approval_is_taken_back_until_there_is_a_code() {
    let withdraw = || AuthorizationCommand::Withdraw { cause: DenialCause::ClientNotAllowed };
    let withdrawn = AuthorizationEvent::Denied { error: DenialError::AccessDenied, cause: Some(DenialCause::ClientNotAllowed) };
    decided(approved("openid")).when(withdraw()).then([withdrawn.clone()]);
    decided(approved("openid")).and([withdrawn.clone()]).when(withdraw()).then_nothing();
    given(requested(json!({})), [attested(ana())]).when(withdraw()).then_refused(AuthorizationRefusal::NotApproved);
    let completed = AuthorizationEvent::Completed { grant_id: GRANT };
    decided(approved("openid")).and([completed]).when(withdraw()).then_refused(AuthorizationRefusal::Decided);
    // Then nothing completes it any more.
    let complete = AuthorizationCommand::Complete { grant_id: GRANT };
    decided(approved("openid")).and([withdrawn]).when(complete).then_refused(AuthorizationRefusal::NotApproved);
}

#[test]
fn what_was_not_approved_is_not_completed() {
    let complete = AuthorizationCommand::Complete { grant_id: GRANT };
    given(requested(json!({})), [attested(ana())]).when(complete.clone()).then_refused(AuthorizationRefusal::NotApproved);
    decided(denied(DenialError::AccessDenied)).when(complete).then_refused(AuthorizationRefusal::NotApproved);
}

#[test]
fn oidc_core_3_1_2_6_prompt_none_without_a_login_ends_in_login_required() {
    let request = || requested(json!({"prompt": ["none"]}));
    let nobody = || attest_in(None, None, true);
    given(request(), []).when(nobody()).then([denied(DenialError::LoginRequired)]);
    given(request(), [denied(DenialError::LoginRequired)]).when(nobody()).then_nothing();
}

#[test]
fn oidc_core_3_1_2_6_prompt_none_with_a_login_that_does_not_suffice_ends_in_an_error() {
    for (more, error) in [
        (json!({"prompt": ["none"], "max_age": 4}), DenialError::LoginRequired),
        (json!({"prompt": ["none"], "expected_subject": BEN}), DenialError::LoginRequired),
        (json!({"prompt": ["none"], "acr_values": [MFA]}), DenialError::InteractionRequired),
    ] {
        given(requested(more), []).when(attest_at_creation(ana())).then([attested(ana()), denied(error)]);
    }
}

#[test]
fn oidc_core_3_1_2_1_prompt_none_with_max_age_0_can_not_be_silent() {
    let request = requested(json!({"prompt": ["none"], "max_age": 0}));
    given(request, []).when(attest_at_creation(ana())).then([denied(DenialError::LoginRequired)]);
}

#[test]
fn oidc_core_3_1_2_1_prompt_none_with_a_login_that_suffices_goes_on() {
    let request = requested(json!({"prompt": ["none"], "max_age": 60, "expected_subject": ANA}));
    given(request, []).when(attest_at_creation(ana())).then([attested(ana())]);
}

#[test]
fn oidc_core_3_1_2_1_a_login_that_came_with_the_request_is_not_the_one_that_prompt_login_asks_for() {
    let request = || requested(json!({"prompt": ["login"]}));
    // In the very second of the arrival, whole seconds can't tell it from an answer.
    given(request(), []).when(attest_at_creation(person(ANA, 100))).then_nothing();
    given(request(), []).when(attest_at_creation(person(ANA, 99))).then([attested(person(ANA, 99))]);
    given(request(), []).when(attest(person(ANA, 100))).then([attested(person(ANA, 100))]);
}

#[test]
fn oidc_core_3_1_2_1_an_account_that_came_with_the_request_was_not_selected() {
    let request = || requested(json!({"prompt": ["select_account"]}));
    given(request(), []).when(attest_at_creation(ana())).then_nothing();
    given(request(), []).when(attest(ana())).then([attested(ana())]);
}
