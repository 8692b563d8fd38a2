//! Which person a subject is, and the key of what is personal about it.

use std::{collections::HashSet, sync::Arc};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Inner, Vault, VaultError, database};
use crate::{
    domain::{Sealed, SubjectId},
    keys::seal::SealKey,
};

/// The keyed hash that an external id is found by.
pub(super) type LookupTag = [u8; 32];

/// What a box under a subject's key is about, for the one box that the vault keeps itself.
const EXTERNAL_ID: &str = "vault external id";

/// What registering did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisteredSubject {
    /// The person's id in the log.
    pub id: SubjectId,
    /// Whether it was given just now.
    pub is_new: bool,
}

impl Vault {
    /// The subject of a person, by the application's id; `candidate` becomes it when the person has none yet. Durable
    /// when it returns. Callers that race for one person get one id.
    pub async fn register_subject(&self, external_id: &str, candidate: SubjectId) -> Result<RegisteredSubject, VaultError> {
        let lookup = self.0.lookup_tag(external_id);
        if let Some(id) = self.0.subjects.get(&lookup) {
            return Ok(RegisteredSubject { id, is_new: false });
        }
        let external_id: Arc<str> = external_id.into();
        self.with_database(move |vault, database| vault.register(database, lookup, external_id, candidate)).await
    }

    /// The subject of a person, by the application's id; None when the person is not known.
    pub async fn find_subject(&self, external_id: &str) -> Result<Option<SubjectId>, VaultError> {
        let lookup = self.0.lookup_tag(external_id);
        if let Some(id) = self.0.subjects.get(&lookup) {
            return Ok(Some(id));
        }
        self.with_database(move |vault, database| vault.find(database, lookup)).await
    }

    /// The application's id of a person; None when it was forgotten.
    pub async fn external_id(&self, subject: SubjectId) -> Result<Option<Arc<str>>, VaultError> {
        if let Some(external_id) = self.0.external_ids.get(&subject) {
            return Ok(Some(external_id));
        }
        self.with_database(move |vault, database| vault.load_external_id(database, subject)).await
    }

    /// Seals a personal value under its subject's key. It opens for the same field only. `Unavailable` if the subject was
    /// forgotten meanwhile: whoever does it afresh registers the person anew.
    pub async fn seal(&self, subject: SubjectId, field: &str, plain: &[u8]) -> Result<Sealed, VaultError> {
        let key = self.subject_key(subject).await?.ok_or_else(|| VaultError::Unavailable(format!("subject {subject} has no key")))?;
        let sealed = URL_SAFE_NO_PAD.encode(key.seal(&about(subject, field), plain)?);
        Ok(Sealed { subject, sealed })
    }

    /// Opens a personal value; None when its subject's key is gone.
    pub async fn open_sealed(&self, sealed: &Sealed, field: &str) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let Some(key) = self.subject_key(sealed.subject).await? else { return Ok(None) };
        let octets = URL_SAFE_NO_PAD.decode(&sealed.sealed).map_err(|_| VaultError::sealed("a personal value"))?;
        key.open(&about(sealed.subject, field), &octets).map(Some).ok_or_else(|| VaultError::sealed("a personal value"))
    }

    /// Destroys a subject's key and with it all that was sealed under it; the person is not known any more. Says whether
    /// there was one. Durable when it returns.
    pub async fn forget_subject(&self, subject: SubjectId) -> Result<bool, VaultError> {
        self.with_database(move |vault, database| vault.forget(database, subject)).await
    }

    /// Does the same to each of these, in one go. Says how many there were.
    pub async fn forget_subjects(&self, subjects: Vec<SubjectId>) -> Result<usize, VaultError> {
        self.with_database(move |vault, database| vault.forget_all(database, &subjects)).await
    }

    async fn subject_key(&self, subject: SubjectId) -> Result<Option<Arc<SealKey>>, VaultError> {
        if let Some(key) = self.0.subject_keys.get(&subject) {
            return Ok(Some(key));
        }
        self.with_database(move |vault, database| vault.load_subject_key(database, subject)).await
    }
}

impl Inner {
    fn lookup_tag(&self, external_id: &str) -> LookupTag {
        let mut tag = LookupTag::default();
        tag.copy_from_slice(hmac::sign(&self.keys.lookup, external_id.as_bytes()).as_ref());
        tag
    }

    fn register(
        &self,
        database: &Connection,
        lookup: LookupTag,
        external_id: Arc<str>,
        candidate: SubjectId,
    ) -> Result<RegisteredSubject, VaultError> {
        if let Some(id) = self.find(database, lookup)? {
            return Ok(RegisteredSubject { id, is_new: false });
        }
        let key = SealKey::random()?;
        let wrapped = key.wrap(&self.keys.subject_wrap, candidate.0.as_bytes())?;
        let sealed = key.seal(&about(candidate, EXTERNAL_ID), external_id.as_bytes())?;
        let inserted = database
            .prepare_cached(
                "INSERT INTO subjects (id, lookup, wrapped_key, external_id) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (lookup) DO NOTHING",
            )?
            .execute(params![candidate.0.as_bytes(), lookup, wrapped, sealed])?;
        if inserted == 0 {
            // Another process was faster, between our look and our insert.
            let id = self.find(database, lookup)?.ok_or_else(|| VaultError::Unavailable("a subject was just forgotten".into()))?;
            return Ok(RegisteredSubject { id, is_new: false });
        }
        self.subjects.insert(lookup, candidate);
        self.external_ids.insert(candidate, external_id);
        self.subject_keys.insert(candidate, Arc::new(key));
        Ok(RegisteredSubject { id: candidate, is_new: true })
    }

    fn find(&self, database: &Connection, lookup: LookupTag) -> Result<Option<SubjectId>, VaultError> {
        let found: Option<[u8; 16]> =
            database.prepare_cached("SELECT id FROM subjects WHERE lookup = ?1")?.query_row([lookup], |row| row.get(0)).optional()?;
        let id = found.map(|octets| SubjectId(Uuid::from_bytes(octets)));
        if let Some(id) = id {
            self.subjects.insert(lookup, id);
        }
        Ok(id)
    }

    fn load_subject_key(&self, database: &Connection, subject: SubjectId) -> Result<Option<Arc<SealKey>>, VaultError> {
        let id = subject.0.as_bytes();
        let wrapped: Option<Vec<u8>> =
            database.prepare_cached("SELECT wrapped_key FROM subjects WHERE id = ?1")?.query_row([id], |row| row.get(0)).optional()?;
        let Some(wrapped) = wrapped else { return Ok(None) };
        let key = SealKey::unwrap(&wrapped, &self.keys.subject_wrap, id).ok_or_else(|| VaultError::sealed("a subject's key"))?;
        let key = Arc::new(key);
        self.subject_keys.insert(subject, Arc::clone(&key));
        Ok(Some(key))
    }

    fn load_external_id(&self, database: &Connection, subject: SubjectId) -> Result<Option<Arc<str>>, VaultError> {
        let Some(key) = self.load_subject_key(database, subject)? else { return Ok(None) };
        let sealed: Vec<u8> = database
            .prepare_cached("SELECT external_id FROM subjects WHERE id = ?1")?
            .query_row([subject.0.as_bytes()], |row| row.get(0))?;
        let opened = key.open(&about(subject, EXTERNAL_ID), &sealed);
        let external_id: Arc<str> = opened
            .as_ref()
            .and_then(|octets| std::str::from_utf8(octets).ok())
            .ok_or_else(|| VaultError::sealed("a subject's external id"))?
            .into();
        self.external_ids.insert(subject, Arc::clone(&external_id));
        Ok(Some(external_id))
    }

    fn forget(&self, database: &Connection, subject: SubjectId) -> Result<bool, VaultError> {
        let deleted = delete(database, subject)?;
        self.subjects.retain(|_, id| *id != subject);
        self.external_ids.remove(&subject);
        self.subject_keys.remove(&subject);
        // Also when there was no row: an earlier try may have ended between the two.
        database::forget_deleted(database)?;
        Ok(deleted > 0)
    }

    fn forget_all(&self, database: &mut Connection, subjects: &[SubjectId]) -> Result<usize, VaultError> {
        let mut forgotten = HashSet::new();
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for subject in subjects {
            if delete(&transaction, *subject)? > 0 {
                forgotten.insert(*subject);
            }
        }
        transaction.commit()?;
        if forgotten.is_empty() {
            return Ok(0);
        }
        self.subjects.retain(|_, id| !forgotten.contains(id));
        for subject in &forgotten {
            self.external_ids.remove(subject);
            self.subject_keys.remove(subject);
        }
        database::forget_deleted(database)?;
        Ok(forgotten.len())
    }
}

fn delete(database: &Connection, subject: SubjectId) -> rusqlite::Result<usize> {
    database.prepare_cached("DELETE FROM subjects WHERE id = ?1")?.execute([subject.0.as_bytes()])
}

/// What the box with a subject's external id is about.
pub(super) fn about_external_id(subject: SubjectId) -> Vec<u8> {
    about(subject, EXTERNAL_ID)
}

/// What a box is about. The id has a fixed length, so no two pairs give the same octets.
fn about(subject: SubjectId, field: &str) -> Vec<u8> {
    [subject.0.as_bytes().as_slice(), field.as_bytes()].concat()
}
