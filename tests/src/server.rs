use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures::TryStreamExt;
use grantlog_api::{
    app::{EdgeSettings, Inner, ReceiptOptions},
    endpoints,
    health::Metrics,
    limits::{Limits, Rates},
    site::{Site, SiteOptions},
};
use grantlog_core::{
    app::{
        Authority, Context, Outside, RegistrationSettings, Settings,
        clock::{Clock, ManualClock},
        entropy::SeededEntropy,
    },
    domain::{Seconds, Timestamp, api_key::Role, subject::RoleChangeEffect},
    keys::{MasterKey, Vault},
    ledger::NoteSigner,
    store::{EventStore, MemoryStore},
};
use grantlog_outbound::{GuardedFetch, OutboundOptions};
use grantlog_projections::{HistoryRunner, LedgerRunner, LiveRunner, ledger::LedgerOptions, runner::LiveOptions};
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

use crate::{RemoteSite, guarded, outbound_options};

/// The issuer of a test server.
const ISSUER: &str = "https://auth.example.com";

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {} {:?}", self.status, self.body))
    }

    /// The body as JSON, of an answer with this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:?}", self.body);
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A server in this process.
pub struct TestServer {
    site: Site,
    /// What every endpoint works with.
    pub app: Arc<Inner>,
    /// The log.
    pub store: MemoryStore,
    /// The time; turn it by hand.
    pub clock: ManualClock,
    /// An API key of each role.
    pub keys: BTreeMap<&'static str, String>,
    fetch: Arc<GuardedFetch>,
    runner: LiveRunner,
    history: HistoryRunner,
    ledger: LedgerRunner,
    _dir: TempDir,
}

impl TestServer {
    /// A server with the usual settings.
    pub async fn start() -> Self {
        Self::start_with(|_| {}, |_| {}).await
    }

    /// A server with settings of its own.
    pub async fn start_with(adjust: impl FnOnce(&mut Settings), adjust_edge: impl FnOnce(&mut EdgeSettings)) -> Self {
        Self::start_behind(outbound_options(&[], &[]), adjust, adjust_edge).await
    }

    /// A server that can reach these sites, beside those that everybody can.
    pub async fn start_beside(sites: &[&RemoteSite], adjust: impl FnOnce(&mut Settings)) -> Self {
        let hosts: Vec<_> = sites.iter().map(|site| site.host()).collect();
        Self::start_behind(outbound_options(&hosts, &[]), adjust, |_| {}).await
    }

    /// A server behind a guard of its own.
    pub async fn start_behind(
        outbound: OutboundOptions,
        adjust: impl FnOnce(&mut Settings),
        adjust_edge: impl FnOnce(&mut EdgeSettings),
    ) -> Self {
        let mut settings = settings();
        adjust(&mut settings);
        let mut edge = edge_settings();
        adjust_edge(&mut edge);
        // 2026-03-03T14:00:00Z
        let clock = ManualClock::at(Timestamp(1_772_546_400_000));
        let master_key = MasterKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").expect("32 bytes");
        let vault = Vault::in_memory(&master_key).expect("a vault in memory opens");
        let mut server = Self::over(MemoryStore::new(), clock, vault, settings, edge, Arc::new(guarded(outbound)), 1).await;
        let (authority, context) = (&server.app.authority, Context::system());
        authority.ensure_signing_keys(&context).await.expect("keys are made");
        for role in [Role::Admin, Role::Consent, Role::ResourceServer, Role::Auditor] {
            let (_, key) = authority.create_api_key(&context, role.as_str(), role, None).await.expect("an API key is made");
            server.keys.insert(role.as_str(), key.expose().to_owned());
        }
        server
    }

    /// A server over what another one left.
    async fn over(
        store: MemoryStore,
        clock: ManualClock,
        vault: Vault,
        settings: Settings,
        edge: EdgeSettings,
        fetch: Arc<GuardedFetch>,
        seed: u64,
    ) -> Self {
        let shared: Arc<dyn EventStore> = Arc::new(store.clone());
        let runner = LiveRunner::start(shared.clone(), LiveOptions::default(), |_| {}).await.expect("the log is read");
        let live = runner.live();
        let entropy = Arc::new(SeededEntropy::new(seed));
        let outside = Outside {
            store: shared,
            clock: Arc::new(clock.clone()),
            entropy,
            visibility: live.clone(),
            fetch: fetch.clone(),
            issuers: live.clone(),
        };
        let authority = Authority::new(settings, outside, vault, live.clone(), live.clone());
        authority.forget_erased(&*live).await.expect("the vault is in memory");
        let signer = NoteSigner::new("auth.example.com", authority.ensure_ledger_key().await.expect("a key is made")).expect("it signs");
        let options = LedgerOptions {
            file: None,
            segments: None,
            checkpoint_every: None,
            checkpoint_file: None,
            signer,
            earlier_keys: Vec::new(),
            clock: Arc::new(clock.clone()),
        };
        let ledger = LedgerRunner::start(Arc::new(store.clone()), options).await.expect("a ledger in memory opens");
        let limits = Arc::new(Limits::new(Rates::default()));
        let dir = TempDir::new().expect("a directory");
        let history = HistoryRunner::start(dir.path(), Arc::new(store.clone())).await.expect("an empty history is made");
        let app = Arc::new(Inner { authority, live, history: history.history(), ledger: ledger.ledger(), limits: limits.clone(), edge });
        let options = SiteOptions { limits, docs_base: ISSUER.into(), ..SiteOptions::default() };
        let site = endpoints::site(app.clone(), Metrics::detached(), options).expect("the document is JSON");
        Self { site, app, store, clock, keys: BTreeMap::new(), fetch, runner, history, ledger, _dir: dir }
    }

    /// Another server over the same log and the same vault: nothing else of this one is left.
    pub async fn restart(self) -> Self {
        let Self { site: _, app, store, clock, keys, fetch, runner, history, ledger, _dir } = self;
        history.shutdown().await;
        ledger.shutdown().await;
        runner.shutdown().await;
        let authority = &app.authority;
        // A seed of its own: the numbers drawn before are not drawn again.
        let (vault, settings, edge) = (authority.vault().clone(), authority.settings.clone(), app.edge.clone());
        let server = Self::over(store, clock, vault, settings, edge, fetch, 2).await;
        Self { keys, ..server }
    }

    /// The issuer identifier.
    pub fn issuer(&self) -> &str {
        self.app.issuer()
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets time pass.
    pub fn advance(&self, seconds: u32) {
        self.clock.advance(Seconds(seconds));
    }

    /// Everything in the log: the name of each event, and its payload.
    pub async fn recorded(&self) -> Vec<(String, Value)> {
        let events: Vec<_> = self.store.read_all(None).try_collect().await.expect("the log is in memory");
        let payload = |data: &str| serde_json::from_str(data).expect("a payload is JSON");
        events.iter().map(|recorded| (recorded.event.kind.clone(), payload(&recorded.event.data))).collect()
    }

    /// Stops following the log.
    pub async fn shutdown(self) {
        self.history.shutdown().await;
        self.ledger.shutdown().await;
        self.runner.shutdown().await;
    }

    /// Sends a request just as it is.
    pub async fn send(&self, request: http::Request<Bytes>) -> Answer {
        let response = self.site.handle(request).await;
        let (parts, body) = response.into_parts();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Calls the JSON API with the key of a role.
    pub async fn call(&self, role: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = http::Request::builder().method(method).uri(path).header("authorization", format!("Bearer {}", self.keys[role]));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        self.send(request.body(body).expect("a request")).await
    }

    /// Gets something without credentials.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(http::Request::get(path).body(Bytes::new()).expect("a request")).await
    }

    /// Posts a form, with an `Authorization` header if there is one.
    pub async fn post_form(&self, path: &str, authorization: Option<&str>, fields: &[(&str, &str)]) -> Answer {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = http::Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        self.send(request.body(Bytes::from(form)).expect("a request")).await
    }

    /// Introspects a token as the resource server.
    pub async fn introspect(&self, token: &str) -> Value {
        let key = format!("Bearer {}", self.keys["resource_server"]);
        self.post_form("/oauth2/introspect", Some(&key), &[("token", token)]).await.expect(200)
    }

    /// Whether a token is active.
    pub async fn is_active(&self, token: &str) -> bool {
        self.introspect(token).await["active"] == true
    }

    /// Registers a client; returns what was answered, with `client_id` and `client_secret`.
    pub async fn register(&self, metadata: Value) -> Value {
        self.call("admin", Method::POST, "/v1/clients", Some(&metadata)).await.expect(201)
    }
}

fn settings() -> Settings {
    Settings {
        issuer: ISSUER.to_owned(),
        audience: "https://api.example.com".to_owned(),
        authorization_request_lifetime: Seconds(600),
        code_lifetime: Seconds(60),
        access_token_lifetime: Seconds(600),
        refresh_token_lifetime: Seconds(86_400),
        refresh_grace: Seconds(10),
        id_token_lifetime: Seconds(3_600),
        acr_values_supported: Arc::from(["urn:example:silver".to_owned(), "urn:example:gold".to_owned()]),
        remember_offline_access: false,
        consent_lifetime: None,
        on_role_change: RoleChangeEffect::Narrow,
        registration: RegistrationSettings::default(),
        key_publication_lead: Seconds(3_600),
        key_rotation_interval: Seconds(90 * 86_400),
    }
}

fn edge_settings() -> EdgeSettings {
    let scopes = [("openid", "Know who you are"), ("email", "See your e-mail address"), ("notes.read", "Read your notes")];
    EdgeSettings {
        authorization_endpoint: None,
        interaction_url: Some("https://app.example.com/interaction".to_owned()),
        service_documentation: None,
        ledger_public: false,
        receipts: ReceiptOptions {
            controller_name: Some("Sundial".to_owned()),
            withdrawal_url: Some("https://app.example.com/connected-apps".to_owned()),
            ..ReceiptOptions::default()
        },
        scopes: scopes.into_iter().map(|(scope, description)| (scope.to_owned(), description.to_owned())).collect(),
    }
}
