//! What is told at the end.

use std::{fmt::Write, fs, path::Path};

use serde::Serialize;

use crate::{
    args::Bound,
    facts::Facts,
    failure::Failure,
    load::{Outcome, count},
};

/// What a run found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How it was found.
    pub facts: Facts,
    /// A row for each scenario.
    pub operations: Vec<Row>,
}

/// What a scenario found.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The scenario.
    pub operation: &'static str,
    /// Requests in an operation.
    pub requests: usize,
    /// Writes that an operation waits for, one after the other.
    pub appends: u32,
    /// Events that an operation added to the log, as the positions in the answers tell.
    pub events: f64,
    /// The server.
    pub server: Numbers,
    /// The bare server, with the same requests and answers of the same lengths.
    pub floor: Numbers,
    /// The server's operations a second, as a share of the floor's.
    pub ratio: f64,
    /// The server's processor time for an operation, as a multiple of the floor's.
    pub cpu_ratio: f64,
}

/// What was measured of one of them.
#[derive(Clone, Debug, Serialize)]
pub struct Numbers {
    /// Operations that were done.
    pub operations: u64,
    /// Operations that were due, but nobody came to before the end.
    pub unserved: u64,
    /// Operations a second.
    pub per_second: f64,
    /// Half of them were done within so many microseconds.
    pub p50_us: u64,
    /// 90 of 100.
    pub p90_us: u64,
    /// 99 of 100.
    pub p99_us: u64,
    /// 999 of 1000.
    pub p999_us: u64,
    /// Processor time for an operation, in microseconds.
    pub cpu_us: f64,
    /// What it cost the tool.
    pub client_cpu_us: f64,
}

impl From<&Outcome> for Numbers {
    fn from(outcome: &Outcome) -> Self {
        let quantile = |quantile| outcome.latencies.quantile(quantile);
        Self {
            operations: outcome.operations,
            unserved: outcome.unserved,
            per_second: rounded(outcome.per_second()),
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            cpu_us: rounded(outcome.each(outcome.server_cpu)),
            client_cpu_us: rounded(outcome.each(outcome.client_cpu)),
        }
    }
}

impl Row {
    /// Of what was measured.
    pub fn new(operation: &'static str, appends: u32, requests: usize, server: &Outcome, floor: &Outcome) -> Self {
        let events = rounded(count(server.events) / count(server.operations.max(1)));
        let (server, floor) = (Numbers::from(server), Numbers::from(floor));
        Self {
            operation,
            requests,
            appends,
            events,
            ratio: share(server.per_second, floor.per_second),
            cpu_ratio: share(server.cpu_us, floor.cpu_us),
            server,
            floor,
        }
    }
}

impl Report {
    /// For people.
    pub fn table(&self) -> String {
        let mut table = format!(
            "{:<26} {:>9} {:>8} {:>8} {:>8} {:>8} {:>7} {:>7} | {:>9} {:>7} | {:>6} {:>6}\n",
            "operation", "ops/s", "p50 us", "p90 us", "p99 us", "p99.9", "cpu us", "appends", "floor/s", "cpu us", "ratio", "cpu x"
        );
        for row in &self.operations {
            let Numbers { per_second, p50_us, p90_us, p99_us, p999_us, cpu_us, .. } = &row.server;
            // Writing to a string does not fail.
            let _ = writeln!(
                table,
                "{:<26} {per_second:>9.0} {p50_us:>8} {p90_us:>8} {p99_us:>8} {p999_us:>8} {cpu_us:>7.1} {:>7} | {:>9.0} {:>7.1} | {:>6.3} {:>6.1}",
                row.operation, row.appends, row.floor.per_second, row.floor.cpu_us, row.ratio, row.cpu_ratio
            );
            if row.server.unserved > 0 || row.floor.unserved > 0 {
                let _ = writeln!(
                    table,
                    "{:<26} nobody came to {} operations that were due (floor: {})",
                    "", row.server.unserved, row.floor.unserved
                );
            }
        }
        table
    }

    /// For programs.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let what = || Failure::io(format!("writing {}", path.display()));
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(what())?;
        }
        let json = serde_json::to_string_pretty(self).map_err(std::io::Error::from).map_err(what())?;
        fs::write(path, json + "\n").map_err(what())
    }

    /// An error that names every bound that was missed.
    pub fn check(&self, min_ratio: &[Bound], goals: &[Bound]) -> Result<(), Failure> {
        let mut missed = Vec::new();
        for row in &self.operations {
            for bound in min_ratio.iter().filter(|bound| bound.scenario == row.operation && row.ratio < bound.value) {
                missed.push(format!("{} reached {:.3} of the floor, not {}", row.operation, row.ratio, bound.value));
            }
            for bound in goals.iter().filter(|bound| bound.scenario == row.operation) {
                let p99 = milliseconds(row.server.p99_us);
                if p99 > bound.value {
                    missed.push(format!("{} has a p99 of {p99:.3} ms, not {} ms", row.operation, bound.value));
                }
            }
        }
        if missed.is_empty() { Ok(()) } else { Err(Failure::Missed(missed)) }
    }
}

fn milliseconds(microseconds: u64) -> f64 {
    count(microseconds) / 1_000.0
}

fn share(one: f64, other: f64) -> f64 {
    if other > 0.0 { (one / other * 1_000.0).round() / 1_000.0 } else { 0.0 }
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::Latencies;

    fn outcome(operations: u64, cpu_ms: u64) -> Outcome {
        let mut latencies = Latencies::default();
        latencies.record(Duration::from_millis(4));
        Outcome {
            operations,
            unserved: 0,
            elapsed: Duration::from_secs(2),
            latencies,
            server_cpu: Duration::from_millis(cpu_ms),
            client_cpu: Duration::ZERO,
            events: operations * 2,
        }
    }

    fn row() -> Row {
        Row::new("jwks", 1, 1, &outcome(1_000, 500), &outcome(4_000, 400))
    }

    #[test]
    fn a_row_relates_the_server_to_the_floor() {
        let row = row();
        assert_eq!(row.ratio.to_string(), "0.25");
        assert_eq!(row.cpu_ratio.to_string(), "5");
        assert_eq!((row.server.cpu_us.to_string(), row.floor.cpu_us.to_string()), ("500".to_owned(), "100".to_owned()));
        assert_eq!(row.events.to_string(), "2");
    }

    #[test]
    fn every_missed_bound_is_named() {
        let facts = Facts {
            date: String::new(),
            commit: None,
            cores: 0,
            cpu_model: None,
            kernel: None,
            load_before: None,
            file_system: None,
            fdatasync_p10_us: 0,
            fdatasync_p50_us: 0,
            durability: "",
            arrival: String::new(),
            concurrency: 1,
            client_threads: 1,
            seconds: 1,
            warmup_seconds: 1,
        };
        let report = Report { facts, operations: vec![row()] };
        let bound = |value| [Bound { scenario: "jwks".to_owned(), value }];
        report.check(&bound(0.2), &bound(10.0)).unwrap();
        let missed = report.check(&bound(0.3), &bound(1.0)).unwrap_err().to_string();
        assert!(missed.contains("0.250 of the floor") && missed.contains("p99 of 4"), "{missed}");
        assert!(report.table().contains("jwks"));
    }
}
