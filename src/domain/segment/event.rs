use serde::{Deserialize, Serialize};

use super::Positions;
use crate::domain::Timestamp;

/// A signed head of the log's tree, as a segment names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoveringCheckpoint {
    /// How many events it covers.
    pub size: u64,
    /// The root that was signed, in base64.
    pub root: String,
}

/// What happens to a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum SegmentEvent {
    /// Issuance facts were written to a file, and may be dropped from the log.
    #[serde(rename = "segment.sealed")]
    Sealed {
        /// Which ones.
        #[serde(flatten)]
        positions: Positions,
        /// The last of them.
        last: u64,
        /// How many they are.
        events: u64,
        /// How long the file is.
        bytes: u64,
        /// SHA-256 of the file, 64 hexadecimal digits.
        sha256: String,
        /// They were all decided before this.
        before: Timestamp,
        /// A checkpoint that covers them.
        checkpoint: CoveringCheckpoint,
    },
    /// They are in the log no more.
    #[serde(rename = "segment.dropped")]
    Dropped {},
}
