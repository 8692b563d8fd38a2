//! The read side of grantlog: what is true now, and what was true then.
//!
//! `live` holds the read models that answer while a request waits. They are fed by the log and by nothing else: the
//! state at a position is a function of the events up to it, so it can be thrown away and rebuilt at any time.
//! `runner` feeds them, `snapshot` keeps copies so that a start need not read the whole log, `wait` lets a reader wait
//! for a position, and `rebuild` proves that all of them agree. `history` keeps the past in a file, for auditors, and `ledger` the log's
//! Merkle tree with its signed heads.

pub mod history;
mod json;
pub mod ledger;
pub mod live;
pub mod rebuild;
pub mod runner;
mod snapshot;
#[cfg(test)]
mod testing;
pub mod wait;

pub use history::{History, HistoryRunner};
pub use ledger::{Ledger, LedgerRunner};
pub use live::Live;
pub use runner::LiveRunner;
