//! Where log lines go: to standard error, as JSON or as text.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    Failure,
    config::{Log, LogFormat},
};

/// Begins to log. Once per process.
pub fn start(log: &Log) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|error| format!("the configuration key `log.filter` is no filter: {error}"))?;
    let registry = tracing_subscriber::registry().with(filter);
    match log.format {
        LogFormat::Json => registry.with(fmt::layer().json().flatten_event(true).with_writer(stderr)).try_init()?,
        LogFormat::Text => registry.with(fmt::layer().with_ansi(stderr().is_terminal()).with_writer(stderr)).try_init()?,
    }
    Ok(())
}
