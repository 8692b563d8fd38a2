use super::{CoveringCheckpoint, Positions, SegmentEvent};
use crate::domain::{Decider, Timestamp};

/// A segment, folded from its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    sealed: Option<(Positions, String)>,
    dropped: bool,
}

impl Segment {
    /// Which events are in its file, and the SHA-256 of that, when it was sealed.
    pub fn sealed(&self) -> Option<(&Positions, &str)> {
        self.sealed.as_ref().map(|(positions, sha256)| (positions, sha256.as_str()))
    }

    /// Whether its events are out of the log.
    pub fn is_dropped(&self) -> bool {
        self.dropped
    }
}

/// What can be asked of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentCommand {
    /// Let these events be dropped from the log: they are in a file.
    Seal {
        /// Which.
        positions: Positions,
        /// How long the file is.
        bytes: u64,
        /// SHA-256 of the file.
        sha256: String,
        /// They were all decided before this.
        before: Timestamp,
        /// A checkpoint that covers them.
        checkpoint: CoveringCheckpoint,
    },
    /// Note that they are dropped.
    Drop,
}

/// Why something may not happen to a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentRefusal {
    /// There is one that begins there.
    #[error("a segment that begins there was sealed before")]
    SealedBefore,
    /// There is no file that has its events.
    #[error("the segment was not sealed")]
    NotSealed,
    /// The checkpoint is of a smaller log.
    #[error("the checkpoint does not cover the segment")]
    NotCovered,
}

/// What may happen to a segment.
#[derive(Debug)]
pub struct SegmentDecider;

impl Decider for SegmentDecider {
    type State = Segment;
    type Command = SegmentCommand;
    type Event = SegmentEvent;
    type Refusal = SegmentRefusal;

    fn decide(segment: &Segment, command: &SegmentCommand, _now: Timestamp) -> Result<Vec<SegmentEvent>, SegmentRefusal> {
        match command {
            SegmentCommand::Seal { .. } if segment.sealed.is_some() => Err(SegmentRefusal::SealedBefore),
            SegmentCommand::Seal { positions, checkpoint, .. } if checkpoint.size < positions.last() => Err(SegmentRefusal::NotCovered),
            SegmentCommand::Seal { positions, bytes, sha256, before, checkpoint } => Ok(vec![SegmentEvent::Sealed {
                last: positions.last(),
                events: positions.count(),
                positions: positions.clone(),
                bytes: *bytes,
                sha256: sha256.clone(),
                before: *before,
                checkpoint: checkpoint.clone(),
            }]),
            SegmentCommand::Drop if segment.sealed.is_none() => Err(SegmentRefusal::NotSealed),
            SegmentCommand::Drop if segment.dropped => Ok(Vec::new()),
            SegmentCommand::Drop => Ok(vec![SegmentEvent::Dropped {}]),
        }
    }

    fn evolve(segment: Segment, event: &SegmentEvent, _at: Timestamp) -> Segment {
        match event {
            SegmentEvent::Sealed { positions, sha256, .. } => Segment { sealed: Some((positions.clone(), sha256.clone())), ..segment },
            SegmentEvent::Dropped {} => Segment { dropped: true, ..segment },
        }
    }
}
