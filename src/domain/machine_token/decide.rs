use super::{MachineToken, MachineTokenEvent};
use crate::{
    domain::{ClientId, Decider, Timestamp},
    protocol::{AccessTokenFormat, Scope},
};

/// What can be asked of a machine token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachineTokenCommand {
    /// Begin to exist.
    Issue {
        /// To whom.
        client_id: ClientId,
        /// What it is good for.
        scope: Scope,
        /// For whom.
        audience: Vec<String>,
        /// In which form.
        format: AccessTokenFormat,
        /// Until when.
        expires_at: Timestamp,
    },
    /// Die before its time.
    Revoke {
        /// The client that asks.
        client_id: ClientId,
    },
}

/// Why something may not happen to a machine token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MachineTokenRefusal {
    /// The id is taken.
    #[error("the machine token exists already")]
    AlreadyExists,
    /// Another client asks (RFC 7009 §2.1).
    #[error("the machine token was issued to another client")]
    IssuedToAnotherClient,
}

/// What may happen to a machine token.
#[derive(Debug)]
pub struct MachineTokenDecider;

impl Decider for MachineTokenDecider {
    type State = MachineToken;
    type Command = MachineTokenCommand;
    type Event = MachineTokenEvent;
    type Refusal = MachineTokenRefusal;

    fn decide(token: &MachineToken, command: &MachineTokenCommand, now: Timestamp) -> Result<Vec<MachineTokenEvent>, MachineTokenRefusal> {
        match command {
            MachineTokenCommand::Issue { .. } if token.issued().is_some() => Err(MachineTokenRefusal::AlreadyExists),
            MachineTokenCommand::Issue { client_id, scope, audience, format, expires_at } => Ok(vec![MachineTokenEvent::Issued {
                client_id: client_id.clone(),
                scope: scope.clone(),
                audience: audience.clone(),
                format: *format,
                expires_at: *expires_at,
            }]),
            MachineTokenCommand::Revoke { client_id } => revoke(token, client_id, now),
        }
    }

    fn evolve(token: MachineToken, event: &MachineTokenEvent, at: Timestamp) -> MachineToken {
        token.evolve(event, at)
    }
}

fn revoke(token: &MachineToken, requested_by: &ClientId, now: Timestamp) -> Result<Vec<MachineTokenEvent>, MachineTokenRefusal> {
    // RFC 7009 §2.2: an invalid token is not an error; there is nothing to revoke.
    if !token.is_live(now) {
        return Ok(vec![]);
    }
    // RFC 7009 §2.1: only the client that the token was issued to may revoke it.
    if token.issued().is_none_or(|issued| issued.client_id != *requested_by) {
        return Err(MachineTokenRefusal::IssuedToAnotherClient);
    }
    Ok(vec![MachineTokenEvent::Revoked {}])
}
