use std::{path::Path, sync::Arc, time::Duration};

use grantlog_core::{
    app::directory::GrantDirectory,
    domain::{
        ClientId, OrganizationId, StreamId, Timestamp,
        audit::{AuditEvent, Filters, Question},
        authorization::{Authentication, AuthorizationEvent, Basis, ConsentReason, DenialError},
        client::ClientEvent,
        grant::{GrantEvent, RevocationReason},
        signing_key::SigningKeyEvent,
    },
    protocol::AccessTokenFormat,
    store::{Position, Recorded},
};
use proptest::prelude::*;
use tempfile::TempDir;

use super::{feed::Feed, verify::digest_of, *};
use crate::{
    LiveRunner,
    live::Digest,
    runner::LiveOptions,
    testing::{
        HOUR, History as Written, Log, START, acme, after, any_cut, any_history, authorization, client, connected, generated, grant,
        metadata, policy_set, registered, resource_server, resource_server_registered, resource_server_updated, scope, subject,
    },
};

const PATIENCE: Duration = Duration::from_mins(1);

/// The events fed in batches of these sizes, one after another and then all at once.
fn fed(events: &[Arc<Recorded>], sizes: &[usize]) -> (TempDir, Digest) {
    let dir = TempDir::new().unwrap();
    let (mut feed, mut rest) = (Feed::open(dir.path()).unwrap(), events);
    for size in sizes {
        let (batch, others) = rest.split_at((*size).min(rest.len()));
        feed.take(batch).unwrap();
        rest = others;
    }
    feed.take(rest).unwrap();
    feed.close();
    let digest = digest_of(dir.path());
    (dir, digest)
}

async fn follow(log: &Log, dir: &Path) -> HistoryRunner {
    let runner = HistoryRunner::start(dir, log.store()).await.unwrap();
    if let Some(head) = log.store().head().await.unwrap() {
        runner.history().wait_for(head, PATIENCE).await.unwrap();
    }
    runner
}

fn positions(events: &[HistoricEvent]) -> Vec<u64> {
    events.iter().map(|event| event.recorded.position.0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn where_batches_begin_makes_no_difference(events in any_history(), sizes in prop::collection::vec(0..20_usize, 0..6)) {
        let (_dir, at_once) = fed(&events, &[]);
        let (dir, in_parts) = fed(&events, &sizes);
        prop_assert_eq!(at_once, in_parts);
        // Twice equals once.
        let mut feed = Feed::open(dir.path()).unwrap();
        feed.take(&events).unwrap();
        feed.close();
        prop_assert_eq!(digest_of(dir.path()), at_once);
    }

    #[test]
    fn pages_of_any_size_are_the_whole_list_and_nothing_twice(events in any_history(), limit in 1..7_usize, name in 0..6_u8) {
        let dir = TempDir::new().unwrap();
        let mut feed = Feed::open(dir.path()).unwrap();
        feed.take(&events).unwrap();
        feed.close();
        let connection = file::open_reader(&file::path(dir.path())).unwrap();
        let until = events.last().map_or(Position(0), |event| event.position);
        let filter = match name {
            0 => Filter::default(),
            1 => Filter::about(Kind::Client, client(0).as_str()),
            2 => Filter::about(Kind::Subject, subject(1).to_string()).and(Kind::Client, client(1).as_str()),
            3 => Filter::about(Kind::Type, "grant.access_token_issued"),
            4 => Filter { from: Some(after(HOUR)), ..Filter::about(Kind::Actor, "system") },
            _ => Filter { from: Some(START), to: Some(after(5 * HOUR)), ..Filter::default() },
        };
        let select = |after, order, limit| {
            events::select(&connection, &EventsQuery { filter: filter.clone(), until, after, order, limit }).unwrap()
        };
        let mut whole = select(None, Order::Ascending, usize::MAX);
        let expected = events.iter().filter(|event| {
            let time = event.event.time;
            filter.from.is_none_or(|from| time >= from) && filter.to.is_none_or(|to| time < to)
        });
        if name == 0 || name > 3 {
            prop_assert_eq!(positions(&whole), expected.map(|event| event.position.0).collect::<Vec<_>>());
        }
        for order in [Order::Ascending, Order::Descending] {
            let (mut pages, mut last) = (Vec::new(), None);
            loop {
                let page = select(last, order, limit);
                last = page.last().map(|event| event.recorded.position);
                let is_last = page.len() < limit;
                pages.extend(page);
                if is_last { break }
            }
            prop_assert_eq!(&pages, &whole);
            whole.reverse();
        }
    }

    /// What the past says of the log's end is what the present says.
    #[test]
    fn what_is_cut_off_is_so_in_the_past_as_in_the_present(cuts in prop::collection::vec(any_cut(), 0..12), opened_after in 0..6_usize) {
        let mut history = (0..3_u8).fold(Written::default(), |history, number| history.at(START, &client(number).stream(), registered("one")));
        let later = cuts.len().min(opened_after);
        for (stream, event) in &cuts[..later] {
            history = history.at(START, stream, event.clone());
        }
        history = connected(history, grant(1), client(1), AccessTokenFormat::Jwt);
        for (stream, event) in &cuts[later..] {
            history = history.at(after(HOUR), stream, event.clone());
        }
        let (dir, _) = fed(&history.0, &[]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (past, present) = runtime.block_on(async {
            let head = history.0.last().unwrap().position;
            let past = super::History::new(dir.path(), Some(head)).grant(grant(1), head).await.unwrap().unwrap();
            let runner = LiveRunner::start(Log::with(&history.0).store(), LiveOptions::default(), |_| {}).await.unwrap();
            let present = runner.live().grants_of(subject(1));
            runner.shutdown().await;
            (past, present)
        });
        prop_assert_eq!(past.reason, present[0].cut_off);
    }

    #[test]
    fn an_event_is_found_as_it_was_written(events in any_history()) {
        let (dir, _) = fed(&events, &[]);
        let connection = file::open_reader(&file::path(dir.path())).unwrap();
        for event in &events {
            let found = events::at(&connection, event.position).unwrap().unwrap();
            prop_assert_eq!(&found.recorded, event.as_ref());
        }
    }
}

#[tokio::test]
async fn stopped_anywhere_it_goes_on_to_the_same() {
    let history =
        connected(Written::default().at(START, &client(1).stream(), registered("first")), grant(1), client(1), AccessTokenFormat::Jwt);
    let (dir, log) = (TempDir::new().unwrap(), Log::default());
    for event in &history.0 {
        log.push(std::slice::from_ref(event));
        follow(&log, dir.path()).await.shutdown().await;
    }
    let scratch = TempDir::new().unwrap();
    assert_eq!(digest_of(dir.path()), rebuild(scratch.path(), log.store().as_ref(), None).await.unwrap());
    let scratch = TempDir::new().unwrap();
    let found = verify(dir.path(), log.store().as_ref(), scratch.path()).await.unwrap();
    assert!(matches!(found, Some(Verification::Agrees { unreadable: 0, .. })), "{found:?}");
}

#[tokio::test]
async fn it_goes_on_when_the_log_comes_back() {
    let history = connected(Written::default(), grant(1), client(1), AccessTokenFormat::Jwt).0;
    let (dir, log) = (TempDir::new().unwrap(), Log::with(&history[..3]));
    let runner = follow(&log, dir.path()).await;
    log.fail(true);
    log.push(&history[3..]);
    log.fail(false);
    runner.history().wait_for(history.last().unwrap().position, PATIENCE).await.unwrap();
    runner.shutdown().await;
}

#[tokio::test]
async fn a_file_that_is_damaged_or_of_another_log_is_made_anew() {
    let history = connected(Written::default(), grant(1), client(1), AccessTokenFormat::Jwt).0;
    let log = Log::with(&history);
    let dir = TempDir::new().unwrap();
    follow(&log, dir.path()).await.shutdown().await;
    let expected = digest_of(dir.path());

    std::fs::write(dir.path().join(FILE), b"this is no database").unwrap();
    let scratch = TempDir::new().unwrap();
    let found = verify(dir.path(), log.store().as_ref(), scratch.path()).await.unwrap();
    assert!(matches!(found, Some(Verification::Unusable { .. })), "{found:?}");
    follow(&log, dir.path()).await.shutdown().await;
    assert_eq!(digest_of(dir.path()), expected);

    // Of another log: it holds what that one never had.
    let other = Log::with(&Written::default().at(START, &client(7).stream(), registered("seventh")).0);
    let found = verify(dir.path(), other.store().as_ref(), scratch.path()).await.unwrap();
    assert_eq!(found, Some(Verification::OfAnotherLog));
    let runner = follow(&other, dir.path()).await;
    assert!(!runner.history().knows(Kind::Client, client(1).as_str()).await.unwrap());
    runner.shutdown().await;

    let empty = TempDir::new().unwrap();
    assert_eq!(verify(empty.path(), log.store().as_ref(), scratch.path()).await.unwrap(), None);
}

#[tokio::test]
async fn a_row_that_somebody_changed_is_found() {
    let history = connected(Written::default(), grant(1), client(1), AccessTokenFormat::Jwt).0;
    let (dir, log) = (TempDir::new().unwrap(), Log::with(&history));
    follow(&log, dir.path()).await.shutdown().await;
    let changed = file::open_writer(dir.path()).unwrap();
    changed.execute("UPDATE agreements SET scope = 'everything' WHERE scope = 'openid'", []).unwrap();
    drop(changed);
    let scratch = TempDir::new().unwrap();
    let found = verify(dir.path(), log.store().as_ref(), scratch.path()).await.unwrap();
    assert!(matches!(found, Some(Verification::Disagrees { .. })), "{found:?}");
}

#[tokio::test]
async fn an_event_that_can_not_be_read_is_found_by_its_envelope() {
    let stream = client(1).stream();
    let history = Written::default().at(START, &stream, registered("first")).unreadable(&stream);
    let (dir, log) = (TempDir::new().unwrap(), Log::with(&history.0));
    let runner = follow(&log, dir.path()).await;
    let found = runner.history().all(Filter::about(Kind::Client, client(1).as_str()), Position(9)).await.unwrap();
    assert_eq!(positions(&found), [0, 3]);
    runner.shutdown().await;
    let scratch = TempDir::new().unwrap();
    let found = verify(dir.path(), log.store().as_ref(), scratch.path()).await.unwrap();
    assert!(matches!(found, Some(Verification::Agrees { unreadable: 1, .. })), "{found:?}");
}

#[tokio::test]
async fn grants_are_as_they_were_at_each_position() {
    let history = connected(Written::default(), grant(1), client(1), AccessTokenFormat::Jwt);
    let stream = grant(1).stream();
    let history = history
        .at(
            after(HOUR),
            &stream,
            GrantEvent::Consented {
                authorization_id: authorization(2),
                scope: scope("email"),
                reason: None,
                shown: None,
                basis: Basis::default(),
            },
        )
        .at(after(HOUR + 1), &stream, GrantEvent::Narrowed { scope: scope("openid other"), reason: RevocationReason::RolesChanged })
        .at(after(2 * HOUR), &stream, GrantEvent::Revoked { reason: RevocationReason::Disconnected });
    let (dir, log) = (TempDir::new().unwrap(), Log::with(&history.0));
    let runner = follow(&log, dir.path()).await;
    let past = runner.history();
    let at = async |position: u64, include_ended: bool, of: (Kind, String)| {
        let query = GrantsQuery { of: vec![of], at: Position(position), include_ended, after: None, limit: 10 };
        past.grants(query).await.unwrap().into_iter().map(|grant| (grant.scope.to_string(), grant.ended)).collect::<Vec<_>>()
    };
    for of in [(Kind::Subject, subject(1).to_string()), (Kind::Client, client(1).to_string()), (Kind::Organization, "acme".to_owned())] {
        // Opened at 0, consented at 3, again at 18, narrowed at 21, revoked at 24.
        assert_eq!(at(2, false, of.clone()).await, [(String::new(), false)]);
        assert_eq!(at(3, false, of.clone()).await, [("openid".to_owned(), false)]);
        assert_eq!(at(18, false, of.clone()).await, [("email openid".to_owned(), false)]);
        assert_eq!(at(21, false, of.clone()).await, [("openid".to_owned(), false)]);
        assert_eq!(at(24, false, of.clone()).await, []);
        assert_eq!(at(24, true, of).await, [("openid".to_owned(), true)]);
    }
    assert_eq!(at(21, true, (Kind::Organization, "other".to_owned())).await, []);
    let now = past.grant(grant(1), Position(24)).await.unwrap().unwrap();
    assert_eq!((now.opened, now.changed, now.consent.unwrap().recorded.position), (Position(0), Position(24), Position(18)));
    assert_eq!(past.grant(grant(2), Position(21)).await.unwrap(), None);
    // The moment of an event is a moment at which the event had happened.
    assert_eq!(past.position_at(after(HOUR)).await.unwrap(), Some(Position(18)));
    assert_eq!(past.position_at(after(HOUR - 1)).await.unwrap(), Some(Position(15)));
    assert_eq!(past.position_at(Timestamp(START.0 - 1)).await.unwrap(), None);
    runner.shutdown().await;
}

fn consented(number: u8, scopes: &str, reason: Option<ConsentReason>) -> GrantEvent {
    GrantEvent::Consented { authorization_id: authorization(number), scope: scope(scopes), reason, shown: None, basis: Basis::default() }
}

#[tokio::test]
async fn a_grant_tells_when_the_person_was_asked_last_for_each_scope() {
    let stream = grant(1).stream();
    let history = Written::default()
        .at(START, &stream, GrantEvent::Opened { subject: subject(1), client_id: client(1), organization_id: None })
        .at(START, &stream, consented(1, "openid email", Some(ConsentReason::FirstTime)))
        .at(after(HOUR), &stream, consented(2, "openid email jobs", Some(ConsentReason::ScopesAdded)))
        .at(after(2 * HOUR), &stream, consented(3, "openid", None))
        .at(after(3 * HOUR), &stream, consented(4, "email", Some(ConsentReason::ConsentExpired)))
        .at(after(4 * HOUR), &stream, GrantEvent::Narrowed { scope: scope("openid jobs"), reason: RevocationReason::RolesChanged });
    let (dir, log) = (TempDir::new().unwrap(), Log::with(&history.0));
    let runner = follow(&log, dir.path()).await;
    let asked = async |position| {
        let grant = runner.history().grant(grant(1), Position(position)).await.unwrap().unwrap();
        grant.asked_at.into_iter().map(|(scope, at)| (scope, (at.0 - START.0) / HOUR)).collect::<Vec<_>>()
    };
    let scopes = |expected: &[(&str, i64)]| expected.iter().map(|(scope, hours)| ((*scope).to_owned(), *hours)).collect::<Vec<_>>();
    assert_eq!(asked(0).await, []);
    assert_eq!(asked(3).await, scopes(&[("email", 0), ("openid", 0)]));
    // Asked for what was new, and then not at all.
    assert_eq!(asked(6).await, scopes(&[("email", 0), ("jobs", 1), ("openid", 0)]));
    assert_eq!(asked(9).await, asked(6).await);
    assert_eq!(asked(12).await, scopes(&[("email", 3), ("jobs", 1), ("openid", 0)]));
    assert_eq!(asked(15).await, scopes(&[("jobs", 1), ("openid", 0)]));
    runner.shutdown().await;
}

#[tokio::test]
async fn what_is_cut_off_is_so_from_the_event_that_says_it_and_revoked_from_its_own() {
    let opened = Written::default().at(START, &client(1).stream(), registered("first"));
    let history = connected(opened, grant(1), client(1), AccessTokenFormat::Jwt)
        .at(after(HOUR), &acme().stream(), policy_set("none_allowed"))
        .at(after(HOUR), &grant(1).stream(), GrantEvent::Revoked { reason: RevocationReason::OrganizationPolicy });
    let (dir, log) = (TempDir::new().unwrap(), Log::with(&history.0));
    let runner = follow(&log, dir.path()).await;
    let standing = async |position| {
        let grant = runner.history().grant(grant(1), Position(position)).await.unwrap().unwrap();
        (grant.ended, grant.reason)
    };
    let by_policy = Some(RevocationReason::OrganizationPolicy);
    assert_eq!((standing(18).await, standing(21).await, standing(24).await), ((false, None), (false, by_policy), (true, by_policy)));
    runner.shutdown().await;
}

#[tokio::test]
async fn an_organization_finds_its_own_clients() {
    let mut own = metadata("own");
    own.organization_id = Some(acme());
    let history = Written::default()
        .at(START, &client(1).stream(), ClientEvent::registered(own, None))
        .at(START, &client(2).stream(), registered("everybody's"))
        .at(START, &client(1).stream(), ClientEvent::Suspended {});
    let (dir, log) = (TempDir::new().unwrap(), Log::with(&history.0));
    let runner = follow(&log, dir.path()).await;
    assert_eq!(positions(&runner.history().all(Filter::about(Kind::Organization, "acme"), Position(9)).await.unwrap()), [0, 6]);
    runner.shutdown().await;
}

#[tokio::test]
async fn a_client_that_is_read_from_a_document_is_as_the_document_was() {
    let stream = client(1).stream();
    let history = Written::default()
        .at(START, &stream, registered("first"))
        .at(START, &stream, ClientEvent::DocumentChanged { metadata: metadata("second"), document_sha256: "ab".repeat(32) })
        .at(START, &stream, ClientEvent::Withdrawn {});
    let (dir, log) = (TempDir::new().unwrap(), Log::with(&history.0));
    let runner = follow(&log, dir.path()).await;
    let at = async |position| runner.history().client(&client(1), Position(position)).await.unwrap().unwrap();
    let (first, second, last) = (at(0).await, at(3).await, at(6).await);
    assert_eq!((second.metadata_position, last.metadata_position), (Some(Position(3)), Some(Position(3))));
    assert_ne!(first.metadata_sha256, second.metadata_sha256);
    assert!(last.client.is_withdrawn() && !second.client.is_withdrawn());
    runner.shutdown().await;
}

#[tokio::test]
async fn a_resource_server_is_as_it_was() {
    let stream = resource_server(1).stream();
    let history = Written::default()
        .at(START, &stream, resource_server_registered(1, "a"))
        .at(START, &stream, resource_server_updated(1, "b"))
        .at(START, &stream, grantlog_core::domain::resource_server::ResourceServerEvent::Deleted {});
    let (dir, log) = (TempDir::new().unwrap(), Log::with(&history.0));
    let runner = follow(&log, dir.path()).await;
    let scopes = async |position| {
        let found = runner.history().resource_server("https://api-1.example", Position(position)).await.unwrap();
        found.map(|(settings, event)| (settings.scopes.to_string(), event.recorded.position.0))
    };
    assert_eq!((scopes(0).await, scopes(3).await, scopes(6).await), (Some(("a".to_owned(), 0)), Some(("b".to_owned(), 3)), None));
    runner.shutdown().await;
}

#[tokio::test]
async fn a_request_is_found_by_whom_it_is_about_and_not_by_who_was_there_before() {
    let stream = authorization(1).stream();
    let attested = |number, organization: Option<&str>| AuthorizationEvent::SubjectAttested {
        subject: subject(number),
        organization_id: organization.map(|id| OrganizationId(id.into())),
        authentication: Authentication { auth_time: START, acr: None, amr: Vec::new() },
        roles: Vec::new(),
        claims: None,
    };
    let history = Written::default().at(START, &stream, attested(1, Some("acme"))).at(START, &stream, attested(2, None)).at(
        START,
        &stream,
        AuthorizationEvent::Denied { error: DenialError::AccessDenied, cause: None },
    );
    let (dir, log) = (TempDir::new().unwrap(), Log::with(&history.0));
    let runner = follow(&log, dir.path()).await;
    let about = async |kind, name: String| positions(&runner.history().all(Filter::about(kind, name), Position(9)).await.unwrap());
    assert_eq!(about(Kind::Subject, subject(1).to_string()).await, [0]);
    assert_eq!(about(Kind::Subject, subject(2).to_string()).await, [3, 6]);
    assert_eq!(about(Kind::Organization, "acme".to_owned()).await, [0]);
    assert_eq!(about(Kind::Authorization, authorization(1).to_string()).await, [0, 3, 6]);
    runner.shutdown().await;
}

#[tokio::test]
async fn who_was_looked_at_finds_who_looked() {
    let filters = Filters { subject: Some(subject(1)), grant_id: Some(grant(1)), ..Filters::default() };
    let stream: StreamId = "audit-20260101-system".parse().unwrap();
    let history = Written::default().at(START, &stream, AuditEvent::Read { what: Question::Consents, filters });
    let (dir, log) = (TempDir::new().unwrap(), Log::with(&history.0));
    let runner = follow(&log, dir.path()).await;
    for (kind, name) in [(Kind::Subject, subject(1).to_string()), (Kind::Grant, grant(1).to_string())] {
        assert_eq!(positions(&runner.history().all(Filter::about(kind, name), Position(9)).await.unwrap()), [0]);
    }
    runner.shutdown().await;
}

#[tokio::test]
async fn clients_and_signing_keys_are_as_they_were() {
    let (stream, key) = (client(1).stream(), StreamId::new(grantlog_core::domain::StreamKind::SigningKey, "k1"));
    let history = Written::default()
        .at(START, &stream, registered("first"))
        .at(START, &key, generated())
        .at(START, &stream, ClientEvent::Updated { metadata: metadata("second") })
        .at(START, &stream, ClientEvent::Suspended {})
        .at(START, &key, SigningKeyEvent::Retired { at: after(HOUR), published_until: after(2 * HOUR) });
    let (dir, log) = (TempDir::new().unwrap(), Log::with(&history.0));
    let runner = follow(&log, dir.path()).await;
    let past = runner.history();
    let of = async |position| past.client(&client(1), Position(position)).await.unwrap().unwrap();
    let (first, last) = (of(3).await, of(9).await);
    assert_eq!(first.client.metadata().unwrap().client_name, "first");
    assert_eq!((first.metadata_position, last.metadata_position), (Some(Position(0)), Some(Position(6))));
    assert_ne!(first.metadata_sha256, last.metadata_sha256);
    assert!(last.client.is_suspended() && !first.client.is_suspended());
    assert_eq!(past.client(&ClientId::from("unknown"), Position(9)).await.unwrap(), None);
    let keys = past.signing_keys(Position(9)).await.unwrap();
    assert_eq!((keys.len(), keys[0].key.retired_at()), (1, None));
    let keys = past.signing_keys(Position(12)).await.unwrap();
    assert_eq!((keys.len(), keys[0].key.retired_at()), (1, Some(after(HOUR))));
    runner.shutdown().await;
}
