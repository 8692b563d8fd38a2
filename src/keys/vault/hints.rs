//! Login hints: personal, of a person who may have no key yet, and needed for some minutes only.

use rusqlite::{OptionalExtension as _, params};
use uuid::Uuid;

use super::{Vault, VaultError, database};
use crate::domain::{AuthorizationId, Timestamp};

impl Vault {
    /// Keeps the login hint of an authorization request until it is dropped.
    pub async fn hold_hint(&self, authorization: AuthorizationId, hint: &str, expires_at: Timestamp) -> Result<(), VaultError> {
        let id = authorization.0.into_bytes();
        let sealed = self.0.keys.hints.seal(&id, hint.as_bytes())?;
        self.with_database(move |_, database| {
            database
                .prepare_cached("INSERT OR REPLACE INTO hints (authorization_id, hint, expires_at) VALUES (?1, ?2, ?3)")?
                .execute(params![id, sealed, expires_at.0])?;
            Ok(())
        })
        .await
    }

    /// The login hint of an authorization request, as long as it is held.
    pub async fn hint(&self, authorization: AuthorizationId) -> Result<Option<String>, VaultError> {
        let id = authorization.0.into_bytes();
        let sealed: Option<Vec<u8>> = self
            .with_database(move |_, database| {
                let mut query = database.prepare_cached("SELECT hint FROM hints WHERE authorization_id = ?1")?;
                Ok(query.query_row([id], |row| row.get(0)).optional()?)
            })
            .await?;
        let Some(sealed) = sealed else { return Ok(None) };
        let opened = self.0.keys.hints.open(&id, &sealed);
        let hint = opened.as_ref().and_then(|octets| std::str::from_utf8(octets).ok());
        hint.map(|hint| Some(hint.to_owned())).ok_or_else(|| VaultError::sealed("a login hint"))
    }

    /// The authorization requests whose login hints are held.
    pub async fn held_hints(&self) -> Result<Vec<AuthorizationId>, VaultError> {
        let ids: Vec<[u8; 16]> = self
            .with_database(|_, database| {
                let mut query = database.prepare_cached("SELECT authorization_id FROM hints")?;
                Ok(query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
            })
            .await?;
        Ok(ids.into_iter().map(|id| AuthorizationId(Uuid::from_bytes(id))).collect())
    }

    /// Drops the login hints of these authorization requests.
    pub async fn drop_hints(&self, authorizations: Vec<AuthorizationId>) -> Result<(), VaultError> {
        self.with_database(move |_, database| {
            for authorization in authorizations {
                database.prepare_cached("DELETE FROM hints WHERE authorization_id = ?1")?.execute([authorization.0.as_bytes()])?;
            }
            database::forget_deleted(database)
        })
        .await
    }

    /// Drops the hints whose time is over. Says how many there were.
    pub async fn drop_expired_hints(&self, now: Timestamp) -> Result<usize, VaultError> {
        self.with_database(move |_, database| {
            let dropped = database.execute("DELETE FROM hints WHERE expires_at <= ?1", [now.0])?;
            // Also when there was none: an earlier try may have ended between the two.
            database::forget_deleted(database)?;
            Ok(dropped)
        })
        .await
    }
}
