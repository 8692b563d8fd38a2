//! Reading what was written: waiting until a position is in the read models.

use std::time::Duration;

use async_trait::async_trait;
use grantlog_core::store::Position;

use crate::Live;

/// How long a writer waits for its own write to be seen before it answers anyway: it is durable, only not yet visible.
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

/// What a use case does after it has written: it waits until reads on this node see it.
#[async_trait]
pub trait Visibility: Send + Sync {
    /// Returns when the position is visible, or has not become so for longer than a writer should wait.
    async fn wait_until_visible(&self, position: Position);
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
    async fn wait_until_visible(&self, position: Position) {
        if let Err(error) = self.wait_for(position, LONGEST_VISIBILITY_WAIT).await {
            tracing::warn!(%error, reached = ?error.reached, "a write is answered before it is visible");
        }
    }
}
