//! `grantlog rebuild-history`.

use std::{
    io::{Write, stdout},
    sync::Arc,
};

use clap::Args;
use grantlog_core::store::SqliteStore;
use grantlog_projections::history;

use crate::{Failure, place::Place};

/// What `rebuild-history` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
}

/// Throws the history away and reads the log once.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let data_dir = arguments.place.config()?.data_dir;
    if !data_dir.is_dir() {
        return Err(format!("there is no data directory {}", data_dir.display()).into());
    }
    // Holding the log keeps a server from writing to the history meanwhile.
    let store = Arc::new(SqliteStore::open(&data_dir)?);
    let digest = history::rebuild_in_place(&data_dir, store.as_ref()).await;
    store.close().await;
    writeln!(stdout(), "history: {}", digest?)?;
    Ok(())
}
