//! All events in one answer: line by line in their canonical form, and as a table that no spreadsheet computes.

use futures::TryStreamExt;
use grantlog_core::store::EventStore;
use grantlog_tests::{Authorization, TestServer};
use http::Method;
use serde_json::{Value, json};

async fn filled() -> TestServer {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let subject = json!({"id": "ana", "auth_time": server.now().as_seconds(), "organization_id": "=HYPERLINK(\"http://evil\",\"x\")"});
    Authorization::of(&server, &client, "openid email").subject(subject).tokens().await;
    server
}

async fn export(server: &TestServer, query: &str) -> String {
    let answer = server.call("auditor", Method::GET, &format!("/v1/audit/events/export{query}"), None).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert!(answer.header("content-disposition").unwrap().starts_with("attachment; filename=\"grantlog-events."));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// A line is what the log's hashes are about, so an export can be checked without the server.
#[tokio::test]
async fn every_line_is_the_canonical_form_of_an_event() {
    let server = filled().await;
    let recorded: Vec<_> = server.store.read_all(None).try_collect().await.unwrap();
    let lines = export(&server, "").await;
    assert!(lines.ends_with('\n'));
    let expected: Vec<String> = recorded.iter().map(|event| String::from_utf8(event.canonical().unwrap()).unwrap()).collect();
    assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
    // The export itself came after what it holds.
    let after: Vec<_> = server.store.read_all(recorded.last().map(|event| event.position)).try_collect().await.unwrap();
    assert_eq!(after.iter().map(|event| event.event.kind.as_str()).collect::<Vec<_>>(), ["audit.read"]);
}

#[tokio::test]
async fn an_export_is_narrowed_like_a_list() {
    let server = filled().await;
    for query in ["?subject=ana", "?type=grant.opened", "?subject=nobody", "?subject=ana&type=grant.opened&format=ndjson"] {
        let listed = server
            .call("auditor", Method::GET, &format!("/v1/audit/events{}", query.replace("&format=ndjson", "")), None)
            .await
            .expect(200);
        let listed: Vec<_> = listed["events"].as_array().unwrap().iter().map(|event| event["id"].clone()).collect();
        let lines = export(&server, query).await;
        let exported = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        // What looked in between is about the same.
        let exported: Vec<_> = exported.filter(|event| event["type"] != "audit.read").map(|event| event["id"].clone()).collect();
        assert_eq!(exported, listed, "{query}");
    }
    let answer = server.call("auditor", Method::GET, "/v1/audit/events/export?format=xls", None).await;
    assert_eq!(answer.problem(), (400, "invalid_field".to_owned(), Some("format".to_owned())));
}

/// RFC 4180, read by rules of our own here.
fn table(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => cell.extend(characters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            other => cell.push(other),
        }
    }
    rows
}

#[tokio::test]
async fn rfc4180_2_a_table_has_a_row_for_each_event_and_no_formula() {
    let server = filled().await;
    let listed = server.call("auditor", Method::GET, "/v1/audit/events?limit=1000", None).await.expect(200);
    let text = export(&server, "?format=csv").await;
    let rows = table(&text);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{rows:?}");
    let column = |name: &str| rows[0].iter().position(|own| own == name).unwrap();
    let events = listed["events"].as_array().unwrap();
    // And the record of the list.
    assert_eq!(rows.len(), 1 + events.len() + 1);
    for (row, event) in rows[1..].iter().zip(events) {
        assert_eq!(
            (row[column("id")].as_str(), row[column("time")].as_str()),
            (event["id"].as_str().unwrap(), event["time"].as_str().unwrap())
        );
        let data: Value = serde_json::from_str(&row[column("data")]).unwrap();
        assert_eq!(data, event["data"]);
        for cell in row {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
        }
    }
    let organizations: Vec<_> =
        rows[1..].iter().map(|row| row[column("organization_id")].as_str()).filter(|cell| !cell.is_empty()).collect();
    assert!(organizations.iter().all(|cell| *cell == "'=HYPERLINK(\"http://evil\",\"x\")") && !organizations.is_empty());
}

#[tokio::test]
async fn rfc9110_9_3_2_head_of_an_export_has_no_content() {
    let server = filled().await;
    let answer = server.call("auditor", Method::HEAD, "/v1/audit/events/export", None).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
}
