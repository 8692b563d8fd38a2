use super::{Positions, Span};

/// What is missing in a log, and what the segments that it names explain of that.
#[derive(Clone, Debug, Default)]
pub struct Gaps {
    missing: Vec<Span>,
    explained: Vec<Span>,
}

impl Gaps {
    /// Nothing stands at these positions. They come in their order.
    pub fn miss(&mut self, first: u64, last: u64) {
        match self.missing.last_mut() {
            Some(before) if before.last.checked_add(1) == Some(first) => before.last = last,
            _ => self.missing.push(Span { first, last }),
        }
    }

    /// A segment of these was sealed.
    pub fn explain(&mut self, sealed: &Positions) {
        self.explained.extend(sealed.spans());
    }

    /// Whether this position is among those that are missing.
    pub fn is_missing(&self, position: u64) -> bool {
        let after = self.missing.partition_point(|span| span.first <= position);
        after.checked_sub(1).is_some_and(|before| self.missing[before].last >= position)
    }

    /// Whether anything is missing.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty()
    }

    /// The last position that is missing.
    pub fn last(&self) -> Option<u64> {
        self.missing.last().map(|span| span.last)
    }

    /// How many positions are missing.
    pub fn count(&self) -> u64 {
        self.missing.iter().map(|span| span.last - span.first + 1).sum()
    }

    /// The first position that is missing without a segment that says why.
    pub fn unexplained(mut self) -> Option<u64> {
        self.explained.sort_unstable();
        let mut explained = self.explained.into_iter().peekable();
        for Span { first, last } in self.missing {
            let mut next = first;
            while next <= last {
                // What ends before it explains nothing any more.
                while explained.next_if(|span| span.last < next).is_some() {}
                match explained.peek() {
                    Some(span) if span.first <= next => next = span.last.saturating_add(1),
                    _ => return Some(next),
                }
            }
        }
        None
    }
}
