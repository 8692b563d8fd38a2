//! The tree as C2SP tlog-tiles has it, below `/ledger`.

use grantlog_core::{
    domain::audit::{Filters, Question},
    ledger::{Tile, WIDTH},
};

use super::{reader, record, require_reader, told, trouble};
use crate::{
    app::App,
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// The newest signed head.
pub const CHECKPOINT: &str = "/ledger/checkpoint";
/// Hashes. The last parameter has slashes.
pub const HASHES: &str = "/ledger/tile/{level}/{index}";
/// Entries. The last parameter has slashes.
pub const ENTRIES: &str = "/ledger/tile/entries/{index}";

/// What a tile never changes for.
const YEAR: u64 = 31_536_000;

/// Read the newest checkpoint.
///
/// The signed head of the log's Merkle tree, as C2SP tlog-checkpoint has it: origin, size and root, then signatures.
#[utoipa::path(get, path = CHECKPOINT, tag = "ledger", operation_id = "readCheckpoint", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    responses((status = 200, description = "The signed note.", content_type = "text/plain", body = String),
        (status = "4XX", description = "The call is not valid, or nothing was signed yet.", content_type = "application/problem+json", body = ProblemBody),
        (status = 503, description = "Try again.", content_type = "application/problem+json", body = ProblemBody)))]
pub async fn checkpoint(app: App, request: Request) -> Result<Response, Problem> {
    require_reader(&app, &request).await?;
    let newest = app.ledger.published().ok_or_else(|| Problem::not_found("No checkpoint was signed yet."))?;
    Ok(reply::content("text/plain; charset=utf-8", newest.note))
}

/// Read a tile of hashes.
///
/// As C2SP tlog-tiles has it: up to 256 SHA-256 hashes of the tree, of leaves at level 0. The index is written in groups of three
/// digits, all but the last after an `x` (`x001/x234/067`); a tile that is not full ends in `.p/` and its width.
#[utoipa::path(get, path = HASHES, tag = "ledger", operation_id = "readTile", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("level" = String, Path, description = "The level, from 0."), ("index" = String, Path, description = "The place in the level, with `.p/<width>` when it is not full.")),
    responses((status = 200, description = "The hashes, one after the other.", content_type = "application/octet-stream"),
        (status = "4XX", description = "The call is not valid, or no checkpoint covers such a tile.", content_type = "application/problem+json", body = ProblemBody),
        (status = 503, description = "Try again.", content_type = "application/problem+json", body = ProblemBody)))]
pub async fn hashes(app: App, request: Request) -> Result<Response, Problem> {
    require_reader(&app, &request).await?;
    bytes(&app, named(&format!("tile/{}/{}", request.param("level")?, request.param("index")?))?).await
}

/// Read a bundle of entries.
///
/// As C2SP tlog-tiles has it: up to 256 entries, each after its length in 16 bits. An entry is the canonical form of an event;
/// its SHA-256 after a zero byte is the hash in the tile of level 0. Unless the ledger is public, reading is recorded first.
#[utoipa::path(get, path = ENTRIES, tag = "ledger", operation_id = "readEntries", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("index" = String, Path, description = "The place of the bundle, with `.p/<width>` when it is not full.")),
    responses((status = 200, description = "The entries, one after the other.", content_type = "application/octet-stream"),
        (status = 410, description = "An event in it was dropped from the log, and the file that it is in is not here.", content_type = "application/problem+json", body = ProblemBody),
        (status = "4XX", description = "The call is not valid, or no checkpoint covers such a bundle.", content_type = "application/problem+json", body = ProblemBody),
        (status = 503, description = "Try again.", content_type = "application/problem+json", body = ProblemBody)))]
pub async fn entries(app: App, request: Request) -> Result<Response, Problem> {
    let reader = reader(&app, &request).await?;
    let tile = named(&format!("tile/entries/{}", request.param("index")?))?;
    let filters = Filters { after: Some(tile.index.saturating_mul(WIDTH)), ..Filters::default() };
    record(&app, reader.as_ref(), Question::LedgerEntries, filters).await?;
    Ok(told(reader.as_ref(), bytes(&app, tile).await?))
}

fn missing() -> Problem {
    Problem::not_found("There is no such tile, or no checkpoint covers it yet.")
}

fn named(name: &str) -> Result<Tile, Problem> {
    name.parse().map_err(|_| missing())
}

async fn bytes(app: &App, tile: Tile) -> Result<Response, Problem> {
    let bytes = app.ledger.tile(tile).await.map_err(trouble)?.ok_or_else(missing)?;
    let response = reply::content("application/octet-stream", bytes);
    Ok(if app.edge.ledger_public { response.cache_for(YEAR) } else { response })
}
