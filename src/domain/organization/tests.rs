use proptest::prelude::*;
use serde_json::{Value, json};

use super::{OrganizationEvent::*, *};
use crate::{
    domain::{ClientId, Decider, OrganizationId, Timestamp, testing::Spec},
    protocol::{ClientMetadata, client_metadata::ClientMetadataInput},
};

type Given = Spec<OrganizationDecider>;

fn policy(json: &Value) -> OrganizationPolicy {
    serde_json::from_value::<OrganizationPolicyInput>(json.clone()).unwrap().into_policy().unwrap()
}

fn problems(json: Value) -> Vec<String> {
    let problems = serde_json::from_value::<OrganizationPolicyInput>(json).unwrap().into_policy().unwrap_err();
    problems.into_iter().map(|problem| problem.field).collect()
}

fn no_third_party() -> OrganizationPolicy {
    policy(&json!({"third_party": {"mode": "none_allowed"}}))
}

fn client(members: Value) -> ClientMetadata {
    let mut json = json!({"client_name": "Weather", "redirect_uris": ["https://weather.example.com/callback"]});
    json.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    serde_json::from_value::<ClientMetadataInput>(json).unwrap().into_metadata().unwrap()
}

fn weather() -> ClientId {
    ClientId::from("client_weather")
}

fn acme() -> OrganizationId {
    OrganizationId("acme".into())
}

fn in_acme(policy: &Value, members: Value) -> Vec<OrganizationReason> {
    verdict(Some((&acme(), &self::policy(policy))), &weather(), &client(members))
}

#[test]
fn a_policy_is_set_once() {
    Given::given([]).when(OrganizationCommand::SetPolicy { policy: OrganizationPolicy::default() }).then_nothing();
    let set = OrganizationCommand::SetPolicy { policy: no_third_party() };
    Given::given([]).when(set.clone()).then([PolicySet { policy: no_third_party() }]);
    Given::given([PolicySet { policy: no_third_party() }]).when(set).then_nothing();
}

#[test]
fn a_disconnection_is_pending_until_it_is_enforced() {
    let disconnected = || Given::given([]).at(Timestamp(7)).and([ClientDisconnected { client_id: weather() }]);
    let state = disconnected().state();
    assert_eq!((state.is_pending(), state.disconnected_at(&weather())), (true, Some(Timestamp(7))));
    let note = OrganizationCommand::NoteEnforced { change: ChangeNumber(1) };
    disconnected().when(note.clone()).then([Enforced { change: ChangeNumber(1) }]);
    let enforced = || disconnected().and([Enforced { change: ChangeNumber(1) }]);
    assert!(!enforced().state().is_pending());
    enforced().when(note).then_nothing();
    // The same again is another disconnection: somebody may have come back meanwhile.
    let again = OrganizationCommand::DisconnectClient { client_id: weather() };
    enforced().when(again).then([ClientDisconnected { client_id: weather() }]);
}

#[test]
fn enforcing_an_earlier_change_leaves_a_later_one_pending() {
    let two = Given::given([PolicySet { policy: no_third_party() }, ClientDisconnected { client_id: weather() }]);
    let state = two.and([Enforced { change: ChangeNumber(1) }]).state();
    assert!(state.is_pending());
    assert_eq!((state.change(), state.enforced()), (ChangeNumber(2), ChangeNumber(1)));
}

#[test]
fn what_is_still_to_come_is_not_enforced() {
    Given::given([]).when(OrganizationCommand::NoteEnforced { change: ChangeNumber(3) }).then_nothing();
    let one = Given::given([PolicySet { policy: no_third_party() }]);
    one.when(OrganizationCommand::NoteEnforced { change: ChangeNumber(3) }).then([Enforced { change: ChangeNumber(1) }]);
}

#[test]
fn without_a_policy_everybody_may() {
    for client_type in ["first_party", "third_party"] {
        assert_eq!(in_acme(&json!({}), json!({"client_type": client_type})), []);
    }
}

#[test]
fn each_type_has_a_rule_of_its_own() {
    use OrganizationReason::{ClientNotAllowed, ClientTypeNotAllowed};

    let first = |policy: &Value| in_acme(policy, json!({"client_type": "first_party"}));
    let third = |policy: &Value| in_acme(policy, json!({}));
    let none = json!({"third_party": {"mode": "none_allowed"}});
    assert_eq!((first(&none), third(&none)), (vec![], vec![ClientTypeNotAllowed]));
    let other = json!({"first_party": {"mode": "restricted", "clients": ["client_notes"]}});
    assert_eq!((first(&other), third(&other)), (vec![ClientNotAllowed], vec![]));
    let both = json!({"first_party": {"mode": "restricted", "clients": ["client_weather"]},
        "third_party": {"mode": "restricted", "clients": ["client_weather"]}});
    assert_eq!((first(&both), third(&both)), (vec![], vec![]));
}

#[test]
fn no_policy_is_about_machines() {
    let policy = json!({"first_party": {"mode": "none_allowed"}, "third_party": {"mode": "none_allowed"}});
    assert_eq!(in_acme(&policy, json!({"client_type": "machine", "redirect_uris": []})), []);
}

#[test]
fn a_client_of_an_organization_works_in_no_other_and_not_without_one() {
    let theirs = |organization: &str| client(json!({"organization_id": organization}));
    let none = [OrganizationReason::ClientOfAnotherOrganization];
    assert_eq!(verdict(Some((&acme(), &OrganizationPolicy::default())), &weather(), &theirs("acme")), []);
    assert_eq!(verdict(Some((&acme(), &OrganizationPolicy::default())), &weather(), &theirs("umbrella")), none);
    assert_eq!(verdict(None, &weather(), &theirs("acme")), none);
    assert_eq!(verdict(None, &weather(), &client(json!({}))), []);
    assert_eq!(
        verdict(Some((&acme(), &no_third_party())), &weather(), &theirs("umbrella")),
        [OrganizationReason::ClientOfAnotherOrganization, OrganizationReason::ClientTypeNotAllowed]
    );
}

#[test]
fn a_client_is_allowed_by_the_host_that_is_proven_to_be_its() {
    let policy = json!({"third_party": {"mode": "restricted", "hosts": ["Weather.Example.com"]}});
    assert_eq!(in_acme(&policy, json!({})), []);
    let uris = |uris: &[&str]| in_acme(&policy, json!({"redirect_uris": uris}));
    assert_eq!(uris(&["https://weather.example.com/a", "https://WEATHER.example.com:8443/b"]), []);
    for others in [
        ["https://weather.example.com/a", "https://evil.example/b"],
        ["https://weather.example.com/a", "http://127.0.0.1/b"],
        ["com.example.weather:/a", "https://weather.example.com/b"],
        ["https://weather.example.com.evil.example/a", "https://weather.example.com.evil.example/b"],
    ] {
        assert_eq!(uris(&others), [OrganizationReason::ClientNotAllowed], "{others:?}");
    }
}

#[test]
fn an_id_that_is_a_url_is_the_proof() {
    let elsewhere = client(json!({"redirect_uris": ["http://127.0.0.1/callback"]}));
    let host = |id: &str| verified_host(&ClientId::from(id), &elsewhere);
    assert_eq!(host("https://Chat.Example/oauth/client.json").as_deref(), Some("chat.example"));
    assert_eq!(host("https://chat.example@evil.example/client.json"), None);
    assert_eq!((host("http://chat.example/client.json"), host("client_weather")), (None, None));
}

#[test]
fn every_mistake_in_a_policy_is_named() {
    let policy = json!({
        "first_party": {"mode": "restricted", "clients": ["", "client_ok"], "hosts": ["app.example.com"]},
        "third_party": {"mode": "all_allowed", "hosts": ["https://x.example", "*.example.com", "x.example:443", "localhost", "ok.example"]},
    });
    assert_eq!(
        problems(policy),
        [
            "first_party.clients[0]",
            "third_party.hosts",
            "third_party.hosts[0]",
            "third_party.hosts[1]",
            "third_party.hosts[2]",
            "third_party.hosts[3]",
            "first_party.hosts"
        ]
    );
    let many: Vec<String> = (0..1001).map(|number| format!("client_{number}")).collect();
    assert_eq!(problems(json!({"third_party": {"mode": "restricted", "clients": many}})), ["third_party.clients"]);
}

proptest! {
    /// Whoever is in the list may, whatever else stands there; and nothing but the list decides under `restricted`.
    #[test]
    fn restricted_lets_in_exactly_who_is_listed(listed in prop::collection::btree_set(0..5_u8, 0..5), asked in 0..5_u8) {
        let id = |number: &u8| ClientId::from(format!("client_{number}").as_str());
        let rule = ClientRule { mode: RuleMode::Restricted, clients: listed.iter().map(id).collect(), ..ClientRule::default() };
        let policy = OrganizationPolicy { third_party: rule, ..OrganizationPolicy::default() };
        let reasons = verdict(Some((&acme(), &policy)), &id(&asked), &client(json!({})));
        prop_assert_eq!(reasons.is_empty(), listed.contains(&asked));
    }

    /// However changes and enforcements follow each other: nothing counts as enforced that is still to come.
    #[test]
    fn enforced_never_passes_the_last_change(steps in prop::collection::vec((0..3_u8, 0..6_u32), 0..30)) {
        let mut state = Organization::default();
        for (kind, number) in steps {
            let policy = if number % 2 == 0 { no_third_party() } else { OrganizationPolicy::default() };
            let command = match kind {
                0 => OrganizationCommand::SetPolicy { policy },
                1 => OrganizationCommand::DisconnectClient { client_id: weather() },
                _ => OrganizationCommand::NoteEnforced { change: ChangeNumber(number) },
            };
            let events = OrganizationDecider::decide(&state, &command, Timestamp(0)).unwrap();
            state = events.iter().fold(state, |state, event| state.evolve(event, Timestamp(0)));
            prop_assert!(state.enforced() <= state.change());
            prop_assert_eq!(state.is_pending(), state.enforced() != state.change());
        }
    }
}
