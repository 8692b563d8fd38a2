//! Custom claims: JSON with placeholders, `{"tier": "{{ subject.claims.tier }}"}`.
//!
//! The grammar is our own and small: a placeholder is the name of one value, and nothing is computed. What is wrong with a
//! template is said when it is saved; filling it in can't fail.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The most bytes of a template, as compact JSON.
pub const MAX_TEMPLATE_LENGTH: usize = 4096;
/// How deep objects and lists may be nested in a template, itself included.
pub const MAX_TEMPLATE_DEPTH: usize = 5;
/// The longest name of a member, in bytes.
pub const MAX_CLAIM_NAME_LENGTH: usize = 255;

/// What the protocols say themselves, in tokens or beside them: no custom claim may have such a name.
const RESERVED: [&str; 31] = [
    // RFC 7519 §4.1
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    // RFC 9068 §2.2, RFC 8693 §4, RFC 9396 §9, and ours
    "client_id",
    "scope",
    "act",
    "may_act",
    "authorization_details",
    "org_id",
    // The ID token, its hashes, aggregated claims, and the logout specifications
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "at_hash",
    "c_hash",
    "s_hash",
    "sid",
    "events",
    "sub_jwk",
    "sub_id",
    "_claim_names",
    "_claim_sources",
    // RFC 7800 §3.1, RFC 7662 §2.2, RFC 9701 §5
    "cnf",
    "active",
    "token_type",
    "token_introspection",
];

/// Whether a name belongs to the protocols.
pub fn is_reserved_claim(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Claims to be, with placeholders in their texts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = Object, example = json!({"tier": "{{ subject.claims.tier }}"})))]
#[serde(transparent)]
pub struct ClaimsTemplate(Map<String, Value>);

/// The custom claims of what a client gets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CustomClaims {
    /// In its access tokens, and at introspection.
    #[serde(default, skip_serializing_if = "ClaimsTemplate::is_empty")]
    pub access_token: ClaimsTemplate,
    /// In its ID tokens.
    #[serde(default, skip_serializing_if = "ClaimsTemplate::is_empty")]
    pub id_token: ClaimsTemplate,
    /// At userinfo.
    #[serde(default, skip_serializing_if = "ClaimsTemplate::is_empty")]
    pub userinfo: ClaimsTemplate,
}

impl CustomClaims {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.access_token.is_empty() && self.id_token.is_empty() && self.userinfo.is_empty()
    }
}

/// What a placeholder names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path<'a> {
    /// The application's id of the person.
    SubjectId,
    /// The roles that were attested.
    SubjectRoles,
    /// An attested claim, by its name.
    SubjectClaim(&'a str),
    /// The organization that the person acts in.
    OrganizationId,
    /// The client's id.
    ClientId,
    /// The client's name.
    ClientName,
    /// What the token is good for.
    Scope,
    /// The authentication context class.
    Acr,
    /// The authentication methods.
    Amr,
    /// When the person was authenticated, in seconds since 1970-01-01 UTC.
    AuthTime,
}

impl<'a> Path<'a> {
    /// The paths that are one word; the other begins with [`CLAIM_PREFIX`].
    const WORDS: [(&'static str, Path<'static>); 9] = [
        ("subject.id", Path::SubjectId),
        ("subject.roles", Path::SubjectRoles),
        ("organization.id", Path::OrganizationId),
        ("client.id", Path::ClientId),
        ("client.name", Path::ClientName),
        ("scope", Path::Scope),
        ("acr", Path::Acr),
        ("amr", Path::Amr),
        ("auth_time", Path::AuthTime),
    ];

    fn parse(text: &'a str) -> Option<Self> {
        if let Some(name) = text.strip_prefix(CLAIM_PREFIX) {
            return (!name.is_empty() && name.len() <= MAX_CLAIM_NAME_LENGTH).then_some(Self::SubjectClaim(name));
        }
        Self::WORDS.iter().find(|(word, _)| *word == text).map(|(_, path)| *path)
    }
}

const CLAIM_PREFIX: &str = "subject.claims.";

impl ClaimsTemplate {
    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything that is wrong with it, each as the rest of a sentence that begins with the template's name.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let length = serde_json::to_string(&self.0).map_or(usize::MAX, |text| text.len());
        if length > MAX_TEMPLATE_LENGTH {
            problems.push(format!("is longer than {MAX_TEMPLATE_LENGTH} bytes"));
        }
        for name in self.0.keys().filter(|name| is_reserved_claim(name)) {
            problems.push(format!("has the reserved claim {name}"));
        }
        check_members(&self.0, 1, &mut problems);
        problems
    }

    /// Whether it names an attested claim, for which the personal data has to be opened.
    pub fn names_claims(&self) -> bool {
        self.0.values().any(|value| any_text(value, &|text| placeholders(text).any(|path| matches!(path, Some(Path::SubjectClaim(_))))))
    }

    /// Fills it in. A member whose placeholder has no value is left out.
    pub fn fill_in(&self, value_of: &dyn Fn(Path<'_>) -> Option<Value>) -> Map<String, Value> {
        let claims = self.0.iter().filter(|(name, _)| !is_reserved_claim(name));
        claims.filter_map(|(name, value)| Some((name.clone(), filled_in(value, value_of)?))).collect()
    }
}

fn check_members(members: &Map<String, Value>, depth: usize, problems: &mut Vec<String>) {
    for (name, value) in members {
        if name.is_empty() || name.len() > MAX_CLAIM_NAME_LENGTH || name.chars().any(char::is_control) {
            problems.push(format!("has a member whose name does not have 1 to {MAX_CLAIM_NAME_LENGTH} bytes without control characters"));
        }
        if name.contains("{{") {
            problems.push(format!("has a placeholder in the name of a member: {name}"));
        }
        check_value(value, depth, problems);
    }
}

fn check_value(value: &Value, depth: usize, problems: &mut Vec<String>) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => check_text(text, problems),
        Value::Array(_) | Value::Object(_) if depth == MAX_TEMPLATE_DEPTH => {
            problems.push(format!("is nested deeper than {MAX_TEMPLATE_DEPTH} levels"));
        }
        Value::Array(values) => values.iter().for_each(|value| check_value(value, depth + 1, problems)),
        Value::Object(members) => check_members(members, depth + 1, problems),
    }
}

fn check_text(text: &str, problems: &mut Vec<String>) {
    for part in parts(text) {
        match part {
            Part::Placeholder(name) if Path::parse(name).is_none() => problems.push(format!("names what there is not: {{{{ {name} }}}}")),
            Part::Unclosed => problems.push("has {{ without }}".to_owned()),
            Part::Literal(literal) if literal.contains("}}") => problems.push("has }} without {{".to_owned()),
            Part::Placeholder(_) | Part::Literal(_) => {}
        }
    }
}

/// A piece of a text.
enum Part<'a> {
    /// As it stands.
    Literal(&'a str),
    /// What stands between the braces, without the spaces around it.
    Placeholder(&'a str),
    /// Braces that nothing closes.
    Unclosed,
}

fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(inner) = rest.strip_prefix("{{") else {
            let (literal, tail) = rest.split_at(rest.find("{{").unwrap_or(rest.len()));
            rest = tail;
            return Some(Part::Literal(literal));
        };
        let Some((name, tail)) = inner.split_once("}}") else {
            rest = "";
            return Some(Part::Unclosed);
        };
        rest = tail;
        Some(Part::Placeholder(name.trim_matches(' ')))
    })
}

fn placeholders(text: &str) -> impl Iterator<Item = Option<Path<'_>>> {
    parts(text).filter_map(|part| match part {
        Part::Placeholder(name) => Some(Path::parse(name)),
        Part::Literal(_) | Part::Unclosed => None,
    })
}

fn any_text(value: &Value, is: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => is(text),
        Value::Array(values) => values.iter().any(|value| any_text(value, is)),
        Value::Object(members) => members.values().any(|value| any_text(value, is)),
    }
}

fn filled_in(value: &Value, value_of: &dyn Fn(Path<'_>) -> Option<Value>) -> Option<Value> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(value.clone()),
        Value::String(text) => filled_in_text(text, value_of),
        Value::Array(values) => Some(values.iter().filter_map(|value| filled_in(value, value_of)).collect()),
        Value::Object(members) => {
            Some(members.iter().filter_map(|(name, value)| Some((name.clone(), filled_in(value, value_of)?))).collect())
        }
    }
}

/// A text that is one placeholder and nothing else becomes the value itself, of whatever type it is.
fn filled_in_text(text: &str, value_of: &dyn Fn(Path<'_>) -> Option<Value>) -> Option<Value> {
    let known = |name| Path::parse(name).and_then(value_of);
    let mut pieces = parts(text);
    if let (Some(Part::Placeholder(name)), None) = (pieces.next(), pieces.next()) {
        return known(name);
    }
    let filled = parts(text).map(|part| match part {
        Part::Literal(literal) => literal.to_owned(),
        Part::Placeholder(name) => known(name).map(|value| in_words(&value)).unwrap_or_default(),
        Part::Unclosed => String::new(),
    });
    Some(Value::String(filled.collect()))
}

/// A value within a longer text: a text as it is, a list with spaces between, anything else as JSON.
fn in_words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(in_words).collect::<Vec<_>>().join(" "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn template(json: Value) -> ClaimsTemplate {
        serde_json::from_value(json).expect("an object")
    }

    fn value_of(path: Path<'_>) -> Option<Value> {
        match path {
            Path::SubjectId => Some(json!("ana")),
            Path::SubjectRoles => Some(json!(["editor", "auditor"])),
            Path::SubjectClaim("tier") => Some(json!(3)),
            Path::SubjectClaim("https://example.com/plan") => Some(json!({"name": "gold"})),
            Path::ClientName => Some(json!("Weather \"by\" Mail")),
            _ => None,
        }
    }

    fn filled(json: Value) -> Value {
        Value::Object(template(json).fill_in(&value_of))
    }

    #[test]
    fn a_text_that_is_one_placeholder_keeps_the_type() {
        let claims = json!({
            "roles": "{{ subject.roles }}", "tier": "{{subject.claims.tier}}", "plan": "{{ subject.claims.https://example.com/plan }}",
            "level": 7, "nothing": null, "yes": true,
        });
        let expected = json!({
            "roles": ["editor", "auditor"], "tier": 3, "plan": {"name": "gold"}, "level": 7, "nothing": null, "yes": true,
        });
        assert_eq!(filled(claims), expected);
    }

    #[test]
    fn within_a_longer_text_it_becomes_text() {
        let claims = json!({
            "a": "user:{{ subject.id }}", "b": "{{ subject.id }}{{ acr }}", "c": "{{subject.roles}}!", "d": "tier {{subject.claims.tier}}",
            "e": "by {{client.name}}", "f": "plan {{subject.claims.https://example.com/plan}}", "g": " {{ acr }}",
        });
        let expected = json!({
            "a": "user:ana", "b": "ana", "c": "editor auditor!", "d": "tier 3", "e": "by Weather \"by\" Mail",
            "f": "plan {\"name\":\"gold\"}", "g": " ",
        });
        assert_eq!(filled(claims), expected);
    }

    #[test]
    fn a_member_without_a_value_is_left_out_at_any_depth() {
        let claims = json!({"a": "{{ acr }}", "b": {"c": "{{ amr }}", "d": "{{ subject.id }}"}, "e": ["{{ acr }}", "x", "{{subject.id}}"]});
        assert_eq!(filled(claims), json!({"b": {"d": "ana"}, "e": ["x", "ana"]}));
    }

    #[test]
    fn values_are_never_read_as_templates() {
        let claims = template(json!({"a": "{{ client.name }}", "b": "x{{ client.name }}"}));
        let tricky = |_: Path<'_>| Some(json!("{{ subject.id }}"));
        assert_eq!(Value::Object(claims.fill_in(&tricky)), json!({"a": "{{ subject.id }}", "b": "x{{ subject.id }}"}));
    }

    #[test]
    fn rfc9068_2_2_names_of_the_protocols_are_refused_and_never_filled_in() {
        for name in RESERVED {
            let claims = template(json!({name: "x"}));
            assert_eq!(claims.problems(), [format!("has the reserved claim {name}")]);
            assert!(claims.fill_in(&value_of).is_empty(), "{name}");
        }
        // Further down nobody takes them for the token's own.
        assert!(template(json!({"upstream": {"iss": "x"}})).problems().is_empty());
        // RFC 9068 §2.2.3.1 leaves these to the authorization server.
        assert!(template(json!({"roles": 1, "groups": 2, "entitlements": 3, "email": 4})).problems().is_empty());
    }

    #[test]
    fn what_there_is_not_is_refused() {
        for wrong in [
            "{{ }}",
            "{{subject}}",
            "{{ subject.name }}",
            "{{ subject.claims. }}",
            "{{ subject.claims }}",
            "{{ Subject.id }}",
            "{{ 1 + 1 }}",
            "{{ subject.id | upper }}",
            "a {{ env.HOME }} b",
            "{{ {{ subject.id }} }}",
            "{{ subject.id",
            "subject.id }}",
        ] {
            assert!(!template(json!({"a": [{"b": wrong}]})).problems().is_empty(), "{wrong}");
        }
        assert_eq!(template(json!({"a": "{{ x }}", "b": "{{ y }}"})).problems().len(), 2, "all are listed");
    }

    #[test]
    fn size_depth_and_names_are_limited() {
        assert!(template(json!({"a": "x".repeat(MAX_TEMPLATE_LENGTH - 8)})).problems().is_empty());
        assert_eq!(template(json!({"a": "x".repeat(MAX_TEMPLATE_LENGTH - 7)})).problems(), ["is longer than 4096 bytes"]);
        assert!(template(json!({"a": {"b": [{"c": [1]}]}})).problems().is_empty());
        assert_eq!(template(json!({"a": {"b": [{"c": [[]]}]}})).problems(), ["is nested deeper than 5 levels"]);
        for name in ["", "a\nb", &"x".repeat(256), "{{ subject.id }}"] {
            assert_eq!(template(json!({name: 1})).problems().len(), 1, "{name:?}");
            assert_eq!(template(json!({"a": {name: 1}})).problems().len(), 1, "{name:?}");
        }
    }

    #[test]
    fn only_templates_that_name_attested_claims_need_them() {
        assert!(template(json!({"a": [{"b": "x {{subject.claims.tier}}"}]})).names_claims());
        assert!(!template(json!({"a": "{{ subject.id }} subject.claims.tier"})).names_claims());
    }

    proptest! {
        #[test]
        fn filling_in_is_total_and_what_passes_leaves_no_braces(text in "(\\{\\{|\\}\\}|subject\\.id|acr| |x|[^\\PC{}]){0,8}") {
            let claims = template(json!({"a": text}));
            let filled = claims.fill_in(&value_of);
            if claims.problems().is_empty() {
                let left = filled.get("a").and_then(Value::as_str).unwrap_or_default();
                prop_assert!(!left.contains("{{") && !left.contains("}}"), "{}", left);
            }
        }
    }
}
