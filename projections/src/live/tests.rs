use std::sync::Arc;

use grantlog_core::{
    app::directory::{GrantDirectory, GrantEntry},
    domain::{
        ApiKeyId, InitialAccessTokenId, OrganizationId, StreamId, StreamKind,
        api_key::ApiKeyEvent,
        authorization::Basis,
        client::{ClientEvent, Registration},
        grant::{GrantEvent, RevocationReason, TokenNumber},
        initial_access_token::InitialAccessTokenEvent,
        machine_token::MachineTokenEvent,
        organization::{ChangeNumber, OrganizationEvent},
        resource_server::ResourceServerEvent,
        signing_key::SigningKeyEvent,
        subject::{ErasureId, RoleChangeEffect, SubjectChange, SubjectEvent},
        trusted_issuer::TrustedIssuerEvent,
    },
    keys::KeyDirectory,
    protocol::AccessTokenFormat::{Jwt, Opaque},
    store::Recorded,
};
use proptest::prelude::*;

use super::*;
use crate::testing::{
    HOUR, History, START, access_token, acme, after, any_history, api_key_created, client, connected, generated, grant,
    initial_access_token_created, machine_issued, machine_token, metadata, policy_set, record, registered, registered_by_itself,
    resource_server, resource_server_registered, resource_server_updated, roles_set, scope, subject, trusted_issuer, uuid,
};

const REASON: RevocationReason = RevocationReason::RequestedByClient;
const TOKEN: AccessTokenRef = token(0);

const fn token(number: u32) -> AccessTokenRef {
    AccessTokenRef::Grant { grant_id: GrantId(uuid(1)), token: TokenNumber(number) }
}

fn live(history: History) -> Live {
    Live::new(history.0.into_iter().collect())
}

/// One client with one grant and one token.
fn one(format: grantlog_core::protocol::AccessTokenFormat) -> History {
    let history = History::default().at(START, &client(1).stream(), registered("one"));
    connected(history, grant(1), client(1), format)
}

fn is_live(history: History, token: &AccessTokenRef) -> bool {
    live(history).access_token(token, after(1000)).is_some()
}

#[test]
fn an_opaque_token_tells_what_it_is_good_for() {
    let found = live(one(Opaque)).access_token(&TOKEN, after(1000)).unwrap();
    assert_eq!(found.client_id, client(1));
    assert_eq!(found.subject, Some(subject(1)));
    assert_eq!(found.organization_id, Some(OrganizationId("acme".into())));
    assert_eq!(found.scope, Some(scope("openid")));
    assert_eq!(found.audience, Some(vec!["https://api.example".to_owned()]));
    assert_eq!(found.expires_at, after(HOUR));
    assert_eq!(found.authentication.unwrap().acr.as_deref(), Some("1"));
    assert_eq!(found.claims.unwrap().subject, subject(1));
    assert_eq!(*found.roles, ["editor".to_owned()]);
}

#[test]
fn a_jwt_is_known_without_its_facts() {
    let found = live(one(Jwt)).access_token(&TOKEN, after(1000)).unwrap();
    assert_eq!((found.scope, found.audience, found.family), (None, None, Some(FamilyNumber(0))));
}

#[test]
fn a_token_is_dead_from_its_expiry_on() {
    let live = live(one(Opaque));
    assert!(live.access_token(&TOKEN, after(HOUR - 1)).is_some());
    assert!(live.access_token(&TOKEN, after(HOUR)).is_none());
}

#[test]
fn a_token_nobody_issued_is_dead() {
    assert!(!is_live(one(Opaque), &token(1)));
    assert!(!is_live(one(Opaque), &AccessTokenRef::MachineOpaque { id: machine_token(1) }));
}

#[test]
fn a_revoked_token_is_dead_and_its_sibling_is_not() {
    for format in [Jwt, Opaque] {
        let history = one(format).at(after(2), &grant(1).stream(), access_token(TokenNumber(1), FamilyNumber(0), format, after(HOUR))).at(
            after(3),
            &grant(1).stream(),
            GrantEvent::AccessTokenRevoked { token: TokenNumber(0), reason: REASON },
        );
        let live = live(history);
        assert!(live.access_token(&token(0), after(4)).is_none());
        assert!(live.access_token(&token(1), after(4)).is_some());
    }
}

#[test]
fn the_tokens_of_an_ended_family_are_dead() {
    for format in [Jwt, Opaque] {
        let history = one(format).at(after(2), &grant(1).stream(), GrantEvent::FamilyEnded { family: FamilyNumber(0), reason: REASON });
        let live = live(history);
        assert!(live.access_token(&TOKEN, after(3)).is_none());
        assert!(live.refresh_token(grant(1), FamilyNumber(0), Generation(0), after(3)).is_none());
        assert_eq!(live.grant(grant(1)).unwrap().live_families(after(3)), 0);
    }
}

#[test]
fn the_tokens_of_a_revoked_grant_are_dead() {
    for format in [Jwt, Opaque] {
        let live = live(one(format).at(after(2), &grant(1).stream(), GrantEvent::Revoked { reason: REASON }));
        assert!(live.access_token(&TOKEN, after(3)).is_none());
        assert!(live.refresh_token(grant(1), FamilyNumber(0), Generation(0), after(3)).is_none());
        assert!(live.grant(grant(1)).is_none());
        assert!(live.grants_of_subject(subject(1)).is_empty());
    }
}

#[test]
fn nothing_is_issued_under_a_grant_that_is_gone() {
    let history = one(Jwt).at(after(2), &grant(1).stream(), GrantEvent::Revoked { reason: REASON }).at(
        after(3),
        &grant(1).stream(),
        access_token(TokenNumber(1), FamilyNumber(0), Jwt, after(HOUR)),
    );
    assert!(!is_live(history, &token(1)));
}

#[test]
fn a_suspended_clients_tokens_are_dead_until_it_is_resumed() {
    let suspended = || {
        one(Opaque).at(START, &machine_token(1).stream(), machine_issued(client(1), Opaque, after(HOUR))).at(
            after(2),
            &client(1).stream(),
            ClientEvent::Suspended {},
        )
    };
    let machine = AccessTokenRef::MachineOpaque { id: machine_token(1) };
    let jwt = AccessTokenRef::MachineJwt { id: machine_token(2), client_id: client(1), expires_at: after(HOUR) };
    for token in [&TOKEN, &machine, &jwt] {
        assert!(!is_live(suspended(), token), "{token:?}");
        assert!(is_live(suspended().at(after(3), &client(1).stream(), ClientEvent::Resumed {}), token), "{token:?}");
    }
    assert!(live(suspended()).refresh_token(grant(1), FamilyNumber(0), Generation(0), after(3)).is_none());
}

#[test]
fn a_deleted_client_leaves_nothing() {
    let live = live(one(Opaque).at(after(2), &client(1).stream(), ClientEvent::Deleted {}));
    assert!(live.access_token(&TOKEN, after(3)).is_none());
    assert!(live.client(&client(1)).is_none());
    assert!(live.grants_of_subject(subject(1)).is_empty());
    assert!(live.clients(None, 10, &ClientFilter::default(), START).unwrap().clients.is_empty());
}

#[test]
fn only_the_newest_refresh_token_is_live() {
    let rotated = GrantEvent::RefreshTokenRotated { family: FamilyNumber(0), generation: Generation(1), expires_at: after(48 * HOUR) };
    let live = live(one(Jwt).at(after(2), &grant(1).stream(), rotated));
    let refresh = |generation, now| live.refresh_token(grant(1), FamilyNumber(0), Generation(generation), now);
    assert!(refresh(0, after(3)).is_none());
    assert_eq!(refresh(1, after(3)).unwrap().scope.to_string(), "openid");
    assert!(refresh(1, after(48 * HOUR)).is_none());
    assert!(refresh(2, after(3)).is_none());
}

#[test]
fn consents_add_up() {
    let more = GrantEvent::Consented {
        authorization_id: grantlog_core::domain::AuthorizationId(uuid(2)),
        scope: scope("email"),
        reason: None,
        shown: None,
        basis: Basis::default(),
    };
    let live = live(one(Jwt).at(after(5), &grant(1).stream(), more));
    let found = live.find_grant(subject(1), &client(1), Some(&OrganizationId("acme".into()))).unwrap();
    assert_eq!(found.scope.to_string(), "email openid");
    assert_eq!((found.consented_at, found.last_consented_at), (Some(START), Some(after(5))));
    assert_eq!(found.live_families(after(6)), 1);
    assert!(live.find_grant(subject(1), &client(1), None).is_none());
    assert!(live.find_grant(subject(2), &client(1), Some(&OrganizationId("acme".into()))).is_none());
}

#[test]
fn a_machine_token_that_was_revoked_is_dead_in_either_form() {
    let issued = |format| {
        History::default().at(START, &client(1).stream(), registered("one")).at(
            START,
            &machine_token(1).stream(),
            machine_issued(client(1), format, after(HOUR)),
        )
    };
    let opaque = AccessTokenRef::MachineOpaque { id: machine_token(1) };
    let jwt = AccessTokenRef::MachineJwt { id: machine_token(1), client_id: client(1), expires_at: after(HOUR) };
    for (format, token) in [(Opaque, opaque), (Jwt, jwt)] {
        assert!(is_live(issued(format), &token));
        assert!(!is_live(issued(format).at(after(2), &machine_token(1).stream(), MachineTokenEvent::Revoked {}), &token));
    }
}

#[test]
fn what_expired_is_forgotten_as_time_passes_in_the_log() {
    let mut history = one(Opaque).at(START, &machine_token(1).stream(), machine_issued(client(1), Opaque, after(HOUR)));
    for _ in 0..3 {
        history = history.at(after(30 * HOUR), &client(1).stream(), ClientEvent::Updated { metadata: metadata("one") });
    }
    let live = live(history);
    // It was alive at that time; that nobody can tell any more shows that it is forgotten.
    assert!(live.access_token(&TOKEN, after(1000)).is_none());
    assert!(live.access_token(&AccessTokenRef::MachineOpaque { id: machine_token(1) }, after(1000)).is_none());
    assert!(live.grant(grant(1)).is_some(), "the consent stays");
}

#[test]
fn a_revoked_machine_jwt_is_remembered_for_as_long_as_any_could_live() {
    let history = (0..20).fold(
        History::default()
            .at(START, &client(1).stream(), registered("one"))
            .at(START, &machine_token(1).stream(), machine_issued(client(1), Jwt, after(10 * HOUR)))
            .at(after(2), &machine_token(1).stream(), MachineTokenEvent::Revoked {}),
        |history, _| history.at(after(10 * HOUR), &client(1).stream(), ClientEvent::Updated { metadata: metadata("one") }),
    );
    let jwt = AccessTokenRef::MachineJwt { id: machine_token(1), client_id: client(1), expires_at: after(10 * HOUR) };
    assert!(!is_live(history, &jwt));
}

#[test]
fn pages_of_clients_stay_in_order_while_clients_come_and_go() {
    let mut state: State = (0..5)
        .fold(History::default(), |history, number| history.at(START, &client(9 - number).stream(), registered("some")))
        .0
        .into_iter()
        .collect();
    let names = |page: &ClientPage| page.clients.iter().map(|client| client.client_id.to_string()).collect::<Vec<_>>();
    let first = state.clients.page(None, 2, &ClientFilter::default(), START).unwrap();
    assert_eq!(names(&first), ["client-9", "client-8"]);

    state.apply(&record(5, START, &client(8).stream(), &ClientEvent::Deleted {}.into()));
    state.apply(&record(6, START, &client(1).stream(), &registered("new").into()));
    let second = state.clients.page(first.next.as_deref(), 2, &ClientFilter::default(), START).unwrap();
    assert_eq!(names(&second), ["client-7", "client-6"]);
    let last = state.clients.page(second.next.as_deref(), 2, &ClientFilter::default(), START).unwrap();
    assert_eq!(names(&last), ["client-5", "client-1"]);
    assert_eq!(last.next, None);
}

#[test]
fn a_cursor_of_somebody_elses_is_refused() {
    assert_eq!(live(History::default()).clients(Some("client-1"), 2, &ClientFilter::default(), START), Err(InvalidCursor));
}

#[test]
fn a_client_shows_its_state() {
    let stream = client(1).stream();
    let secret = serde_json::from_value(serde_json::json!("c2VjcmV0")).unwrap();
    let history = one(Jwt)
        .at(START, &stream, ClientEvent::SecretRotationStarted { secret })
        .at(START, &stream, ClientEvent::Updated { metadata: metadata("renamed") })
        .at(START, &stream, ClientEvent::Suspended {});
    let found = live(history).client(&client(1)).unwrap();
    assert!(found.suspended && found.has_next_secret);
    assert_eq!(found.metadata.client_name, "renamed");
}

#[test]
fn keys_are_listed_until_they_are_revoked() {
    let signing = |kid| StreamId::new(StreamKind::SigningKey, kid);
    let api = |number| ApiKeyId(uuid(number));
    let history = History::default()
        .at(START, &signing("b"), generated())
        .at(after(1), &signing("a"), generated())
        .at(after(2), &signing("b"), SigningKeyEvent::Retired { at: after(3), published_until: after(4) })
        .at(after(2), &api(1).stream(), api_key_created())
        .at(after(2), &api(2).stream(), api_key_created())
        .at(after(3), &api(1).stream(), ApiKeyEvent::Revoked {});
    let now = live(History(history.0.clone()));
    let keys = now.keys();
    assert_eq!(keys.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!((keys[0].retired_at, keys[0].published_until), (Some(after(3)), Some(after(4))));
    assert_eq!(now.api_keys().iter().map(|key| key.id).collect::<Vec<_>>(), [api(2)]);

    let later = live(history.at(after(4), &signing("b"), SigningKeyEvent::Revoked {}));
    assert_eq!(later.keys().len(), 1);
}

#[test]
fn trusted_issuers_and_their_origins_are_known_until_they_are_deleted() {
    let stream = |number| TrustedIssuerId(uuid(number)).stream();
    let history = || {
        History::default().at(START, &stream(1), trusted_issuer("https://login.example")).at(
            START,
            &stream(2),
            trusted_issuer("https://other.example"),
        )
    };
    let now = live(history());
    assert_eq!(now.issuers_named("https://login.example"), [TrustedIssuerId(uuid(1))]);
    assert!(now.is_registered_origin("https://app.example") && !now.is_registered_origin("https://app.example:8443"));
    assert_eq!(now.trusted_issuers().len(), 2);
    let one_left = live(history().at(after(1), &stream(1), TrustedIssuerEvent::Deleted {}));
    assert!(one_left.issuers_named("https://login.example").is_empty() && one_left.trusted_issuer(TrustedIssuerId(uuid(1))).is_none());
    assert!(one_left.is_registered_origin("https://app.example"));
    let unreadable = live(history().unreadable(&stream(1)).unreadable(&stream(2)));
    assert!(unreadable.trusted_issuers().is_empty() && !unreadable.is_registered_origin("https://app.example"));
}

#[test]
fn resource_servers_are_known_until_they_are_deleted() {
    let server = |number| resource_server(number).stream();
    let history = History::default()
        .at(START, &server(1), resource_server_registered(1, "notes.read"))
        .at(after(1), &server(2), resource_server_registered(2, "files.read"))
        .at(after(2), &server(3), resource_server_registered(3, ""))
        .at(after(3), &server(1), resource_server_updated(1, "notes.read notes.write"));
    let now = live(History(history.0.clone()));
    assert!(now.is_registered("https://api-1.example") && !now.is_registered("https://api-1.example/"));
    assert_eq!(*ResourceServerDirectory::scopes(&now), scope("files.read notes.read notes.write"));
    let ids = |servers: &[Arc<ResourceServerView>]| servers.iter().map(|server| server.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&now.resource_servers()), [resource_server(1), resource_server(2), resource_server(3)]);
    let page = now.resource_server_page(None, 2).unwrap();
    assert_eq!(ids(&page.resource_servers), [resource_server(1), resource_server(2)]);
    let page = now.resource_server_page(page.next.as_deref(), 2).unwrap();
    assert_eq!((ids(&page.resource_servers), page.next), (vec![resource_server(3)], None));
    assert!(now.resource_server_page(Some("x"), 2).is_err());

    let deleted = history
        .at(after(4), &server(1), ResourceServerEvent::Deleted {})
        .at(after(5), &server(2), ResourceServerEvent::Deleted {})
        .at(after(6), &server(1), resource_server_registered(1, "notes.read"));
    let later = live(deleted.unreadable(&server(3)));
    assert_eq!(ids(&later.resource_servers()), [resource_server(1)]);
    assert_eq!(*ResourceServerDirectory::scopes(&later), scope("notes.read"));
    assert_eq!(later.resource_server(&resource_server(2)), None);
}

#[test]
fn what_cannot_be_read_ends_what_it_is_about() {
    for stream in [grant(1).stream(), client(1).stream()] {
        let live = live(one(Opaque).unreadable(&stream));
        assert!(live.access_token(&TOKEN, after(3)).is_none(), "{stream}");
        assert_eq!(live.unreadable(), 1);
    }
}

fn fold(events: &[Arc<Recorded>]) -> State {
    events.iter().cloned().collect()
}

proptest! {
    #[test]
    fn twice_equals_once(events in any_history(), again in any::<prop::sample::Index>()) {
        let mut state = fold(&events);
        let digest = state.digest();
        if !events.is_empty() {
            events[again.index(events.len())..].iter().for_each(|event| state.apply(event));
        }
        prop_assert_eq!(state.digest(), digest);
    }

    #[test]
    fn any_question_can_be_asked_of_any_history(events in any_history(), number in 0..5_u32, now in any::<i64>()) {
        let live = Live::new(fold(&events));
        let now = Timestamp(now);
        live.access_token(&token(number), now);
        live.refresh_token(grant(1), FamilyNumber(number), Generation(number), now);
        live.clients(None, 2, &ClientFilter::default(), START).unwrap();
        for grant in live.grants_of_subject(subject(1)) {
            prop_assert!(grant.live_families(now) <= 3);
        }
    }

    #[test]
    fn nothing_is_live_after_a_revocation(events in any_history(), number in 0..5_u32, now in 0..20 * HOUR) {
        let mut state = fold(&events);
        state.apply(&record(events.len(), after(now), &grant(1).stream(), &GrantEvent::Revoked { reason: REASON }.into()));
        prop_assert_eq!(Live::new(state).access_token(&token(number), after(now)), None);
    }

    #[test]
    fn a_copy_is_not_changed_by_what_follows(events in any_history(), at in any::<prop::sample::Index>()) {
        let at = at.index(events.len() + 1);
        let mut state = fold(&events[..at]);
        let (copy, digest) = (state.clone(), state.digest());
        events[at..].iter().for_each(|event| state.apply(event));
        prop_assert_eq!(copy.digest(), digest);
    }
}

/// Disconnects the client for everyone.
fn disconnected() -> OrganizationEvent {
    OrganizationEvent::ClientDisconnected { client_id: client(1) }
}

fn left() -> SubjectEvent {
    SubjectEvent::LeftOrganization { organization_id: acme(), effect: RoleChangeEffect::Revoke }
}

#[test]
fn what_an_organization_cuts_off_is_dead_before_it_is_revoked() {
    for format in [Jwt, Opaque] {
        let live = live(one(format).at(after(2), &acme().stream(), policy_set("none_allowed")));
        assert!(live.access_token(&TOKEN, after(3)).is_none());
        assert!(live.refresh_token(grant(1), FamilyNumber(0), Generation(0), after(3)).is_none());
        assert_eq!(live.cut_off_in(&acme()), [(grant(1), RevocationReason::OrganizationPolicy)]);
        assert_eq!(live.pending_organizations(), [acme()]);
    }
    let loosened =
        one(Jwt).at(after(2), &acme().stream(), policy_set("none_allowed")).at(after(3), &acme().stream(), policy_set("all_allowed"));
    assert!(is_live(loosened, &TOKEN));
}

#[test]
fn a_disconnection_cuts_off_what_was_opened_before_it_and_nothing_after() {
    let before = live(one(Jwt).at(START, &acme().stream(), disconnected()));
    assert!(before.access_token(&TOKEN, after(3)).is_none());
    assert_eq!(before.cut_off_in(&acme()), [(grant(1), RevocationReason::OrganizationDisconnected)]);
    // In the same millisecond, and after it in the log.
    let history = History::default().at(START, &client(1).stream(), registered("one")).at(START, &acme().stream(), disconnected());
    assert!(is_live(connected(history, grant(1), client(1), Jwt), &TOKEN));
}

#[test]
fn whoever_left_an_organization_has_nothing_there() {
    let history = || one(Jwt).at(after(2), &subject(1).stream(), left());
    assert!(!is_live(history(), &TOKEN));
    let live = live(history());
    let expected = GrantEntry { grant_id: grant(1), organization_id: Some(acme()), cut_off: Some(RevocationReason::LeftOrganization) };
    assert_eq!(live.grants_of(subject(1)), [expected]);
    assert_eq!(live.pending_subjects(), [subject(1)]);
    assert!(is_live(one(Jwt).at(after(2), &subject(2).stream(), left()), &TOKEN));
}

fn erased() -> SubjectEvent {
    SubjectEvent::Erased { erasure_id: ErasureId(uuid(9)) }
}

fn revoked_with(reason: RevocationReason) -> GrantEvent {
    GrantEvent::Revoked { reason }
}

#[test]
fn nothing_that_an_erased_person_allowed_is_good() {
    let history = || one(Jwt).at(after(2), &subject(1).stream(), erased());
    assert!(!is_live(history(), &TOKEN));
    let known = live(history());
    let expected = GrantEntry { grant_id: grant(1), organization_id: Some(acme()), cut_off: Some(RevocationReason::SubjectErased) };
    assert_eq!((known.grants_of(subject(1)), known.pending_subjects()), (vec![expected], vec![subject(1)]));
    assert!(known.is_erased(subject(1)) && !known.is_erased(subject(2)));
    // Also what was opened after it, by whoever was under way with it.
    let history = one(Jwt).at(after(2), &subject(1).stream(), erased());
    let late = AccessTokenRef::Grant { grant_id: grant(2), token: TokenNumber(0) };
    assert!(!is_live(connected(history, grant(2), client(1), Jwt), &late));
    assert!(is_live(one(Jwt).at(after(2), &subject(2).stream(), erased()), &TOKEN));
}

#[test]
fn an_erasure_is_pending_until_it_is_complete_and_no_grant_is_left() {
    let history = one(Jwt).at(after(2), &subject(1).stream(), erased());
    let ended = history.at(after(3), &grant(1).stream(), revoked_with(RevocationReason::SubjectErased));
    let known = live(History(ended.0.clone()));
    assert_eq!((known.pending_subjects(), known.grants_ended_by_erasure(subject(1))), (vec![subject(1)], 1));
    let complete = ended.at(after(4), &subject(1).stream(), SubjectEvent::ErasureCompleted { grants_ended: 1 });
    let known = live(History(complete.0.clone()));
    assert_eq!((known.pending_subjects(), known.erased_subjects()), (vec![], vec![subject(1)]));
    let late = live(connected(complete, grant(2), client(1), Jwt));
    assert_eq!((late.pending_subjects(), late.grants_ended_by_erasure(subject(1))), (vec![subject(1)], 1));
}

#[test]
fn grants_that_ended_for_other_reasons_are_not_counted() {
    let history = one(Jwt).at(after(2), &subject(1).stream(), erased());
    let known = live(history.at(after(3), &grant(1).stream(), revoked_with(RevocationReason::Disconnected)));
    assert_eq!(known.grants_ended_by_erasure(subject(1)), 0);
}

#[test]
fn erasures_are_listed_in_pages() {
    let erasure = |number: u8| SubjectEvent::Erased { erasure_id: ErasureId(uuid(number)) };
    let history = (1..=3).fold(History::default(), |history, number| history.at(START, &subject(number).stream(), erasure(10 - number)));
    let live = live(history);
    let page = |after: Option<&str>| {
        let page = live.erasures(after, 2).expect("a cursor");
        (page.items.iter().map(|erasure| erasure.subject).collect::<Vec<_>>(), page.next)
    };
    let (first, next) = page(None);
    assert_eq!((first, next.as_deref()), (vec![subject(3), subject(2)], Some(uuid(8).to_string().as_str())));
    assert_eq!(page(next.as_deref()), (vec![subject(1)], None));
    assert!(live.erasures(Some("x"), 2).is_err());
    assert_eq!(live.subject_of_erasure(ErasureId(uuid(9))), Some(subject(1)));
    assert_eq!(live.subject_of_erasure(ErasureId(uuid(1))), None);
}

#[test]
fn what_is_enforced_is_not_pending() {
    let history = one(Jwt)
        .at(after(2), &acme().stream(), disconnected())
        .at(after(2), &acme().stream(), disconnected())
        .at(after(2), &subject(1).stream(), left())
        .at(after(3), &acme().stream(), OrganizationEvent::Enforced { change: ChangeNumber(1) });
    let pending = live(History(history.0.clone()));
    assert_eq!((pending.pending_organizations(), pending.pending_subjects()), (vec![acme()], vec![subject(1)]));
    let history = history.at(after(4), &acme().stream(), OrganizationEvent::Enforced { change: ChangeNumber(2) }).at(
        after(4),
        &subject(1).stream(),
        SubjectEvent::Enforced { change: SubjectChange(1) },
    );
    let live = live(history);
    assert_eq!((live.pending_organizations(), live.pending_subjects()), (vec![], vec![]));
}

#[test]
fn roles_are_as_last_said() {
    let history = one(Jwt).at(after(2), &subject(1).stream(), roles_set(&["editor", "owner"], RoleChangeEffect::Keep)).at(
        after(3),
        &subject(1).stream(),
        roles_set(&["editor"], RoleChangeEffect::Keep),
    );
    let roles = |live: &Live, organization: Option<&OrganizationId>| {
        live.current_roles(subject(1), organization).map(|roles| roles.iter().cloned().collect::<Vec<_>>())
    };
    let known = live(History(history.0.clone()));
    assert_eq!((roles(&known, Some(&acme())), roles(&known, None)), (Some(vec!["editor".to_owned()]), None));
    assert_eq!(roles(&live(history.at(after(4), &subject(1).stream(), left())), Some(&acme())), None);
}

#[test]
fn what_is_connected_is_found_by_organization() {
    let two = connected(one(Jwt).at(START, &client(2).stream(), registered("two")), grant(2), client(2), Jwt);
    let connected = live(History(two.0.clone()));
    let page = connected.connected_apps(&acme(), None, 1);
    assert_eq!((page.items.len(), page.items[0].client.client_id.clone(), page.items[0].people), (1, client(1), 1));
    let next = connected.connected_apps(&acme(), page.next.as_deref(), 1);
    assert_eq!((next.items[0].client.client_id.clone(), next.next), (client(2), None));
    let people = connected.grants_to_client_in(&acme(), &client(1), None, 10).unwrap();
    assert_eq!(people.items.iter().map(|grant| grant.grant_id).collect::<Vec<_>>(), [grant(1)]);
    assert_eq!(connected.grants_to_client_in(&acme(), &client(1), Some("x"), 10), Err(InvalidCursor));
    let gone = live(two.at(after(2), &grant(1).stream(), GrantEvent::Revoked { reason: REASON }).at(
        after(2),
        &client(2).stream(),
        ClientEvent::Deleted {},
    ));
    assert_eq!(gone.connected_apps(&acme(), None, 10).items, []);
    assert!(gone.connected_app(&acme(), &client(1)).is_none());
}

#[test]
fn what_can_t_be_read_of_an_organization_or_a_person_counts_as_an_end() {
    assert!(!is_live(one(Jwt).unreadable(&acme().stream()), &TOKEN));
    assert!(!is_live(one(Jwt).unreadable(&subject(1).stream()), &TOKEN));
    assert!(is_live(one(Jwt).unreadable(&subject(2).stream()), &TOKEN));
}

#[test]
fn a_grant_that_was_narrowed_says_so() {
    let narrowed = GrantEvent::Narrowed { scope: scope("email"), reason: RevocationReason::RolesChanged };
    let live = live(one(Jwt).at(after(2), &grant(1).stream(), narrowed));
    assert_eq!(*live.grant(grant(1)).unwrap().scope, scope(""));
    let refresh = live.refresh_token(grant(1), FamilyNumber(0), Generation(0), after(3)).unwrap();
    assert_eq!(*refresh.scope, scope(""));
}

#[test]
fn when_sessions_are_ended_the_grant_stays() {
    let ended = GrantEvent::SessionsEnded { reason: RevocationReason::SessionsEnded };
    let live = live(one(Opaque).at(after(2), &grant(1).stream(), ended));
    assert!(live.access_token(&TOKEN, after(3)).is_none());
    let left = live.grant(grant(1)).unwrap();
    assert_eq!((left.live_families(after(3)), &*left.scope), (0, &scope("openid")));
}

#[test]
fn a_client_that_was_never_used_is_not_listed_once_its_lease_is_over() {
    let history = || History::default().at(START, &client(1).stream(), registered_by_itself("one", after(HOUR)));
    let listed = |history, now| live(history).clients(None, 10, &ClientFilter::default(), now).unwrap().clients.len();
    assert_eq!(listed(history(), after(HOUR - 1)), 1);
    assert_eq!(listed(history(), after(HOUR)), 0);
    assert_eq!(live(history()).lapsed_clients(after(HOUR)), [client(1)]);
    assert!(live(history()).lapsed_clients(after(HOUR - 1)).is_empty());
    let used = || history().at(after(1), &client(1).stream(), ClientEvent::Used {});
    assert_eq!(listed(used(), after(HOUR)), 1);
    assert!(live(used()).lapsed_clients(after(HOUR)).is_empty());
}

#[test]
fn an_initial_access_token_is_listed_with_its_uses_until_it_is_revoked() {
    let stream = InitialAccessTokenId(uuid(1)).stream();
    let used = || {
        let event = InitialAccessTokenEvent::Used { client_id: client(1) };
        History::default().at(START, &stream, initial_access_token_created()).at(after(1), &stream, event)
    };
    let listed = live(used()).initial_access_tokens();
    assert_eq!(listed.iter().map(|token| (&*token.name, token.uses, token.max_uses)).collect::<Vec<_>>(), [("partners", 1, 3)]);
    assert!(live(used().at(after(2), &stream, InitialAccessTokenEvent::Revoked {})).initial_access_tokens().is_empty());
}

#[test]
fn clients_are_listed_by_the_way_they_were_registered_in() {
    let history = History::default()
        .at(START, &client(1).stream(), registered("one"))
        .at(START, &client(2).stream(), registered_by_itself("two", after(HOUR)))
        .at(START, &client(2).stream(), ClientEvent::Verified {});
    let live = live(history);
    let page = |registration| live.clients(None, 10, &ClientFilter { registration, organization_id: None }, START).unwrap().clients;
    assert_eq!(page(None).len(), 2);
    let dynamic = page(Some(Registration::Dynamic));
    assert_eq!(dynamic.iter().map(|client| client.client_id.clone()).collect::<Vec<_>>(), [client(2)]);
    assert!(dynamic[0].standing.is_verified());
    assert!(page(Some(Registration::Imported)).is_empty());
}
