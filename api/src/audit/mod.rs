//! What auditors ask of the past.
//!
//! Every question is recorded before it is answered, and the answer is never older than its own record: what cannot be
//! recorded, or not be looked up as far as that, is answered with 503. Who asks is an API key, or the operator at the
//! command line.

pub mod clients;
pub mod consents;
pub mod csv;
pub mod events;
pub mod export;
pub mod grants;
pub mod offline;
mod parameters;
mod people;
pub mod policy;
pub mod receipts;
pub mod signing_keys;
mod timeline;
pub mod why;

use std::fmt::Display;

use grantlog_core::{
    app::Context,
    domain::{
        Timestamp,
        api_key::Role,
        audit::{Filters, Question},
    },
    store::Position,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

pub(crate) use self::parameters::{Parameters, Window};
use crate::{
    admin::READERS,
    app::{App, VISIBILITY_TIMEOUT, acting_as, positioned, unavailable},
    problem::{Problem, ProblemCode},
    reply::Response,
    request::Request,
};
use grantlog_projections::history::{HistoricEvent, HistoryError};

/// Whoever looks at the past.
pub struct Reader {
    context: Context,
    /// Their part of the name of the stream that keeps what they asked.
    name: String,
}

impl Reader {
    /// The API key of a request, if it may look.
    pub(crate) async fn of(app: &App, request: &Request) -> Result<Self, Problem> {
        Self::of_roles(app, request, &READERS).await
    }

    async fn of_roles(app: &App, request: &Request, roles: &'static [Role]) -> Result<Self, Problem> {
        let key = app.require_role(request, roles).await?;
        Ok(Self { context: acting_as(&key, request), name: key.id.to_string() })
    }

    /// Who has the data directory.
    pub(crate) fn operator() -> Self {
        Self { context: Context::system(), name: "operator".to_owned() }
    }

    /// Records what they ask.
    pub(crate) async fn record(&self, app: &App, what: Question, filters: Filters) -> Result<(), Problem> {
        app.authority.record_audit_read(&self.context, &self.name, what, filters).await.map_err(unavailable)
    }

    /// Tells with an answer up to where the log had to be written for it: to the record of the question.
    pub(crate) fn told(&self, response: Response) -> Response {
        positioned(response, &self.context)
    }
}

/// A question that was recorded.
struct Asked<'a> {
    app: &'a App,
    /// Where its record stands.
    recorded: Position,
}

impl Asked<'_> {
    /// The last position before the record of the question itself.
    fn before(&self) -> Option<Position> {
        self.recorded.0.checked_sub(1).map(Position)
    }

    /// The position that a question is about; None: there was nothing yet.
    async fn at(&self, window: &Window) -> Result<Option<Position>, Problem> {
        match window {
            Window::Now => Ok(self.before()),
            Window::Position(position) if *position <= self.recorded => Ok(Some(*position)),
            Window::Position(_) => Err(Problem::invalid_field("position", "The log has not come to this position yet.")),
            Window::Moment(moment) if *moment <= self.app.authority.now() => self.app.history.position_at(*moment).await.map_err(silent),
            Window::Moment(_) => Err(Problem::invalid_field("as_of", "What will be is not known yet.")),
        }
    }
}

/// Waits until the past has what the present has, and what the caller has seen elsewhere: then a name that it does not
/// know is one that nobody has.
async fn caught_up(app: &App, request: &Request) -> Result<(), Problem> {
    let wanted = request.min_position()?.map(Position).max(app.live.position());
    wait(app, wanted).await
}

/// Records a question.
async fn ask<'a>(app: &'a App, reader: &Reader, what: Question, filters: Filters) -> Result<Asked<'a>, Problem> {
    reader.record(app, what, filters).await?;
    let missing = || Problem::internal("a recorded question has no position");
    let recorded = reader.context.position().ok_or_else(missing)?;
    wait(app, Some(recorded)).await?;
    Ok(Asked { app, recorded })
}

async fn wait(app: &App, position: Option<Position>) -> Result<(), Problem> {
    let Some(position) = position else { return Ok(()) };
    app.history.wait_for(position, VISIBILITY_TIMEOUT).await.map_err(|late| {
        let reached = late.reached.map_or(0, |reached| reached.0);
        Problem::new(ProblemCode::Unavailable, "The history has not come to this position yet.")
            .member("history_position", reached)
            .retry_after(1)
            .caused_by(late)
    })
}

/// The history does not answer.
fn silent(error: HistoryError) -> Problem {
    Problem::unavailable(error)
}

/// An event as auditors see it.
#[derive(Serialize, ToSchema)]
pub struct AuditedEvent {
    /// Its place in the log.
    position: u64,
    /// When it was decided (RFC 3339, UTC).
    #[schema(example = "2026-03-03T14:00:00.000Z")]
    time: String,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "grant.consented")]
    kind: String,
    /// The stream it stands in.
    stream: String,
    /// Its place in the stream.
    revision: u64,
    /// Its id.
    id: String,
    /// The version of the payload's schema.
    schema: u16,
    /// Who caused it: `api_key:<id>`, `client:<id>`, `subject:<id>`, `trusted_issuer:<id>`, `anonymous` or `system`.
    actor: String,
    /// The request in which it happened; empty outside of one. The server's log line of it has the caller's address.
    request_id: String,
    /// The person it is about, by our id.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_id: Option<String>,
    /// The client it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// The organization it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_id: Option<String>,
    /// The grant it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_id: Option<String>,
    /// The authorization request it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_id: Option<String>,
    /// The payload.
    #[schema(value_type = Object)]
    data: Value,
}

impl AuditedEvent {
    fn of(event: &HistoricEvent) -> Self {
        let HistoricEvent { recorded, subject, client, organization, grant, authorization } = event;
        let text = |name: &Option<std::sync::Arc<str>>| name.as_deref().map(str::to_owned);
        Self {
            position: recorded.position.0,
            time: recorded.event.time.to_rfc3339(),
            kind: recorded.event.kind.clone(),
            stream: recorded.stream.to_string(),
            revision: recorded.revision.0,
            id: recorded.event.id.to_string(),
            schema: recorded.event.schema,
            actor: recorded.event.actor.clone(),
            request_id: recorded.event.request_id.clone(),
            subject_id: text(subject),
            client_id: text(client),
            organization_id: text(organization),
            grant_id: text(grant),
            authorization_id: text(authorization),
            data: payload(event),
        }
    }
}

/// The payload; what can't be read is null, and the canonical form in an export has it as it is.
fn payload(event: &HistoricEvent) -> Value {
    serde_json::from_str(&event.recorded.event.data).unwrap_or_default()
}

fn rfc3339(moment: Option<Timestamp>) -> Option<String> {
    moment.map(Timestamp::to_rfc3339)
}

fn internal(cause: impl Display) -> Problem {
    Problem::internal(cause)
}
