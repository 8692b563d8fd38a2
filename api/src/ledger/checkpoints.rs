//! Checkpoints: look at them, ask for one; and the keys that verify them.

use grantlog_core::{jose::Jwk, ledger::Hash};
use grantlog_projections::ledger::KeptCheckpoint;
use serde::Serialize;
use utoipa::ToSchema;

use super::{number, require_reader, trouble};
use crate::{
    admin::READERS,
    app::App,
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// All checkpoints.
pub const COLLECTION: &str = "/v1/audit/checkpoints";
/// What verifies them.
pub const KEYS: &str = "/ledger/keys";

/// How many a page has when nothing is said, and at most.
const DEFAULT_LIMIT: u64 = 50;
const MOST: u64 = 1000;

/// A signed head of the log's Merkle tree.
#[derive(Serialize, ToSchema)]
pub struct Checkpoint {
    /// How many events it covers: those at the positions up to this one.
    size: u64,
    /// The root of the tree, in base64.
    #[schema(value_type = String)]
    root: Hash,
    /// When it was signed (RFC 3339, UTC).
    signed_at: String,
    /// The signed note (C2SP tlog-checkpoint).
    checkpoint: String,
}

/// A page of checkpoints.
#[derive(Serialize, ToSchema)]
pub struct CheckpointPage {
    /// The smallest first.
    checkpoints: Vec<Checkpoint>,
    /// What to send as `after` for the next page; null: this is the last one.
    next_after: Option<u64>,
}

/// What verifies checkpoints, and certificates.
#[derive(Serialize, ToSchema)]
pub struct LedgerKeys {
    /// The identity of the log: the first line of its checkpoints.
    origin: String,
    /// The keys (C2SP signed-note), the one that signs now last. Keep them somewhere else: whoever verifies needs a key that
    /// the log did not tell it.
    verifier_keys: Vec<String>,
    /// The same keys as JWKs, each with `kid`, `alg` and `use`: they verify the certificates of erasures. With this member the
    /// document is a JWK Set (RFC 7517 §5).
    #[schema(value_type = Vec<Object>)]
    keys: Vec<Jwk>,
}

impl Checkpoint {
    fn of(kept: KeptCheckpoint) -> Self {
        Self { size: kept.size, root: kept.root, signed_at: kept.signed_at.to_rfc3339(), checkpoint: kept.note }
    }
}

/// List checkpoints.
#[utoipa::path(get, path = COLLECTION, tag = "ledger", operation_id = "listCheckpoints", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("after" = Option<u64>, Query, description = "Only those of greater sizes."), ("limit" = Option<u64>, Query, description = "How many: 1 to 1000, 50 without it.")),
    responses((status = 200, description = "The checkpoints.", body = CheckpointPage), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn list(app: App, request: Request) -> Result<Response, Problem> {
    require_reader(&app, &request).await?;
    let after = number(&request, "after")?.unwrap_or(0);
    let limit = number(&request, "limit")?.unwrap_or(DEFAULT_LIMIT);
    let limit = usize::try_from(limit).ok().filter(|_| (1..=MOST).contains(&limit));
    let limit = limit.ok_or_else(|| Problem::invalid_field("limit", "It must be between 1 and 1000."))?;
    // One more than asked for tells whether there is a next page.
    let mut found = app.ledger.checkpoints(after, limit + 1).await.map_err(trouble)?;
    let is_more = found.len() > limit;
    found.truncate(limit);
    let next_after = found.last().filter(|_| is_more).map(|last| last.size);
    Ok(reply::ok(&CheckpointPage { checkpoints: found.into_iter().map(Checkpoint::of).collect(), next_after }))
}

/// Ask for a checkpoint.
///
/// Signs the tree over everything that is in the log now. When the newest checkpoint covers that, it is the answer: to ask again
/// makes no other.
#[utoipa::path(post, path = COLLECTION, tag = "ledger", operation_id = "createCheckpoint", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    responses((status = 200, description = "The newest checkpoint.", body = Checkpoint),
        (status = 409, description = "The log does not fit what was signed about it.", body = ProblemBody),
        (status = "4XX", description = "The call is not valid.", body = ProblemBody),
        (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn create(app: App, request: Request) -> Result<Response, Problem> {
    app.require_role(&request, &READERS).await?;
    let signed = app.ledger.sign().await.map_err(trouble)?;
    Ok(reply::ok(&Checkpoint::of(signed)))
}

/// Read the keys that verify checkpoints and certificates.
#[utoipa::path(get, path = KEYS, tag = "ledger", operation_id = "listLedgerKeys", security(()),
    responses((status = 200, description = "The keys.", body = LedgerKeys), (status = "4XX", description = "The call is not valid.", body = ProblemBody), (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn keys(app: App, _: Request) -> Result<Response, Problem> {
    let keys = app.ledger.keys().await.map_err(trouble)?;
    let current = app.ledger.verifier_key();
    let all: Vec<_> = keys.iter().filter(|key| *key != current).chain([current]).collect();
    Ok(reply::ok(&LedgerKeys {
        origin: current.name().to_owned(),
        verifier_keys: all.iter().map(ToString::to_string).collect(),
        keys: all.iter().map(|key| key.jwk()).collect(),
    }))
}
