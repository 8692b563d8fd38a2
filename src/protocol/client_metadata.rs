//! What is registered about a client (RFC 7591 §2, OpenID Connect Dynamic Client Registration §2, and settings of ours).

use std::fmt::Write as _;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{CustomClaims, RedirectUri, Scope, client_metadata_rules};
use crate::{
    domain::{OrganizationId, Seconds},
    jose::Algorithm,
};

/// Whose software it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AccessTokenFormat {
    /// A signed JWT (RFC 9068).
    Jwt,
    /// An opaque string, to be introspected.
    Opaque,
}

/// No client may be given access tokens that live longer.
pub const LONGEST_ACCESS_TOKEN_LIFETIME: Seconds = Seconds(86_400);

/// What is registered about a client. Times are seconds.
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own that is registered by name; they are no states")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// Without these it is of no use: a person who grants anything grants them; a subset of `scope`.
    #[serde(default, skip_serializing_if = "Scope::is_empty")]
    pub required_scope: Scope,
    /// The organization that it belongs to: it works in this one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub organization_id: Option<OrganizationId>,
    /// The resource servers (RFC 8707 identifiers) that it may ask tokens for; none given: every one there is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Its public keys, a JWK Set, for `private_key_jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// What its ID tokens are signed with: RS256 when it says nothing (OIDC Registration §2).
    pub id_token_signed_response_alg: Algorithm,
    /// Whether its ID tokens carry the claims of `profile`, `email`, … too, not only userinfo.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub claims_in_id_token: bool,
    /// Custom claims of its tokens and at userinfo.
    #[serde(default, skip_serializing_if = "CustomClaims::is_empty")]
    pub claims: CustomClaims,
    /// The form of its access tokens, where no resource server says it.
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
    /// Lets a first-party client ask for `full_access`: whatever the person may do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub full_access_allowed: bool,
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

    /// Whether it authenticates with a secret.
    pub fn uses_secret(&self) -> bool {
        match self.token_endpoint_auth_method {
            ClientAuthenticationMethod::ClientSecretBasic | ClientAuthenticationMethod::ClientSecretPost => true,
            ClientAuthenticationMethod::None | ClientAuthenticationMethod::PrivateKeyJwt => false,
        }
    }

    /// What it gets when it names no scope.
    pub fn scope_when_omitted(&self) -> &Scope {
        if self.default_scope.is_empty() { &self.scope } else { &self.default_scope }
    }

    /// SHA-256, hexadecimal, of what is material to a person's consent: what they are shown of the client, and where it
    /// has codes sent. Names of members are part of it, so a member that is added here later makes every client another.
    pub fn material_sha256(&self) -> String {
        let mut redirect_uris: Vec<_> = self.redirect_uris.iter().map(RedirectUri::as_str).collect();
        redirect_uris.sort_unstable();
        let material = json!({
            "client_name": self.client_name,
            "client_uri": self.client_uri,
            "logo_uri": self.logo_uri,
            "policy_uri": self.policy_uri,
            "tos_uri": self.tos_uri,
            "redirect_uris": redirect_uris,
        });
        let canonical = serde_json_canonicalizer::to_vec(&material).expect("a JSON value has a canonical form");
        hex(digest::digest(&digest::SHA256, &canonical).as_ref())
    }

    /// Whether it may use this grant type.
    pub fn allows(&self, grant_type: GrantType) -> bool {
        self.grant_types.contains(&grant_type)
    }

    /// The same, with what only administrators decide taken from `other`.
    #[must_use]
    pub fn with_settings_of(self, other: &Self) -> Self {
        let other = other.clone();
        Self {
            client_type: other.client_type,
            default_scope: other.default_scope.intersection(&self.scope),
            required_scope: other.required_scope.intersection(&self.scope),
            organization_id: other.organization_id,
            resources: other.resources,
            claims_in_id_token: other.claims_in_id_token,
            claims: other.claims,
            access_token_format: other.access_token_format,
            access_token_lifetime: other.access_token_lifetime,
            refresh_token_lifetime: other.refresh_token_lifetime,
            refresh_grace: other.refresh_grace,
            pkce_exempt: other.pkce_exempt,
            bypass_consent_for_offline_access: other.bypass_consent_for_offline_access,
            full_access_allowed: other.full_access_allowed,
            token_endpoint_as_assertion_audience: other.token_endpoint_as_assertion_audience,
            ..self
        }
    }

    /// Says everything that is wrong with it, not only the first thing.
    pub fn validate(&self) -> Result<(), Vec<MetadataProblem>> {
        let problems = client_metadata_rules::problems(self);
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

/// One mistake in what is registered about a client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct MetadataProblem {
    /// The member that it is in.
    pub field: &'static str,
    /// What is wrong, as the rest of a sentence that begins with the member's name.
    pub problem: String,
}

/// Client metadata as people send it: unchecked, and with most of it left out. Members are those of [`ClientMetadata`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ClientMetadataInput {
    /// `third_party` when left out.
    pub client_type: Option<ClientType>,
    /// `client_secret_basic` when left out (RFC 7591 §2).
    pub token_endpoint_auth_method: Option<ClientAuthenticationMethod>,
    /// Required.
    pub client_name: Option<String>,
    /// Its home page.
    pub client_uri: Option<String>,
    /// Its logo.
    pub logo_uri: Option<String>,
    /// Its privacy policy.
    pub policy_uri: Option<String>,
    /// Its terms of service.
    pub tos_uri: Option<String>,
    /// Required for `authorization_code`.
    pub redirect_uris: Option<Vec<String>>,
    /// `client_credentials` for machines and `authorization_code` with `refresh_token` for others, when left out.
    pub grant_types: Option<Vec<GrantType>>,
    /// Every scope it may ask for, separated by spaces.
    pub scope: Option<String>,
    /// What it gets when it names no scope.
    pub default_scope: Option<String>,
    /// Without these it is of no use, separated by spaces.
    pub required_scope: Option<String>,
    /// The organization that it belongs to; for good.
    pub organization_id: Option<String>,
    /// The resource servers that it may ask tokens for; every one there is, when left out.
    pub resources: Option<Vec<String>>,
    /// Required for `private_key_jwt`.
    pub jwks: Option<Value>,
    /// `RS256` when left out (OIDC Registration §2).
    pub id_token_signed_response_alg: Option<Algorithm>,
    /// `false` when left out.
    pub claims_in_id_token: Option<bool>,
    /// Custom claims of its tokens and at userinfo.
    pub claims: Option<CustomClaims>,
    /// `jwt` when left out.
    pub access_token_format: Option<AccessTokenFormat>,
    /// 1 to 86400 seconds.
    pub access_token_lifetime: Option<Seconds>,
    /// 60 to 31536000 seconds.
    pub refresh_token_lifetime: Option<Seconds>,
    /// 0 to 300 seconds.
    pub refresh_grace: Option<Seconds>,
    /// `false` when left out.
    pub pkce_exempt: Option<bool>,
    /// `false` when left out.
    pub bypass_consent_for_offline_access: Option<bool>,
    /// `false` when left out.
    pub full_access_allowed: Option<bool>,
    /// `false` when left out.
    pub token_endpoint_as_assertion_audience: Option<bool>,
    /// 0 to 2^31 seconds.
    pub default_max_age: Option<Seconds>,
}

impl ClientMetadataInput {
    /// Fills in what was left out, and says everything that is wrong.
    pub fn into_metadata(self) -> Result<ClientMetadata, Vec<MetadataProblem>> {
        let mut problems = Vec::new();
        let client_type = self.client_type.unwrap_or(ClientType::ThirdParty);
        let metadata = ClientMetadata {
            client_type,
            token_endpoint_auth_method: self.token_endpoint_auth_method.unwrap_or(ClientAuthenticationMethod::ClientSecretBasic),
            client_name: self.client_name.unwrap_or_default(),
            client_uri: self.client_uri,
            logo_uri: self.logo_uri,
            policy_uri: self.policy_uri,
            tos_uri: self.tos_uri,
            // The rules look at each of them, so that URIs of the log are judged like URIs of a request.
            redirect_uris: self.redirect_uris.unwrap_or_default().into_iter().map(RedirectUri).collect(),
            grant_types: self.grant_types.unwrap_or_else(|| usual_grant_types(client_type)),
            scope: scope("scope", self.scope, &mut problems),
            default_scope: scope("default_scope", self.default_scope, &mut problems),
            required_scope: scope("required_scope", self.required_scope, &mut problems),
            organization_id: self.organization_id.map(|id| OrganizationId(id.into())),
            resources: self.resources.unwrap_or_default(),
            jwks: self.jwks,
            id_token_signed_response_alg: self.id_token_signed_response_alg.unwrap_or(Algorithm::Rs256),
            claims_in_id_token: self.claims_in_id_token.unwrap_or_default(),
            claims: self.claims.unwrap_or_default(),
            access_token_format: self.access_token_format.unwrap_or(AccessTokenFormat::Jwt),
            access_token_lifetime: self.access_token_lifetime,
            refresh_token_lifetime: self.refresh_token_lifetime,
            refresh_grace: self.refresh_grace,
            pkce_exempt: self.pkce_exempt.unwrap_or_default(),
            bypass_consent_for_offline_access: self.bypass_consent_for_offline_access.unwrap_or_default(),
            full_access_allowed: self.full_access_allowed.unwrap_or_default(),
            token_endpoint_as_assertion_audience: self.token_endpoint_as_assertion_audience.unwrap_or_default(),
            default_max_age: self.default_max_age,
        };
        problems.extend(client_metadata_rules::problems(&metadata));
        if problems.is_empty() { Ok(metadata) } else { Err(problems) }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn usual_grant_types(client_type: ClientType) -> Vec<GrantType> {
    match client_type {
        ClientType::Machine => vec![GrantType::ClientCredentials],
        ClientType::FirstParty | ClientType::ThirdParty => vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
    }
}

fn scope(field: &'static str, text: Option<String>, problems: &mut Vec<MetadataProblem>) -> Scope {
    text.unwrap_or_default().parse().unwrap_or_else(|why: super::InvalidScope| {
        problems.push(MetadataProblem { field, problem: format!("is malformed: {why}") });
        Scope::default()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::protocol::from_strict;

    fn read(json: &Value) -> Result<ClientMetadata, Vec<MetadataProblem>> {
        from_strict::<ClientMetadataInput>(json.to_string().as_bytes()).unwrap().into_metadata()
    }

    #[test]
    fn rfc7591_2_what_is_left_out_gets_its_default() {
        let metadata = read(&json!({"client_name": "Notes", "redirect_uris": ["https://notes.example/cb"]})).unwrap();
        assert_eq!(metadata.client_type, ClientType::ThirdParty);
        assert_eq!(metadata.token_endpoint_auth_method, ClientAuthenticationMethod::ClientSecretBasic);
        assert_eq!(metadata.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
        assert_eq!(metadata.id_token_signed_response_alg, Algorithm::Rs256);
        assert_eq!(metadata.access_token_format, AccessTokenFormat::Jwt);
        assert!(!metadata.is_public() && !metadata.pkce_exempt);
        let machine = read(&json!({"client_name": "Nightly", "client_type": "machine"})).unwrap();
        assert_eq!(machine.grant_types, [GrantType::ClientCredentials]);
        assert!(machine.allows(GrantType::ClientCredentials) && !machine.allows(GrantType::AuthorizationCode));
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let problems =
            read(&json!({"redirect_uris": ["javascript:alert(1)"], "scope": "a  b", "default_scope": "\"", "refresh_grace": 301}))
                .unwrap_err();
        let fields: Vec<_> = problems.iter().map(|problem| problem.field).collect();
        assert_eq!(fields, ["scope", "default_scope", "client_name", "redirect_uris", "refresh_grace"]);
    }

    #[test]
    fn an_unknown_member_and_a_wrong_type_are_refused_by_name() {
        let field = |text: &str| from_strict::<ClientMetadataInput>(text.as_bytes()).unwrap_err().field().map(str::to_owned);
        assert_eq!(field(r#"{"client_secret":"x"}"#).as_deref(), Some("client_secret"));
        assert_eq!(field(r#"{"grant_types":["implicit"]}"#).as_deref(), Some("grant_types[0]"));
        assert_eq!(field(r#"{"id_token_signed_response_alg":"none"}"#).as_deref(), Some("id_token_signed_response_alg"));
        assert_eq!(field(r#"{"access_token_lifetime":-1}"#).as_deref(), Some("access_token_lifetime"));
    }

    #[test]
    fn accepted_metadata_is_recorded_and_read_back() {
        let metadata = read(&json!({"client_name": "Notes", "redirect_uris": ["https://notes.example/cb"], "scope": "openid"})).unwrap();
        let recorded = serde_json::to_string(&metadata).unwrap();
        assert_eq!(serde_json::from_str::<ClientMetadata>(&recorded).unwrap(), metadata);
        assert_eq!(read(&serde_json::from_str(&recorded).unwrap()), Ok(metadata));
    }

    proptest! {
        #[test]
        fn validation_never_panics(name in "\\PC{0,10}", uri in "\\PC{0,30}", scope in "\\PC{0,10}", seconds in any::<u32>()) {
            let _ = ClientMetadataInput {
                client_name: Some(name),
                client_uri: Some(uri.clone()),
                redirect_uris: Some(vec![uri]),
                scope: Some(scope),
                access_token_lifetime: Some(Seconds(seconds)),
                ..ClientMetadataInput::default()
            }
            .into_metadata();
        }
    }
}
