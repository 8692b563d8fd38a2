//! The golden files: what was ever written can be read for ever.
//!
//! `tests/golden/events/<stream>/<name>.v<schema>.json` holds the payload of `<stream>.<name>` in canonical form and a
//! line break; further files of a type carry a case, `<name>.<case>.v<schema>.json`. Files are added by running this
//! test with `GOLDEN=write`, which never touches a file that is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Once,
};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::{
    domain::{
        AuthorizationId, ClientId, GrantId, OrganizationId, Sealed, Seconds, SubjectId, Timestamp, TrustedIssuerId,
        api_key::Role,
        audit::{Filters, Question},
        authorization::{
            Authentication, AuthorizationParameters, Basis, ConsentReason, DenialCause, DenialError, Prompt, ResponseMode, Shown,
        },
        client::Registration,
        grant::{CodeBinding, FamilyNumber, Generation, RevocationReason, TokenNumber},
        organization::{ChangeNumber, ClientRule, OrganizationPolicy, RuleMode},
        policy::PolicyDocument,
        segment::{CoveringCheckpoint, Positions},
        subject::{ErasureId, RoleChangeEffect, SubjectChange},
    },
    jose::{Algorithm, VerificationAlgorithm},
    protocol::{
        AccessTokenFormat, ClaimsTemplate, ClientAuthenticationMethod, ClientMetadata, ClientType, CustomClaims, GrantType,
        ResourceServerSettings, Scope, TrustedIssuerSettings, trusted_issuer::ClaimMapping,
    },
};

/// Names every event twice: for the compiler, so that a new event does not compile until it stands here, and as a
/// list, so that it then needs a sample and a golden file.
macro_rules! wire_names {
    ($($event:ident { $($variant:ident => $name:literal),+ $(,)? }),+ $(,)?) => {
        const WIRE_NAMES: &[&str] = &[$($($name),+),+];

        fn wire_name(event: &Event) -> &'static str {
            match event {
                $($(wire_names!(@pattern $event $variant) => $name),+),+
            }
        }
    };
    (@pattern Client $variant:ident) => { Event::Client(ClientEvent::$variant { .. }) };
    (@pattern ClientRegistration $variant:ident) => { Event::ClientRegistration(ClientRegistrationEvent::$variant { .. }) };
    (@pattern InitialAccessToken $variant:ident) => { Event::InitialAccessToken(InitialAccessTokenEvent::$variant { .. }) };
    (@pattern Authorization $variant:ident) => { Event::Authorization(AuthorizationEvent::$variant { .. }) };
    (@pattern Grant $variant:ident) => { Event::Grant(GrantEvent::$variant { .. }) };
    (@pattern GrantReservation $variant:ident) => { Event::GrantReservation(GrantReservationEvent::$variant { .. }) };
    (@pattern Audit $variant:ident) => { Event::Audit(AuditEvent::$variant { .. }) };
    (@pattern Policy $variant:ident) => { Event::Policy(PolicyEvent::$variant { .. }) };
    (@pattern MachineToken $variant:ident) => { Event::MachineToken(MachineTokenEvent::$variant { .. }) };
    (@pattern SigningKey $variant:ident) => { Event::SigningKey(SigningKeyEvent::$variant { .. }) };
    (@pattern ApiKey $variant:ident) => { Event::ApiKey(ApiKeyEvent::$variant { .. }) };
    (@pattern ResourceServer $variant:ident) => { Event::ResourceServer(ResourceServerEvent::$variant { .. }) };
    (@pattern IdempotencyKey $variant:ident) => { Event::IdempotencyKey(IdempotencyKeyEvent::$variant { .. }) };
    (@pattern Organization $variant:ident) => { Event::Organization(OrganizationEvent::$variant { .. }) };
    (@pattern Subject $variant:ident) => { Event::Subject(SubjectEvent::$variant { .. }) };
    (@pattern TrustedIssuer $variant:ident) => { Event::TrustedIssuer(TrustedIssuerEvent::$variant { .. }) };
    (@pattern TrustedToken $variant:ident) => { Event::TrustedToken(TrustedTokenEvent::$variant { .. }) };
    (@pattern ClientAssertion $variant:ident) => { Event::ClientAssertion(ClientAssertionEvent::$variant { .. }) };
    (@pattern Segment $variant:ident) => { Event::Segment(SegmentEvent::$variant { .. }) };
}

wire_names! {
    Client {
        Registered => "client.registered",
        Updated => "client.updated",
        DocumentChanged => "client.document_changed",
        Withdrawn => "client.withdrawn",
        Reinstated => "client.reinstated",
        SecretRotationStarted => "client.secret_rotation_started",
        SecretRotationCompleted => "client.secret_rotation_completed",
        SecretRotationCancelled => "client.secret_rotation_cancelled",
        Suspended => "client.suspended",
        Resumed => "client.resumed",
        Used => "client.used",
        LeaseExtended => "client.lease_extended",
        Verified => "client.verified",
        VerificationWithdrawn => "client.verification_withdrawn",
        Deleted => "client.deleted",
    },
    ClientRegistration {
        Assigned => "client_registration.assigned",
    },
    InitialAccessToken {
        Created => "initial_access_token.created",
        Used => "initial_access_token.used",
        Revoked => "initial_access_token.revoked",
    },
    Authorization {
        Requested => "authorization.requested",
        SubjectAttested => "authorization.subject_attested",
        Approved => "authorization.approved",
        Completed => "authorization.completed",
        Denied => "authorization.denied",
    },
    Grant {
        Opened => "grant.opened",
        Consented => "grant.consented",
        CodeIssued => "grant.code_issued",
        CodeRedeemed => "grant.code_redeemed",
        CodeReplayed => "grant.code_replayed",
        AccessTokenIssued => "grant.access_token_issued",
        RefreshTokenIssued => "grant.refresh_token_issued",
        RefreshTokenRotated => "grant.refresh_token_rotated",
        RefreshTokenReplayed => "grant.refresh_token_replayed",
        AccessTokenRevoked => "grant.access_token_revoked",
        FamilyEnded => "grant.family_ended",
        Narrowed => "grant.narrowed",
        SessionsEnded => "grant.sessions_ended",
        Revoked => "grant.revoked",
    },
    GrantReservation {
        Made => "grant_reservation.made",
    },
    Audit {
        Read => "audit.read",
    },
    Policy {
        Published => "policy.published",
    },
    MachineToken {
        Issued => "machine_token.issued",
        Revoked => "machine_token.revoked",
    },
    SigningKey {
        Generated => "signing_key.generated",
        Retired => "signing_key.retired",
        Revoked => "signing_key.revoked",
    },
    ApiKey {
        Created => "api_key.created",
        Revoked => "api_key.revoked",
    },
    ResourceServer {
        Registered => "resource_server.registered",
        Updated => "resource_server.updated",
        Deleted => "resource_server.deleted",
    },
    IdempotencyKey {
        Used => "idempotency_key.used",
    },
    Organization {
        PolicySet => "organization.policy_set",
        ClientDisconnected => "organization.client_disconnected",
        Enforced => "organization.enforced",
    },
    Subject {
        Registered => "subject.registered",
        RolesSet => "subject.roles_set",
        LeftOrganization => "subject.left_organization",
        Enforced => "subject.enforced",
        Erased => "subject.erased",
        ErasureCompleted => "subject.erasure_completed",
    },
    TrustedIssuer {
        Registered => "trusted_issuer.registered",
        Updated => "trusted_issuer.updated",
        Deleted => "trusted_issuer.deleted",
    },
    TrustedToken {
        Bound => "trusted_token.bound",
    },
    ClientAssertion {
        Used => "client_assertion.used",
    },
    Segment {
        Sealed => "segment.sealed",
        Dropped => "segment.dropped",
    },
}

const NOW: Timestamp = Timestamp(1_772_546_400_000);
const LATER: Timestamp = Timestamp(1_772_546_460_000);
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const DOCUMENT_SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const SECRET_HASH: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const FAMILY: FamilyNumber = FamilyNumber(1);
const AUTHORIZATION: AuthorizationId = AuthorizationId(id(1));
const GRANT: GrantId = GrantId(id(2));
const SUBJECT: SubjectId = SubjectId(id(3));

const fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x019a_2d5e_6c00_7000_8000_0000_0000_0000 | number)
}

/// A value of a type that is one string on the wire.
fn text<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_value(Value::from(text)).expect("the text is one of these")
}

fn scope(words: &str) -> Scope {
    words.parse().expect("a scope")
}

fn client() -> ClientId {
    ClientId::from("calendar")
}

fn organization() -> OrganizationId {
    OrganizationId("acme".into())
}

fn policy() -> OrganizationPolicy {
    OrganizationPolicy {
        first_party: ClientRule { mode: RuleMode::NoneAllowed, ..ClientRule::default() },
        third_party: ClientRule { mode: RuleMode::Restricted, clients: [client()].into(), hosts: ["chat.example.com".to_owned()].into() },
    }
}

fn roles() -> BTreeSet<String> {
    ["editor".to_owned(), "owner".to_owned()].into()
}

fn sealed() -> Sealed {
    Sealed { subject: SUBJECT, sealed: "AAECAwQFBgcICQoLYTGpQaXcTLrl0yVOlpXEPUVuaG1Kc0x5".into() }
}

fn authentication() -> Authentication {
    Authentication { auth_time: NOW, acr: Some("urn:example:mfa".into()), amr: vec!["pwd".into(), "otp".into()] }
}

fn shown() -> Shown {
    Shown {
        ui_build: Some("2026.3.1".into()),
        locale: Some("de-CH".into()),
        texts_sha256: Some("5f".repeat(32)),
        descriptions_sha256: None,
    }
}

fn basis() -> Basis {
    Basis { policy_version: Some(3), client_sha256: Some("5f".repeat(32)) }
}

fn rbac() -> PolicyDocument {
    let permission = |actions: &[&str]| json!([{"resource": "calendars", "actions": actions}]);
    let document = json!({
        "resources": [{"resource": "calendars", "description": "What people have to do", "actions": ["read", "write"]}],
        "roles": [{"role": "member", "description": "Everybody", "permissions": permission(&["*"])}],
        "scopes": [
            {"scope": "calendar.read", "description": "See your calendars", "descriptions": {"de-CH": "Deine Kalender ansehen"},
             "permissions": permission(&["read"])},
            {"scope": "openid", "description": "Know who you are", "permissions": []},
        ],
    });
    serde_json::from_value(document).expect("a policy")
}

fn jwk() -> Value {
    // RFC 8037 Appendix A.2
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "k1", "alg": "EdDSA", "use": "sig"})
}

/// A question that is narrowed in every way there is.
fn everything_asked() -> AuditEvent {
    let filters = Filters {
        subject: Some(SUBJECT),
        client_id: Some("client_calendar".into()),
        organization_id: Some(OrganizationId("acme".into())),
        grant_id: Some(GRANT),
        authorization_id: Some(AUTHORIZATION),
        actor: Some("system".into()),
        kind: Some("grant.revoked".into()),
        token: Some("AQGaLV5sAHAAgAAAAAAAAAIAAAAA".into()),
        from: Some(NOW),
        to: Some(LATER),
        as_of: Some(NOW),
        position: Some(81_230),
        after: Some(81_000),
        unknown: vec!["actor".into()],
    };
    AuditEvent::Read { what: Question::ConsentHistory, filters }
}

/// A client that says as little as possible.
fn machine() -> ClientMetadata {
    ClientMetadata {
        client_type: ClientType::Machine,
        token_endpoint_auth_method: ClientAuthenticationMethod::ClientSecretBasic,
        client_name: "Nightly build".into(),
        client_uri: None,
        logo_uri: None,
        policy_uri: None,
        tos_uri: None,
        redirect_uris: Vec::new(),
        grant_types: vec![GrantType::ClientCredentials],
        scope: scope("build.read"),
        default_scope: Scope::default(),
        required_scope: Scope::default(),
        organization_id: None,
        resources: Vec::new(),
        jwks: None,
        id_token_signed_response_alg: Algorithm::Rs256,
        claims_in_id_token: false,
        claims: CustomClaims::default(),
        access_token_format: AccessTokenFormat::Jwt,
        access_token_lifetime: None,
        refresh_token_lifetime: None,
        refresh_grace: None,
        pkce_exempt: false,
        bypass_consent_for_offline_access: false,
        full_access_allowed: false,
        token_endpoint_as_assertion_audience: false,
        default_max_age: None,
    }
}

/// A client that says everything.
fn calendar() -> ClientMetadata {
    ClientMetadata {
        client_type: ClientType::ThirdParty,
        token_endpoint_auth_method: ClientAuthenticationMethod::PrivateKeyJwt,
        client_name: "Zoë's calendar".into(),
        client_uri: Some("https://calendar.example/".into()),
        logo_uri: Some("https://calendar.example/logo.svg".into()),
        policy_uri: Some("https://calendar.example/privacy".into()),
        tos_uri: Some("https://calendar.example/terms".into()),
        redirect_uris: vec![text("https://calendar.example/callback"), text("http://127.0.0.1/callback")],
        grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        scope: scope("openid profile offline_access calendar.read"),
        default_scope: scope("openid"),
        required_scope: Scope::default(),
        organization_id: None,
        resources: Vec::new(),
        jwks: Some(json!({"keys": [jwk()]})),
        id_token_signed_response_alg: Algorithm::EdDsa,
        claims_in_id_token: true,
        claims: CustomClaims::default(),
        access_token_format: AccessTokenFormat::Opaque,
        access_token_lifetime: Some(Seconds(300)),
        refresh_token_lifetime: Some(Seconds(2_592_000)),
        refresh_grace: Some(Seconds(0)),
        pkce_exempt: true,
        bypass_consent_for_offline_access: true,
        full_access_allowed: false,
        token_endpoint_as_assertion_audience: true,
        default_max_age: Some(Seconds(3600)),
    }
}

/// A client with what its members got later.
fn workspace() -> ClientMetadata {
    ClientMetadata {
        client_type: ClientType::FirstParty,
        required_scope: scope("openid"),
        organization_id: Some(organization()),
        resources: vec!["https://api.example/".into()],
        full_access_allowed: true,
        ..calendar()
    }
}

/// A client with custom claims.
fn with_claims() -> ClientMetadata {
    let claims = CustomClaims { access_token: template(), id_token: template(), userinfo: template() };
    ClientMetadata { claims, ..machine() }
}

fn full_request() -> AuthorizationParameters {
    AuthorizationParameters {
        client_id: client(),
        redirect_uri: text("https://calendar.example/callback"),
        redirect_uri_given: true,
        response_mode: ResponseMode::FormPost,
        scope: scope("openid calendar.read"),
        state: Some("a/state \"of\" ours".into()),
        nonce: Some("n-0S6_WzA2Mj".into()),
        code_challenge: Some(text(CHALLENGE)),
        prompt: vec![Prompt::Login, Prompt::Consent],
        max_age: Some(Seconds(0)),
        acr_values: vec!["urn:example:mfa".into()],
        expected_subject: Some(SUBJECT),
        resources: Vec::new(),
        ui_locales: Some("de-CH en".into()),
        display: Some("popup".into()),
    }
}

fn smallest_request() -> AuthorizationParameters {
    AuthorizationParameters {
        client_id: client(),
        redirect_uri: text("https://calendar.example/callback"),
        redirect_uri_given: false,
        response_mode: ResponseMode::Query,
        scope: scope("calendar.read"),
        state: None,
        nonce: None,
        code_challenge: None,
        prompt: Vec::new(),
        max_age: None,
        acr_values: Vec::new(),
        expected_subject: None,
        resources: Vec::new(),
        ui_locales: None,
        display: None,
    }
}

fn full_binding() -> CodeBinding {
    CodeBinding {
        redirect_uri: text("https://calendar.example/callback"),
        redirect_uri_given: true,
        code_challenge: Some(text(CHALLENGE)),
        scope: scope("openid calendar.read"),
        nonce: Some("n-0S6_WzA2Mj".into()),
        authentication: authentication(),
        roles: Vec::new(),
        claims: Some(sealed()),
        resources: Vec::new(),
    }
}

/// A request with what requests got later.
fn request_for_resources() -> AuthorizationParameters {
    AuthorizationParameters { resources: resources(), ..smallest_request() }
}

/// A binding with what bindings got later.
fn binding_for_resources() -> CodeBinding {
    CodeBinding { roles: vec!["editor".into()], resources: resources(), ..full_binding() }
}

fn resources() -> Vec<String> {
    vec!["https://api.example/".into(), "urn:example:files".into()]
}

fn smallest_binding() -> CodeBinding {
    CodeBinding {
        redirect_uri: text("https://calendar.example/callback"),
        redirect_uri_given: false,
        code_challenge: None,
        scope: scope("calendar.read"),
        nonce: None,
        authentication: Authentication { auth_time: NOW, acr: None, amr: Vec::new() },
        roles: Vec::new(),
        claims: None,
        resources: Vec::new(),
    }
}

fn trusted_issuer() -> TrustedIssuerSettings {
    let text = |path: &str| path.parse().expect("a place in claims");
    TrustedIssuerSettings {
        jwks_uri: Some("https://login.example.com/jwks".into()),
        jwks: None,
        algorithms: vec![VerificationAlgorithm::Es256, VerificationAlgorithm::Ps256],
        claims: ClaimMapping {
            auth_time: Some(text("/session/began")),
            passed_on: [("email".to_owned(), text("/user/email"))].into(),
            ..smallest_trusted_issuer().claims
        },
        ..smallest_trusted_issuer()
    }
}

fn smallest_trusted_issuer() -> TrustedIssuerSettings {
    let text = |path: &str| path.parse().expect("a place in claims");
    TrustedIssuerSettings {
        issuer: "https://login.example.com".into(),
        jwks_uri: None,
        jwks: Some(json!({"keys": [jwk()]})),
        audience: "grantlog".into(),
        algorithms: vec![VerificationAlgorithm::EdDsa],
        claims: ClaimMapping {
            subject: text("sub"),
            organization: text("org_id"),
            roles: text("roles"),
            auth_time: None,
            acr: text("acr"),
            amr: text("amr"),
            passed_on: BTreeMap::new(),
        },
        origins: vec!["https://app.example.com".parse().expect("an origin")],
        max_token_age: Seconds(300),
    }
}

/// Every event, by the name of its golden file without the schema version: first with everything that it can hold.
fn samples() -> Vec<(&'static str, Event)> {
    [client_samples(), registration_samples(), authorization_samples(), grant_samples(), other_samples()].concat()
}

fn registration_samples() -> Vec<(&'static str, Event)> {
    use InitialAccessTokenEvent as E;
    vec![
        ("client_registration/assigned", ClientRegistrationEvent::Assigned { client_id: client() }.into()),
        (
            "initial_access_token/created",
            E::Created { name: "partners".to_owned(), expires_at: LATER, max_uses: 20, secret: text(SECRET_HASH) }.into(),
        ),
        ("initial_access_token/used", E::Used { client_id: client() }.into()),
        ("initial_access_token/revoked", E::Revoked {}.into()),
    ]
}

fn client_samples() -> Vec<(&'static str, Event)> {
    use ClientEvent as E;
    let samples = [
        ("client/registered", E::registered(calendar(), Some(text(SECRET_HASH)))),
        ("client/registered.first_party", E::registered(workspace(), None)),
        ("client/registered.custom_claims", E::registered(with_claims(), None)),
        ("client/registered.minimal", E::registered(machine(), None)),
        (
            "client/registered.by_itself",
            E::Registered {
                metadata: calendar(),
                secret: Some(text(SECRET_HASH)),
                registration: Registration::Dynamic,
                lease_until: Some(LATER),
                registration_access_token: Some(text(SECRET_HASH)),
                document_sha256: None,
            },
        ),
        ("client/updated", E::Updated { metadata: calendar() }),
        ("client/updated.minimal", E::Updated { metadata: machine() }),
        (
            "client/registered.metadata_document",
            E::Registered {
                metadata: calendar(),
                secret: None,
                registration: Registration::MetadataDocument,
                lease_until: None,
                registration_access_token: None,
                document_sha256: Some(DOCUMENT_SHA256.into()),
            },
        ),
        ("client/document_changed", E::DocumentChanged { metadata: calendar(), document_sha256: DOCUMENT_SHA256.into() }),
        ("client/withdrawn", E::Withdrawn {}),
        ("client/reinstated", E::Reinstated {}),
        ("client/secret_rotation_started", E::SecretRotationStarted { secret: text(SECRET_HASH) }),
        ("client/secret_rotation_completed", E::SecretRotationCompleted {}),
        ("client/secret_rotation_cancelled", E::SecretRotationCancelled {}),
        ("client/suspended", E::Suspended {}),
        ("client/resumed", E::Resumed {}),
        ("client/used", E::Used {}),
        ("client/lease_extended", E::LeaseExtended { lease_until: LATER }),
        ("client/verified", E::Verified {}),
        ("client/verification_withdrawn", E::VerificationWithdrawn {}),
        ("client/deleted", E::Deleted {}),
    ];
    samples.map(|(file, event)| (file, event.into())).into()
}

fn authorization_samples() -> Vec<(&'static str, Event)> {
    use AuthorizationEvent as E;
    let binding = Some(CHALLENGE.to_owned());
    let (shown, nothing_shown) = (Some(shown()), Some(Shown::default()));
    let approved = |scope, consent_reason, shown| E::Approved { scope, consent_reason, shown, basis: Basis::default() };
    let denied = |error| E::Denied { error, cause: None };
    let samples = [
        ("authorization/requested", E::Requested { parameters: full_request(), browser_binding: binding, hosted: true, expires_at: LATER }),
        (
            "authorization/requested.minimal",
            E::Requested { parameters: smallest_request(), browser_binding: None, hosted: false, expires_at: LATER },
        ),
        (
            "authorization/requested.resources",
            E::Requested { parameters: request_for_resources(), browser_binding: None, hosted: false, expires_at: LATER },
        ),
        (
            "authorization/subject_attested",
            E::SubjectAttested {
                subject: SUBJECT,
                organization_id: Some(organization()),
                authentication: authentication(),
                roles: vec!["admin".into(), "auditor".into()],
                claims: Some(sealed()),
            },
        ),
        (
            "authorization/subject_attested.minimal",
            E::SubjectAttested {
                subject: SUBJECT,
                organization_id: None,
                authentication: Authentication { auth_time: NOW, acr: None, amr: Vec::new() },
                roles: Vec::new(),
                claims: None,
            },
        ),
        ("authorization/approved", approved(scope("openid"), Some(ConsentReason::ScopesAdded), shown)),
        ("authorization/approved.nothing_shown", approved(scope("openid"), Some(ConsentReason::PromptConsent), nothing_shown)),
        (
            "authorization/approved.with_basis",
            E::Approved { scope: scope("openid"), consent_reason: Some(ConsentReason::Revoked), shown: None, basis: basis() },
        ),
        (
            "authorization/approved.described",
            approved(
                scope("openid"),
                Some(ConsentReason::FirstTime),
                Some(Shown { descriptions_sha256: Some("6a".repeat(32)), ..self::shown() }),
            ),
        ),
        ("authorization/approved.minimal", approved(Scope::default(), None, None)),
        ("authorization/completed", E::Completed { grant_id: GRANT }),
        ("authorization/denied", denied(DenialError::AccessDenied)),
        ("authorization/denied.login_required", denied(DenialError::LoginRequired)),
        ("authorization/denied.account_selection_required", denied(DenialError::AccountSelectionRequired)),
        ("authorization/denied.consent_required", denied(DenialError::ConsentRequired)),
        ("authorization/denied.interaction_required", denied(DenialError::InteractionRequired)),
        ("authorization/denied.unmet_authentication_requirements", denied(DenialError::UnmetAuthenticationRequirements)),
        (
            "authorization/denied.nothing_grantable",
            E::Denied { error: DenialError::AccessDenied, cause: Some(DenialCause::NothingGrantable) },
        ),
        (
            "authorization/denied.required_scope_not_grantable",
            E::Denied { error: DenialError::AccessDenied, cause: Some(DenialCause::RequiredScopeNotGrantable) },
        ),
        (
            "authorization/denied.client_of_another_organization",
            E::Denied { error: DenialError::AccessDenied, cause: Some(DenialCause::ClientOfAnotherOrganization) },
        ),
        (
            "authorization/denied.client_not_allowed",
            E::Denied { error: DenialError::AccessDenied, cause: Some(DenialCause::ClientNotAllowed) },
        ),
        (
            "authorization/denied.client_type_not_allowed",
            E::Denied { error: DenialError::AccessDenied, cause: Some(DenialCause::ClientTypeNotAllowed) },
        ),
        (
            "authorization/denied.client_disconnected",
            E::Denied { error: DenialError::AccessDenied, cause: Some(DenialCause::ClientDisconnected) },
        ),
        ("authorization/denied.not_a_member", E::Denied { error: DenialError::AccessDenied, cause: Some(DenialCause::NotAMember) }),
        ("authorization/denied.subject_erased", E::Denied { error: DenialError::AccessDenied, cause: Some(DenialCause::SubjectErased) }),
    ];
    samples.map(|(file, event)| (file, event.into())).into()
}

fn grant_samples() -> Vec<(&'static str, Event)> {
    use GrantEvent as E;
    let (authorization_id, token, family) = (AUTHORIZATION, TokenNumber(2), FAMILY);
    let (generation, expires_at) = (Generation(3), LATER);
    let agreed = |reason, shown, basis| E::Consented { authorization_id, scope: scope("openid calendar.read"), reason, shown, basis };
    let consented = |reason, shown| agreed(reason, shown, Basis::default());
    let issued = |audience, format| E::AccessTokenIssued { token, family, scope: scope("calendar.read"), audience, format, expires_at };
    let samples = [
        ("grant/opened", E::Opened { subject: SUBJECT, client_id: client(), organization_id: Some(organization()) }),
        ("grant/opened.minimal", E::Opened { subject: SUBJECT, client_id: client(), organization_id: None }),
        ("grant/consented", consented(Some(ConsentReason::FirstTime), Some(shown()))),
        ("grant/consented.offline_access", consented(Some(ConsentReason::OfflineAccess), None)),
        ("grant/consented.consent_expired", agreed(Some(ConsentReason::ConsentExpired), None, basis())),
        ("grant/consented.client_changed", agreed(Some(ConsentReason::ClientChanged), None, basis())),
        ("grant/consented.minimal", consented(None, None)),
        ("grant/code_issued", E::CodeIssued { authorization_id, binding: full_binding(), expires_at }),
        ("grant/code_issued.minimal", E::CodeIssued { authorization_id, binding: smallest_binding(), expires_at }),
        ("grant/code_issued.resources", E::CodeIssued { authorization_id, binding: binding_for_resources(), expires_at }),
        ("grant/code_redeemed", E::CodeRedeemed { authorization_id, family }),
        ("grant/code_replayed", E::CodeReplayed { authorization_id }),
        ("grant/access_token_issued", issued(vec!["https://api.example/".into()], AccessTokenFormat::Jwt)),
        ("grant/access_token_issued.opaque", issued(Vec::new(), AccessTokenFormat::Opaque)),
        ("grant/refresh_token_issued", E::RefreshTokenIssued { family, expires_at }),
        ("grant/refresh_token_rotated", E::RefreshTokenRotated { family, generation, expires_at }),
        ("grant/refresh_token_replayed", E::RefreshTokenReplayed { family, generation }),
        ("grant/access_token_revoked", E::AccessTokenRevoked { token, reason: RevocationReason::RequestedByClient }),
        ("grant/family_ended", E::FamilyEnded { family, reason: RevocationReason::RefreshTokenReplayed }),
        ("grant/family_ended.code_replayed", E::FamilyEnded { family, reason: RevocationReason::CodeReplayed }),
        ("grant/narrowed", E::Narrowed { scope: scope("openid"), reason: RevocationReason::RolesChanged }),
        ("grant/sessions_ended", E::SessionsEnded { reason: RevocationReason::SessionsEnded }),
        ("grant/revoked", E::Revoked { reason: RevocationReason::Disconnected }),
        ("grant/revoked.organization_policy", E::Revoked { reason: RevocationReason::OrganizationPolicy }),
        ("grant/revoked.organization_disconnected", E::Revoked { reason: RevocationReason::OrganizationDisconnected }),
        ("grant/revoked.left_organization", E::Revoked { reason: RevocationReason::LeftOrganization }),
        ("grant/revoked.subject_erased", E::Revoked { reason: RevocationReason::SubjectErased }),
    ];
    samples.map(|(file, event)| (file, event.into())).into()
}

fn resource_server_settings() -> ResourceServerSettings {
    ResourceServerSettings {
        access_token_format: AccessTokenFormat::Opaque,
        access_token_lifetime: Some(Seconds(300)),
        access_token_signing_alg: Algorithm::Es256,
        scopes: scope("calendar.read calendar.write"),
        default_scope: scope("calendar.read"),
        access_token_claims: template(),
        documentation: Some("https://api.example/docs".into()),
        ..smallest_settings()
    }
}

fn smallest_settings() -> ResourceServerSettings {
    ResourceServerSettings {
        identifier: "https://api.example/".into(),
        name: "Calendar API".into(),
        access_token_format: AccessTokenFormat::Jwt,
        access_token_lifetime: None,
        access_token_signing_alg: Algorithm::EdDsa,
        scopes: Scope::default(),
        default_scope: Scope::default(),
        access_token_claims: ClaimsTemplate::default(),
        documentation: None,
    }
}

fn template() -> ClaimsTemplate {
    serde_json::from_value(json!({"roles": "{{ subject.roles }}"})).expect("an object")
}

fn other_samples() -> Vec<(&'static str, Event)> {
    let created = |role, audience| ApiKeyEvent::Created { name: "Our API".into(), role, audience, secret: text(SECRET_HASH) };
    let generated = |algorithm| SigningKeyEvent::Generated { algorithm, public_jwk: jwk(), active_from: NOW };
    let issued = |audience, format| MachineTokenEvent::Issued {
        client_id: ClientId::from("nightly-build"),
        scope: scope("build.read"),
        audience,
        format,
        expires_at: LATER,
    };
    vec![
        ("grant_reservation/made", GrantReservationEvent::Made { grant_id: GRANT }.into()),
        ("audit/read", everything_asked().into()),
        ("audit/read.everything", AuditEvent::Read { what: Question::Export, filters: Filters::default() }.into()),
        (
            "audit/read.ledger_entries",
            AuditEvent::Read { what: Question::LedgerEntries, filters: Filters { after: Some(256), ..Filters::default() } }.into(),
        ),
        (
            "audit/read.consent_receipt",
            AuditEvent::Read { what: Question::ConsentReceipt, filters: Filters { position: Some(7), ..Filters::default() } }.into(),
        ),
        ("audit/read.erasures", AuditEvent::Read { what: Question::Erasures, filters: Filters::default() }.into()),
        (
            "audit/read.inclusion_proof",
            AuditEvent::Read { what: Question::InclusionProof, filters: Filters { position: Some(7), ..Filters::default() } }.into(),
        ),
        ("policy/published", PolicyEvent::Published { version: 7, document: rbac() }.into()),
        ("policy/published.empty", PolicyEvent::Published { version: 1, document: PolicyDocument::default() }.into()),
        ("machine_token/issued", issued(vec!["https://api.example/".into()], AccessTokenFormat::Jwt).into()),
        ("machine_token/issued.opaque", issued(Vec::new(), AccessTokenFormat::Opaque).into()),
        ("machine_token/revoked", MachineTokenEvent::Revoked {}.into()),
        ("signing_key/generated", generated(Algorithm::EdDsa).into()),
        ("signing_key/generated.es256", generated(Algorithm::Es256).into()),
        ("signing_key/generated.rs256", generated(Algorithm::Rs256).into()),
        ("signing_key/retired", SigningKeyEvent::Retired { at: NOW, published_until: LATER }.into()),
        ("signing_key/revoked", SigningKeyEvent::Revoked {}.into()),
        ("api_key/created", created(Role::ResourceServer, Some("https://api.example/".into())).into()),
        ("api_key/created.admin", created(Role::Admin, None).into()),
        ("api_key/created.consent", created(Role::Consent, None).into()),
        ("api_key/created.auditor", created(Role::Auditor, None).into()),
        ("api_key/revoked", ApiKeyEvent::Revoked {}.into()),
        ("resource_server/registered", ResourceServerEvent::Registered { settings: resource_server_settings() }.into()),
        ("resource_server/registered.minimal", ResourceServerEvent::Registered { settings: smallest_settings() }.into()),
        ("resource_server/updated", ResourceServerEvent::Updated { settings: resource_server_settings() }.into()),
        ("resource_server/deleted", ResourceServerEvent::Deleted {}.into()),
        (
            "idempotency_key/used",
            IdempotencyKeyEvent::Used {
                operation: "registerClient".to_owned(),
                request_hash: "jZae727K08KaOmKSgOaGzww_XVqGr_PKEgIMkjrcbJI".to_owned(),
                expires_at: LATER,
            }
            .into(),
        ),
        ("organization/policy_set", OrganizationEvent::PolicySet { policy: policy() }.into()),
        ("organization/policy_set.minimal", OrganizationEvent::PolicySet { policy: OrganizationPolicy::default() }.into()),
        ("organization/client_disconnected", OrganizationEvent::ClientDisconnected { client_id: client() }.into()),
        ("organization/enforced", OrganizationEvent::Enforced { change: ChangeNumber(1) }.into()),
        ("subject/registered", SubjectEvent::Registered {}.into()),
        (
            "subject/roles_set",
            SubjectEvent::RolesSet { organization_id: Some(organization()), roles: roles(), effect: RoleChangeEffect::Narrow }.into(),
        ),
        (
            "subject/roles_set.minimal",
            SubjectEvent::RolesSet { organization_id: None, roles: BTreeSet::new(), effect: RoleChangeEffect::Keep }.into(),
        ),
        (
            "subject/left_organization",
            SubjectEvent::LeftOrganization { organization_id: organization(), effect: RoleChangeEffect::Revoke }.into(),
        ),
        (
            "subject/left_organization.minimal",
            SubjectEvent::LeftOrganization { organization_id: organization(), effect: RoleChangeEffect::Keep }.into(),
        ),
        ("subject/enforced", SubjectEvent::Enforced { change: SubjectChange(1) }.into()),
        ("subject/erased", SubjectEvent::Erased { erasure_id: ErasureId(id(8)) }.into()),
        ("subject/erasure_completed", SubjectEvent::ErasureCompleted { grants_ended: 2 }.into()),
        ("trusted_issuer/registered", TrustedIssuerEvent::Registered { settings: trusted_issuer() }.into()),
        ("trusted_issuer/registered.minimal", TrustedIssuerEvent::Registered { settings: smallest_trusted_issuer() }.into()),
        ("trusted_issuer/updated", TrustedIssuerEvent::Updated { settings: trusted_issuer() }.into()),
        ("trusted_issuer/deleted", TrustedIssuerEvent::Deleted {}.into()),
        (
            "trusted_token/bound",
            TrustedTokenEvent::Bound { issuer: TrustedIssuerId(id(4)), authorization_id: AUTHORIZATION, expires_at: LATER }.into(),
        ),
        ("client_assertion/used", ClientAssertionEvent::Used { client_id: client(), expires_at: LATER }.into()),
        ("segment/sealed", segment_sealed().into()),
        ("segment/dropped", SegmentEvent::Dropped {}.into()),
    ]
}

fn segment_sealed() -> SegmentEvent {
    let positions = Positions::of([3, 4, 7]).expect("some");
    SegmentEvent::Sealed {
        last: positions.last(),
        events: positions.count(),
        positions,
        bytes: 1_234,
        sha256: DOCUMENT_SHA256.to_owned(),
        before: NOW,
        checkpoint: CoveringCheckpoint { size: 9, root: "rlZvSu7ptUpxO1dZHVGTb51o9apnsaQ5t0VVdFYcJQI=".to_owned() },
    }
}

/// A golden file, taken apart.
struct Golden {
    /// `grant/opened.minimal`.
    file: String,
    kind: String,
    schema: u16,
    /// The file's text.
    text: String,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/events")
}

fn golden_files() -> Vec<Golden> {
    let entries = |dir: &Path| fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>();
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
    let folders = entries(&directory());
    let files = folders.iter().flat_map(|folder| entries(folder).into_iter().map(|file| (name(folder), file)));
    files
        .map(|(stream, path)| {
            let file = name(&path);
            let parts = file.strip_suffix(".json").and_then(|file| file.rsplit_once(".v"));
            let (case, schema) = parts.unwrap_or_else(|| panic!("{file} is not named as a golden file"));
            let event = case.split_once('.').map_or(case, |(event, _)| event);
            Golden {
                file: format!("{stream}/{case}"),
                kind: format!("{stream}.{event}"),
                schema: schema.parse().unwrap_or_else(|_| panic!("{file} has no schema version")),
                text: fs::read_to_string(&path).expect("a text"),
            }
        })
        .collect()
}

/// Runs before every look into the directory, so that one run with `GOLDEN=write` is enough; once only, since the
/// tests run side by side.
fn write_missing_files() {
    static WRITTEN: Once = Once::new();
    if std::env::var_os("GOLDEN").is_some_and(|wish| wish == "write") {
        WRITTEN.call_once(|| samples().iter().for_each(|(file, event)| write_if_missing(file, &event.encode())));
    }
}

fn write_if_missing(file: &str, encoded: &Encoded) {
    let path = directory().join(format!("{file}.v{}.json", encoded.schema));
    fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
    if !path.exists() {
        fs::write(&path, format!("{}\n", encoded.data)).expect("the file can be written");
    }
}

fn decoded(golden: &Golden) -> Event {
    let stream = golden.kind.split_once('.').map(|(stream, _)| stream);
    let stream = StreamKind::ALL.iter().copied().find(|kind| Some(kind.as_str()) == stream).expect("the folder is a kind of streams");
    Event::decode(stream, &golden.kind, golden.schema, &golden.text).unwrap_or_else(|error| panic!("{}: {error}", golden.file))
}

#[test]
fn every_golden_file_decodes_and_encodes_to_the_same_bytes() {
    write_missing_files();
    for golden in golden_files() {
        let encoded = decoded(&golden).encode();
        assert_eq!(encoded.kind, golden.kind);
        if encoded.schema == golden.schema {
            assert_eq!(encoded.data + "\n", golden.text, "{}", golden.file);
        }
    }
}

#[test]
fn every_current_type_has_a_golden_file() {
    write_missing_files();
    let samples = samples();
    let sampled: BTreeSet<_> = samples.iter().map(|(_, event)| wire_name(event)).collect();
    assert_eq!(sampled, WIRE_NAMES.iter().copied().collect::<BTreeSet<_>>(), "an event has no sample");
    let golden: BTreeMap<_, _> = golden_files().into_iter().map(|golden| ((golden.file.clone(), golden.schema), golden)).collect();
    for (file, event) in samples {
        let encoded = event.encode();
        let golden = golden.get(&(file.to_owned(), encoded.schema));
        let golden = golden.unwrap_or_else(|| panic!("{file} has no golden file: run this test with GOLDEN=write"));
        assert_eq!(decoded(golden), event, "{file} is not what it was");
    }
}

#[test]
fn every_event_is_named_after_its_stream() {
    for (file, event) in samples() {
        let encoded = event.encode();
        assert_eq!(encoded.kind, wire_name(&event), "{file}");
        let (stream, _) = encoded.kind.split_once('.').expect("a name in two parts");
        assert_eq!(stream, event.stream_kind().as_str(), "{file}");
        assert_eq!(file.split('.').next().map(|file| file.replace('/', ".")), Some(encoded.kind), "{file}");
    }
}

#[test]
fn an_optional_field_that_is_not_known_is_left_out() {
    for (file, event) in samples().into_iter().filter(|(file, _)| file.ends_with(".minimal")) {
        assert!(!event.encode().data.contains("null"), "{file}");
    }
}

#[test]
fn a_schema_from_the_future_is_refused() {
    let refused = Event::decode(StreamKind::Grant, "grant.revoked", SCHEMA + 1, r#"{"reason":"disconnected"}"#);
    assert!(matches!(refused, Err(DecodeError::UnknownSchema { schema, .. }) if schema == SCHEMA + 1), "{refused:?}");
}

#[test]
fn what_does_not_belong_into_the_stream_is_refused() {
    for (kind, data) in
        [("client.suspended", "{}"), ("grant.no_such", "{}"), ("grant.revoked", "{}"), ("grant.revoked", "not JSON"), ("", "")]
    {
        let refused = Event::decode(StreamKind::Grant, kind, SCHEMA, data);
        assert!(matches!(refused, Err(DecodeError::Malformed { .. })), "{kind} {data}: {refused:?}");
    }
}

#[test]
fn the_reference_has_every_event() {
    let referenced: Vec<_> = reference::EVENT_TYPES.iter().map(|event| event.name).collect();
    assert_eq!(referenced, WIRE_NAMES);
    for (_, event) in samples() {
        let known = reference::event_type(wire_name(&event)).expect("it is in the reference");
        assert_eq!(known.stream, event.stream_kind());
    }
}
