use std::convert::Infallible;

use super::SubjectEvent;
use crate::domain::{Decider, Timestamp};

/// A person, folded from their events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    registered_at: Option<Timestamp>,
}

impl Subject {
    /// Whether the person was ever attested.
    pub fn exists(&self) -> bool {
        self.registered_at.is_some()
    }

    /// When the person was attested for the first time.
    pub fn registered_at(&self) -> Option<Timestamp> {
        self.registered_at
    }
}

/// What can be asked of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectCommand {
    /// Begin to exist, if it does not yet.
    Register,
}

/// What may happen to a subject. Nothing is refused.
#[derive(Debug)]
pub struct SubjectDecider;

impl Decider for SubjectDecider {
    type State = Subject;
    type Command = SubjectCommand;
    type Event = SubjectEvent;
    type Refusal = Infallible;

    fn decide(subject: &Subject, command: &SubjectCommand, _now: Timestamp) -> Result<Vec<SubjectEvent>, Infallible> {
        match command {
            SubjectCommand::Register if subject.exists() => Ok(vec![]),
            SubjectCommand::Register => Ok(vec![SubjectEvent::Registered {}]),
        }
    }

    fn evolve(_subject: Subject, event: &SubjectEvent, at: Timestamp) -> Subject {
        match event {
            SubjectEvent::Registered {} => Subject { registered_at: Some(at) },
        }
    }
}
