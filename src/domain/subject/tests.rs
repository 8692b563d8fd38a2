use std::collections::BTreeSet;

use uuid::Uuid;

use super::{SubjectEvent::*, *};
use crate::domain::{Decider, OrganizationId, Timestamp, testing::Spec};

type Given = Spec<SubjectDecider>;

fn acme() -> OrganizationId {
    OrganizationId("acme".into())
}

fn roles(roles: &[&str]) -> BTreeSet<String> {
    roles.iter().map(|role| (*role).to_owned()).collect()
}

fn set(names: &[&str], effect: RoleChangeEffect) -> SubjectCommand {
    SubjectCommand::SetRoles { organization_id: Some(acme()), roles: roles(names), effect }
}

fn were_set(names: &[&str], effect: RoleChangeEffect) -> SubjectEvent {
    RolesSet { organization_id: Some(acme()), roles: roles(names), effect }
}

fn leave(effect: RoleChangeEffect) -> SubjectCommand {
    SubjectCommand::LeaveOrganization { organization_id: acme(), effect }
}

fn left(effect: RoleChangeEffect) -> SubjectEvent {
    LeftOrganization { organization_id: acme(), effect }
}

use RoleChangeEffect::{Keep, Narrow, Revoke};

#[test]
fn a_subject_is_registered_once() {
    Given::given([]).when(SubjectCommand::Register).then([Registered {}]);
    Given::given([Registered {}]).when(SubjectCommand::Register).then_nothing();
}

#[test]
fn a_subject_exists_from_its_registration_on() {
    assert!(!Subject::default().exists());
    let subject = SubjectDecider::evolve(Subject::default(), &Registered {}, Timestamp(7));
    assert_eq!((subject.exists(), subject.registered_at()), (true, Some(Timestamp(7))));
}

#[test]
fn roles_are_recorded_when_they_differ() {
    let known = || Given::given([Registered {}, were_set(&["editor"], Keep)]);
    Given::given([Registered {}]).when(set(&["editor"], Keep)).then([were_set(&["editor"], Keep)]);
    known().when(set(&["editor"], Keep)).then_nothing();
    known().when(set(&[], Narrow)).then([were_set(&[], Narrow)]);
    Given::given([Registered {}]).when(set(&[], Keep)).then_nothing();
    Given::given([]).when(set(&["editor"], Keep)).then_nothing();
}

#[test]
fn roles_differ_from_organization_to_organization() {
    let everywhere = SubjectCommand::SetRoles { organization_id: None, roles: roles(&["editor"]), effect: Keep };
    let known = || Given::given([Registered {}, were_set(&["editor"], Keep)]);
    known().when(everywhere).then([RolesSet { organization_id: None, roles: roles(&["editor"]), effect: Keep }]);
    let subject = known().state();
    assert_eq!((subject.roles(Some(&acme())), subject.roles(None)), (Some(&roles(&["editor"])), None));
}

#[test]
fn more_roles_take_nothing_away() {
    let known = || Given::given([Registered {}, were_set(&["editor"], Keep)]);
    known().when(set(&["editor", "owner"], Revoke)).then([were_set(&["editor", "owner"], Keep)]);
    known().when(set(&["owner"], Revoke)).then([were_set(&["owner"], Revoke)]);
}

#[test]
fn what_was_taken_away_is_pending_until_it_is_enforced() {
    let given = || Given::given([Registered {}, were_set(&["owner"], Keep), were_set(&["editor"], Narrow)]);
    let pending = Pending { change: SubjectChange(1), effect: Narrow };
    assert_eq!(given().state().pending().get(&Some(acme())), Some(&pending));
    let note = SubjectCommand::NoteEnforced { change: SubjectChange(1) };
    given().when(note.clone()).then([Enforced { change: SubjectChange(1) }]);
    let enforced = || given().and([Enforced { change: SubjectChange(1) }]);
    assert!(enforced().state().pending().is_empty());
    enforced().when(note).then_nothing();
}

#[test]
fn a_later_change_stays_pending_when_an_earlier_one_is_enforced() {
    let everywhere = RolesSet { organization_id: None, roles: roles(&[]), effect: Revoke };
    let given = Given::given([Registered {}, were_set(&["editor"], Narrow), everywhere, Enforced { change: SubjectChange(1) }]);
    assert_eq!(given.state().pending().keys().collect::<Vec<_>>(), [&None]);
}

#[test]
fn what_only_adds_leaves_what_is_pending_pending() {
    let given = Given::given([Registered {}, were_set(&["editor"], Revoke), were_set(&["editor", "owner"], Keep)]);
    assert_eq!(given.state().pending().len(), 1);
}

#[test]
fn whoever_leaves_an_organization_has_no_roles_there() {
    let member = || Given::given([Registered {}, were_set(&["editor"], Keep)]).at(Timestamp(7));
    member().when(leave(Narrow)).then([left(Narrow)]);
    let gone = || member().and([left(Narrow)]);
    let subject = gone().state();
    assert_eq!((subject.roles(Some(&acme())), subject.left_at(&acme()), subject.has_left(&acme())), (None, Some(Timestamp(7)), true));
    gone().when(leave(Narrow)).then_nothing();
    Given::given([]).when(leave(Narrow)).then_nothing();
    // They may have been a member without a role.
    Given::given([Registered {}]).when(leave(Revoke)).then([left(Revoke)]);
}

#[test]
fn whoever_comes_back_is_a_member_again_and_what_was_before_is_over() {
    let back = Given::given([Registered {}]).at(Timestamp(7)).and([left(Revoke)]);
    back.when(set(&[], Keep)).then([were_set(&[], Keep)]);
    let subject = Given::given([Registered {}]).at(Timestamp(7)).and([left(Revoke), were_set(&[], Keep)]).state();
    assert_eq!((subject.has_left(&acme()), subject.left_at(&acme())), (false, Some(Timestamp(7))));
}

fn erasure(number: u128) -> ErasureId {
    ErasureId(Uuid::from_u128(number))
}

fn erase(number: u128) -> SubjectCommand {
    SubjectCommand::Erase { erasure_id: erasure(number) }
}

fn was_erased(number: u128) -> SubjectEvent {
    Erased { erasure_id: erasure(number) }
}

#[test]
fn a_person_is_erased_once_under_the_first_name() {
    Given::given([Registered {}]).when(erase(1)).then([was_erased(1)]);
    Given::given([Registered {}, was_erased(1)]).when(erase(2)).then_nothing();
    let subject = Given::given([Registered {}, was_erased(1)]).state();
    assert_eq!((subject.exists(), subject.erased(), subject.is_being_erased()), (true, Some(erasure(1)), true));
}

#[test]
fn whoever_was_about_to_be_registered_is_erased_too() {
    Given::given([]).when(erase(1)).then([Registered {}, was_erased(1)]);
}

#[test]
fn an_erasure_is_completed_once() {
    let complete = || SubjectCommand::CompleteErasure { grants_ended: 3 };
    Given::given([Registered {}]).when(complete()).then_nothing();
    let erased = || Given::given([Registered {}, was_erased(1)]);
    erased().when(complete()).then([ErasureCompleted { grants_ended: 3 }]);
    let completed = || erased().and([ErasureCompleted { grants_ended: 3 }]);
    completed().when(complete()).then_nothing();
    completed().when(erase(2)).then_nothing();
    assert_eq!((completed().state().erased(), completed().state().is_being_erased()), (Some(erasure(1)), false));
}

#[test]
fn nothing_is_known_or_learnt_of_a_person_who_was_erased() {
    let known = || Given::given([Registered {}, were_set(&["owner"], Keep), were_set(&["editor"], Narrow)]);
    let erased = || known().and([was_erased(1)]);
    let subject = erased().state();
    assert_eq!((subject.roles(Some(&acme())), subject.pending().len()), (None, 0));
    for command in
        [SubjectCommand::Register, set(&["owner"], Keep), leave(Revoke), SubjectCommand::NoteEnforced { change: SubjectChange(1) }]
    {
        erased().when(command).then_nothing();
    }
}

#[test]
fn leaving_ends_nothing_where_everything_is_kept() {
    let subject = Given::given([Registered {}, were_set(&["editor"], Keep), left(Keep)]).state();
    assert_eq!((subject.left_at(&acme()), subject.pending().len(), subject.roles(Some(&acme()))), (None, 0, None));
}
