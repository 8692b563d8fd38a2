//! The segments that were sealed and are not dropped: what retention has still to do.

use std::collections::BTreeSet;

use grantlog_core::domain::segment::SegmentEvent;
use serde::{Deserialize, Serialize};

/// Each by its first position.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct PendingSegments(BTreeSet<u64>);

impl PendingSegments {
    pub(super) fn list(&self) -> Vec<u64> {
        self.0.iter().copied().collect()
    }

    pub(super) fn apply(&mut self, key: &str, event: &SegmentEvent) {
        match event {
            SegmentEvent::Sealed { positions, .. } => {
                self.0.insert(positions.first());
            }
            SegmentEvent::Dropped {} => self.remove(key),
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Ok(first) = key.parse() {
            self.0.remove(&first);
        }
    }
}
