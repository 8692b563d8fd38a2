//! Drives workers for a while and measures what they do.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{task::JoinSet, time::timeout};

use crate::{
    cpu,
    failure::Failure,
    http::Connection,
    pace::{Pacer, Schedule},
    scenario::Worker,
};

/// The longest an operation may take, and so the longest latency there is.
const LONGEST: Duration = Duration::from_secs(30);

/// How operations arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Each worker begins one when its last is done.
    Closed,
    /// So many a second, whether or not those before them are done.
    Rate(u32),
}

/// A worker, its connection, and how long its operations took.
pub struct Slot {
    worker: Box<dyn Worker>,
    connection: Connection,
    latencies: Latencies,
}

impl Slot {
    /// A worker with its connection.
    pub fn new(worker: Box<dyn Worker>, connection: Connection) -> Self {
        Self { worker, connection, latencies: Latencies::default() }
    }

    async fn operate(&mut self, since: Instant) -> Result<(), Failure> {
        let operation = self.worker.operate(&mut self.connection);
        timeout(LONGEST, operation).await.map_err(|_| Failure::TooSlow(LONGEST.as_secs()))??;
        self.latencies.record(since.elapsed());
        Ok(())
    }

    async fn closed(mut self, until: Instant) -> Result<Self, Failure> {
        loop {
            let now = Instant::now();
            if now >= until {
                return Ok(self);
            }
            self.operate(now).await?;
        }
    }

    async fn paced(mut self, pacer: Arc<Pacer>) -> Result<Self, Failure> {
        // From when it was due, not from when it was begun: waiting for a free worker is the server's doing.
        while let Some(due) = pacer.next().await {
            self.operate(due).await?;
        }
        Ok(self)
    }
}

/// How long operations took, in microseconds, to three digits.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        let longest = u64::try_from(LONGEST.as_micros()).unwrap_or(u64::MAX);
        Self(Histogram::new_with_max(longest, 3).expect("three digits up to half a minute are within what the histogram can do"))
    }
}

impl Latencies {
    /// One more.
    pub fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// Those of another, too.
    pub fn add(&mut self, other: &Self) {
        self.0 += &other.0;
    }

    /// The latency below which this share of them is, in microseconds.
    pub fn quantile(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.len()
    }
}

/// What a phase came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Operations that were done.
    pub operations: u64,
    /// Operations that were due and that nobody came to; they are among the latencies with the time they waited.
    pub unserved: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// How long operations took.
    pub latencies: Latencies,
    /// What it cost the server.
    pub server_cpu: Duration,
    /// What it cost us.
    pub client_cpu: Duration,
    /// How many events the log grew by.
    pub events: u64,
}

impl Outcome {
    /// Operations a second.
    pub fn per_second(&self) -> f64 {
        count(self.operations) / self.elapsed.as_secs_f64()
    }

    /// Of a cost, the part of one operation, in microseconds.
    pub fn each(&self, cost: Duration) -> f64 {
        cost.as_secs_f64() * 1e6 / count(self.operations.max(1))
    }
}

/// A count, for dividing. Exact: nobody counts to 2^53 here.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn count(count: u64) -> f64 {
    count as f64
}

/// Lets the workers work for a while. The first failure ends it.
pub async fn drive(slots: &mut Vec<Slot>, arrival: Arrival, length: Duration, server: u32) -> Result<Outcome, Failure> {
    let position = highest(slots);
    let (server_before, client_before) = (cpu::time_of(server)?, cpu::time_of(std::process::id())?);
    let start = Instant::now();
    let mut latencies = Latencies::default();
    let mut unserved = 0;
    let mut working = JoinSet::new();
    match arrival {
        Arrival::Closed => {
            for slot in slots.drain(..) {
                working.spawn(slot.closed(start + length));
            }
            *slots = finished(working).await?;
        }
        Arrival::Rate(per_second) => {
            let pacer = Pacer::start(Schedule::new(start, per_second, length));
            for slot in slots.drain(..) {
                working.spawn(slot.paced(Arc::clone(&pacer)));
            }
            let done = finished(working).await;
            pacer.stop();
            *slots = done?;
            for due in pacer.unserved() {
                latencies.record(due.elapsed());
                unserved += 1;
            }
        }
    }
    let elapsed = start.elapsed();
    let mut operations = 0;
    for slot in slots.iter_mut() {
        let own = std::mem::take(&mut slot.latencies);
        operations += own.count();
        latencies.add(&own);
    }
    Ok(Outcome {
        operations,
        unserved,
        elapsed,
        latencies,
        server_cpu: cpu::time_of(server)?.saturating_sub(server_before),
        client_cpu: cpu::time_of(std::process::id())?.saturating_sub(client_before),
        events: highest(slots) - position,
    })
}

/// All of them, or the first failure: dropping the set ends the others.
async fn finished(mut working: JoinSet<Result<Slot, Failure>>) -> Result<Vec<Slot>, Failure> {
    let mut slots = Vec::with_capacity(working.len());
    while let Some(done) = working.join_next().await {
        slots.push(done.map_err(|error| Failure::Io { what: "a worker".to_owned(), source: error.into() })??);
    }
    Ok(slots)
}

fn highest(slots: &[Slot]) -> u64 {
    slots.iter().map(|slot| slot.connection.position()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use async_trait::async_trait;
    use tokio::net::TcpListener;

    use super::*;
    use crate::{floor, http::Call};

    /// Takes a while, and fails at a certain operation.
    struct Sleeper {
        takes: Duration,
        fails_at: u64,
        done: u64,
    }

    #[async_trait]
    impl Worker for Sleeper {
        async fn operate(&mut self, connection: &mut Connection) -> Result<(), Failure> {
            self.done += 1;
            let answer = connection.send(Call::get("/3")).await?;
            tokio::time::sleep(self.takes).await;
            answer.must(self.done != self.fails_at, "this is the one")
        }
    }

    async fn slots(number: usize, takes: Duration, fails_at: u64) -> Vec<Slot> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(floor::answer(listener));
        let mut slots = Vec::new();
        for _ in 0..number {
            let connection = Connection::open(address).await.unwrap();
            slots.push(Slot::new(Box::new(Sleeper { takes, fails_at, done: 0 }), connection));
        }
        slots
    }

    #[test]
    fn latencies_are_kept_to_three_digits_and_never_lost() {
        let mut latencies = Latencies::default();
        for milliseconds in 1..=1_000 {
            latencies.record(Duration::from_millis(milliseconds));
        }
        latencies.record(LONGEST * 10);
        assert_eq!(latencies.count(), 1_001);
        assert!(latencies.quantile(0.5).abs_diff(501_000) <= 501);
        assert!(latencies.quantile(1.0) >= 29_000_000);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_closed_loop_keeps_every_worker_and_counts_what_it_did() {
        let mut slots = slots(3, Duration::from_millis(5), 0).await;
        let outcome = drive(&mut slots, Arrival::Closed, Duration::from_millis(200), std::process::id()).await.unwrap();
        assert_eq!(slots.len(), 3);
        assert_eq!(outcome.operations, outcome.latencies.count());
        assert!((3..=120).contains(&outcome.operations), "{outcome:?}");
        assert_eq!((outcome.unserved, outcome.events), (0, 0));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_worker_that_is_too_slow_for_the_rate_shows_in_the_latencies() {
        let mut slots = slots(1, Duration::from_millis(20), 0).await;
        let outcome = drive(&mut slots, Arrival::Rate(100), Duration::from_millis(400), std::process::id()).await.unwrap();
        assert_eq!(outcome.operations + outcome.unserved, 40);
        assert!(outcome.unserved >= 15, "{outcome:?}");
        // Each takes 20 ms; seen from when they were due, the later ones waited for the earlier.
        assert!(outcome.latencies.quantile(0.9) > 100_000, "{outcome:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn the_first_wrong_answer_ends_it() {
        for arrival in [Arrival::Closed, Arrival::Rate(500)] {
            let mut slots = slots(2, Duration::ZERO, 5).await;
            let failure = drive(&mut slots, arrival, Duration::from_secs(20), std::process::id()).await.unwrap_err();
            assert!(failure.to_string().contains("this is the one"));
        }
    }
}
