use serde_json::json;

use super::{AssignClient, ClientRegistrationDecider, ClientRegistrationEvent::Assigned, stream_of};
use crate::{
    domain::{ClientId, StreamKind, testing::Spec},
    protocol::ClientMetadata,
};

fn client(name: &str) -> ClientId {
    ClientId::from(name)
}

fn assigned(name: &str) -> super::ClientRegistrationEvent {
    Assigned { client_id: client(name) }
}

fn assign(candidate: &str, replaces: Option<&str>) -> AssignClient {
    AssignClient { candidate: client(candidate), replaces: replaces.map(client) }
}

fn metadata(name: &str, redirect_uris: &[&str], grant_types: &[&str]) -> ClientMetadata {
    serde_json::from_value(json!({
        "client_type": "third_party", "token_endpoint_auth_method": "none", "client_name": name, "redirect_uris": redirect_uris,
        "grant_types": grant_types, "scope": "openid", "id_token_signed_response_alg": "RS256", "access_token_format": "jwt",
    }))
    .expect("metadata of a client")
}

#[test]
fn the_first_candidate_is_the_client() {
    Spec::<ClientRegistrationDecider>::given([]).when(assign("a", None)).then([assigned("a")]);
}

#[test]
fn a_second_candidate_changes_nothing() {
    Spec::<ClientRegistrationDecider>::given([assigned("a")]).when(assign("b", None)).then_nothing();
}

#[test]
fn a_client_that_is_gone_is_replaced_once() {
    let gone = || Spec::<ClientRegistrationDecider>::given([assigned("a")]);
    gone().when(assign("b", Some("a"))).then([assigned("b")]);
    gone().and([assigned("b")]).when(assign("c", Some("a"))).then_nothing();
    assert_eq!(gone().and([assigned("b")]).state().client_id(), Some(&client("b")));
}

#[test]
fn the_order_of_redirect_uris_and_grant_types_means_nothing() {
    let both = ["authorization_code", "refresh_token"];
    let one = stream_of(&metadata("App", &["https://a.example/", "https://b.example/"], &both));
    let same = stream_of(&metadata("App", &["https://b.example/", "https://a.example/"], &[both[1], both[0]]));
    assert_eq!(one, same);
}

#[test]
fn another_description_has_another_stream() {
    let streams = [
        stream_of(&metadata("App", &["https://a.example/"], &["authorization_code"])),
        stream_of(&metadata("app", &["https://a.example/"], &["authorization_code"])),
        stream_of(&metadata("App", &["https://a.example/x"], &["authorization_code"])),
        stream_of(&metadata("App", &["https://a.example/"], &["authorization_code", "refresh_token"])),
    ];
    let distinct: std::collections::BTreeSet<_> = streams.iter().collect();
    assert_eq!(distinct.len(), streams.len());
    assert!(streams.iter().all(|stream| stream.kind() == StreamKind::ClientRegistration && stream.key().len() == 64));
}

#[test]
fn the_stream_of_a_description_never_changes() {
    let stream = stream_of(&metadata("App", &["https://a.example/"], &["authorization_code"]));
    assert_eq!(stream.as_str(), "client_registration-2ed3a16ef1a931457a1a736636b93daf77beda47365d42025858d2bcc4212b82");
}
