use serde::{Deserialize, Serialize};

/// Positions without a gap between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first of them.
    pub first: u64,
    /// The last of them.
    pub last: u64,
}

/// Some positions of the log, in a form that stays short where many follow each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions {
    /// The first of them.
    first: u64,
    /// From there on, in turn: how many are among them, how many are not. Ends with some that are.
    runs: Vec<u64>,
}

impl Positions {
    /// One position.
    pub fn one(position: u64) -> Self {
        Self { first: position, runs: vec![1] }
    }

    /// All of these, which come in their order; None when there are none.
    pub fn of(positions: impl IntoIterator<Item = u64>) -> Option<Self> {
        let mut rest = positions.into_iter();
        let mut all = Self::one(rest.next()?);
        rest.for_each(|position| all.push(position));
        Some(all)
    }

    /// Adds a position behind all others; one that is not behind them changes nothing.
    pub fn push(&mut self, position: u64) {
        let last = self.last();
        match position.checked_sub(last) {
            None | Some(0) => {}
            Some(1) => {
                if let Some(run) = self.runs.last_mut() {
                    *run += 1;
                }
            }
            Some(distance) => self.runs.extend([distance - 1, 1]),
        }
    }

    /// The first.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The last.
    pub fn last(&self) -> u64 {
        let all = self.runs.iter().fold(0, |all: u64, run| all.saturating_add(*run));
        self.first.saturating_add(all.saturating_sub(1))
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.runs.iter().step_by(2).fold(0, |all: u64, run| all.saturating_add(*run))
    }

    /// In how many numbers they are told.
    pub fn numbers(&self) -> usize {
        self.runs.len()
    }

    /// Whether they are told in the one form that there is for them.
    pub fn is_sound(&self) -> bool {
        let end = self.runs.iter().try_fold(self.first, |end, run| end.checked_add(*run));
        self.first > 0 && end.is_some() && self.runs.len() % 2 == 1 && !self.runs.contains(&0)
    }

    /// The positions themselves.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.spans().flat_map(|span| span.first..=span.last)
    }

    /// They, with what follows each other together.
    pub fn spans(&self) -> impl Iterator<Item = Span> {
        let mut from = self.first;
        self.runs.iter().enumerate().filter_map(move |(turn, run)| {
            let first = from;
            from = from.saturating_add(*run);
            (turn % 2 == 0 && *run > 0).then(|| Span { first, last: from.saturating_sub(1) })
        })
    }
}
