use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use uuid::Uuid;

use super::*;
use crate::{
    domain::{AuthorizationId, Sealed, Timestamp},
    jose::Algorithm,
};

const EXTERNAL_ID: &str = "alice-in-the-application@example.com";

fn master(letter: &str) -> MasterKey {
    MasterKey::from_base64(&format!("{}A=", letter.repeat(42))).expect("a key")
}

fn memory() -> Vault {
    Vault::in_memory(&master("A")).expect("a vault")
}

fn subject(number: u128) -> SubjectId {
    SubjectId(Uuid::from_u128(number))
}

/// Every octet of every file in the folder.
fn octets(dir: &Path) -> Vec<u8> {
    let files = fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path());
    files.flat_map(|path| fs::read(path).expect("a file")).collect()
}

fn holds(dir: &Path, searched: &[u8]) -> bool {
    octets(dir).windows(searched.len()).any(|window| window == searched)
}

#[tokio::test]
async fn a_person_is_registered_once() {
    let vault = memory();
    assert_eq!(vault.find_subject(EXTERNAL_ID).await, Ok(None));
    let first = vault.register_subject(EXTERNAL_ID, subject(1)).await;
    assert_eq!(first, Ok(RegisteredSubject { id: subject(1), is_new: true }));
    let again = vault.register_subject(EXTERNAL_ID, subject(2)).await;
    assert_eq!(again, Ok(RegisteredSubject { id: subject(1), is_new: false }));
    assert_eq!(vault.find_subject(EXTERNAL_ID).await, Ok(Some(subject(1))));
    assert_eq!(vault.external_id(subject(1)).await.expect("found").as_deref(), Some(EXTERNAL_ID));
    assert_eq!(vault.external_id(subject(2)).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_for_one_person_ends_in_one_subject() {
    let vault = memory();
    let racers = (1..=20).map(|number| {
        let vault = vault.clone();
        tokio::spawn(async move { vault.register_subject(EXTERNAL_ID, subject(number)).await.expect("registered") })
    });
    let registered: Vec<_> = futures::future::join_all(racers).await.into_iter().map(|racer| racer.expect("no panic")).collect();
    assert_eq!(registered.iter().filter(|registered| registered.is_new).count(), 1);
    assert!(registered.iter().all(|one| one.id == registered[0].id));
}

#[tokio::test]
async fn two_vaults_on_one_file_end_in_one_subject() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = Vault::open(dir.path(), &master("A")).expect("a vault");
    let other = Vault::open(dir.path(), &master("A")).expect("a vault");
    one.register_subject(EXTERNAL_ID, subject(1)).await.expect("registered");
    let registered = other.register_subject(EXTERNAL_ID, subject(2)).await;
    assert_eq!(registered, Ok(RegisteredSubject { id: subject(1), is_new: false }));
}

#[tokio::test]
async fn a_subject_id_is_not_given_to_two_persons() {
    let vault = memory();
    vault.register_subject(EXTERNAL_ID, subject(1)).await.expect("registered");
    assert!(matches!(vault.register_subject("bob", subject(1)).await, Err(VaultError::Corrupt(_))));
    assert_eq!(vault.find_subject("bob").await, Ok(None));
}

#[tokio::test]
async fn a_personal_value_opens_for_its_subject_and_field_only() {
    let vault = memory();
    vault.register_subject("alice", subject(1)).await.expect("registered");
    vault.register_subject("bob", subject(2)).await.expect("registered");
    let sealed = vault.seal(subject(1), "name", b"Alice").await.expect("sealed");
    let opened = vault.open_sealed(&sealed, "name").await.expect("opened");
    assert_eq!(opened.as_ref().map(|octets| octets.as_slice()), Some(b"Alice".as_slice()));
    assert!(matches!(vault.open_sealed(&sealed, "email").await, Err(VaultError::Corrupt(_))));
    let moved = Sealed { subject: subject(2), ..sealed };
    assert!(matches!(vault.open_sealed(&moved, "name").await, Err(VaultError::Corrupt(_))));
    let garbage = Sealed { subject: subject(1), sealed: "?".into() };
    assert!(matches!(vault.open_sealed(&garbage, "name").await, Err(VaultError::Corrupt(_))));
    assert!(vault.seal(subject(3), "name", b"Nobody").await.is_err());
}

#[tokio::test]
async fn what_was_sealed_for_a_forgotten_subject_is_gone() {
    let alice = subject(0x0193_2d5e_aabb_7ccd_8eef_0123_4567_89ab);
    let dir = tempfile::tempdir().expect("a folder");
    let vault = Vault::open(dir.path(), &master("A")).expect("a vault");
    vault.register_subject(EXTERNAL_ID, alice).await.expect("registered");
    let sealed = vault.seal(alice, "name", b"Alice").await.expect("sealed");
    assert!(holds(dir.path(), alice.0.as_bytes()));
    assert_eq!(vault.forget_subject(alice).await, Ok(true));
    assert_eq!(vault.forget_subject(alice).await, Ok(false));
    assert_eq!(vault.open_sealed(&sealed, "name").await, Ok(None));
    assert_eq!(vault.external_id(alice).await, Ok(None));
    assert_eq!(vault.find_subject(EXTERNAL_ID).await, Ok(None));
    assert!(!holds(dir.path(), alice.0.as_bytes()), "the row is overwritten, in the write-ahead log too");
    let again = vault.register_subject(EXTERNAL_ID, subject(2)).await;
    assert_eq!(again, Ok(RegisteredSubject { id: subject(2), is_new: true }));
}

/// What a row of the vault holds of somebody: their lookup tag, their wrapped key, their sealed external id.
fn row(dir: &Path, subject: SubjectId) -> Vec<Vec<u8>> {
    let database = Connection::open(dir.join("vault.db")).expect("a database");
    let columns = |row: &rusqlite::Row<'_>| Ok(vec![row.get(0)?, row.get(1)?, row.get(2)?]);
    let sql = "SELECT lookup, wrapped_key, external_id FROM subjects WHERE id = ?1";
    database.query_row(sql, [subject.0.as_bytes()], columns).expect("a row")
}

#[tokio::test]
async fn of_a_forgotten_subject_no_octet_is_left_on_any_page() {
    let dir = tempfile::tempdir().expect("a folder");
    let vault = Vault::open(dir.path(), &master("A")).expect("a vault");
    // Enough that pages are split and joined, which moves rows about.
    let people: Vec<_> = (1..=400).map(|number| subject(number << 64)).collect();
    for person in &people {
        vault.register_subject(&format!("{person}@example.com"), *person).await.expect("registered");
    }
    let (forgotten, kept): (Vec<_>, Vec<_>) = people.into_iter().enumerate().partition(|(number, _)| number % 3 > 0);
    let rows: Vec<_> = forgotten.iter().flat_map(|(_, person)| row(dir.path(), *person)).collect();
    let mut forgotten: Vec<_> = forgotten.into_iter().map(|(_, person)| person).collect();
    let rest = forgotten.split_off(20);
    for one in forgotten {
        assert_eq!(vault.forget_subject(one).await, Ok(true));
    }
    assert_eq!(vault.forget_subjects(rest.clone()).await, Ok(rest.len()));
    assert_eq!(vault.forget_subjects(rest.clone()).await, Ok(0));
    assert_eq!(vault.find_subject(&format!("{}@example.com", rest[0])).await, Ok(None));
    // Neither does a new master key bring anybody back.
    let left = octets(dir.path());
    let is_left = |octets: &[u8], row: &[u8]| octets.windows(row.len()).any(|window| window == row);
    assert!(rows.iter().all(|row| !is_left(&left, row)));
    assert!(row(dir.path(), kept[0].1).iter().all(|row| is_left(&left, row)), "the search finds what is there");
    vault.replace_master_key(&master("B"), |_| {}).await.expect("replaced");
    let left = octets(dir.path());
    assert!(rows.iter().all(|row| !is_left(&left, row)));
    let vault = Vault::open(dir.path(), &master("B")).expect("it opens");
    assert_eq!(vault.external_id(rest[0]).await, Ok(None));
    assert_eq!(vault.count_subjects().await, Ok(kept.len() as u64));
}

#[tokio::test]
async fn a_hint_is_held_until_its_time_is_over() {
    let vault = memory();
    let (one, other) = (AuthorizationId(Uuid::from_u128(1)), AuthorizationId(Uuid::from_u128(2)));
    vault.hold_hint(one, "alice@example.com", Timestamp(10)).await.expect("held");
    vault.hold_hint(other, "bob@example.com", Timestamp(11)).await.expect("held");
    assert_eq!(vault.hint(one).await, Ok(Some("alice@example.com".into())));
    assert_eq!(vault.drop_expired_hints(Timestamp(9)).await, Ok(0));
    assert_eq!(vault.drop_expired_hints(Timestamp(10)).await, Ok(1));
    assert_eq!(vault.hint(one).await, Ok(None));
    assert_eq!(vault.hint(other).await, Ok(Some("bob@example.com".into())));
    assert_eq!(vault.held_hints().await, Ok(vec![other]));
    vault.drop_hints(vec![one, other]).await.expect("dropped");
    assert_eq!((vault.hint(other).await, vault.held_hints().await), (Ok(None), Ok(vec![])));
}

#[tokio::test]
async fn a_signing_key_is_kept_parsed_and_dropped() {
    let vault = memory();
    for algorithm in Algorithm::ALL {
        let key = crate::keys::generate_signing_key(algorithm, &|seed| seed.fill(9)).expect("a key");
        vault.keep_signing_key(key.kid(), algorithm, &key).await.expect("kept");
        let kept = vault.signing_key(key.kid()).await.expect("found").expect("a key");
        assert_eq!((kept.kid(), kept.algorithm()), (key.kid(), algorithm));
        let cached = vault.signing_key(key.kid()).await.expect("found").expect("a key");
        assert!(Arc::ptr_eq(&kept, &cached));
        assert_eq!(vault.drop_signing_key(key.kid()).await, Ok(true));
        assert!(vault.signing_key(key.kid()).await.expect("no error").is_none());
    }
}

#[tokio::test]
async fn what_is_kept_survives_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let key = SigningKey::from_ed25519_seed(&[0x5a; 32]);
    let authorization = AuthorizationId(Uuid::from_u128(1));
    let sealed = {
        let vault = Vault::open(dir.path(), &master("A")).expect("a vault");
        vault.register_subject(EXTERNAL_ID, subject(1)).await.expect("registered");
        vault.hold_hint(authorization, "hint", Timestamp(10)).await.expect("held");
        vault.keep_signing_key(key.kid(), Algorithm::EdDsa, &key).await.expect("kept");
        vault.seal(subject(1), "name", b"Alice").await.expect("sealed")
    };
    let vault = Vault::open(dir.path(), &master("A")).expect("the same vault");
    assert_eq!(vault.find_subject(EXTERNAL_ID).await, Ok(Some(subject(1))));
    assert_eq!(vault.external_id(subject(1)).await.expect("found").as_deref(), Some(EXTERNAL_ID));
    assert!(vault.open_sealed(&sealed, "name").await.expect("opened").is_some());
    assert_eq!(vault.hint(authorization).await, Ok(Some("hint".into())));
    assert!(vault.signing_key(key.kid()).await.expect("found").is_some());
}

#[tokio::test]
async fn no_file_holds_anything_in_the_clear() {
    let dir = tempfile::tempdir().expect("a folder");
    let vault = Vault::open(dir.path(), &master("A")).expect("a vault");
    let key = SigningKey::from_ed25519_seed(b"this is a seed of 32 octets, yes");
    vault.register_subject(EXTERNAL_ID, subject(1)).await.expect("registered");
    vault.hold_hint(AuthorizationId(Uuid::from_u128(1)), "alice's own hint", Timestamp(10)).await.expect("held");
    vault.keep_signing_key(key.kid(), Algorithm::EdDsa, &key).await.expect("kept");
    assert!(holds(dir.path(), key.kid().as_bytes()), "the search finds what is there");
    for secret in [EXTERNAL_ID.as_bytes(), b"alice's own hint", b"this is a seed of 32 octets, yes"] {
        assert!(!holds(dir.path(), secret));
    }
    for entry in fs::read_dir(dir.path()).expect("a folder") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
    }
}

#[tokio::test]
async fn a_row_that_was_tampered_with_is_an_error() {
    let dir = tempfile::tempdir().expect("a folder");
    let key = SigningKey::from_ed25519_seed(&[1; 32]);
    let vault = Vault::open(dir.path(), &master("A")).expect("a vault");
    vault.register_subject("alice", subject(1)).await.expect("registered");
    vault.keep_signing_key(key.kid(), Algorithm::EdDsa, &key).await.expect("kept");
    drop(vault);
    let file = Connection::open(dir.path().join("vault.db")).expect("a file");
    file.execute_batch("UPDATE subjects SET id = zeroblob(16); UPDATE signing_keys SET kid = 'other'").expect("tampered");
    drop(file);
    let vault = Vault::open(dir.path(), &master("A")).expect("a vault");
    assert!(matches!(vault.external_id(subject(0)).await, Err(VaultError::Corrupt(_))));
    assert!(matches!(vault.signing_key("other").await, Err(VaultError::Corrupt(_))));
}

#[test]
fn a_wrong_master_key_is_told_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    Vault::open(dir.path(), &master("A")).expect("a vault");
    assert_eq!(Vault::open(dir.path(), &master("B")).err(), Some(VaultError::WrongMasterKey));
    Vault::open(dir.path(), &master("A")).expect("unharmed");
}

#[test]
fn what_is_no_vault_is_told_apart_from_one_that_is_busy() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("vault.db"), "x".repeat(8192)).expect("a file");
    assert!(matches!(Vault::open(dir.path(), &master("A")), Err(VaultError::Corrupt(_))));
    fs::write(dir.path().join("file"), "").expect("a file");
    assert!(matches!(Vault::open(&dir.path().join("file"), &master("A")), Err(VaultError::Unavailable(_))));
    let busy = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None);
    assert!(matches!(VaultError::from(busy), VaultError::Unavailable(_)));
    let full = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None);
    assert!(matches!(VaultError::from(full), VaultError::Unavailable(_)));
}

#[test]
fn debug_output_holds_nothing() {
    assert_eq!(format!("{:?}", memory()), "Vault(redacted)");
}

#[tokio::test]
async fn a_replaced_master_key_opens_everything_and_the_old_one_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let vault = Vault::open(dir.path(), &master("A")).expect("a vault");
    vault.register_subject(EXTERNAL_ID, subject(1)).await.expect("registered");
    let sealed = vault.seal(subject(1), "claims", b"personal").await.expect("sealed");
    let request = AuthorizationId(Uuid::from_u128(9));
    vault.hold_hint(request, "alice", Timestamp(5)).await.expect("held");
    let key = crate::keys::generate_signing_key(Algorithm::EdDsa, &|octets| octets.fill(7)).expect("a key");
    vault.keep_signing_key("kid", Algorithm::EdDsa, &key).await.expect("kept");
    let (token, hash) = (*vault.lasting_key(LastingKey::Token), *vault.lasting_key(LastingKey::SecretHash));
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    vault.replace_master_key(&master("B"), move |done| tell.lock().expect("no panic").push(done)).await.expect("replaced");
    assert_eq!(*told.lock().expect("no panic"), [1]);

    assert_eq!(Vault::open(dir.path(), &master("A")).err(), Some(VaultError::WrongMasterKey));
    let vault = Vault::open(dir.path(), &master("B")).expect("it opens");
    assert_eq!(vault.find_subject(EXTERNAL_ID).await, Ok(Some(subject(1))));
    assert_eq!(vault.external_id(subject(1)).await.expect("found").as_deref(), Some(EXTERNAL_ID));
    assert_eq!(vault.open_sealed(&sealed, "claims").await.expect("opened").expect("there").as_slice(), b"personal");
    assert_eq!(vault.hint(request).await, Ok(Some("alice".to_owned())));
    assert!(vault.signing_key("kid").await.expect("read").is_some());
    // What the log was written with stays good.
    assert_eq!((*vault.lasting_key(LastingKey::Token), *vault.lasting_key(LastingKey::SecretHash)), (token, hash));
    // And once more: they are those of the first key for ever.
    vault.replace_master_key(&master("C"), |_| {}).await.expect("replaced");
    let vault = Vault::open(dir.path(), &master("C")).expect("it opens");
    assert_eq!(*vault.lasting_key(LastingKey::Token), token);
}

#[tokio::test]
async fn a_vault_of_the_first_layout_is_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let vault = Vault::open(dir.path(), &master("A")).expect("a vault");
    vault.register_subject(EXTERNAL_ID, subject(1)).await.expect("registered");
    let token = *vault.lasting_key(LastingKey::Token);
    drop(vault);
    let database = rusqlite::Connection::open(dir.path().join("vault.db")).expect("a database");
    database.execute_batch("DROP TABLE lasting_keys; PRAGMA user_version = 1").expect("as it was");
    drop(database);
    let vault = Vault::open(dir.path(), &master("A")).expect("it opens");
    assert_eq!(vault.find_subject(EXTERNAL_ID).await, Ok(Some(subject(1))));
    assert_eq!((*vault.lasting_key(LastingKey::Token), token), (token, *master("A").derive("token")));
}
