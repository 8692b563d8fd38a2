use proptest::{collection::vec, prelude::*};
use serde_json::json;

use super::{
    ClientCommand::{
        self, CancelSecretRotation, CompleteSecretRotation, Delete, DeleteIfLapsed, ExtendLease, Register, ReplaceSecret, Resume,
        StartSecretRotation, Suspend, Update, UpdateBySelf, Use, Verify, WithdrawVerification,
    },
    *,
};
use crate::{
    domain::{Decider, OrganizationId, Seconds, Timestamp, testing::Spec},
    keys::SecretHash,
    protocol::{ClientMetadata, Scope},
};

const METHODS: [&str; 4] = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];
const TYPES: [&str; 3] = ["first_party", "third_party", "machine"];

fn metadata(client_type: &str, method: &str, name: &str) -> ClientMetadata {
    serde_json::from_value(json!({
        "client_type": client_type, "token_endpoint_auth_method": method, "client_name": name,
        "redirect_uris": ["https://app.example/callback"], "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile", "id_token_signed_response_alg": "RS256", "access_token_format": "jwt",
    }))
    .expect("metadata of a client")
}

fn with_method(method: &str) -> ClientMetadata {
    metadata("third_party", method, "App")
}

fn scope(text: &str) -> Scope {
    text.parse().expect("a scope")
}

fn secret(text: &str) -> SecretHash {
    serde_json::from_value(json!(text)).expect("a hash is a string")
}

fn registered(method: &str) -> ClientEvent {
    let secret = method.starts_with("client_secret").then(|| secret("first"));
    ClientEvent::registered(with_method(method), secret)
}

fn register(metadata: ClientMetadata, secret: Option<SecretHash>) -> ClientCommand {
    Register { metadata, secret, origin: Origin::default() }
}

/// When the lease of a client ends that registered itself.
const END: Timestamp = Timestamp(1_000_000);

fn by_itself() -> ClientEvent {
    ClientEvent::Registered {
        metadata: with_method("none"),
        secret: None,
        registration: Registration::Dynamic,
        lease_until: Some(END),
        registration_access_token: Some(secret("token")),
        document_sha256: None,
    }
}

fn rotating() -> [ClientEvent; 2] {
    [registered("client_secret_basic"), ClientEvent::SecretRotationStarted { secret: secret("second") }]
}

fn fold(events: impl IntoIterator<Item = ClientEvent>) -> Client {
    events.into_iter().fold(Client::default(), |client, event| ClientDecider::evolve(client, &event, Timestamp(7)))
}

fn secrets(client: &Client) -> Vec<SecretHash> {
    client.secrets().cloned().collect()
}

#[test]
fn a_client_is_registered_with_its_secret() {
    Spec::<ClientDecider>::given([])
        .when(register(with_method("client_secret_basic"), Some(secret("first"))))
        .then([registered("client_secret_basic")]);
}

#[test]
fn a_client_id_is_registered_once() {
    Spec::<ClientDecider>::given([registered("none")]).when(register(with_method("none"), None)).then_refused(ClientRefusal::AlreadyExists);
}

#[test]
fn the_id_of_a_deleted_client_stays_taken() {
    Spec::<ClientDecider>::given([registered("none"), ClientEvent::Deleted {}])
        .when(register(with_method("none"), None))
        .then_refused(ClientRefusal::AlreadyExists);
}

#[test]
fn a_client_that_authenticates_with_a_secret_is_not_registered_without_one() {
    Spec::<ClientDecider>::given([]).when(register(with_method("client_secret_post"), None)).then_refused(ClientRefusal::NeedsSecret);
}

#[test]
fn a_client_that_uses_no_secret_is_not_registered_with_one() {
    for method in ["none", "private_key_jwt"] {
        Spec::<ClientDecider>::given([])
            .when(register(with_method(method), Some(secret("first"))))
            .then_refused(ClientRefusal::NotASecretClient);
    }
}

#[test]
fn an_update_records_the_whole_metadata() {
    let renamed = metadata("third_party", "none", "App 2");
    Spec::<ClientDecider>::given([registered("none")])
        .when(Update { metadata: renamed.clone() })
        .then([ClientEvent::Updated { metadata: renamed }]);
}

#[test]
fn an_update_that_changes_nothing_records_nothing() {
    Spec::<ClientDecider>::given([registered("none")]).when(Update { metadata: with_method("none") }).then_nothing();
}

#[test]
fn the_type_of_a_client_is_for_good() {
    Spec::<ClientDecider>::given([registered("none")])
        .when(Update { metadata: metadata("first_party", "none", "App") })
        .then_refused(ClientRefusal::Immutable { field: "client_type" });
}

#[test]
fn the_organization_of_a_client_is_for_good() {
    let theirs = ClientMetadata { organization_id: Some(OrganizationId("acme".into())), ..with_method("none") };
    Spec::<ClientDecider>::given([registered("none")])
        .when(Update { metadata: theirs })
        .then_refused(ClientRefusal::Immutable { field: "organization_id" });
}

#[test]
fn rfc6749_2_1_a_client_stays_public_or_confidential() {
    for (from, to) in
        [("none", "client_secret_basic"), ("none", "private_key_jwt"), ("private_key_jwt", "none"), ("client_secret_post", "none")]
    {
        Spec::<ClientDecider>::given([registered(from)])
            .when(Update { metadata: with_method(to) })
            .then_refused(ClientRefusal::Immutable { field: "token_endpoint_auth_method" });
    }
}

#[test]
fn a_client_may_switch_between_the_ways_to_send_its_secret() {
    Spec::<ClientDecider>::given([registered("client_secret_basic")])
        .when(Update { metadata: with_method("client_secret_post") })
        .then([ClientEvent::Updated { metadata: with_method("client_secret_post") }]);
}

#[test]
fn a_client_may_switch_from_a_secret_to_a_key_and_its_secret_is_then_no_good() {
    let switched = ClientEvent::Updated { metadata: with_method("private_key_jwt") };
    Spec::<ClientDecider>::given([registered("client_secret_basic")])
        .when(Update { metadata: with_method("private_key_jwt") })
        .then([switched.clone()]);
    assert_eq!(secrets(&fold([registered("client_secret_basic"), switched])), []);
}

#[test]
fn a_client_without_a_secret_may_not_switch_from_a_key_to_a_secret() {
    Spec::<ClientDecider>::given([registered("private_key_jwt")])
        .when(Update { metadata: with_method("client_secret_basic") })
        .then_refused(ClientRefusal::NeedsSecret);
}

#[test]
fn a_client_that_kept_its_secret_may_switch_back_from_a_key() {
    let to_key = ClientEvent::Updated { metadata: with_method("private_key_jwt") };
    Spec::<ClientDecider>::given([registered("client_secret_basic"), to_key])
        .when(Update { metadata: with_method("client_secret_basic") })
        .then([ClientEvent::Updated { metadata: with_method("client_secret_basic") }]);
}

#[test]
fn both_secrets_are_good_while_a_rotation_is_underway() {
    Spec::<ClientDecider>::given([registered("client_secret_basic")])
        .when(StartSecretRotation { secret: secret("second") })
        .then([ClientEvent::SecretRotationStarted { secret: secret("second") }]);
    assert_eq!(secrets(&fold(rotating())), [secret("first"), secret("second")]);
}

#[test]
fn one_rotation_at_a_time() {
    Spec::<ClientDecider>::given(rotating())
        .when(StartSecretRotation { secret: secret("third") })
        .then_refused(ClientRefusal::RotationUnderway);
}

#[test]
fn a_client_without_a_secret_rotates_none() {
    for method in ["none", "private_key_jwt"] {
        Spec::<ClientDecider>::given([registered(method)])
            .when(StartSecretRotation { secret: secret("second") })
            .then_refused(ClientRefusal::NotASecretClient);
    }
}

#[test]
fn only_the_next_secret_is_good_after_a_completed_rotation() {
    Spec::<ClientDecider>::given(rotating()).when(CompleteSecretRotation).then([ClientEvent::SecretRotationCompleted {}]);
    assert_eq!(secrets(&fold(rotating().into_iter().chain([ClientEvent::SecretRotationCompleted {}]))), [secret("second")]);
}

#[test]
fn only_the_first_secret_is_good_after_a_cancelled_rotation() {
    Spec::<ClientDecider>::given(rotating()).when(CancelSecretRotation).then([ClientEvent::SecretRotationCancelled {}]);
    assert_eq!(secrets(&fold(rotating().into_iter().chain([ClientEvent::SecretRotationCancelled {}]))), [secret("first")]);
}

#[test]
fn only_the_secret_that_replaces_another_is_good() {
    let replace = || ReplaceSecret { secret: secret("second") };
    let events = [ClientEvent::SecretRotationStarted { secret: secret("second") }, ClientEvent::SecretRotationCompleted {}];
    Spec::<ClientDecider>::given([registered("client_secret_basic")]).when(replace()).then(events.clone());
    assert_eq!(secrets(&fold([registered("client_secret_basic")].into_iter().chain(events))), [secret("second")]);
    Spec::<ClientDecider>::given(rotating()).when(replace()).then_refused(ClientRefusal::RotationUnderway);
    Spec::<ClientDecider>::given([registered("none")]).when(replace()).then_refused(ClientRefusal::NotASecretClient);
    Spec::<ClientDecider>::given([]).when(replace()).then_refused(ClientRefusal::NotFound);
}

#[test]
fn a_rotation_that_is_not_underway_is_neither_completed_nor_cancelled() {
    for command in [CompleteSecretRotation, CancelSecretRotation] {
        Spec::<ClientDecider>::given([registered("client_secret_basic")]).when(command).then_refused(ClientRefusal::NoRotation);
    }
}

#[test]
fn suspending_and_resuming_are_recorded_once() {
    let suspended = [registered("none"), ClientEvent::Suspended {}];
    Spec::<ClientDecider>::given([registered("none")]).when(Suspend).then([ClientEvent::Suspended {}]);
    Spec::<ClientDecider>::given(suspended.clone()).when(Suspend).then_nothing();
    Spec::<ClientDecider>::given(suspended).when(Resume).then([ClientEvent::Resumed {}]);
    Spec::<ClientDecider>::given([registered("none")]).when(Resume).then_nothing();
}

#[test]
fn a_suspended_client_exists_and_is_not_active() {
    let client = fold([registered("none"), ClientEvent::Suspended {}]);
    assert!(client.exists(END) && client.is_suspended() && !client.is_active(END));
}

#[test]
fn deleting_is_recorded_once() {
    Spec::<ClientDecider>::given([registered("none")]).when(Delete).then([ClientEvent::Deleted {}]);
    Spec::<ClientDecider>::given([registered("none"), ClientEvent::Deleted {}]).when(Delete).then_nothing();
}

#[test]
fn a_deleted_client_holds_nothing_but_its_dates() {
    let client = fold(rotating().into_iter().chain([ClientEvent::Suspended {}, ClientEvent::Deleted {}]));
    assert!(!client.exists(END) && !client.is_registered() && !client.is_active(END) && !client.is_suspended() && client.is_deleted());
    assert_eq!((client.metadata(), secrets(&client), client.registered_at()), (None, vec![], Some(Timestamp(7))));
}

#[test]
fn nothing_can_be_asked_of_a_client_that_is_not_there() {
    let update = Update { metadata: with_method("none") };
    let start = StartSecretRotation { secret: secret("second") };
    let by_self = UpdateBySelf { metadata: with_method("none"), self_registrable: scope("openid profile") };
    let others = [Use, ExtendLease { length: Seconds(10) }, Verify, WithdrawVerification];
    for command in [update, by_self, start, CompleteSecretRotation, CancelSecretRotation, Suspend, Resume].into_iter().chain(others) {
        Spec::<ClientDecider>::given([]).when(command.clone()).then_refused(ClientRefusal::NotFound);
        Spec::<ClientDecider>::given([by_itself()]).at(END).when(command.clone()).then_refused(ClientRefusal::NotFound);
        Spec::<ClientDecider>::given([registered("none"), ClientEvent::Deleted {}]).when(command).then_refused(ClientRefusal::NotFound);
    }
    Spec::<ClientDecider>::given([]).when(Delete).then_refused(ClientRefusal::NotFound);
}

#[test]
fn a_client_that_registered_itself_remembers_how_it_came_to_be() {
    let origin = Origin { registration: Registration::Dynamic, lease_until: Some(END), registration_access_token: Some(secret("token")) };
    let command = Register { metadata: with_method("none"), secret: None, origin };
    Spec::<ClientDecider>::given([]).when(command).then([by_itself()]);
    let client = fold([by_itself()]);
    assert_eq!(client.registration_access_token(), Some(&secret("token")));
    let standing = client.standing();
    assert_eq!((standing.registration(), standing.lease_until(), standing.is_used()), (Registration::Dynamic, Some(END), false));
}

fn of_document(name: &str, sha256: &str) -> ClientEvent {
    ClientEvent::Registered {
        metadata: metadata("third_party", "none", name),
        secret: None,
        registration: Registration::MetadataDocument,
        lease_until: None,
        registration_access_token: None,
        document_sha256: Some(sha256.to_owned()),
    }
}

fn document(name: &str, sha256: &str) -> ClientCommand {
    ClientCommand::RecordDocument { metadata: metadata("third_party", "none", name), document_sha256: sha256.to_owned() }
}

fn document_changed(name: &str, sha256: &str) -> ClientEvent {
    ClientEvent::DocumentChanged { metadata: metadata("third_party", "none", name), document_sha256: sha256.to_owned() }
}

#[test]
fn a_document_is_recorded_when_it_is_new_and_when_it_changed() {
    Spec::<ClientDecider>::given([]).when(document("App", "1")).then([of_document("App", "1")]);
    Spec::<ClientDecider>::given([of_document("App", "1")]).when(document("App", "1")).then_nothing();
    Spec::<ClientDecider>::given([of_document("App", "1")]).when(document("App", "2")).then([document_changed("App", "2")]);
    // What a document says depends on what clients may register for, too.
    Spec::<ClientDecider>::given([of_document("App", "1")]).when(document("App 2", "1")).then([document_changed("App 2", "1")]);
}

#[test]
fn a_client_whose_document_is_gone_is_not_active_until_it_is_back() {
    let gone = [of_document("App", "1"), ClientEvent::Withdrawn {}];
    Spec::<ClientDecider>::given([of_document("App", "1")]).when(ClientCommand::WithdrawDocument).then([ClientEvent::Withdrawn {}]);
    Spec::<ClientDecider>::given(gone.clone()).when(ClientCommand::WithdrawDocument).then_nothing();
    Spec::<ClientDecider>::given(gone.clone()).when(document("App", "1")).then([ClientEvent::Reinstated {}]);
    Spec::<ClientDecider>::given(gone.clone()).when(document("B", "2")).then([document_changed("B", "2"), ClientEvent::Reinstated {}]);
    assert!(fold(gone.clone()).exists(END) && !fold(gone.clone()).is_active(END));
    assert!(fold(gone.into_iter().chain([ClientEvent::Reinstated {}])).is_active(END));
}

#[test]
fn a_document_takes_over_no_client_that_came_to_be_in_another_way() {
    for past in [vec![registered("none")], vec![by_itself()], vec![of_document("App", "1"), ClientEvent::Deleted {}]] {
        Spec::<ClientDecider>::given(past).when(document("App", "1")).then_refused(ClientRefusal::AlreadyExists);
    }
    Spec::<ClientDecider>::given([registered("none")]).when(ClientCommand::WithdrawDocument).then_nothing();
    Spec::<ClientDecider>::given([]).when(ClientCommand::WithdrawDocument).then_refused(ClientRefusal::NotFound);
}

#[test]
fn what_a_document_says_is_not_changed_by_anybody_else() {
    Spec::<ClientDecider>::given([of_document("App", "1")])
        .when(Update { metadata: metadata("third_party", "none", "App 2") })
        .then_refused(ClientRefusal::FromDocument);
}

#[test]
fn whoever_vouched_for_a_client_vouched_for_what_its_document_said_then() {
    Spec::<ClientDecider>::given([of_document("App", "1"), ClientEvent::Verified {}])
        .when(document("App", "2"))
        .then([document_changed("App", "2"), ClientEvent::VerificationWithdrawn {}]);
}

#[test]
fn a_client_that_was_never_used_lapses_when_its_lease_ends() {
    let client = fold([by_itself()]);
    let before = Timestamp(END.0 - 1);
    assert!(client.exists(before) && client.is_active(before));
    assert!(!client.exists(END) && !client.is_active(END) && client.is_registered() && !client.is_deleted());
}

#[test]
fn the_first_use_is_recorded_once_and_ends_the_lease() {
    Spec::<ClientDecider>::given([by_itself()]).when(Use).then([ClientEvent::Used {}]);
    Spec::<ClientDecider>::given([by_itself(), ClientEvent::Used {}]).at(END).when(Use).then_nothing();
    assert!(fold([by_itself(), ClientEvent::Used {}]).is_active(END));
}

#[test]
fn the_use_of_a_client_without_a_lease_is_not_recorded() {
    Spec::<ClientDecider>::given([registered("none")]).when(Use).then_nothing();
    assert!(fold([registered("none")]).is_active(Timestamp(i64::MAX)));
}

#[test]
fn a_lease_is_extended_when_half_of_it_is_over() {
    let length = Seconds(1000);
    let extend = || ExtendLease { length };
    let half = Timestamp(END.0 / 2);
    Spec::<ClientDecider>::given([by_itself()]).at(half).when(extend()).then_nothing();
    let later = Timestamp(half.0 + 1000);
    Spec::<ClientDecider>::given([by_itself()])
        .at(later)
        .when(extend())
        .then([ClientEvent::LeaseExtended { lease_until: later.plus(length) }]);
    Spec::<ClientDecider>::given([by_itself(), ClientEvent::Used {}]).at(later).when(extend()).then_nothing();
    Spec::<ClientDecider>::given([registered("none")]).when(extend()).then_nothing();
}

#[test]
fn only_a_lapsed_client_is_cleared_away() {
    Spec::<ClientDecider>::given([by_itself()]).when(DeleteIfLapsed).then_nothing();
    Spec::<ClientDecider>::given([by_itself()]).at(END).when(DeleteIfLapsed).then([ClientEvent::Deleted {}]);
    Spec::<ClientDecider>::given([by_itself(), ClientEvent::Used {}]).at(END).when(DeleteIfLapsed).then_nothing();
    Spec::<ClientDecider>::given([by_itself(), ClientEvent::Deleted {}]).at(END).when(DeleteIfLapsed).then_nothing();
    Spec::<ClientDecider>::given([]).at(END).when(DeleteIfLapsed).then_nothing();
    Spec::<ClientDecider>::given([by_itself()]).at(END).when(Delete).then([ClientEvent::Deleted {}]);
}

#[test]
fn the_id_of_a_lapsed_client_stays_taken() {
    Spec::<ClientDecider>::given([by_itself()])
        .at(END)
        .when(register(with_method("none"), None))
        .then_refused(ClientRefusal::AlreadyExists);
}

#[test]
fn an_administrator_vouches_for_a_client_and_takes_it_back() {
    Spec::<ClientDecider>::given([by_itself()]).when(Verify).then([ClientEvent::Verified {}]);
    let vouched_for = [by_itself(), ClientEvent::Verified {}];
    Spec::<ClientDecider>::given(vouched_for.clone()).at(END).when(Verify).then_nothing();
    Spec::<ClientDecider>::given(vouched_for.clone()).when(WithdrawVerification).then([ClientEvent::VerificationWithdrawn {}]);
    Spec::<ClientDecider>::given([by_itself()]).when(WithdrawVerification).then_nothing();
    assert!(fold(vouched_for).standing().is_verified() && !fold([by_itself()]).standing().is_verified());
}

#[test]
fn whoever_an_administrator_registered_is_vouched_for() {
    assert!(fold([registered("none")]).standing().is_verified());
    Spec::<ClientDecider>::given([registered("none")]).when(Verify).then_nothing();
    Spec::<ClientDecider>::given([registered("none")]).when(WithdrawVerification).then_refused(ClientRefusal::RegisteredByOperator);
}

fn says(name: &str, scopes: &str) -> ClientCommand {
    let metadata = ClientMetadata { scope: scope(scopes), ..metadata("third_party", "none", name) };
    UpdateBySelf { metadata, self_registrable: scope("openid") }
}

#[test]
fn rfc7592_2_2_what_a_client_says_of_itself_is_replaced_and_what_administrators_decide_stays() {
    let decided = ClientMetadata {
        required_scope: scope("openid profile"),
        refresh_grace: Some(Seconds(3)),
        client_uri: Some("https://app.example".to_owned()),
        ..with_method("none")
    };
    let expected = ClientMetadata { required_scope: scope("openid"), scope: scope("openid"), client_uri: None, ..decided.clone() };
    let expected = ClientMetadata { client_name: "App 2".to_owned(), ..expected };
    Spec::<ClientDecider>::given([by_itself(), ClientEvent::Updated { metadata: decided }])
        .when(says("App 2", "openid"))
        .then([ClientEvent::Updated { metadata: expected }]);
}

#[test]
fn a_client_gives_itself_no_scope_that_it_may_not_register_but_keeps_what_it_was_given() {
    Spec::<ClientDecider>::given([by_itself()])
        .when(says("App", "openid profile email"))
        .then_refused(ClientRefusal::NotSelfRegistrable(scope("email")));
    Spec::<ClientDecider>::given([by_itself()]).when(says("App", "openid profile")).then_nothing();
}

#[test]
fn a_client_that_changes_what_it_says_is_not_vouched_for_any_more() {
    let renamed = ClientEvent::Updated { metadata: metadata("third_party", "none", "App 2") };
    Spec::<ClientDecider>::given([by_itself(), ClientEvent::Verified {}])
        .when(says("App 2", "openid profile"))
        .then([renamed, ClientEvent::VerificationWithdrawn {}]);
    Spec::<ClientDecider>::given([by_itself(), ClientEvent::Verified {}]).when(says("App", "openid profile")).then_nothing();
}

#[test]
fn a_suspended_client_changes_nothing_about_itself() {
    Spec::<ClientDecider>::given([by_itself(), ClientEvent::Suspended {}])
        .when(says("App 2", "openid"))
        .then_refused(ClientRefusal::Suspended);
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (0..100_000_i64).prop_map(Timestamp)
}

fn by_itself_until(metadata: ClientMetadata, until: Timestamp) -> ClientCommand {
    let secret = metadata.uses_secret().then(|| secret("first"));
    let origin = Origin { registration: Registration::Dynamic, lease_until: Some(until), registration_access_token: None };
    Register { metadata, secret, origin }
}

fn any_command() -> impl Strategy<Value = ClientCommand> {
    let any_metadata = || {
        (prop::sample::select(&TYPES[..]), prop::sample::select(&METHODS[..]), "[ab]")
            .prop_map(|(client_type, method, name)| metadata(client_type, method, &name))
    };
    let any_secret = || "[a-c]".prop_map(|text| secret(&text));
    prop_oneof![
        3 => (any_metadata(), prop::option::of(any_secret())).prop_map(|(metadata, secret)| register(metadata, secret)),
        2 => (any_metadata(), any_time()).prop_map(|(metadata, until)| by_itself_until(metadata, until)),
        1 => any_metadata().prop_map(|metadata| UpdateBySelf { metadata, self_registrable: scope("openid profile") }),
        1 => Just(Use),
        1 => (0..100_u32).prop_map(|seconds| ExtendLease { length: Seconds(seconds) }),
        1 => Just(Verify),
        1 => Just(WithdrawVerification),
        1 => Just(DeleteIfLapsed),
        3 => any_metadata().prop_map(|metadata| Update { metadata }),
        3 => any_secret().prop_map(|secret| StartSecretRotation { secret }),
        1 => any_secret().prop_map(|secret| ReplaceSecret { secret }),
        2 => Just(CompleteSecretRotation),
        1 => Just(CancelSecretRotation),
        1 => Just(Suspend),
        1 => Just(Resume),
        1 => Just(Delete),
    ]
}

proptest! {
    #[test]
    fn a_client_keeps_its_kind_and_has_a_secret_if_and_only_if_its_method_is_one(commands in vec(any_command(), 0..40)) {
        let mut client = Client::default();
        for command in commands {
            let before = client.clone();
            for event in ClientDecider::decide(&client, &command, Timestamp(0)).unwrap_or_default() {
                client = ClientDecider::evolve(client, &event, Timestamp(0));
            }
            prop_assert!(!(before.is_deleted() && client.is_registered()), "a deleted client came back");
            if let (Some(was), Some(is)) = (before.metadata(), client.metadata()) {
                prop_assert_eq!((was.client_type, was.is_public()), (is.client_type, is.is_public()));
            }
            let by_secret = client.metadata().is_some_and(ClientMetadata::uses_secret);
            prop_assert_eq!(client.secrets().next().is_some(), by_secret);
        }
    }

    #[test]
    fn a_lapsed_client_never_exists_again(commands in vec((any_command(), any_time()), 0..40)) {
        let (mut client, mut now, mut lapsed) = (Client::default(), Timestamp(0), false);
        for (command, passed) in commands {
            now = Timestamp(now.0 + passed.0 / 10);
            lapsed |= client.is_registered() && !client.exists(now);
            for event in ClientDecider::decide(&client, &command, now).unwrap_or_default() {
                client = ClientDecider::evolve(client, &event, now);
            }
            prop_assert!(!(lapsed && (client.exists(now) || client.is_active(now))), "a lapsed client came back");
        }
    }
}
