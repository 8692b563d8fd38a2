//! A log to test against, and events to put into it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use grantlog_core::{
    domain::{
        ApiKeyId, AuthorizationId, ClientId, Event, GrantId, InitialAccessTokenId, MachineTokenId, OrganizationId, ResourceServerId,
        Sealed, StreamId, StreamKind, SubjectId, Timestamp, TrustedIssuerId,
        api_key::{ApiKeyEvent, Role},
        authorization::{Authentication, AuthorizationEvent, Basis, DenialError},
        client::{ClientEvent, Registration},
        grant::{CodeBinding, FamilyNumber, Generation, GrantEvent, RevocationReason, TokenNumber},
        initial_access_token::InitialAccessTokenEvent,
        machine_token::MachineTokenEvent,
        organization::{ChangeNumber, OrganizationEvent},
        policy::{self, PolicyEvent},
        resource_server::ResourceServerEvent,
        segment::{CoveringCheckpoint, Positions, SegmentEvent},
        signing_key::SigningKeyEvent,
        subject::{ErasureId, RoleChangeEffect, SubjectChange, SubjectEvent},
        trusted_issuer::TrustedIssuerEvent,
    },
    jose::Algorithm,
    keys::SecretHash,
    protocol::{AccessTokenFormat, ClientMetadata, ResourceServerSettings, Scope},
    store::{Appended, EventStore, ExpectedRevision, Loaded, NewEvent, Position, Recorded, Revision, StoreError},
};
use proptest::prelude::*;
use serde_json::json;
use tokio::sync::watch;
use uuid::Uuid;

/// 2026-01-01, so that no sum of a time and a lifetime is near an edge by chance.
pub(crate) const START: Timestamp = Timestamp(1_767_225_600_000);
pub(crate) const HOUR: i64 = 3_600_000;

pub(crate) fn after(milliseconds: i64) -> Timestamp {
    Timestamp(START.0 + milliseconds)
}

/// A log in memory, which can be made to fail.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Inner>);

#[derive(Default)]
struct Inner {
    events: Mutex<Vec<Arc<Recorded>>>,
    changes: watch::Sender<u64>,
    failing: AtomicBool,
    reads: Mutex<Vec<Option<Position>>>,
}

impl Log {
    pub(crate) fn with(events: &[Arc<Recorded>]) -> Self {
        let log = Self::default();
        log.push(events);
        log
    }

    pub(crate) fn store(&self) -> Arc<dyn EventStore> {
        Arc::new(self.clone())
    }

    pub(crate) fn push(&self, events: &[Arc<Recorded>]) {
        self.0.events.lock().unwrap().extend_from_slice(events);
        self.0.changes.send_modify(|changes| *changes += 1);
    }

    pub(crate) fn fail(&self, failing: bool) {
        self.0.failing.store(failing, Ordering::SeqCst);
        self.0.changes.send_modify(|changes| *changes += 1);
    }

    /// From where it was read, each time.
    pub(crate) fn reads(&self) -> Vec<Option<Position>> {
        self.0.reads.lock().unwrap().clone()
    }

    fn after(&self, position: Option<Position>) -> Vec<Arc<Recorded>> {
        self.0.events.lock().unwrap().iter().filter(|event| Some(event.position) > position).cloned().collect()
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.0.failing.load(Ordering::SeqCst) { Err(StoreError::Unavailable("told to fail".to_owned())) } else { Ok(()) }
    }

    /// The event after `position`, once there is one, or the failure.
    async fn next(&self, position: Option<Position>) -> Result<Arc<Recorded>, StoreError> {
        let mut changes = self.0.changes.subscribe();
        loop {
            self.check()?;
            if let Some(event) = self.after(position).into_iter().next() {
                return Ok(event);
            }
            changes.changed().await.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        }
    }
}

#[async_trait]
impl EventStore for Log {
    async fn load(&self, stream: &StreamId, after: Option<Revision>) -> Result<Loaded, StoreError> {
        let events = self.after(None).into_iter().filter(|event| event.stream == *stream && Some(event.revision) > after);
        Ok(Loaded { events: events.map(|event| Recorded::clone(&event)).collect() })
    }

    async fn append(&self, stream: &StreamId, _: ExpectedRevision, _: Vec<NewEvent>) -> Result<Appended, StoreError> {
        Err(StoreError::Conflict { stream: stream.clone() })
    }

    fn read_all(&self, after: Option<Position>) -> BoxStream<'static, Result<Arc<Recorded>, StoreError>> {
        self.0.reads.lock().unwrap().push(after);
        let failure = self.check().err().map(Err);
        stream::iter(self.after(after).into_iter().map(Ok).chain(failure)).boxed()
    }

    fn follow(&self, after: Option<Position>) -> BoxStream<'static, Result<Arc<Recorded>, StoreError>> {
        let next = |(log, position): (Self, Option<Position>)| async move {
            let event = log.next(position).await;
            let position = event.as_ref().map_or(position, |event| Some(event.position));
            Some((event, (log, position)))
        };
        stream::unfold((self.clone(), after), next).boxed()
    }

    async fn head(&self) -> Result<Option<Position>, StoreError> {
        self.check()?;
        Ok(self.after(None).last().map(|event| event.position))
    }
}

/// Puts an event into its envelope. Positions have gaps: every third is taken.
pub(crate) fn record(index: usize, time: Timestamp, stream: &StreamId, event: &Event) -> Arc<Recorded> {
    let position = 3 * index as u64;
    let encoded = event.encode();
    let event = NewEvent {
        id: Uuid::from_u64_pair(7, position),
        kind: encoded.kind,
        schema: encoded.schema,
        time,
        actor: "system".to_owned(),
        request_id: String::new(),
        data: encoded.data,
    };
    Arc::new(Recorded { position: Position(position), stream: stream.clone(), revision: Revision(position), event })
}

/// A history, written down event by event.
#[derive(Default)]
pub(crate) struct History(pub(crate) Vec<Arc<Recorded>>);

impl History {
    pub(crate) fn at(mut self, time: Timestamp, stream: &StreamId, event: impl Into<Event>) -> Self {
        self.0.push(record(self.0.len(), time, stream, &event.into()));
        self
    }

    /// One that this program can't read.
    pub(crate) fn unreadable(mut self, stream: &StreamId) -> Self {
        let event = Event::from(ClientEvent::Suspended {});
        let mut recorded = Recorded::clone(&record(self.0.len(), START, stream, &event));
        recorded.event.schema = u16::MAX;
        self.0.push(Arc::new(recorded));
        self
    }
}

pub(crate) const fn uuid(number: u8) -> Uuid {
    Uuid::from_u64_pair(1, number as u64)
}

pub(crate) fn client(number: u8) -> ClientId {
    ClientId::from(format!("client-{number}").as_str())
}

pub(crate) fn grant(number: u8) -> GrantId {
    GrantId(uuid(number))
}

pub(crate) fn machine_token(number: u8) -> MachineTokenId {
    MachineTokenId(uuid(number))
}

pub(crate) fn subject(number: u8) -> SubjectId {
    SubjectId(uuid(number))
}

pub(crate) fn authorization(number: u8) -> AuthorizationId {
    AuthorizationId(uuid(number))
}

pub(crate) fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

fn secret() -> SecretHash {
    serde_json::from_value(json!("c2VjcmV0")).unwrap()
}

pub(crate) fn metadata(name: &str) -> ClientMetadata {
    serde_json::from_value(json!({
        "client_type": "third_party",
        "token_endpoint_auth_method": "none",
        "client_name": name,
        "redirect_uris": ["https://client.example/cb"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid email",
        "jwks": {"keys": [{"kty": "OKP", "x": 0.1}]},
        "id_token_signed_response_alg": "RS256",
        "access_token_format": "jwt",
    }))
    .unwrap()
}

pub(crate) fn registered(name: &str) -> ClientEvent {
    ClientEvent::registered(metadata(name), Some(secret()))
}

pub(crate) fn registered_by_itself(name: &str, lease_until: Timestamp) -> ClientEvent {
    ClientEvent::Registered {
        metadata: metadata(name),
        secret: None,
        registration: Registration::Dynamic,
        lease_until: Some(lease_until),
        registration_access_token: Some(secret()),
        document_sha256: None,
    }
}

pub(crate) fn binding(scopes: &str) -> CodeBinding {
    CodeBinding {
        redirect_uri: serde_json::from_value(json!("https://client.example/cb")).unwrap(),
        redirect_uri_given: true,
        code_challenge: None,
        scope: scope(scopes),
        nonce: None,
        authentication: Authentication { auth_time: START, acr: Some("1".to_owned()), amr: vec!["pwd".to_owned()] },
        roles: vec!["editor".to_owned()],
        claims: Some(Sealed { subject: subject(1), sealed: "c2VhbGVk".to_owned() }),
        resources: Vec::new(),
    }
}

fn identifier(number: u8) -> String {
    format!("https://api-{number}.example")
}

pub(crate) fn resource_server(number: u8) -> ResourceServerId {
    ResourceServerId::of(&identifier(number))
}

fn settings(number: u8, scopes: &str) -> ResourceServerSettings {
    serde_json::from_value(json!({
        "identifier": identifier(number),
        "name": "API",
        "access_token_format": "opaque",
        "access_token_signing_alg": "EdDSA",
        "scopes": scopes,
        "access_token_claims": {"roles": "{{ subject.roles }}", "level": 0.5},
    }))
    .unwrap()
}

pub(crate) fn resource_server_registered(number: u8, scopes: &str) -> ResourceServerEvent {
    ResourceServerEvent::Registered { settings: settings(number, scopes) }
}

pub(crate) fn resource_server_updated(number: u8, scopes: &str) -> ResourceServerEvent {
    ResourceServerEvent::Updated { settings: settings(number, scopes) }
}

/// What a first authorization writes to its grant: consent, code, redemption, an access token, a refresh token.
pub(crate) fn connected(history: History, grant_id: GrantId, client_id: ClientId, format: AccessTokenFormat) -> History {
    let stream = grant_id.stream();
    let (family, token) = (FamilyNumber(0), TokenNumber(0));
    history
        .at(START, &stream, GrantEvent::Opened { subject: subject(1), client_id, organization_id: Some(OrganizationId("acme".into())) })
        .at(
            START,
            &stream,
            GrantEvent::Consented {
                authorization_id: authorization(1),
                scope: scope("openid"),
                reason: None,
                shown: None,
                basis: Basis::default(),
            },
        )
        .at(
            START,
            &stream,
            GrantEvent::CodeIssued { authorization_id: authorization(1), binding: binding("openid"), expires_at: after(60_000) },
        )
        .at(after(1), &stream, GrantEvent::CodeRedeemed { authorization_id: authorization(1), family })
        .at(after(1), &stream, access_token(token, family, format, after(HOUR)))
        .at(after(1), &stream, GrantEvent::RefreshTokenIssued { family, expires_at: after(24 * HOUR) })
}

/// A version of the policy that has something of everything.
pub(crate) fn policy_published(version: u32) -> PolicyEvent {
    let document = json!({
        "resources": [{"resource": "jobs", "description": "What is to be done", "actions": ["read", "run"]}],
        "roles": [{"role": "operator", "description": "", "permissions": [{"resource": "jobs", "actions": ["*"]}]}],
        "scopes": [{
            "scope": format!("jobs.{version}"), "description": "Run jobs", "descriptions": {"de": "Aufgaben ausführen"},
            "permissions": [{"resource": "jobs", "actions": ["run"]}],
        }],
    });
    PolicyEvent::Published { version, document: serde_json::from_value(document).unwrap() }
}

pub(crate) fn access_token(token: TokenNumber, family: FamilyNumber, format: AccessTokenFormat, expires_at: Timestamp) -> GrantEvent {
    GrantEvent::AccessTokenIssued {
        token,
        family,
        scope: scope("openid"),
        audience: vec!["https://api.example".to_owned()],
        format,
        expires_at,
    }
}

/// The first nine events but two are in a file.
pub(crate) fn segment_sealed() -> SegmentEvent {
    let positions = Positions::of(3..=9).unwrap();
    SegmentEvent::Sealed {
        last: positions.last(),
        events: positions.count(),
        positions,
        bytes: 1,
        sha256: "00".to_owned(),
        before: START,
        checkpoint: CoveringCheckpoint { size: 9, root: String::new() },
    }
}

pub(crate) fn machine_issued(client_id: ClientId, format: AccessTokenFormat, expires_at: Timestamp) -> MachineTokenEvent {
    MachineTokenEvent::Issued { client_id, scope: scope("jobs"), audience: vec!["https://api.example".to_owned()], format, expires_at }
}

/// Any history, most of them impossible: events in no sensible order, clocks that jump, streams with odd keys.
pub(crate) fn any_history() -> impl Strategy<Value = Vec<Arc<Recorded>>> {
    prop::collection::vec((any_time(), any_event()), 0..60).prop_map(|events| {
        events.into_iter().enumerate().map(|(index, (time, (stream, event)))| record(index, time, &stream, &event)).collect()
    })
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        20 => (0..10 * HOUR).prop_map(after),
        1 => prop_oneof![Just(Timestamp(i64::MIN)), Just(Timestamp(i64::MAX)), Just(Timestamp(0))],
    ]
}

fn any_event() -> impl Strategy<Value = (StreamId, Event)> {
    prop_oneof![
        4 => (0..3_u8, any_client_event()).prop_map(|(number, event)| (client(number).stream(), event.into())),
        12 => (0..3_u8, any_grant_event()).prop_map(|(number, event)| (grant(number).stream(), event.into())),
        1 => (0..4_u32).prop_map(|version| (policy::stream(), policy_published(version).into())),
        3 => (0..6_u8, any_machine_event()).prop_map(|(number, event)| (machine_token(number).stream(), event.into())),
        1 => (0..3_u8, any_signing_key_event()).prop_map(|(number, event)| {
            (StreamId::new(StreamKind::SigningKey, &number.to_string()), event.into())
        }),
        1 => (0..3_u8, any_api_key_event()).prop_map(|(number, event)| (ApiKeyId(uuid(number)).stream(), event.into())),
        3 => any_organization_event().prop_map(|event| (acme().stream(), event.into())),
        3 => (0..3_u8, any_subject_event()).prop_map(|(number, event)| (subject(number).stream(), event.into())),
        2 => (0..3_u8).prop_flat_map(|number| any_resource_server_event(number).prop_map(move |event| {
            (resource_server(number).stream(), event.into())
        })),
        1 => Just((StreamId::new(StreamKind::ResourceServer, "no digest"), resource_server_registered(1, "a").into())),
        1 => (0..3_u8, any_initial_access_token_event()).prop_map(|(number, event)| {
            (InitialAccessTokenId(uuid(number)).stream(), event.into())
        }),
        1 => (0..3_u8, any_trusted_issuer_event()).prop_map(|(number, event)| (TrustedIssuerId(uuid(number)).stream(), event.into())),
        1 => any_grant_event().prop_map(|event| (StreamId::new(StreamKind::Grant, "no uuid"), event.into())),
        1 => Just((authorization(1).stream(), AuthorizationEvent::Denied { error: DenialError::AccessDenied, cause: None }.into())),
    ]
}

fn any_client_event() -> impl Strategy<Value = ClientEvent> {
    prop_oneof![
        6 => Just(registered("first")),
        1 => Just(ClientEvent::Updated { metadata: metadata("second") }),
        1 => Just(ClientEvent::SecretRotationStarted { secret: secret() }),
        1 => Just(ClientEvent::SecretRotationCompleted {}),
        1 => Just(ClientEvent::SecretRotationCancelled {}),
        1 => Just(ClientEvent::Suspended {}),
        1 => Just(ClientEvent::Resumed {}),
        1 => any_time().prop_map(|until| registered_by_itself("third", until)),
        1 => Just(ClientEvent::Used {}),
        1 => any_time().prop_map(|lease_until| ClientEvent::LeaseExtended { lease_until }),
        1 => Just(ClientEvent::Verified {}),
        1 => Just(ClientEvent::VerificationWithdrawn {}),
        1 => Just(ClientEvent::Deleted {}),
    ]
}

pub(crate) fn acme() -> OrganizationId {
    OrganizationId("acme".into())
}

/// Sets a policy of this mode for third-party clients.
pub(crate) fn policy_set(mode: &str) -> OrganizationEvent {
    OrganizationEvent::PolicySet { policy: serde_json::from_value(json!({"third_party": {"mode": mode}})).unwrap() }
}

fn any_organization_event() -> impl Strategy<Value = OrganizationEvent> {
    prop_oneof![
        Just(policy_set("none_allowed")),
        Just(policy_set("all_allowed")),
        (0..3_u8).prop_map(|number| OrganizationEvent::ClientDisconnected { client_id: client(number) }),
        (0..5_u32).prop_map(|change| OrganizationEvent::Enforced { change: ChangeNumber(change) }),
    ]
}

/// What may cut grants in the organization off.
pub(crate) fn any_cut() -> impl Strategy<Value = (StreamId, Event)> {
    prop_oneof![
        any_organization_event().prop_map(|event| (acme().stream(), event.into())),
        (0..3_u8, any_subject_event()).prop_map(|(number, event)| (subject(number).stream(), event.into())),
    ]
}

fn any_effect() -> impl Strategy<Value = RoleChangeEffect> {
    prop_oneof![Just(RoleChangeEffect::Keep), Just(RoleChangeEffect::Narrow), Just(RoleChangeEffect::Revoke)]
}

pub(crate) fn roles_set(roles: &[&str], effect: RoleChangeEffect) -> SubjectEvent {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    SubjectEvent::RolesSet { organization_id: Some(acme()), roles, effect }
}

fn any_subject_event() -> impl Strategy<Value = SubjectEvent> {
    prop_oneof![
        Just(SubjectEvent::Registered {}),
        any_effect().prop_map(|effect| roles_set(&["editor"], effect)),
        any_effect().prop_map(|effect| SubjectEvent::LeftOrganization { organization_id: acme(), effect }),
        (0..5_u32).prop_map(|change| SubjectEvent::Enforced { change: SubjectChange(change) }),
        (0..5_u128).prop_map(|number| SubjectEvent::Erased { erasure_id: ErasureId(Uuid::from_u128(number)) }),
        (0..5_u64).prop_map(|grants_ended| SubjectEvent::ErasureCompleted { grants_ended }),
    ]
}

fn any_format() -> impl Strategy<Value = AccessTokenFormat> {
    prop_oneof![Just(AccessTokenFormat::Jwt), Just(AccessTokenFormat::Opaque)]
}

fn any_scope() -> impl Strategy<Value = Scope> {
    prop_oneof![Just(scope("")), Just(scope("openid")), Just(scope("openid email"))]
}

fn any_grant_event() -> impl Strategy<Value = GrantEvent> {
    let reason = RevocationReason::Disconnected;
    let opened = (0..3_u8, 0..3_u8, any::<bool>()).prop_map(|(who, whom, organization)| GrantEvent::Opened {
        subject: subject(who),
        client_id: client(whom),
        organization_id: organization.then(|| OrganizationId("acme".into())),
    });
    let consented = (0..4_u8, any_scope()).prop_map(|(number, scope)| GrantEvent::Consented {
        authorization_id: authorization(number),
        scope,
        reason: None,
        shown: None,
        basis: Basis::default(),
    });
    let code = (0..4_u8, any_time()).prop_map(|(number, expires_at)| GrantEvent::CodeIssued {
        authorization_id: authorization(number),
        binding: binding("openid email"),
        expires_at,
    });
    let redeemed = (0..4_u8, 0..3_u32)
        .prop_map(|(number, family)| GrantEvent::CodeRedeemed { authorization_id: authorization(number), family: FamilyNumber(family) });
    let token = (0..5_u32, 0..3_u32, any_format(), any_time())
        .prop_map(|(token, family, format, expires_at)| access_token(TokenNumber(token), FamilyNumber(family), format, expires_at));
    let refresh =
        (0..3_u32, any_time()).prop_map(|(family, expires_at)| GrantEvent::RefreshTokenIssued { family: FamilyNumber(family), expires_at });
    let rotated = (0..3_u32, 0..3_u32, any_time()).prop_map(|(family, generation, expires_at)| GrantEvent::RefreshTokenRotated {
        family: FamilyNumber(family),
        generation: Generation(generation),
        expires_at,
    });
    prop_oneof![
        4 => opened,
        2 => consented,
        4 => code,
        4 => redeemed,
        6 => token,
        2 => refresh,
        2 => rotated,
        1 => Just(GrantEvent::CodeReplayed { authorization_id: authorization(1) }),
        1 => Just(GrantEvent::RefreshTokenReplayed { family: FamilyNumber(0), generation: Generation(0) }),
        1 => (0..5_u32).prop_map(move |token| GrantEvent::AccessTokenRevoked { token: TokenNumber(token), reason }),
        1 => (0..3_u32).prop_map(move |family| GrantEvent::FamilyEnded { family: FamilyNumber(family), reason }),
        1 => any_scope().prop_map(move |scope| GrantEvent::Narrowed { scope, reason }),
        1 => Just(GrantEvent::SessionsEnded { reason }),
        1 => Just(GrantEvent::Revoked { reason }),
    ]
}

fn any_machine_event() -> impl Strategy<Value = MachineTokenEvent> {
    let issued = (0..3_u8, any_format(), any_time()).prop_map(|(number, format, at)| machine_issued(client(number), format, at));
    prop_oneof![3 => issued, 1 => Just(MachineTokenEvent::Revoked {})]
}

pub(crate) fn generated() -> SigningKeyEvent {
    SigningKeyEvent::Generated {
        algorithm: Algorithm::EdDsa,
        public_jwk: json!({"kty": "OKP", "crv": "Ed25519"}),
        active_from: after(HOUR),
    }
}

fn any_signing_key_event() -> impl Strategy<Value = SigningKeyEvent> {
    prop_oneof![
        Just(generated()),
        any_time().prop_map(|at| SigningKeyEvent::Retired { at, published_until: at }),
        Just(SigningKeyEvent::Revoked {}),
    ]
}

pub(crate) fn initial_access_token_created() -> InitialAccessTokenEvent {
    InitialAccessTokenEvent::Created { name: "partners".to_owned(), expires_at: after(HOUR), max_uses: 3, secret: secret() }
}

fn any_initial_access_token_event() -> impl Strategy<Value = InitialAccessTokenEvent> {
    prop_oneof![
        Just(initial_access_token_created()),
        Just(InitialAccessTokenEvent::Used { client_id: client(1) }),
        Just(InitialAccessTokenEvent::Revoked {}),
    ]
}

pub(crate) fn api_key_created() -> ApiKeyEvent {
    ApiKeyEvent::Created {
        name: "api".to_owned(),
        role: Role::ResourceServer,
        audience: Some("https://api.example".to_owned()),
        secret: secret(),
    }
}

pub(crate) fn trusted_issuer(issuer: &str) -> TrustedIssuerEvent {
    let settings = serde_json::from_value(json!({
        "issuer": issuer, "jwks": {"keys": [{"kty": "OKP", "x": 0.1}]}, "audience": "grantlog", "algorithms": ["ES256"],
        "claims": {"subject": "sub", "organization": "org_id", "roles": "roles", "acr": "acr", "amr": "amr"},
        "origins": ["https://app.example"], "max_token_age": 300,
    }));
    TrustedIssuerEvent::Registered { settings: settings.unwrap() }
}

fn any_trusted_issuer_event() -> impl Strategy<Value = TrustedIssuerEvent> {
    prop_oneof![
        Just(trusted_issuer("https://login.example")),
        Just(trusted_issuer("https://other.example")),
        Just(TrustedIssuerEvent::Deleted {}),
    ]
}

fn any_api_key_event() -> impl Strategy<Value = ApiKeyEvent> {
    prop_oneof![Just(api_key_created()), Just(ApiKeyEvent::Revoked {})]
}

fn any_resource_server_event(number: u8) -> impl Strategy<Value = ResourceServerEvent> {
    prop_oneof![
        3 => Just(resource_server_registered(number, "notes.read notes.write")),
        1 => Just(resource_server_updated(number, "notes.read")),
        1 => Just(ResourceServerEvent::Deleted {}),
    ]
}
