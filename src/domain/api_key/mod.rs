//! API keys of the headless API, each with one role.

mod event;

pub use event::*;
