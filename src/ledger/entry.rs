//! The bytes of a leaf: the canonical form of an event with its envelope.
//!
//! They are put together from the parts as they are stored, without reading the payload: so whoever changes a single bit
//! of a stored event changes its leaf, even where the change would mean nothing to a reader of JSON.

use std::io::Write;

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::Hash;
use crate::{
    domain::Timestamp,
    store::{NewEvent, Position, Recorded, Revision},
};

/// How long an entry may be: C2SP tlog-tiles writes its length in 16 bits.
pub const LONGEST_ENTRY: usize = 65_535;

/// An event whose parts beside the payload alone are longer than an entry may be. No such event is ever made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event at position {} is too long for an entry", .0.0)]
pub struct EntryTooLong(pub Position);

/// The entry of an event. One that would be longer than [`LONGEST_ENTRY`] has the SHA-256 of its payload in the payload's
/// place.
pub fn entry(event: &Recorded) -> Result<Vec<u8>, EntryTooLong> {
    let whole = envelope(event, "data", &event.event.data);
    if whole.len() <= LONGEST_ENTRY {
        return Ok(whole);
    }
    let hash = Hash::of_bytes(event.event.data.as_bytes()).to_hex();
    let short = envelope(event, "data_sha256", &format!("\"{hash}\""));
    if short.len() <= LONGEST_ENTRY { Ok(short) } else { Err(EntryTooLong(event.position)) }
}

/// The members in the order of their names, as RFC 8785 has it: `actor` comes before both names of the payload, and all
/// others after them.
fn envelope(event: &Recorded, payload_name: &str, payload: &str) -> Vec<u8> {
    let Recorded { position, stream, revision, event } = event;
    let mut out = Vec::with_capacity(payload.len() + 384);
    let mut members = || -> std::io::Result<()> {
        out.write_all(b"{\"actor\":")?;
        text(&mut out, &event.actor)?;
        write!(out, ",\"{payload_name}\":{payload},\"envelope\":1,\"id\":\"{}\",\"position\":{}", event.id, position.0)?;
        out.write_all(b",\"request_id\":")?;
        text(&mut out, &event.request_id)?;
        write!(out, ",\"revision\":{},\"schema\":{},\"stream\":", revision.0, event.schema)?;
        text(&mut out, stream.as_str())?;
        write!(out, ",\"time\":{},\"type\":", event.time.0)?;
        text(&mut out, &event.kind)?;
        out.write_all(b"}")
    };
    members().expect("a vector takes everything");
    out
}

/// A string as RFC 8785 writes it, which is how this library does: only what must be escaped, in its shortest form.
fn text(out: &mut Vec<u8>, text: &str) -> std::io::Result<()> {
    serde_json::to_writer(out, text).map_err(Into::into)
}

/// What an entry tells about its event beside the payload.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Head {
    /// Where in the log.
    pub position: u64,
    /// In which stream.
    pub stream: String,
    /// The wire name.
    #[serde(rename = "type")]
    pub kind: String,
    /// For a payload that the entry only names: its SHA-256, in hexadecimal digits.
    #[serde(default)]
    pub data_sha256: Option<String>,
}

/// The bytes are no entry of this log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the entry can't be read")]
pub struct NoEntry;

/// Reads what an entry tells.
pub fn head(entry: &[u8]) -> Result<Head, NoEntry> {
    serde_json::from_slice(entry).map_err(|_| NoEntry)
}

/// All that an entry has, but for the version of its form.
#[derive(Deserialize)]
struct Parts {
    actor: String,
    data: Option<Box<RawValue>>,
    id: Uuid,
    position: u64,
    request_id: String,
    revision: u64,
    schema: u16,
    stream: String,
    time: i64,
    #[serde(rename = "type")]
    kind: String,
}

/// The event that an entry is of. `payload` is the one that the entry only names, if it does.
pub fn event_of(bytes: &[u8], payload: Option<String>) -> Result<Recorded, NoEntry> {
    let Parts { actor, data, id, position, request_id, revision, schema, stream, time, kind } =
        serde_json::from_slice(bytes).map_err(|_| NoEntry)?;
    let data = data.map(|data| data.get().to_owned()).or(payload).ok_or(NoEntry)?;
    let event = Recorded {
        position: Position(position),
        stream: stream.parse().map_err(|_| NoEntry)?,
        revision: Revision(revision),
        event: NewEvent { id, kind, schema, time: Timestamp(time), actor, request_id, data },
    };
    // What is not written as entries are is none, whatever it says.
    if entry(&event).is_ok_and(|own| own == bytes) { Ok(event) } else { Err(NoEntry) }
}

/// Where in the log the event of a leaf stands: positions count from 1 without gaps, leaves from 0.
pub fn position_of(index: u64) -> Position {
    Position(index.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::testing::{event, event_with};

    #[test]
    fn an_entry_is_the_canonical_form_of_its_event() {
        let payloads =
            ["{}", r#"{"reason":"requested_by_client"}"#, "{\"name\":\"Zo\u{eb}'s \\\"nightly\\\"\\t\u{20ac}\u{2028}\u{7f}\u{1f511}\"}"];
        for (index, data) in payloads.into_iter().enumerate() {
            let plain = event_with(index as u64, data);
            let strange = Recorded {
                event: NewEvent { actor: "client:\"\\\u{1}\u{1f}\u{7f}\u{8}\u{c}".into(), time: Timestamp(-1), ..plain.event.clone() },
                ..plain.clone()
            };
            for event in [plain, strange] {
                let (made, canonical) = (entry(&event).expect("short"), event.canonical().expect("JSON"));
                assert_eq!(String::from_utf8_lossy(&made), String::from_utf8_lossy(&canonical));
                assert_eq!(event_of(&made, None), Ok(event));
            }
        }
    }

    #[test]
    fn a_change_that_means_nothing_to_json_is_a_change() {
        let one = entry(&event_with(7, r#"{"a":1}"#)).expect("short");
        for other in [r#"{"a": 1}"#, r#"{"a":1.0}"#, r#"{"\u0061":1}"#, r#"{"a":1,"a":1}"#] {
            assert_ne!(one, entry(&event_with(7, other)).expect("short"), "{other}");
        }
    }

    #[test]
    fn a_payload_that_is_too_long_is_named_by_its_hash() {
        let data = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length));
        let room = LONGEST_ENTRY - entry(&event_with(7, &data(0))).expect("short").len();
        let longest = entry(&event_with(7, &data(room))).expect("it fits");
        assert_eq!(longest.len(), LONGEST_ENTRY);
        assert_eq!(head(&longest).expect("an entry").data_sha256, None);
        let too_long = data(room + 1);
        let named = entry(&event_with(7, &too_long)).expect("it is shortened");
        assert!(named.len() < 600);
        let head = head(&named).expect("an entry");
        assert_eq!(head.data_sha256, Some(Hash::of_bytes(too_long.as_bytes()).to_hex()));
        assert_eq!((head.position, head.kind.as_str()), (8, "grant.revoked"));
        let text = String::from_utf8(named).expect("text");
        assert!(text.starts_with(r#"{"actor":"system","data_sha256":""#), "{text}");
        assert_eq!(event_of(text.as_bytes(), None), Err(NoEntry));
        assert_eq!(event_of(text.as_bytes(), Some(data(room))), Err(NoEntry));
        assert_eq!(event_of(text.as_bytes(), Some(too_long.clone())), Ok(event_with(7, &too_long)));
    }

    #[test]
    fn what_is_not_even_short_without_its_payload_is_refused() {
        let mut event = event(7);
        event.event.actor = "x".repeat(LONGEST_ENTRY);
        assert_eq!(entry(&event), Err(EntryTooLong(Position(8))));
    }

    #[test]
    fn what_is_no_entry_is_told() {
        for bytes in ["", "{}", "[]", r#"{"position":-1,"stream":"","type":""}"#] {
            assert_eq!(head(bytes.as_bytes()), Err(NoEntry), "{bytes}");
        }
        let spaced = String::from_utf8(entry(&event(7)).expect("short")).expect("text").replacen(':', ": ", 1);
        assert_eq!(event_of(spaced.as_bytes(), None), Err(NoEntry));
    }
}
