//! Verifying a log: every entry is hashed, the tree is made anew, and every checkpoint is compared with it.
//!
//! What makes it possible to name the event that is wrong are the hashes of the tiles. They are no evidence by themselves, since
//! whoever changed an event may have changed them too: only when they lead to what was signed do they tell which event does not.

use std::fmt;

use grantlog_core::{
    domain::{
        Timestamp,
        catalog::reference::is_issuance,
        segment::{Gaps, Positions},
    },
    ledger::{
        Checkpoint, Content, Edge, Hash, SignedCheckpoint, Tile, VerifierKey, WIDTH, WitnessKey, cosigned_at, head, leaf_hash, position_of,
    },
    store::Position,
};
use serde::Deserialize;

use super::{Evidence, Shown, Unreadable};

/// The event by which a segment says what it holds.
const SEALED: &str = "segment.sealed";

/// What was found when everything fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many events there are or were.
    pub events: u64,
    /// How many of them were dropped from the log. A sealed segment names each.
    pub dropped: u64,
    /// How many were not shown, so that nothing was hashed: that they were there is proven by the hashes of their leaves, which
    /// lead to what was signed.
    pub unseen: u64,
    /// How many checkpoints agree with them.
    pub checkpoints: u64,
    /// The newest of those.
    pub newest: Option<Checkpoint>,
    /// The root over all events, covered or not.
    pub root: Hash,
    /// What each of the witnesses cosigned last, in their order.
    pub cosigned: Vec<Cosigned>,
}

/// What a witness cosigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// The size of the checkpoint.
    pub size: u64,
    /// When they did.
    pub at: Timestamp,
}

impl Verified {
    /// How many events at the end no checkpoint covers yet.
    pub fn uncovered(&self) -> u64 {
        self.events - self.newest.as_ref().map_or(0, |newest| newest.size)
    }
}

/// The first thing that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The first event that is wrong, or may be.
    pub position: Option<Position>,
    /// What does not fit.
    pub what: String,
}

impl Flaw {
    fn at(position: Position, what: impl Into<String>) -> Self {
        Self { position: Some(position), what: what.into() }
    }

    fn of_all(what: impl Into<String>) -> Self {
        Self { position: None, what: what.into() }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = self.position {
            write!(f, "position {}: ", position.0)?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for Flaw {}

impl From<Unreadable> for Flaw {
    fn from(error: Unreadable) -> Self {
        Self::of_all(error.0)
    }
}

/// What whoever verifies has from elsewhere than from the log.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Whose signatures are believed.
    pub keys: Vec<VerifierKey>,
    /// Who must have cosigned at least one checkpoint.
    pub witnesses: Vec<WitnessKey>,
    /// The notes of checkpoints that were kept, which the log must fit too.
    pub pinned: Vec<String>,
}

/// Verifies all that there is.
pub async fn verify(evidence: &mut dyn Evidence, trust: &Trust, mut progress: impl FnMut(u64, u64)) -> Result<Verified, Flaw> {
    let Trust { keys, witnesses, pinned } = trust;
    let notes = evidence.checkpoints().await?;
    let signed = believed(&notes, "a checkpoint", keys)?.into_iter().chain(believed(pinned, "a pinned checkpoint", keys)?);
    let mut signed: Vec<Checkpoint> = signed.collect();
    signed.sort_by_key(|checkpoint| (checkpoint.size, checkpoint.root));
    signed.dedup();
    let cosigned = witnesses.iter().map(|witness| newest_cosigned(notes.iter().chain(pinned), witness)).collect::<Result<_, _>>()?;
    let greatest = signed.last().map_or(0, |checkpoint| checkpoint.size);
    let total = evidence.size(greatest).await?;
    let mut check = Check {
        evidence,
        signed,
        next: 0,
        edge: Edge::default(),
        stored: None,
        gaps: Gaps::default(),
        unseen: Gaps::default(),
        segments: Vec::new(),
    };
    while check.edge.size() < total {
        if !check.bundle(total).await? {
            break;
        }
        progress(check.edge.size(), total);
    }
    Ok(Verified { cosigned, ..check.finish().await? })
}

/// The newest of the notes that this witness cosigned.
fn newest_cosigned<'a>(notes: impl Iterator<Item = &'a String>, witness: &WitnessKey) -> Result<Cosigned, Flaw> {
    let mut newest: Option<Cosigned> = None;
    for note in notes {
        let told = |error: &dyn fmt::Display| Flaw::of_all(format!("a cosignature of {}: {error}", witness.name()));
        let size = SignedCheckpoint::unverified(note).map_err(|error| told(&error))?.size;
        if let Some(at) = cosigned_at(note, witness).map_err(|error| told(&error))?
            && newest.is_none_or(|newest| newest.size <= size)
        {
            newest = Some(Cosigned { size, at });
        }
    }
    newest.ok_or_else(|| Flaw::of_all(format!("no checkpoint is cosigned by {}", witness.name())))
}

fn believed(notes: &[String], what: &str, keys: &[VerifierKey]) -> Result<Vec<Checkpoint>, Flaw> {
    let believe = |note: &String| match SignedCheckpoint::verify(note, keys) {
        Ok(signed) => Ok(signed.checkpoint),
        Err(error) => {
            let size = SignedCheckpoint::unverified(note).map(|checkpoint| format!(" of size {}", checkpoint.size));
            Err(Flaw::of_all(format!("{what}{}: {error}", size.unwrap_or_default())))
        }
    };
    notes.iter().map(believe).collect()
}

struct Check<'a> {
    evidence: &'a mut dyn Evidence,
    /// What was signed, the smallest first.
    signed: Vec<Checkpoint>,
    /// The next of those.
    next: usize,
    /// The tree of the events.
    edge: Edge,
    /// The tree of the stored hashes, from the first event on that differs from its own.
    stored: Option<Stored>,
    /// What was dropped from the log, and what explains that.
    gaps: Gaps,
    /// What was not shown.
    unseen: Gaps,
    /// The segments that were sealed.
    segments: Vec<(Positions, String)>,
}

struct Stored {
    edge: Edge,
    differs_at: Position,
    event: Hash,
    tile: Hash,
}

impl Check<'_> {
    /// Looks at the next bundle. False when the log ends in it.
    async fn bundle(&mut self, total: u64) -> Result<bool, Flaw> {
        let first = self.edge.size();
        let width = u16::try_from((total - first).min(WIDTH)).unwrap_or(u16::MAX);
        let tile = |content| Tile { content, index: first / WIDTH, width };
        let at_first = |error: Unreadable| Flaw::at(position_of(first), error.0);
        let hashes = self.evidence.hashes(tile(Content::Hashes(0))).await.map_err(at_first)?.unwrap_or_default();
        let mut entries = self.evidence.entries(tile(Content::Entries)).await.map_err(at_first)?;
        let is_whole = entries.len() >= width.into();
        entries.truncate(width.into());
        let is_empty = entries.is_empty();
        let count = entries.len();
        for (shown, stored) in entries.into_iter().zip(hashes.iter().copied().map(Some).chain(std::iter::repeat(None))) {
            let position = position_of(self.edge.size());
            if matches!(shown, Shown::Sealed(_) | Shown::Dropped) {
                self.gaps.miss(position.0, position.0);
            }
            match shown {
                Shown::Entry(entry) => self.entry(&entry, stored).await?,
                Shown::Sealed(entry) => {
                    if head(&entry).is_ok_and(|told| !is_issuance(&told.kind)) {
                        return Err(Flaw::at(position, "it was dropped, and is no issuance fact"));
                    }
                    self.entry(&entry, stored).await?;
                }
                Shown::Dropped | Shown::Withheld => self.unseen(stored).await?,
            }
        }
        if !is_whole && !is_empty {
            // Why it ends here: there is nothing more, or the next one can't be read.
            let rest = Tile { width: width - u16::try_from(count).unwrap_or_default(), ..tile(Content::Entries) };
            let more = self.evidence.entries(rest).await.map_err(|error| Flaw::at(position_of(self.edge.size()), error.0))?;
            drop(more);
        }
        Ok(is_whole)
    }

    async fn entry(&mut self, entry: &[u8], stored: Option<Hash>) -> Result<(), Flaw> {
        let position = position_of(self.edge.size());
        let told = head(entry).map_err(|error| Flaw::at(position, error.to_string()))?;
        if told.position != position.0 {
            let place = format!("in its place there is the event of position {}", told.position);
            return Err(if self.gaps.is_missing(told.position) {
                Flaw::at(Position(told.position), format!("it stands in another place, behind it; and at position {}: {place}", position.0))
            } else {
                Flaw::at(position, place)
            });
        }
        if told.kind == SEALED {
            self.note_segment(entry).map_err(|error| Flaw::at(position, error))?;
        }
        if let Some(payload) = &told.data_sha256
            && !self.evidence.payload_is_sound(payload).await?
        {
            return Err(Flaw::at(position, "its payload is missing, or not the one that its entry names"));
        }
        let leaf = leaf_hash(entry);
        if let Some(tile) = stored.filter(|tile| *tile != leaf && self.stored.is_none()) {
            self.stored = Some(Stored { edge: self.edge.clone(), differs_at: position, event: leaf, tile });
        }
        self.push(leaf, stored).await
    }

    /// An event that nobody shows: its hash has to do, and to lead to what was signed.
    async fn unseen(&mut self, stored: Option<Hash>) -> Result<(), Flaw> {
        let position = position_of(self.edge.size());
        let leaf = stored.ok_or_else(|| Flaw::at(position, "it is not there, and neither is the hash of its leaf"))?;
        self.unseen.miss(position.0, position.0);
        self.push(leaf, stored).await
    }

    /// Takes note of what a segment says that it holds.
    fn note_segment(&mut self, entry: &[u8]) -> Result<(), String> {
        #[derive(Deserialize)]
        struct Entry {
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            #[serde(flatten)]
            positions: Positions,
            sha256: String,
        }
        let Entry { data: Data { positions, sha256 } } = serde_json::from_slice(entry).map_err(|error| error.to_string())?;
        if !positions.is_sound() {
            return Err("it does not say which events are in the segment".to_owned());
        }
        self.gaps.explain(&positions);
        self.segments.push((positions, sha256));
        Ok(())
    }

    async fn push(&mut self, leaf: Hash, stored: Option<Hash>) -> Result<(), Flaw> {
        if let Some(other) = &mut self.stored {
            other.edge.push(stored.unwrap_or(leaf));
        }
        for full in self.edge.push(leaf) {
            if full.level > 0 {
                self.compare(full.level, full.index, &full.hashes).await?;
            }
        }
        self.compare_signed()
    }

    /// Compares a tile above the leaves.
    async fn compare(&mut self, level: u8, index: u64, hashes: &[Hash]) -> Result<(), Flaw> {
        let width = u16::try_from(hashes.len()).unwrap_or(u16::MAX);
        let tile = Tile { content: Content::Hashes(level), index, width };
        let stored = self.evidence.hashes(tile).await?.unwrap_or_default();
        if self.stored.is_none() && stored.iter().zip(hashes).any(|(stored, hash)| stored != hash) {
            return Err(Flaw::of_all(format!(
                "{tile} does not fit the tiles below it; the events up to there are what was signed or hashed"
            )));
        }
        Ok(())
    }

    fn compare_signed(&mut self) -> Result<(), Flaw> {
        while let Some(checkpoint) = self.signed.get(self.next).filter(|checkpoint| checkpoint.size == self.edge.size()) {
            if checkpoint.root != self.edge.root() {
                return Err(self.judge(checkpoint));
            }
            self.next += 1;
        }
        Ok(())
    }

    /// The events up to here are not what was signed: from which one on?
    fn judge(&self, checkpoint: &Checkpoint) -> Flaw {
        let size = checkpoint.size;
        let good = self.next.checked_sub(1).map_or(0, |last| self.signed[last].size);
        match &self.stored {
            Some(stored) if stored.edge.root() == checkpoint.root => {
                let Stored { differs_at, event, tile, .. } = stored;
                Flaw::at(
                    *differs_at,
                    format!(
                        "this is not the event that the checkpoint of size {size} was signed for: its leaf hash is {event}, and was {tile}"
                    ),
                )
            }
            Some(stored) => Flaw::at(
                stored.differs_at,
                format!(
                    "this is not the event that was hashed, and the stored hashes are not those that the checkpoint of size {size} was signed for either: \
                     something is wrong from position {} on",
                    good + 1
                ),
            ),
            None => Flaw::at(
                position_of(good),
                format!(
                    "from here to position {size} the log is not the one that the checkpoint of size {size} was signed for: \
                     events were changed and the tree made anew, or there are two logs"
                ),
            ),
        }
    }

    /// Everything that is not there was dropped as it may be, and every file of a segment that is there is the one that was
    /// sealed.
    async fn check_gaps(&mut self, covered: u64) -> Result<(), Flaw> {
        if self.gaps.clone().unexplained().is_some() {
            for positions in self.evidence.later_segments().await? {
                self.gaps.explain(&positions);
            }
        }
        if let Some(position) = std::mem::take(&mut self.gaps).unexplained() {
            return Err(Flaw::at(Position(position), "it is missing, and no sealed segment names it"));
        }
        if let Some(last) = self.unseen.last().filter(|last| *last > covered) {
            return Err(Flaw::at(Position(last), "it is not shown, and no checkpoint covers it"));
        }
        for (positions, sha256) in std::mem::take(&mut self.segments) {
            if !self.evidence.segment_is_sound(&positions, &sha256).await? {
                let unseen = positions.iter().find(|position| self.unseen.is_missing(*position));
                let position = Position(unseen.unwrap_or(positions.first()));
                return Err(Flaw::at(position, "the file of its segment is not the one that was sealed"));
            }
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Verified, Flaw> {
        let events = self.edge.size();
        if let Some(checkpoint) = self.signed.get(self.next) {
            if let Some(Stored { differs_at, event, tile, .. }) = &self.stored {
                let (end, size) = (self.edge.size(), checkpoint.size);
                let what = format!(
                    "this is not the event that was hashed: its leaf hash is {event}, and was {tile}; and the log ends at position {end}, before \
                     the checkpoint of size {size}"
                );
                return Err(Flaw::at(*differs_at, what));
            }
            return Err(Flaw::at(
                position_of(events),
                format!("it is missing: the log ends before it, and a checkpoint was signed for {} events", checkpoint.size),
            ));
        }
        let newest = self.next.checked_sub(1).map(|last| self.signed[last].clone());
        let covered = newest.as_ref().map_or(0, |newest| newest.size);
        let (dropped, unseen) = (self.gaps.count(), self.unseen.count());
        self.check_gaps(covered).await?;
        if let Some(Stored { differs_at, event, tile, .. }) = &self.stored {
            let what = if differs_at.0 <= covered {
                format!("the event is what was signed, and its stored hash is not: the tile is damaged ({event}, stored {tile})")
            } else {
                format!("this is not the event that was hashed: its leaf hash is {event}, and was {tile}; no checkpoint covers it yet")
            };
            return Err(Flaw::at(*differs_at, what));
        }
        let partials: Vec<_> = self.edge.partials().map(|(level, index, hashes)| (level, index, hashes.to_vec())).collect();
        for (level, index, hashes) in partials.into_iter().filter(|(level, ..)| *level > 0) {
            self.compare(level, index, &hashes).await?;
        }
        let (checkpoints, root, cosigned) = (self.next as u64, self.edge.root(), Vec::new());
        Ok(Verified { events, dropped, unseen, checkpoints, newest, root, cosigned })
    }
}
