use std::convert::Infallible;

use super::{AuditEvent, Filters, Question};
use crate::domain::{Decider, Timestamp};

/// The record of one reader on one day. Nothing is decided by what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    reads: u64,
}

impl Audit {
    /// How often the reader asked.
    pub fn reads(self) -> u64 {
        self.reads
    }
}

/// What can be asked of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditCommand {
    /// Keep that this was read.
    Record {
        /// What.
        what: Question,
        /// About whom and when.
        filters: Filters,
    },
}

/// What may happen to a record. Nothing is refused.
#[derive(Debug)]
pub struct AuditDecider;

impl Decider for AuditDecider {
    type State = Audit;
    type Command = AuditCommand;
    type Event = AuditEvent;
    type Refusal = Infallible;

    fn decide(_audit: &Audit, command: &AuditCommand, _now: Timestamp) -> Result<Vec<AuditEvent>, Infallible> {
        let AuditCommand::Record { what, filters } = command;
        Ok(vec![AuditEvent::Read { what: *what, filters: filters.clone() }])
    }

    fn evolve(audit: Audit, event: &AuditEvent, _at: Timestamp) -> Audit {
        match event {
            AuditEvent::Read { .. } => Audit { reads: audit.reads.saturating_add(1) },
        }
    }
}
