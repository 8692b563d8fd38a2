//! People, under random ids of ours, with their roles as last said. The application's id of a person is personal and lives
//! in the vault.

mod decide;
mod event;
mod state;
#[cfg(test)]
mod tests;

pub use decide::{SubjectCommand, SubjectDecider};
pub use event::*;
pub use state::{Pending, Subject};
