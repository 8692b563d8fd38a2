use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::{AuthorizationId, StreamKind, Timestamp, TrustedIssuerId, testing::Spec};

const ISSUER: TrustedIssuerId = TrustedIssuerId(Uuid::from_u128(1));

fn bind(request: u128) -> TrustedTokenCommand {
    let authorization_id = AuthorizationId(Uuid::from_u128(request));
    TrustedTokenCommand::Bind { issuer: ISSUER, authorization_id, expires_at: Timestamp(60_000) }
}

fn bound(request: u128) -> TrustedTokenEvent {
    let authorization_id = AuthorizationId(Uuid::from_u128(request));
    TrustedTokenEvent::Bound { issuer: ISSUER, authorization_id, expires_at: Timestamp(60_000) }
}

#[test]
fn a_token_belongs_to_the_first_request_it_was_used_for() {
    Spec::<TrustedTokenDecider>::given([]).when(bind(1)).then([bound(1)]);
    Spec::<TrustedTokenDecider>::given([bound(1)]).when(bind(1)).then_nothing();
    Spec::<TrustedTokenDecider>::given([bound(1)]).when(bind(2)).then_refused(TrustedTokenRefusal::UsedElsewhere);
    Spec::<TrustedTokenDecider>::given([bound(1)]).at(Timestamp(120_000)).when(bind(2)).then_refused(TrustedTokenRefusal::UsedElsewhere);
}

#[test]
fn the_first_request_keeps_it() {
    let state = Spec::<TrustedTokenDecider>::given([bound(1), bound(2)]).state();
    assert_eq!(state.bound_to(), Some(AuthorizationId(Uuid::from_u128(1))));
}

#[test]
fn the_stream_is_named_by_a_hash_and_never_changes() {
    let stream = stream_of(ISSUER, Some("1"), "a.b.c");
    assert_eq!(stream.kind(), StreamKind::TrustedToken);
    // printf '\0\0\0\0\0\0\0\20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\3jti\0\0\0\0\0\0\0\0011' | sha256sum
    assert_eq!(stream.key(), "e2f34defc314d82a9fc9c10de3c116b4ab58db466dec76d4806d4369465dd883");
    assert_ne!(stream, stream_of(ISSUER, None, "1"));
}

proptest! {
    #[test]
    fn every_issuer_and_name_has_a_stream_of_its_own(a in any::<(u128, String)>(), b in any::<(u128, String)>()) {
        let stream = |(issuer, jti): &(u128, String)| stream_of(TrustedIssuerId(Uuid::from_u128(*issuer)), Some(jti), "");
        prop_assert_eq!(stream(&a) == stream(&b), a == b);
        prop_assert_eq!(stream(&a).as_str().parse(), Ok(stream(&a)));
    }
}
