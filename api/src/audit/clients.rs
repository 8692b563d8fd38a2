//! What a client was.

use grantlog_core::domain::{ClientId, audit::Question};
use grantlog_projections::history::{ClientAsOf, Kind};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Parameters, Reader, ask, caught_up, internal, parameters::Narrowed, rfc3339, silent};
use crate::{
    app::App,
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// A client.
pub const CLIENT: &str = "/v1/audit/clients/{client_id}";

/// A client as it was.
#[derive(Serialize, ToSchema)]
pub struct ClientRegistration {
    /// The position that it is as of.
    position: u64,
    /// Its id.
    client_id: String,
    /// Whether it could be used.
    state: ClientState,
    /// When it was registered (RFC 3339, UTC).
    registered_at: Option<String>,
    /// What was registered about it; null when it was deleted.
    #[schema(value_type = Object)]
    metadata: Value,
    /// SHA-256 over the canonical form of that (RFC 8785), hexadecimal.
    metadata_sha256: Option<String>,
    /// Where it stands in the log.
    metadata_position: Option<u64>,
    /// Where anything about the client changed last.
    changed_position: u64,
    /// When (RFC 3339, UTC).
    changed_at: String,
}

/// Whether a client could be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientState {
    /// It could.
    Active,
    /// Nothing of it was good until it was resumed.
    Suspended,
    /// Nothing of it was good until its metadata document was back.
    Withdrawn,
    /// It was gone for good.
    Deleted,
}

/// Read what a client was.
#[utoipa::path(get, path = CLIENT, tag = "audit", operation_id = "readAuditClient", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("client_id" = String, Path, description = "The client's id."),
        ("as_of" = Option<String>, Query, description = "At this moment (RFC 3339).", example = "2026-03-03T14:00:00Z"),
        ("position" = Option<u64>, Query, description = "At this position of the log.", example = 81230)),
    responses((status = 200, description = "The client.", body = ClientRegistration), (status = "4XX", description = "The call is not valid, or there was no such client.", body = ProblemBody), (status = 503, description = "The read can't be recorded, or the history has not caught up yet. Try again.", body = ProblemBody)))]
pub async fn read(app: App, request: Request) -> Result<Response, Problem> {
    let reader = Reader::of(&app, &request).await?;
    answer(&app, &reader, &request).await
}

pub(super) async fn answer(app: &App, reader: &Reader, request: &Request) -> Result<Response, Problem> {
    let client_id = ClientId::from(request.param("client_id")?);
    let window = Parameters::of(request, &["as_of", "position"])?.window()?;
    caught_up(app, request).await?;
    let mut narrowed = Narrowed::default().within(window);
    if app.history.knows(Kind::Client, client_id.as_str()).await.map_err(silent)? {
        narrowed.filters.client_id = Some(client_id.clone());
    } else {
        narrowed.filters.unknown.push("client_id".to_owned());
    }
    let asked = ask(app, reader, Question::Client, narrowed.filters).await?;
    let missing = || Problem::not_found("There was no such client.");
    let at = asked.at(&window).await?.ok_or_else(missing)?;
    let found = app.history.client(&client_id, at).await.map_err(silent)?.ok_or_else(missing)?;
    Ok(reader.told(reply::ok(&registration(&client_id, &found, at.0)?)))
}

fn registration(client_id: &ClientId, found: &ClientAsOf, position: u64) -> Result<ClientRegistration, Problem> {
    let client = &found.client;
    Ok(ClientRegistration {
        position,
        client_id: client_id.to_string(),
        state: match () {
            () if client.is_deleted() => ClientState::Deleted,
            () if client.is_suspended() => ClientState::Suspended,
            () if client.is_withdrawn() => ClientState::Withdrawn,
            () => ClientState::Active,
        },
        registered_at: rfc3339(client.registered_at()),
        metadata: serde_json::to_value(client.metadata()).map_err(internal)?,
        metadata_sha256: found.metadata_sha256.clone(),
        metadata_position: found.metadata_position.map(|position| position.0),
        changed_position: found.changed.0,
        changed_at: found.changed_at.to_rfc3339(),
    })
}
