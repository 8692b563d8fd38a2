//! What is registered about a client (RFC 7591 §2, OpenID Connect Dynamic Client Registration §2, and settings of ours).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RedirectUri, Scope};
use crate::{domain::Seconds, jose::Algorithm};

/// Whose software it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientType {
    /// The operator's own: consent is skipped where the rules allow it.
    FirstParty,
    /// Somebody else's: consent is asked.
    ThirdParty,
    /// Acts for itself with `client_credentials`, never for a person.
    Machine,
}

/// How the client authenticates at the token endpoint (RFC 7591 §2, OIDC Core §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthenticationMethod {
    /// A public client: it proves nothing (RFC 6749 §2.1).
    None,
    /// HTTP Basic (RFC 6749 §2.3.1).
    ClientSecretBasic,
    /// In the body (RFC 6749 §2.3.1).
    ClientSecretPost,
    /// A signed assertion (RFC 7523, OIDC Core §9).
    PrivateKeyJwt,
}

/// A grant type of OAuth 2.1 that this server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// OAuth 2.1 §4.1.
    AuthorizationCode,
    /// OAuth 2.1 §4.3.
    RefreshToken,
    /// OAuth 2.1 §4.2.
    ClientCredentials,
}

/// The form of the access tokens that a client is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessTokenFormat {
    /// A signed JWT (RFC 9068).
    Jwt,
    /// An opaque string, to be introspected.
    Opaque,
}

/// What is registered about a client. Times are seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientMetadata {
    /// Whose software it is.
    pub client_type: ClientType,
    /// How it authenticates. `none` makes it a public client.
    pub token_endpoint_auth_method: ClientAuthenticationMethod,
    /// The name to show to people.
    pub client_name: String,
    /// Its home page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// Its logo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// Its privacy policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// Its terms of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// Where the browser may be sent back to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<RedirectUri>,
    /// What it may ask the token endpoint for.
    pub grant_types: Vec<GrantType>,
    /// Every scope it may ask for.
    pub scope: Scope,
    /// What it gets when it names no scope; a subset of `scope`.
    #[serde(default, skip_serializing_if = "Scope::is_empty")]
    pub default_scope: Scope,
    /// Its public keys, a JWK Set, for `private_key_jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// What its ID tokens are signed with: RS256 when it says nothing (OIDC Registration §2).
    pub id_token_signed_response_alg: Algorithm,
    /// Whether its ID tokens carry the claims of `profile`, `email`, … too, not only userinfo.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub claims_in_id_token: bool,
    /// The form of its access tokens.
    pub access_token_format: AccessTokenFormat,
    /// How long its access tokens live, if not as long as the server's configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_lifetime: Option<Seconds>,
    /// How long an unused refresh token lives, if not as long as the server's configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token_lifetime: Option<Seconds>,
    /// How long a rotated refresh token still answers with its successor, if not as long as configured; 0 is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_grace: Option<Seconds>,
    /// Lets one confidential client that uses `nonce` leave PKCE out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pkce_exempt: bool,
    /// Lets a first-party client have `offline_access` without asking.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bypass_consent_for_offline_access: bool,
    /// Accepts the token endpoint's URL as audience of client assertions, beside the issuer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub token_endpoint_as_assertion_audience: bool,
    /// The `max_age` of requests that name none (OIDC Registration §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<Seconds>,
}

impl ClientMetadata {
    /// Whether the client can't keep a secret (RFC 6749 §2.1).
    pub fn is_public(&self) -> bool {
        self.token_endpoint_auth_method == ClientAuthenticationMethod::None
    }
}
