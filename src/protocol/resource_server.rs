//! What is registered about a resource server (RFC 8707, RFC 9728 §2, and settings of ours).

use serde::{Deserialize, Serialize};

use super::{
    AccessTokenFormat, ClaimsTemplate, MetadataProblem, Scope, client_metadata::LONGEST_ACCESS_TOKEN_LIFETIME,
    client_metadata_rules::is_deceptive, uri,
};
use crate::{domain::Seconds, jose::Algorithm};

const MAX_NAME_LENGTH: usize = 200;
const MAX_SCOPES: usize = 200;

/// Scopes that no resource server can call its own: what they stand for belongs to the authorization server.
const COMMON_SCOPES: [&str; 7] = ["openid", "profile", "email", "phone", "address", "offline_access", "full_access"];

/// What is registered about a resource server. Times are seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResourceServerSettings {
    /// Its identifier (RFC 8707 §2): the audience of its tokens. For good.
    #[cfg_attr(feature = "openapi", schema(example = "https://notes.example.com/"))]
    pub identifier: String,
    /// The name to show to people.
    pub name: String,
    /// The form of its access tokens.
    pub access_token_format: AccessTokenFormat,
    /// How long its access tokens live at most, if not as long as the client or the server's configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_lifetime: Option<Seconds>,
    /// What its access tokens are signed with, if they are JWTs.
    pub access_token_signing_alg: Algorithm,
    /// The scopes that it understands. Tokens for others alone don't have them.
    #[serde(default, skip_serializing_if = "Scope::is_empty")]
    pub scopes: Scope,
    /// What a client gets that names this resource server and no scope.
    #[serde(default, skip_serializing_if = "Scope::is_empty")]
    pub default_scope: Scope,
    /// Custom claims of its access tokens, and at introspection.
    #[serde(default, skip_serializing_if = "ClaimsTemplate::is_empty")]
    pub access_token_claims: ClaimsTemplate,
    /// Where developers read about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documentation: Option<String>,
}

/// The settings of a resource server as people send them: unchecked, and with most of it left out. Members are those of
/// [`ResourceServerSettings`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ResourceServerInput {
    /// Required: an absolute URI without a fragment.
    pub identifier: Option<String>,
    /// Required.
    pub name: Option<String>,
    /// `jwt` when left out.
    pub access_token_format: Option<AccessTokenFormat>,
    /// 1 to 86400 seconds.
    pub access_token_lifetime: Option<Seconds>,
    /// `EdDSA` when left out.
    pub access_token_signing_alg: Option<Algorithm>,
    /// The scopes that it understands, separated by spaces.
    pub scopes: Option<String>,
    /// What a client gets that names this resource server and no scope, separated by spaces.
    pub default_scope: Option<String>,
    /// Custom claims of its access tokens.
    pub access_token_claims: Option<ClaimsTemplate>,
    /// Where developers read about it.
    pub documentation: Option<String>,
}

impl ResourceServerInput {
    /// Fills in what was left out, and says everything that is wrong.
    pub fn into_settings(self) -> Result<ResourceServerSettings, Vec<MetadataProblem>> {
        let mut problems = Problems(Vec::new());
        let settings = ResourceServerSettings {
            identifier: self.identifier.unwrap_or_default(),
            name: self.name.unwrap_or_default(),
            access_token_format: self.access_token_format.unwrap_or(AccessTokenFormat::Jwt),
            access_token_lifetime: self.access_token_lifetime,
            access_token_signing_alg: self.access_token_signing_alg.unwrap_or(Algorithm::EdDsa),
            scopes: problems.scope("scopes", self.scopes),
            default_scope: problems.scope("default_scope", self.default_scope),
            access_token_claims: self.access_token_claims.unwrap_or_default(),
            documentation: self.documentation,
        };
        problems.check(&settings);
        if problems.0.is_empty() { Ok(settings) } else { Err(problems.0) }
    }
}

struct Problems(Vec<MetadataProblem>);

impl Problems {
    fn add(&mut self, field: &'static str, problem: impl Into<String>) {
        self.0.push(MetadataProblem { field, problem: problem.into() });
    }

    fn scope(&mut self, field: &'static str, text: Option<String>) -> Scope {
        text.unwrap_or_default().parse().unwrap_or_else(|why: super::InvalidScope| {
            self.add(field, format!("is malformed: {why}"));
            Scope::default()
        })
    }

    fn check(&mut self, settings: &ResourceServerSettings) {
        // RFC 8707 §2: an absolute URI without a fragment.
        match uri::check_resource(&settings.identifier) {
            _ if settings.identifier.is_empty() => self.add("identifier", "is missing"),
            Ok(()) => {}
            Err(why) => self.add("identifier", why.to_string()),
        }
        self.name(&settings.name);
        let lifetimes = 1..=LONGEST_ACCESS_TOKEN_LIFETIME.0;
        if settings.access_token_lifetime.is_some_and(|Seconds(seconds)| !lifetimes.contains(&seconds)) {
            self.add("access_token_lifetime", format!("must be from 1 to {} seconds", LONGEST_ACCESS_TOKEN_LIFETIME.0));
        }
        self.scopes(settings);
        for problem in settings.access_token_claims.problems() {
            self.add("access_token_claims", problem);
        }
        if let Some(Err(why)) = settings.documentation.as_deref().map(uri::check_link) {
            self.add("documentation", why.to_string());
        }
    }

    fn name(&mut self, name: &str) {
        if name.trim().is_empty() {
            self.add("name", "is missing");
        }
        if name.chars().count() > MAX_NAME_LENGTH {
            self.add("name", format!("is longer than {MAX_NAME_LENGTH} characters"));
        }
        if name.chars().any(is_deceptive) {
            self.add("name", "has control characters");
        }
    }

    fn scopes(&mut self, settings: &ResourceServerSettings) {
        if settings.scopes.iter().count() > MAX_SCOPES {
            self.add("scopes", format!("has more than {MAX_SCOPES} entries"));
        }
        let common: Scope = COMMON_SCOPES.iter().filter_map(|scope| scope.parse().ok()).collect();
        let shared = settings.scopes.intersection(&common);
        if !shared.is_empty() {
            self.add("scopes", format!("has what belongs to no resource server: {shared}"));
        }
        let extra = settings.default_scope.difference(&settings.scopes.union(&common));
        if !extra.is_empty() {
            self.add("default_scope", format!("has what scopes does not have: {extra}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::from_strict;

    /// Sound settings, with these members set.
    fn settings(members: Value) -> Result<ResourceServerSettings, Vec<MetadataProblem>> {
        let mut json = json!({"identifier": "https://notes.example.com/", "name": "Notes"});
        for (name, value) in members.as_object().unwrap() {
            json[name] = value.clone();
        }
        from_strict::<ResourceServerInput>(json.to_string().as_bytes()).unwrap().into_settings()
    }

    fn fields(members: Value) -> Vec<&'static str> {
        settings(members).err().unwrap_or_default().iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        let settings = settings(json!({})).unwrap();
        assert_eq!((settings.access_token_format, settings.access_token_signing_alg), (AccessTokenFormat::Jwt, Algorithm::EdDsa));
        assert!(settings.scopes.is_empty() && settings.default_scope.is_empty() && settings.access_token_claims.is_empty());
    }

    #[test]
    fn every_mistake_is_listed() {
        let problems = fields(json!({
            "identifier": "notes", "name": "a\u{202E}b", "access_token_lifetime": 86_401, "scopes": "openid notes.read", "default_scope": "x",
            "access_token_claims": {"iss": "x", "a": "{{ y }}"}, "documentation": "http://notes.example.com",
        }));
        let expected = [
            "identifier",
            "name",
            "access_token_lifetime",
            "scopes",
            "default_scope",
            "access_token_claims",
            "access_token_claims",
            "documentation",
        ];
        assert_eq!(problems, expected);
        assert_eq!(fields(json!({"identifier": "", "name": " "})), ["identifier", "name"]);
        assert_eq!(fields(json!({"scopes": "\"", "default_scope": "a  b"})), ["scopes", "default_scope"]);
        assert_eq!(fields(json!({"access_token_lifetime": 0})), ["access_token_lifetime"]);
    }

    #[test]
    fn rfc8707_2_an_identifier_is_an_absolute_uri_without_a_fragment() {
        for wrong in ["notes", "//notes.example.com", "https://notes.example.com/#x", "http://notes.example.com", "https://a@b.example"] {
            assert_eq!(fields(json!({"identifier": wrong})), ["identifier"], "{wrong}");
        }
        for right in ["https://notes.example.com", "https://notes.example.com/v1?tenant=a", "http://localhost:3000/mcp", "urn:notes:api"] {
            assert!(fields(json!({"identifier": right})).is_empty(), "{right}");
        }
    }

    #[test]
    fn the_default_scope_may_have_what_belongs_to_all() {
        assert!(fields(json!({"scopes": "notes.read", "default_scope": "notes.read openid offline_access"})).is_empty());
        for common in COMMON_SCOPES {
            assert_eq!(fields(json!({"scopes": common})), ["scopes"]);
        }
    }
}
