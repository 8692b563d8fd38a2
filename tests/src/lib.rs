//! A whole server in one process, for tests: the real store in memory, a clock turned by hand, seeded entropy, and
//! every endpoint. Nothing is mocked.

mod browser;
mod interaction;
pub mod process;
pub mod remote;
mod server;

pub use browser::{Authorization, Pkce, claims};
pub use interaction::parameters_of;
pub use server::{Answer, TestServer};
