use proptest::prelude::*;
use serde_json::{Value, json};

use super::{PolicyCommand::Publish, PolicyProblemCode as Code, *};
use crate::{
    domain::{Timestamp, testing::Spec},
    protocol::Scope,
};

fn document(json: Value) -> PolicyDocument {
    serde_json::from_value(json).expect("a document")
}

fn on(resource: &str, actions: &[&str]) -> Value {
    json!({"resource": resource, "actions": actions})
}

/// Documents and invoices, three roles and three scopes.
fn sound() -> Value {
    json!({
        "resources": [
            {"resource": "documents", "description": "What people write", "actions": ["read", "write", "delete"]},
            {"resource": "invoices", "actions": ["read"]},
        ],
        "roles": [
            {"role": "owner", "permissions": [on("documents", &["*"]), on("invoices", &["read"])]},
            {"role": "writer", "permissions": [on("documents", &["read", "write"])]},
            {"role": "guest"},
        ],
        "scopes": [
            {"scope": "documents.read", "description": "Read your documents", "descriptions": {"de": "Deine Dokumente lesen", "pt-BR": "Ler"},
             "permissions": [on("documents", &["read"])]},
            {"scope": "documents", "description": "Do everything with your documents", "permissions": [on("documents", &["*"])]},
            {"scope": "openid", "description": "Know who you are", "descriptions": {"de": "Wissen, wer du bist"}},
        ],
    })
}

fn policy() -> Policy {
    Policy::new(document(sound())).expect("a sound policy")
}

fn with(pointer: &str, value: Value) -> Vec<(String, Code)> {
    let mut changed = sound();
    *changed.pointer_mut(pointer).expect("a place") = value;
    let problems = Policy::new(document(changed)).err().unwrap_or_default();
    problems.into_iter().map(|problem| (problem.path, problem.code)).collect()
}

fn publish(policy: Policy, expected_version: Option<u32>) -> PolicyCommand {
    Publish { policy: Box::new(policy), expected_version }
}

fn published(version: u32, document: PolicyDocument) -> PolicyEvent {
    PolicyEvent::Published { version, document }
}

fn scope(text: &str) -> Scope {
    text.parse().expect("a scope")
}

fn roles(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

// What must hold

#[test]
fn each_mistake_has_its_place_and_its_code() {
    let long = "x".repeat(256);
    let cases = [
        (
            "/resources/1/resource",
            json!("documents"),
            vec![("resources[1].resource", Code::Duplicate), ("roles[0].permissions[1].resource", Code::UnknownResource)],
        ),
        (
            "/resources/1/resource",
            json!(""),
            vec![("resources[1].resource", Code::Empty), ("roles[0].permissions[1].resource", Code::UnknownResource)],
        ),
        (
            "/resources/1/actions",
            json!([]),
            vec![("resources[1].actions", Code::Empty), ("roles[0].permissions[1].actions[0]", Code::UnknownAction)],
        ),
        ("/resources/1/actions", json!(["read", "read"]), vec![("resources[1].actions[1]", Code::Duplicate)]),
        ("/resources/1/actions", json!(["read", "*"]), vec![("resources[1].actions[1]", Code::Reserved)]),
        ("/resources/0/description", json!("a\u{0}"), vec![("resources[0].description", Code::Malformed)]),
        ("/roles/2/role", json!(long), vec![("roles[2].role", Code::TooLong)]),
        ("/roles/2/role", json!(" guest"), vec![("roles[2].role", Code::Malformed)]),
        ("/roles/2/role", json!("owner"), vec![("roles[2].role", Code::Duplicate)]),
        ("/roles/1/permissions/0/resource", json!("letters"), vec![("roles[1].permissions[0].resource", Code::UnknownResource)]),
        ("/roles/1/permissions/0/actions", json!(["read", "burn"]), vec![("roles[1].permissions[0].actions[1]", Code::UnknownAction)]),
        ("/roles/1/permissions/0/actions", json!(["*", "read"]), vec![("roles[1].permissions[0].actions", Code::WildcardNotAlone)]),
        ("/roles/1/permissions/0/actions", json!([]), vec![("roles[1].permissions[0].actions", Code::Empty)]),
        ("/roles/0/permissions/1", on("documents", &["read"]), vec![("roles[0].permissions[1].resource", Code::Duplicate)]),
        ("/scopes/0/scope", json!(""), vec![("scopes[0].scope", Code::Empty)]),
        ("/scopes/0/scope", json!("a b"), vec![("scopes[0].scope", Code::MalformedScope)]),
        ("/scopes/0/scope", json!("documents"), vec![("scopes[1].scope", Code::Duplicate)]),
        ("/scopes/0/description", json!(" "), vec![("scopes[0].description", Code::Empty)]),
        ("/scopes/0/description", json!("x".repeat(1001)), vec![("scopes[0].description", Code::TooLong)]),
        ("/scopes/0/descriptions", json!({"d": "x"}), vec![("scopes[0].descriptions.d", Code::MalformedLocale)]),
        ("/scopes/0/descriptions", json!({"DE": "x", "de": "y"}), vec![("scopes[0].descriptions.de", Code::Duplicate)]),
        ("/scopes/0/descriptions", json!({"de": ""}), vec![("scopes[0].descriptions.de", Code::Empty)]),
        ("/scopes/0/permissions", json!([]), vec![("scopes[0].permissions", Code::NoPermissions)]),
        ("/scopes/0/scope", json!("full_access"), vec![("scopes[0].permissions", Code::Reserved)]),
        ("/scopes/0/scope", json!("email"), vec![("scopes[0].permissions", Code::Reserved)]),
    ];
    for (pointer, value, expected) in cases {
        let expected: Vec<_> = expected.into_iter().map(|(path, code)| (path.to_owned(), code)).collect();
        assert_eq!(with(pointer, value.clone()), expected, "{pointer} = {value}");
    }
}

#[test]
fn every_mistake_is_named_at_once() {
    let wrong = json!({
        "resources": [{"resource": "", "actions": []}],
        "roles": [{"role": "a", "permissions": [on("letters", &["*", "read"])]}],
        "scopes": [{"scope": "a b", "description": ""}],
    });
    let problems = Policy::new(document(wrong)).unwrap_err();
    let found: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.code)).collect();
    assert_eq!(
        found,
        [
            ("resources[0].resource", Code::Empty),
            ("resources[0].actions", Code::Empty),
            ("roles[0].permissions[0].actions", Code::WildcardNotAlone),
            ("roles[0].permissions[0].resource", Code::UnknownResource),
            ("scopes[0].scope", Code::MalformedScope),
            ("scopes[0].description", Code::Empty),
            ("scopes[0].permissions", Code::NoPermissions),
        ]
    );
}

#[test]
fn there_may_not_be_too_many_of_anything() {
    let resource = |i: usize| json!({"resource": format!("r{i}"), "actions": ["read"]});
    let role = |i: usize| json!({"role": format!("r{i}")});
    let scope = |i: usize| json!({"scope": format!("s{i}"), "description": "S", "permissions": [on("documents", &["read"])]});
    assert_eq!(with("/roles", (0..1001).map(role).collect()), [("roles".to_owned(), Code::TooMany)]);
    assert_eq!(with("/scopes", (0..1001).map(scope).collect()), [("scopes".to_owned(), Code::TooMany)]);
    assert_eq!(with("/resources", (0..1001).map(resource).collect())[0], ("resources".to_owned(), Code::TooMany));
    let actions = (0..101).map(|i| json!(format!("a{i}"))).chain([json!("read")]).collect();
    assert_eq!(with("/resources/1/actions", actions), [("resources[1].actions".to_owned(), Code::TooMany)]);
}

#[test]
fn a_member_that_is_not_known_is_no_policy() {
    for (pointer, name) in [("", "x"), ("/resources/0", "x"), ("/roles/0", "x"), ("/scopes/0", "x"), ("/roles/0/permissions/0", "x")] {
        let mut changed = sound();
        changed.pointer_mut(pointer).unwrap()[name] = json!(1);
        assert!(serde_json::from_value::<PolicyDocument>(changed).is_err(), "{pointer}");
    }
}

// Publishing

#[test]
fn versions_are_counted_from_one() {
    Spec::<PolicyDecider>::given([]).when(publish(policy(), None)).then([published(1, document(sound()))]);
    let first = published(1, PolicyDocument::default());
    Spec::<PolicyDecider>::given([first]).when(publish(policy(), Some(1))).then([published(2, document(sound()))]);
}

#[test]
fn the_first_policy_may_be_empty() {
    Spec::<PolicyDecider>::given([]).when(publish(Policy::default(), Some(0))).then([published(1, PolicyDocument::default())]);
}

#[test]
fn a_policy_is_published_after_the_version_that_its_author_saw() {
    let given = || Spec::<PolicyDecider>::given([published(1, PolicyDocument::default())]);
    for expected in [0, 2] {
        given().when(publish(policy(), Some(expected))).then_refused(PolicyRefusal::AnotherVersion(1));
    }
}

#[test]
fn the_same_policy_again_records_nothing() {
    let given = || Spec::<PolicyDecider>::given([published(1, document(sound()))]);
    given().when(publish(policy(), None)).then_nothing();
    // Whoever missed the answer sends it again as it was.
    given().when(publish(policy(), Some(0))).then_nothing();
}

#[test]
fn the_policy_in_force_is_the_last_one() {
    let state =
        Spec::<PolicyDecider>::given([published(1, PolicyDocument::default())]).at(Timestamp(5)).and([published(2, document(sound()))]);
    let state = state.state();
    assert_eq!((state.version(), state.published_at(), &**state.policy()), (2, Some(Timestamp(5)), &policy()));
}

// Verdicts

#[test]
fn a_role_permits_what_it_names_and_several_permit_together() {
    let may = |names: &[&str], resource: &str, action: &str| policy().permitted_to(&roles(names)).hold(resource, action);
    assert!(may(&["owner"], "documents", "delete") && may(&["owner"], "invoices", "read"));
    assert!(may(&["writer"], "documents", "write") && !may(&["writer"], "documents", "delete") && !may(&["writer"], "invoices", "read"));
    assert!(may(&["guest", "writer"], "documents", "read"));
    assert!(!may(&["guest"], "documents", "read") && !may(&["unheard of"], "documents", "read") && !may(&["owner"], "documents", "*"));
}

#[test]
fn a_token_permits_what_one_of_its_scopes_does() {
    let policy = policy();
    let check = |text: &str, resource, action| check_permission(&policy, PermissionCheck { scope: &scope(text), resource, action });
    assert_eq!(check("documents.read openid", "documents", "read"), Ok(scope("documents.read")));
    assert_eq!(check("documents documents.read", "documents", "read"), Ok(scope("documents documents.read")));
    assert_eq!(check("documents.read openid", "documents", "write"), Err(CheckDenial::InsufficientScope));
    assert_eq!(check("unheard.of openid", "documents", "read"), Err(CheckDenial::InsufficientScope));
    for (resource, action) in [("documents", "burn"), ("letters", "read"), ("documents", "*"), ("", "")] {
        assert_eq!(check("documents full_access", resource, action), Err(CheckDenial::UnknownPermission));
    }
    assert_eq!(check("full_access", "invoices", "read"), Ok(scope("full_access")));
}

#[test]
fn a_scope_is_described_in_the_language_of_the_reader() {
    let policy = policy();
    let described = |name, locales| policy.description(name, locales);
    assert_eq!(described("documents.read", Some("de-CH en")), Some("Deine Dokumente lesen"));
    assert_eq!(described("documents.read", Some("fr pt-BR")), Some("Ler"));
    assert_eq!(described("documents.read", Some("fr")), Some("Read your documents"));
    assert_eq!((described("openid", Some("de")), described("openid", None)), (Some("Wissen, wer du bist"), Some("Know who you are")));
    assert_eq!(described("email", Some("de")), None);
}

// Changes

#[test]
fn what_changes_is_what_is_permitted() {
    let mut after = sound();
    after["scopes"][0]["permissions"] = json!([on("documents", &["write"])]);
    after["scopes"][1]["description"] = json!("Other words change nothing");
    after["scopes"][2] = json!({"scope": "invoices", "description": "See invoices", "permissions": [on("invoices", &["*"])]});
    after["roles"].as_array_mut().unwrap().remove(1);
    let changes = PolicyChanges::between(&policy(), &Policy::new(document(after)).unwrap());
    let permission =
        |resource: &str, action: &str| vec![PolicyPermission { resource: resource.to_owned(), actions: vec![action.to_owned()] }];
    let change = |name: &str, gained, lost| PermissionChange { name: name.to_owned(), added: false, removed: false, gained, lost };
    assert_eq!(
        changes.scopes,
        [
            change("documents.read", permission("documents", "write"), permission("documents", "read")),
            PermissionChange { added: true, ..change("invoices", permission("invoices", "read"), vec![]) },
            PermissionChange { removed: true, ..change("openid", vec![], vec![]) },
        ]
    );
    let [role] = &changes.roles[..] else { panic!("{:?}", changes.roles) };
    assert_eq!((role.name.as_str(), role.removed, role.gained.len(), role.lost[0].actions.len()), ("writer", true, 0, 2));
    let affected = changes.affect(&scope("documents documents.read invoices openid"));
    assert_eq!(affected, (scope(""), scope("documents.read invoices"), scope("documents.read")));
    let nothing = PolicyChanges::between(&policy(), &Policy::default());
    assert_eq!(nothing.affect(&scope("documents openid")), (scope("documents"), scope(""), scope("")));
}

#[test]
fn the_same_policy_changes_nothing() {
    assert_eq!(PolicyChanges::between(&policy(), &policy()), PolicyChanges::default());
}

proptest! {
    /// Whoever may do what a scope permits can grant it, and by the changes nothing is hidden.
    #[test]
    fn what_is_gained_and_lost_leads_from_one_to_the_other(
        before in prop::collection::btree_set(prop::sample::select(&["read", "write", "delete"][..]), 1..=3),
        after in prop::collection::btree_set(prop::sample::select(&["read", "write", "delete"][..]), 1..=3),
    ) {
        let policy_of = |actions: &std::collections::BTreeSet<&str>| {
            let mut changed = sound();
            changed["scopes"][0]["permissions"] = json!([{"resource": "documents", "actions": actions}]);
            Policy::new(document(changed)).unwrap()
        };
        let changes = PolicyChanges::between(&policy_of(&before), &policy_of(&after));
        let names = |permissions: &[PolicyPermission]| permissions.iter().flat_map(|one| one.actions.clone()).collect::<Vec<_>>();
        let (gained, lost) = changes.scopes.first().map(|change| (names(&change.gained), names(&change.lost))).unwrap_or_default();
        prop_assert_eq!(gained, after.difference(&before).map(ToString::to_string).collect::<Vec<_>>());
        prop_assert_eq!(lost, before.difference(&after).map(ToString::to_string).collect::<Vec<_>>());
    }
}
