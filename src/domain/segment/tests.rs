use std::collections::BTreeSet;

use proptest::{collection::btree_set, prelude::*};

use super::{SegmentCommand::Drop, *};
use crate::domain::{Timestamp, testing::Spec};

fn positions(of: &BTreeSet<u64>) -> Option<Positions> {
    Positions::of(of.iter().copied())
}

fn some() -> Positions {
    positions(&[3, 4, 7].into()).expect("some")
}

fn checkpoint(size: u64) -> CoveringCheckpoint {
    CoveringCheckpoint { size, root: "root".to_owned() }
}

fn seal(size: u64) -> SegmentCommand {
    SegmentCommand::Seal { positions: some(), bytes: 9, sha256: "00".to_owned(), before: Timestamp(5), checkpoint: checkpoint(size) }
}

fn sealed() -> SegmentEvent {
    SegmentEvent::Sealed {
        positions: some(),
        last: 7,
        events: 3,
        bytes: 9,
        sha256: "00".to_owned(),
        before: Timestamp(5),
        checkpoint: checkpoint(7),
    }
}

#[test]
fn a_segment_is_sealed_once_and_then_dropped() {
    Spec::<SegmentDecider>::given([]).when(seal(7)).then([sealed()]);
    Spec::<SegmentDecider>::given([sealed()]).when(seal(7)).then_refused(SegmentRefusal::SealedBefore);
    Spec::<SegmentDecider>::given([sealed()]).when(Drop).then([SegmentEvent::Dropped {}]);
    Spec::<SegmentDecider>::given([sealed(), SegmentEvent::Dropped {}]).when(Drop).then_nothing();
}

#[test]
fn nothing_is_dropped_that_was_not_sealed_nor_sealed_that_no_checkpoint_covers() {
    Spec::<SegmentDecider>::given([]).when(Drop).then_refused(SegmentRefusal::NotSealed);
    Spec::<SegmentDecider>::given([]).when(seal(6)).then_refused(SegmentRefusal::NotCovered);
}

#[test]
fn positions_are_told_in_runs() {
    let told = serde_json::to_string(&some()).expect("they have a text");
    assert_eq!(told, r#"{"first":3,"runs":[2,2,1]}"#);
    assert_eq!((some().first(), some().last(), some().count()), (3, 7, 3));
    let spans: Vec<_> = some().spans().collect();
    assert_eq!(spans, [Span { first: 3, last: 4 }, Span { first: 7, last: 7 }]);
}

#[test]
fn positions_that_make_no_sense_are_not_sound() {
    for text in [
        r#"{"first":0,"runs":[1]}"#,
        r#"{"first":1,"runs":[]}"#,
        r#"{"first":1,"runs":[1,2]}"#,
        r#"{"first":1,"runs":[1,0,1]}"#,
        r#"{"first":18446744073709551615,"runs":[2]}"#,
    ] {
        let read: Positions = serde_json::from_str(text).expect("numbers");
        assert!(!read.is_sound(), "{text}");
        // Nothing that is asked of them panics.
        let _ = (read.last(), read.count(), read.spans().count());
    }
}

#[test]
fn the_first_position_that_no_segment_explains_is_told() {
    let gaps = |missing: &[(u64, u64)]| {
        let mut gaps = Gaps::default();
        for (first, last) in missing {
            gaps.miss(*first, *last);
        }
        gaps.explain(&some());
        gaps.explain(&Positions::one(5));
        gaps
    };
    assert_eq!(gaps(&[]).unexplained(), None);
    assert_eq!(gaps(&[(3, 3), (4, 5), (7, 7)]).unexplained(), None);
    assert_eq!(gaps(&[(3, 7)]).unexplained(), Some(6));
    assert_eq!(gaps(&[(1, 1), (3, 3)]).unexplained(), Some(1));
    assert_eq!(gaps(&[(7, 9)]).unexplained(), Some(8));
    assert_eq!(gaps(&[(3, 5), (7, 7)]).count(), 4);
    let missing: Vec<u64> = (1..9).filter(|position| gaps(&[(3, 5), (7, 7)]).is_missing(*position)).collect();
    assert_eq!(missing, [3, 4, 5, 7]);
}

proptest! {
    #[test]
    fn what_is_told_in_runs_is_what_was_meant(of in btree_set(1u64..200, 1..80)) {
        let told = positions(&of).expect("at least one");
        prop_assert!(told.is_sound());
        prop_assert_eq!(told.iter().collect::<BTreeSet<_>>(), of.clone());
        prop_assert_eq!(told.count(), of.len() as u64);
        prop_assert_eq!(Some(told.last()), of.last().copied());
    }

    #[test]
    fn a_gap_is_explained_exactly_when_its_positions_are_sealed(
        sealed in prop::collection::vec(btree_set(1u64..60, 0..20), 0..4),
        missing in btree_set(1u64..60, 0..20),
    ) {
        let mut gaps = Gaps::default();
        for position in &missing {
            gaps.miss(*position, *position);
        }
        sealed.iter().filter_map(positions).for_each(|positions| gaps.explain(&positions));
        let all: BTreeSet<u64> = sealed.into_iter().flatten().collect();
        prop_assert_eq!(gaps.unexplained(), missing.difference(&all).next().copied());
    }
}
