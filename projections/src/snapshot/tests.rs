use std::sync::Arc;

use grantlog_core::store::Recorded;
use proptest::prelude::*;

use super::*;
use crate::testing::{
    History, START, any_history, api_key_created, client, connected, generated, grant, registered, resource_server,
    resource_server_registered, uuid,
};

fn fold(events: &[Arc<Recorded>]) -> State {
    events.iter().cloned().collect()
}

/// A state with something of everything in it.
fn full() -> State {
    use grantlog_core::{
        domain::{ApiKeyId, InitialAccessTokenId, StreamId, StreamKind, TrustedIssuerId, policy, segment},
        protocol::AccessTokenFormat::Opaque,
    };

    use grantlog_core::domain::subject::{ErasureId, RoleChangeEffect, SubjectEvent};

    use crate::testing::{
        acme, after, initial_access_token_created, machine_issued, machine_token, policy_published, policy_set, roles_set, segment_sealed,
        subject, trusted_issuer,
    };

    let history = History::default()
        .at(START, &client(1).stream(), registered("one"))
        .at(START, &StreamId::new(StreamKind::SigningKey, "kid"), generated())
        .at(START, &ApiKeyId(uuid(1)).stream(), api_key_created())
        .at(START, &policy::stream(), policy_published(1))
        .at(START, &resource_server(1).stream(), resource_server_registered(1, "notes.read"))
        .at(START, &acme().stream(), policy_set("none_allowed"))
        .at(START, &subject(1).stream(), roles_set(&["editor"], RoleChangeEffect::Narrow))
        .at(START, &subject(2).stream(), SubjectEvent::Erased { erasure_id: ErasureId(uuid(1)) })
        .at(START, &InitialAccessTokenId(uuid(1)).stream(), initial_access_token_created())
        .at(START, &TrustedIssuerId(uuid(1)).stream(), trusted_issuer("https://login.example"))
        .at(START, &machine_token(1).stream(), machine_issued(client(1), Opaque, after(1000)))
        .at(START, &segment::stream_of(3), segment_sealed());
    fold(&connected(history, grant(1), client(1), Opaque).0)
}

/// What a program of another shape wrote must not be read: when this fails, raise `SCHEMA`, and then write the new digest here.
#[test]
fn a_new_shape_of_the_state_needs_a_new_number() {
    assert_eq!((SCHEMA, full().digest().to_string().as_str()), (9, "47c98f27c95345eb5a5eaace4702847121e7ebe4bec1564f784a3b3c243124eb"));
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &full()).unwrap();
    let restored = read(&path).unwrap();
    assert_eq!(restored.digest(), full().digest());
    assert_eq!(restored.position(), full().position());
}

#[test]
fn the_newest_two_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let history = connected(
        History::default().at(START, &client(1).stream(), registered("one")),
        grant(1),
        client(1),
        grantlog_core::protocol::AccessTokenFormat::Jwt,
    )
    .0;
    for length in 1..=4 {
        write(folder.path(), &fold(&history[..length])).unwrap();
    }
    let kept = newest_first(folder.path()).unwrap();
    let positions: Vec<_> = kept.iter().map(|path| read(path).unwrap().position().unwrap().0).collect();
    assert_eq!(positions, [9, 6]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing unfinished is left");
}

#[test]
fn a_folder_that_does_not_exist_has_no_snapshots() {
    assert!(newest_first(Path::new("/nonexistent/grantlog")).unwrap().is_empty());
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_a_snapshot() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &full()).unwrap();
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_snapshot_of_another_version_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live-1.snapshot");
    let mut bytes = MAGIC.to_vec();
    let header = Header { program: "0.0.0".to_owned(), ..Header::of(&full()) };
    bytes.extend(postcard::to_stdvec(&header).unwrap());
    bytes.extend(postcard::to_stdvec(&full()).unwrap());
    bytes.extend_from_slice(digest(&SHA256, &bytes.clone()).as_ref());
    fs::write(&path, bytes).unwrap();
    assert!(matches!(read(&path), Err(Unusable::Foreign)));
}

proptest! {
    #[test]
    fn a_damaged_snapshot_is_not_used(at in any::<prop::sample::Index>(), flip in 1..=255_u8, cut in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), &full()).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] ^= flip }
        fs::write(&path, bytes).unwrap();
        prop_assert!(read(&path).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn stop_anywhere_and_go_on(events in any_history()) {
        let expected = fold(&events).digest();
        for at in 0..=events.len() {
            let bytes = postcard::to_stdvec(&fold(&events[..at])).unwrap();
            let mut restored: State = postcard::from_bytes(&bytes).unwrap();
            restored.share();
            events[at..].iter().for_each(|event| restored.apply(event));
            prop_assert_eq!(restored.digest(), expected, "stopped before event {}", at);
        }
    }
}
