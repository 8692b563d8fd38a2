//! People, under random ids of ours. The application's id of a person is personal and lives in the vault.

mod event;

pub use event::*;
