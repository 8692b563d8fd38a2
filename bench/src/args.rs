//! The command line.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, Parser, Subcommand};

/// Drives a release binary of the server over loopback, checks every answer, and compares it with a bare HTTP server
/// that is driven the same way in the same run.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// What else it can do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What is run.
    #[command(flatten)]
    pub run: RunArguments,
}

/// What else it can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Be the bare HTTP server that the server is compared with
    Floor,
    /// List the scenarios
    List,
    /// Measure starts of the server with a long history, and when that was dropped
    History(HistoryArguments),
    /// Measure auditors' questions, and reading the whole log, with a long history
    Audit(HistoryArguments),
}

/// How long a history is measured.
#[derive(Debug, Args)]
pub struct HistoryArguments {
    /// The server's binary
    #[arg(long, default_value = "target/release/grantlog")]
    pub server: PathBuf,
    /// How many issuance events there are
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(10..=1_000_000_000))]
    pub events: u64,
    /// In which directory the server's data is put while it runs; ten million events need 15 GB
    #[arg(long)]
    pub data_in: Option<PathBuf>,
}

/// What is run.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The server's binary
    #[arg(long, default_value = "target/release/grantlog")]
    pub server: PathBuf,
    /// How long each scenario is measured, in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,
    /// How long each scenario runs before it is measured, in seconds
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub warmup: u32,
    /// Workers, each with a connection of its own
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    pub concurrency: u16,
    /// Threads that the workers share; the server has to live with what they leave of the machine
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub client_threads: u16,
    /// Operations a second, at a fixed arrival rate; without it, each worker begins one when its last is done
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: Option<u32>,
    /// Run this scenario only; may be given more than once
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Where the results are written
    #[arg(long, default_value = "bench/results/latest.json")]
    pub json: PathBuf,
    /// In which directory the server's data is put while it runs; on the disk that is to be measured
    #[arg(long)]
    pub data_in: Option<PathBuf>,
    /// The least share of the floor's operations a second that a scenario must reach
    #[arg(long, value_name = "NAME=SHARE", conflicts_with = "rate")]
    pub min_ratio: Vec<Bound>,
    /// The highest 99th percentile that a scenario's latencies may have, in milliseconds
    #[arg(long, value_name = "NAME=MILLISECONDS")]
    pub goal: Vec<Bound>,
    /// How long the whole run may take, in seconds
    #[arg(long, default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub deadline: u64,
}

/// A bound for a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// The scenario.
    pub scenario: String,
    /// The bound.
    pub value: f64,
}

impl FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scenario, value) = text.split_once('=').ok_or("it should be NAME=NUMBER")?;
        let value = value.parse().ok().filter(|value: &f64| value.is_finite() && *value > 0.0);
        let value = value.ok_or_else(|| format!("{text} does not end in a positive number"))?;
        Ok(Self { scenario: scenario.to_owned(), value })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_bound_is_a_name_and_a_positive_number() {
        assert_eq!("jwks=0.25".parse(), Ok(Bound { scenario: "jwks".to_owned(), value: 0.25 }));
        for wrong in ["jwks", "jwks=", "jwks=0", "jwks=-1", "jwks=NaN", "jwks=inf"] {
            assert!(wrong.parse::<Bound>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_ratio_makes_no_sense_at_a_fixed_rate() {
        assert!(Arguments::try_parse_from(["bench", "--rate", "10", "--min-ratio", "jwks=0.5"]).is_err());
    }
}
