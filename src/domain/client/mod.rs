//! Registered clients (RFC 6749 §2, RFC 7591).

mod command;
mod decide;
mod event;
mod standing;
mod state;
#[cfg(test)]
mod tests;

pub use command::{ClientCommand, Origin};
pub use decide::{ClientDecider, ClientRefusal};
pub use event::*;
pub use standing::{Registration, Standing};
pub use state::Client;
