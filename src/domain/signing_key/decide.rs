use serde_json::Value;

use super::{SigningKey, SigningKeyEvent, state::Retired};
use crate::{
    domain::{Decider, Timestamp},
    jose::Algorithm,
};

/// What can be asked of a signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SigningKeyCommand {
    /// Begin to exist, published at once.
    Generate {
        /// What it signs with.
        algorithm: Algorithm,
        /// The public half, a JWK.
        public_jwk: Value,
        /// When it begins to sign.
        active_from: Timestamp,
    },
    /// Sign no more.
    Retire {
        /// From when on.
        at: Timestamp,
        /// When the last token it signed has expired.
        published_until: Timestamp,
    },
    /// Be void, with everything it signed.
    Revoke,
}

/// Why something may not happen to a signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyRefusal {
    /// The `kid` is taken.
    #[error("the signing key exists already")]
    AlreadyExists,
    /// It was never generated.
    #[error("there is no such signing key")]
    NotFound,
    /// The JWK is not a public one.
    #[error("the JWK of a signing key is not a public key")]
    NotAPublicKey,
    /// It would vanish while it still signs.
    #[error("the signing key would be published for a shorter time than it signs")]
    UnpublishedWhileSigning,
    /// Its end was fixed before, differently.
    #[error("the signing key was retired before")]
    AlreadyRetired,
    /// It is void.
    #[error("the signing key was revoked")]
    Revoked,
}

use SigningKeyRefusal::{AlreadyExists, AlreadyRetired, NotAPublicKey, NotFound, Revoked, UnpublishedWhileSigning};

/// What may happen to a signing key.
#[derive(Debug)]
pub struct SigningKeyDecider;

impl Decider for SigningKeyDecider {
    type State = SigningKey;
    type Command = SigningKeyCommand;
    type Event = SigningKeyEvent;
    type Refusal = SigningKeyRefusal;

    fn decide(key: &SigningKey, command: &SigningKeyCommand, _now: Timestamp) -> Result<Vec<SigningKeyEvent>, SigningKeyRefusal> {
        match command {
            SigningKeyCommand::Generate { algorithm, public_jwk, active_from } => generate(key, *algorithm, public_jwk, *active_from),
            SigningKeyCommand::Retire { at, published_until } => retire(key, Retired { at: *at, published_until: *published_until }),
            SigningKeyCommand::Revoke if !key.exists() => Err(NotFound),
            SigningKeyCommand::Revoke if key.is_revoked() => Ok(vec![]),
            SigningKeyCommand::Revoke => Ok(vec![SigningKeyEvent::Revoked {}]),
        }
    }

    fn evolve(key: SigningKey, event: &SigningKeyEvent, _at: Timestamp) -> SigningKey {
        key.evolve(event)
    }
}

fn generate(
    key: &SigningKey,
    algorithm: Algorithm,
    public_jwk: &Value,
    active_from: Timestamp,
) -> Result<Vec<SigningKeyEvent>, SigningKeyRefusal> {
    if key.exists() {
        return Err(AlreadyExists);
    }
    if !is_public(public_jwk) {
        return Err(NotAPublicKey);
    }
    Ok(vec![SigningKeyEvent::Generated { algorithm, public_jwk: public_jwk.clone(), active_from }])
}

/// Whether a JWK has no private member (RFC 7518 §6): the log holds no usable secret.
fn is_public(jwk: &Value) -> bool {
    const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    jwk.as_object().is_some_and(|members| PRIVATE.iter().all(|name| !members.contains_key(*name)))
}

fn retire(key: &SigningKey, end: Retired) -> Result<Vec<SigningKeyEvent>, SigningKeyRefusal> {
    if !key.exists() {
        return Err(NotFound);
    }
    if key.is_revoked() {
        return Err(Revoked);
    }
    match key.retired() {
        Some(before) if before == end => Ok(vec![]),
        Some(_) => Err(AlreadyRetired),
        None if end.published_until < end.at => Err(UnpublishedWhileSigning),
        None => Ok(vec![SigningKeyEvent::Retired { at: end.at, published_until: end.published_until }]),
    }
}
