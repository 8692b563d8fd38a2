//! A run from end to end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use tempfile::TempDir;

use crate::{
    args::{Bound, RunArguments},
    facts::{self, Facts},
    failure::Failure,
    fixture::Fixture,
    floor::{self, Replay},
    http::Connection,
    load::{Arrival, Outcome, Slot, drive},
    process::Process,
    report::{Report, Row},
    scenario::{self, Scenario},
    server::Server,
};

/// The scenarios that are asked for. A name that there isn't is an error, in a bound as well.
pub fn chosen(arguments: &RunArguments) -> Result<Vec<Box<dyn Scenario>>, String> {
    let mut chosen = scenario::all();
    let bounds = arguments.min_ratio.iter().chain(&arguments.goal).map(|Bound { scenario, .. }| scenario);
    for name in arguments.only.iter().chain(bounds) {
        if !chosen.iter().any(|scenario| scenario.name() == name) {
            return Err(format!("there is no scenario {name}: `list` shows those there are"));
        }
    }
    chosen.retain(|scenario| arguments.only.is_empty() || arguments.only.iter().any(|name| name == scenario.name()));
    if let Some(bound) =
        arguments.min_ratio.iter().chain(&arguments.goal).find(|bound| chosen.iter().all(|scenario| scenario.name() != bound.scenario))
    {
        return Err(format!("{} has a bound and is not run", bound.scenario));
    }
    Ok(chosen)
}

/// Runs the scenarios. Both servers are stopped when this returns, and when it is dropped.
pub async fn run(arguments: &RunArguments, scenarios: Vec<Box<dyn Scenario>>) -> Result<Report, Failure> {
    let directory =
        arguments.data_in.as_ref().map_or_else(TempDir::new, TempDir::new_in).map_err(Failure::io("a directory for the data"))?;
    let now = facts::now();
    let facts = Facts::gather(arguments, directory.path(), now)?;
    let server = Server::start(&arguments.server, directory.path()).await?;
    let (floor, floor_address) = floor::start(directory.path())?;
    let fixture = Arc::new(Fixture::make(&server, now.as_second()).await?);
    let mut running = Running { arguments, fixture, server, floor, floor_address, progress: bar(scenarios.len()) };
    let mut operations = Vec::with_capacity(scenarios.len());
    for scenario in scenarios {
        running.progress.set_message(scenario.name());
        operations.push(running.measure(scenario.as_ref()).await?);
        running.progress.inc(1);
    }
    running.progress.finish_and_clear();
    Ok(Report { facts, operations })
}

struct Running<'a> {
    arguments: &'a RunArguments,
    fixture: Arc<Fixture>,
    server: Server,
    floor: Process,
    floor_address: SocketAddr,
    progress: ProgressBar,
}

impl Running<'_> {
    async fn measure(&mut self, scenario: &dyn Scenario) -> Result<Row, Failure> {
        let (mut slots, exchanges) = match self.workers(scenario).await {
            Ok(made) => made,
            // That it ended says more than that it did not answer.
            Err(failure) => return Err(self.server.process.must_run().err().unwrap_or(failure)),
        };
        let measured = self.load(&mut slots, self.server.process.id()).await;
        self.server.process.must_run()?;
        let measured = measured?;
        drop(slots);
        let replay = Replay::new(exchanges);
        let mut slots = Vec::new();
        for _ in 0..self.arguments.concurrency {
            slots.push(Slot::new(Box::new(replay.clone()), Connection::open(self.floor_address).await?));
        }
        let floor = self.load(&mut slots, self.floor.id()).await;
        self.floor.must_run()?;
        Ok(Row::new(scenario.name(), scenario.appends(), replay.requests(), &measured, &floor?))
    }

    /// Workers, and what one of them exchanged in an operation.
    async fn workers(&self, scenario: &dyn Scenario) -> Result<(Vec<Slot>, Vec<crate::http::Exchange>), Failure> {
        let mut slots = Vec::new();
        let mut exchanges = Vec::new();
        for n in 0..usize::from(self.arguments.concurrency) {
            let mut connection = Connection::open(self.fixture.address).await?;
            let mut worker = scenario.worker(&self.fixture, &mut connection, n).await?;
            if n == 0 {
                connection.record();
                worker.operate(&mut connection).await?;
                exchanges = connection.recorded();
            }
            slots.push(Slot::new(worker, connection));
        }
        Ok((slots, exchanges))
    }

    async fn load(&self, slots: &mut Vec<Slot>, server: u32) -> Result<Outcome, Failure> {
        let arrival = self.arguments.rate.map_or(Arrival::Closed, Arrival::Rate);
        if self.arguments.warmup > 0 {
            drive(slots, arrival, seconds(self.arguments.warmup), server).await?;
        }
        drive(slots, arrival, seconds(self.arguments.seconds), server).await
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// It ticks by itself a few times a second, so that the work under measurement has nothing to do with it.
fn bar(scenarios: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(scenarios).unwrap_or(u64::MAX));
    if let Ok(style) = ProgressStyle::with_template("{spinner} [{bar:30}] {pos}/{len} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Arguments;

    fn names(line: &[&str]) -> Result<Vec<&'static str>, String> {
        let arguments = Arguments::try_parse_from([&["bench"], line].concat()).unwrap();
        chosen(&arguments.run).map(|chosen| chosen.iter().map(|scenario| scenario.name()).collect())
    }

    #[test]
    fn all_scenarios_or_those_that_are_named() {
        assert_eq!(names(&[]).unwrap().len(), scenario::all().len());
        assert_eq!(names(&["--only", "refresh", "--only", "jwks"]).unwrap(), ["jwks", "refresh"]);
    }

    #[test]
    fn a_name_that_does_not_exist_or_a_bound_that_nothing_tests_is_refused() {
        assert!(names(&["--only", "jwk"]).is_err());
        assert!(names(&["--min-ratio", "jwk=0.1"]).is_err());
        assert!(names(&["--only", "refresh", "--goal", "jwks=5"]).is_err());
    }
}
