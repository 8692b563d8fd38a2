use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use grantlog_core::jose::{JwkSet, UnverifiedJwt, VerificationAlgorithm};
use grantlog_tests::{Authorization, TestServer};
use serde_json::{Value, json};

async fn setup() -> (TestServer, Value) {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    (server, client)
}

/// The claims of the ID token, verified by this algorithm with the one published key that it names.
async fn verified(server: &TestServer, tokens: &Value, algorithm: VerificationAlgorithm) -> Value {
    let jwks = server.get("/oauth2/jwks").await.expect(200);
    let jwt = UnverifiedJwt::parse(tokens["id_token"].as_str().expect("an ID token")).expect("a JWT");
    assert_eq!(jwt.header().alg, algorithm);
    assert_eq!(jwt.header().typ.as_deref(), Some("JWT"));
    let kid = jwt.header().kid.clone().expect("a kid");
    let keys = JwkSet::parse(&jwks).expect("a JWK Set").verifying_keys(Some(&kid));
    let [key] = keys.as_slice() else { panic!("{kid} names {} keys of {jwks}", keys.len()) };
    Value::Object(jwt.verify(key, &[algorithm]).expect("a good signature"))
}

async fn id_token(server: &TestServer, tokens: &Value) -> Value {
    verified(server, tokens, VerificationAlgorithm::Rs256).await
}

fn names(claims: &Value) -> Vec<&str> {
    claims.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn oidc_core_2_an_id_token_says_who_when_and_for_whom() {
    let (server, client) = setup().await;
    let mut subject = server.ana(30);
    subject["acr"] = json!("urn:example:silver");
    subject["amr"] = json!(["pwd", "otp"]);
    let authorization = Authorization::of(&server, &client, "openid email").subject(subject).with("nonce", "n-0S6_WzA2Mj");
    let tokens = authorization.tokens().await;
    let claims = id_token(&server, &tokens).await;
    let now = server.now().as_seconds();
    let mut expected = json!({
        "iss": server.issuer(),
        "sub": "ana",
        "aud": client["client_id"],
        "azp": client["client_id"],
        "iat": now,
        "exp": now + 3_600,
        "auth_time": now - 30,
        "nonce": "n-0S6_WzA2Mj",
        "acr": "urn:example:silver",
        "amr": ["pwd", "otp"],
    });
    expected["at_hash"] = claims["at_hash"].clone();
    assert_eq!(claims, expected);
}

#[tokio::test]
async fn oidc_core_2_what_nobody_said_is_not_in_it() {
    let (server, client) = setup().await;
    let tokens = Authorization::of(&server, &client, "openid email").tokens().await;
    // OIDC Core §5.4: claims of scopes come from userinfo, since there is an access token. No nbf: some clients trip over it.
    assert_eq!(names(&id_token(&server, &tokens).await), ["at_hash", "aud", "auth_time", "azp", "exp", "iat", "iss", "sub"]);
}

#[tokio::test]
async fn oidc_core_3_1_3_6_at_hash_binds_the_access_token() {
    let server = TestServer::start().await;
    for (name, algorithm, hash) in [
        ("RS256", VerificationAlgorithm::Rs256, &digest::SHA256),
        ("ES256", VerificationAlgorithm::Es256, &digest::SHA256),
        ("EdDSA", VerificationAlgorithm::EdDsa, &digest::SHA512),
    ] {
        let client = server.confidential_client().await;
        server.change(&client, json!({"id_token_signed_response_alg": name})).await;
        let tokens = Authorization::of(&server, &client, "openid offline_access").tokens().await;
        let refreshed = server.refresh(&client, tokens["refresh_token"].as_str().unwrap()).await.expect(200);
        for tokens in [tokens, refreshed] {
            let claims = verified(&server, &tokens, algorithm).await;
            let hashed = digest::digest(hash, tokens["access_token"].as_str().unwrap().as_bytes());
            let half = &hashed.as_ref()[..hashed.as_ref().len() / 2];
            assert_eq!(claims["at_hash"], BASE64_URL_SAFE_NO_PAD.encode(half), "{name}");
        }
    }
}

#[tokio::test]
async fn oidc_registration_2_the_algorithm_is_rs256_unless_registered_otherwise() {
    let (server, client) = setup().await;
    assert_eq!(client["id_token_signed_response_alg"], "RS256");
    let tokens = Authorization::of(&server, &client, "openid").tokens().await;
    assert_eq!(verified(&server, &tokens, VerificationAlgorithm::Rs256).await["sub"], "ana");
    for (name, algorithm) in [("ES256", VerificationAlgorithm::Es256), ("EdDSA", VerificationAlgorithm::EdDsa)] {
        server.change(&client, json!({"id_token_signed_response_alg": name})).await;
        let tokens = Authorization::of(&server, &client, "openid").tokens().await;
        assert_eq!(verified(&server, &tokens, algorithm).await["sub"], "ana");
    }
}

#[tokio::test]
async fn oidc_core_3_1_3_7_no_client_gets_unsigned_or_symmetric_id_tokens() {
    let (server, _) = setup().await;
    for algorithm in ["none", "HS256", "PS256", "rs256"] {
        let metadata = json!({"client_name": "x", "redirect_uris": ["https://a.example/"], "id_token_signed_response_alg": algorithm});
        let answer = server.call("admin", http::Method::POST, "/v1/clients", Some(&metadata)).await;
        assert_eq!(answer.expect_problem(400, "invalid_json")["field"], "id_token_signed_response_alg");
    }
}

#[tokio::test]
async fn oidc_core_12_2_an_id_token_from_a_refresh_keeps_who_and_when_and_drops_the_nonce() {
    let (server, client) = setup().await;
    let tokens = Authorization::of(&server, &client, "openid offline_access").with("nonce", "n-0S6").tokens().await;
    let first = id_token(&server, &tokens).await;
    server.advance(500);
    let refreshed = server.refresh(&client, tokens["refresh_token"].as_str().unwrap()).await.expect(200);
    let second = id_token(&server, &refreshed).await;
    for same in ["iss", "sub", "aud", "azp", "auth_time"] {
        assert_eq!(first[same], second[same], "{same}");
    }
    assert_eq!(second["iat"].as_i64(), first["iat"].as_i64().map(|at| at + 500));
    assert_eq!((&first["nonce"], second.get("nonce")), (&json!("n-0S6"), None));
    assert_ne!(first["at_hash"], second["at_hash"]);
}

#[tokio::test]
async fn oidc_core_12_2_a_narrowed_refresh_without_openid_has_no_id_token() {
    let (server, client) = setup().await;
    let tokens = Authorization::of(&server, &client, "openid email offline_access").tokens().await;
    let fields = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap()), ("scope", "email")];
    let narrowed = server.as_client(&client, "/oauth2/token", &fields).await.expect(200);
    assert_eq!(narrowed.get("id_token"), None);
}

#[tokio::test]
async fn claims_are_in_the_id_token_for_clients_that_look_there_and_only_those_of_the_scope() {
    let (server, client) = setup().await;
    server.change(&client, json!({"claims_in_id_token": true})).await;
    let claims = id_token(&server, &Authorization::of(&server, &client, "openid email offline_access").tokens().await).await;
    assert_eq!((&claims["email"], &claims["email_verified"], claims.get("name")), (&json!("ana@example.com"), &json!(true), None));
    let tokens = Authorization::of(&server, &client, "openid profile offline_access").tokens().await;
    let claims = id_token(&server, &tokens).await;
    assert_eq!((&claims["name"], claims.get("email")), (&json!("Ana Silva"), None));
    let refreshed = server.refresh(&client, tokens["refresh_token"].as_str().unwrap()).await.expect(200);
    assert_eq!(id_token(&server, &refreshed).await["name"], "Ana Silva");
}

#[tokio::test]
async fn attested_claims_can_not_take_the_place_of_the_protocols_own() {
    let (server, client) = setup().await;
    let query = Authorization::of(&server, &client, "openid").query();
    for own in ["sub", "iss", "aud", "exp", "nonce", "auth_time", "at_hash"] {
        let mut subject = server.ana(0);
        subject["claims"] = json!({own: "x"});
        let problem = server.create(&json!({"query": query, "subject": subject})).await.expect_problem(400, "invalid_field");
        assert_eq!(problem["field"], format!("subject.claims.{own}"));
    }
}

#[tokio::test]
async fn oidcc_server_rotate_keys_an_id_token_of_before_the_rotation_still_verifies() {
    let (server, client) = setup().await;
    let before = Authorization::of(&server, &client, "openid").tokens().await;
    server.call("admin", http::Method::POST, "/v1/signing-keys/rotate", None).await.expect(201);
    server.advance(3_600);
    let after = Authorization::of(&server, &client, "openid").tokens().await;
    let kid = |tokens: &Value| UnverifiedJwt::parse(tokens["id_token"].as_str().unwrap()).unwrap().header().kid.clone();
    assert_ne!(kid(&before), kid(&after));
    assert_eq!(id_token(&server, &before).await["sub"], "ana");
    assert_eq!(id_token(&server, &after).await["sub"], "ana");
}

#[tokio::test]
async fn rfc9068_2_an_access_token_is_no_id_token_and_the_other_way_round() {
    let (server, client) = setup().await;
    let tokens = Authorization::of(&server, &client, "openid").tokens().await;
    let header = |token: &str| UnverifiedJwt::parse(token).unwrap().header().typ.clone();
    assert_eq!(header(tokens["access_token"].as_str().unwrap()).as_deref(), Some("at+jwt"));
    assert!(!server.is_active(tokens["id_token"].as_str().unwrap()).await);
}
