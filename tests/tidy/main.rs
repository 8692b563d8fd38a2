//! Rules about the source that the compiler does not check: which floor may use which, where time, randomness, SQL and
//! HTTP come in, that every clause named at a branch has a test, and that nothing of a developer's machine got in.

mod clauses;
mod hygiene;
mod layers;
mod source;
