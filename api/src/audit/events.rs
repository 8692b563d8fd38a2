//! The events of the log, by what they are about.

use grantlog_core::{domain::audit::Question, store::Position};
use grantlog_projections::history::{EventsQuery, Order};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    AuditedEvent, Parameters, Reader, ask, caught_up,
    people::{self, People},
    silent,
};
use crate::{
    app::App,
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// The events.
pub const EVENTS: &str = "/v1/audit/events";

/// What they can be narrowed by.
pub(super) const FILTERS: [&str; 10] =
    ["subject", "subject_id", "client_id", "organization", "grant_id", "authorization_id", "actor", "type", "from", "to"];
const PAGING: [&str; 3] = ["order", "cursor", "limit"];

/// A page of events.
#[derive(Serialize, ToSchema)]
pub struct Events {
    /// The events, in the order asked for.
    events: Vec<AuditedEvent>,
    /// The application's ids of the people in them, by ours; null for those who were forgotten.
    #[schema(value_type = Object, example = json!({"01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10": "ana"}))]
    people: People,
    /// The position up to which the list goes. What came later is on no page of it: go on from here with `cursor`.
    position: Option<u64>,
    /// The cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// List events.
///
/// All filters must fit. Pages follow one another without gaps and without repetition, whatever is appended meanwhile: the
/// first page fixes the end of the list. To go on later, give the `position` of the last answer as `cursor`.
#[utoipa::path(get, path = EVENTS, tag = "audit", operation_id = "listAuditEvents", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("subject" = Option<String>, Query, description = "About this person, by the application's id.", example = "ana"),
        ("subject_id" = Option<String>, Query, description = "About this person, by our id."),
        ("client_id" = Option<String>, Query, description = "About this client."),
        ("organization" = Option<String>, Query, description = "About this organization."),
        ("grant_id" = Option<String>, Query, description = "About this grant."),
        ("authorization_id" = Option<String>, Query, description = "About this authorization request."),
        ("actor" = Option<String>, Query, description = "Caused by: `api_key:<id>`, `client:<id>`, `subject:<id>`, `trusted_issuer:<id>`, `anonymous` or `system`.", example = "system"),
        ("type" = Option<String>, Query, description = "Of this type.", example = "grant.revoked"),
        ("from" = Option<String>, Query, description = "Decided at this moment or later (RFC 3339).", example = "2026-03-01T00:00:00Z"),
        ("to" = Option<String>, Query, description = "Decided before this moment (RFC 3339)."),
        ("order" = Option<String>, Query, description = "`asc`: as they were written; `desc`: the newest first.", example = "desc"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, or a position to begin behind."),
        ("limit" = Option<u32>, Query, description = "How many, at most 1000; without it, 100.", example = 100)),
    responses((status = 200, description = "The page. Reading it is an event, too, and stands behind it.", body = Events), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "The read can't be recorded, or the history has not caught up yet. Try again.", body = ProblemBody)))]
pub async fn list(app: App, request: Request) -> Result<Response, Problem> {
    let reader = Reader::of(&app, &request).await?;
    answer(&app, &reader, &request).await
}

pub(super) async fn answer(app: &App, reader: &Reader, request: &Request) -> Result<Response, Problem> {
    let parameters = Parameters::of(request, &[&FILTERS[..], &PAGING[..]].concat())?;
    let order = order(parameters.text("order")?.as_deref())?;
    let (cursor, limit) = (parameters.cursor()?, parameters.limit(100, 1000)?);
    caught_up(app, request).await?;
    let mut narrowed = parameters.events(app).await?;
    narrowed.filters.after = cursor.map(|(after, _)| after.0);
    let nothing = narrowed.is_nothing();
    let asked = ask(app, reader, Question::Events, narrowed.filters).await?;
    let until = end(cursor.and_then(|(_, until)| until), asked.before());
    let mut page = Vec::new();
    if let (false, Some(until)) = (nothing, until) {
        let query =
            EventsQuery { filter: narrowed.filter, until, after: cursor.map(|(after, _)| after), order, limit: limit.saturating_add(1) };
        page = app.history.events(query).await.map_err(silent)?;
    }
    let has_more = page.len() > limit;
    page.truncate(limit);
    let events: Vec<AuditedEvent> = page.iter().map(AuditedEvent::of).collect();
    let people = people::look_up(app, events.iter().filter_map(|event| event.subject_id.clone()).collect()).await?;
    let next_cursor = match (has_more, events.last(), until) {
        (true, Some(last), Some(until)) => Some(format!("{}.{}", last.position, until.0)),
        _ => None,
    };
    Ok(reader.told(reply::ok(&Events { events, people, position: until.map(|until| until.0), next_cursor })))
}

fn order(text: Option<&str>) -> Result<Order, Problem> {
    match text {
        None | Some("asc") => Ok(Order::Ascending),
        Some("desc") => Ok(Order::Descending),
        Some(_) => Err(Problem::invalid_field("order", "It must be asc or desc.")),
    }
}

/// The end of a list: where its first page saw it, but never later than the record of this question.
pub(super) fn end(pinned: Option<Position>, before: Option<Position>) -> Option<Position> {
    before.map(|before| pinned.map_or(before, |pinned| pinned.min(before)))
}
