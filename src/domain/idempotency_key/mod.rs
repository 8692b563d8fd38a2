//! Idempotency keys that were used: a request that is repeated is known again (draft-ietf-httpapi-idempotency-key-header-07).

mod decide;
mod event;
mod stream;
#[cfg(test)]
mod tests;

pub use decide::{IDEMPOTENCY_KEY_LIFETIME, IdempotencyKeyCommand, IdempotencyKeyDecider, IdempotencyKeyRefusal, IdempotencyKeyState};
pub use event::*;
pub use stream::stream_of;
