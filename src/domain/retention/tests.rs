use super::*;
use crate::{
    domain::{
        ClientId,
        catalog::reference::{EVENT_TYPES, is_issuance},
        grant::GrantEvent,
        machine_token::MachineTokenEvent,
        segment::SegmentEvent,
    },
    protocol::AccessTokenFormat,
};

const DAY: i64 = 86_400_000;

fn issued(expires_at: i64) -> Event {
    let client_id = ClientId::from("robot");
    let format = AccessTokenFormat::Jwt;
    let scope = "orders:read".parse().expect("a scope");
    MachineTokenEvent::Issued { client_id, scope, audience: vec![], format, expires_at: Timestamp(expires_at) }.into()
}

fn used(expires_at: i64) -> Event {
    let (operation, request_hash) = ("createClient".to_owned(), "hash".to_owned());
    IdempotencyKeyEvent::Used { operation, request_hash, expires_at: Timestamp(expires_at) }.into()
}

fn places(history: &[(i64, Event)], now: i64, cutoff: i64) -> Vec<usize> {
    let history = history.iter().map(|(at, event)| (Timestamp(*at), event.clone())).collect();
    dispensable(history, Timestamp(now), Timestamp(cutoff))
}

#[test]
fn a_machine_token_goes_when_it_is_old_and_was_forgotten() {
    let token = [(1, issued(10))];
    assert_eq!(places(&token, 10 + DAY, 2), [0]);
    assert!(places(&token, 9 + DAY, 2).is_empty(), "it is remembered");
    assert!(places(&token, 10 + DAY, 1).is_empty(), "it is not old");
}

#[test]
fn a_revoked_machine_token_stays() {
    let revoked = [(1, issued(10)), (2, MachineTokenEvent::Revoked {}.into())];
    assert!(places(&revoked, 9 * DAY, 8 * DAY).is_empty());
}

#[test]
fn a_key_that_means_something_keeps_its_stream() {
    let keys = [(1, used(DAY)), (3 * DAY, used(4 * DAY))];
    assert!(places(&keys, 4 * DAY, 2 * DAY).is_empty());
    assert_eq!(places(&keys, 9 * DAY, 8 * DAY), [0, 1]);
}

#[test]
fn nothing_is_lost_of_what_is_unknown() {
    assert!(places(&[], DAY, DAY).is_empty());
    let strange = [(1, Event::from(SegmentEvent::Dropped {})), (1, issued(1))];
    assert!(places(&strange, 9 * DAY, 8 * DAY).is_empty());
    let mixed = [
        (1, Event::from(GrantEvent::CodeReplayed { authorization_id: crate::domain::AuthorizationId(uuid::Uuid::nil()) })),
        (1, issued(1)),
    ];
    assert!(places(&mixed, 9 * DAY, 8 * DAY).is_empty());
}

/// Every stream that consists of one event: what the catalog calls issuance may go, and nothing else.
#[test]
fn the_catalog_says_the_same() {
    let mut dropped: Vec<_> = [issued(1), used(1)].into_iter().map(|event| event.encode().kind).collect();
    dropped.retain(|kind| !is_issuance(kind));
    assert!(dropped.is_empty(), "{dropped:?}");
    assert!(EVENT_TYPES.iter().any(|known| !is_issuance(known.name)));
}
