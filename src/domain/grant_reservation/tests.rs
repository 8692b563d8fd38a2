use uuid::Uuid;

use super::{GrantReservationDecider, GrantReservationEvent::Made, Reserve, stream_of};
use crate::domain::{ClientId, GrantId, OrganizationId, StreamKind, SubjectId, testing::Spec};

const FIRST: GrantId = GrantId(Uuid::from_u128(1));
const SECOND: GrantId = GrantId(Uuid::from_u128(2));
const THIRD: GrantId = GrantId(Uuid::from_u128(3));

#[test]
fn the_first_candidate_is_the_grant() {
    Spec::<GrantReservationDecider>::given([]).when(Reserve { candidate: FIRST, replaces: None }).then([Made { grant_id: FIRST }]);
}

#[test]
fn a_second_candidate_changes_nothing() {
    let spec = Spec::<GrantReservationDecider>::given([Made { grant_id: FIRST }]);
    spec.when(Reserve { candidate: SECOND, replaces: None }).then_nothing();
}

#[test]
fn a_grant_that_is_over_is_replaced_once() {
    let over = || Spec::<GrantReservationDecider>::given([Made { grant_id: FIRST }]);
    over().when(Reserve { candidate: SECOND, replaces: Some(FIRST) }).then([Made { grant_id: SECOND }]);
    let replaced = over().and([Made { grant_id: SECOND }]);
    replaced.when(Reserve { candidate: THIRD, replaces: Some(FIRST) }).then_nothing();
}

#[test]
fn the_reservation_names_the_latest_grant() {
    let state = Spec::<GrantReservationDecider>::given([Made { grant_id: FIRST }, Made { grant_id: SECOND }]).state();
    assert_eq!(state.grant_id(), Some(SECOND));
}

#[test]
fn different_parties_have_different_streams() {
    let subject = SubjectId(Uuid::from_u128(7));
    let organization = |name: &str| OrganizationId(name.into());
    let streams = [
        stream_of(subject, &ClientId::from("ab"), None),
        stream_of(subject, &ClientId::from("ab"), Some(&organization(""))),
        stream_of(subject, &ClientId::from("a"), Some(&organization("b"))),
        stream_of(subject, &ClientId::from("ab"), Some(&organization("b"))),
        stream_of(SubjectId(Uuid::from_u128(8)), &ClientId::from("ab"), None),
    ];
    let distinct: std::collections::BTreeSet<_> = streams.iter().collect();
    assert_eq!(distinct.len(), streams.len());
    assert!(streams.iter().all(|stream| stream.kind() == StreamKind::GrantReservation && stream.key().len() == 64));
}

#[test]
fn the_stream_of_the_same_parties_never_changes() {
    let stream = stream_of(SubjectId(Uuid::from_u128(7)), &ClientId::from("app"), Some(&OrganizationId("acme".into())));
    assert_eq!(stream.as_str(), "grant_reservation-fe5dacffe5a428e7e629f3a25f3b8de454e03f6caa8dfb51bafbc7d5fc2cde1c");
}
