//! The one place where randomness is drawn for use cases.

use std::sync::{Mutex, PoisonError};

use uuid::{Builder, Uuid};

use crate::domain::Timestamp;

/// Draws randomness.
pub trait Entropy: Send + Sync + 'static {
    /// Fills all of it with random octets.
    fn fill(&self, out: &mut [u8]);

    /// A new UUIDv7. Those of one source grow, so that streams named by them lie in the store in the order of their
    /// beginning, even when many begin within a millisecond.
    fn uuid_v7(&self, now: Timestamp) -> Uuid;
}

/// The machine's randomness.
#[derive(Debug, Default)]
pub struct SystemEntropy(Sequence);

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) {
        // Without randomness there is no secret; the one right thing to do is to stop.
        aws_lc_rs::rand::fill(out).expect("the operating system gives random octets");
    }

    fn uuid_v7(&self, now: Timestamp) -> Uuid {
        self.0.next(now, |out| self.fill(out))
    }
}

/// RFC 9562 §6.2, method 1: the 12 bits after the millisecond are a counter.
#[derive(Debug, Default)]
struct Sequence(Mutex<(u64, u16)>);

impl Sequence {
    fn next(&self, now: Timestamp, fill: impl FnOnce(&mut [u8])) -> Uuid {
        let mut octets = [0; 10];
        fill(&mut octets);
        let (millisecond, counter) = self.advance(u64::try_from(now.0).unwrap_or(0), u16::from_be_bytes([octets[0], octets[1]]));
        octets[..2].copy_from_slice(&counter.to_be_bytes());
        Builder::from_unix_timestamp_millis(millisecond, &octets).into_uuid()
    }

    fn advance(&self, now: u64, random: u16) -> (u64, u16) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The counter begins low so that it seldom runs over; when it does, or when the clock steps back, the
        // millisecond runs ahead of the clock.
        let begin = random & 0x07ff;
        *last = match *last {
            (millisecond, _) if now > millisecond => (now, begin),
            (millisecond, 0x0fff) => (millisecond + 1, begin),
            (millisecond, counter) => (millisecond, counter + 1),
        };
        *last
    }
}

/// Randomness that is the same in every run with the same seed.
#[cfg(feature = "testing")]
#[derive(Debug, Default)]
pub struct SeededEntropy {
    seed: u64,
    drawn: std::sync::atomic::AtomicU64,
    sequence: Sequence,
}

#[cfg(feature = "testing")]
impl SeededEntropy {
    /// The randomness of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }
}

#[cfg(feature = "testing")]
impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) {
        for block in out.chunks_mut(32) {
            let drawn = self.drawn.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let input = [self.seed.to_be_bytes(), drawn.to_be_bytes()].concat();
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &input);
            block.copy_from_slice(&digest.as_ref()[..block.len()]);
        }
    }

    fn uuid_v7(&self, now: Timestamp) -> Uuid {
        self.sequence.next(now, |out| self.fill(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9562_6_2_uuids_grow_within_a_millisecond_and_when_the_clock_steps_back() {
        let entropy = SystemEntropy::default();
        let moments = std::iter::repeat_n(1_700_000_000_000, 10_000).chain([1_600_000_000_000, 1_800_000_000_000, -5]);
        let ids: Vec<Uuid> = moments.map(|moment| entropy.uuid_v7(Timestamp(moment))).collect();
        assert!(ids.is_sorted_by(|one, next| one < next));
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
    }

    #[test]
    fn a_uuid_begins_with_its_moment() {
        let id = SystemEntropy::default().uuid_v7(Timestamp(0x0193_2d5e_aabb));
        assert!(id.to_string().starts_with("01932d5e-aabb-7"), "{id}");
    }

    #[test]
    fn a_seed_repeats_and_the_system_does_not() {
        let drawn = |entropy: &dyn Entropy| {
            let mut out = [0; 50];
            entropy.fill(&mut out);
            (out, entropy.uuid_v7(Timestamp(1)))
        };
        assert_eq!(drawn(&SeededEntropy::new(1)), drawn(&SeededEntropy::new(1)));
        assert_ne!(drawn(&SeededEntropy::new(1)), drawn(&SeededEntropy::new(2)));
        assert_ne!(drawn(&SystemEntropy::default()), drawn(&SystemEntropy::default()));
        let one = SeededEntropy::new(1);
        assert_ne!(drawn(&one), drawn(&one));
    }
}
