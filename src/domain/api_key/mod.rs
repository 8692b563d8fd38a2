//! API keys of the headless API, each with one role.

mod decide;
mod event;
mod state;
#[cfg(test)]
mod tests;

pub use decide::{ApiKeyCommand, ApiKeyDecider, ApiKeyRefusal};
pub use event::*;
pub use state::ApiKey;
