//! The one place where the time is read.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The moment of asking.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the time is read")]
    fn now(&self) -> Timestamp {
        // A clock before 1970 is as wrong as one at 1970.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that is turned by hand. Its clones show the same time.
#[cfg(feature = "testing")]
#[derive(Clone, Debug, Default)]
pub struct ManualClock(std::sync::Arc<std::sync::atomic::AtomicI64>);

#[cfg(feature = "testing")]
impl ManualClock {
    /// A clock that stands at this moment.
    pub fn at(now: Timestamp) -> Self {
        let clock = Self::default();
        clock.set(now);
        clock
    }

    /// Turns it to a moment, in either direction.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.0, std::sync::atomic::Ordering::SeqCst);
    }

    /// Turns it forward.
    pub fn advance(&self, by: crate::domain::Seconds) {
        self.0.fetch_add(i64::from(by.0) * 1000, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(feature = "testing")]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Seconds;

    #[test]
    fn the_system_clock_shows_this_century() {
        assert!((1_700_000_000_000..4_100_000_000_000).contains(&SystemClock.now().0));
    }

    #[test]
    fn a_manual_clock_and_its_clones_are_turned_by_hand() {
        let clock = ManualClock::at(Timestamp(5));
        let same = clock.clone();
        clock.advance(Seconds(2));
        assert_eq!(same.now(), Timestamp(2005));
        same.set(Timestamp(1));
        assert_eq!(clock.now(), Timestamp(1));
    }
}
