//! The use cases, one file per verb: load, fold, decide, append. The only place where decisions meet the outside.

pub mod clock;
pub mod entropy;
mod execute;
pub mod fetch;
mod slow_secrets;

pub mod api_keys;
pub mod audit;
pub mod authenticate_client;
pub mod authorize;
pub mod claims;
pub mod clients;
pub mod custom_claims;
pub mod directory;
pub mod erase;
pub mod idempotency;
pub mod import;
pub mod initial_access_tokens;
pub mod issue;
mod issuer_keys;
pub mod ledger_keys;
mod metadata_documents;
pub mod organizations;
pub mod pages;
pub mod policy;
pub mod receipts;
pub mod recognise;
pub mod register_itself;
pub mod resource_servers;
pub mod retention;
pub mod revoke;
pub mod signing_keys;
pub mod subjects;
mod target;
pub mod trusted_issuers;
pub mod trusted_tokens;

use std::sync::Arc;

use resource_servers::ResourceServerDirectory;

pub use execute::{Context, Outside, Streams, Trouble, UseCaseError, Visibility};
pub use register_itself::{DynamicRegistration, RegistrationSettings};

use self::{issuer_keys::IssuerKeys, metadata_documents::Documents};
use crate::{
    domain::{
        Seconds,
        api_key::ApiKeyDecider,
        audit::AuditDecider,
        authorization::AuthorizationDecider,
        client::ClientDecider,
        client_assertion::ClientAssertionDecider,
        client_registration::ClientRegistrationDecider,
        grant::GrantDecider,
        grant_reservation::GrantReservationDecider,
        idempotency_key::IdempotencyKeyDecider,
        initial_access_token::InitialAccessTokenDecider,
        machine_token::MachineTokenDecider,
        organization::OrganizationDecider,
        policy::PolicyDecider,
        resource_server::ResourceServerDecider,
        segment::SegmentDecider,
        signing_key::SigningKeyDecider,
        subject::{RoleChangeEffect, SubjectDecider},
        trusted_issuer::TrustedIssuerDecider,
        trusted_token::TrustedTokenDecider,
    },
    keys::{KeyDirectory, LastingKey, SecretHasher, SeedMaker, TokenCodec, Vault, VerifyingKeys},
};

/// What the operator decides. Durations are whole seconds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer identifier (RFC 8414 §2): https, no query, no fragment, no trailing slash.
    pub issuer: String,
    /// The audience of access tokens for whom nothing else is said (RFC 9068 §3).
    pub audience: String,
    /// How long an authorization request can be decided.
    pub authorization_request_lifetime: Seconds,
    /// How long a code can be redeemed.
    pub code_lifetime: Seconds,
    /// How long an access token lives, unless its client says otherwise.
    pub access_token_lifetime: Seconds,
    /// How long an unused refresh token lives, unless its client says otherwise.
    pub refresh_token_lifetime: Seconds,
    /// How long a rotated refresh token still answers with its successor, unless its client says otherwise.
    pub refresh_grace: Seconds,
    /// How long an ID token lives.
    pub id_token_lifetime: Seconds,
    /// The authentication context classes that the application can attest.
    pub acr_values_supported: Arc<[String]>,
    /// Whether agreement to `offline_access` is remembered for third-party clients.
    pub remember_offline_access: bool,
    /// For how long a consent holds; None: until it is revoked.
    pub consent_lifetime: Option<Seconds>,
    /// What a change of somebody's roles or memberships does to their grants.
    pub on_role_change: RoleChangeEffect,
    /// Whether and how clients register themselves.
    pub registration: RegistrationSettings,
    /// How long a new signing key is published before it signs.
    pub key_publication_lead: Seconds,
    /// How old a signing key gets before its successor is made.
    pub key_rotation_interval: Seconds,
}

impl Settings {
    /// The URL of the token endpoint.
    pub fn token_endpoint(&self) -> String {
        format!("{}/oauth2/token", self.issuer)
    }
}

/// The write side: every use case is a method of it.
pub struct Authority {
    /// What the operator decided.
    pub settings: Settings,
    outside: Outside,
    vault: Vault,
    hasher: SecretHasher,
    seeds: SeedMaker,
    slow_secrets: slow_secrets::SlowSecrets,
    codec: TokenCodec,
    key_directory: Arc<dyn KeyDirectory>,
    resource_server_directory: Arc<dyn ResourceServerDirectory>,
    verifying_keys: VerifyingKeys,
    clients: Streams<ClientDecider>,
    client_registrations: Streams<ClientRegistrationDecider>,
    initial_access_tokens: Streams<InitialAccessTokenDecider>,
    authorizations: Streams<AuthorizationDecider>,
    grants: Streams<GrantDecider>,
    reservations: Streams<GrantReservationDecider>,
    audits: Streams<AuditDecider>,
    policies: Streams<PolicyDecider>,
    machine_tokens: Streams<MachineTokenDecider>,
    signing_keys: Streams<SigningKeyDecider>,
    api_keys: Streams<ApiKeyDecider>,
    resource_servers: Streams<ResourceServerDecider>,
    idempotency_keys: Streams<IdempotencyKeyDecider>,
    organizations: Streams<OrganizationDecider>,
    subjects: Streams<SubjectDecider>,
    trusted_issuers: Streams<TrustedIssuerDecider>,
    trusted_tokens: Streams<TrustedTokenDecider>,
    issuer_keys: IssuerKeys,
    documents: Documents,
    client_assertions: Streams<ClientAssertionDecider>,
    segments: Streams<SegmentDecider>,
    /// Held while signing keys are rotated: which there are is read before new ones are made.
    rotating_keys: tokio::sync::Mutex<()>,
}

/// How many folded streams of a busy kind are kept in memory.
const CACHED_STREAMS: usize = 50_000;

impl Authority {
    /// Puts the write side together.
    pub fn new(
        settings: Settings,
        outside: Outside,
        vault: Vault,
        key_directory: Arc<dyn KeyDirectory>,
        resource_server_directory: Arc<dyn ResourceServerDirectory>,
    ) -> Self {
        Self {
            settings,
            outside,
            hasher: SecretHasher::new(vault.lasting_key(LastingKey::SecretHash)),
            codec: TokenCodec::new(*vault.lasting_key(LastingKey::Token)),
            seeds: SeedMaker::new(vault.lasting_key(LastingKey::IdempotencySeed), vault.lasting_key(LastingKey::IdempotencyRequest)),
            vault,
            slow_secrets: slow_secrets::SlowSecrets::default(),
            key_directory,
            resource_server_directory,
            verifying_keys: VerifyingKeys::default(),
            clients: Streams::new(CACHED_STREAMS),
            client_registrations: Streams::new(1_000),
            initial_access_tokens: Streams::new(1_000),
            authorizations: Streams::new(CACHED_STREAMS),
            grants: Streams::new(CACHED_STREAMS),
            reservations: Streams::new(CACHED_STREAMS),
            audits: Streams::new(1_000),
            policies: Streams::remembering_absence(100),
            machine_tokens: Streams::new(1_000),
            signing_keys: Streams::new(100),
            api_keys: Streams::new(10_000),
            resource_servers: Streams::new(10_000),
            idempotency_keys: Streams::new(1_000),
            organizations: Streams::new(10_000),
            subjects: Streams::new(CACHED_STREAMS),
            trusted_issuers: Streams::new(1_000),
            trusted_tokens: Streams::new(10_000),
            issuer_keys: IssuerKeys::default(),
            documents: Documents::default(),
            client_assertions: Streams::new(1_000),
            segments: Streams::new(100),
            rotating_keys: tokio::sync::Mutex::new(()),
        }
    }

    /// What time it is.
    pub fn now(&self) -> crate::domain::Timestamp {
        self.outside.clock.now()
    }

    /// The personal data that the log only holds sealed.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Which signing keys there are.
    pub fn key_directory(&self) -> &dyn KeyDirectory {
        &*self.key_directory
    }
}
