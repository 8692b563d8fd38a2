//! Secrets at rest: the master key, keyed hashes of client secrets and API keys, subject keys, signing keys.

pub mod token;

use serde::{Deserialize, Serialize};
pub use token::{AccessTokenRef, CodeRef, RefreshTokenRef, Secret, TokenCodec};

/// What is kept of a secret that the server made: HMAC-SHA-256 under a key derived from the master key, base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretHash(pub(crate) String);
