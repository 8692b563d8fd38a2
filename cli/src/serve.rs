//! `grantlog serve`.

use std::io::{Write, stdout};

use clap::Args;
use grantlog_api::{health::Metrics, serve::Drained};
use tokio::net::TcpListener;

use crate::{
    Failure,
    boot::{Service, master_key, prepare_data_dir, told_to_stop},
    logging,
    place::Place,
    progress::Progress,
};

/// What `serve` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
}

/// Serves until it is told to stop.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let config = arguments.place.config()?;
    logging::start(&config.log)?;
    prepare_data_dir(&config.data_dir)?;
    let master_key = master_key(&config)?;
    let listener = TcpListener::bind(config.listen).await.map_err(|error| format!("can't listen on {}: {error}", config.listen))?;
    let mut progress = Progress::new("Reading the log");
    let issuer = config.issuer.clone();
    let service = Service::start(config, &master_key, Metrics::install()?, |at| progress.at(at.done.0, at.of.0)).await?;
    drop(progress);
    if let Some(secret) = &service.first_admin_key {
        print_first_key(secret.expose())?;
    }
    tracing::info!(address = %listener.local_addr()?, issuer, "ready");
    match service.serve(listener, told_to_stop()).await {
        Drained::Completely => tracing::info!("stopped"),
        Drained::TimedOut => tracing::warn!("stopped before every request was answered"),
    }
    Ok(())
}

fn print_first_key(secret: &str) -> std::io::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "This is the first admin API key. It is shown this once and kept nowhere: store it now.")?;
    writeln!(out, "{secret}")?;
    out.flush()
}
