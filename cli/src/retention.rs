//! Retention: in the server once an hour, and `grantlog retention` on the data directory of a stopped one.

use std::{
    io::{Write, stdout},
    sync::Arc,
    time::Duration,
};

use clap::Subcommand;
use grantlog_api::app::App;
use grantlog_core::{
    app::{
        Authority, Context,
        retention::{Pass, Retention, RetentionError},
    },
    domain::Seconds,
    store::{Segments, SqliteStore},
};
use grantlog_projections::{Ledger, Live};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    Failure,
    boot::{Engine, master_key, start_ledger},
    config::Config,
    place::Place,
    progress::Progress,
};

const HOUR: Duration = Duration::from_hours(1);
/// How many steps are taken in an hour: each looks at some ten thousand events.
const STEPS: usize = 64;
/// Fewer events than this are no segment, unless they have waited for a day.
const LEAST: usize = 1000;

/// What there is to do about old events.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Drop every issuance fact that is old enough, once it is in a segment that a checkpoint covers
    ///
    /// What `retention.issuance` says decides. A running server does the same, an hour's worth at a time.
    Run {
        /// Which server.
        #[command(flatten)]
        place: Place,
    },
}

/// Does it.
pub async fn run(command: Command) -> Result<(), Failure> {
    let Command::Run { place } = command;
    let config = place.config()?;
    let dropped = run_through(&config).await?;
    writeln!(stdout(), "{dropped} issuance facts were dropped from the log")?;
    Ok(())
}

/// Drops everything that is old enough. Returns how many events that was.
pub async fn run_through(config: &Config) -> Result<u64, Failure> {
    let engine = Engine::open(config, &master_key(config)?, |_| {}).await?;
    let ledger = start_ledger(config, &engine.authority, engine.store.clone()).await?;
    let retention = of(config, engine.store.clone(), ledger.ledger(), engine.live());
    let outcome = match retention {
        Some(retention) => pass(&engine.authority, &Retention { least: 1, ..retention }).await.map_err(Failure::from),
        None => Err("retention.issuance is not configured: everything is kept".into()),
    };
    ledger.shutdown().await;
    engine.close().await;
    outcome
}

async fn pass(authority: &Authority, retention: &Retention) -> Result<u64, RetentionError> {
    let head = retention.store.head().await?.map_or(0, |head| head.0);
    let mut progress = Progress::new("Dropping old issuance facts");
    let context = Context::system();
    let mut dropped = authority.drop_pending_segments(&context, retention).await?;
    let mut pass = Pass::default();
    loop {
        let step = authority.retain(&context, retention, &mut pass).await?;
        dropped += step.dropped;
        let Some(reached) = step.reached else { return Ok(dropped) };
        progress.at(reached.0, head);
    }
}

/// What retention works with, if anything is ever dropped.
pub fn of(config: &Config, store: Arc<SqliteStore>, ledger: Arc<Ledger>, live: Arc<Live>) -> Option<Retention> {
    let keep = Seconds(config.retention.issuance?);
    let segments = Segments::of(&config.data_dir);
    Some(Retention { store, segments, ledger, pending: live, keep, least: LEAST })
}

/// Beside the requests: at once, to end what was interrupted, and then every hour.
pub(crate) async fn keep_to(app: App, retention: Retention) {
    let mut hours = interval(HOUR);
    hours.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pass = Pass::default();
    loop {
        hours.tick().await;
        if let Err(error) = turn(&app.authority, &retention, &mut pass).await {
            tracing::error!(%error, "old issuance facts can't be dropped; it is tried again");
        }
    }
}

async fn turn(authority: &Authority, retention: &Retention, pass: &mut Pass) -> Result<(), RetentionError> {
    let context = Context::system();
    authority.drop_pending_segments(&context, retention).await?;
    for _ in 0..STEPS {
        if authority.retain(&context, retention, pass).await?.reached.is_none() {
            break;
        }
    }
    Ok(())
}
