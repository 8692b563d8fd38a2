//! What was true then, in SQLite: every event with the names it is found by, and what was agreed from which position on.
//!
//! `history.db` holds nothing that the log does not hold, and is never on the path of a write: it follows the log in a
//! task of its own, in batches, from its own position. Deleting it costs the time to read the log once. A question is
//! answered as of a position, so what is appended meanwhile changes no answer.

mod as_of;
mod events;
mod feed;
mod file;
mod references;
mod runner;
mod verify;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

pub use as_of::{ClientAsOf, GrantAsOf, GrantsQuery, SigningKeyAsOf};
pub use events::{EventsQuery, Filter, HistoricEvent, Order};
pub use file::{FILE, HistoryError};
use grantlog_core::store::Position;
pub use references::Kind;
pub use runner::HistoryRunner;
use rusqlite::Connection;
use tokio::sync::{Semaphore, watch};
pub use verify::{Verification, rebuild, rebuild_in_place, verify};

use crate::wait::WaitTimeout;

/// How many questions are answered at the same time.
const CONNECTIONS: usize = 4;

/// Answers questions about the past. Its clones are one.
#[derive(Clone)]
pub struct History(Arc<Inner>);

struct Inner {
    path: PathBuf,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    position: watch::Sender<Option<Position>>,
    following: AtomicBool,
}

impl History {
    fn new(dir: &Path, position: Option<Position>) -> Self {
        Self(Arc::new(Inner {
            path: file::path(dir),
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
            idle: Mutex::default(),
            position: watch::Sender::new(position),
            following: AtomicBool::new(true),
        }))
    }

    /// The position of the last event in it; None when there is none.
    pub fn position(&self) -> Option<Position> {
        *self.0.position.borrow()
    }

    /// Whether the log is being followed. False while that fails: then questions about what came since wait in vain.
    pub fn is_following(&self) -> bool {
        self.0.following.load(Ordering::Relaxed)
    }

    /// Returns when the event at this position, and every one before it, is in it.
    pub async fn wait_for(&self, position: Position, timeout: Duration) -> Result<(), WaitTimeout> {
        let mut positions = self.0.position.subscribe();
        let reached = positions.wait_for(|reached| *reached >= Some(position));
        match tokio::time::timeout(timeout, reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(WaitTimeout { awaited: position, reached: self.position() }),
        }
    }

    fn advanced(&self, position: Option<Position>) {
        self.0.position.send_if_modified(|known| std::mem::replace(known, position) != position);
    }

    /// Says whether the log is being followed; answers what was true before.
    fn set_following(&self, following: bool) -> bool {
        self.0.following.swap(following, Ordering::Relaxed)
    }

    /// Reads on a thread that may block.
    async fn read<T, F>(&self, work: F) -> Result<T, HistoryError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, HistoryError> + Send + 'static,
    {
        let closed = |_| HistoryError::Unavailable("it is closed".to_owned());
        let permit = Arc::clone(&self.0.permits).acquire_owned().await.map_err(closed)?;
        let inner = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            let answer = inner.with_connection(work);
            drop(permit);
            answer
        });
        done.await.unwrap_or_else(|error| Err(HistoryError::Unavailable(format!("a read was cut off: {error}"))))
    }
}

impl Inner {
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_connection<T>(&self, work: impl FnOnce(&Connection) -> Result<T, HistoryError>) -> Result<T, HistoryError> {
        let idle = self.idle().pop();
        let connection = idle.map_or_else(|| file::open_reader(&self.path), Ok)?;
        // A connection that met an error is not used again.
        let answer = work(&connection)?;
        self.idle().push(connection);
        Ok(answer)
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").field("position", &self.position()).field("following", &self.is_following()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
