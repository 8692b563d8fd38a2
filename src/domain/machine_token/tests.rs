use proptest::{collection::vec, prelude::*};

use super::{
    MachineTokenCommand::{Issue, Revoke},
    *,
};
use crate::{
    domain::{ClientId, Decider, Timestamp, testing::Spec},
    protocol::{AccessTokenFormat, Scope},
};

const EXPIRES_AT: Timestamp = Timestamp(1_000);

fn scope() -> Scope {
    "orders:read".parse().expect("a scope")
}

fn issue() -> MachineTokenCommand {
    let (client_id, audience) = ("robot".into(), vec!["https://api.example".to_owned()]);
    Issue { client_id, scope: scope(), audience, format: AccessTokenFormat::Jwt, expires_at: EXPIRES_AT }
}

fn issued() -> MachineTokenEvent {
    let (client_id, audience) = ("robot".into(), vec!["https://api.example".to_owned()]);
    MachineTokenEvent::Issued { client_id, scope: scope(), audience, format: AccessTokenFormat::Jwt, expires_at: EXPIRES_AT }
}

fn revoke(by: &str) -> MachineTokenCommand {
    Revoke { client_id: by.into() }
}

#[test]
fn a_machine_token_is_issued_once() {
    Spec::<MachineTokenDecider>::given([]).when(issue()).then([issued()]);
    Spec::<MachineTokenDecider>::given([issued()]).when(issue()).then_refused(MachineTokenRefusal::AlreadyExists);
}

#[test]
fn its_client_may_revoke_it() {
    Spec::<MachineTokenDecider>::given([issued()]).at(Timestamp(999)).when(revoke("robot")).then([MachineTokenEvent::Revoked {}]);
}

#[test]
fn rfc7009_2_1_another_client_may_not_revoke_it() {
    Spec::<MachineTokenDecider>::given([issued()]).when(revoke("other")).then_refused(MachineTokenRefusal::IssuedToAnotherClient);
}

#[test]
fn rfc7009_2_2_revoking_a_token_that_is_not_live_records_nothing() {
    Spec::<MachineTokenDecider>::given([]).when(revoke("robot")).then_nothing();
    Spec::<MachineTokenDecider>::given([issued(), MachineTokenEvent::Revoked {}]).when(revoke("robot")).then_nothing();
    Spec::<MachineTokenDecider>::given([issued()]).at(EXPIRES_AT).when(revoke("robot")).then_nothing();
}

#[test]
fn rfc7009_2_2_another_client_learns_nothing_of_a_dead_token() {
    Spec::<MachineTokenDecider>::given([issued()]).at(EXPIRES_AT).when(revoke("other")).then_nothing();
}

#[test]
fn a_token_is_live_until_it_expires() {
    let token = MachineTokenDecider::evolve(MachineToken::default(), &issued(), Timestamp(5));
    assert!(token.is_live(Timestamp(999)) && !token.is_live(EXPIRES_AT));
    let found = token.issued().map(|issued| (issued.client_id.clone(), issued.issued_at));
    assert_eq!(found, Some((ClientId::from("robot"), Timestamp(5))));
}

proptest! {
    #[test]
    fn nothing_brings_a_revoked_token_back(commands in vec(prop_oneof![Just(issue()), Just(revoke("robot")), Just(revoke("other"))], 0..20)) {
        let mut token = MachineToken::default();
        for command in commands {
            let was_revoked = token.is_revoked();
            for event in MachineTokenDecider::decide(&token, &command, Timestamp(0)).unwrap_or_default() {
                token = MachineTokenDecider::evolve(token, &event, Timestamp(0));
            }
            prop_assert!(!was_revoked || !token.is_live(Timestamp(0)));
        }
    }
}
