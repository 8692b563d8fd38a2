//! Proofs that are checked with a public key alone.

use grantlog_core::{
    domain::audit::{Filters, Question},
    ledger::{ConsistencyProof, InclusionProof},
    store::Position,
};
use grantlog_projections::ledger::ProofRefusal;

use super::{needed, number, reader, record, require_reader, told, trouble};
use crate::{
    app::App,
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// That an event is in the log.
pub const INCLUSION: &str = "/v1/audit/proofs/inclusion";
/// That the log only grew.
pub const CONSISTENCY: &str = "/v1/audit/proofs/consistency";

/// Prove that an event is in the log.
///
/// The answer is a file that `grantlog audit verify-proof` checks without this service. The event is in it, so asking is
/// recorded first, unless the ledger is public.
#[utoipa::path(get, path = INCLUSION, tag = "ledger", operation_id = "proveInclusion", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("position" = u64, Query, description = "Where in the log the event stands, as `Grantlog-Position` told."),
        ("size" = Option<u64>, Query, description = "The size of the checkpoint that the proof leads to; the newest one without it.")),
    responses((status = 200, description = "The proof.", body = InclusionProof),
        (status = 404, description = "No checkpoint covers the event yet, or there is none of that size.", body = ProblemBody),
        (status = 410, description = "The event was dropped from the log, and the file that it is in is not here.", body = ProblemBody),
        (status = "4XX", description = "The call is not valid.", body = ProblemBody),
        (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn inclusion(app: App, request: Request) -> Result<Response, Problem> {
    let reader = reader(&app, &request).await?;
    let (position, size) = (needed(&request, "position")?, number(&request, "size")?);
    let filters = Filters { position: Some(position), ..Filters::default() };
    record(&app, reader.as_ref(), Question::InclusionProof, filters).await?;
    let proof = app.ledger.inclusion(Position(position), size).await.map_err(|refusal| problem(refusal, "size"))?;
    Ok(told(reader.as_ref(), reply::ok(&proof)))
}

/// Prove that the log only grew between two checkpoints.
///
/// The answer is a file that `grantlog audit verify-proof` checks without this service.
#[utoipa::path(get, path = CONSISTENCY, tag = "ledger", operation_id = "proveConsistency", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("from" = u64, Query, description = "The size of the earlier checkpoint."), ("to" = u64, Query, description = "The size of the later one.")),
    responses((status = 200, description = "The proof.", body = ConsistencyProof),
        (status = 404, description = "There is no checkpoint of that size.", body = ProblemBody),
        (status = "4XX", description = "The call is not valid.", body = ProblemBody),
        (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn consistency(app: App, request: Request) -> Result<Response, Problem> {
    require_reader(&app, &request).await?;
    let (from, to) = (needed(&request, "from")?, needed(&request, "to")?);
    let field = |refusal: &ProofRefusal| if *refusal == ProofRefusal::NoSuchCheckpoint(from) { "from" } else { "to" };
    let proof = app.ledger.consistency(from, to).await.map_err(|refusal| {
        let field = field(&refusal);
        problem(refusal, field)
    })?;
    Ok(reply::ok(&proof))
}

/// `size_field` is where the size came from that there may be no checkpoint of.
pub(crate) fn problem(refusal: ProofRefusal, size_field: &'static str) -> Problem {
    match refusal {
        ProofRefusal::NoSuchCheckpoint(_) => Problem::not_found("No checkpoint of that size was signed.").field(size_field),
        ProofRefusal::NotCovered { .. } => {
            Problem::not_found("No such event is covered. If it is new, ask for a checkpoint: `POST /v1/audit/checkpoints`.")
                .field("position")
        }
        ProofRefusal::NoCheckpoint => Problem::not_found("No checkpoint was signed yet."),
        ProofRefusal::Backwards => Problem::invalid_field("from", "It must not be greater than `to`."),
        ProofRefusal::Trouble(error) => trouble(error),
    }
}
