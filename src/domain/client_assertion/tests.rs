use proptest::prelude::*;

use super::*;
use crate::domain::{ClientId, StreamKind, Timestamp, testing::Spec};

fn presented() -> ClientAssertionCommand {
    ClientAssertionCommand::Use { client_id: "app".into(), expires_at: Timestamp(60_000) }
}

fn used() -> ClientAssertionEvent {
    ClientAssertionEvent::Used { client_id: "app".into(), expires_at: Timestamp(60_000) }
}

#[test]
fn rfc7523_3_a_jti_is_good_once() {
    Spec::<ClientAssertionDecider>::given([]).when(presented()).then([used()]);
    Spec::<ClientAssertionDecider>::given([used()]).when(presented()).then_refused(ClientAssertionRefusal::AlreadyUsed);
}

#[test]
fn a_used_assertion_does_not_become_good_again_when_it_has_expired() {
    Spec::<ClientAssertionDecider>::given([used()])
        .at(Timestamp(120_000))
        .when(presented())
        .then_refused(ClientAssertionRefusal::AlreadyUsed);
}

#[test]
fn the_stream_is_named_by_a_hash_and_never_changes() {
    let stream = stream_of(&"app".into(), "1");
    assert_eq!(stream.kind(), StreamKind::ClientAssertion);
    // printf '\0\0\0\0\0\0\0\3app\0\0\0\0\0\0\0\0011' | sha256sum
    assert_eq!(stream.key(), "adc240b6aaf1855392fa706ca6afe1fd981f77c5b1e113fb61dbf7f6449dd126");
}

#[test]
fn clients_do_not_share_their_jtis() {
    assert_ne!(stream_of(&"a".into(), "1"), stream_of(&"b".into(), "1"));
    assert_ne!(stream_of(&"a".into(), "b1"), stream_of(&"ab".into(), "1"));
}

proptest! {
    #[test]
    fn every_client_and_jti_has_a_stream_of_its_own(a in any::<(String, String)>(), b in any::<(String, String)>()) {
        let stream = |(client, jti): &(String, String)| stream_of(&ClientId::from(client.as_str()), jti);
        prop_assert_eq!(stream(&a) == stream(&b), a == b);
        prop_assert_eq!(stream(&a).as_str().parse(), Ok(stream(&a)));
    }
}
