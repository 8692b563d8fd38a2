//! What a person had agreed to, and how it came about.

use grantlog_core::domain::{GrantId, audit::Question};
use grantlog_projections::history::GrantsQuery;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Parameters, Reader, Window, ask, caught_up,
    grants::{self, GrantThen, GrantsThen},
    parameters::Narrowed,
    people, silent,
    timeline::{Step, Timeline},
};
use crate::{
    app::App,
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// What a person had agreed to.
pub const CONSENTS: &str = "/v1/audit/consents";
/// How one of it came about.
pub const HISTORY: &str = "/v1/audit/consents/{grant_id}/history";

/// Nobody has connected so many.
const MOST: usize = 10_000;

/// How a consent came about and what became of it.
#[derive(Serialize, ToSchema)]
pub struct ConsentHistory {
    /// The position up to which it is told.
    position: u64,
    /// The grant as it was then.
    grant: GrantThen,
    /// The application's id of the person; null when they were forgotten.
    subject: Option<String>,
    /// Step by step.
    steps: Vec<Step>,
}

/// Read what a person had agreed to.
///
/// As it was at a moment or at a position of the log: each consent with what was agreed in sum, the client as it was then, and
/// the event of the last consent with what was shown.
#[utoipa::path(get, path = CONSENTS, tag = "audit", operation_id = "listAuditConsents", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("subject" = Option<String>, Query, description = "Whose, by the application's id.", example = "ana"),
        ("subject_id" = Option<String>, Query, description = "Whose, by our id: for people who were forgotten."),
        ("client_id" = Option<String>, Query, description = "To this client."),
        ("organization" = Option<String>, Query, description = "In this organization.", example = "acme"),
        ("as_of" = Option<String>, Query, description = "As it was at this moment (RFC 3339).", example = "2026-03-03T14:00:00Z"),
        ("position" = Option<u64>, Query, description = "As it was at this position of the log.", example = 81230),
        ("include_ended" = Option<bool>, Query, description = "Also what was over.")),
    responses((status = 200, description = "What was agreed.", body = GrantsThen), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "The read can't be recorded, or the history has not caught up yet. Try again.", body = ProblemBody)))]
pub async fn list(app: App, request: Request) -> Result<Response, Problem> {
    let reader = Reader::of(&app, &request).await?;
    answer(&app, &reader, &request).await
}

pub(super) async fn answer(app: &App, reader: &Reader, request: &Request) -> Result<Response, Problem> {
    let known = ["subject", "subject_id", "client_id", "organization", "as_of", "position", "include_ended"];
    let parameters = Parameters::of(request, &known)?;
    let (window, include_ended) = (parameters.window()?, parameters.flag("include_ended")?);
    if parameters.text("subject")?.is_none() && parameters.text("subject_id")?.is_none() {
        return Err(Problem::invalid_field("subject", "Say whose consents: subject or subject_id."));
    }
    caught_up(app, request).await?;
    let narrowed = parameters.owners(app).await?.within(window);
    let nothing = narrowed.is_nothing();
    let asked = ask(app, reader, Question::Consents, narrowed.filters).await?;
    let at = asked.at(&window).await?;
    let found = match at {
        Some(at) if !nothing => {
            let query = GrantsQuery { of: narrowed.filter.names, at, include_ended, after: None, limit: MOST };
            app.history.grants(query).await.map_err(silent)?
        }
        _ => Vec::new(),
    };
    Ok(reader.told(reply::ok(&grants::told(app, &found, at, None).await?)))
}

/// Read how a consent came about.
///
/// Step by step, from the authorization request on: what was shown, what was granted, how it was used, how it ended, and what in
/// the organization or about the person or the client ended it; by whom, in which request, and under which version of the policy and of
/// the client's metadata. Uses that follow one another are one step.
#[utoipa::path(get, path = HISTORY, tag = "audit", operation_id = "readAuditConsentHistory", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("grant_id" = String, Path, description = "The grant's id.", example = "01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10"),
        ("as_of" = Option<String>, Query, description = "As far as it had come at this moment (RFC 3339)."),
        ("position" = Option<u64>, Query, description = "As far as it had come at this position of the log.")),
    responses((status = 200, description = "The steps.", body = ConsentHistory), (status = "4XX", description = "The call is not valid, or there is no such grant.", body = ProblemBody), (status = 503, description = "The read can't be recorded, or the history has not caught up yet. Try again.", body = ProblemBody)))]
pub async fn history(app: App, request: Request) -> Result<Response, Problem> {
    let reader = Reader::of(&app, &request).await?;
    answer_history(&app, &reader, &request).await
}

/// A question about one grant. Whoever is looked at finds it out under their own id.
pub(super) async fn about_grant(app: &App, grant_id: GrantId, window: Window) -> Result<Narrowed, Problem> {
    let mut narrowed = Narrowed::default().within(window);
    let newest = match app.history.position() {
        Some(position) => app.history.grant(grant_id, position).await.map_err(silent)?,
        None => None,
    };
    match newest {
        Some(grant) => {
            (narrowed.filters.grant_id, narrowed.filters.subject) = (Some(grant_id), Some(grant.subject));
            narrowed.filters.client_id = Some(grant.client_id);
        }
        None => narrowed.filters.unknown.push("grant_id".to_owned()),
    }
    Ok(narrowed)
}

pub(super) async fn answer_history(app: &App, reader: &Reader, request: &Request) -> Result<Response, Problem> {
    let grant_id: GrantId = request.id("grant_id")?;
    let window = Parameters::of(request, &["as_of", "position"])?.window()?;
    caught_up(app, request).await?;
    let narrowed = about_grant(app, grant_id, window).await?;
    let asked = ask(app, reader, Question::ConsentHistory, narrowed.filters).await?;
    let missing = || Problem::not_found("There is no such grant, or there was none then.");
    let at = asked.at(&window).await?.ok_or_else(missing)?;
    let grant = app.history.grant(grant_id, at).await.map_err(silent)?.ok_or_else(missing)?;
    let steps = Timeline::of(app, &grant.client_id, at).await?.steps(&grant).await?;
    let subject = people::external_id(app, grant.subject).await?;
    Ok(reader.told(reply::ok(&ConsentHistory { position: at.0, grant: GrantThen::of(&grant), subject, steps })))
}
