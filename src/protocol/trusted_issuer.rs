//! Login systems whose tokens pages may present (settings of ours): what is registered about one, and what is wrong with it.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    MetadataProblem,
    claims_template::{MAX_CLAIM_NAME_LENGTH, is_reserved_claim},
    uri,
};
use crate::{
    domain::Seconds,
    jose::{JwkSet, VerificationAlgorithm},
};

/// How old a token may be when nothing is said.
pub const USUAL_TOKEN_AGE: Seconds = Seconds(300);

const MAX_NAME_LENGTH: usize = 2048;
const MAX_CLAIM_LENGTH: usize = 256;
const MAX_ORIGINS: usize = 100;
const MAX_PASSED_CLAIMS: usize = 50;

/// What is registered about a trusted issuer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrustedIssuerSettings {
    /// Its name: the `iss` of its tokens, letter for letter.
    pub issuer: String,
    /// Where its public keys are; absent: they are in `jwks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Its public keys, a JWK Set; absent: they are at `jwks_uri`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// The `aud` that its tokens must have: a name that it gives to this server.
    pub audience: String,
    /// What its tokens may be signed with.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>, example = json!(["RS256"])))]
    pub algorithms: Vec<VerificationAlgorithm>,
    /// Where in its tokens is what we want to know.
    pub claims: ClaimMapping,
    /// The origins of the pages that may present its tokens.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>, example = json!(["https://app.example.com"])))]
    pub origins: Vec<Origin>,
    /// How old a token may be, in seconds.
    pub max_token_age: Seconds,
}

/// Where in a token is what we want to know. Each is the name of a claim, or a JSON pointer into the claims (RFC 6901) when
/// it begins with `/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClaimMapping {
    /// The application's id of the person.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "sub"))]
    pub subject: ClaimPath,
    /// The organization that they act in.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "org_id"))]
    pub organization: ClaimPath,
    /// Their roles: a text, or an array of texts.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "roles"))]
    pub roles: ClaimPath,
    /// When they logged in; absent: `auth_time`, or `iat` in tokens without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, example = "auth_time"))]
    pub auth_time: Option<ClaimPath>,
    /// The authentication context class.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "acr"))]
    pub acr: ClaimPath,
    /// The authentication methods: a text, or an array of texts.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "amr"))]
    pub amr: ClaimPath,
    /// Claims about the person that are kept for clients, and where each is found.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>, example = json!({"email": "email", "name": "/user/name"})))]
    pub passed_on: BTreeMap<String, ClaimPath>,
}

/// A place in the claims of a token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClaimPath(String);

/// A text that names no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is neither the name of a claim nor a JSON pointer of 1 to 256 bytes")]
pub struct InvalidClaimPath;

/// The origin of a page (RFC 6454 §6.2): `https`, or `http` on this machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(String);

/// A text that is no origin that may be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an origin as browsers write it: https://app.example.com, without a path, or http on 127.0.0.1, [::1] or localhost")]
pub struct InvalidOrigin;

impl ClaimPath {
    /// What is there.
    pub fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        let Some(pointer) = self.0.strip_prefix('/') else { return claims.get(&self.0) };
        // RFC 6901 §4: the first step is a claim, and the rest points into its value.
        let (first, rest) = pointer.find('/').map_or((pointer, ""), |at| pointer.split_at(at));
        claims.get(&first.replace("~1", "/").replace("~0", "~"))?.pointer(rest)
    }

    /// The place as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClaimPath {
    type Err = InvalidClaimPath;
    fn from_str(text: &str) -> Result<Self, InvalidClaimPath> {
        // In a pointer a tilde is always followed by 0 or 1.
        let escaped = || text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        let sound = (1..=MAX_CLAIM_LENGTH).contains(&text.len()) && !text.chars().any(char::is_control);
        if sound && (!text.starts_with('/') || escaped()) { Ok(Self(text.to_owned())) } else { Err(InvalidClaimPath) }
    }
}

impl TryFrom<String> for ClaimPath {
    type Error = InvalidClaimPath;
    fn try_from(text: String) -> Result<Self, InvalidClaimPath> {
        text.parse()
    }
}

impl From<ClaimPath> for String {
    fn from(path: ClaimPath) -> Self {
        path.0
    }
}

impl Origin {
    /// The origin as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;
    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let parts = uri::check(text).map_err(|_| InvalidOrigin)?;
        if !parts.is_web() || uri::check_web(text, &parts).is_err() {
            return Err(InvalidOrigin);
        }
        // RFC 6454 §6.2: browsers write it in one way, and that is what is compared.
        let written = url::Url::parse(text).map_err(|_| InvalidOrigin)?.origin().ascii_serialization();
        if written == text { Ok(Self(written)) } else { Err(InvalidOrigin) }
    }
}

impl TryFrom<String> for Origin {
    type Error = InvalidOrigin;
    fn try_from(text: String) -> Result<Self, InvalidOrigin> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is registered about a trusted issuer as people send it: unchecked, and with some of it left out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TrustedIssuerInput {
    /// Required: the `iss` of its tokens.
    pub issuer: Option<String>,
    /// Where its public keys are: either this or `jwks`.
    pub jwks_uri: Option<String>,
    /// Its public keys, a JWK Set: either this or `jwks_uri`.
    pub jwks: Option<Value>,
    /// Required: the `aud` of its tokens.
    pub audience: Option<String>,
    /// Required: what its tokens may be signed with: `EdDSA`, `ES256`, `RS256`, `PS256`.
    pub algorithms: Option<Vec<String>>,
    /// Where in its tokens is what we want to know.
    pub claims: Option<ClaimMappingInput>,
    /// Required: the origins of the pages that may present its tokens.
    pub origins: Option<Vec<String>>,
    /// 30 to 3600 seconds; 300 when left out.
    pub max_token_age: Option<Seconds>,
}

/// Where in a token is what we want to know. Members are those of [`ClaimMapping`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ClaimMappingInput {
    /// `sub` when left out.
    pub subject: Option<String>,
    /// `org_id` when left out.
    pub organization: Option<String>,
    /// `roles` when left out.
    pub roles: Option<String>,
    /// `auth_time` when left out, or else `iat`.
    pub auth_time: Option<String>,
    /// `acr` when left out.
    pub acr: Option<String>,
    /// `amr` when left out.
    pub amr: Option<String>,
    /// None when left out.
    pub passed_on: Option<BTreeMap<String, String>>,
}

impl TrustedIssuerInput {
    /// Fills in what was left out, and says everything that is wrong.
    pub fn into_settings(self) -> Result<TrustedIssuerSettings, Vec<MetadataProblem>> {
        let mut problems = Problems(Vec::new());
        problems.name("issuer", self.issuer.as_deref());
        problems.keys(self.jwks_uri.as_deref(), self.jwks.as_ref());
        problems.name("audience", self.audience.as_deref());
        let algorithms = problems.algorithms(self.algorithms.unwrap_or_default());
        let claims = problems.claims(self.claims.unwrap_or_default());
        let origins = problems.origins(self.origins.unwrap_or_default());
        let max_token_age = self.max_token_age.unwrap_or(USUAL_TOKEN_AGE);
        if !(30..=3600).contains(&max_token_age.0) {
            problems.add("max_token_age", "must be from 30 to 3600 seconds");
        }
        match (problems.0, claims) {
            (problems, Some(claims)) if problems.is_empty() => Ok(TrustedIssuerSettings {
                issuer: self.issuer.unwrap_or_default(),
                jwks_uri: self.jwks_uri,
                jwks: self.jwks,
                audience: self.audience.unwrap_or_default(),
                algorithms,
                claims,
                origins,
                max_token_age,
            }),
            (problems, _) => Err(problems),
        }
    }
}

struct Problems(Vec<MetadataProblem>);

impl Problems {
    fn add(&mut self, field: &'static str, problem: impl Into<String>) {
        self.0.push(MetadataProblem { field, problem: problem.into() });
    }

    fn name(&mut self, field: &'static str, name: Option<&str>) {
        match name {
            None | Some("") => self.add(field, "is missing"),
            Some(name) if name.len() > MAX_NAME_LENGTH || name.chars().any(char::is_control) => {
                self.add(field, "must have at most 2048 bytes and no control characters");
            }
            Some(_) => {}
        }
    }

    fn keys(&mut self, jwks_uri: Option<&str>, jwks: Option<&Value>) {
        match (jwks_uri, jwks) {
            (None, None) => self.add("jwks_uri", "is missing, and so is jwks: one of the two is needed"),
            (Some(_), Some(_)) => self.add("jwks", "is given beside jwks_uri: only one of the two can be true"),
            (Some(uri), None) => {
                if let Err(why) = uri::check_fetched(uri) {
                    self.add("jwks_uri", why.to_string());
                }
            }
            (None, Some(jwks)) => {
                if let Err(why) = JwkSet::parse(jwks) {
                    self.add("jwks", format!("is no good: {why}"));
                }
            }
        }
    }

    fn algorithms(&mut self, names: Vec<String>) -> Vec<VerificationAlgorithm> {
        const FIELD: &str = "algorithms";
        if names.is_empty() {
            self.add(FIELD, "is missing or empty");
        }
        let mut algorithms = Vec::new();
        for (index, name) in names.iter().enumerate() {
            match name.parse() {
                Ok(algorithm) if algorithms.contains(&algorithm) => self.add(FIELD, format!("[{index}] is named twice")),
                Ok(algorithm) => algorithms.push(algorithm),
                // RFC 8725 §3.1: neither none, nor anything that is verified by what signs.
                Err(_) => self.add(FIELD, format!("[{index}] is none of {}", VerificationAlgorithm::NAMES.join(", "))),
            }
        }
        algorithms
    }

    fn claims(&mut self, input: ClaimMappingInput) -> Option<ClaimMapping> {
        let mut path = |field: &'static str, text: Option<String>, usual: &str| {
            let path = text.as_deref().unwrap_or(usual).parse::<ClaimPath>();
            path.map_err(|why| self.add(field, why.to_string())).ok()
        };
        let subject = path("claims.subject", input.subject, "sub");
        let organization = path("claims.organization", input.organization, "org_id");
        let roles = path("claims.roles", input.roles, "roles");
        let auth_time = match input.auth_time {
            Some(text) => path("claims.auth_time", Some(text), "auth_time").map(Some),
            None => Some(None),
        };
        let acr = path("claims.acr", input.acr, "acr");
        let amr = path("claims.amr", input.amr, "amr");
        let passed_on = self.passed_on(input.passed_on.unwrap_or_default());
        Some(ClaimMapping {
            subject: subject?,
            organization: organization?,
            roles: roles?,
            auth_time: auth_time?,
            acr: acr?,
            amr: amr?,
            passed_on,
        })
    }

    fn passed_on(&mut self, input: BTreeMap<String, String>) -> BTreeMap<String, ClaimPath> {
        const FIELD: &str = "claims.passed_on";
        if input.len() > MAX_PASSED_CLAIMS {
            self.add(FIELD, "has more than 50 members");
        }
        let mut passed_on = BTreeMap::new();
        for (claim, place) in input {
            let is_name = (1..=MAX_CLAIM_NAME_LENGTH).contains(&claim.len()) && !claim.chars().any(char::is_control);
            if !is_name || is_reserved_claim(&claim) {
                self.add(FIELD, format!("names {claim:?}, which is no claim that an application can attest"));
            }
            match place.parse() {
                Ok(place) => drop(passed_on.insert(claim, place)),
                Err(why) => self.add(FIELD, format!("{claim:?} {why}")),
            }
        }
        passed_on
    }

    fn origins(&mut self, texts: Vec<String>) -> Vec<Origin> {
        const FIELD: &str = "origins";
        if texts.is_empty() {
            self.add(FIELD, "is missing or empty");
        }
        if texts.len() > MAX_ORIGINS {
            self.add(FIELD, "has more than 100 entries");
        }
        let mut origins = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            match text.parse::<Origin>() {
                Ok(origin) if origins.contains(&origin) => self.add(FIELD, format!("[{index}] is named twice")),
                Ok(origin) => origins.push(origin),
                Err(why) => self.add(FIELD, format!("[{index}] {why}")),
            }
        }
        origins
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::jose::SigningKey;

    fn input(members: Value) -> TrustedIssuerInput {
        let mut json = json!({"issuer": "https://login.example.com", "audience": "grantlog", "algorithms": ["ES256"],
            "jwks_uri": "https://login.example.com/jwks", "origins": ["https://app.example.com"]});
        for (name, value) in members.as_object().unwrap() {
            json[name] = value.clone();
        }
        serde_json::from_value(json).unwrap()
    }

    fn fields(members: Value) -> Vec<&'static str> {
        let settings = input(members).into_settings();
        settings.err().unwrap_or_default().iter().map(|problem| problem.field).collect()
    }

    fn claims(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_is_left_out_gets_its_default() {
        let settings = input(json!({})).into_settings().unwrap();
        assert_eq!(settings.max_token_age, USUAL_TOKEN_AGE);
        let places = [&settings.claims.subject, &settings.claims.organization, &settings.claims.roles, &settings.claims.acr];
        assert_eq!(places.map(ClaimPath::as_str), ["sub", "org_id", "roles", "acr"]);
        assert_eq!((settings.claims.auth_time, settings.claims.passed_on.len()), (None, 0));
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let everything = json!({"issuer": "", "audience": null, "algorithms": ["HS256", "none", "ES256", "ES256"], "jwks_uri": "ftp://a",
            "origins": ["https://app.example.com/", "*"], "max_token_age": 5, "claims": {"subject": "", "passed_on": {"iss": "/~2"}}});
        let expected = [
            "issuer",
            "jwks_uri",
            "audience",
            "algorithms",
            "algorithms",
            "algorithms",
            "claims.subject",
            "claims.passed_on",
            "claims.passed_on",
            "origins",
            "origins",
            "max_token_age",
        ];
        assert_eq!(fields(everything), expected);
        assert_eq!(fields(json!({"algorithms": [], "origins": []})), ["algorithms", "origins"]);
    }

    #[test]
    fn keys_are_at_a_uri_or_here() {
        let key = SigningKey::from_ed25519_seed(&[1; 32]).public_jwk().to_value();
        assert_eq!(fields(json!({"jwks_uri": null, "jwks": {"keys": [key]}})), Vec::<&str>::new());
        assert_eq!(fields(json!({"jwks": {"keys": [key]}})), ["jwks"]);
        assert_eq!(fields(json!({"jwks_uri": null})), ["jwks_uri"]);
        assert_eq!(fields(json!({"jwks_uri": null, "jwks": {"keys": [{"kty": "oct", "k": "AA"}]}})), ["jwks"]);
    }

    #[test]
    fn rfc6454_6_2_an_origin_is_written_as_browsers_write_it() {
        for text in
            ["https://app.example.com", "https://app.example.com:8443", "http://localhost:3000", "http://127.0.0.1", "http://[::1]:1"]
        {
            assert_eq!(text.parse::<Origin>().map(String::from), Ok(text.to_owned()));
        }
        for text in [
            "",
            "*",
            "null",
            "app.example.com",
            "https://app.example.com/",
            "https://App.example.com",
            "https://app.example.com:443",
            "http://app.example.com",
            "https://a@app.example.com",
            "https://app.example.com?x",
            "https://app.example.com#x",
            "https://*.example.com",
            "file:///x",
            "app://x",
            "https://app.example.com https://b.example.com",
        ] {
            assert_eq!(text.parse::<Origin>(), Err(InvalidOrigin), "{text}");
        }
    }

    #[test]
    fn rfc6901_4_a_pointer_leads_into_the_claims() {
        let claims = claims(json!({"sub": "a", "https://x.example/org": "b", "user": {"id": "c", "a/b": ["d", "e"]}, "~": "f"}));
        let found = |path: &str| path.parse::<ClaimPath>().unwrap().find(&claims).cloned();
        for (path, value) in
            [("sub", "a"), ("/sub", "a"), ("https://x.example/org", "b"), ("/user/id", "c"), ("/user/a~1b/1", "e"), ("/~0", "f")]
        {
            assert_eq!(found(path), Some(json!(value)), "{path}");
        }
        for path in ["user.id", "/user/x", "/x", "x", "/", "/user/a~1b/9"] {
            assert_eq!(found(path), None, "{path}");
        }
        for path in ["", "/~", "/a~2", "a\nb", &"x".repeat(257)] {
            assert_eq!(path.parse::<ClaimPath>(), Err(InvalidClaimPath), "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,30}", path in "[/~0-9a-z.]{0,12}") {
            let _ = text.parse::<Origin>();
            if let Ok(path) = path.parse::<ClaimPath>() {
                let _ = path.find(&claims(json!({"a": {"b": [1]}})));
            }
        }
    }
}
