//! An export, written into a log again: for those who want to ask what it answers.

use std::{ops::Range, sync::Arc};

use futures::future::try_join_all;
use grantlog_core::{
    ledger::{Content, Tile, WIDTH, event_of, head, position_of},
    store::{EventStore, ExpectedRevision, Position, Recorded, Revision},
};

use super::{Evidence, Export, Shown, Unreadable};

/// Appends the events of an export to an empty log, where they get the positions that they had. Returns how many they are. It
/// does not find out whether they are the ones that were signed.
pub async fn replay(export: &Export, store: Arc<dyn EventStore>, mut progress: impl FnMut(u64, u64)) -> Result<u64, Unreadable> {
    let mut export = export.clone();
    let total = export.covered()?;
    for index in 0..total.div_ceil(WIDTH) {
        let events = events(&mut export, index * WIDTH..total.min((index + 1) * WIDTH)).await?;
        // They arrive in this order, and are committed together.
        let appended = try_join_all(events.iter().map(|event| append(store.as_ref(), event))).await?;
        if let Some((event, _)) = events.iter().zip(appended).find(|(event, position)| event.position != *position) {
            return Err(Unreadable(format!("position {}: the log did not take it there", event.position.0)));
        }
        progress(total.min((index + 1) * WIDTH), total);
    }
    Ok(total)
}

async fn append(store: &dyn EventStore, event: &Recorded) -> Result<Position, Unreadable> {
    let expected = match event.revision.0.checked_sub(1) {
        None => ExpectedRevision::NoStream,
        Some(before) => ExpectedRevision::Exact(Revision(before)),
    };
    let told = |error| Unreadable(format!("position {}: {error}", event.position.0));
    Ok(store.append(&event.stream, expected, vec![event.event.clone()]).await.map_err(told)?.position)
}

async fn events(export: &mut Export, leaves: Range<u64>) -> Result<Vec<Recorded>, Unreadable> {
    let width = u16::try_from(leaves.end - leaves.start).unwrap_or(u16::MAX);
    let entries = export.entries(Tile { content: Content::Entries, index: leaves.start / WIDTH, width }).await?;
    if entries.len() != usize::from(width) {
        return Err(Unreadable(format!("position {}: it is missing", leaves.start.saturating_add(entries.len() as u64 + 1))));
    }
    let read = |(shown, leaf): (&Shown, u64)| {
        let position = position_of(leaf);
        let told = |error: &dyn std::fmt::Display| Unreadable(format!("position {}: {error}", position.0));
        let (Shown::Entry(entry) | Shown::Sealed(entry)) = shown else {
            return Err(told(&"it was dropped from the log, and its segment was not there when it was exported"));
        };
        let payload = match head(entry).map_err(|error| told(&error))?.data_sha256 {
            Some(sha256) => export.payload(&sha256)?.and_then(|payload| String::from_utf8(payload).ok()),
            None => None,
        };
        let event = event_of(entry, payload).map_err(|error| told(&error))?;
        if event.position == position { Ok(event) } else { Err(told(&"in its place there is another event")) }
    };
    entries.iter().zip(leaves).map(read).collect()
}
