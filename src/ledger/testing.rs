//! Leaves to test with.

use uuid::Uuid;

use super::{Edge, FullTile, Hash, Tiles, leaf_hash};
use crate::{
    domain::{StreamId, StreamKind, Timestamp},
    store::{NewEvent, Position, Recorded, Revision},
};

pub(super) fn event(index: u64) -> Recorded {
    event_with(index, r#"{"reason":"requested_by_client"}"#)
}

pub(super) fn event_with(index: u64, data: &str) -> Recorded {
    Recorded {
        position: Position(index + 1),
        stream: StreamId::new(StreamKind::Grant, "019a2d5e-6c00-7000-8000-000000000001"),
        revision: Revision(index),
        event: NewEvent {
            id: Uuid::from_u128(u128::from(index)),
            kind: "grant.revoked".into(),
            schema: 1,
            time: Timestamp(1_772_546_400_000),
            actor: "system".into(),
            request_id: "req-7".into(),
            data: data.into(),
        },
    }
}

/// The leaf at this index of every test tree.
pub(super) fn leaf(index: u64) -> Hash {
    leaf_hash(&index.to_be_bytes())
}

/// A tree that is wholly in memory.
#[derive(Default)]
pub(super) struct Grown {
    pub(super) edge: Edge,
    full: Vec<FullTile>,
}

impl Grown {
    pub(super) fn to(size: u64) -> Self {
        let mut grown = Self::default();
        (0..size).for_each(|index| grown.full.extend(grown.edge.push(leaf(index))));
        grown
    }
}

impl Tiles for Grown {
    type Error = String;

    fn tile(&mut self, level: u8, index: u64) -> Result<Vec<Hash>, String> {
        let full = self.full.iter().find(|tile| (tile.level, tile.index) == (level, index)).map(|tile| tile.hashes.clone());
        let partial = self.edge.partial(level).filter(|(at, _)| *at == index).map(|(_, hashes)| hashes.to_vec());
        full.or(partial).ok_or_else(|| format!("there is no tile {level}/{index}"))
    }
}
