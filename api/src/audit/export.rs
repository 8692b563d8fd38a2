//! All events at once, as they are read: however many they are, a few are in memory.

use bytes::Bytes;
use futures::{Stream, stream};
use grantlog_core::{domain::audit::Question, store::Position};
use grantlog_projections::{
    History,
    history::{EventsQuery, Filter, HistoricEvent, HistoryError, Order},
};

use super::{Parameters, Reader, ask, caught_up, csv, events::FILTERS};
use crate::{
    app::App,
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// The export.
pub const EXPORT: &str = "/v1/audit/events/export";

/// How many events are read at once: the next ones when the caller has taken these.
const PAGE: usize = 500;

/// How an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// Each event in its canonical form (docs/event-envelope.md), one on each line.
    Ndjson,
    /// A table.
    Csv,
}

/// Export events.
///
/// All that fit, in the order of the log, in one answer of any length; a connection that breaks off before the answer has
/// ended is seen as an error by every HTTP client. `ndjson` has each event in its canonical form, which is what hashes and
/// proofs are about. `csv` is for spreadsheets: a cell that one could take for a formula begins with an apostrophe.
#[utoipa::path(get, path = EXPORT, tag = "audit", operation_id = "exportAuditEvents", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("format" = Option<String>, Query, description = "`ndjson`, or `csv`.", example = "ndjson"),
        ("subject" = Option<String>, Query, description = "About this person, by the application's id.", example = "ana"),
        ("subject_id" = Option<String>, Query, description = "About this person, by our id."),
        ("client_id" = Option<String>, Query, description = "About this client."),
        ("organization" = Option<String>, Query, description = "About this organization."),
        ("grant_id" = Option<String>, Query, description = "About this grant."),
        ("authorization_id" = Option<String>, Query, description = "About this authorization request."),
        ("actor" = Option<String>, Query, description = "Caused by: `api_key:<id>`, `client:<id>`, `subject:<id>` or `system`.", example = "system"),
        ("type" = Option<String>, Query, description = "Of this type.", example = "grant.revoked"),
        ("from" = Option<String>, Query, description = "Decided at this moment or later (RFC 3339).", example = "2026-03-01T00:00:00Z"),
        ("to" = Option<String>, Query, description = "Decided before this moment (RFC 3339).")),
    responses((status = 200, description = "The events that there were when the question was recorded.", content((String = "application/x-ndjson"), (String = "text/csv"))), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "The read can't be recorded, or the history has not caught up yet. Try again.", body = ProblemBody)))]
pub async fn export(app: App, request: Request) -> Result<Response, Problem> {
    let reader = Reader::of(&app, &request).await?;
    answer(&app, &reader, &request).await
}

pub(super) async fn answer(app: &App, reader: &Reader, request: &Request) -> Result<Response, Problem> {
    let parameters = Parameters::of(request, &[&FILTERS[..], &["format"]].concat())?;
    let format = match parameters.text("format")?.as_deref() {
        None | Some("ndjson") => Format::Ndjson,
        Some("csv") => Format::Csv,
        Some(_) => return Err(Problem::invalid_field("format", "It must be ndjson or csv.")),
    };
    caught_up(app, request).await?;
    let narrowed = parameters.events(app).await?;
    let nothing = narrowed.is_nothing();
    let asked = ask(app, reader, Question::Export, narrowed.filters).await?;
    let until = asked.before().filter(|_| !nothing);
    let pages = pages(app.history.clone(), narrowed.filter, until, format);
    Ok(reader.told(match format {
        Format::Ndjson => reply::download("application/x-ndjson", "grantlog-events.ndjson", pages),
        Format::Csv => reply::download("text/csv; charset=utf-8; header=present", "grantlog-events.csv", pages),
    }))
}

/// Where an export is.
struct At {
    history: History,
    query: EventsQuery,
    is_first: bool,
}

/// The pages. The next one is read when it is asked for and never before, so a slow caller makes nothing pile up.
fn pages(
    history: History,
    filter: Filter,
    until: Option<Position>,
    format: Format,
) -> impl Stream<Item = Result<Bytes, HistoryError>> + Send + 'static {
    let query = EventsQuery { filter, until: until.unwrap_or_default(), after: None, order: Order::Ascending, limit: PAGE };
    let first = At { history, query, is_first: true };
    // Without an end there is nothing but the head of the table.
    let rows = until.is_some();
    stream::try_unfold(Some(first), move |at| async move {
        let Some(mut at) = at else { return Ok(None) };
        let events = if rows { at.history.events(at.query.clone()).await? } else { Vec::new() };
        let text = written(&events, format, at.is_first)?;
        let is_last = events.len() < PAGE;
        at.query.after = events.last().map(|event| event.recorded.position);
        at.is_first = false;
        Ok(Some((text, (!is_last).then_some(at))))
    })
}

fn written(events: &[HistoricEvent], format: Format, is_first: bool) -> Result<Bytes, HistoryError> {
    let mut out = Vec::new();
    if format == Format::Csv && is_first {
        csv::head(&mut out);
    }
    for event in events {
        match format {
            Format::Ndjson => {
                let canonical = event.recorded.canonical();
                let canonical = canonical.map_err(|error| HistoryError::Unusable(format!("an event has no canonical form: {error}")))?;
                out.extend_from_slice(&canonical);
                out.push(b'\n');
            }
            Format::Csv => csv::row(&mut out, event),
        }
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::{StreamExt, TryStreamExt, pin_mut};
    use grantlog_core::{
        domain::{ClientId, Event, Timestamp, client::ClientEvent},
        store::{EventStore, ExpectedRevision, MemoryStore, NewEvent},
    };
    use grantlog_projections::HistoryRunner;

    use super::*;

    async fn append(store: &MemoryStore, from: u128, count: u128) -> Position {
        let encoded = Event::from(ClientEvent::Suspended {}).encode();
        let mut last = Position(0);
        for number in from..from + count {
            let event = NewEvent {
                id: uuid::Uuid::from_u128(number),
                kind: encoded.kind.clone(),
                schema: encoded.schema,
                time: Timestamp(0),
                actor: "system".to_owned(),
                request_id: String::new(),
                data: encoded.data.clone(),
            };
            let stream = ClientId::from(format!("c{number}").as_str()).stream();
            last = store.append(&stream, ExpectedRevision::NoStream, vec![event]).await.unwrap().position;
        }
        last
    }

    fn lines(page: &Bytes) -> usize {
        String::from_utf8_lossy(page).lines().count()
    }

    /// What a page holds shows when it was read: the file is taken away between two pages, and only what is asked for after
    /// that is missed.
    #[tokio::test]
    async fn nothing_is_read_before_it_is_asked_for() {
        let (store, dir) = (MemoryStore::new(), tempfile::tempdir().unwrap());
        let head = append(&store, 1, 3 * PAGE as u128).await;
        let runner = HistoryRunner::start(dir.path(), Arc::new(store)).await.unwrap();
        runner.history().wait_for(head, std::time::Duration::from_mins(1)).await.unwrap();
        let history = runner.history();
        runner.shutdown().await;
        let pages = pages(history, Filter::default(), Some(head), Format::Ndjson);
        pin_mut!(pages);
        assert_eq!(lines(&pages.next().await.unwrap().unwrap()), PAGE);
        std::fs::write(dir.path().join(grantlog_projections::history::FILE), b"").unwrap();
        assert!(pages.next().await.unwrap().is_err());
        assert!(pages.next().await.is_none());
    }

    #[tokio::test]
    async fn an_export_ends_where_it_began_to_be_read_whatever_comes_meanwhile() {
        let (store, dir) = (MemoryStore::new(), tempfile::tempdir().unwrap());
        let head = append(&store, 1, PAGE as u128 + 1).await;
        let runner = HistoryRunner::start(dir.path(), Arc::new(store.clone())).await.unwrap();
        let patience = std::time::Duration::from_mins(1);
        runner.history().wait_for(head, patience).await.unwrap();
        let pages = pages(runner.history(), Filter::default(), Some(head), Format::Ndjson);
        pin_mut!(pages);
        let first = pages.next().await.unwrap().unwrap();
        let later = append(&store, 10_000, 10).await;
        runner.history().wait_for(later, patience).await.unwrap();
        let rest: Vec<Bytes> = pages.try_collect().await.unwrap();
        assert_eq!((lines(&first), rest.iter().map(lines).sum::<usize>()), (PAGE, 1));
        runner.shutdown().await;
    }

    #[tokio::test]
    async fn of_nothing_a_table_has_its_head_and_lines_have_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let runner = HistoryRunner::start(dir.path(), Arc::new(MemoryStore::new())).await.unwrap();
        for (format, expected) in [(Format::Ndjson, 0), (Format::Csv, 1)] {
            let all: Vec<Bytes> = pages(runner.history(), Filter::default(), None, format).try_collect().await.unwrap();
            assert_eq!(all.iter().map(lines).sum::<usize>(), expected);
        }
        runner.shutdown().await;
    }
}
