//! From a configuration to a running service, and back in the right order.
//!
//! [`Engine`] is both sides of the model without HTTP: what the offline commands work on. [`Service`] puts the API in
//! front of it, and the tasks beside it.

use std::{
    env, fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::TryStreamExt;
use grantlog_api::{
    app::{App, Inner},
    endpoints,
    health::Metrics,
    limits::{self, Limits},
    serve::{Drained, serve},
    site::Site,
};
use grantlog_core::{
    app::{Authority, Context, Outside, UseCaseError, clock::SystemClock, entropy::SystemEntropy},
    domain::{StreamKind, api_key::Role},
    jose::SigningKey,
    keys::{MasterKey, MasterKeyError, Secret, Vault, VaultError},
    ledger::NoteSigner,
    store::{EventStore, SqliteStore, StoreError},
};
use grantlog_outbound::{GuardedFetch, OutboundError};
use grantlog_projections::{
    HistoryRunner, LedgerRunner, Live, LiveRunner,
    history::HistoryError,
    ledger::{LedgerError, keep_anchored},
    runner::{LiveOptions, Progress},
};
use tokio::{net::TcpListener, task::JoinSet, time::interval};

use crate::{
    config::{Config, ConfigError},
    retention,
};

/// The variable that may hold the master key itself.
pub const MASTER_KEY_VARIABLE: &str = "GRANTLOG_MASTER_KEY";
/// The folder of the snapshots in a data directory.
pub const SNAPSHOTS: &str = "snapshots";
/// The file of the master key in a data directory, unless the configuration names another.
pub const MASTER_KEY_FILE: &str = "master.key";
/// The vault's file in a data directory.
pub const VAULT_FILE: &str = "vault.db";

const MINUTE: Duration = Duration::from_mins(1);
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Why a service does not start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The data directory.
    #[error("the data directory {dir} can't be used: {source}")]
    DataDirectory {
        /// Which.
        dir: String,
        /// What went wrong.
        source: io::Error,
    },
    /// The master key.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// The variable holds no text.
    #[error("{MASTER_KEY_VARIABLE} is not text")]
    MasterKeyVariable,
    /// There is a vault, and what opens it is gone.
    #[error("{path} is missing, and without the master key the vault beside it stays shut: restore it from its backup")]
    MasterKeyLost {
        /// Where it should be.
        path: String,
    },
    /// The event store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The history.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Keys, or what the demo needs.
    #[error("what a start needs can't be made: {0}")]
    Keys(String),
    /// Nothing could be fetched.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// The OpenAPI document can't be written.
    #[error("the API can't be described: {0}")]
    Document(#[from] serde_json::Error),
}

impl<R: fmt::Display> From<UseCaseError<R>> for BootError {
    fn from(error: UseCaseError<R>) -> Self {
        Self::Keys(match error {
            UseCaseError::Refused(refusal) => refusal.to_string(),
            UseCaseError::Trouble(trouble) => trouble.to_string(),
        })
    }
}

/// Makes the data directory for its owner only; one that is there is left as it is.
pub fn prepare_data_dir(dir: &Path) -> Result<(), BootError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|source| BootError::DataDirectory { dir: dir.display().to_string(), source })
}

/// The master key of a server: from the environment or from its file, which is made with the data directory.
pub fn master_key(config: &Config) -> Result<MasterKey, BootError> {
    match env::var(MASTER_KEY_VARIABLE) {
        Ok(text) => Ok(MasterKey::from_base64(&text)?),
        Err(env::VarError::NotUnicode(_)) => Err(BootError::MasterKeyVariable),
        Err(env::VarError::NotPresent) => {
            let path = master_key_path(config);
            // A new key would not open an old vault: say what is missing, rather than that something does not fit.
            if config.data_dir.join(VAULT_FILE).exists() && !path.exists() {
                return Err(BootError::MasterKeyLost { path: path.display().to_string() });
            }
            Ok(MasterKey::load_or_create(&path)?)
        }
    }
}

/// The file of the master key, unless it comes from the environment.
pub fn master_key_path(config: &Config) -> PathBuf {
    config.master_key_file.clone().unwrap_or_else(|| config.data_dir.join(MASTER_KEY_FILE))
}

/// Both sides of the model over one data directory, which is locked as long as it is open.
pub struct Engine {
    /// The write side.
    pub authority: Box<Authority>,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) runner: LiveRunner,
    fetch: Arc<GuardedFetch>,
}

impl Engine {
    /// Opens a data directory, which is made if it isn't there, and catches up with its log.
    pub async fn open(config: &Config, master_key: &MasterKey, progress: impl FnMut(Progress) + Send) -> Result<Self, BootError> {
        prepare_data_dir(&config.data_dir)?;
        let store = Arc::new(SqliteStore::open(&config.data_dir)?);
        let vault = Vault::open(&config.data_dir, master_key)?;
        let options =
            LiveOptions { snapshot_dir: Some(config.data_dir.join(SNAPSHOTS)), snapshot_every: config.projections.snapshot_every };
        let runner = LiveRunner::start(store.clone(), options, progress).await?;
        let fetch = Arc::new(GuardedFetch::new(config.outbound.options())?);
        let outside = Outside {
            store: store.clone(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy::default()),
            visibility: runner.live(),
            fetch: fetch.clone(),
            issuers: runner.live(),
        };
        let authority = Box::new(Authority::new(config.settings(), outside, vault, runner.live(), runner.live()));
        Ok(Self { authority, store, runner, fetch })
    }

    /// The read side.
    pub fn live(&self) -> Arc<Live> {
        self.runner.live()
    }

    /// Keeps what is under way: a last snapshot, the appends that wait. Then the data directory is free.
    pub async fn close(self) {
        close(self.runner, &self.store).await;
    }

    /// Makes the signing keys that are missing; makes an admin API key when there never was an API key.
    async fn make_first_keys(&self) -> Result<Option<Secret>, BootError> {
        let context = Context::system();
        self.authority.ensure_signing_keys(&context).await?;
        // Whoever revoked all their keys did not ask for another one.
        if !self.live().api_keys().is_empty() || self.had_api_key().await? {
            return Ok(None);
        }
        let (_, secret) = self.authority.create_api_key(&context, "first admin", Role::Admin, None).await?;
        Ok(Some(secret))
    }

    async fn had_api_key(&self) -> Result<bool, StoreError> {
        let mut events = self.store.read_all(None);
        while let Some(event) = events.try_next().await? {
            if event.stream.kind() == StreamKind::ApiKey {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

async fn close(runner: LiveRunner, store: &SqliteStore) {
    runner.shutdown().await;
    store.close().await;
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("runner", &self.runner).finish_non_exhaustive()
    }
}

/// A whole server but for its listener.
pub struct Service {
    /// What the endpoints work with.
    pub app: App,
    /// What answers requests.
    pub site: Site,
    /// The secret of the first admin API key, if this is the first start. It is known nowhere else.
    pub first_admin_key: Option<Secret>,
    config: Config,
    store: Arc<SqliteStore>,
    runner: LiveRunner,
    history: HistoryRunner,
    ledger: LedgerRunner,
    tasks: JoinSet<()>,
}

impl Service {
    /// Boots everything.
    pub async fn start(
        config: Config,
        master_key: &MasterKey,
        metrics: Metrics,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<Self, BootError> {
        let anchors = config.ledger.anchors()?;
        let engine = Engine::open(&config, master_key, progress).await?;
        let first_admin_key = engine.make_first_keys().await?;
        // Before anybody is let in who has a name that somebody had who was erased.
        let forgotten = engine.authority.forget_erased(&*engine.live()).await;
        forgotten.map_err(|trouble| BootError::Keys(trouble.to_string()))?;
        let limits = config.limiters();
        let Engine { authority, store, runner, fetch } = engine;
        // It catches up by itself, while everything else is answered already.
        let history = HistoryRunner::start(&config.data_dir, store.clone()).await?;
        let ledger = start_ledger(&config, &authority, store.clone()).await?;
        let app = Arc::new(Inner {
            authority: *authority,
            live: runner.live(),
            history: history.history(),
            ledger: ledger.ledger(),
            limits: limits.clone(),
            edge: config.edge_settings(),
        });
        let site = endpoints::site(app.clone(), metrics.clone(), config.site_options(limits.clone()))?;
        let mut tasks = tasks(&app, &store, limits, metrics);
        tasks.spawn(keep_anchored(ledger.ledger(), fetch, anchors));
        if let Some(retention) = retention::of(&config, store.clone(), ledger.ledger(), runner.live()) {
            tasks.spawn(retention::keep_to(app.clone(), retention));
        }
        Ok(Self { app, site, first_admin_key, config, store, runner, history, ledger, tasks })
    }

    /// Serves until `shutdown` completes, and then ends in order: the requests under way are answered, the read side
    /// takes a snapshot, the store commits what is queued.
    pub async fn serve(mut self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Drained {
        let drained = serve(listener, self.site.clone(), self.config.serve_options(), shutdown).await;
        self.tasks.shutdown().await;
        self.history.shutdown().await;
        self.ledger.shutdown().await;
        close(self.runner, &self.store).await;
        drained
    }
}

/// Keeps the ledger of a data directory, signed with the newest of its keys.
pub(crate) async fn start_ledger(config: &Config, authority: &Authority, store: Arc<SqliteStore>) -> Result<LedgerRunner, BootError> {
    let current = authority.ensure_ledger_key().await.map_err(|trouble| BootError::Keys(trouble.to_string()))?;
    let keys = authority.ledger_keys().await.map_err(|trouble| BootError::Keys(trouble.to_string()))?;
    let origin = config.ledger_origin();
    let signer = |key: Arc<SigningKey>| {
        NoteSigner::new(&origin, key).ok_or_else(|| BootError::Keys("the key of the ledger can't sign checkpoints".to_owned()))
    };
    let earlier = keys.into_iter().map(|key| Ok(signer(key)?.verifier().clone())).collect::<Result<_, BootError>>()?;
    Ok(LedgerRunner::start(store, config.ledger_options(signer(current)?, earlier)).await?)
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What goes on beside the requests.
fn tasks(app: &App, store: &Arc<SqliteStore>, limits: Arc<Limits>, metrics: Metrics) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(rotate_aged_keys(app.clone()));
    tasks.spawn(enforce_pending(app.clone()));
    tasks.spawn(drop_expired_hints(app.clone()));
    tasks.spawn(delete_lapsed_clients(app.clone()));
    tasks.spawn(limits::housekeeping(limits, MINUTE));
    tasks.spawn(metrics.upkeep(METRICS_UPKEEP));
    tasks.spawn(tell_metrics(app.clone(), store.clone()));
    tasks
}

async fn rotate_aged_keys(app: App) {
    let mut minutes = interval(MINUTE);
    loop {
        minutes.tick().await;
        match app.authority.rotate_aged_signing_keys(&Context::system()).await {
            Ok(made) => made.iter().for_each(|kid| tracing::info!(kid, "a signing key was made")),
            Err(error) => tracing::error!(%error, "the signing keys can't be rotated"),
        }
    }
}

/// Takes up what was interrupted: grants that an organization or a change of roles cut off and that are not revoked. The
/// first time is at once.
async fn enforce_pending(app: App) {
    let mut minutes = interval(MINUTE);
    loop {
        minutes.tick().await;
        if let Err(error) = app.authority.enforce_pending(&Context::system(), &*app.live).await {
            tracing::error!(%error, "what is cut off can't be revoked; it is tried again");
        }
    }
}

/// How much was written, in how many commits, and how far the read side has come.
async fn tell_metrics(app: App, store: Arc<SqliteStore>) {
    let mut times = interval(METRICS_UPKEEP);
    loop {
        times.tick().await;
        let written = store.stats();
        metrics::counter!("grantlog_store_commits_total").absolute(written.batches);
        metrics::counter!("grantlog_store_events_total").absolute(written.events);
        let position = app.live.position().map_or(0, |position| position.0);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; positions below 2^53 are exact")]
        metrics::gauge!("grantlog_read_side_position").set(position as f64);
        let history = app.history.position().map_or(0, |position| position.0);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; positions below 2^53 are exact")]
        metrics::gauge!("grantlog_history_position").set(history as f64);
        metrics::gauge!("grantlog_history_following").set(if app.history.is_following() { 1.0 } else { 0.0 });
        let signed = app.ledger.published().map_or(0, |checkpoint| checkpoint.size);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; positions below 2^53 are exact")]
        metrics::gauge!("grantlog_ledger_signed_position").set(signed as f64);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; positions below 2^53 are exact")]
        metrics::gauge!("grantlog_ledger_anchored_position").set(app.ledger.anchored() as f64);
        metrics::gauge!("grantlog_ledger_refusing").set(if app.ledger.refusal().is_some() { 1.0 } else { 0.0 });
        metrics::gauge!("grantlog_read_side_following").set(if app.live.is_following() { 1.0 } else { 0.0 });
    }
}

async fn drop_expired_hints(app: App) {
    let mut minutes = interval(MINUTE);
    loop {
        minutes.tick().await;
        let authority = &app.authority;
        if let Err(error) = authority.vault().drop_expired_hints(authority.now()).await {
            tracing::error!(%error, "expired login hints can't be dropped");
        }
    }
}

/// Clears away the clients that registered themselves and were never used.
async fn delete_lapsed_clients(app: App) {
    let mut minutes = interval(MINUTE);
    loop {
        minutes.tick().await;
        for client_id in app.live.lapsed_clients(app.authority.now()) {
            match app.authority.delete_lapsed_client(&Context::system(), &client_id).await {
                Ok(true) => tracing::info!(%client_id, "a client that was never used is gone"),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, %client_id, "a lapsed client can't be deleted"),
            }
        }
    }
}

/// Completes when the operator, or who supervises us, says so.
pub async fn told_to_stop() {
    use tokio::signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    };
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = ctrl_c() => {}
        },
        Err(error) => {
            tracing::warn!(%error, "SIGTERM can't be heard; SIGINT can");
            // Without either there is nothing to wait for.
            let _ = ctrl_c().await;
        }
    }
}
