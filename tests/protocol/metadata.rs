use grantlog_tests::{Authorization, TestServer, text};
use http::Method;
use serde_json::{Value, json};
use url::Url;

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OIDC: &str = "/.well-known/openid-configuration";

async fn server_at(issuer: &'static str) -> TestServer {
    TestServer::start_with(|settings| issuer.clone_into(&mut settings.issuer), |_| {}).await
}

/// The endpoints that the metadata names, with the method that each has.
const ENDPOINTS: [(&str, Method); 6] = [
    ("authorization_endpoint", Method::GET),
    ("token_endpoint", Method::POST),
    ("introspection_endpoint", Method::POST),
    ("revocation_endpoint", Method::POST),
    ("userinfo_endpoint", Method::GET),
    ("jwks_uri", Method::GET),
];

#[tokio::test]
async fn rfc8414_2_and_oidc_discovery_3_the_members_that_are_required_are_there() {
    let server = TestServer::start().await;
    for path in [OAUTH, OIDC] {
        let metadata = server.get(path).await.expect(200);
        let expected = json!({
            "issuer": "https://auth.example.com",
            "authorization_endpoint": "https://auth.example.com/oauth2/authorize",
            "token_endpoint": "https://auth.example.com/oauth2/token",
            "introspection_endpoint": "https://auth.example.com/oauth2/introspect",
            "revocation_endpoint": "https://auth.example.com/oauth2/revoke",
            "userinfo_endpoint": "https://auth.example.com/oauth2/userinfo",
            "jwks_uri": "https://auth.example.com/oauth2/jwks",
            "scopes_supported": ["email", "notes.read", "openid"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "form_post"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "subject_types_supported": ["public"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
            "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
            "acr_values_supported": ["urn:example:silver", "urn:example:gold"],
            "authorization_response_iss_parameter_supported": true,
            "claims_parameter_supported": false,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
        });
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&metadata[name], value, "{path} {name}");
        }
        // OpenID Connect Discovery §3: RS256 must be there. RFC 8414 §2: none must not be.
        let algorithms = metadata["id_token_signing_alg_values_supported"].as_array().unwrap();
        assert!(algorithms.contains(&json!("RS256")) && !algorithms.contains(&json!("none")), "{algorithms:?}");
        // RFC 8414 §2: with private_key_jwt the algorithms have to be named, and none is not one.
        for endpoint in ["token", "revocation"] {
            let algorithms = metadata[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")].as_array().unwrap();
            assert!(!algorithms.is_empty() && !algorithms.contains(&json!("none")), "{algorithms:?}");
        }
        assert!(metadata["claims_supported"].as_array().unwrap().contains(&json!("email_verified")));
        assert!(metadata.as_object().unwrap().values().all(|value| *value != Value::Null && *value != json!([])));
    }
}

#[tokio::test]
async fn both_documents_are_the_same_one_and_may_be_kept_for_a_while() {
    let server = TestServer::start().await;
    let (oauth, oidc) = (server.get(OAUTH).await, server.get(OIDC).await);
    assert_eq!(oauth.told(), oidc.told());
    for answer in [oauth, oidc] {
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
    let head = server.request(Method::HEAD, OIDC, &[], "").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
}

#[tokio::test]
async fn the_application_may_be_the_authorization_endpoint() {
    let page = "https://app.example.com/authorize";
    let server = TestServer::start_with(|_| {}, |edge| edge.authorization_endpoint = Some(page.to_owned())).await;
    assert_eq!(server.get(OIDC).await.expect(200)["authorization_endpoint"], page);
}

#[tokio::test]
async fn every_endpoint_of_the_metadata_is_there() {
    for issuer in ["https://auth.example.com", "https://example.com/auth", "https://example.com/auth/tenant"] {
        let server = server_at(issuer).await;
        let metadata = server.get(OIDC).await.expect(200);
        for (name, method) in ENDPOINTS {
            let path = Url::parse(text(&metadata, name)).unwrap().path().to_owned();
            let status = server.request(method, &path, &[], "").await.status.as_u16();
            assert!(![404, 405].contains(&status) && status < 500, "{issuer} {name} {status}");
        }
    }
}

#[tokio::test]
async fn rfc8414_3_1_and_oidc_discovery_4_an_issuer_with_a_path_is_found_at_every_place() {
    let server = server_at("https://example.com/auth/tenant").await;
    for path in [format!("{OAUTH}/auth/tenant"), format!("{OIDC}/auth/tenant"), format!("/auth/tenant{OIDC}")] {
        let answer = server.get(&path).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["issuer"]), (200, &json!("https://example.com/auth/tenant")), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    for path in [format!("{OAUTH}/auth"), format!("{OIDC}/auth/tenant/x"), format!("/auth{OIDC}"), format!("/auth/tenantx{OIDC}")] {
        assert_eq!(server.get(&path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_flow_runs_below_the_path_of_the_issuer() {
    let server = server_at("https://example.com/auth").await;
    let client = server.confidential_client().await;
    let code = Authorization::of(&server, &client, "openid").code().await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", "https://weather.example.com/callback"),
        ("code_verifier", grantlog_tests::Pkce::VERIFIER),
    ];
    let tokens = server.as_client(&client, "/auth/oauth2/token", &fields).await.expect(200);
    let bearer = format!("Bearer {}", text(&tokens, "access_token"));
    let userinfo = server.request(Method::GET, "/auth/oauth2/userinfo", &[("authorization", &bearer)], "").await;
    assert_eq!(userinfo.told(), (200, json!({"sub": "ana"})));
}
