//! Initial access tokens (RFC 7591 §1.2): what lets a client register itself, so many times and so long.

mod decide;
mod event;
mod state;
#[cfg(test)]
mod tests;

pub use decide::{InitialAccessTokenCommand, InitialAccessTokenDecider, InitialAccessTokenRefusal};
pub use event::*;
pub use state::InitialAccessToken;
