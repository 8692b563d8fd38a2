//! Which policy held.

use grantlog_core::{domain::audit::Question, store::Position};
use grantlog_projections::history::{EventsQuery, Filter, HistoricEvent, Kind, Order};
use serde::Serialize;
use utoipa::ToSchema;

use super::{AuditedEvent, Reader, grants::at_a_moment, payload, silent};
use crate::{
    app::App,
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// The policy.
pub const POLICY: &str = "/v1/audit/policy";
/// The event that makes a policy the one that holds.
pub(super) const PUBLISHED: &str = "policy.published";

/// The policy that held.
#[derive(Serialize, ToSchema)]
pub struct PolicyThen {
    /// The position that it is as of; absent when there was nothing yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    /// Its version; absent when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// The event that published it, with all of it; absent when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<AuditedEvent>,
}

/// The version that an event published.
pub(super) fn version(event: &HistoricEvent) -> Option<u64> {
    payload(event).get("version").and_then(serde_json::Value::as_u64)
}

/// Read which policy held.
#[utoipa::path(get, path = POLICY, tag = "audit", operation_id = "readAuditPolicy", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("as_of" = Option<String>, Query, description = "At this moment (RFC 3339).", example = "2026-03-03T14:00:00Z"),
        ("position" = Option<u64>, Query, description = "At this position of the log.", example = 81230)),
    responses((status = 200, description = "The policy, if there was one.", body = PolicyThen), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "The read can't be recorded, or the history has not caught up yet. Try again.", body = ProblemBody)))]
pub async fn read(app: App, request: Request) -> Result<Response, Problem> {
    let reader = Reader::of(&app, &request).await?;
    answer(&app, &reader, &request).await
}

pub(super) async fn answer(app: &App, reader: &Reader, request: &Request) -> Result<Response, Problem> {
    let (_, at) = at_a_moment(app, reader, request, Question::Policy).await?;
    let published = match at {
        Some(at) => published_at(app, at).await?,
        None => None,
    };
    Ok(reader.told(reply::ok(&PolicyThen {
        position: at.map(|at| at.0),
        version: published.as_ref().and_then(version),
        published: published.as_ref().map(AuditedEvent::of),
    })))
}

/// The event that published the policy that held at a position.
pub(super) async fn published_at(app: &App, at: Position) -> Result<Option<HistoricEvent>, Problem> {
    let filter = Filter::about(Kind::Type, PUBLISHED);
    let query = EventsQuery { filter, until: at, after: None, order: Order::Descending, limit: 1 };
    Ok(app.history.events(query).await.map_err(silent)?.pop())
}
