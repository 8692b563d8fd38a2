//! What a client says of itself when it registers (RFC 7591 §2) or changes its registration (RFC 7592 §2.2).

use serde_json::{Map, Value};

use super::{ClientAuthenticationMethod, ClientMetadata, ClientMetadataInput, ClientType, GrantType, MetadataProblem, RedirectUri, Scope};
use crate::{domain::Seconds, jose::Algorithm};

/// How a self-registered client may authenticate.
const METHODS: [(&str, ClientAuthenticationMethod); 4] = [
    ("none", ClientAuthenticationMethod::None),
    ("client_secret_basic", ClientAuthenticationMethod::ClientSecretBasic),
    ("client_secret_post", ClientAuthenticationMethod::ClientSecretPost),
    ("private_key_jwt", ClientAuthenticationMethod::PrivateKeyJwt),
];

/// What a client may ask for itself.
#[derive(Clone, Copy, Debug)]
pub struct SelfRegistrable<'a> {
    /// These scopes.
    pub scopes: &'a Scope,
    /// So many redirect URIs.
    pub redirect_uris: usize,
}

/// Reads what a client says of itself, and says everything that is wrong with it.
///
/// The client becomes one of a third party that acts for people. RFC 7591 §2: what is not known is passed over; so is
/// what only administrators decide. RFC 7591 §3.2.1: what it asks for and can't have is left out.
pub fn read_self_description(said: &Map<String, Value>, registrable: SelfRegistrable<'_>) -> Result<ClientMetadata, Vec<MetadataProblem>> {
    let mut reader = Reader { said, problems: Vec::new() };
    let method = reader.method();
    let grant_types = reader.grant_types();
    reader.response_types();
    let scope = reader.scope(registrable.scopes, &grant_types);
    let redirect_uris = reader.redirect_uris(registrable.redirect_uris);
    let input = ClientMetadataInput {
        client_type: Some(ClientType::ThirdParty),
        token_endpoint_auth_method: Some(method),
        client_name: Some(reader.text("client_name").unwrap_or_else(|| name_of(&redirect_uris))),
        client_uri: reader.text("client_uri"),
        logo_uri: reader.text("logo_uri"),
        policy_uri: reader.text("policy_uri"),
        tos_uri: reader.text("tos_uri"),
        redirect_uris: Some(redirect_uris),
        grant_types: Some(grant_types),
        scope: Some(scope.to_string()),
        jwks: reader.jwks(method),
        id_token_signed_response_alg: reader.algorithm(),
        default_max_age: reader.seconds("default_max_age"),
        ..ClientMetadataInput::default()
    };
    let mut problems = reader.problems;
    match input.into_metadata() {
        Ok(metadata) if problems.is_empty() => Ok(metadata),
        Ok(_) => Err(problems),
        Err(inconsistent) => {
            // A member that can't be read is named once, and not once more for what it was read as.
            let unreadable: Vec<_> = problems.iter().map(|problem| problem.field).collect();
            problems.extend(inconsistent.into_iter().filter(|problem| !unreadable.contains(&problem.field)));
            Err(problems)
        }
    }
}

/// What to call a client that does not say: where it sends browsers, which is true whatever it says.
fn name_of(redirect_uris: &[String]) -> String {
    let first = redirect_uris.first().and_then(|uri| RedirectUri::parse(uri).ok());
    // A description without a redirect URI is refused for that, not for the name.
    first.map_or_else(|| "unnamed".to_owned(), |uri| uri.host_for_display())
}

struct Reader<'a> {
    said: &'a Map<String, Value>,
    problems: Vec<MetadataProblem>,
}

impl<'a> Reader<'a> {
    fn add(&mut self, field: &'static str, problem: impl Into<String>) {
        self.problems.push(MetadataProblem { field, problem: problem.into() });
    }

    /// RFC 7592 §2.2: null and the empty text are as if they were not there.
    fn member(&self, name: &str) -> Option<&'a Value> {
        self.said.get(name).filter(|value| !value.is_null() && value.as_str() != Some(""))
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        let text = self.member(name)?.as_str();
        if text.is_none() {
            self.add(name, "is not a string");
        }
        text.map(str::to_owned)
    }

    fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        let texts = self.member(name)?.as_array().and_then(|texts| texts.iter().map(|text| text.as_str().map(str::to_owned)).collect());
        if texts.is_none() {
            self.add(name, "is not an array of strings");
        }
        texts
    }

    fn seconds(&mut self, name: &'static str) -> Option<Seconds> {
        let seconds = self.member(name)?.as_u64().and_then(|seconds| u32::try_from(seconds).ok());
        if seconds.is_none() {
            self.add(name, "is not a number of seconds");
        }
        seconds.map(Seconds)
    }

    fn method(&mut self) -> ClientAuthenticationMethod {
        const FIELD: &str = "token_endpoint_auth_method";
        // RFC 7591 §2: the default is client_secret_basic.
        let Some(text) = self.text(FIELD) else { return ClientAuthenticationMethod::ClientSecretBasic };
        let known = METHODS.iter().find(|(name, _)| *name == text).map(|(_, method)| *method);
        known.unwrap_or_else(|| {
            self.add(FIELD, format!("is none of {}", METHODS.map(|(name, _)| name).join(", ")));
            ClientAuthenticationMethod::None
        })
    }

    fn grant_types(&mut self) -> Vec<GrantType> {
        const FIELD: &str = "grant_types";
        // RFC 7591 §2: the default is the code alone.
        let Some(asked) = self.texts(FIELD) else { return vec![GrantType::AuthorizationCode] };
        if !asked.iter().any(|grant_type| grant_type == "authorization_code") {
            self.add(FIELD, "does not have authorization_code, without which no client may register itself");
        }
        let refreshes = asked.iter().any(|grant_type| grant_type == "refresh_token");
        [GrantType::AuthorizationCode].into_iter().chain(refreshes.then_some(GrantType::RefreshToken)).collect()
    }

    fn response_types(&mut self) {
        const FIELD: &str = "response_types";
        // RFC 7591 §2.1: the grant type authorization_code goes with the response type code.
        if self.texts(FIELD).is_some_and(|types| !types.iter().any(|response_type| response_type == "code")) {
            self.add(FIELD, "does not have code");
        }
    }

    fn redirect_uris(&mut self, most: usize) -> Vec<String> {
        const FIELD: &str = "redirect_uris";
        let uris = self.texts(FIELD).unwrap_or_default();
        if uris.len() > most {
            self.add(FIELD, format!("has more than {most} entries"));
        }
        uris
    }

    fn scope(&mut self, registrable: &Scope, grant_types: &[GrantType]) -> Scope {
        const FIELD: &str = "scope";
        let may_refresh = grant_types.contains(&GrantType::RefreshToken);
        let Some(text) = self.text(FIELD) else {
            // RFC 7591 §2: what a client does not say is for the server to choose.
            return registrable.iter().filter(|scope| may_refresh || scope.as_str() != "offline_access").cloned().collect();
        };
        let asked: Scope = match text.parse() {
            Ok(asked) => asked,
            Err(why) => {
                self.add(FIELD, format!("is malformed: {why}"));
                return Scope::default();
            }
        };
        let registered = asked.intersection(registrable);
        if registered.is_empty() {
            self.add(FIELD, format!("has nothing that a client may register itself for, which is {registrable}"));
        }
        registered
    }

    fn jwks(&mut self, method: ClientAuthenticationMethod) -> Option<Value> {
        // Keys that the client does not authenticate with are for what is not done here.
        if method != ClientAuthenticationMethod::PrivateKeyJwt {
            return None;
        }
        if self.member("jwks_uri").is_some() {
            let both = self.member("jwks").is_some();
            // RFC 7591 §2: jwks and jwks_uri must not both be there.
            self.add("jwks_uri", if both { "must not be there beside jwks" } else { "is not fetched: send the keys themselves in jwks" });
        }
        self.member("jwks").cloned()
    }

    fn algorithm(&mut self) -> Option<Algorithm> {
        const FIELD: &str = "id_token_signed_response_alg";
        let text = self.text(FIELD)?;
        let known = Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == text);
        if known.is_none() {
            self.add(FIELD, format!("is none of {}", Algorithm::ALL.map(Algorithm::as_str).join(", ")));
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    fn read(said: &Value) -> Result<ClientMetadata, Vec<MetadataProblem>> {
        let scopes = scope("openid email offline_access");
        read_self_description(said.as_object().unwrap(), SelfRegistrable { scopes: &scopes, redirect_uris: 3 })
    }

    /// A sound description with these members in it.
    fn with(members: &Value) -> Value {
        let mut said = json!({"client_name": "Notes", "redirect_uris": ["https://notes.example/cb"]});
        said.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        said
    }

    fn fields(said: &Value) -> Vec<&'static str> {
        read(said).err().unwrap_or_default().iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn rfc7591_2_what_a_client_does_not_say_gets_its_default() {
        let metadata = read(&json!({"redirect_uris": ["https://notes.example/cb"]})).unwrap();
        assert_eq!(metadata.client_type, ClientType::ThirdParty);
        assert_eq!(metadata.token_endpoint_auth_method, ClientAuthenticationMethod::ClientSecretBasic);
        assert_eq!(metadata.grant_types, [GrantType::AuthorizationCode]);
        assert_eq!(metadata.scope, scope("openid email"));
        assert_eq!(metadata.client_name, "notes.example");
        let refreshing = read(&with(&json!({"grant_types": ["refresh_token", "authorization_code"]}))).unwrap();
        assert_eq!(refreshing.scope, scope("openid email offline_access"));
        assert_eq!(refreshing.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
    }

    #[test]
    fn rfc7591_2_what_is_not_known_and_what_only_administrators_decide_is_passed_over() {
        let plain = read(&with(&json!({}))).unwrap();
        let more = json!({
            "client_type": "first_party", "pkce_exempt": true, "bypass_consent_for_offline_access": true, "full_access_allowed": true,
            "organization_id": "acme", "resources": ["https://api.example"], "access_token_lifetime": 86400, "refresh_token_lifetime": 1,
            "refresh_grace": 300, "default_scope": "admin", "required_scope": "admin", "claims_in_id_token": true,
            "access_token_format": "opaque", "token_endpoint_as_assertion_audience": true, "client_id": "mine", "client_secret": "hunter2",
            "client_name#de": "Notizen", "contacts": ["ana@notes.example"], "software_id": "4NRB1", "application_type": "native",
            "software_statement": 7, "jwks": {"keys": []}, "jwks_uri": "http://127.0.0.1/", "unheard_of": {"x": [1]},
        });
        assert_eq!(read(&with(&more)), Ok(plain));
    }

    #[test]
    fn rfc7591_3_2_1_what_a_client_can_not_have_is_left_out() {
        let asked = json!({
            "grant_types": ["implicit", "authorization_code", "client_credentials", "urn:example"], "response_types": ["code", "token"],
            "scope": "openid admin email",
        });
        let metadata = read(&with(&asked)).unwrap();
        assert_eq!((metadata.grant_types, metadata.scope), (vec![GrantType::AuthorizationCode], scope("openid email")));
        assert_eq!(fields(&with(&json!({"scope": "admin full_access"}))), ["scope"]);
        assert_eq!(fields(&with(&json!({"grant_types": ["client_credentials"]}))), ["grant_types"]);
    }

    #[test]
    fn rfc7591_2_1_a_code_needs_its_response_type() {
        assert_eq!(fields(&with(&json!({"response_types": ["token"]}))), ["response_types"]);
        assert_eq!(fields(&with(&json!({"response_types": []}))), ["response_types"]);
    }

    #[test]
    fn rfc7592_2_2_null_and_the_empty_text_are_as_if_they_were_not_there() {
        let empty = json!({
            "client_uri": "", "logo_uri": null, "scope": "", "grant_types": null, "token_endpoint_auth_method": "", "jwks": null,
            "default_max_age": null, "id_token_signed_response_alg": "", "policy_uri": "", "tos_uri": "", "response_types": null,
        });
        assert_eq!(read(&with(&empty)), read(&with(&json!({}))));
    }

    #[test]
    fn every_mistake_is_named_once() {
        let wrong = json!({
            "redirect_uris": "https://notes.example/cb", "token_endpoint_auth_method": "tls_client_auth", "grant_types": [1],
            "response_types": {}, "scope": "a  b", "client_name": ["x"], "client_uri": "ftp://notes.example", "jwks": 3,
            "id_token_signed_response_alg": "none", "default_max_age": -1, "logo_uri": 7,
        });
        let expected = [
            "token_endpoint_auth_method",
            "grant_types",
            "response_types",
            "scope",
            "redirect_uris",
            "client_name",
            "logo_uri",
            "id_token_signed_response_alg",
            "default_max_age",
            "client_uri",
        ];
        assert_eq!(fields(&wrong), expected);
    }

    #[test]
    fn redirect_uris_are_judged_like_everybodys() {
        for uris in [
            json!([]),
            json!(["javascript:alert(1)"]),
            json!(["https://a.example/#x"]),
            json!(["https://a.example/1", "https://a.example/2", "https://a.example/3", "https://a.example/4"]),
        ] {
            assert!(fields(&with(&json!({"redirect_uris": uris}))).contains(&"redirect_uris"), "{uris}");
        }
        let native = read(&json!({"redirect_uris": ["com.example.app:/cb", "http://127.0.0.1/cb", "http://localhost/cb"]})).unwrap();
        assert_eq!(native.client_name, "com.example.app");
    }

    #[test]
    fn rfc7591_2_keys_are_sent_and_not_fetched() {
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]});
        let by_key = |members: Value| {
            let mut members = members;
            members["token_endpoint_auth_method"] = json!("private_key_jwt");
            with(&members)
        };
        assert_eq!(read(&by_key(json!({"jwks": keys}))).unwrap().jwks, Some(keys.clone()));
        assert_eq!(fields(&by_key(json!({"jwks_uri": "https://notes.example/jwks"}))), ["jwks_uri", "jwks"]);
        assert_eq!(fields(&by_key(json!({"jwks": keys, "jwks_uri": "https://notes.example/jwks"}))), ["jwks_uri"]);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,20}".prop_map(Value::from),
            prop::collection::vec("\\PC{0,20}", 0..4).prop_map(Value::from),
            Just(json!({"keys": [{}]})),
        ]
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_never_gives_more_than_may_be_had(values in prop::collection::vec(any_value(), 12)) {
            let names = ["redirect_uris", "token_endpoint_auth_method", "grant_types", "response_types", "client_name", "client_uri", "scope",
                "jwks", "jwks_uri", "id_token_signed_response_alg", "default_max_age", "client_type"];
            let said: Map<_, _> = names.iter().map(|name| (*name).to_owned()).zip(values).collect();
            if let Ok(metadata) = read(&Value::Object(said)) {
                prop_assert!(metadata.scope.is_subset(&scope("openid email offline_access")));
                prop_assert_eq!(metadata.client_type, ClientType::ThirdParty);
            }
        }
    }
}
