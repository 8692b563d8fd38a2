use serde_json::json;

use super::*;

fn next_of(authorization: &Authorization, consent: Option<ConsentReason>) -> Next {
    next(authorization, NOW, &supported(), consent)
}

fn next_for(more: serde_json::Value, person: AttestedSubject) -> Next {
    next_of(&fold(requested(more), [attested(person)]), None)
}

#[test]
fn without_a_subject_comes_the_login() {
    assert_eq!(next_of(&fold(requested(json!({})), []), None), Next::Login);
    assert_eq!(next_of(&fold(requested(json!({"prompt": ["login"]})), []), None), Next::Login);
}

#[test]
fn oidc_core_3_1_2_1_prompt_select_account_lets_the_person_choose() {
    let request = || requested(json!({"prompt": ["select_account"]}));
    assert_eq!(next_of(&fold(request(), []), None), Next::SelectAccount);
    assert_eq!(next_of(&fold(request(), [attested(person(ANA, 1))]), None), Next::Redirect);
}

#[test]
fn oidc_core_3_1_2_1_id_token_hint_asks_for_that_very_person() {
    assert_eq!(next_for(json!({"expected_subject": BEN}), ana()), Next::SelectAccount);
    assert_eq!(next_for(json!({"expected_subject": ANA}), ana()), Next::Redirect);
}

#[test]
fn oidc_core_3_1_2_1_prompt_login_wants_a_login_after_the_request() {
    let logins = [99, 100, 105].map(|auth_time| next_for(json!({"prompt": ["login"]}), person(ANA, auth_time)));
    assert_eq!(logins, [Next::Reauthenticate, Next::Redirect, Next::Redirect]);
}

#[test]
fn oidc_core_3_1_2_1_max_age_is_counted_in_whole_seconds() {
    let logins = [99, 100, 105].map(|auth_time| next_for(json!({"max_age": 10}), person(ANA, auth_time)));
    assert_eq!(logins, [Next::Reauthenticate, Next::Redirect, Next::Redirect]);
}

#[test]
fn oidc_core_3_1_2_1_max_age_0_is_the_same_as_prompt_login() {
    let logins = [99, 100, 105].map(|auth_time| next_for(json!({"max_age": 0}), person(ANA, auth_time)));
    assert_eq!(logins, [Next::Reauthenticate, Next::Redirect, Next::Redirect]);
}

#[test]
fn oidc_core_3_1_2_1_max_age_sends_nobody_back_for_reading_slowly() {
    let authorization = fold(requested(json!({"max_age": 10})), [attested(ana())]);
    let (later, first_time) = (Timestamp(600_000), Some(ConsentReason::FirstTime));
    assert_eq!(next(&authorization, later, &[], first_time), Next::Consent);
    given(requested(json!({"max_age": 10})), [attested(ana())]).at(later).when(approve("openid")).then([approved("openid")]);
}

#[test]
fn oidc_core_3_1_2_1_max_age_does_not_begin_to_run_again_when_only_the_roles_change() {
    let with_roles = AttestedSubject { roles: vec!["editor".to_owned()], ..ana() };
    given(requested(json!({"max_age": 10})), [attested(ana())])
        .at(Timestamp(600_000))
        .and([attested(with_roles)])
        .at(Timestamp(600_000))
        .when(approve("openid"))
        .then([approved("openid")]);
}

#[test]
fn oidc_core_3_1_2_1_max_age_counts_for_each_person() {
    given(requested(json!({"max_age": 10})), [attested(ana())])
        .at(Timestamp(600_000))
        .and([attested(person(BEN, 105))])
        .at(Timestamp(600_000))
        .when(approve("openid"))
        .then_refused(AuthorizationRefusal::Insufficient(Next::Reauthenticate));
}

#[test]
fn oidc_core_3_1_2_1_acr_values_ask_for_a_step_up_that_the_application_is_capable_of() {
    let wanted = || json!({"acr_values": [MFA, "urn:example:smartcard"]});
    assert_eq!(next_for(wanted(), ana()), Next::StepUp);
    assert_eq!(next_for(wanted(), with_acr("urn:example:password", ana())), Next::StepUp);
    assert_eq!(next_for(wanted(), with_acr(MFA, ana())), Next::Redirect);
    assert_eq!(next_for(wanted(), with_acr("urn:example:smartcard", ana())), Next::Redirect);
    assert_eq!(next_for(json!({"acr_values": ["urn:example:smartcard"]}), ana()), Next::Redirect);
}

#[test]
fn the_right_person_comes_before_a_fresh_login_and_that_before_a_stronger_one() {
    let wanted = json!({"expected_subject": BEN, "max_age": 1, "acr_values": [MFA]});
    assert_eq!(next_for(wanted.clone(), ana()), Next::SelectAccount);
    assert_eq!(next_for(wanted.clone(), person(BEN, 105)), Next::Reauthenticate);
    assert_eq!(next_for(wanted, person(BEN, 110)), Next::StepUp);
}

#[test]
fn consent_comes_when_it_is_required() {
    let authorization = fold(requested(json!({})), [attested(ana())]);
    assert_eq!(next_of(&authorization, Some(ConsentReason::FirstTime)), Next::Consent);
    assert_eq!(next_of(&authorization, None), Next::Redirect);
}

#[test]
fn a_decided_request_redirects_and_never_expires() {
    let completed = AuthorizationEvent::Completed { grant_id: GRANT };
    let granted = fold(requested(json!({})), [attested(ana()), approved("openid"), completed]);
    let refused = fold(requested(json!({})), [denied(DenialError::AccessDenied)]);
    for authorization in [granted, refused] {
        assert_eq!(next(&authorization, EXPIRES, &[], None), Next::Redirect);
        assert_eq!(authorization.state_at(EXPIRES, &[]), AuthorizationState::Completed);
    }
}

#[test]
fn an_approval_that_was_interrupted_waits_for_the_same_decision() {
    let authorization = fold(requested(json!({})), [attested(ana()), approved("openid")]);
    assert_eq!(next(&authorization, EXPIRES, &[], None), Next::Consent);
    assert_eq!(authorization.state_at(EXPIRES, &[]), AuthorizationState::AwaitingConsent);
}

#[test]
fn an_expired_or_unknown_request_shows_an_error() {
    for authorization in [fold(requested(json!({})), [attested(ana())]), Authorization::default()] {
        assert_eq!(next(&authorization, EXPIRES, &[], None), Next::ShowError);
        assert_eq!(authorization.state_at(EXPIRES, &[]), AuthorizationState::Expired);
    }
}

#[test]
fn a_request_awaits_a_subject_that_suffices_and_then_the_decision() {
    let state = |events: &[AuthorizationEvent]| {
        let request = fold(requested(json!({"acr_values": [MFA]})), []);
        let fold = |authorization, event: &AuthorizationEvent| AuthorizationDecider::evolve(authorization, event, NOW);
        events.iter().fold(request, fold).state_at(NOW, &supported())
    };
    assert_eq!(state(&[]), AuthorizationState::AwaitingSubject);
    assert_eq!(state(&[attested(ana())]), AuthorizationState::AwaitingSubject);
    assert_eq!(state(&[attested(with_acr(MFA, ana()))]), AuthorizationState::AwaitingConsent);
}

#[test]
fn oidc_core_3_1_2_6_whatever_a_page_would_have_to_do_has_an_error_of_its_own() {
    let nexts = [Next::Login, Next::Reauthenticate, Next::SelectAccount, Next::StepUp, Next::Consent, Next::Redirect, Next::ShowError];
    let login_required = Some(DenialError::LoginRequired);
    let (interaction, consent) = (Some(DenialError::InteractionRequired), Some(DenialError::ConsentRequired));
    assert_eq!(nexts.map(silent_error), [login_required, login_required, login_required, interaction, consent, None, None]);
}

#[test]
fn a_request_tells_what_it_is() {
    let authorization = fold(requested_by(Some("mine"), true, json!({"state": "s"})), []);
    assert_eq!(authorization.parameters(), Some(&parameters(json!({"state": "s"}))));
    assert_eq!((authorization.requested_at(), authorization.expires_at()), (Some(CREATED), Some(EXPIRES)));
    assert_eq!((authorization.browser_binding(), authorization.grant_id()), (Some("mine"), None));
}
