use super::{ApiKey, ApiKeyEvent, Role};
use crate::{
    domain::{Decider, Timestamp},
    keys::SecretHash,
};

/// What can be asked of an API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiKeyCommand {
    /// Begin to exist.
    Create {
        /// What it is called.
        name: String,
        /// What it may do.
        role: Role,
        /// For a resource server: the audience whose tokens it may introspect.
        audience: Option<String>,
        /// Its secret half.
        secret: SecretHash,
    },
    /// Be good for nothing any more.
    Revoke,
}

/// Why something may not happen to an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyRefusal {
    /// The id is taken.
    #[error("the API key exists already")]
    AlreadyExists,
    /// It was never created.
    #[error("there is no such API key")]
    NotFound,
}

/// What may happen to an API key.
#[derive(Debug)]
pub struct ApiKeyDecider;

impl Decider for ApiKeyDecider {
    type State = ApiKey;
    type Command = ApiKeyCommand;
    type Event = ApiKeyEvent;
    type Refusal = ApiKeyRefusal;

    fn decide(key: &ApiKey, command: &ApiKeyCommand, _now: Timestamp) -> Result<Vec<ApiKeyEvent>, ApiKeyRefusal> {
        match command {
            ApiKeyCommand::Create { .. } if key.exists() => Err(ApiKeyRefusal::AlreadyExists),
            ApiKeyCommand::Create { name, role, audience, secret } => {
                let (name, audience, secret) = (name.clone(), audience.clone(), secret.clone());
                Ok(vec![ApiKeyEvent::Created { name, role: *role, audience, secret }])
            }
            ApiKeyCommand::Revoke if !key.exists() => Err(ApiKeyRefusal::NotFound),
            ApiKeyCommand::Revoke if key.is_revoked() => Ok(vec![]),
            ApiKeyCommand::Revoke => Ok(vec![ApiKeyEvent::Revoked {}]),
        }
    }

    fn evolve(key: ApiKey, event: &ApiKeyEvent, at: Timestamp) -> ApiKey {
        key.evolve(event, at)
    }
}
