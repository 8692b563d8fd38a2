//! Who looked at the history: every question that an auditor asks is recorded before it is answered.

mod decide;
mod event;
#[cfg(test)]
mod tests;

pub use decide::{Audit, AuditCommand, AuditDecider};
pub use event::*;
