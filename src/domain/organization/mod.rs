//! Which clients may work in an organization of the application's, and which were cut off.

mod decide;
mod event;
mod policy;
mod state;
#[cfg(test)]
mod tests;
mod verdict;

pub use decide::{OrganizationCommand, OrganizationDecider};
pub use event::*;
pub use policy::*;
pub use state::Organization;
pub use verdict::{OrganizationReason, verdict, verified_host};
