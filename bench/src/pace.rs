//! When operations are due, at a fixed arrival rate.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

/// Operation k is due k intervals after the start, whatever became of those before it.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    start: Instant,
    per_second: u32,
    total: u64,
}

impl Schedule {
    /// So many a second, for so long, from now on.
    pub fn new(start: Instant, per_second: u32, length: Duration) -> Self {
        let total = length.as_nanos() * u128::from(per_second) / 1_000_000_000;
        Self { start, per_second, total: u64::try_from(total).unwrap_or(u64::MAX) }
    }

    /// When operation k is due.
    pub fn due(&self, k: u64) -> Instant {
        let per_second = u64::from(self.per_second);
        let (seconds, rest) = (k / per_second, k % per_second);
        self.start + Duration::from_secs(seconds) + Duration::from_nanos(rest * 1_000_000_000 / per_second)
    }

    /// How many are due by then.
    pub fn due_by(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.start).as_nanos();
        let due = elapsed * u128::from(self.per_second) / 1_000_000_000 + 1;
        u64::try_from(due).unwrap_or(u64::MAX).min(self.total)
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.total
    }
}

/// Hands operations out as they become due. A thread of its own sleeps between them, because the runtime's timer counts
/// in milliseconds.
#[derive(Debug)]
pub struct Pacer {
    schedule: Schedule,
    due: Semaphore,
    next: AtomicU64,
}

impl Pacer {
    /// Starts. The thread ends with the schedule, or once the pacer is stopped.
    pub fn start(schedule: Schedule) -> Arc<Self> {
        let pacer = Arc::new(Self { schedule, due: Semaphore::new(0), next: AtomicU64::new(0) });
        let own = Arc::clone(&pacer);
        thread::spawn(move || own.release());
        pacer
    }

    fn release(&self) {
        let mut released = 0;
        while released < self.schedule.total() && !self.due.is_closed() {
            let now = Instant::now();
            let due = self.schedule.due_by(now);
            self.due.add_permits(usize::try_from(due - released).unwrap_or(0));
            released = due;
            thread::sleep(self.schedule.due(released).saturating_duration_since(now));
        }
        // What was not begun by the end is not begun at all: it is counted by `unserved`.
        self.due.close();
    }

    /// Waits for the next operation and says when it was due; nothing once the schedule is over.
    pub async fn next(&self) -> Option<Instant> {
        self.due.acquire().await.ok()?.forget();
        Some(self.schedule.due(self.next.fetch_add(1, Ordering::Relaxed)))
    }

    /// When each operation was due that nobody came to.
    pub fn unserved(&self) -> impl Iterator<Item = Instant> {
        (self.next.load(Ordering::Relaxed)..self.schedule.total()).map(|k| self.schedule.due(k))
    }

    /// No more.
    pub fn stop(&self) {
        self.due.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_does_not_drift() {
        let start = Instant::now();
        let schedule = Schedule::new(start, 3, Duration::from_secs(10));
        assert_eq!(schedule.total(), 30);
        assert_eq!(schedule.due(0), start);
        assert_eq!(schedule.due(1), start + Duration::from_nanos(333_333_333));
        assert_eq!(schedule.due(30), start + Duration::from_secs(10));
        assert_eq!(schedule.due_by(start), 1);
        assert_eq!(schedule.due_by(start + Duration::from_secs(1)), 4);
        assert_eq!(schedule.due_by(start + Duration::from_mins(1)), 30);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn every_operation_is_handed_out_once_and_not_before_it_is_due() {
        let pacer = Pacer::start(Schedule::new(Instant::now(), 500, Duration::from_millis(100)));
        let mut handed_out = 0;
        while let Some(due) = pacer.next().await {
            assert!(due <= Instant::now());
            handed_out += 1;
        }
        assert_eq!(handed_out + pacer.unserved().count(), 50);
        assert!(handed_out >= 40, "{handed_out}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_nobody_came_to_is_counted() {
        let pacer = Pacer::start(Schedule::new(Instant::now(), 1_000, Duration::from_millis(50)));
        pacer.next().await.unwrap();
        thread::sleep(Duration::from_millis(100));
        assert_eq!(pacer.next().await, None);
        assert_eq!(pacer.unserved().count(), 49);
    }
}
