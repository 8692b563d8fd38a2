//! The proof that nothing but the log matters: a state rebuilt from it equals every other one.

use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use grantlog_core::store::{EventStore, Position, StoreError};

use crate::{
    live::{Applied, Digest, State},
    snapshot,
};

/// Folds the whole log into a new state.
pub async fn rebuild(store: &dyn EventStore) -> Result<State, StoreError> {
    let mut state = State::default();
    catch_up(store, &mut state, None).await?;
    Ok(state)
}

/// What a comparison of a snapshot and the log's tail with the log from its beginning found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// The position that was compared at; None when the log is empty.
    pub position: Option<Position>,
    /// The digest of the state rebuilt from the beginning.
    pub rebuilt: Digest,
    /// The snapshots that a start would consider, newest first.
    pub snapshots: Vec<VerifiedSnapshot>,
    /// How many events can't be read.
    pub unreadable: u64,
}

/// What was found about one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSnapshot {
    /// The file.
    pub path: PathBuf,
    /// What it is worth.
    pub outcome: SnapshotOutcome,
}

/// What a snapshot is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotOutcome {
    /// With the log's tail it is what the log says.
    Agrees,
    /// With the log's tail it is something else: a bug in this program.
    Disagrees {
        /// The digest of the snapshot with the tail.
        digest: Digest,
    },
    /// Its last event is not in the log: a start ignores it. The log was cut off, replaced or restored from a backup.
    OfAnotherLog,
    /// A start ignores it, for the file's own sake.
    Ignored {
        /// Why.
        reason: String,
    },
}

impl Verification {
    /// Whether no usable snapshot tells anything but what the log says.
    pub fn is_sound(&self) -> bool {
        self.unreadable == 0 && !self.snapshots.iter().any(|found| matches!(found.outcome, SnapshotOutcome::Disagrees { .. }))
    }
}

/// Compares what a start from each snapshot would come to with what the whole log says. For `fsck`.
pub async fn verify(store: &dyn EventStore, snapshot_dir: Option<&Path>) -> Result<Verification, StoreError> {
    // Read before the log is, so that none of them can be ahead of the rebuilt state.
    let mut candidates = Vec::new();
    for path in snapshot_dir.map(snapshot::candidates).unwrap_or_default() {
        let state = snapshot::read(&path);
        candidates.push((path, state));
    }
    let rebuilt = rebuild(store).await?;
    let (position, expected) = (rebuilt.position(), rebuilt.digest());
    let mut snapshots = Vec::new();
    for (path, state) in candidates {
        let outcome = match state {
            Ok(state) => match origin(store, state.applied()).await? {
                Origin::ThisLog => compare(store, state, position, expected).await?,
                Origin::AnotherLog => SnapshotOutcome::OfAnotherLog,
                Origin::Unknown => SnapshotOutcome::Ignored { reason: Origin::UNKNOWN.to_owned() },
            },
            Err(error) => SnapshotOutcome::Ignored { reason: error.to_string() },
        };
        snapshots.push(VerifiedSnapshot { path, outcome });
    }
    Ok(Verification { position, rebuilt: expected, snapshots, unreadable: rebuilt.unreadable() })
}

async fn compare(
    store: &dyn EventStore,
    mut state: State,
    until: Option<Position>,
    expected: Digest,
) -> Result<SnapshotOutcome, StoreError> {
    catch_up(store, &mut state, until).await?;
    let digest = state.digest();
    Ok(if digest == expected { SnapshotOutcome::Agrees } else { SnapshotOutcome::Disagrees { digest } })
}

/// Applies what follows, up to the log's end or to the position given.
async fn catch_up(store: &dyn EventStore, state: &mut State, until: Option<Position>) -> Result<(), StoreError> {
    let mut events = store.read_all(state.position());
    while let Some(event) = events.try_next().await? {
        if until.is_some_and(|until| event.position > until) {
            break;
        }
        state.apply(&event);
    }
    Ok(())
}

/// Which log a state is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This one.
    ThisLog,
    /// One that was since restored from a backup, or replaced.
    AnotherLog,
    /// Its last event was dropped, so nobody can tell.
    Unknown,
}

impl Origin {
    /// Why such a snapshot does not serve.
    pub(crate) const UNKNOWN: &str = "its last event was dropped from the log";
}

/// Whether the log has this very event at this position.
pub(crate) async fn origin(store: &dyn EventStore, applied: Option<Applied>) -> Result<Origin, StoreError> {
    let Some(applied) = applied else { return Ok(Origin::ThisLog) };
    let before = applied.position.0.checked_sub(1).map(Position);
    Ok(match store.read_all(before).try_next().await? {
        Some(event) if event.position == applied.position && event.event.id == applied.event_id => Origin::ThisLog,
        // A store tells of what is missing and was not dropped.
        Some(event) if event.position > applied.position => Origin::Unknown,
        Some(_) | None => Origin::AnotherLog,
    })
}

#[cfg(test)]
mod tests;
