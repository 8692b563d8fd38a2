//! The proof that the history is what the log says: made anew, it is the same, row by row.

use std::{future::ready, io::Write as _, path::Path, pin::pin};

use futures::{StreamExt, TryStreamExt};
use grantlog_core::store::{EventStore, Position, StoreError};
use rusqlite::{Connection, types::ValueRef};

use super::{
    feed::Feed,
    file::{self, CONTENT, HistoryError},
};
use crate::{
    live::{Applied, Digest, Hashing},
    rebuild::{Origin, origin},
};

/// How many events are one transaction.
const BATCH: usize = 2000;

/// What a comparison of the history with the log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// It is what the log says, up to this position.
    Agrees {
        /// Up to where.
        position: Option<Position>,
        /// The digest of every row.
        digest: Digest,
        /// How many events could be indexed by their envelope only.
        unreadable: u64,
    },
    /// It says something else: a bug in this program, or somebody changed it.
    Disagrees {
        /// Up to where it was compared.
        position: Option<Position>,
    },
    /// It has events that were dropped from the log, since it has not come to where their segment was sealed. It goes on from
    /// there when the server runs.
    Behind {
        /// How far it has come.
        position: Option<Position>,
    },
    /// Its last event is not in the log. A start makes it anew.
    OfAnotherLog,
    /// A start makes it anew, for its own sake.
    Unusable {
        /// Why.
        reason: String,
    },
}

/// Makes a history in a folder from the log, up to a position.
pub async fn rebuild(dir: &Path, store: &dyn EventStore, until: Option<Position>) -> Result<Digest, HistoryError> {
    let unavailable = |error: StoreError| HistoryError::Unavailable(error.to_string());
    let mut feed = Feed::open(dir)?;
    let mut batches = store.read_all(feed.applied()?.map(|applied| applied.position)).ready_chunks(BATCH);
    while let Some(batch) = batches.next().await {
        let batch: Vec<_> = batch.into_iter().collect::<Result<_, _>>().map_err(unavailable)?;
        let within: Vec<_> = batch.into_iter().filter(|event| until.is_none_or(|until| event.position <= until)).collect();
        if within.is_empty() {
            break;
        }
        feed.take(&within)?;
        tokio::task::yield_now().await;
    }
    feed.close();
    digest(&file::open_reader(&file::path(dir))?)
}

/// Throws the history of a data directory away and makes it anew. Nobody else may write to it meanwhile.
pub async fn rebuild_in_place(dir: &Path, store: &dyn EventStore) -> Result<Digest, HistoryError> {
    file::remove(dir).map_err(|error| HistoryError::Unavailable(error.to_string()))?;
    rebuild(dir, store, None).await
}

/// Compares the history of a data directory with one that is made anew in an empty folder. For `fsck`; it may run beside
/// a live server. None when there is no history.
pub async fn verify(dir: &Path, store: &dyn EventStore, scratch: &Path) -> Result<Option<Verification>, HistoryError> {
    let path = file::path(dir);
    if !path.exists() {
        return Ok(None);
    }
    let (applied, found, unreadable) = match read(&path) {
        Ok(read) => read,
        Err(HistoryError::Unusable(reason)) => return Ok(Some(Verification::Unusable { reason })),
        Err(error) => return Err(error),
    };
    match origin(store, applied).await.map_err(|error| HistoryError::Unavailable(error.to_string()))? {
        Origin::ThisLog => {}
        Origin::AnotherLog => return Ok(Some(Verification::OfAnotherLog)),
        Origin::Unknown => return Ok(Some(Verification::Unusable { reason: Origin::UNKNOWN.to_owned() })),
    }
    let position = applied.map(|applied| applied.position);
    let expected = match position {
        Some(position) => rebuild(scratch, store, Some(position)).await?,
        None => rebuild_nothing(scratch)?,
    };
    Ok(Some(if found == expected {
        Verification::Agrees { position, digest: found, unreadable }
    } else if was_sealed_after(store, position).await.map_err(|error| HistoryError::Unavailable(error.to_string()))? {
        Verification::Behind { position }
    } else {
        Verification::Disagrees { position }
    }))
}

/// Whether a segment was sealed after a position: what it holds may be gone from the log already.
async fn was_sealed_after(store: &dyn EventStore, position: Option<Position>) -> Result<bool, StoreError> {
    let sealed = store.read_all(position).try_filter(|event| ready(event.event.kind == "segment.sealed"));
    Ok(pin!(sealed).try_next().await?.is_some())
}

fn rebuild_nothing(scratch: &Path) -> Result<Digest, HistoryError> {
    Feed::open(scratch)?.close();
    digest(&file::open_reader(&file::path(scratch))?)
}

/// How far it is and its digest, of one moment.
fn read(path: &Path) -> Result<(Option<Applied>, Digest, u64), HistoryError> {
    let mut connection = file::open_reader(path)?;
    let snapshot = connection.transaction()?;
    Ok((file::applied(&snapshot)?, digest(&snapshot)?, file::unreadable(&snapshot)?))
}

/// SHA-256 over every row of every table, with the names themselves for their numbers: which number a name has depends on what
/// has come and gone.
fn digest(connection: &Connection) -> Result<Digest, HistoryError> {
    let mut out = Hashing::new(std::io::sink());
    for content in CONTENT {
        let mut statement = connection.prepare(content)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                write_value(&mut out, row.get_ref(column)?).map_err(|error| HistoryError::Unavailable(error.to_string()))?;
            }
        }
    }
    Ok(out.finish().1)
}

/// A kind, a length, the value: no two rows are the same bytes.
fn write_value(out: &mut Hashing<std::io::Sink>, value: ValueRef<'_>) -> std::io::Result<()> {
    let (kind, bytes): (u8, &[u8]) = match value {
        ValueRef::Null => (0, &[]),
        ValueRef::Integer(number) => {
            out.write_all(&[1])?;
            return out.write_all(&number.to_be_bytes());
        }
        ValueRef::Real(number) => {
            out.write_all(&[2])?;
            return out.write_all(&number.to_be_bytes());
        }
        ValueRef::Text(text) => (3, text),
        ValueRef::Blob(blob) => (4, blob),
    };
    out.write_all(&[kind])?;
    out.write_all(&(bytes.len() as u64).to_be_bytes())?;
    out.write_all(bytes)
}

/// For tests that compare what was fed in different ways.
#[cfg(test)]
pub(super) fn digest_of(dir: &Path) -> Digest {
    read(&file::path(dir)).expect("the history can be read").1
}
