use super::*;
use crate::domain::{Decider, Timestamp, testing::Spec};

#[test]
fn a_subject_is_registered_once() {
    Spec::<SubjectDecider>::given([]).when(SubjectCommand::Register).then([SubjectEvent::Registered {}]);
    Spec::<SubjectDecider>::given([SubjectEvent::Registered {}]).when(SubjectCommand::Register).then_nothing();
}

#[test]
fn a_subject_exists_from_its_registration_on() {
    assert!(!Subject::default().exists());
    let subject = SubjectDecider::evolve(Subject::default(), &SubjectEvent::Registered {}, Timestamp(7));
    assert_eq!((subject.exists(), subject.registered_at()), (true, Some(Timestamp(7))));
}
