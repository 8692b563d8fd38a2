//! What ends a run.

use std::io;

/// What ends a run. Each says enough to look for the cause.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server answered, and not what it should have.
    #[error("wrong answer to {request}: {what}\n  the answer was {status} {body}")]
    WrongAnswer {
        /// Method and path.
        request: String,
        /// What is wrong with it.
        what: String,
        /// The status.
        status: u16,
        /// The body, shortened.
        body: String,
    },
    /// There was no answer.
    #[error("no answer to {request}: {why}")]
    NoAnswer {
        /// Method and path.
        request: String,
        /// Why.
        why: String,
    },
    /// An operation took longer than any operation may.
    #[error("an operation was not answered within {0} s")]
    TooSlow(u64),
    /// A program did not start.
    #[error("{program} did not start: {why}\n{stderr}")]
    NotStarted {
        /// Which.
        program: String,
        /// Why.
        why: String,
        /// The end of what it wrote to its standard error.
        stderr: String,
    },
    /// A program ended under load.
    #[error("{program} ended: {status}\n{stderr}")]
    Ended {
        /// Which.
        program: String,
        /// How.
        status: String,
        /// The end of what it wrote to its standard error.
        stderr: String,
    },
    /// Goals were missed.
    #[error("missed: {}", .0.join("; "))]
    Missed(Vec<String>),
    /// The run took longer than it was given.
    #[error("the run was not over within {0} s")]
    Deadline(u64),
    /// Somebody stopped it.
    #[error("stopped")]
    Stopped,
    /// A file, pipe or socket failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl Failure {
    /// For `map_err`: what was being done when the error came.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
