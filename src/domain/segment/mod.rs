//! Segments: events that were dropped from the log after they were written to a file, and which those are.

mod decide;
mod event;
mod gaps;
mod positions;
#[cfg(test)]
mod tests;

pub use decide::{Segment, SegmentCommand, SegmentDecider, SegmentRefusal};
pub use event::*;
pub use gaps::Gaps;
pub use positions::{Positions, Span};

use super::{StreamId, StreamKind};

/// The stream of the segment that begins at this position. An event is dropped once, so no two begin at the same.
pub fn stream_of(first: u64) -> StreamId {
    StreamId::new(StreamKind::Segment, &first.to_string())
}
