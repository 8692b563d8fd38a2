//! The program.

// As in the library: the type of a connection is deep.
#![recursion_limit = "256"]

use std::{io, process::ExitCode};

use clap::{Parser, Subcommand};
use grantlog_cli::{
    Failure, api_keys, audit, dev, erase, events, fsck, generate, import, keys, rebuild_history, receipt, retention, serve,
};

/// An authorization service whose log is the truth.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::Arguments),
    /// Run a server with demo pages, to try it out
    Dev(dev::Arguments),
    /// List and rotate signing keys, make a master key
    #[command(subcommand)]
    Keys(keys::Command),
    /// Make API keys, for when no admin key is at hand
    #[command(subcommand)]
    ApiKeys(api_keys::Command),
    /// Ask what was true then, and why; verify that the log is whole, export it, make and check proofs
    #[command(subcommand)]
    Audit(audit::Command),
    /// Check the receipt of a consent
    #[command(subcommand)]
    Receipt(receipt::Command),
    /// Take over clients of another server, with their ids and secrets, on the data directory of a stopped server
    Import(import::Arguments),
    /// Erase people again whom a restored backup brought back, on the data directory of a stopped server
    ///
    /// Works with the ids that certificates of erasures name. Whoever is to be erased for the first time is erased by
    /// `POST /v1/subjects/{id}/erase`.
    Erase(erase::Arguments),
    /// Drop old issuance facts from the log, on the data directory of a stopped server
    #[command(subcommand)]
    Retention(retention::Command),
    /// Read the whole log and check that everything fits
    Fsck(fsck::Arguments),
    /// Make the history that auditors ask anew, on the data directory of a stopped server
    RebuildHistory(rebuild_history::Arguments),
    /// Print the log's events
    Events(events::Arguments),
    /// Write the files that are derived from code
    #[command(hide = true)]
    Generate(generate::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough.
        Err(failure) if is_broken_pipe(&failure) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("grantlog: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(arguments) => serve::run(arguments).await,
        Command::Dev(arguments) => dev::run(arguments).await,
        Command::Keys(command) => keys::run(command).await,
        Command::ApiKeys(command) => api_keys::run(command).await,
        Command::Audit(command) => audit::run(command).await,
        Command::Receipt(command) => receipt::run(command),
        Command::Import(arguments) => import::run(arguments).await,
        Command::Erase(arguments) => erase::run(arguments).await,
        Command::Retention(command) => retention::run(command).await,
        Command::Fsck(arguments) => fsck::run(arguments).await,
        Command::RebuildHistory(arguments) => rebuild_history::run(arguments).await,
        Command::Events(arguments) => events::run(arguments).await,
        Command::Generate(arguments) => generate::run(&arguments),
    }
}

fn is_broken_pipe(failure: &Failure) -> bool {
    failure.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
