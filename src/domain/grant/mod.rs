//! What one subject allows one client (in one organization): consents, codes, token families, revocation.

mod event;

pub use event::*;
