//! The ledger over HTTP: the tree in the layout of C2SP tlog-tiles, its checkpoints, and proofs.

pub mod checkpoints;
pub mod proofs;
pub mod tiles;

use grantlog_projections::ledger::LedgerError;

use crate::{
    admin::READERS,
    app::App,
    problem::{Problem, ProblemCode},
    request::Request,
};

/// Lets auditors in, and everybody when the operator says that the ledger is public.
async fn require_reader(app: &App, request: &Request) -> Result<(), Problem> {
    if app.edge.ledger_public { Ok(()) } else { app.require_role(request, &READERS).await.map(drop) }
}

/// A query parameter that is a number, if it is there.
fn number(request: &Request, name: &'static str) -> Result<Option<u64>, Problem> {
    // Positions and sizes are kept as signed numbers.
    let number = |text: String| text.parse().ok().filter(|number| i64::try_from(*number).is_ok());
    let invalid = || Problem::invalid_field(name, "It must be a whole number below 2^63.");
    request.query_param(name)?.map(|text| number(text).ok_or_else(invalid)).transpose()
}

/// A query parameter that is a number and must be there.
fn needed(request: &Request, name: &'static str) -> Result<u64, Problem> {
    number(request, name)?.ok_or_else(|| Problem::invalid_field(name, "It must be given."))
}

fn trouble(error: LedgerError) -> Problem {
    match error {
        LedgerError::Unavailable(_) | LedgerError::Corrupt(_) => Problem::unavailable(error),
        LedgerError::Dropped(_) => {
            Problem::new(ProblemCode::Dropped, "An event of it was dropped from the log, and its segment is not here.").caused_by(error)
        }
        LedgerError::Refused(_) => {
            let detail = "The log does not fit what was signed about it, so nothing more is signed. Its operator has to look at it.";
            Problem::new(ProblemCode::Conflict, detail).caused_by(error)
        }
    }
}
