//! People, under random ids of ours. The application's id of a person is personal and lives in the vault.

mod decide;
mod event;
#[cfg(test)]
mod tests;

pub use decide::{Subject, SubjectCommand, SubjectDecider};
pub use event::*;
