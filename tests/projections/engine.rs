use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use grantlog_core::{
    app::{Authority, Context, Outside, RegistrationSettings, Settings, clock::ManualClock, entropy::SystemEntropy},
    domain::{Seconds, StreamId, Timestamp, subject::RoleChangeEffect},
    keys::{MasterKey, Vault},
    store::{Appended, EventStore, ExpectedRevision, Loaded, NewEvent, Position, Recorded, Revision, SqliteStore, StoreError},
};
use grantlog_projections::{Live, LiveRunner, runner::LiveOptions};
use grantlog_tests::{guarded, outbound_options};

/// Where snapshots of a data directory are.
pub fn snapshots(dir: &Path) -> PathBuf {
    dir.join("snapshots")
}

/// Read models over a store.
pub async fn follow(store: Arc<dyn EventStore>, dir: &Path, snapshot_every: u64) -> LiveRunner {
    let options = LiveOptions { snapshot_dir: Some(snapshots(dir)), snapshot_every };
    LiveRunner::start(store, options, |_| {}).await.expect("the log can be read")
}

/// The write side and the read side over one data directory, without HTTP.
pub struct Engine {
    /// The write side.
    pub authority: Authority,
    /// The log.
    pub store: Arc<SqliteStore>,
    /// The time.
    pub clock: ManualClock,
    runner: LiveRunner,
}

impl Engine {
    /// Opens a data directory.
    pub async fn open(dir: &Path, clock: ManualClock, snapshot_every: u64) -> Self {
        let same = |store: Arc<SqliteStore>| -> Arc<dyn EventStore> { store };
        Self::open_through(dir, clock, snapshot_every, same).await
    }

    /// Opens a data directory; the write side sees the log through something.
    pub async fn open_through(
        dir: &Path,
        clock: ManualClock,
        snapshot_every: u64,
        through: impl FnOnce(Arc<SqliteStore>) -> Arc<dyn EventStore>,
    ) -> Self {
        let store = Arc::new(SqliteStore::open(dir).expect("the store can be opened"));
        let master_key = MasterKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").expect("32 bytes");
        let vault = Vault::open(dir, &master_key).expect("the vault can be opened");
        let runner = follow(store.clone(), dir, snapshot_every).await;
        let outside = Outside {
            store: through(store.clone()),
            clock: Arc::new(clock.clone()),
            entropy: Arc::new(SystemEntropy::default()),
            visibility: runner.live(),
            fetch: Arc::new(guarded(outbound_options(&[], &[]))),
            issuers: runner.live(),
        };
        let authority = Authority::new(settings(), outside, vault, runner.live(), runner.live());
        authority.ensure_signing_keys(&Context::system()).await.expect("keys are made");
        Self { authority, store, clock, runner }
    }

    /// The read side.
    pub fn live(&self) -> Arc<Live> {
        self.runner.live()
    }

    /// Ends in order, with a last snapshot.
    pub async fn close(self) {
        self.runner.shutdown().await;
        self.store.close().await;
    }

    /// Ends without a last snapshot.
    pub async fn abandon(self) {
        drop(self.runner);
        self.store.close().await;
    }
}

/// A clock at 2026-03-03T14:00:00Z.
pub fn clock() -> ManualClock {
    ManualClock::at(Timestamp(1_772_546_400_000))
}

fn settings() -> Settings {
    Settings {
        issuer: "https://auth.example.com".to_owned(),
        audience: "https://api.example.com".to_owned(),
        authorization_request_lifetime: Seconds(600),
        code_lifetime: Seconds(60),
        access_token_lifetime: Seconds(600),
        refresh_token_lifetime: Seconds(86_400),
        refresh_grace: Seconds(10),
        id_token_lifetime: Seconds(3_600),
        acr_values_supported: Arc::default(),
        remember_offline_access: false,
        consent_lifetime: None,
        on_role_change: RoleChangeEffect::Narrow,
        registration: RegistrationSettings::default(),
        key_publication_lead: Seconds(60),
        key_rotation_interval: Seconds(86_400),
    }
}

/// A log that tells what was read of it.
pub struct Spy {
    store: SqliteStore,
    reads: Mutex<Vec<Option<Position>>>,
    delivered: Arc<Mutex<u64>>,
}

impl Spy {
    /// Looks at a log that nobody writes.
    pub fn over(dir: &Path) -> Self {
        let store = SqliteStore::open_read_only(dir).expect("the store can be opened");
        Self { store, reads: Mutex::default(), delivered: Arc::default() }
    }

    /// After which positions it was read to the end.
    pub fn reads(&self) -> Vec<Option<Position>> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many events were read.
    pub fn delivered(&self) -> u64 {
        *self.delivered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl EventStore for Spy {
    async fn load(&self, stream: &StreamId, after: Option<Revision>) -> Result<Loaded, StoreError> {
        self.store.load(stream, after).await
    }

    async fn append(&self, stream: &StreamId, expected: ExpectedRevision, events: Vec<NewEvent>) -> Result<Appended, StoreError> {
        self.store.append(stream, expected, events).await
    }

    fn read_all(&self, after: Option<Position>) -> BoxStream<'static, Result<Arc<Recorded>, StoreError>> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).push(after);
        let delivered = self.delivered.clone();
        let count = move |_: &Result<_, _>| *delivered.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.store.read_all(after).inspect(count).boxed()
    }

    fn follow(&self, after: Option<Position>) -> BoxStream<'static, Result<Arc<Recorded>, StoreError>> {
        self.store.follow(after)
    }

    async fn head(&self) -> Result<Option<Position>, StoreError> {
        self.store.head().await
    }
}
