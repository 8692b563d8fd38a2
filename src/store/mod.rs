//! The event store port: what every backend can do, and no more.
//!
//! A backend appends a batch to **one** stream at an expected revision, loads a stream, reads everything from a
//! position, and follows. Nothing here may depend on what KurrentDB or PostgreSQL can't do.

#[cfg(feature = "testing")]
pub mod contract;
pub mod memory;
pub mod segments;
pub mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::Serialize;
use uuid::Uuid;

use crate::domain::{Event, StreamId, Timestamp, catalog::DecodeError, segment::Span};

pub use memory::MemoryStore;
pub use segments::{SegmentError, SegmentFile, Segments};
pub use sqlite::SqliteStore;

/// A place in the whole log. Strictly growing, never reused; not necessarily without gaps. Compare it, don't count with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

/// A place in one stream, from 0. Given out without gaps; events that were dropped leave some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

/// What a stream must look like for an append to happen. There is no "any".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedRevision {
    /// The stream does not exist.
    NoStream,
    /// Its last event has this revision.
    Exact(Revision),
}

impl ExpectedRevision {
    /// The revision that the first event of the batch would get; None when no stream can be that long.
    pub fn place(self) -> Option<u64> {
        match self {
            Self::NoStream => Some(0),
            Self::Exact(revision) => revision.0.checked_add(1),
        }
    }
}

/// An event on its way into the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Chosen by the caller (UUIDv7): an append whose outcome is unknown is recognised by it.
    pub id: Uuid,
    /// The wire name.
    pub kind: String,
    /// The version of the payload's schema.
    pub schema: u16,
    /// When it was decided.
    pub time: Timestamp,
    /// Who caused it: `api_key:<id>`, `client:<id>`, `subject:<id>`, `system`.
    pub actor: String,
    /// The request in which it happened; empty outside of one.
    pub request_id: String,
    /// The payload: JSON in canonical form (RFC 8785).
    pub data: String,
}

/// An event in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Where in the log.
    pub position: Position,
    /// In which stream.
    pub stream: StreamId,
    /// Where in the stream.
    pub revision: Revision,
    /// What was written.
    pub event: NewEvent,
}

/// What a load found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The events after the revision asked for, in order; all that there are to the stream's end.
    pub events: Vec<Recorded>,
}

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The position of the last event of the batch.
    pub position: Position,
    /// Its revision.
    pub revision: Revision,
}

/// Three things a caller can act on differently, and the one that must never be taken for a failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The stream is not as expected: read it again and decide afresh.
    #[error("the stream {stream} is not at the expected revision")]
    Conflict {
        /// Which stream.
        stream: StreamId,
    },
    /// Nothing was written; try later.
    #[error("the event store is unavailable: {0}")]
    Unavailable(String),
    /// It may have been written or not: read the stream, compare event ids.
    #[error("the outcome of an append is unknown: {0}")]
    Unknown(String),
    /// What was read is not what was written, or can't be read by this program.
    #[error("the event store is corrupt: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// An empty batch has no place in a stream: nothing was written.
    pub(crate) fn empty_batch() -> Self {
        Self::Unavailable("an append of no events was asked for".into())
    }

    /// The place of the last event must not be given out again.
    pub(crate) fn keeps_the_last(position: u64) -> Self {
        Self::Unavailable(format!("the event at position {position} is the last one of what goes on, and can't be dropped"))
    }
}

/// The event store. Every backend passes the same contract (`store::contract`).
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// The events of a stream after `after` (None: from its beginning). A stream that does not exist is empty.
    async fn load(&self, stream: &StreamId, after: Option<Revision>) -> Result<Loaded, StoreError>;

    /// Appends a batch to one stream, all or nothing; durable when it returns. Appending the same event ids again at
    /// the same place is answered as the first time. An empty batch is refused as `Unavailable`.
    async fn append(&self, stream: &StreamId, expected: ExpectedRevision, events: Vec<NewEvent>) -> Result<Appended, StoreError>;

    /// Everything after a position (None: from the beginning), in order; ends at the head.
    fn read_all(&self, after: Option<Position>) -> BoxStream<'static, Result<Arc<Recorded>, StoreError>>;

    /// Like `read_all`, and then everything that is appended; never ends unless by an error.
    fn follow(&self, after: Option<Position>) -> BoxStream<'static, Result<Arc<Recorded>, StoreError>>;

    /// The position of the last event; None when there is none.
    async fn head(&self) -> Result<Option<Position>, StoreError>;
}

/// What a store can do that gives up old events. Not every backend does: it is the one thing that takes something out
/// of a log, and only [retention](crate::app::retention) asks for it.
#[async_trait]
pub trait DropEvents: EventStore {
    /// Drops the events at these positions for good; durable when it returns. Those that are gone already are passed over,
    /// so that it can be repeated after a crash. Refused as `Unavailable`, from there on, when one of them is the last of a
    /// stream that keeps others, or of the log: their places would be given out again.
    async fn drop_events(&self, spans: &[Span]) -> Result<(), StoreError>;
}

impl Recorded {
    /// The event itself.
    pub fn decode(&self) -> Result<Event, DecodeError> {
        Event::decode(self.stream.kind(), &self.event.kind, self.event.schema, &self.event.data)
    }

    /// How the append was answered whose last event this is.
    pub fn appended(&self) -> Appended {
        Appended { position: self.position, revision: self.revision }
    }

    /// The one canonical byte form of an event with its envelope: RFC 8785 JSON, see `docs/event-envelope.md`.
    pub fn canonical(&self) -> serde_json::Result<Vec<u8>> {
        let data: serde_json::Value = serde_json::from_str(&self.event.data)?;
        let envelope = serde_json::json!({
            "envelope": 1,
            "position": self.position.0,
            "stream": self.stream.as_str(),
            "revision": self.revision.0,
            "id": self.event.id,
            "type": self.event.kind,
            "schema": self.event.schema,
            "time": self.event.time.0,
            "actor": self.event.actor,
            "request_id": self.event.request_id,
            "data": data,
        });
        serde_json_canonicalizer::to_vec(&envelope)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{Context, SHA256};
    use serde_json::Value;

    use super::*;

    const PAGE: &str = include_str!("../../docs/event-envelope.md");

    /// The blocks of this language on the page, one for each vector.
    fn blocks(language: &str) -> Vec<&'static str> {
        let blocks = PAGE.split("\n```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
        blocks.filter(|(found, _)| *found == language).map(|(_, text)| text).collect()
    }

    fn bytes(hexadecimal: &str) -> Vec<u8> {
        hexadecimal.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("a byte in hexadecimal")).collect()
    }

    fn recorded(parts: &str) -> Recorded {
        let parts: Value = serde_json::from_str(parts).expect("the parts are JSON");
        let text = |name: &str| parts[name].as_str().expect("a string").to_owned();
        Recorded {
            position: Position(parts["position"].as_u64().expect("an integer")),
            stream: text("stream").parse().expect("a stream of ours"),
            revision: Revision(parts["revision"].as_u64().expect("an integer")),
            event: NewEvent {
                id: text("id").parse().expect("a UUID"),
                kind: text("type"),
                schema: parts["schema"].as_u64().and_then(|schema| schema.try_into().ok()).expect("a small integer"),
                time: Timestamp(parts["time"].as_i64().expect("an integer")),
                actor: text("actor"),
                request_id: text("request_id"),
                data: parts["data"].to_string(),
            },
        }
    }

    #[test]
    fn the_canonical_form_is_the_documented_one() {
        let (parts, forms, hashes) = (blocks("json"), blocks("hex"), blocks("sha256"));
        assert_eq!((parts.len(), forms.len(), hashes.len()), (2, 2, 2));
        for ((parts, form), hash) in parts.into_iter().zip(forms).zip(hashes) {
            let recorded = recorded(parts);
            recorded.decode().expect("the vectors are events of ours");
            let canonical = recorded.canonical().expect("it has a canonical form");
            assert_eq!(String::from_utf8_lossy(&canonical), String::from_utf8_lossy(&bytes(form)));
            let mut leaf = Context::new(&SHA256);
            leaf.update(&[0]);
            leaf.update(&canonical);
            let leaf: String = leaf
                .finish()
                .as_ref()
                .iter()
                .flat_map(|byte| [byte >> 4, byte & 15])
                .filter_map(|nibble| char::from_digit(nibble.into(), 16))
                .collect();
            assert_eq!(leaf, hash.trim());
        }
    }

    #[test]
    fn the_documented_text_is_the_documented_bytes() {
        let text = blocks("text");
        assert_eq!(text.len(), 1);
        assert_eq!(text[0].trim_end().as_bytes(), bytes(blocks("hex")[0]));
    }

    /// A client may register such keys, so this must neither fail nor have two forms.
    #[test]
    fn rfc8785_3_2_2_3_foreign_numbers_are_written_as_doubles() {
        let form = |data: &str| {
            let data: Value = serde_json::from_str(data).expect("it is JSON");
            serde_json_canonicalizer::to_string(&data).expect("it has a canonical form")
        };
        assert_eq!(form(r#"{"n":18446744073709551615}"#), r#"{"n":18446744073709552000}"#);
        assert_eq!(form(r#"{"n":[1e2,1E-7,-0,123456789012345678901234567890]}"#), r#"{"n":[100,1e-7,0,1.2345678901234568e+29]}"#);
        let again = form(r#"{"n":18446744073709551615}"#);
        assert_eq!(form(&again), again);
    }
}
