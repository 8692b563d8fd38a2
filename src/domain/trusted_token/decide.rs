use super::TrustedTokenEvent;
use crate::domain::{AuthorizationId, Decider, Timestamp, TrustedIssuerId};

/// A trusted token, folded from its events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrustedToken {
    bound_to: Option<AuthorizationId>,
}

impl TrustedToken {
    /// The authorization request that it is good for; any, as long as there is none.
    pub fn bound_to(&self) -> Option<AuthorizationId> {
        self.bound_to
    }
}

/// What can be asked of a trusted token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustedTokenCommand {
    /// Be good for this request and no other.
    Bind {
        /// Whose token it is.
        issuer: TrustedIssuerId,
        /// For which request.
        authorization_id: AuthorizationId,
        /// Until when it is good.
        expires_at: Timestamp,
    },
}

/// Why something may not happen to a trusted token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustedTokenRefusal {
    /// It was presented for another request before.
    #[error("the trusted token was used for another authorization request")]
    UsedElsewhere,
}

/// What may happen to a trusted token.
#[derive(Debug)]
pub struct TrustedTokenDecider;

impl Decider for TrustedTokenDecider {
    type State = TrustedToken;
    type Command = TrustedTokenCommand;
    type Event = TrustedTokenEvent;
    type Refusal = TrustedTokenRefusal;

    fn decide(token: &TrustedToken, command: &TrustedTokenCommand, _now: Timestamp) -> Result<Vec<TrustedTokenEvent>, TrustedTokenRefusal> {
        let TrustedTokenCommand::Bind { issuer, authorization_id, expires_at } = command;
        // Whether it has expired makes no difference: whoever verified it looked at `exp`.
        match token.bound_to {
            None => Ok(vec![TrustedTokenEvent::Bound { issuer: *issuer, authorization_id: *authorization_id, expires_at: *expires_at }]),
            Some(bound_to) if bound_to == *authorization_id => Ok(vec![]),
            Some(_) => Err(TrustedTokenRefusal::UsedElsewhere),
        }
    }

    fn evolve(token: TrustedToken, event: &TrustedTokenEvent, _at: Timestamp) -> TrustedToken {
        match event {
            // The first request keeps it, whatever else was written.
            TrustedTokenEvent::Bound { authorization_id, .. } => TrustedToken { bound_to: token.bound_to.or(Some(*authorization_id)) },
        }
    }
}
