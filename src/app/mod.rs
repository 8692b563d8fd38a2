//! Use cases, one file per verb: load, fold, decide, append.
