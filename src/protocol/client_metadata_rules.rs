//! What must hold between the members of a client's metadata (RFC 7591 §2, OAuth 2.1 §2, and rules of ours).

use std::{collections::HashSet, hash::Hash};

use serde_json::{Map, Value};

use super::client_metadata::LONGEST_ACCESS_TOKEN_LIFETIME;
use super::{ClientAuthenticationMethod, ClientMetadata, ClientType, GrantType, MetadataProblem, RedirectUri, uri};
use crate::{
    domain::{OrganizationId, Seconds},
    jose::JwkSet,
};

const MAX_NAME_LENGTH: usize = 200;
const MAX_REDIRECT_URIS: usize = 100;
const MAX_RESOURCES: usize = 100;
const MAX_KEYS: usize = 20;

/// Members of a JWK that only its owner may know (RFC 7518 §6).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Everything that is wrong, in the order of the members.
pub(super) fn problems(client: &ClientMetadata) -> Vec<MetadataProblem> {
    let mut problems = Problems(Vec::new());
    problems.authentication(client);
    problems.name(&client.client_name);
    problems.links(client);
    problems.redirect_uris(client);
    problems.organization(client);
    problems.resources(&client.resources);
    problems.grant_types(client);
    problems.scopes(client);
    problems.keys(client);
    problems.durations(client);
    problems.exemptions(client);
    problems.claims(client);
    problems.0
}

struct Problems(Vec<MetadataProblem>);

impl Problems {
    fn add(&mut self, field: &'static str, problem: impl Into<String>) {
        self.0.push(MetadataProblem { field, problem: problem.into() });
    }

    fn add_if(&mut self, wrong: bool, field: &'static str, problem: &str) {
        if wrong {
            self.add(field, problem);
        }
    }

    fn authentication(&mut self, client: &ClientMetadata) {
        // RFC 6749 §4.4: client credentials are for confidential clients only.
        let public_machine = client.client_type == ClientType::Machine && client.is_public();
        self.add_if(public_machine, "token_endpoint_auth_method", "must not be none for a machine client");
    }

    fn name(&mut self, name: &str) {
        if name.trim().is_empty() {
            self.add("client_name", "is missing");
        }
        self.add_if(name.chars().count() > MAX_NAME_LENGTH, "client_name", "is longer than 200 characters");
        self.add_if(name.chars().any(is_deceptive), "client_name", "has control characters");
    }

    fn links(&mut self, client: &ClientMetadata) {
        let links = [
            ("client_uri", &client.client_uri),
            ("logo_uri", &client.logo_uri),
            ("policy_uri", &client.policy_uri),
            ("tos_uri", &client.tos_uri),
        ];
        for (field, link) in links {
            if let Some(Err(why)) = link.as_deref().map(uri::check_link) {
                self.add(field, why.to_string());
            }
        }
    }

    fn redirect_uris(&mut self, client: &ClientMetadata) {
        const FIELD: &str = "redirect_uris";
        let uris = &client.redirect_uris;
        let redirects = client.allows(GrantType::AuthorizationCode);
        self.add_if(redirects && uris.is_empty(), FIELD, "must have at least one for the grant type authorization_code");
        self.add_if(!redirects && !uris.is_empty(), FIELD, "must be empty without the grant type authorization_code");
        self.add_if(uris.len() > MAX_REDIRECT_URIS, FIELD, "has more than 100 entries");
        self.add_if(has_duplicates(uris), FIELD, "names a URI twice");
        for (index, uri) in uris.iter().enumerate() {
            if let Err(why) = RedirectUri::parse(uri.as_str()) {
                self.add(FIELD, format!("[{index}] {why}"));
            }
        }
    }

    fn organization(&mut self, client: &ClientMetadata) {
        let wrong = |OrganizationId(id): &OrganizationId| id.is_empty() || id.len() > 255 || id.chars().any(char::is_control);
        self.add_if(
            client.organization_id.as_ref().is_some_and(wrong),
            "organization_id",
            "must have 1 to 255 bytes and no control characters",
        );
    }

    fn resources(&mut self, resources: &[String]) {
        const FIELD: &str = "resources";
        self.add_if(resources.len() > MAX_RESOURCES, FIELD, "has more than 100 entries");
        self.add_if(has_duplicates(resources), FIELD, "names a resource server twice");
        for (index, resource) in resources.iter().enumerate() {
            if let Err(why) = uri::check_resource(resource) {
                self.add(FIELD, format!("[{index}] {why}"));
            }
        }
    }

    fn grant_types(&mut self, client: &ClientMetadata) {
        const FIELD: &str = "grant_types";
        let grant_types = &client.grant_types;
        self.add_if(grant_types.is_empty(), FIELD, "is empty");
        self.add_if(has_duplicates(grant_types), FIELD, "names a grant type twice");
        if client.client_type == ClientType::Machine {
            self.add_if(*grant_types != [GrantType::ClientCredentials], FIELD, "must be client_credentials alone for a machine client");
            return;
        }
        let unused_refresh = client.allows(GrantType::RefreshToken) && !client.allows(GrantType::AuthorizationCode);
        self.add_if(unused_refresh, FIELD, "has refresh_token, which needs authorization_code");
        // OAuth 2.1 §4.2: client credentials are for confidential clients only.
        let public = client.is_public() && client.allows(GrantType::ClientCredentials);
        self.add_if(public, FIELD, "has client_credentials, which a public client must not use");
    }

    fn scopes(&mut self, client: &ClientMetadata) {
        for (field, part) in [("default_scope", &client.default_scope), ("required_scope", &client.required_scope)] {
            let extra = part.difference(&client.scope);
            if !extra.is_empty() {
                self.add(field, format!("has what scope does not have: {extra}"));
            }
        }
        let full = client.scope.contains("full_access") && !client.full_access_allowed;
        self.add_if(full, "scope", "has full_access, which needs full_access_allowed");
        let offline = client.scope.contains("offline_access") && !client.allows(GrantType::RefreshToken);
        self.add_if(offline, "scope", "has offline_access, which needs the grant type refresh_token");
    }

    fn keys(&mut self, client: &ClientMetadata) {
        const FIELD: &str = "jwks";
        let uses_keys = client.token_endpoint_auth_method == ClientAuthenticationMethod::PrivateKeyJwt;
        match &client.jwks {
            Some(_) if !uses_keys => self.add(FIELD, "is for token_endpoint_auth_method private_key_jwt only"),
            Some(jwks) => {
                if let Err(problem) = check_keys(jwks) {
                    self.add(FIELD, problem);
                }
            }
            None => self.add_if(uses_keys, FIELD, "is missing, which token_endpoint_auth_method private_key_jwt needs"),
        }
    }

    fn durations(&mut self, client: &ClientMetadata) {
        let limits = [
            ("access_token_lifetime", client.access_token_lifetime, 1, LONGEST_ACCESS_TOKEN_LIFETIME.0),
            ("refresh_token_lifetime", client.refresh_token_lifetime, 60, 31_536_000),
            ("refresh_grace", client.refresh_grace, 0, 300),
            ("default_max_age", client.default_max_age, 0, 1 << 31),
        ];
        for (field, duration, least, most) in limits {
            if duration.is_some_and(|Seconds(seconds)| !(least..=most).contains(&seconds)) {
                self.add(field, format!("must be from {least} to {most} seconds"));
            }
        }
    }

    fn claims(&mut self, client: &ClientMetadata) {
        let templates = [
            ("claims.access_token", &client.claims.access_token),
            ("claims.id_token", &client.claims.id_token),
            ("claims.userinfo", &client.claims.userinfo),
        ];
        for (field, template) in templates {
            for problem in template.problems() {
                self.add(field, problem);
            }
        }
    }

    fn exemptions(&mut self, client: &ClientMetadata) {
        self.add_if(client.pkce_exempt && client.is_public(), "pkce_exempt", "is for confidential clients only");
        let bypasses = client.bypass_consent_for_offline_access && client.client_type != ClientType::FirstParty;
        self.add_if(bypasses, "bypass_consent_for_offline_access", "is for first-party clients only");
        let full_access = client.full_access_allowed && client.client_type != ClientType::FirstParty;
        self.add_if(full_access, "full_access_allowed", "is for first-party clients only");
    }
}

fn has_duplicates<T: Eq + Hash>(items: &[T]) -> bool {
    let mut seen = HashSet::new();
    !items.iter().all(|item| seen.insert(item))
}

/// Control characters, and those that turn or hide the text around them: names are shown on consent pages.
pub(super) fn is_deceptive(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// RFC 7517 §5: a JWK Set of public keys, one of which at least can verify a signature here. A key that never could is
/// refused now and not when the client first uses it.
fn check_keys(jwks: &Value) -> Result<(), String> {
    let keys = jwks.get("keys").and_then(Value::as_array).ok_or("is not a JWK Set: an object with an array keys")?;
    if keys.is_empty() || keys.len() > MAX_KEYS {
        return Err(format!("must have 1 to {MAX_KEYS} keys"));
    }
    let keys = keys.iter().map(|key| key.as_object().ok_or("has a key that is not an object")).collect::<Result<Vec<_>, _>>()?;
    keys.iter().try_for_each(|key| check_key(key))?;
    let ids: Vec<_> = keys.iter().filter_map(|key| key.get("kid")).collect();
    if has_duplicates(&ids) {
        return Err("has two keys with the same kid".to_owned());
    }
    JwkSet::parse(jwks).map(|_| ()).map_err(|why| format!("is no good: {why}"))
}

fn check_key(key: &Map<String, Value>) -> Result<(), String> {
    if let Some(member) = PRIVATE_MEMBERS.iter().find(|member| key.contains_key(**member)) {
        return Err(format!("has a private or symmetric key: {member} must not be there"));
    }
    match key.get("kty").and_then(Value::as_str) {
        Some("RSA" | "EC" | "OKP") => Ok(()),
        _ => Err("has a key whose kty is none of RSA, EC and OKP".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::ClientMetadataInput;

    /// A sound confidential client, with these members set.
    fn client(members: Value) -> ClientMetadataInput {
        let mut json = json!({"client_name": "Notes", "redirect_uris": ["https://notes.example/cb"], "scope": "openid a b offline_access"});
        for (name, value) in members.as_object().unwrap() {
            json[name] = value.clone();
        }
        serde_json::from_value(json).unwrap()
    }

    fn machine(members: Value) -> ClientMetadataInput {
        let mut client = client(members);
        client.client_type = Some(ClientType::Machine);
        client.redirect_uris.take_if(|uris| uris[0] == "https://notes.example/cb");
        client.scope = Some("a b".to_owned());
        client
    }

    fn fields(input: ClientMetadataInput) -> Vec<&'static str> {
        input.into_metadata().err().unwrap_or_default().iter().map(|problem| problem.field).collect()
    }

    fn key() -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    }

    fn with_keys(jwks: Value) -> ClientMetadataInput {
        client(json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": jwks}))
    }

    #[test]
    fn sound_clients_are_accepted() {
        for input in [
            client(json!({})),
            client(json!({"client_type": "first_party", "bypass_consent_for_offline_access": true})),
            client(json!({"token_endpoint_auth_method": "none"})),
            client(json!({"pkce_exempt": true, "refresh_grace": 0, "default_max_age": 0, "default_scope": "openid a"})),
            client(json!({"grant_types": ["authorization_code", "client_credentials"], "scope": "a"})),
            client(json!({"scope": "openid"})),
            client(json!({"client_uri": "https://notes.example/#about", "logo_uri": "http://localhost/logo.png"})),
            with_keys(json!({"keys": [key()]})),
            machine(json!({})),
        ] {
            assert_eq!(input.clone().into_metadata().map(|_| ()), Ok(()), "{input:?}");
        }
    }

    #[test]
    fn redirect_uris_are_there_exactly_for_the_code_grant() {
        assert_eq!(fields(client(json!({"redirect_uris": []}))), ["redirect_uris"]);
        assert_eq!(fields(client(json!({"grant_types": ["client_credentials"], "scope": "a"}))), ["redirect_uris"]);
        assert_eq!(fields(client(json!({"redirect_uris": ["https://a.example/", "https://a.example/"]}))), ["redirect_uris"]);
        let many: Vec<_> = (0..101).map(|i| format!("https://a.example/{i}")).collect();
        assert_eq!(fields(client(json!({"redirect_uris": many}))), ["redirect_uris"]);
    }

    #[test]
    fn a_bad_redirect_uri_is_named_by_its_place() {
        let uris = json!(["https://a.example/cb", "https://a.example/cb#x", "data:x"]);
        let problems = client(json!({"redirect_uris": uris})).into_metadata().unwrap_err();
        let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["redirect_uris [1] has a fragment", "redirect_uris [2] has the scheme data, which is never allowed"]);
    }

    #[test]
    fn oauth21_4_2_client_credentials_are_for_confidential_clients_only() {
        let public =
            json!({"token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "client_credentials"], "scope": "a"});
        assert_eq!(fields(client(public)), ["grant_types"]);
        assert_eq!(fields(machine(json!({"token_endpoint_auth_method": "none"}))), ["token_endpoint_auth_method"]);
    }

    #[test]
    fn a_machine_client_has_client_credentials_alone() {
        assert_eq!(fields(machine(json!({"grant_types": ["client_credentials", "authorization_code"]}))), ["redirect_uris", "grant_types"]);
        assert_eq!(fields(machine(json!({"redirect_uris": ["https://other.example/cb"]}))), ["redirect_uris"]);
        assert_eq!(fields(machine(json!({"grant_types": []}))), ["grant_types", "grant_types"]);
    }

    #[test]
    fn refresh_tokens_need_codes() {
        let input = client(json!({"grant_types": ["refresh_token"], "redirect_uris": []}));
        assert_eq!(fields(input), ["grant_types"]);
        assert_eq!(fields(client(json!({"grant_types": ["authorization_code"]}))), ["scope"]);
        let twice = json!(["authorization_code", "refresh_token", "refresh_token"]);
        assert_eq!(fields(client(json!({"grant_types": twice}))), ["grant_types"]);
    }

    #[test]
    fn the_default_scope_is_part_of_the_scope() {
        let problems = client(json!({"default_scope": "a c d"})).into_metadata().unwrap_err();
        assert_eq!(problems[0].to_string(), "default_scope has what scope does not have: c d");
    }

    #[test]
    fn the_required_scope_is_part_of_the_scope() {
        assert_eq!(fields(client(json!({"required_scope": "a c"}))), ["required_scope"]);
        assert!(fields(client(json!({"required_scope": "a"}))).is_empty());
    }

    #[test]
    fn rfc8707_2_a_resource_is_an_absolute_uri_without_a_fragment() {
        for wrong in [json!([""]), json!(["api"]), json!(["https://a.example/#x"]), json!(["https://a.example", "https://a.example"])] {
            assert_eq!(fields(client(json!({"resources": wrong}))), ["resources"], "{wrong}");
        }
        assert!(fields(client(json!({"resources": ["https://a.example/mcp", "urn:example:notes"]}))).is_empty());
    }

    #[test]
    fn an_organization_has_a_name() {
        assert_eq!(fields(client(json!({"organization_id": ""}))), ["organization_id"]);
        assert!(fields(client(json!({"organization_id": "acme"}))).is_empty());
    }

    #[test]
    fn names_are_safe_to_show() {
        for wrong in ["", "  ", "a\nb", "a\u{202E}b", "a\u{200B}b", "\0", &"x".repeat(201)] {
            assert_eq!(fields(client(json!({"client_name": wrong}))), ["client_name"], "{wrong:?}");
        }
        assert!(fields(client(json!({"client_name": "ü".repeat(200)}))).is_empty());
    }

    #[test]
    fn links_are_https() {
        for field in ["client_uri", "logo_uri", "policy_uri", "tos_uri"] {
            for wrong in ["http://notes.example", "javascript:alert(1)", "notes.example", ""] {
                assert_eq!(fields(client(json!({field: wrong}))), [field], "{wrong}");
            }
        }
    }

    #[test]
    fn every_mistake_in_custom_claims_is_listed() {
        let claims =
            json!({"access_token": {"iss": "x"}, "id_token": {"a": "{{ x }}", "b": "{{ y }}"}, "userinfo": {"c": "{{ subject.id }}"}});
        assert_eq!(fields(client(json!({"claims": claims}))), ["claims.access_token", "claims.id_token", "claims.id_token"]);
    }

    #[test]
    fn private_key_jwt_and_keys_need_each_other() {
        assert_eq!(fields(client(json!({"token_endpoint_auth_method": "private_key_jwt"}))), ["jwks"]);
        assert_eq!(fields(client(json!({"jwks": {"keys": [key()]}}))), ["jwks"]);
    }

    #[test]
    fn rfc7517_5_keys_are_a_set_of_public_keys() {
        let mut private = key();
        private["d"] = json!("x");
        let secret = json!({"kty": "oct", "kid": "2", "k": "x"});
        for wrong in [
            json!({}),
            json!([]),
            json!(null),
            json!({"keys": []}),
            json!({"keys": [1]}),
            json!({"keys": [{}]}),
            json!({"keys": [{"kty": "oct"}]}),
            json!({"keys": [private]}),
            json!({"keys": [key(), secret]}),
            json!({"keys": [key(), key()]}),
        ] {
            assert_eq!(fields(with_keys(wrong.clone())), ["jwks"], "{wrong}");
        }
    }

    #[test]
    fn durations_have_bounds() {
        for (field, least, most) in [
            ("access_token_lifetime", 1, 86_400),
            ("refresh_token_lifetime", 60, 31_536_000),
            ("refresh_grace", 0, 300),
            ("default_max_age", 0, 1_u32 << 31),
        ] {
            assert!(fields(client(json!({field: least}))).is_empty(), "{field}");
            assert!(fields(client(json!({field: most}))).is_empty(), "{field}");
            assert_eq!(fields(client(json!({field: most + 1}))), [field]);
            if least > 0 {
                assert_eq!(fields(client(json!({field: least - 1}))), [field]);
            }
        }
    }

    #[test]
    fn exemptions_are_for_those_who_may_have_them() {
        assert_eq!(fields(client(json!({"token_endpoint_auth_method": "none", "pkce_exempt": true}))), ["pkce_exempt"]);
        assert_eq!(fields(client(json!({"bypass_consent_for_offline_access": true}))), ["bypass_consent_for_offline_access"]);
        assert_eq!(fields(client(json!({"full_access_allowed": true}))), ["full_access_allowed"]);
        assert_eq!(fields(client(json!({"client_type": "first_party", "scope": "full_access"}))), ["scope"]);
        assert!(fields(client(json!({"client_type": "first_party", "scope": "full_access", "full_access_allowed": true}))).is_empty());
    }
}
