//! Following: from the file until it is read to its end, then from the writer, and from the file again whenever
//! something was missed.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::broadcast::{self, error::RecvError};

use super::{Batch, closed, reader::Readers};
use crate::store::{Position, Recorded, StoreError};

/// How often a store that was opened for reading only looks for new events.
const POLL: Duration = Duration::from_millis(200);

/// How a follower learns that there is more.
pub(super) enum News {
    /// The writer of this process says so.
    Live(broadcast::Receiver<Batch>),
    /// It has to look.
    Polled,
}

pub(super) struct Follower {
    readers: Readers,
    /// The last event handed out.
    after: Option<Position>,
    /// Read, but not handed out yet.
    ready: VecDeque<Arc<Recorded>>,
    /// Whether the file may hold more than was read from it.
    behind: bool,
    news: News,
}

impl Follower {
    pub(super) fn new(readers: Readers, after: Option<Position>, news: News) -> Self {
        Self { readers, after, ready: VecDeque::new(), behind: true, news }
    }

    pub(super) fn into_stream(self) -> BoxStream<'static, Result<Arc<Recorded>, StoreError>> {
        stream::try_unfold(self, |mut follower| async move { follower.next().await.map(|event| Some((event, follower))) }).boxed()
    }

    async fn next(&mut self) -> Result<Arc<Recorded>, StoreError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.after = Some(event.position);
                return Ok(event);
            }
            if self.behind {
                let page = self.readers.page(self.after).await?;
                self.ready = page.events.into();
                self.behind = page.more;
                continue;
            }
            match &mut self.news {
                News::Live(live) => match live.recv().await {
                    Ok(batch) => self.take(&batch),
                    Err(RecvError::Lagged(_)) => self.behind = true,
                    Err(RecvError::Closed) => return Err(closed()),
                },
                News::Polled => {
                    tokio::time::sleep(POLL).await;
                    self.behind = true;
                }
            }
        }
    }

    /// Takes what is new of a batch. Positions are given out without gaps, so a batch that doesn't follow on shows that something was
    /// missed; so does an empty one, by which the writer tells that there is something in the file.
    fn take(&mut self, batch: &Batch) {
        let next = self.after.map_or(1, |after| after.0.saturating_add(1));
        match batch.first() {
            Some(first) if first.position.0 <= next => {
                self.ready.extend(batch.iter().filter(|event| event.position.0 >= next).cloned());
            }
            Some(_) | None => self.behind = true,
        }
    }
}
