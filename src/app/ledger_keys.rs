//! The key that signs checkpoints. It is made once and lies in the vault; whoever follows the log has its public half, so it
//! is not rotated by age.

use std::sync::Arc;

use super::{Authority, Trouble};
use crate::{
    jose::{Algorithm, SigningKey},
    keys::generate_signing_key,
};

impl Authority {
    /// The key that signs checkpoints; made when there is none.
    pub async fn ensure_ledger_key(&self) -> Result<Arc<SigningKey>, Trouble> {
        match self.ledger_keys().await?.pop() {
            Some(newest) => Ok(newest),
            None => self.make_ledger_key().await,
        }
    }

    /// Makes a key that signs from the next start on. The earlier ones are kept: what they signed is still to be verified.
    pub async fn make_ledger_key(&self) -> Result<Arc<SigningKey>, Trouble> {
        let number = self.ledger_keys().await?.len();
        let key = generate_signing_key(Algorithm::EdDsa, &|bytes| self.outside.entropy.fill(bytes));
        let key = key.map_err(|error| Trouble::Crypto(error.to_string()))?;
        self.vault.keep_signing_key(&name(number), Algorithm::EdDsa, &key).await?;
        Ok(Arc::new(key))
    }

    /// The keys that sign or signed checkpoints, the newest last.
    pub async fn ledger_keys(&self) -> Result<Vec<Arc<SigningKey>>, Trouble> {
        let mut keys = Vec::new();
        while let Some(key) = self.vault.signing_key(&name(keys.len())).await? {
            keys.push(key);
        }
        Ok(keys)
    }
}

/// What the vault has the key under. The names of other signing keys are thumbprints, which have no space.
fn name(number: usize) -> String {
    format!("ledger {number}")
}
