use serde_json::json;

use super::{
    ResourceServerCommand::{Delete, Register, Update},
    *,
};
use crate::{
    domain::{Timestamp, testing::Spec},
    protocol::{ResourceServerInput, ResourceServerSettings},
};

type Given = Spec<ResourceServerDecider>;

fn settings(name: &str) -> ResourceServerSettings {
    let input: ResourceServerInput = serde_json::from_value(json!({"identifier": "https://notes.example.com/", "name": name})).unwrap();
    input.into_settings().unwrap()
}

fn registered() -> ResourceServerEvent {
    ResourceServerEvent::Registered { settings: settings("Notes") }
}

fn deleted() -> ResourceServerEvent {
    ResourceServerEvent::Deleted {}
}

#[test]
fn an_identifier_is_registered_once() {
    let register = || Register { settings: settings("Notes") };
    Given::given([]).when(register()).then([registered()]);
    Given::given([registered()]).when(register()).then_refused(ResourceServerRefusal::AlreadyExists);
}

#[test]
fn what_was_deleted_may_be_registered_again() {
    let register = Register { settings: settings("Notes 2") };
    Given::given([registered(), deleted()]).when(register).then([ResourceServerEvent::Registered { settings: settings("Notes 2") }]);
    let state = Given::given([registered(), deleted()]).at(Timestamp(5)).and([registered()]).state();
    assert_eq!((state.settings().is_some(), state.registered_at()), (true, Some(Timestamp(5))));
}

#[test]
fn an_update_replaces_everything_but_the_identifier() {
    let updated = ResourceServerEvent::Updated { settings: settings("Notes 2") };
    Given::given([registered()]).when(Update { settings: settings("Notes 2") }).then([updated]);
    Given::given([registered()]).when(Update { settings: settings("Notes") }).then_nothing();
    let moved = ResourceServerSettings { identifier: "https://other.example.com/".to_owned(), ..settings("Notes") };
    Given::given([registered()]).when(Update { settings: moved }).then_refused(ResourceServerRefusal::IdentifierChanged);
    for past in [vec![], vec![registered(), deleted()]] {
        Given::given(past).when(Update { settings: settings("Notes") }).then_refused(ResourceServerRefusal::NotFound);
    }
}

#[test]
fn deleting_twice_is_no_error() {
    Given::given([registered()]).when(Delete).then([deleted()]);
    Given::given([registered(), deleted()]).when(Delete).then_nothing();
    Given::given([]).when(Delete).then_refused(ResourceServerRefusal::NotFound);
    assert_eq!(Given::given([registered(), deleted()]).state().settings(), None);
}
