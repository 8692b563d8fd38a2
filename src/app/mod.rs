//! Use cases, one file per verb: load, fold, decide, append.

pub mod clock;
pub mod entropy;
