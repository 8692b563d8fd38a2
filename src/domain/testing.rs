//! Given some events, when a command comes, then these events follow, or nothing, or a refusal.

use std::fmt::Debug;

use super::{Decider, Timestamp};

/// A stream with a past and a present.
pub struct Spec<D: Decider> {
    state: D::State,
    now: Timestamp,
}

/// What a decision came to.
pub struct Outcome<D: Decider>(Result<Vec<D::Event>, D::Refusal>);

impl<D: Decider> Spec<D> {
    /// A stream in which this happened, all of it at the epoch.
    pub fn given(events: impl IntoIterator<Item = D::Event>) -> Self {
        Self { state: D::State::default(), now: Timestamp::default() }.and(events)
    }

    /// Moves time to `now`.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// This happened too, at the present moment.
    pub fn and(mut self, events: impl IntoIterator<Item = D::Event>) -> Self {
        for event in events {
            self.state = D::evolve(self.state, &event, self.now);
        }
        self
    }

    /// Decides a command at the present moment.
    pub fn when(self, command: D::Command) -> Outcome<D> {
        Outcome(D::decide(&self.state, &command, self.now))
    }

    /// What it all folded into.
    pub fn state(self) -> D::State {
        self.state
    }
}

impl<D: Decider> Outcome<D>
where
    D::Event: PartialEq + Debug,
    D::Refusal: PartialEq + Debug,
{
    /// These events follow.
    #[track_caller]
    pub fn then(self, events: impl IntoIterator<Item = D::Event>) {
        assert_eq!(self.0, Ok(events.into_iter().collect()));
    }

    /// Nothing follows.
    #[track_caller]
    pub fn then_nothing(self) {
        assert_eq!(self.0, Ok(Vec::new()));
    }

    /// It is refused.
    #[track_caller]
    pub fn then_refused(self, refusal: D::Refusal) {
        assert_eq!(self.0, Err(refusal));
    }
}
