//! A load tool: it drives a release binary of the server over loopback and checks every answer. It knows the server by
//! HTTP alone, but for `history`, which writes a long log by itself.

mod args;
mod audit;
mod cpu;
mod facts;
mod failure;
mod fixture;
mod floor;
mod flow;
mod history;
mod http;
mod jwt;
mod load;
mod pace;
mod process;
mod report;
mod run;
mod scenario;
mod server;

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use args::{Arguments, Command, RunArguments};
use clap::{CommandFactory, Parser, error::ErrorKind};
use failure::Failure;
use scenario::Scenario;
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
    time::timeout,
};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        // The floor has as many threads as a server has: one for each processor.
        Some(Command::Floor) => runtime(None).and_then(|runtime| runtime.block_on(floor::serve())),
        Some(Command::List) => list(),
        Some(Command::History(arguments)) => {
            runtime(None).and_then(|runtime| runtime.block_on(history::run(&arguments))).and_then(|table| print(&table))
        }
        Some(Command::Audit(arguments)) => {
            runtime(None).and_then(|runtime| runtime.block_on(audit::run(&arguments))).and_then(|table| print(&table))
        }
        None => match run::chosen(&arguments.run) {
            Ok(scenarios) => {
                runtime(Some(arguments.run.client_threads)).and_then(|runtime| runtime.block_on(measure(&arguments.run, scenarios)))
            }
            Err(why) => Arguments::command().error(ErrorKind::InvalidValue, why).exit(),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // When even standard error is closed, the exit code still tells.
            let _ = writeln!(io::stderr(), "{failure}");
            ExitCode::FAILURE
        }
    }
}

fn runtime(threads: Option<u16>) -> Result<Runtime, Failure> {
    let mut builder = Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(threads.into());
    }
    builder.enable_all().build().map_err(Failure::io("the runtime"))
}

fn list() -> Result<(), Failure> {
    for scenario in scenario::all() {
        print(scenario.name())?;
    }
    Ok(())
}

async fn measure(arguments: &RunArguments, scenarios: Vec<Box<dyn Scenario>>) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::io("signals"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::io("signals"))?;
    let within = Duration::from_secs(arguments.deadline);
    // Whatever ends first, the run is dropped with it, and that stops the servers.
    let report = tokio::select! {
        done = timeout(within, run::run(arguments, scenarios)) => done.map_err(|_| Failure::Deadline(arguments.deadline))??,
        _ = terminate.recv() => return Err(Failure::Stopped),
        _ = interrupt.recv() => return Err(Failure::Stopped),
    };
    print(&report.table())?;
    report.write(&arguments.json)?;
    print(&format!("written to {}", arguments.json.display()))?;
    report.check(&arguments.min_ratio, &arguments.goal)
}

fn print(text: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{text}").map_err(Failure::io("standard output"))
}
