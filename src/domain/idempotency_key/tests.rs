use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::{ApiKeyId, Decider, StreamKind, Timestamp, testing::Spec};

const DAY: Timestamp = Timestamp(86_400_000);

fn request(operation: &str, request_hash: &str) -> IdempotencyKeyCommand {
    IdempotencyKeyCommand::Use { operation: operation.to_owned(), request_hash: request_hash.to_owned() }
}

fn used(expires_at: Timestamp) -> IdempotencyKeyEvent {
    IdempotencyKeyEvent::Used { operation: "registerClient".to_owned(), request_hash: "a".to_owned(), expires_at }
}

#[test]
fn the_first_request_is_remembered_for_a_day() {
    let spec = Spec::<IdempotencyKeyDecider>::given([]);
    spec.when(request("registerClient", "a")).then([used(DAY)]);
    let state = Spec::<IdempotencyKeyDecider>::given([]).at(Timestamp(7)).and([used(DAY)]).state();
    assert_eq!(state.used_at(), Some(Timestamp(7)));
}

#[test]
fn the_same_request_again_is_a_retry() {
    Spec::<IdempotencyKeyDecider>::given([used(DAY)]).when(request("registerClient", "a")).then_nothing();
    Spec::<IdempotencyKeyDecider>::given([used(DAY)]).at(Timestamp(DAY.0 - 1)).when(request("registerClient", "a")).then_nothing();
}

#[test]
fn another_request_is_refused() {
    for (operation, request_hash) in [("registerClient", "b"), ("createApiKey", "a")] {
        let spec = Spec::<IdempotencyKeyDecider>::given([used(DAY)]);
        spec.when(request(operation, request_hash)).then_refused(IdempotencyKeyRefusal::Reused);
    }
}

#[test]
fn an_expired_key_may_be_used_anew() {
    for (operation, request_hash) in [("registerClient", "a"), ("createApiKey", "b")] {
        Spec::<IdempotencyKeyDecider>::given([used(DAY)]).at(DAY).when(request(operation, request_hash)).then([
            IdempotencyKeyEvent::Used {
                operation: operation.to_owned(),
                request_hash: request_hash.to_owned(),
                expires_at: Timestamp(2 * DAY.0),
            },
        ]);
    }
}

#[test]
fn the_stream_is_named_by_a_hash_and_never_changes() {
    let stream = stream_of(ApiKeyId(Uuid::from_u128(1)), "k");
    assert_eq!(stream.kind(), StreamKind::IdempotencyKey);
    // printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1k' | sha256sum
    assert_eq!(stream.key(), "2ea6f34171d16d8c2d539a9c1d2c72bccd3d19c78bd41a2c737b103d8f5a14e5");
}

proptest! {
    #[test]
    fn every_caller_and_key_has_a_stream_of_its_own(a in any::<(u128, String)>(), b in any::<(u128, String)>()) {
        let stream = |(caller, key): &(u128, String)| stream_of(ApiKeyId(Uuid::from_u128(*caller)), key);
        prop_assert_eq!(stream(&a) == stream(&b), a == b);
        prop_assert_eq!(stream(&a).as_str().parse(), Ok(stream(&a)));
    }

    /// Whatever comes when: at every moment the key means one request, the first of its day.
    #[test]
    fn within_a_day_only_one_request_has_its_way(requests in proptest::collection::vec((0i64..40_000, 0u8..3), 1..30)) {
        let mut state = IdempotencyKeyState::default();
        let mut meant: Option<(Timestamp, u8)> = None;
        let mut now = Timestamp(0);
        for (seconds, which) in requests {
            now = Timestamp(now.0 + seconds * 1000);
            let decided = IdempotencyKeyDecider::decide(&state, &request("op", &which.to_string()), now);
            let current = meant.filter(|(since, _)| now < since.plus(IDEMPOTENCY_KEY_LIFETIME));
            match current {
                Some((_, first)) if first == which => prop_assert_eq!(decided, Ok(vec![])),
                Some(_) => prop_assert_eq!(decided, Err(IdempotencyKeyRefusal::Reused)),
                None => {
                    for event in decided.expect("it is free") {
                        state = IdempotencyKeyDecider::evolve(state, &event, now);
                    }
                    meant = Some((now, which));
                }
            }
            prop_assert_eq!(state.used_at(), meant.map(|(since, _)| since));
        }
    }
}
