//! Erase a person; what was erased, and the certificates about it.

use std::time::Duration;

use grantlog_core::{
    app::erase::{CoveringCheckpoint, Erasure},
    domain::audit::{Filters, Question},
    ledger::SignedCheckpoint,
    store::Position,
};
use grantlog_projections::{
    ledger::LedgerError,
    live::{ErasureView, InvalidCursor},
};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::{ADMIN, PageQuery};
use crate::{
    app::{App, positioned, unavailable},
    audit::Reader,
    idempotency::IdempotencyKeyHeader,
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// Erase a person.
pub const ERASE: &str = "/v1/subjects/{id}/erase";
/// All erasures.
pub const COLLECTION: &str = "/v1/audit/erasures";
/// One of them.
pub const ITEM: &str = "/v1/audit/erasures/{id}";

/// How long an answer waits for a checkpoint that the certificate can name.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_secs(5);

/// That a person was erased.
#[derive(Serialize, ToSchema)]
pub struct ErasureEntry {
    /// Its id; the certificate has it as `jti`.
    #[schema(example = "01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10")]
    id: String,
    /// The random id that the log knows the person by. Who it was nobody can tell.
    #[schema(example = "01932d5e-6f00-7b11-9c52-6a1d2f3e4b5c")]
    subject_id: String,
    /// When it was recorded (RFC 3339, UTC). Nothing that the person allowed was good from then on.
    erased_at: String,
    /// Where in the log that stands.
    #[schema(example = 812)]
    position: u64,
    /// How many grants were revoked because of it; null: something is still to be done, and is taken up every minute.
    #[schema(example = 2)]
    grants_ended: Option<u64>,
}

/// An erasure with its certificate.
#[derive(Serialize, ToSchema)]
pub struct CertifiedErasure {
    #[serde(flatten)]
    erasure: ErasureEntry,
    /// Who asked for it.
    #[schema(example = "api_key:01932d5e-1111-7222-8333-444455556666")]
    erased_by: String,
    /// When nothing of it was left to be done; null while something is.
    completed_at: Option<String>,
    /// The certificate: a JWS, signed with a key of `/ledger/keys`; null while something is still to be done. It can be had
    /// again at any time.
    #[schema(example = "eyJhbGciOiJFZERTQSIs…")]
    certificate: Option<String>,
}

/// A page of erasures.
#[derive(Serialize, ToSchema)]
pub struct Erasures {
    /// In the order of their ids, which is about that of time.
    erasures: Vec<ErasureEntry>,
    /// Where the next page begins; null: this is the last one.
    next_cursor: Option<String>,
}

impl From<ErasureView> for ErasureEntry {
    fn from(erasure: ErasureView) -> Self {
        Self {
            id: erasure.id.to_string(),
            subject_id: erasure.subject.to_string(),
            erased_at: erasure.erased_at.to_rfc3339(),
            position: erasure.position.0,
            grants_ended: erasure.is_complete.then_some(erasure.grants_ended),
        }
    }
}

/// Erase a person.
///
/// Destroys the key of everything that is personal about them, and revokes all that they allowed. It can't be undone: whoever
/// comes under this id later is somebody new. The log goes on to show that something was granted, when and to which client, and
/// not by whom. The answer is a signed certificate; it says nothing of who the person was. Send an idempotency key: a repetition
/// gets the same answer, and without one it finds nobody any more.
#[utoipa::path(post, path = ERASE, tag = "subjects", operation_id = "eraseSubject", security(("ApiKey" = ["admin"])),
    params(("id" = String, Path, description = "The application's own id of the person.", example = "zoe"), IdempotencyKeyHeader),
    responses((status = 200, description = "They are erased.", body = CertifiedErasure, example = json!({
            "id": "01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10", "subject_id": "01932d5e-6f00-7b11-9c52-6a1d2f3e4b5c",
            "erased_at": "2026-03-03T14:00:00.000Z", "position": 812, "grants_ended": 2,
            "erased_by": "api_key:01932d5e-1111-7222-8333-444455556666", "completed_at": "2026-03-03T14:00:00.004Z",
            "certificate": "eyJhbGciOiJFZERTQSIs…"})),
        (status = 404, description = "Nobody is known by this id: they were never attested, or are erased.", body = ProblemBody),
        (status = "4XX", description = "The call is not valid.", body = ProblemBody),
        (status = 503, description = "Try again: what was begun is completed, at the latest within a minute.", body = ProblemBody)))]
pub async fn erase(app: App, request: Request) -> Result<Response, Problem> {
    let key = app.require_role(&request, &ADMIN).await?;
    let external_id = request.param("id")?;
    let context = app.acting_once(&key, &request, "eraseSubject").await?;
    let erasure = app.authority.erase_subject(&context, &*app.live, external_id).await.map_err(unavailable)?;
    let erasure = erasure.ok_or_else(|| Problem::not_found("Nobody is known by this id.").field("id"))?;
    Ok(positioned(reply::ok(&certified(&app, erasure).await?), &context))
}

/// List erasures.
///
/// Keep what it tells apart from the backups of the log: it is what has to be done again when a backup is restored that is older.
#[utoipa::path(get, path = COLLECTION, tag = "subjects", operation_id = "listErasures", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."), ("limit" = Option<usize>, Query, description = "1 to 200; 50 when left out.")),
    responses((status = 200, description = "A page of them.", body = Erasures), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn list(app: App, request: Request) -> Result<Response, Problem> {
    let reader = Reader::of(&app, &request).await?;
    app.wait_for_min_position(&request).await?;
    let PageQuery { cursor, limit } = PageQuery::of(&request)?;
    let invalid_cursor = |InvalidCursor| Problem::invalid_field("cursor", "It is not a cursor of this list.");
    reader.record(&app, Question::Erasures, Filters::default()).await?;
    let page = app.live.erasures(cursor.as_deref(), limit).map_err(invalid_cursor)?;
    let erasures = page.items.into_iter().map(ErasureEntry::from).collect();
    Ok(reader.told(reply::ok(&Erasures { erasures, next_cursor: page.next })))
}

/// Read an erasure with its certificate.
#[utoipa::path(get, path = ITEM, tag = "subjects", operation_id = "readErasure", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("id" = String, Path, description = "Its id: `jti` of the certificate.")),
    responses((status = 200, description = "The erasure.", body = CertifiedErasure), (status = "4XX", description = "The call is not valid, or there is no such erasure.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn read(app: App, request: Request) -> Result<Response, Problem> {
    let reader = Reader::of(&app, &request).await?;
    app.wait_for_min_position(&request).await?;
    let erasure = app.authority.erasure_of_id(&*app.live, request.id("id")?).await.map_err(unavailable)?;
    let filters = match &erasure {
        Some(erasure) => Filters { subject: Some(erasure.subject), ..Filters::default() },
        None => Filters { unknown: vec!["id".to_owned()], ..Filters::default() },
    };
    reader.record(&app, Question::Erasures, filters).await?;
    let erasure = erasure.ok_or_else(|| Problem::not_found("There is no such erasure.").field("id"))?;
    Ok(reader.told(reply::ok(&certified(&app, erasure).await?)))
}

async fn certified(app: &App, erasure: Erasure) -> Result<CertifiedErasure, Problem> {
    let covering = match erasure.completed {
        Some(completed) => covering(app, completed.position).await,
        None => None,
    };
    let certificate = app.authority.erasure_certificate(&erasure, covering.as_ref()).await.map_err(unavailable)?;
    Ok(CertifiedErasure {
        erasure: ErasureEntry {
            id: erasure.id.to_string(),
            subject_id: erasure.subject.to_string(),
            erased_at: erasure.erased_at.to_rfc3339(),
            position: erasure.position.0,
            grants_ended: erasure.completed.map(|completed| completed.grants_ended),
        },
        erased_by: erasure.erased_by,
        completed_at: erasure.completed.map(|completed| completed.at.to_rfc3339()),
        certificate,
    })
}

/// The first checkpoint that covers this position, signed now if there is none: the same whenever it is asked for. A certificate
/// is good without it, so that a ledger that does not sign keeps nobody from being told that they are erased.
async fn covering(app: &App, position: Position) -> Option<CoveringCheckpoint> {
    let found = match first_covering(app, position).await {
        Ok(None) => match timeout(CHECKPOINT_TIMEOUT, app.ledger.sign()).await {
            Ok(Ok(_)) => first_covering(app, position).await,
            Ok(Err(error)) => Err(error),
            Err(_) => Err(LedgerError::Unavailable("it has not caught up".to_owned())),
        },
        found => found,
    };
    found.unwrap_or_else(|error| {
        tracing::warn!(%error, "the certificate of an erasure names no checkpoint");
        None
    })
}

async fn first_covering(app: &App, position: Position) -> Result<Option<CoveringCheckpoint>, LedgerError> {
    // A checkpoint covers the positions up to its size.
    let kept = app.ledger.checkpoints(position.0.saturating_sub(1), 1).await?.pop();
    let signed = kept.and_then(|kept| SignedCheckpoint::unverified(&kept.note).ok());
    Ok(signed.map(|signed| CoveringCheckpoint { origin: signed.origin, size: signed.size, root: signed.root.to_string() }))
}
