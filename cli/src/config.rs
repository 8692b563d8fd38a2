//! The configuration: a TOML file, overridden by the environment. A key that does not exist is an error that names it.

mod retention;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use grantlog_api::{
    app::{EdgeSettings, ReceiptOptions},
    client_address::{ClientAddress, ForwardedHeader},
    limits::{Limits as Limiters, Rate, Rates},
    serve::ServeOptions,
    site::SiteOptions,
};
use grantlog_core::{
    app::{DynamicRegistration, RegistrationSettings, Settings, clock::SystemClock},
    domain::{Seconds, subject::RoleChangeEffect},
    ledger::{NoteSigner, VerifierKey, is_origin},
    protocol::ScopeToken,
    store::Segments,
};
use grantlog_outbound::{OutboundOptions, hosts::HostPattern};
use grantlog_projections::ledger::{self, Anchors, LEDGER_FILE, LedgerOptions};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use self::retention::Retention;

/// Everything an operator can decide. `docs/configuration.md` describes each key; a test keeps the two in step.
/// In the environment a key is `GRANTLOG_` and its path in capitals, joined by two underscores:
/// `GRANTLOG_TOKENS__ACCESS_TOKEN_LIFETIME=300`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The issuer identifier: the URL under which clients reach the server.
    pub issuer: String,
    /// Where everything durable is kept.
    pub data_dir: PathBuf,
    /// The file with the master key; made at first start. `GRANTLOG_MASTER_KEY` may hold the key itself instead.
    pub master_key_file: Option<PathBuf>,
    /// The application's page that is the authorization endpoint; absent: the server's own.
    pub authorization_endpoint: Option<String>,
    /// Where the server's own authorization endpoint sends browsers.
    pub interaction_url: Option<String>,
    /// Where clients' developers read about the service.
    pub service_documentation: Option<String>,
    /// Every scope there is, with what it means for people. Given at all, it replaces the standard ones.
    // Left out of the defaults that a file is merged into, so that a file can leave a standard scope out.
    #[serde(skip_serializing)]
    pub scopes: BTreeMap<String, String>,
    /// Tokens and codes.
    pub tokens: Tokens,
    /// Authorization requests and consent.
    pub authorization: Authorization,
    /// People whose roles change.
    pub subjects: Subjects,
    /// Clients that register themselves.
    pub registration: Registration,
    /// Signing keys.
    pub signing_keys: SigningKeys,
    /// How much of what is let in.
    pub limits: Limits,
    /// What stands in front.
    pub proxy: Proxy,
    /// What is fetched from elsewhere.
    pub outbound: Outbound,
    /// The read side.
    pub projections: Projections,
    /// The ledger.
    pub ledger: Ledger,
    /// Consent receipts.
    pub receipts: Receipts,
    /// What is not kept for ever.
    pub retention: Retention,
    /// Logs.
    pub log: Log,
}

/// Tokens and codes. Lifetimes are seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tokens {
    /// The audience of access tokens; absent: the issuer.
    pub audience: Option<String>,
    /// How long a code can be redeemed.
    pub code_lifetime: u32,
    /// How long an access token lives.
    pub access_token_lifetime: u32,
    /// How long an unused refresh token lives.
    pub refresh_token_lifetime: u32,
    /// How long a rotated refresh token still answers with its successor.
    pub refresh_grace: u32,
    /// How long an ID token lives.
    pub id_token_lifetime: u32,
}

/// Authorization requests and consent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Authorization {
    /// How long an authorization request can be decided, in seconds.
    pub request_lifetime: u32,
    /// The authentication context classes that the application can attest.
    pub acr_values_supported: Vec<String>,
    /// Whether agreement to `offline_access` is remembered for third-party clients.
    pub remember_offline_access: bool,
    /// For how long a consent holds, in seconds; absent: until it is revoked.
    pub consent_lifetime: Option<u32>,
}

/// People whose roles change.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Subjects {
    /// What a change of somebody's roles or memberships, said by the application, does to their grants.
    pub on_role_change: RoleChangeEffect,
}

/// Clients that register themselves.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Registration {
    /// Who may register clients, beside administrators.
    pub dynamic: WhoRegisters,
    /// How long such a client may go unused before it lapses, in seconds.
    pub unused_lifetime: u32,
    /// Whether a client's id may be the URL of a document that says what it is.
    pub metadata_documents: bool,
    /// What such clients may ask for; absent: the standard scopes that there are.
    pub scopes: Option<Vec<String>>,
    /// How large what a client says of itself may be, in bytes.
    pub max_metadata_bytes: usize,
    /// How many redirect URIs a client may have.
    pub max_redirect_uris: usize,
}

/// Who may register clients, beside administrators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhoRegisters {
    /// Nobody.
    Off,
    /// Who has an initial access token.
    InitialAccessToken,
    /// Anybody.
    Open,
}

/// Signing keys. Times are seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SigningKeys {
    /// How old a key gets before its successor is made.
    pub rotation_interval: u32,
    /// How long a new key is published before it signs.
    pub publication_lead: u32,
}

/// How much of what is let in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// For each client.
    pub per_client: Rate,
    /// For each API key.
    pub per_api_key: Rate,
    /// For each address, before anybody is authenticated.
    pub per_address: Rate,
    /// For each address, for clients that register themselves.
    pub per_address_registration: Rate,
    /// The longest request head, in bytes.
    pub header_bytes: usize,
    /// Open connections.
    pub connections: usize,
    /// How long a request head may take, in seconds.
    pub header_timeout: u32,
    /// How long a request may take, in seconds.
    pub request_timeout: u32,
    /// How long requests under way may take at shutdown, in seconds.
    pub drain_timeout: u32,
}

/// What stands in front.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Proxy {
    /// Whose forwarding header is believed.
    pub trusted: Vec<IpNet>,
    /// Which header that is.
    pub header: ForwardedHeader,
}

/// What is fetched from elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outbound {
    /// How long the whole of one fetch may take, in seconds.
    pub timeout: u32,
    /// How large an answer may be.
    pub max_bytes: usize,
    /// Hosts, or hosts and ports, that may have addresses that are not public.
    pub allowed_hosts: Vec<String>,
    /// Those of them that may be spoken to without TLS.
    pub insecure_hosts: Vec<String>,
    /// Certificates of authorities that are trusted beside the system's, in PEM.
    pub ca_file: Option<PathBuf>,
}

/// The read side.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Projections {
    /// A snapshot is taken after so many events.
    pub snapshot_every: u64,
}

/// The ledger: the log's Merkle tree and its signed heads.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ledger {
    /// The identity of the log, in its checkpoints; absent: the issuer without its scheme.
    pub origin: Option<String>,
    /// How often a log that has grown is signed, in seconds; 0: only on request.
    pub checkpoint_every: u32,
    /// A file that every checkpoint is appended to.
    pub checkpoint_file: Option<PathBuf>,
    /// Whether everybody may read the ledger.
    pub public: bool,
    /// Who cosigns checkpoints.
    pub witnesses: Vec<Witness>,
    /// URLs that every checkpoint is posted to.
    pub post_to: Vec<String>,
}

/// A witness of checkpoints (C2SP tlog-witness).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// The key of its cosignatures: `<name>+<id>+<base64>`.
    pub key: String,
    /// The URL before `/add-checkpoint`.
    pub url: String,
}

/// What consent receipts say of the operator (ISO/IEC TS 27560).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Receipts {
    /// Who has the data that clients get at.
    pub controller_name: Option<String>,
    /// How people reach them.
    pub controller_contact: Option<String>,
    /// The URL of their notice on privacy.
    pub privacy_notice: Option<String>,
    /// The URL where people withdraw consent.
    pub withdrawal_url: Option<String>,
}

/// Logs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `json` or `text`.
    pub format: LogFormat,
    /// What is logged, as `tracing` filters write it.
    pub filter: String,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            issuer: "http://127.0.0.1:8080".to_owned(),
            data_dir: PathBuf::from("data"),
            master_key_file: None,
            authorization_endpoint: None,
            interaction_url: None,
            service_documentation: None,
            scopes: standard_scopes(),
            tokens: Tokens::default(),
            authorization: Authorization::default(),
            subjects: Subjects::default(),
            registration: Registration::default(),
            signing_keys: SigningKeys::default(),
            limits: Limits::default(),
            proxy: Proxy::default(),
            outbound: Outbound::default(),
            projections: Projections::default(),
            ledger: Ledger::default(),
            receipts: Receipts::default(),
            retention: Retention::default(),
            log: Log::default(),
        }
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            audience: None,
            code_lifetime: 60,
            access_token_lifetime: 600,
            refresh_token_lifetime: 30 * 86_400,
            refresh_grace: 10,
            id_token_lifetime: 3_600,
        }
    }
}

impl Default for Authorization {
    fn default() -> Self {
        Self { request_lifetime: 600, acr_values_supported: Vec::new(), remember_offline_access: false, consent_lifetime: None }
    }
}

impl Default for Subjects {
    fn default() -> Self {
        Self { on_role_change: RoleChangeEffect::Narrow }
    }
}

impl Default for Registration {
    fn default() -> Self {
        let RegistrationSettings { unused_lifetime, max_metadata_bytes, max_redirect_uris, .. } = RegistrationSettings::default();
        Self {
            dynamic: WhoRegisters::Off,
            unused_lifetime: unused_lifetime.0,
            metadata_documents: false,
            scopes: None,
            max_metadata_bytes,
            max_redirect_uris,
        }
    }
}

impl Default for SigningKeys {
    fn default() -> Self {
        Self { rotation_interval: 90 * 86_400, publication_lead: 3_600 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_client: rate(100, 200),
            per_api_key: rate(1_000, 2_000),
            per_address: rate(50, 100),
            per_address_registration: rate(1, 20),
            header_bytes: 16_384,
            connections: 10_000,
            header_timeout: 10,
            request_timeout: 30,
            drain_timeout: 20,
        }
    }
}

impl Default for Proxy {
    fn default() -> Self {
        Self { trusted: Vec::new(), header: ForwardedHeader::XForwardedFor }
    }
}

impl Default for Outbound {
    fn default() -> Self {
        Self { timeout: 5, max_bytes: 65_536, allowed_hosts: Vec::new(), insecure_hosts: Vec::new(), ca_file: None }
    }
}

impl Default for Projections {
    fn default() -> Self {
        Self { snapshot_every: 100_000 }
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self { origin: None, checkpoint_every: 60, checkpoint_file: None, public: false, witnesses: Vec::new(), post_to: Vec::new() }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Json, filter: "info".to_owned() }
    }
}

fn rate(per_second: u32, burst: u32) -> Rate {
    let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Rate { per_second: at_least_one(per_second), burst: at_least_one(burst) }
}

fn standard_scopes() -> BTreeMap<String, String> {
    let standard = [
        ("openid", "Know who you are"),
        ("profile", "See your name and profile"),
        ("email", "See your e-mail address"),
        ("phone", "See your phone number"),
        ("address", "See your postal address"),
        ("offline_access", "Keep access while you are away"),
    ];
    standard.into_iter().map(|(scope, description)| (scope.to_owned(), description.to_owned())).collect()
}

/// Why the configuration is no good. Each names the key.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It can't be read.
    #[error("the configuration can't be read: {0}")]
    Unreadable(String),
    /// A value is not allowed.
    #[error("the configuration key `{key}` {problem}")]
    Invalid {
        /// Which.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// Names the key as it stands in the file and where it comes from.
fn unreadable(error: &figment::Error) -> ConfigError {
    let key = if error.path.is_empty() { String::new() } else { format!("`{}`: ", error.path.join(".")) };
    let source = error.metadata.as_ref().map(|from| match &from.source {
        Some(source) => format!(" (in {source})"),
        None => format!(" (in {})", from.name),
    });
    ConfigError::Unreadable(format!("{key}{}{}", error.kind, source.unwrap_or_default()))
}

impl Config {
    /// Reads the file (if there is one) and the environment.
    pub fn read(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = file {
            figment = figment.merge(Toml::file_exact(file));
        }
        // The master key and an auditor's API key are read where they are used and never become part of the configuration.
        let environment = Env::prefixed("GRANTLOG_").ignore(&["master_key", "config", "api_key"]).split("__");
        let config: Self = figment.merge(environment).extract().map_err(|error| unreadable(&error))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let invalid = |key, problem: &str| Err(ConfigError::Invalid { key, problem: problem.to_owned() });
        // RFC 8414 §2: no query, no fragment; we want no trailing slash either, so that there is one spelling.
        let Ok(issuer) = url::Url::parse(&self.issuer) else { return invalid("issuer", "is not a URL") };
        let loopback = matches!(issuer.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
        if issuer.scheme() != "https" && !(issuer.scheme() == "http" && loopback) {
            return invalid("issuer", "must be an https URL (http is allowed on a loopback address)");
        }
        if issuer.query().is_some() || issuer.fragment().is_some() || self.issuer.ends_with('/') {
            return invalid("issuer", "must have no query, no fragment and no trailing slash");
        }
        for (key, value) in [("authorization_endpoint", &self.authorization_endpoint), ("interaction_url", &self.interaction_url)] {
            if value.as_ref().is_some_and(|value| url::Url::parse(value).is_err()) {
                return invalid(key, "is not a URL");
            }
        }
        let within = |key, value: u32, least: u32, most: u32| {
            let problem = format!("must be between {least} and {most}, and is {value}");
            if (least..=most).contains(&value) { Ok(()) } else { Err(ConfigError::Invalid { key, problem }) }
        };
        within("tokens.code_lifetime", self.tokens.code_lifetime, 1, 600)?;
        within("tokens.access_token_lifetime", self.tokens.access_token_lifetime, 1, 86_400)?;
        within("tokens.refresh_token_lifetime", self.tokens.refresh_token_lifetime, 60, 31_536_000)?;
        within("tokens.refresh_grace", self.tokens.refresh_grace, 0, 300)?;
        within("tokens.id_token_lifetime", self.tokens.id_token_lifetime, 1, 86_400)?;
        within("authorization.request_lifetime", self.authorization.request_lifetime, 10, 86_400)?;
        within("registration.unused_lifetime", self.registration.unused_lifetime, 60, 31_536_000)?;
        for scope in self.registration.scopes.iter().flatten() {
            let key = "registration.scopes";
            if scope.parse::<ScopeToken>().is_err() {
                return Err(ConfigError::Invalid { key, problem: format!("names {scope:?}, which is no scope (RFC 6749 §3.3)") });
            }
            if scope == "full_access" {
                return invalid(key, "names full_access, which is for first-party clients only");
            }
        }
        if !(1_024..=65_536).contains(&self.registration.max_metadata_bytes) {
            return invalid("registration.max_metadata_bytes", "must be between 1024 and 65536");
        }
        if !(1..=100).contains(&self.registration.max_redirect_uris) {
            return invalid("registration.max_redirect_uris", "must be between 1 and 100");
        }
        if let Some(lifetime) = self.authorization.consent_lifetime {
            within("authorization.consent_lifetime", lifetime, 60, 315_360_000)?;
        }
        within("signing_keys.rotation_interval", self.signing_keys.rotation_interval, 3_600, 315_360_000)?;
        within("signing_keys.publication_lead", self.signing_keys.publication_lead, 0, 604_800)?;
        for scope in self.scopes.keys() {
            if scope.parse::<ScopeToken>().is_err() {
                return Err(ConfigError::Invalid {
                    key: "scopes", problem: format!("names {scope:?}, which is no scope (RFC 6749 §3.3)")
                });
            }
        }
        within("limits.header_timeout", self.limits.header_timeout, 1, 3_600)?;
        within("limits.request_timeout", self.limits.request_timeout, 1, 3_600)?;
        within("limits.drain_timeout", self.limits.drain_timeout, 0, 3_600)?;
        if self.limits.connections == 0 {
            return invalid("limits.connections", "must be at least 1");
        }
        self.outbound.check()?;
        within("ledger.checkpoint_every", self.ledger.checkpoint_every, 0, 86_400)?;
        if !is_origin(&self.ledger_origin()) {
            return invalid("ledger.origin", "must be the name of a log, without spaces and without +");
        }
        self.ledger.anchors()?;
        self.check_retention()?;
        if self.projections.snapshot_every == 0 {
            return invalid("projections.snapshot_every", "must be at least 1");
        }
        Ok(())
    }

    /// What the write side needs of it.
    pub fn settings(&self) -> Settings {
        Settings {
            issuer: self.issuer.clone(),
            audience: self.tokens.audience.clone().unwrap_or_else(|| self.issuer.clone()),
            authorization_request_lifetime: Seconds(self.authorization.request_lifetime),
            code_lifetime: Seconds(self.tokens.code_lifetime),
            access_token_lifetime: Seconds(self.tokens.access_token_lifetime),
            refresh_token_lifetime: Seconds(self.tokens.refresh_token_lifetime),
            refresh_grace: Seconds(self.tokens.refresh_grace),
            id_token_lifetime: Seconds(self.tokens.id_token_lifetime),
            acr_values_supported: self.authorization.acr_values_supported.as_slice().into(),
            remember_offline_access: self.authorization.remember_offline_access,
            consent_lifetime: self.authorization.consent_lifetime.map(Seconds),
            on_role_change: self.subjects.on_role_change,
            registration: self.registration.settings(&self.scopes),
            key_publication_lead: Seconds(self.signing_keys.publication_lead),
            key_rotation_interval: Seconds(self.signing_keys.rotation_interval),
        }
    }

    /// What the edge needs of it.
    pub fn edge_settings(&self) -> EdgeSettings {
        EdgeSettings {
            authorization_endpoint: self.authorization_endpoint.clone(),
            interaction_url: self.interaction_url.clone(),
            service_documentation: self.service_documentation.clone(),
            scopes: self.scopes.clone(),
            ledger_public: self.ledger.public,
            receipts: self.receipts.options(),
        }
    }

    /// The identity of the log.
    pub fn ledger_origin(&self) -> String {
        let of_issuer = || self.issuer.split_once("://").map_or(self.issuer.as_str(), |(_, rest)| rest).to_owned();
        self.ledger.origin.clone().unwrap_or_else(of_issuer)
    }

    /// How the ledger is kept.
    pub fn ledger_options(&self, signer: NoteSigner, earlier_keys: Vec<VerifierKey>) -> LedgerOptions {
        LedgerOptions {
            file: Some(self.data_dir.join(LEDGER_FILE)),
            segments: Some(Segments::of(&self.data_dir)),
            checkpoint_every: (self.ledger.checkpoint_every > 0).then(|| seconds(self.ledger.checkpoint_every)),
            checkpoint_file: self.ledger.checkpoint_file.clone(),
            signer,
            earlier_keys,
            clock: Arc::new(SystemClock),
        }
    }

    /// New limiters with its rates.
    pub fn limiters(&self) -> Arc<Limiters> {
        let Limits { per_client, per_api_key, per_address, per_address_registration, .. } = self.limits;
        Arc::new(Limiters::new(Rates {
            client: Some(per_client),
            api_key: Some(per_api_key),
            address: Some(per_address),
            registration: Some(per_address_registration),
        }))
    }

    /// What holds for every request.
    pub fn site_options(&self, limits: Arc<Limiters>) -> SiteOptions {
        SiteOptions {
            limits,
            client_address: ClientAddress::behind(self.proxy.trusted.clone(), self.proxy.header),
            request_timeout: seconds(self.limits.request_timeout),
            docs_base: self.issuer.as_str().into(),
            ..SiteOptions::default()
        }
    }

    /// What the listener allows.
    pub fn serve_options(&self) -> ServeOptions {
        ServeOptions {
            max_connections: self.limits.connections,
            header_read_timeout: seconds(self.limits.header_timeout),
            drain_timeout: seconds(self.limits.drain_timeout),
            max_header_bytes: self.limits.header_bytes,
        }
    }
}

impl Ledger {
    /// Who is told of checkpoints. Whether a URL may be spoken to is up to `outbound`.
    pub fn anchors(&self) -> Result<Anchors, ConfigError> {
        let invalid = |key, problem: String| ConfigError::Invalid { key, problem };
        let url = |key: &'static str, url: &String| match url::Url::parse(url) {
            Ok(_) => Ok(url.clone()),
            Err(error) => Err(invalid(key, format!("names {url:?}, which is no URL: {error}"))),
        };
        let witness = |Witness { key, url: at }: &Witness| {
            let key = key.parse().map_err(|error| invalid("ledger.witnesses", format!("has the key {key:?}, which is {error}")))?;
            Ok(ledger::Witness { key, url: url("ledger.witnesses", at)? })
        };
        Ok(Anchors {
            witnesses: self.witnesses.iter().map(witness).collect::<Result<_, _>>()?,
            post_to: self.post_to.iter().map(|at| url("ledger.post_to", at)).collect::<Result<_, _>>()?,
        })
    }
}

impl Receipts {
    fn options(&self) -> ReceiptOptions {
        let Self { controller_name, controller_contact, privacy_notice, withdrawal_url } = self.clone();
        ReceiptOptions { controller_name, controller_contact, privacy_notice, withdrawal_url }
    }
}

impl Registration {
    /// Of the standard scopes, those that there are: `scopes` may leave some out.
    fn settings(&self, known: &BTreeMap<String, String>) -> RegistrationSettings {
        let scopes = match &self.scopes {
            Some(given) => given.iter().filter_map(|scope| scope.parse::<ScopeToken>().ok()).collect(),
            None => RegistrationSettings::default().scopes.iter().filter(|scope| known.contains_key(scope.as_str())).cloned().collect(),
        };
        RegistrationSettings {
            dynamic: match self.dynamic {
                WhoRegisters::Off => DynamicRegistration::Off,
                WhoRegisters::InitialAccessToken => DynamicRegistration::InitialAccessToken,
                WhoRegisters::Open => DynamicRegistration::Open,
            },
            unused_lifetime: Seconds(self.unused_lifetime),
            metadata_documents: self.metadata_documents,
            scopes,
            max_metadata_bytes: self.max_metadata_bytes,
            max_redirect_uris: self.max_redirect_uris,
        }
    }
}

impl Outbound {
    fn check(&self) -> Result<(), ConfigError> {
        let invalid = |key, problem: String| Err(ConfigError::Invalid { key, problem });
        if !(1..=30).contains(&self.timeout) {
            return invalid("outbound.timeout", format!("must be between 1 and 30, and is {}", self.timeout));
        }
        if !(1_024..=1_048_576).contains(&self.max_bytes) {
            return invalid("outbound.max_bytes", format!("must be between 1024 and 1048576, and is {}", self.max_bytes));
        }
        for (key, hosts) in [("outbound.allowed_hosts", &self.allowed_hosts), ("outbound.insecure_hosts", &self.insecure_hosts)] {
            if let Some(wrong) = hosts.iter().find(|host| host.parse::<HostPattern>().is_err()) {
                return invalid(key, format!("names {wrong:?}, which is neither a host nor a host and a port"));
            }
        }
        let OutboundOptions { allowed_hosts, insecure_hosts, .. } = self.options();
        let stranger =
            insecure_hosts.iter().zip(&self.insecure_hosts).find(|(host, _)| !allowed_hosts.iter().any(|own| host.is_within(own)));
        if let Some((_, stranger)) = stranger {
            return invalid("outbound.insecure_hosts", format!("names {stranger:?}, which outbound.allowed_hosts does not"));
        }
        Ok(())
    }

    /// What the client that fetches is told.
    pub fn options(&self) -> OutboundOptions {
        let patterns = |hosts: &[String]| hosts.iter().filter_map(|host| host.parse().ok()).collect();
        OutboundOptions {
            timeout: seconds(self.timeout),
            max_bytes: self.max_bytes,
            allowed_hosts: patterns(&self.allowed_hosts),
            insecure_hosts: patterns(&self.insecure_hosts),
            ca_file: self.ca_file.clone(),
        }
    }
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(number.into())
}

#[cfg(test)]
mod tests;
