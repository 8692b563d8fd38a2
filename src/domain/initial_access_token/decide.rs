use super::{InitialAccessToken, InitialAccessTokenEvent};
use crate::{
    domain::{ClientId, Decider, Timestamp},
    keys::SecretHash,
};

/// What can be asked of an initial access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InitialAccessTokenCommand {
    /// Begin to exist.
    Create {
        /// What it is called.
        name: String,
        /// Until when it is good.
        expires_at: Timestamp,
        /// How many clients may be registered with it.
        max_uses: u32,
        /// Its secret half.
        secret: SecretHash,
    },
    /// Let a client register.
    Use {
        /// Which. Asked again for the same one, it is the same use.
        client_id: ClientId,
    },
    /// Be good for nothing any more.
    Revoke,
}

/// Why something may not happen to an initial access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InitialAccessTokenRefusal {
    /// The id is taken.
    #[error("the initial access token exists already")]
    AlreadyExists,
    /// It was never created.
    #[error("there is no such initial access token")]
    NotFound,
    /// It was revoked.
    #[error("the initial access token is revoked")]
    Revoked,
    /// Its time is over.
    #[error("the initial access token is expired")]
    Expired,
    /// It has let as many clients register as it may.
    #[error("the initial access token is used up")]
    UsedUp,
}

/// What may happen to an initial access token.
#[derive(Clone, Copy, Debug)]
pub struct InitialAccessTokenDecider;

impl Decider for InitialAccessTokenDecider {
    type State = InitialAccessToken;
    type Command = InitialAccessTokenCommand;
    type Event = InitialAccessTokenEvent;
    type Refusal = InitialAccessTokenRefusal;

    fn decide(
        token: &InitialAccessToken,
        command: &InitialAccessTokenCommand,
        now: Timestamp,
    ) -> Result<Vec<InitialAccessTokenEvent>, InitialAccessTokenRefusal> {
        match command {
            InitialAccessTokenCommand::Create { .. } if token.exists() => Err(InitialAccessTokenRefusal::AlreadyExists),
            InitialAccessTokenCommand::Create { name, expires_at, max_uses, secret } => {
                let (name, secret) = (name.clone(), secret.clone());
                Ok(vec![InitialAccessTokenEvent::Created { name, expires_at: *expires_at, max_uses: *max_uses, secret }])
            }
            _ if !token.exists() => Err(InitialAccessTokenRefusal::NotFound),
            InitialAccessTokenCommand::Use { .. } if token.is_revoked() => Err(InitialAccessTokenRefusal::Revoked),
            InitialAccessTokenCommand::Use { .. } if token.is_expired(now) => Err(InitialAccessTokenRefusal::Expired),
            InitialAccessTokenCommand::Use { client_id } if token.was_used_for(client_id) => Ok(vec![]),
            InitialAccessTokenCommand::Use { .. } if token.is_used_up() => Err(InitialAccessTokenRefusal::UsedUp),
            InitialAccessTokenCommand::Use { client_id } => Ok(vec![InitialAccessTokenEvent::Used { client_id: client_id.clone() }]),
            InitialAccessTokenCommand::Revoke if token.is_revoked() => Ok(vec![]),
            InitialAccessTokenCommand::Revoke => Ok(vec![InitialAccessTokenEvent::Revoked {}]),
        }
    }

    fn evolve(token: InitialAccessToken, event: &InitialAccessTokenEvent, at: Timestamp) -> InitialAccessToken {
        token.evolve(event, at)
    }
}
