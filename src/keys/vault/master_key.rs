//! Replace the master key: everything in the vault is sealed anew under the next one, in one transaction.

use aws_lc_rs::hmac;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use super::{Inner, Keys, Vault, VaultError, database, signing_keys, subjects};
use crate::{
    domain::SubjectId,
    jose::Algorithm,
    keys::{MasterKey, seal::SealKey},
};

impl Vault {
    /// Seals everything anew under the next master key; `progress` is told after each person how many are done. Afterwards the
    /// vault opens with the next one alone, and this one answers no more: it is consumed. All of it or nothing, also
    /// when the process is killed.
    ///
    /// Personal data keeps its keys, so the log needs no change; so do tokens and hashes of secrets (see `LastingKey`).
    pub async fn replace_master_key(self, next: &MasterKey, progress: impl FnMut(u64) + Send + 'static) -> Result<(), VaultError> {
        let keys = Keys::new(next);
        self.with_database(move |vault, database| vault.seal_anew(database, &keys, progress)).await
    }

    /// How many people the vault knows.
    pub async fn count_subjects(&self) -> Result<u64, VaultError> {
        let count = |database: &Connection| database.query_row("SELECT count(*) FROM subjects", [], |row| row.get::<_, i64>(0));
        self.with_database(move |_, database| Ok(count(database)?.unsigned_abs())).await
    }
}

impl Inner {
    fn seal_anew(&self, database: &mut Connection, next: &Keys, progress: impl FnMut(u64)) -> Result<(), VaultError> {
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        self.subjects_anew(&transaction, next, progress)?;
        self.hints_anew(&transaction, next)?;
        self.signing_keys_anew(&transaction, next)?;
        for (key, octets) in &self.lasting_keys {
            let sealed = next.lasting_wrap.seal(key.label().as_bytes(), octets.as_slice())?;
            transaction.execute("INSERT OR REPLACE INTO lasting_keys (label, sealed) VALUES (?1, ?2)", params![key.label(), sealed])?;
        }
        transaction.execute("UPDATE verifier SET tag = ?1", [database::tag_of(&next.verifier)])?;
        transaction.commit()?;
        // The older boxes are gone from the file; here they go from the write-ahead log.
        database::forget_deleted(database)
    }

    fn subjects_anew(&self, transaction: &Transaction<'_>, next: &Keys, mut progress: impl FnMut(u64)) -> Result<(), VaultError> {
        let mut page = transaction.prepare("SELECT id, wrapped_key, external_id FROM subjects WHERE id > ?1 ORDER BY id LIMIT 1000")?;
        let mut update = transaction.prepare("UPDATE subjects SET lookup = ?2, wrapped_key = ?3 WHERE id = ?1")?;
        let (mut after, mut done) = (Vec::new(), 0);
        loop {
            let rows: Vec<([u8; 16], Vec<u8>, Vec<u8>)> =
                page.query_map([&after], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
            let Some((last, _, _)) = rows.last() else { return Ok(()) };
            after = last.to_vec();
            for (id, wrapped, external_id) in rows {
                let key = SealKey::unwrap(&wrapped, &self.keys.subject_wrap, &id).ok_or_else(|| VaultError::sealed("a subject's key"))?;
                let about = subjects::about_external_id(SubjectId(Uuid::from_bytes(id)));
                let external_id = key.open(&about, &external_id).ok_or_else(|| VaultError::sealed("a subject's external id"))?;
                let lookup = hmac::sign(&next.lookup, &external_id);
                update.execute(params![id, lookup.as_ref(), key.wrap(&next.subject_wrap, &id)?])?;
                done += 1;
                progress(done);
            }
        }
    }

    fn hints_anew(&self, transaction: &Transaction<'_>, next: &Keys) -> Result<(), VaultError> {
        let mut all = transaction.prepare("SELECT authorization_id, hint FROM hints")?;
        let hints: Vec<([u8; 16], Vec<u8>)> = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        for (id, hint) in hints {
            let plain = self.keys.hints.open(&id, &hint).ok_or_else(|| VaultError::sealed("a login hint"))?;
            transaction.execute("UPDATE hints SET hint = ?2 WHERE authorization_id = ?1", params![id, next.hints.seal(&id, &plain)?])?;
        }
        Ok(())
    }

    fn signing_keys_anew(&self, transaction: &Transaction<'_>, next: &Keys) -> Result<(), VaultError> {
        let mut all = transaction.prepare("SELECT kid, algorithm, private_key FROM signing_keys")?;
        let keys: Vec<(String, String, Vec<u8>)> =
            all.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
        for (kid, algorithm, sealed) in keys {
            let unreadable = || VaultError::sealed("a signing key");
            let about = signing_keys::about(&kid, algorithm.parse::<Algorithm>().map_err(|_| unreadable())?);
            let plain = self.keys.signing_wrap.open(&about, &sealed).ok_or_else(unreadable)?;
            let sealed = next.signing_wrap.seal(&about, &plain)?;
            transaction.execute("UPDATE signing_keys SET private_key = ?2 WHERE kid = ?1", params![kid, sealed])?;
        }
        Ok(())
    }
}
