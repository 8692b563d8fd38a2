//! A whole server in one process, for tests: the real store in memory, a clock turned by hand, seeded entropy, and
//! every endpoint. Nothing is mocked.

mod assertion;
mod browser;
mod interaction;
pub mod process;
pub mod remote;
mod request;
mod resource_server;
mod server;
mod site;

pub use assertion::{ClientKey, JWT_BEARER, hmac_signed, unsigned};
pub use browser::{Authorization, Pkce, claims};
pub use interaction::parameters_of;
pub use request::{basic, merged, text};
pub use server::{Answer, TestServer};
pub use site::{Page, RemoteSite, guarded, outbound_options};
