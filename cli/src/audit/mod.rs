//! `grantlog audit`: what auditors do.

mod ask;
mod table;

use clap::Subcommand;

use crate::Failure;

pub use ask::Question;

/// What auditors do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask the past.
    #[command(flatten)]
    Ask(Question),
}

/// Does it.
pub async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Ask(question) => ask::run(question).await,
    }
}
