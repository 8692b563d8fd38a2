use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::{
    SigningKeyCommand::{Generate, Retire, Revoke},
    *,
};
use crate::{
    domain::{Decider, Timestamp, testing::Spec},
    jose::Algorithm,
};

fn jwk() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

fn generate(public_jwk: Value) -> SigningKeyCommand {
    Generate { algorithm: Algorithm::EdDsa, public_jwk, active_from: Timestamp(10) }
}

fn generated() -> SigningKeyEvent {
    SigningKeyEvent::Generated { algorithm: Algorithm::EdDsa, public_jwk: jwk(), active_from: Timestamp(10) }
}

fn retire(at: i64, published_until: i64) -> SigningKeyCommand {
    Retire { at: Timestamp(at), published_until: Timestamp(published_until) }
}

fn retired() -> SigningKeyEvent {
    SigningKeyEvent::Retired { at: Timestamp(20), published_until: Timestamp(30) }
}

fn fold(events: impl IntoIterator<Item = SigningKeyEvent>) -> SigningKey {
    events.into_iter().fold(SigningKey::default(), |key, event| SigningKeyDecider::evolve(key, &event, Timestamp(0)))
}

#[test]
fn a_signing_key_is_generated_once() {
    Spec::<SigningKeyDecider>::given([]).when(generate(jwk())).then([generated()]);
    Spec::<SigningKeyDecider>::given([generated()]).when(generate(jwk())).then_refused(SigningKeyRefusal::AlreadyExists);
}

#[test]
fn rfc7518_6_no_private_member_of_a_jwk_enters_the_log() {
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let mut private = jwk();
        private[member] = json!("AQAB");
        Spec::<SigningKeyDecider>::given([]).when(generate(private)).then_refused(SigningKeyRefusal::NotAPublicKey);
    }
    Spec::<SigningKeyDecider>::given([]).when(generate(json!("AQAB"))).then_refused(SigningKeyRefusal::NotAPublicKey);
}

#[test]
fn a_signing_key_is_retired_once() {
    Spec::<SigningKeyDecider>::given([generated()]).when(retire(20, 30)).then([retired()]);
    Spec::<SigningKeyDecider>::given([generated(), retired()]).when(retire(20, 30)).then_nothing();
    Spec::<SigningKeyDecider>::given([generated(), retired()]).when(retire(20, 31)).then_refused(SigningKeyRefusal::AlreadyRetired);
}

#[test]
fn a_signing_key_is_published_as_long_as_it_signs() {
    Spec::<SigningKeyDecider>::given([generated()]).when(retire(20, 19)).then_refused(SigningKeyRefusal::UnpublishedWhileSigning);
}

#[test]
fn a_signing_key_that_is_not_there_is_neither_retired_nor_revoked() {
    for command in [retire(20, 30), Revoke] {
        Spec::<SigningKeyDecider>::given([]).when(command).then_refused(SigningKeyRefusal::NotFound);
    }
}

#[test]
fn a_signing_key_is_revoked_once_and_then_not_retired() {
    let revoked = [generated(), SigningKeyEvent::Revoked {}];
    Spec::<SigningKeyDecider>::given([generated()]).when(Revoke).then([SigningKeyEvent::Revoked {}]);
    Spec::<SigningKeyDecider>::given(revoked.clone()).when(Revoke).then_nothing();
    Spec::<SigningKeyDecider>::given(revoked).when(retire(20, 30)).then_refused(SigningKeyRefusal::Revoked);
}

#[test]
fn a_key_is_published_before_it_signs_and_after() {
    let key = fold([generated(), retired()]);
    let life = [9, 10, 19, 20, 29, 30].map(|now| (key.is_published_at(Timestamp(now)), key.signs_at(Timestamp(now))));
    assert_eq!(life, [(true, false), (true, true), (true, true), (true, false), (true, false), (false, false)]);
}

#[test]
fn a_revoked_key_neither_signs_nor_is_published() {
    let key = fold([generated(), SigningKeyEvent::Revoked {}]);
    assert!(key.is_revoked() && !key.signs_at(Timestamp(15)) && !key.is_published_at(Timestamp(15)));
}

proptest! {
    #[test]
    fn a_key_that_signs_is_published(
        commands in vec(prop_oneof![Just(generate(jwk())), (0..40_i64, 0..40_i64).prop_map(|(at, until)| retire(at, until)), Just(Revoke)], 0..12),
        now in 0..50_i64,
    ) {
        let mut key = SigningKey::default();
        for command in commands {
            for event in SigningKeyDecider::decide(&key, &command, Timestamp(0)).unwrap_or_default() {
                key = SigningKeyDecider::evolve(key, &event, Timestamp(0));
            }
            prop_assert!(!key.signs_at(Timestamp(now)) || key.is_published_at(Timestamp(now)));
        }
    }
}
