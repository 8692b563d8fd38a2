//! Reading what was written: waiting until a position is in the read models.

use std::time::Duration;

use async_trait::async_trait;
use grantlog_core::{app::Visibility, store::Position};

use crate::Live;

/// How long a writer waits for its own write to be seen.
const LONGEST_VISIBILITY_WAIT: Duration = Duration::from_secs(5);

/// The position was not reached in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("position {} is not visible yet", awaited.0)]
pub struct WaitTimeout {
    /// What was waited for.
    pub awaited: Position,
    /// How far the read models are.
    pub reached: Option<Position>,
}

impl Live {
    /// Returns when the event at this position, and every one before it, is applied.
    pub async fn wait_for(&self, position: Position, timeout: Duration) -> Result<(), WaitTimeout> {
        let mut positions = self.positions();
        let reached = positions.wait_for(|reached| *reached >= Some(position));
        match tokio::time::timeout(timeout, reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(WaitTimeout { awaited: position, reached: self.position() }),
        }
    }
}

#[async_trait]
impl Visibility for Live {
    async fn wait_until_visible(&self, position: Position) -> bool {
        match self.wait_for(position, LONGEST_VISIBILITY_WAIT).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, reached = ?error.reached, "the read models do not keep up with the log");
                false
            }
        }
    }
}
