//! Which grants there were: which apps could reach whose data.

use std::collections::BTreeMap;

use grantlog_core::{
    domain::{ClientId, Timestamp, audit::Question, grant::RevocationReason},
    store::Position,
};
use grantlog_projections::history::{ClientAsOf, GrantAsOf, GrantsQuery};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    AuditedEvent, Parameters, Reader, Window, ask, caught_up,
    events::end,
    people::{self, People},
    silent,
};
use crate::{
    app::App,
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// The grants.
pub const GRANTS: &str = "/v1/audit/grants";

/// A page of grants as they were.
#[derive(Serialize, ToSchema)]
pub struct GrantsThen {
    /// The position that they are as of; absent when there was nothing yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) position: Option<u64>,
    /// In the order of their opening.
    pub(super) grants: Vec<GrantThen>,
    /// The application's ids of the people in them, by ours; null for those who were forgotten.
    #[schema(value_type = Object, example = json!({"01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10": "ana"}))]
    pub(super) people: People,
    /// The cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A grant as it was.
#[derive(Serialize, ToSchema)]
pub struct GrantThen {
    /// Its id.
    grant_id: String,
    /// Whose, by our id.
    subject_id: String,
    /// To whom.
    client: ClientThen,
    /// In which organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_id: Option<String>,
    /// Whether it was good.
    state: GrantState,
    /// Why it was revoked or cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "organization_policy")]
    reason: Option<RevocationReason>,
    /// What was agreed in sum, scopes separated by spaces.
    #[schema(example = "email openid")]
    scope: String,
    /// When the person was asked last for each scope (RFC 3339, UTC). One that nobody had to be asked for is absent. Where consent
    /// holds for a limited time, it is counted from here.
    #[schema(value_type = Object, example = json!({"email": "2026-03-03T14:00:00.000Z"}))]
    asked_at: BTreeMap<String, String>,
    /// When it was opened (RFC 3339, UTC).
    opened_at: String,
    /// Where in the log.
    opened_position: u64,
    /// Where what was agreed changed last.
    changed_position: u64,
    /// The last consent before, with what was shown and what it rested on.
    #[serde(skip_serializing_if = "Option::is_none")]
    consent: Option<AuditedEvent>,
}

/// Whether a grant was good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantState {
    /// The client could use it.
    Active,
    /// Nothing was agreed in it yet.
    Opened,
    /// It was not revoked yet, but nothing under it was good any more: the organization had disconnected the client or did not
    /// let it in, or the person had left the organization.
    CutOff,
    /// It was good again once its client was resumed.
    ClientSuspended,
    /// The metadata document of its client was gone; it was good again once that was back.
    ClientWithdrawn,
    /// It was over with its client.
    ClientDeleted,
    /// It was revoked.
    Revoked,
}

/// The client of a grant as it was then.
#[derive(Serialize, ToSchema)]
pub struct ClientThen {
    /// Its id.
    client_id: String,
    /// What it called itself.
    client_name: Option<String>,
    /// SHA-256 over what was registered about it, hexadecimal.
    metadata_sha256: Option<String>,
    /// Where that stands in the log.
    metadata_position: Option<u64>,
}

impl ClientThen {
    fn of(client_id: &ClientId, client: Option<&ClientAsOf>) -> Self {
        Self {
            client_id: client_id.to_string(),
            client_name: client.and_then(|then| then.client.metadata()).map(|metadata| metadata.client_name.clone()),
            metadata_sha256: client.and_then(|then| then.metadata_sha256.clone()),
            metadata_position: client.and_then(|then| then.metadata_position).map(|position| position.0),
        }
    }
}

impl GrantThen {
    pub(super) fn of(grant: &GrantAsOf) -> Self {
        let asked_at = grant.asked_at.iter().map(|(token, moment): (_, &Timestamp)| (token.clone(), moment.to_rfc3339()));
        Self {
            grant_id: grant.grant_id.to_string(),
            subject_id: grant.subject.to_string(),
            client: ClientThen::of(&grant.client_id, grant.client.as_deref()),
            organization_id: grant.organization_id.as_ref().map(|organization| organization.0.to_string()),
            state: state(grant),
            reason: grant.reason,
            scope: grant.scope.to_string(),
            asked_at: asked_at.collect(),
            opened_at: grant.opened_at.to_rfc3339(),
            opened_position: grant.opened.0,
            changed_position: grant.changed.0,
            consent: grant.consent.as_ref().map(AuditedEvent::of),
        }
    }
}

fn state(grant: &GrantAsOf) -> GrantState {
    match grant.client.as_ref().map(|then| &then.client) {
        _ if grant.ended => GrantState::Revoked,
        Some(client) if client.is_deleted() => GrantState::ClientDeleted,
        _ if grant.reason.is_some() => GrantState::CutOff,
        Some(client) if client.is_suspended() => GrantState::ClientSuspended,
        Some(client) if client.is_withdrawn() => GrantState::ClientWithdrawn,
        _ if grant.consent.is_none() => GrantState::Opened,
        _ => GrantState::Active,
    }
}

/// List grants as they were.
///
/// Of an organization, a client, a person, or of several of these together. Those that were over are left out unless asked for; a
/// grant that was good for nothing in another way (its client was suspended or deleted, or did not get into the organization any more) says so in its `state`.
#[utoipa::path(get, path = GRANTS, tag = "audit", operation_id = "listAuditGrants", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("organization" = Option<String>, Query, description = "In this organization.", example = "acme"),
        ("client_id" = Option<String>, Query, description = "To this client."),
        ("subject" = Option<String>, Query, description = "Of this person, by the application's id.", example = "ana"),
        ("subject_id" = Option<String>, Query, description = "Of this person, by our id."),
        ("as_of" = Option<String>, Query, description = "As they were at this moment (RFC 3339).", example = "2026-03-03T14:00:00Z"),
        ("position" = Option<u64>, Query, description = "As they were at this position of the log.", example = 81230),
        ("include_ended" = Option<bool>, Query, description = "Also those that were over."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before. It keeps the position."),
        ("limit" = Option<u32>, Query, description = "How many, at most 1000; without it, 100.", example = 100)),
    responses((status = 200, description = "The page.", body = GrantsThen), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "The read can't be recorded, or the history has not caught up yet. Try again.", body = ProblemBody)))]
pub async fn list(app: App, request: Request) -> Result<Response, Problem> {
    let reader = Reader::of(&app, &request).await?;
    answer(&app, &reader, &request).await
}

pub(super) async fn answer(app: &App, reader: &Reader, request: &Request) -> Result<Response, Problem> {
    let known = ["organization", "client_id", "subject", "subject_id", "as_of", "position", "include_ended", "cursor", "limit"];
    let parameters = Parameters::of(request, &known)?;
    let (cursor, limit) = (parameters.cursor()?, parameters.limit(100, 1000)?);
    let (window, include_ended) = (parameters.window()?, parameters.flag("include_ended")?);
    caught_up(app, request).await?;
    let mut narrowed = parameters.owners(app).await?;
    if narrowed.filter.names.is_empty() && !narrowed.is_nothing() {
        return Err(Problem::invalid_field("organization", "Name an organization, a client or a person."));
    }
    narrowed.filters.after = cursor.map(|(after, _)| after.0);
    let narrowed = narrowed.within(window);
    let nothing = narrowed.is_nothing();
    let asked = ask(app, reader, Question::Grants, narrowed.filters).await?;
    let at = match cursor.and_then(|(_, until)| until) {
        Some(until) => end(Some(until), asked.before()),
        None => asked.at(&window).await?,
    };
    let mut found = Vec::new();
    if let (false, Some(at)) = (nothing, at) {
        let after = cursor.map(|(after, _)| after);
        let query = GrantsQuery { of: narrowed.filter.names, at, include_ended, after, limit: limit.saturating_add(1) };
        found = app.history.grants(query).await.map_err(silent)?;
    }
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = match (has_more, found.last(), at) {
        (true, Some(last), Some(at)) => Some(format!("{}.{}", last.opened.0, at.0)),
        _ => None,
    };
    Ok(reader.told(reply::ok(&told(app, &found, at, next_cursor).await?)))
}

pub(super) async fn told(app: &App, found: &[GrantAsOf], at: Option<Position>, next_cursor: Option<String>) -> Result<GrantsThen, Problem> {
    let grants = found.iter().map(GrantThen::of).collect();
    let people = people::look_up(app, found.iter().map(|grant| grant.subject.to_string()).collect()).await?;
    Ok(GrantsThen { position: at.map(|at| at.0), grants, people, next_cursor })
}

/// A question about one moment, which is all that it is narrowed by.
pub(super) async fn at_a_moment(
    app: &App,
    reader: &Reader,
    request: &Request,
    what: Question,
) -> Result<(Window, Option<Position>), Problem> {
    let window = Parameters::of(request, &["as_of", "position"])?.window()?;
    caught_up(app, request).await?;
    let narrowed = super::parameters::Narrowed::default().within(window);
    let asked = ask(app, reader, what, narrowed.filters).await?;
    Ok((window, asked.at(&window).await?))
}
