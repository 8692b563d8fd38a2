use super::*;
use crate::domain::{Decider, Timestamp, testing::Spec};

#[test]
fn every_read_is_recorded_also_the_same_one_again() {
    let filters = Filters { client_id: Some("client_1".into()), ..Filters::default() };
    let command = AuditCommand::Record { what: Question::Events, filters: filters.clone() };
    let read = AuditEvent::Read { what: Question::Events, filters };
    Spec::<AuditDecider>::given([]).when(command.clone()).then([read.clone()]);
    Spec::<AuditDecider>::given([read.clone()]).when(command).then([read.clone()]);
    assert_eq!(AuditDecider::evolve(Audit::default(), &read, Timestamp(7)).reads(), 1);
}
