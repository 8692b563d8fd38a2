//! Keys that the log depends on: what they made must stay good when the master key is replaced.

use std::collections::BTreeMap;

use rusqlite::Connection;
use zeroize::Zeroizing;

use super::{Vault, VaultError};
use crate::keys::{MasterKey, seal::SealKey};

/// A key that outlives the master key it was derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LastingKey {
    /// Codes, refresh tokens and opaque access tokens carry a MAC under it.
    Token,
    /// The log holds hashes of client secrets and API keys under it.
    SecretHash,
    /// What a request with an idempotency key draws is derived from it.
    IdempotencySeed,
    /// The log holds hashes of requests with an idempotency key under it.
    IdempotencyRequest,
}

impl LastingKey {
    /// Every key of this kind.
    pub(super) const ALL: [Self; 4] = [Self::Token, Self::SecretHash, Self::IdempotencySeed, Self::IdempotencyRequest];

    /// What it is derived from the first master key under, and kept under.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::SecretHash => "secret hash",
            Self::IdempotencySeed => "idempotency seed",
            Self::IdempotencyRequest => "idempotency request",
        }
    }
}

impl Vault {
    /// A lasting key: that of the first master key, whichever it is by now.
    pub fn lasting_key(&self, key: LastingKey) -> &[u8; 32] {
        &self.0.lasting_keys[&key]
    }
}

/// Those that are kept, and those that were never kept since the master key is still the first.
pub(super) fn load(
    database: &Connection,
    wrap: &SealKey,
    master: &MasterKey,
) -> Result<BTreeMap<LastingKey, Zeroizing<[u8; 32]>>, VaultError> {
    let kept: BTreeMap<String, Vec<u8>> = database
        .prepare("SELECT label, sealed FROM lasting_keys")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let key = |key: LastingKey| match kept.get(key.label()) {
        Some(sealed) => open(wrap, key, sealed),
        None => Ok(master.derive(key.label())),
    };
    LastingKey::ALL.into_iter().map(|lasting| Ok((lasting, key(lasting)?))).collect()
}

fn open(wrap: &SealKey, key: LastingKey, sealed: &[u8]) -> Result<Zeroizing<[u8; 32]>, VaultError> {
    let opened = wrap.open(key.label().as_bytes(), sealed).and_then(|octets| octets.as_slice().try_into().ok());
    opened.map(Zeroizing::new).ok_or_else(|| VaultError::sealed("a lasting key"))
}
