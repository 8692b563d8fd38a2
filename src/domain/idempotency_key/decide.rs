use super::IdempotencyKeyEvent;
use crate::domain::{Decider, Seconds, Timestamp};

/// How long a key means the request that it was first used for.
pub const IDEMPOTENCY_KEY_LIFETIME: Seconds = Seconds(86_400);

/// An idempotency key, folded from its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdempotencyKeyState {
    used: Option<Used>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Used {
    operation: String,
    request_hash: String,
    at: Timestamp,
    expires_at: Timestamp,
}

impl IdempotencyKeyState {
    /// When the request that it means came for the first time.
    pub fn used_at(&self) -> Option<Timestamp> {
        self.used.as_ref().map(|used| used.at)
    }
}

/// What can be asked of an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdempotencyKeyCommand {
    /// Mean this request.
    Use {
        /// Which operation it calls.
        operation: String,
        /// A keyed hash of what it asks for.
        request_hash: String,
    },
}

/// Why something may not happen to an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdempotencyKeyRefusal {
    /// It means another request.
    #[error("the idempotency key was used for another request")]
    Reused,
}

/// What may happen to an idempotency key.
#[derive(Debug)]
pub struct IdempotencyKeyDecider;

impl Decider for IdempotencyKeyDecider {
    type State = IdempotencyKeyState;
    type Command = IdempotencyKeyCommand;
    type Event = IdempotencyKeyEvent;
    type Refusal = IdempotencyKeyRefusal;

    fn decide(
        key: &IdempotencyKeyState,
        command: &IdempotencyKeyCommand,
        now: Timestamp,
    ) -> Result<Vec<IdempotencyKeyEvent>, IdempotencyKeyRefusal> {
        let IdempotencyKeyCommand::Use { operation, request_hash } = command;
        match &key.used {
            Some(used) if now < used.expires_at => {
                // draft-ietf-httpapi-idempotency-key-header-07 §2.6: the same request again is a retry.
                if used.operation == *operation && used.request_hash == *request_hash {
                    return Ok(vec![]);
                }
                // draft-ietf-httpapi-idempotency-key-header-07 §2.7: another request is an error of the caller.
                Err(IdempotencyKeyRefusal::Reused)
            }
            // draft-ietf-httpapi-idempotency-key-header-07 §2.3: an expired key may be used anew.
            Some(_) | None => Ok(vec![IdempotencyKeyEvent::Used {
                operation: operation.clone(),
                request_hash: request_hash.clone(),
                expires_at: now.plus(IDEMPOTENCY_KEY_LIFETIME),
            }]),
        }
    }

    fn evolve(_key: IdempotencyKeyState, event: &IdempotencyKeyEvent, at: Timestamp) -> IdempotencyKeyState {
        match event {
            IdempotencyKeyEvent::Used { operation, request_hash, expires_at } => IdempotencyKeyState {
                used: Some(Used { operation: operation.clone(), request_hash: request_hash.clone(), at, expires_at: *expires_at }),
            },
        }
    }
}
