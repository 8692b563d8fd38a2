//! Given events, when a command, then events, nothing, or a refusal.

use std::fmt::Debug;

use super::{Decider, Timestamp};

/// A stream's history, and the moment at which something is asked of it.
pub(crate) struct Spec<D: Decider> {
    state: D::State,
    now: Timestamp,
}

/// What a command led to.
pub(crate) struct Outcome<D: Decider>(Result<Vec<D::Event>, D::Refusal>);

impl<D: Decider> Spec<D> {
    /// A history that happened at time 0.
    pub(crate) fn given(events: impl IntoIterator<Item = D::Event>) -> Self {
        Self { state: D::State::default(), now: Timestamp(0) }.given_at(Timestamp(0), events)
    }

    /// More of the history, which happened at `at`.
    pub(crate) fn given_at(self, at: Timestamp, events: impl IntoIterator<Item = D::Event>) -> Self {
        let state = events.into_iter().fold(self.state, |state, event| D::evolve(state, &event, at));
        Self { state, ..self }
    }

    /// The moment of the command.
    pub(crate) fn at(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    /// The command.
    pub(crate) fn when(self, command: D::Command) -> Outcome<D> {
        Outcome(D::decide(&self.state, &command, self.now))
    }
}

impl<D: Decider> Outcome<D>
where
    D::Event: Debug + PartialEq,
    D::Refusal: Debug + PartialEq,
{
    /// Exactly these events follow.
    #[track_caller]
    pub(crate) fn then(self, events: impl IntoIterator<Item = D::Event>) {
        assert_eq!(self.0, Ok(events.into_iter().collect()));
    }

    /// There is nothing to do.
    #[track_caller]
    pub(crate) fn then_nothing(self) {
        assert_eq!(self.0, Ok(Vec::new()));
    }

    /// The answer is no.
    #[track_caller]
    pub(crate) fn then_refused(self, refusal: D::Refusal) {
        assert_eq!(self.0, Err(refusal));
    }
}
