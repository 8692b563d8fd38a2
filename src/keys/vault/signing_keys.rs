//! The private halves of signing keys.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Inner, Vault, VaultError, database};
use crate::jose::{Algorithm, SigningKey};

impl Vault {
    /// Keeps a private key under its kid. Durable when it returns.
    pub async fn keep_signing_key(&self, kid: &str, algorithm: Algorithm, key: &SigningKey) -> Result<(), VaultError> {
        let sealed = self.0.keys.signing_wrap.seal(&about(kid, algorithm), &key.to_pkcs8())?;
        let kid = kid.to_owned();
        self.with_database(move |vault, database| {
            database
                .prepare_cached("INSERT OR REPLACE INTO signing_keys (kid, algorithm, private_key) VALUES (?1, ?2, ?3)")?
                .execute(params![kid, algorithm.as_str(), sealed])?;
            vault.signing_keys.remove(&kid);
            Ok(())
        })
        .await
    }

    /// The private key of a kid, parsed once and then from memory; None when it was never kept or was dropped.
    pub async fn signing_key(&self, kid: &str) -> Result<Option<Arc<SigningKey>>, VaultError> {
        if let Some(key) = self.0.signing_keys.get(kid) {
            return Ok(Some(key));
        }
        let kid = kid.to_owned();
        self.with_database(move |vault, database| vault.load_signing_key(database, kid)).await
    }

    /// Destroys a private key. Says whether there was one. Durable when it returns.
    pub async fn drop_signing_key(&self, kid: &str) -> Result<bool, VaultError> {
        let kid = kid.to_owned();
        self.with_database(move |vault, database| {
            let deleted = database.execute("DELETE FROM signing_keys WHERE kid = ?1", [&kid])?;
            vault.signing_keys.remove(&kid);
            // Also when there was no row: an earlier try may have ended between the two.
            database::forget_deleted(database)?;
            Ok(deleted > 0)
        })
        .await
    }
}

impl Inner {
    fn load_signing_key(&self, database: &Connection, kid: String) -> Result<Option<Arc<SigningKey>>, VaultError> {
        let found: Option<(String, Vec<u8>)> = database
            .prepare_cached("SELECT algorithm, private_key FROM signing_keys WHERE kid = ?1")?
            .query_row([&kid], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((algorithm, sealed)) = found else { return Ok(None) };
        let key = algorithm.parse().ok().and_then(|algorithm: Algorithm| {
            let pkcs8 = self.keys.signing_wrap.open(&about(&kid, algorithm), &sealed)?;
            SigningKey::from_pkcs8(algorithm, &pkcs8).ok()
        });
        let key = Arc::new(key.ok_or_else(|| VaultError::sealed("a signing key"))?);
        self.signing_keys.insert(kid, Arc::clone(&key));
        Ok(Some(key))
    }
}

/// What a box is about. No algorithm's name has a space.
pub(super) fn about(kid: &str, algorithm: Algorithm) -> Vec<u8> {
    format!("{algorithm} {kid}").into_bytes()
}
