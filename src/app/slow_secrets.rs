//! Checking secrets against slow hashes, without letting it slow anything else down.

use std::thread::available_parallelism;

use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use super::{Authority, Trouble};
use crate::{domain::client::Client, keys::SecretHash, protocol::SecretText};

/// How many requests may wait for their turn. More are told to come again: their callers would have given up before.
const MOST_WAITING: usize = 64;
/// How many secrets that were found to be right are remembered.
const PROVEN: usize = 10_000;

/// What bounds the work on slow hashes.
pub(super) struct SlowSecrets {
    /// Each permit is a thread that computes, and the memory that it needs: half of the machine at most.
    at_work: Semaphore,
    /// Each permit is a request that computes or waits.
    admitted: Semaphore,
    /// Keyed hashes of the pairs of secret and slow hash that belong together.
    proven: Cache<[u8; 32], ()>,
}

impl Default for SlowSecrets {
    fn default() -> Self {
        let at_work = available_parallelism().map_or(1, |threads| threads.get().div_ceil(2));
        Self { at_work: Semaphore::new(at_work), admitted: Semaphore::new(at_work + MOST_WAITING), proven: Cache::new(PROVEN) }
    }
}

impl Authority {
    /// Whether it is a secret that the client may authenticate with now.
    pub(super) async fn is_secret_of(&self, client: &Client, presented: &SecretText) -> Result<bool, Trouble> {
        let (slow, fast): (Vec<&SecretHash>, Vec<&SecretHash>) = client.secrets().partition(|hash| hash.is_slow());
        if fast.iter().any(|hash| self.hasher.verify(presented.expose(), hash)) {
            return Ok(true);
        }
        for hash in slow {
            if self.verify_slowly(presented, hash).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn verify_slowly(&self, presented: &SecretText, hash: &SecretHash) -> Result<bool, Trouble> {
        let proof = self.hasher.proof(presented.expose(), hash);
        if self.slow_secrets.proven.get(&proof).is_some() {
            return Ok(true);
        }
        let (hasher, secret, hash) = (self.hasher.clone(), presented.clone(), hash.clone());
        let is_right = self.slowly(move || hasher.verify(secret.expose(), &hash)).await?;
        if is_right {
            self.slow_secrets.proven.insert(proof, ());
        }
        Ok(is_right)
    }

    /// What is kept of a secret that the server did not make.
    pub(super) async fn hash_slowly(&self, secret: &SecretText) -> Result<SecretHash, Trouble> {
        let (secret, mut salt) = (secret.clone(), [0; 16]);
        self.outside.entropy.fill(&mut salt);
        self.slowly(move || SecretHash::slow(secret.expose(), salt)).await
    }

    async fn slowly<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Trouble> {
        let _admitted = self.slow_secrets.admitted.try_acquire().map_err(|_| Trouble::Overloaded)?;
        let _at_work = self.slow_secrets.at_work.acquire().await.map_err(|error| Trouble::Crypto(error.to_string()))?;
        tokio::task::spawn_blocking(work).await.map_err(|error| Trouble::Crypto(error.to_string()))
    }
}
