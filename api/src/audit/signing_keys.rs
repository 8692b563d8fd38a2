//! Which signing keys there were.

use grantlog_core::{
    domain::{Timestamp, audit::Question},
    jose::Algorithm,
};
use grantlog_projections::history::SigningKeyAsOf;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Reader, Window, grants::at_a_moment, rfc3339, silent};
use crate::{
    app::App,
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// The signing keys.
pub const SIGNING_KEYS: &str = "/v1/audit/signing-keys";

/// Signing keys as they were.
#[derive(Serialize, ToSchema)]
pub struct SigningKeysThen {
    /// The position that they are as of; absent when there was nothing yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    /// The moment that their states are of (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    /// In the order they were made.
    signing_keys: Vec<SigningKeyThen>,
}

/// A signing key as it was.
#[derive(Serialize, ToSchema)]
pub struct SigningKeyThen {
    /// Its name: the thumbprint of its public half (RFC 7638).
    kid: String,
    /// What it signed with.
    algorithm: Option<&'static str>,
    /// Whether it signed.
    state: SigningKeyState,
    /// The public half, a JWK.
    #[schema(value_type = Object)]
    public_jwk: Option<Value>,
    /// When it was made.
    generated_at: String,
    /// Where that stands in the log.
    generated_position: u64,
    /// From when on it signed, or would.
    active_from: Option<String>,
    /// When it stopped, or would, as far as was known.
    retired_at: Option<String>,
    /// Until when it was published, as far as was known.
    published_until: Option<String>,
}

/// Whether a key signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SigningKeyState {
    /// It was published, to sign later.
    Upcoming,
    /// It signed, or could.
    Active,
    /// It signed no more; what it had signed was good.
    Retired,
    /// All that it had signed had expired.
    Withdrawn,
    /// What it had signed was void.
    Revoked,
}

impl SigningKeyThen {
    fn of(found: &SigningKeyAsOf, moment: Timestamp) -> Self {
        let key = &found.key;
        Self {
            kid: found.kid.clone(),
            algorithm: key.algorithm().map(Algorithm::as_str),
            state: state(found, moment),
            public_jwk: key.public_jwk().cloned(),
            generated_at: found.generated_at.to_rfc3339(),
            generated_position: found.generated.0,
            active_from: rfc3339(key.active_from()),
            retired_at: rfc3339(key.retired_at()),
            published_until: rfc3339(key.published_until()),
        }
    }
}

fn state(found: &SigningKeyAsOf, moment: Timestamp) -> SigningKeyState {
    let key = &found.key;
    match () {
        () if key.is_revoked() => SigningKeyState::Revoked,
        () if key.signs_at(moment) => SigningKeyState::Active,
        () if !key.is_published_at(moment) => SigningKeyState::Withdrawn,
        () if key.retired_at().is_some_and(|retired| retired <= moment) => SigningKeyState::Retired,
        () => SigningKeyState::Upcoming,
    }
}

/// Read which signing keys there were.
#[utoipa::path(get, path = SIGNING_KEYS, tag = "audit", operation_id = "listAuditSigningKeys", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("as_of" = Option<String>, Query, description = "At this moment (RFC 3339).", example = "2026-03-03T14:00:00Z"),
        ("position" = Option<u64>, Query, description = "At this position of the log, and at the moment of the event there.", example = 81230)),
    responses((status = 200, description = "The keys.", body = SigningKeysThen), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "The read can't be recorded, or the history has not caught up yet. Try again.", body = ProblemBody)))]
pub async fn list(app: App, request: Request) -> Result<Response, Problem> {
    let reader = Reader::of(&app, &request).await?;
    answer(&app, &reader, &request).await
}

pub(super) async fn answer(app: &App, reader: &Reader, request: &Request) -> Result<Response, Problem> {
    let (window, at) = at_a_moment(app, reader, request, Question::SigningKeys).await?;
    let (mut keys, mut moment) = (Vec::new(), None);
    if let Some(at) = at {
        let then = match window {
            Window::Now => Some(app.authority.now()),
            Window::Moment(moment) => Some(moment),
            Window::Position(position) => app.history.event(position).await.map_err(silent)?.map(|event| event.recorded.event.time),
        };
        // A position that no event has is as the moment of none.
        let then = then.unwrap_or_else(|| app.authority.now());
        keys = app.history.signing_keys(at).await.map_err(silent)?.iter().map(|key| SigningKeyThen::of(key, then)).collect();
        moment = Some(then);
    }
    Ok(reader.told(reply::ok(&SigningKeysThen { position: at.map(|at| at.0), time: rfc3339(moment), signing_keys: keys })))
}
