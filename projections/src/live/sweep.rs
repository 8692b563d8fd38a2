//! Forgetting what has expired.
//!
//! The fold reads no clock: time is what the events say. Every event lets a few entries be looked at, in turn, and those
//! are forgotten that had expired when it was recorded. So the state stays a function of the log alone: live, rebuilt
//! and restored states are equal byte for byte, and no pass over everything ever holds the lock.

use std::{collections::BTreeMap, ops::Bound};

use grantlog_core::domain::{Seconds, Timestamp};

/// How far apart the clocks of two nodes may be: so much longer an expired entry is kept.
const SKEW: Seconds = Seconds(300);

/// Whether what expired at `expires_at` may be forgotten at `time`.
pub(super) fn is_past(expires_at: Timestamp, time: Timestamp) -> bool {
    expires_at.plus(SKEW) <= time
}

/// The next `count` keys after the one that was looked at last; from the beginning again when there are none.
pub(super) fn next_keys<K: Ord + Clone, V>(map: &BTreeMap<K, V>, last: &mut Option<K>, count: usize) -> Vec<K> {
    let from = last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    let keys: Vec<K> = map.range((from, Bound::Unbounded)).take(count).map(|(key, _)| key.clone()).collect();
    *last = keys.last().cloned();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_turn() {
        let map: BTreeMap<u8, u8> = (0..5).map(|key| (key, key)).collect();
        let mut last = None;
        let turns: Vec<Vec<u8>> = (0..4).map(|_| next_keys(&map, &mut last, 2)).collect();
        assert_eq!(turns, [vec![0, 1], vec![2, 3], vec![4], vec![]]);
        assert_eq!(next_keys(&map, &mut last, 2), [0, 1]);
    }
}
