use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::json;

use super::*;

fn any_person() -> impl Strategy<Value = AttestedSubject> {
    (select(&[ANA, BEN][..]), 90..120_i64, any::<bool>())
        .prop_map(|(subject, auth_time, mfa)| if mfa { with_acr(MFA, person(subject, auth_time)) } else { person(subject, auth_time) })
}

fn any_browser() -> impl Strategy<Value = Option<&'static str>> {
    select(&[Some("mine"), Some("mine"), Some("theirs"), None][..])
}

fn any_request() -> impl Strategy<Value = AuthorizationCommand> {
    let prompts = [json!([]), json!(["none"]), json!(["login"]), json!(["select_account"]), json!(["login", "consent"])];
    let ages = [json!(null), json!(0), json!(5), json!(100)];
    (select(prompts.to_vec()), select(ages.to_vec()), any::<bool>(), any_browser(), any::<bool>()).prop_map(
        |(prompt, max_age, mfa, browser, hosted)| AuthorizationCommand::Request {
            parameters: parameters(json!({"prompt": prompt, "max_age": max_age, "acr_values": if mfa { vec![MFA] } else { vec![] }})),
            browser_binding: browser.map(str::to_owned),
            hosted,
            expires_at: Timestamp(120_000),
        },
    )
}

fn any_command() -> impl Strategy<Value = AuthorizationCommand> {
    let scopes = select(&["openid", "openid profile", "openid email", ""][..]);
    let errors = select(&[DenialError::AccessDenied, DenialError::LoginRequired][..]);
    prop_oneof![
        1 => any_request(),
        4 => (any_browser(), prop::option::of(any_person()), any::<bool>())
            .prop_map(|(browser, person, at_creation)| attest_in(browser, person, at_creation)),
        4 => (any_browser(), scopes).prop_map(|(browser, scope)| approve_in(browser, scope)),
        1 => (any_browser(), errors).prop_map(|(browser, error)| deny_in(browser, error)),
        2 => (0..2_u128).prop_map(|n| AuthorizationCommand::Complete { grant_id: GrantId(Uuid::from_u128(n)) }),
    ]
}

/// A request, and what is asked of it, each with the time that passed before.
fn any_story() -> impl Strategy<Value = (AuthorizationCommand, Vec<(i64, AuthorizationCommand)>)> {
    (any_request(), vec((0..4_000_i64, any_command()), 0..24))
}

fn run(authorization: &Authorization, command: &AuthorizationCommand, now: Timestamp) -> Authorization {
    let events = AuthorizationDecider::decide(authorization, command, now).unwrap_or_default();
    events.iter().fold(authorization.clone(), |authorization, event| AuthorizationDecider::evolve(authorization, event, now))
}

proptest! {
    #[test]
    fn a_request_is_decided_and_completed_once_for_ever((request, commands) in any_story()) {
        let mut now = CREATED;
        let mut authorization = run(&Authorization::default(), &request, now);
        for (pause, command) in commands {
            now = Timestamp(now.0 + pause);
            let after = run(&authorization, &command, now);
            prop_assert_eq!(authorization.parameters(), after.parameters());
            if let Some(decision) = authorization.decision() {
                prop_assert_eq!(Some(decision), after.decision());
                prop_assert_eq!(authorization.attested(), after.attested());
            }
            if let Some(grant_id) = authorization.grant_id() {
                prop_assert_eq!(Some(grant_id), after.grant_id());
            }
            authorization = after;
        }
    }

    #[test]
    fn an_approval_is_in_time_by_a_sufficing_subject_for_what_was_asked((request, commands) in any_story()) {
        let mut now = CREATED;
        let mut authorization = run(&Authorization::default(), &request, now);
        for (pause, command) in commands {
            now = Timestamp(now.0 + pause);
            let after = run(&authorization, &command, now);
            if let (None, Some(Decision::Approved { scope, .. })) = (authorization.decision(), after.decision()) {
                prop_assert_eq!(authorization.state_at(now, &supported()), AuthorizationState::AwaitingConsent);
                prop_assert!(after.parameters().is_some_and(|parameters| scope.is_subset(&parameters.scope)));
            }
            authorization = after;
        }
    }

    #[test]
    fn repeating_a_command_at_once_changes_nothing((request, commands) in any_story()) {
        let mut authorization = run(&Authorization::default(), &request, CREATED);
        for (_, command) in commands {
            authorization = run(&authorization, &command, CREATED);
            let again = AuthorizationDecider::decide(&authorization, &command, CREATED).unwrap_or_default();
            prop_assert_eq!(again, vec![]);
        }
    }

    #[test]
    fn every_history_folds(events in vec(prop_oneof![
        Just(requested(json!({"max_age": 5}))), any_person().prop_map(attested), Just(approved("openid")),
        Just(denied(DenialError::AccessDenied)), Just(AuthorizationEvent::Completed { grant_id: GRANT }),
    ], 0..12), now in any::<i64>()) {
        let fold = |authorization, event: &AuthorizationEvent| AuthorizationDecider::evolve(authorization, event, Timestamp(now));
        let authorization = events.iter().fold(Authorization::default(), fold);
        let next = next(&authorization, Timestamp(now), &supported(), None);
        prop_assert_eq!(authorization.exists(), authorization.parameters().is_some(), "{:?}", next);
    }
}
