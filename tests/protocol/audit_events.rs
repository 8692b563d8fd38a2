//! What auditors are told of events, and that looking is an event itself.

use std::collections::BTreeSet;

use grantlog_tests::{Authorization, TestServer, text};
use http::Method;
use serde_json::{Value, json};

async fn get(server: &TestServer, path: &str) -> Value {
    server.call("auditor", Method::GET, path, None).await.expect(200)
}

fn types(answer: &Value) -> Vec<&str> {
    answer["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

fn positions(answer: &Value) -> Vec<u64> {
    answer["events"].as_array().unwrap().iter().map(|event| event["position"].as_u64().unwrap()).collect()
}

/// Ana connects a client, and looks at nothing.
async fn connected() -> (TestServer, Value, Value) {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let tokens = Authorization::of(&server, &client, "openid email offline_access").tokens().await;
    (server, client, tokens)
}

#[tokio::test]
async fn everything_about_a_person_in_order_and_by_their_own_id() {
    let (server, client, _) = connected().await;
    let answer = get(&server, "/v1/audit/events?subject=ana").await;
    assert_eq!(
        types(&answer),
        [
            "subject.registered",
            "authorization.subject_attested",
            "authorization.approved",
            "grant.opened",
            "grant.consented",
            "grant.code_issued",
            "authorization.completed",
            "grant.code_redeemed",
            "grant.access_token_issued",
            "grant.refresh_token_issued",
        ]
    );
    let issued = &answer["events"][8];
    assert_eq!((&issued["client_id"], &issued["data"]["scope"]), (&client["client_id"], &json!("email offline_access openid")));
    assert_eq!(answer["people"], json!({text(issued, "subject_id"): "ana"}));
    assert!(issued.get("time").is_some_and(|time| time == "2026-03-03T14:00:00.000Z"), "{issued}");
    let by_our_id = get(&server, &format!("/v1/audit/events?subject_id={}&type=grant.opened", text(issued, "subject_id"))).await;
    assert_eq!(types(&by_our_id), ["grant.opened"]);
}

#[tokio::test]
async fn filters_narrow_together() {
    let (server, client, _) = connected().await;
    let id = text(&client, "client_id");
    let grant = text(&server.grants("ana").await[0], "id").to_owned();
    for (query, expected) in [
        (format!("client_id={id}&type=grant.consented"), 1),
        (format!("grant_id={grant}&type=grant.consented&subject=ana"), 1),
        (format!("grant_id={grant}&actor=system"), 0),
        (format!("client_id={id}&actor=client:{id}"), 3),
        ("organization=nowhere".to_owned(), 0),
        ("subject=nobody".to_owned(), 0),
        ("from=2026-03-03T14:00:00Z&type=client.registered".to_owned(), 1),
        ("to=2026-03-03T14:00:00Z&type=client.registered".to_owned(), 0),
        ("from=2026-03-03T14:00:00.001Z&type=client.registered".to_owned(), 0),
    ] {
        assert_eq!(types(&get(&server, &format!("/v1/audit/events?{query}")).await).len(), expected, "{query}");
    }
}

#[tokio::test]
async fn a_question_that_can_not_be_understood_is_refused_by_the_name_of_its_field() {
    let server = TestServer::start().await;
    for (query, field) in [
        ("subjekt=ana", "subjekt"),
        ("from=yesterday", "from"),
        ("type=grant.eaten", "type"),
        ("grant_id=7", "grant_id"),
        ("order=random", "order"),
        ("cursor=first", "cursor"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("subject=", "subject"),
        ("subject=ana&subject=ben", "subject"),
    ] {
        let answer = server.call("auditor", Method::GET, &format!("/v1/audit/events?{query}"), None).await;
        assert_eq!(answer.problem(), (400, "invalid_field".to_owned(), Some(field.to_owned())), "{query}");
    }
}

/// Pages are walked while others write and while the walk itself is recorded: the list is the one that the first page saw.
#[tokio::test]
async fn pages_neither_skip_nor_repeat_while_events_arrive() {
    let (server, client, _) = connected().await;
    let whole = get(&server, "/v1/audit/events?limit=1000").await;
    for order in ["asc", "desc"] {
        let end = whole["position"].as_u64().unwrap();
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = get(&server, &format!("/v1/audit/events?limit=3&order={order}{cursor}")).await;
            seen.extend(positions(&page));
            server.refresh(&client, "nothing").await;
            Authorization::of(&server, &client, "openid").start_without_subject().await;
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let distinct: BTreeSet<u64> = seen.iter().copied().collect();
        assert_eq!(distinct.len(), seen.len(), "{order}: {seen:?}");
        assert!(seen.is_sorted() != (order == "desc"), "{seen:?}");
        let expected: BTreeSet<u64> = positions(&whole).into_iter().collect();
        assert!(expected.is_subset(&distinct) && end >= expected.len() as u64, "{order}: {seen:?}");
        // Without gaps: every position up to the end of the list is an event of it.
        assert_eq!(distinct.iter().next_back().copied(), Some(distinct.len() as u64), "{order}");
    }
}

#[tokio::test]
async fn a_list_goes_on_where_it_ended_before() {
    let (server, client, _) = connected().await;
    let first = get(&server, &format!("/v1/audit/events?client_id={}", text(&client, "client_id"))).await;
    let end = first["position"].as_u64().unwrap();
    Authorization::of(&server, &client, "openid").start_without_subject().await;
    let next = get(&server, &format!("/v1/audit/events?client_id={}&cursor={end}", text(&client, "client_id"))).await;
    // What came since: the record of the first question, and the request.
    assert_eq!(types(&next), ["audit.read", "authorization.requested"]);
}

#[tokio::test]
async fn who_looked_at_whom_is_on_record_before_they_see_it() {
    let (server, _, _) = connected().await;
    get(&server, "/v1/audit/consents?subject=ana&as_of=2026-03-03T14:00:00Z").await;
    get(&server, "/v1/audit/events?subject=somebody%40example.com&organization=Secret%20Org").await;
    let answer = get(&server, "/v1/audit/events?type=audit.read").await;
    let events = answer["events"].as_array().unwrap();
    let (first, second) = (&events[0], &events[1]);
    assert_eq!((&first["data"]["what"], &first["data"]["filters"]["as_of"]), (&json!("consents"), &json!(1_772_546_400_000_i64)));
    assert_eq!(first["data"]["filters"]["subject"], first["subject_id"]);
    assert!(text(first, "actor").starts_with("api_key:") && !text(first, "request_id").is_empty());
    assert!(text(first, "stream").starts_with("audit-20260303-"), "{first}");
    // What the log did not know before is not written into it: it could be anything.
    assert_eq!(second["data"], json!({"what": "events", "filters": {"unknown": ["subject", "organization"]}}));
    // Ana finds out who looked.
    let about = get(&server, "/v1/audit/events?subject=ana&type=audit.read").await;
    assert_eq!(types(&about), ["audit.read"]);
}

#[tokio::test]
async fn what_can_not_be_recorded_is_not_answered() {
    let (server, client, _) = connected().await;
    get(&server, "/v1/audit/events?subject=ana").await;
    server.store.set_available(false);
    let id = text(&client, "client_id");
    for path in [
        "/v1/audit/events?subject=ana".to_owned(),
        "/v1/audit/events/export".to_owned(),
        "/v1/audit/consents?subject=ana".to_owned(),
        format!("/v1/audit/grants?client_id={id}"),
        format!("/v1/audit/clients/{id}"),
        "/v1/audit/policy".to_owned(),
        "/v1/audit/signing-keys".to_owned(),
    ] {
        server.call("auditor", Method::GET, &path, None).await.expect_problem(503, "unavailable");
    }
    server.store.set_available(true);
    get(&server, "/v1/audit/events?subject=ana").await;
}

#[tokio::test]
async fn an_answer_tells_where_its_own_record_stands_and_waits_for_what_was_seen_elsewhere() {
    let (server, _, _) = connected().await;
    let answer = server.call("auditor", Method::GET, "/v1/audit/events", None).await;
    let (recorded, seen) = (answer.header("grantlog-position").unwrap().parse::<u64>().unwrap(), answer.json());
    assert_eq!(seen["position"], recorded - 1);
    let authorization = server.key("auditor");
    let headers = |position: &'static str| [("authorization", authorization.clone()), ("grantlog-min-position", position.to_owned())];
    for (position, status) in [("1", 200), ("x", 400)] {
        let headers = headers(position);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(server.request(Method::GET, "/v1/audit/events", &headers, "").await.status, status);
    }
}

#[tokio::test]
async fn a_person_who_was_forgotten_is_found_by_our_id_and_has_no_name() {
    let (server, _, _) = connected().await;
    let before = get(&server, "/v1/audit/events?subject=ana&type=grant.opened").await;
    let id = text(&before["events"][0], "subject_id").to_owned();
    server.app.authority.vault().forget_subject(id.parse().unwrap()).await.unwrap();
    let after = get(&server, "/v1/audit/events?subject=ana&type=grant.opened").await;
    assert!(types(&after).is_empty());
    let after = get(&server, &format!("/v1/audit/events?subject_id={id}&type=grant.opened")).await;
    assert_eq!((types(&after), &after["people"][&id]), (vec!["grant.opened"], &Value::Null));
}
