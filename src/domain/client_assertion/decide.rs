use super::ClientAssertionEvent;
use crate::domain::{ClientId, Decider, Timestamp};

/// A client assertion, folded from its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientAssertion {
    used: bool,
}

impl ClientAssertion {
    /// Whether it authenticated its client already.
    pub fn is_used(&self) -> bool {
        self.used
    }
}

/// What can be asked of a client assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAssertionCommand {
    /// Authenticate the client, this once.
    Use {
        /// Whom.
        client_id: ClientId,
        /// Until when it is good.
        expires_at: Timestamp,
    },
}

/// Why something may not happen to a client assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientAssertionRefusal {
    /// Its `jti` was seen before.
    #[error("the client assertion was used before")]
    AlreadyUsed,
}

/// What may happen to a client assertion.
#[derive(Debug)]
pub struct ClientAssertionDecider;

impl Decider for ClientAssertionDecider {
    type State = ClientAssertion;
    type Command = ClientAssertionCommand;
    type Event = ClientAssertionEvent;
    type Refusal = ClientAssertionRefusal;

    fn decide(
        assertion: &ClientAssertion,
        command: &ClientAssertionCommand,
        _now: Timestamp,
    ) -> Result<Vec<ClientAssertionEvent>, ClientAssertionRefusal> {
        let ClientAssertionCommand::Use { client_id, expires_at } = command;
        // RFC 7523 §3: a JWT is not replayed; its `jti` is remembered. Whether it has expired by now makes no difference,
        // since whoever verified it looked at `exp`.
        if assertion.is_used() {
            return Err(ClientAssertionRefusal::AlreadyUsed);
        }
        Ok(vec![ClientAssertionEvent::Used { client_id: client_id.clone(), expires_at: *expires_at }])
    }

    fn evolve(_assertion: ClientAssertion, event: &ClientAssertionEvent, _at: Timestamp) -> ClientAssertion {
        match event {
            ClientAssertionEvent::Used { .. } => ClientAssertion { used: true },
        }
    }
}
