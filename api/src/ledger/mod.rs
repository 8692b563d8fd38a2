//! The ledger over HTTP: the tree in the layout of C2SP tlog-tiles, its checkpoints, and proofs.

pub mod checkpoints;
pub mod proofs;
pub mod tiles;

use grantlog_core::domain::audit::{Filters, Question};
use grantlog_projections::ledger::LedgerError;

use crate::{
    app::App,
    audit::Reader,
    problem::{Problem, ProblemCode},
    reply::Response,
    request::Request,
};

/// Lets auditors in, and everybody when the operator says that the ledger is public: then it is nobody's business who reads.
async fn reader(app: &App, request: &Request) -> Result<Option<Reader>, Problem> {
    if app.edge.ledger_public { Ok(None) } else { Reader::of(app, request).await.map(Some) }
}

/// The same where no event is told, so that there is nothing to record.
async fn require_reader(app: &App, request: &Request) -> Result<(), Problem> {
    reader(app, request).await.map(drop)
}

/// Records that an auditor reads what has events in it, before they are answered.
async fn record(app: &App, reader: Option<&Reader>, what: Question, filters: Filters) -> Result<(), Problem> {
    match reader {
        Some(reader) => reader.record(app, what, filters).await,
        None => Ok(()),
    }
}

/// Tells with an answer where its record stands.
fn told(reader: Option<&Reader>, response: Response) -> Response {
    match reader {
        Some(reader) => reader.told(response),
        None => response,
    }
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

pub(crate) fn trouble(error: LedgerError) -> Problem {
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
