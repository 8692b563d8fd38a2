//! Authorization server metadata (RFC 8414, OpenID Connect Discovery 1.0). Both documents are the same one.

use grantlog_core::{
    app::{DynamicRegistration, claims},
    jose::{Algorithm, VerificationAlgorithm},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{authorization, introspection, registration, revocation, token};
use crate::{
    app::App,
    oidc::{jwks, userinfo},
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// RFC 8414 §3, for an issuer without a path.
pub const OAUTH: &str = "/.well-known/oauth-authorization-server";
/// OpenID Connect Discovery §4, for an issuer without a path.
pub const OIDC: &str = "/.well-known/openid-configuration";
/// How long clients may keep the document, in seconds.
const MAX_AGE: u64 = 300;

/// The metadata document (RFC 8414 §2, OpenID Connect Discovery §3, RFC 9207 §3, RFC 9728 §4).
#[expect(clippy::struct_excessive_bools, reason = "the specifications give the document these members")]
#[derive(Serialize, ToSchema)]
pub struct Metadata {
    /// The issuer identifier.
    #[schema(example = "https://auth.example.com")]
    issuer: String,
    /// Where clients send browsers.
    authorization_endpoint: String,
    /// Where clients get tokens.
    token_endpoint: String,
    /// Where tokens are looked at.
    introspection_endpoint: String,
    /// Where tokens are ended.
    revocation_endpoint: String,
    /// Where clients register themselves; absent when they don't.
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<String>,
    /// Where claims about the end-user are.
    userinfo_endpoint: String,
    /// Where the public keys are.
    jwks_uri: String,
    /// Every scope there is.
    scopes_supported: Vec<String>,
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 2],
    grant_types_supported: [&'static str; 3],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: Vec<&'static str>,
    token_endpoint_auth_methods_supported: [&'static str; 4],
    token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    revocation_endpoint_auth_methods_supported: [&'static str; 4],
    revocation_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    introspection_endpoint_auth_methods_supported: [&'static str; 1],
    code_challenge_methods_supported: [&'static str; 1],
    prompt_values_supported: [&'static str; 4],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    acr_values_supported: Vec<String>,
    claim_types_supported: [&'static str; 1],
    claims_supported: Vec<&'static str>,
    claims_parameter_supported: bool,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
    authorization_response_iss_parameter_supported: bool,
    client_id_metadata_document_supported: bool,
    /// The resource servers that are registered, by their identifiers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    protected_resources: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_documentation: Option<String>,
}

impl Metadata {
    fn of(app: &App) -> Self {
        let issuer = app.issuer().to_owned();
        let at = |path: &str| format!("{issuer}{path}");
        let own_claims = ["sub", "iss", "aud", "azp", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash"];
        let methods = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];
        let assertion_algorithms = VerificationAlgorithm::NAMES.to_vec();
        Self {
            authorization_endpoint: app.edge.authorization_endpoint.clone().unwrap_or_else(|| at(authorization::PATH)),
            token_endpoint: at(token::PATH),
            introspection_endpoint: at(introspection::PATH),
            revocation_endpoint: at(revocation::PATH),
            // RFC 8414 §2: optional. What is not there is not announced.
            registration_endpoint: (app.authority.settings.registration.dynamic != DynamicRegistration::Off)
                .then(|| at(registration::PATH)),
            userinfo_endpoint: at(userinfo::PATH),
            jwks_uri: at(jwks::PATH),
            scopes_supported: app.scopes().into_iter().collect(),
            response_types_supported: ["code"],
            response_modes_supported: ["query", "form_post"],
            grant_types_supported: ["authorization_code", "refresh_token", "client_credentials"],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: Algorithm::ALL.iter().map(|algorithm| algorithm.as_str()).collect(),
            token_endpoint_auth_methods_supported: methods,
            token_endpoint_auth_signing_alg_values_supported: assertion_algorithms.clone(),
            revocation_endpoint_auth_methods_supported: methods,
            revocation_endpoint_auth_signing_alg_values_supported: assertion_algorithms,
            introspection_endpoint_auth_methods_supported: ["client_secret_basic"],
            code_challenge_methods_supported: ["S256"],
            prompt_values_supported: ["none", "login", "consent", "select_account"],
            acr_values_supported: app.authority.settings.acr_values_supported.to_vec(),
            claim_types_supported: ["normal"],
            claims_supported: own_claims.into_iter().chain(claims::claims_supported()).collect(),
            claims_parameter_supported: false,
            request_parameter_supported: false,
            request_uri_parameter_supported: false,
            authorization_response_iss_parameter_supported: true,
            client_id_metadata_document_supported: app.authority.settings.registration.metadata_documents,
            // RFC 9728 §4: so that clients can tell that both sides know of each other.
            protected_resources: app.live.resource_servers().iter().map(|server| server.settings.identifier.clone()).collect(),
            service_documentation: app.edge.service_documentation.clone(),
            issuer,
        }
    }
}

/// Authorization server metadata (RFC 8414).
#[utoipa::path(get, path = OAUTH, tag = "metadata", operation_id = "oauthMetadata", security(()),
    responses((status = 200, description = "The metadata.", body = Metadata), (status = "4XX", description = "The request is not valid.", body = ProblemBody)))]
pub async fn oauth_metadata(app: App, _: Request) -> Result<Response, Problem> {
    Ok(reply::ok(&Metadata::of(&app)).cache_for(MAX_AGE))
}

/// OpenID provider configuration (OpenID Connect Discovery).
#[utoipa::path(get, path = OIDC, tag = "metadata", operation_id = "openidConfiguration", security(()),
    responses((status = 200, description = "The metadata.", body = Metadata), (status = "4XX", description = "The request is not valid.", body = ProblemBody)))]
pub async fn openid_configuration(app: App, request: Request) -> Result<Response, Problem> {
    oauth_metadata(app, request).await
}

/// The further paths that the documents have when the issuer has a path: RFC 8414 §3.1 puts the well-known part first,
/// and clients look for both documents there. OpenID Connect Discovery §4 puts it last: below the issuer's path every
/// endpoint is found anyway.
pub fn paths_for_issuer_path(issuer_path: &str) -> Vec<String> {
    if issuer_path.is_empty() {
        return Vec::new();
    }
    vec![format!("{OAUTH}{issuer_path}"), format!("{OIDC}{issuer_path}")]
}
