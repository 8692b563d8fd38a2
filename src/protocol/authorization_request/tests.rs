use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::ClientMetadataInput;

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT_URI: &str = "https://client.example.com/cb";

fn client(members: &Value) -> ClientMetadata {
    let mut json = json!({"client_name": "Notes", "redirect_uris": [REDIRECT_URI], "scope": "openid profile notes:read offline_access"});
    for (name, value) in members.as_object().unwrap() {
        json[name] = value.clone();
    }
    serde_json::from_value::<ClientMetadataInput>(json).unwrap().into_metadata().unwrap()
}

/// A sound request with these parameters set, or left out where they are empty.
fn params(changes: &[(&str, &str)]) -> Params {
    let sound = [
        ("client_id", "app"),
        ("redirect_uri", REDIRECT_URI),
        ("response_type", "code"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "af0ifjsldkj"),
    ];
    let kept = sound.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(kept.chain(changes)).finish();
    Params::parse(query.as_bytes()).unwrap()
}

fn prove(client: &ClientMetadata, changes: &[(&str, &str)]) -> Result<AnswerTo, UnprovenRequest> {
    ClientAndRedirect::parse(&params(changes))?.prove(client, &params(changes))
}

fn request_of(client: &ClientMetadata, changes: &[(&str, &str)]) -> Result<AuthorizationRequest, AuthorizationError> {
    AuthorizationRequest::parse(&params(changes), &prove(client, changes).unwrap(), client, client.scope_when_omitted())
}

fn request(changes: &[(&str, &str)]) -> Result<AuthorizationRequest, AuthorizationError> {
    request_of(&client(&json!({})), changes)
}

fn parameters(changes: &[(&str, &str)]) -> AuthorizationParameters {
    request(changes).unwrap().parameters
}

/// The code, after seeing that the description says which parameter is meant.
fn refusal(changes: &[(&str, &str)], named: &str) -> AuthorizationErrorCode {
    let error = request(changes).unwrap_err();
    assert!(error.description().contains(named), "{error}");
    error.code()
}

#[test]
fn rfc6749_4_1_1_a_sound_request_is_read() {
    let expected = AuthorizationParameters {
        client_id: "app".into(),
        redirect_uri: RedirectUri::parse(REDIRECT_URI).unwrap(),
        redirect_uri_given: true,
        response_mode: ResponseMode::Query,
        scope: "openid profile".parse().unwrap(),
        state: Some("af0ifjsldkj".to_owned()),
        nonce: Some("n-0S6_WzA2Mj".to_owned()),
        code_challenge: Some(CodeChallenge::parse(CHALLENGE, Some("S256")).unwrap()),
        prompt: vec![Prompt::Login, Prompt::Consent],
        max_age: Some(Seconds(600)),
        acr_values: vec!["urn:b".to_owned(), "a".to_owned()],
        expected_subject: None,
        resources: vec!["https://b.example/".to_owned(), "urn:a".to_owned()],
        ui_locales: Some("de-CH en".to_owned()),
        display: Some("popup".to_owned()),
    };
    let changes = [
        ("scope", "profile openid"),
        ("nonce", "n-0S6_WzA2Mj"),
        ("prompt", "login consent login"),
        ("max_age", "600"),
        ("acr_values", "urn:b a"),
        ("ui_locales", "de-CH en"),
        ("display", "popup"),
        ("resource", "https://b.example/"),
        ("resource", "urn:a"),
        ("login_hint", "ana@example.com"),
        ("id_token_hint", "a.b.c"),
        ("claims_locales", "de"),
        ("unheard_of", "1"),
    ];
    let read = request(&changes).unwrap();
    assert_eq!(read.parameters, expected);
    assert_eq!((read.id_token_hint.as_ref(), read.login_hint.as_deref()), (Some(&"a.b.c".into()), Some("ana@example.com")));
    let printed = format!("{read:?}");
    assert!(!printed.contains("ana@") && !printed.contains("a.b.c"), "{printed}");
}

#[test]
fn rfc8707_2_1_a_malformed_resource_is_invalid_target() {
    assert_eq!(refusal(&[("resource", "https://a.example/#x")], "resource"), AuthorizationErrorCode::InvalidTarget);
    assert_eq!(refusal(&[("resource", "api")], "resource"), AuthorizationErrorCode::InvalidTarget);
}

#[test]
fn rfc6749_4_1_2_1_without_a_client_nothing_is_proven() {
    let refused = |client_id: &str| prove(&client(&json!({})), &[("client_id", client_id)]).unwrap_err();
    assert_eq!(refused(""), UnprovenRequest::ClientIdMissing);
    assert_eq!(refused("käse"), UnprovenRequest::ClientIdMalformed);
}

#[test]
fn rfc6749_4_1_2_1_an_unregistered_redirect_uri_is_not_answered() {
    for other in
        ["https://client.example.com/cb?x=1", "https://client.example.com/cb/", "https://evil.example/cb", "javascript:alert(1)", "x"]
    {
        assert_eq!(prove(&client(&json!({})), &[("redirect_uri", other)]), Err(UnprovenRequest::RedirectUriNotRegistered), "{other}");
    }
}

#[test]
fn a_redirect_uri_that_got_into_the_log_is_judged_again() {
    let mut client = client(&json!({}));
    client.redirect_uris = vec![RedirectUri("javascript:alert(1)".to_owned())];
    assert_eq!(prove(&client, &[("redirect_uri", "javascript:alert(1)")]), Err(UnprovenRequest::RedirectUriNotRegistered));
    assert_eq!(prove(&client, &[("redirect_uri", "")]), Err(UnprovenRequest::RedirectUriMissing));
}

#[test]
fn rfc6749_3_1_2_3_the_only_redirect_uri_may_be_left_out() {
    let answer_to = prove(&client(&json!({})), &[("redirect_uri", "")]).unwrap();
    assert_eq!((answer_to.redirect_uri.as_str(), answer_to.redirect_uri_given), (REDIRECT_URI, false));
    for uris in [json!([REDIRECT_URI, "https://client.example.com/cb2"]), json!(["http://127.0.0.1/cb"])] {
        assert_eq!(prove(&client(&json!({"redirect_uris": uris})), &[("redirect_uri", "")]), Err(UnprovenRequest::RedirectUriMissing));
    }
    let one_port = client(&json!({"redirect_uris": ["http://127.0.0.1:3000/cb"]}));
    assert!(prove(&one_port, &[("redirect_uri", "")]).is_ok());
}

#[test]
fn rfc8252_7_3_the_requested_port_is_answered() {
    let native = client(&json!({"redirect_uris": ["http://127.0.0.1/cb"], "token_endpoint_auth_method": "none"}));
    let answer_to = prove(&native, &[("redirect_uri", "http://127.0.0.1:51004/cb")]).unwrap();
    assert_eq!(answer_to.redirect_uri.as_str(), "http://127.0.0.1:51004/cb");
}

#[test]
fn rfc6749_4_1_2_1_errors_go_back_with_the_state() {
    let long = "x".repeat(2049);
    let changes = [("state", long.as_str()), ("response_mode", "form_post")];
    let answer_to = prove(&client(&json!({})), &changes).unwrap();
    assert_eq!((answer_to.state, answer_to.response_mode), (Some(long.clone()), ResponseMode::FormPost));
    let answer_to = prove(&client(&json!({})), &[("response_mode", "fragment")]).unwrap();
    assert_eq!((answer_to.state.as_deref(), answer_to.response_mode), (Some("af0ifjsldkj"), ResponseMode::Query));
}

#[test]
fn rfc6749_3_1_1_the_response_type_is_code() {
    assert_eq!(refusal(&[("response_type", "")], "response_type"), AuthorizationErrorCode::InvalidRequest);
    for other in ["token", "code id_token", "code token", "id_token", "none", "CODE", "code "] {
        assert_eq!(refusal(&[("response_type", other)], "response_type"), AuthorizationErrorCode::UnsupportedResponseType, "{other}");
    }
}

#[test]
fn the_response_mode_is_query_or_form_post() {
    assert_eq!(parameters(&[("response_mode", "query")]).response_mode, ResponseMode::Query);
    assert_eq!(parameters(&[("response_mode", "form_post")]).response_mode, ResponseMode::FormPost);
    for other in ["fragment", "web_message", "form_post.jwt", "QUERY"] {
        assert_eq!(refusal(&[("response_mode", other)], "response_mode"), AuthorizationErrorCode::InvalidRequest, "{other}");
    }
}

#[test]
fn oidc_core_3_1_2_6_request_objects_are_refused_by_name() {
    assert_eq!(refusal(&[("request", "e30.e30.")], "request"), AuthorizationErrorCode::RequestNotSupported);
    assert_eq!(refusal(&[("request_uri", "https://a.example/r")], "request_uri"), AuthorizationErrorCode::RequestUriNotSupported);
    assert_eq!(refusal(&[("registration", "{}")], "registration"), AuthorizationErrorCode::RegistrationNotSupported);
}

#[test]
fn rfc6749_4_1_2_1_a_client_without_the_grant_type_is_unauthorized() {
    let mut other = client(&json!({}));
    other.grant_types = vec![GrantType::ClientCredentials];
    assert_eq!(request_of(&other, &[]).unwrap_err().code(), AuthorizationErrorCode::UnauthorizedClient);
    let mut machine = client(&json!({}));
    machine.client_type = ClientType::Machine;
    assert_eq!(request_of(&machine, &[]).unwrap_err().code(), AuthorizationErrorCode::UnauthorizedClient);
}

#[test]
fn rfc6749_3_3_without_a_scope_there_is_a_default() {
    assert_eq!(parameters(&[]).scope.to_string(), "notes:read offline_access openid profile");
    let narrow = client(&json!({"default_scope": "notes:read"}));
    assert_eq!(request_of(&narrow, &[("scope", "")]).unwrap().parameters.scope.to_string(), "notes:read");
}

#[test]
fn rfc6749_3_3_a_scope_beyond_the_clients_is_refused_by_name() {
    assert_eq!(refusal(&[("scope", "openid admin root")], "admin root"), AuthorizationErrorCode::InvalidScope);
    for malformed in ["openid  profile", " openid", "\"", "\\", "ö"] {
        assert_eq!(refusal(&[("scope", malformed)], "scope"), AuthorizationErrorCode::InvalidScope, "{malformed}");
    }
}

#[test]
fn oauth21_4_1_1_a_code_challenge_is_required() {
    let none = [("code_challenge", ""), ("code_challenge_method", "")];
    assert_eq!(refusal(&none, "code_challenge"), AuthorizationErrorCode::InvalidRequest);
    assert_eq!(refusal(&[("code_challenge", "")], "code_challenge"), AuthorizationErrorCode::InvalidRequest);
    assert_eq!(refusal(&[("code_challenge", "short")], "code_challenge"), AuthorizationErrorCode::InvalidRequest);
    for method in ["", "plain", "s256"] {
        assert_eq!(
            refusal(&[("code_challenge_method", method)], "code_challenge_method"),
            AuthorizationErrorCode::InvalidRequest,
            "{method}"
        );
    }
}

#[test]
fn oauth21_7_5_1_an_exempt_openid_client_may_rely_on_nonce() {
    let exempt = client(&json!({"pkce_exempt": true}));
    let none = |nonce, scope| [("code_challenge", ""), ("code_challenge_method", ""), ("nonce", nonce), ("scope", scope)];
    assert_eq!(request_of(&exempt, &none("n", "openid")).unwrap().parameters.code_challenge, None);
    assert!(request_of(&exempt, &none("", "openid")).is_err());
    assert!(request_of(&exempt, &none("n", "profile")).is_err());
    // Who asks for PKCE gets it, exempt or not.
    assert!(request_of(&exempt, &[("nonce", "n")]).unwrap().parameters.code_challenge.is_some());
    assert!(request_of(&exempt, &[("nonce", "n"), ("code_challenge", "")]).is_err());
    assert!(request_of(&exempt, &[("nonce", "n"), ("code_challenge_method", "plain")]).is_err());
    let mut public = exempt;
    public.token_endpoint_auth_method = crate::protocol::ClientAuthenticationMethod::None;
    assert!(request_of(&public, &none("n", "openid")).is_err());
}

#[test]
fn oidc_core_3_1_2_1_prompt_is_a_list_of_known_words() {
    assert_eq!(parameters(&[("prompt", "none")]).prompt, [Prompt::None]);
    assert_eq!(parameters(&[("prompt", "select_account")]).prompt, [Prompt::SelectAccount]);
    assert!(parameters(&[]).prompt.is_empty());
    for wrong in ["none login", "login none", "create", "Login"] {
        assert_eq!(refusal(&[("prompt", wrong)], "prompt"), AuthorizationErrorCode::InvalidRequest, "{wrong}");
    }
}

#[test]
fn oidc_core_3_1_2_1_max_age_is_a_whole_number() {
    assert_eq!(parameters(&[("max_age", "0")]).max_age, Some(Seconds(0)));
    assert_eq!(parameters(&[("max_age", "2147483648")]).max_age, Some(Seconds(MAX_MAX_AGE)));
    for wrong in ["2147483649", "99999999999", "-1", "+1", "1.5", "1e3", " 1", "x"] {
        assert_eq!(refusal(&[("max_age", wrong)], "max_age"), AuthorizationErrorCode::InvalidRequest, "{wrong}");
    }
    let strict = client(&json!({"default_max_age": 60}));
    assert_eq!(request_of(&strict, &[]).unwrap().parameters.max_age, Some(Seconds(60)));
    assert_eq!(request_of(&strict, &[("max_age", "9")]).unwrap().parameters.max_age, Some(Seconds(9)));
}

#[test]
fn long_texts_are_kept_whole_or_refused() {
    for (name, longest) in [
        ("state", MAX_STATE_LENGTH),
        ("nonce", MAX_NONCE_LENGTH),
        ("login_hint", MAX_HINT_LENGTH),
        ("ui_locales", MAX_HINT_LENGTH),
        ("acr_values", MAX_HINT_LENGTH),
        ("display", MAX_DISPLAY_LENGTH),
    ] {
        assert!(request(&[(name, &"x".repeat(longest))]).is_ok(), "{name}");
        assert_eq!(refusal(&[(name, &"x".repeat(longest + 1))], name), AuthorizationErrorCode::InvalidRequest);
    }
    let nonce = "n".repeat(384);
    assert_eq!(parameters(&[("nonce", &nonce)]).nonce, Some(nonce));
}

#[test]
fn oidc_core_3_1_2_6_every_denial_has_its_code() {
    let codes = [
        (DenialError::AccessDenied, "access_denied"),
        (DenialError::LoginRequired, "login_required"),
        (DenialError::AccountSelectionRequired, "account_selection_required"),
        (DenialError::ConsentRequired, "consent_required"),
        (DenialError::InteractionRequired, "interaction_required"),
        (DenialError::UnmetAuthenticationRequirements, "unmet_authentication_requirements"),
    ];
    for (denial, code) in codes {
        assert_eq!(AuthorizationErrorCode::from(denial).as_str(), code);
    }
}

proptest! {
    #[test]
    fn parsing_never_panics(changes in proptest::collection::btree_map(
        "client_id|redirect_uri|response_type|response_mode|scope|state|nonce|prompt|max_age|code_challenge|acr_values", "\\PC{0,30}", 0..4)) {
        let changes: Vec<_> = changes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let client = client(&json!({}));
        if let Ok(answer_to) = prove(&client, &changes) {
            prop_assert_eq!(answer_to.redirect_uri.as_str(), REDIRECT_URI);
            if let Ok(request) = AuthorizationRequest::parse(&params(&changes), &answer_to, &client, client.scope_when_omitted()) {
                prop_assert!(request.parameters.scope.is_subset(&client.scope));
                prop_assert!(request.parameters.code_challenge.is_some());
            }
        }
    }

    #[test]
    fn state_comes_back_untouched(state in "\\PC{1,60}") {
        let changes = [("state", state.as_str())];
        let read = parameters(&changes).state;
        prop_assert_eq!(read.as_deref(), Some(state.as_str()));
    }
}
