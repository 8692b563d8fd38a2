use grantlog_tests::{ClientKey, JWT_BEARER, TestServer, basic, hmac_signed, merged, text, unsigned};
use serde_json::{Value, json};

const TOKEN: &str = "/oauth2/token";
const MACHINE: (&str, &str) = ("grant_type", "client_credentials");

fn invalid_client(status: u16) -> (u16, String) {
    (status, "invalid_client".to_owned())
}

#[tokio::test]
async fn rfc6749_2_3_1_basic_is_form_encoded_first() {
    let server = TestServer::start().await;
    let client = server.machine_client(json!({})).await;
    let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
    let encoded = |text: &str| text.bytes().fold(String::new(), |encoded, byte| encoded + &format!("%{byte:02X}"));
    for header in [basic(id, secret), basic(&encoded(id), &encoded(secret)), basic(id, secret).replace("Basic", "bASIC")] {
        assert_eq!(server.post_form(TOKEN, Some(&header), &[MACHINE]).await.status, 200, "{header}");
    }
    // A client_id that says the same is no second method.
    let same = server.post_form(TOKEN, Some(&basic(id, secret)), &[MACHINE, ("client_id", id)]).await;
    assert_eq!(same.status, 200);
}

#[tokio::test]
async fn rfc6749_5_2_a_failed_header_is_401_with_a_challenge() {
    let server = TestServer::start().await;
    let client = server.machine_client(json!({})).await;
    let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
    for header in [
        basic(id, "wrong"),
        basic(id, ""),
        basic(id, &secret[1..]),
        basic(id, &format!("{secret}x")),
        basic(id, &secret.to_uppercase()),
        basic("client_unknown", secret),
        basic("", secret),
        "Basic".to_owned(),
        "Basic !".to_owned(),
        format!("Bearer {secret}"),
        server.key("admin"),
    ] {
        let answer = server.post_form(TOKEN, Some(&header), &[MACHINE]).await;
        assert_eq!(answer.oauth_error(), invalid_client(401), "{header}");
        assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"grantlog\""), "{header}");
    }
}

#[tokio::test]
async fn rfc6749_5_2_every_reason_has_the_same_answer() {
    let server = TestServer::start().await;
    let client = server.machine_client(json!({})).await;
    let suspended = server.machine_client(json!({})).await;
    server.admin(http::Method::POST, &format!("/v1/clients/{}/suspend", text(&suspended, "client_id")), None).await.expect(200);
    let deleted = server.machine_client(json!({})).await;
    server.admin(http::Method::DELETE, &format!("/v1/clients/{}", text(&deleted, "client_id")), None).await.expect(204);
    let expected = json!({"error": "invalid_client", "error_description": "Client authentication failed."});
    for header in [
        basic(text(&client, "client_id"), "wrong"),
        basic("client_unknown", "wrong"),
        basic(text(&suspended, "client_id"), text(&suspended, "client_secret")),
        basic(text(&deleted, "client_id"), text(&deleted, "client_secret")),
    ] {
        assert_eq!(server.post_form(TOKEN, Some(&header), &[MACHINE]).await.told(), (401, expected.clone()));
    }
}

#[tokio::test]
async fn rfc6749_2_3_1_a_secret_in_the_body() {
    let server = TestServer::start().await;
    let client = server.machine_client(json!({"token_endpoint_auth_method": "client_secret_post"})).await;
    let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
    let post = async |fields: &[(&str, &str)]| server.post_form(TOKEN, None, &[&[MACHINE], fields].concat()).await;
    assert_eq!(post(&[("client_id", id), ("client_secret", secret)]).await.status, 200);
    for fields in [
        &[("client_id", id), ("client_secret", "wrong")][..],
        &[("client_id", id), ("client_secret", "")],
        &[("client_id", id)],
        &[("client_secret", secret)],
        &[("client_id", "client_unknown"), ("client_secret", secret)],
        &[],
    ] {
        let answer = post(fields).await;
        assert_eq!((answer.oauth_error(), answer.header("www-authenticate")), (invalid_client(400), None), "{fields:?}");
    }
    // RFC 6749 §2.3.1: never in the URI.
    let query = format!("{TOKEN}?client_id={id}&client_secret={secret}");
    assert_eq!(server.post_form(&query, None, &[MACHINE]).await.oauth_error(), invalid_client(400));
}

#[tokio::test]
async fn oidc_core_9_a_client_uses_the_method_that_it_is_registered_with() {
    let server = TestServer::start().await;
    let key = ClientKey::of(1);
    let by_basic = server.machine_client(json!({})).await;
    let by_post = server.machine_client(json!({"token_endpoint_auth_method": "client_secret_post"})).await;
    let by_key = server.client_with_key(&key, json!({})).await;
    let public = server.public_client().await;
    for client in [&by_post, &by_key, &public] {
        let header = basic(text(client, "client_id"), client["client_secret"].as_str().unwrap_or("x"));
        assert_eq!(server.post_form(TOKEN, Some(&header), &[MACHINE]).await.oauth_error(), invalid_client(401));
    }
    for client in [&by_basic, &by_key, &public] {
        let secret = client["client_secret"].as_str().unwrap_or("x");
        let fields = [MACHINE, ("client_id", text(client, "client_id")), ("client_secret", secret)];
        assert_eq!(server.post_form(TOKEN, None, &fields).await.oauth_error(), invalid_client(400));
    }
    for client in [&by_basic, &by_post, &public] {
        let assertion = key.sign(key.kid(), &server.assertion_claims(client, json!({})));
        assert_eq!(server.token_by_assertion(&assertion).await.oauth_error(), invalid_client(400));
    }
    for client in [&by_basic, &by_post, &by_key] {
        let fields = [MACHINE, ("client_id", text(client, "client_id"))];
        assert_eq!(server.post_form(TOKEN, None, &fields).await.oauth_error(), invalid_client(400));
    }
    // The public client is let in by its name, and may still not have client credentials.
    let fields = [MACHINE, ("client_id", text(&public, "client_id"))];
    assert_eq!(server.post_form(TOKEN, None, &fields).await.oauth_error(), (400, "unauthorized_client".to_owned()));
}

#[tokio::test]
async fn rfc6749_2_3_one_method_in_a_request() {
    let server = TestServer::start().await;
    let key = ClientKey::of(1);
    let client = server.machine_client(json!({})).await;
    let by_key = server.client_with_key(&key, json!({})).await;
    let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
    let assertion = key.sign(key.kid(), &server.assertion_claims(&by_key, json!({})));
    let by_assertion = [("client_assertion_type", JWT_BEARER), ("client_assertion", assertion.as_str())];
    let by_post = [("client_id", id), ("client_secret", secret)];
    let header = basic(id, secret);
    let invalid_request = || (400, "invalid_request".to_owned());
    let post = async |header: Option<&str>, fields: &[(&str, &str)]| server.post_form(TOKEN, header, fields).await.oauth_error();
    assert_eq!(post(Some(&header), &[&[MACHINE][..], &by_post].concat()).await, invalid_request());
    assert_eq!(post(Some(&header), &[&[MACHINE][..], &by_assertion].concat()).await, invalid_request());
    assert_eq!(post(None, &[&[MACHINE][..], &by_post, &by_assertion].concat()).await, invalid_request());
    // Two names are one too many.
    assert_eq!(post(Some(&header), &[MACHINE, ("client_id", text(&by_key, "client_id"))]).await, invalid_client(401));
    assert_eq!(post(None, &[&[MACHINE, ("client_id", id)][..], &by_assertion].concat()).await, invalid_client(400));
    // RFC 7521 §4.2: type and assertion go together.
    assert_eq!(post(None, &[MACHINE, by_assertion[0]]).await, invalid_request());
    assert_eq!(post(None, &[MACHINE, by_assertion[1]]).await, invalid_request());
    let saml = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer");
    assert_eq!(post(None, &[MACHINE, saml, by_assertion[1]]).await, invalid_client(400));
    // None of this spent the assertion.
    assert_eq!(server.token_by_assertion(&assertion).await.status, 200);
}

#[tokio::test]
async fn rfc7523_3_a_sound_assertion_is_good_once() {
    let server = TestServer::start().await;
    let key = ClientKey::of(1);
    let client = server.client_with_key(&key, json!({})).await;
    let sign = |members: Value| key.sign(key.kid(), &server.assertion_claims(&client, members));
    let assertion = sign(json!({}));
    let token = server.token_by_assertion(&assertion).await.expect(200);
    assert!(server.is_active(text(&token, "access_token")).await);
    assert_eq!(server.token_by_assertion(&assertion).await.oauth_error(), invalid_client(400));
    // The same jti in another assertion is spent as well, but not for another client.
    assert_eq!(server.token_by_assertion(&sign(json!({"exp": server.now().as_seconds() + 90}))).await.oauth_error(), invalid_client(400));
    assert_eq!(server.token_by_assertion(&sign(json!({"jti": "other"}))).await.status, 200);
    let other = server.client_with_key(&key, json!({})).await;
    let foreign = key.sign(key.kid(), &server.assertion_claims(&other, json!({})));
    assert_eq!(server.token_by_assertion(&foreign).await.status, 200);
}

#[tokio::test]
async fn rfc7523_3_an_assertion_that_is_not_sound_is_refused() {
    let server = TestServer::start().await;
    let key = ClientKey::of(1);
    let client = server.client_with_key(&key, json!({})).await;
    let now = server.now().as_seconds();
    let issuer = server.issuer();
    for members in [
        json!({"exp": now}),
        json!({"exp": now - 1}),
        json!({"exp": null}),
        json!({"exp": "soon"}),
        json!({"exp": now + 3_601}),
        json!({"exp": now + 86_400}),
        json!({"nbf": now + 61}),
        json!({"iat": now + 61}),
        json!({"jti": null}),
        json!({"jti": ""}),
        json!({"jti": 7}),
        json!({"jti": "x".repeat(257)}),
        json!({"iss": "someone"}),
        json!({"iss": null}),
        json!({"sub": null}),
        json!({"sub": "client_unknown"}),
        json!({"aud": null}),
        json!({"aud": "https://other.example.com"}),
        json!({"aud": [issuer]}),
        json!({"aud": [issuer, "https://other.example.com"]}),
        json!({"aud": format!("{issuer}/")}),
        json!({"aud": format!("{issuer}/oauth2/token")}),
    ] {
        let assertion = key.sign(key.kid(), &server.assertion_claims(&client, members.clone()));
        assert_eq!(server.token_by_assertion(&assertion).await.oauth_error(), invalid_client(400), "{members}");
    }
    for members in
        [json!({"nbf": now + 10, "iat": now + 10, "jti": "a"}), json!({"iat": null, "jti": "b"}), json!({"exp": now + 3_600, "jti": "c"})]
    {
        let assertion = key.sign(key.kid(), &server.assertion_claims(&client, members.clone()));
        assert_eq!(server.token_by_assertion(&assertion).await.status, 200, "{members}");
    }
}

#[tokio::test]
async fn a_client_may_be_let_name_the_token_endpoint_as_audience() {
    let server = TestServer::start().await;
    let key = ClientKey::of(1);
    let client = server.client_with_key(&key, json!({"token_endpoint_as_assertion_audience": true})).await;
    let endpoint = format!("{}/oauth2/token", server.issuer());
    for (jti, aud, status) in [("a", json!(endpoint), 200), ("b", json!(server.issuer()), 200), ("c", json!([endpoint]), 400)] {
        let assertion = key.sign(key.kid(), &server.assertion_claims(&client, json!({"aud": aud, "jti": jti})));
        assert_eq!(server.token_by_assertion(&assertion).await.status, status, "{aud}");
    }
}

#[tokio::test]
async fn rfc8725_3_1_an_assertion_is_signed_by_a_registered_key() {
    let server = TestServer::start().await;
    let (key, second, foreign) = (ClientKey::of(1), ClientKey::of(2), ClientKey::of(3));
    let client = server.client_with_key(&key, json!({"jwks": {"keys": [key.jwk(), second.jwk()]}})).await;
    let claims = |jti: &str| server.assertion_claims(&client, json!({"jti": jti}));
    let spent = claims("good");
    let public = text(&key.jwk(), "x").to_owned();
    let forged = [
        foreign.sign(foreign.kid(), &spent),
        foreign.sign(key.kid(), &spent),
        key.sign("unknown", &spent),
        key.sign(second.kid(), &spent),
        unsigned(&json!({"alg": "none"}), &spent),
        unsigned(&json!({"alg": "none", "kid": key.kid()}), &spent),
        unsigned(&json!({"alg": "EdDSA", "kid": key.kid()}), &spent),
        hmac_signed(&json!({"alg": "HS256", "kid": key.kid()}), &spent, public.as_bytes()),
        hmac_signed(&json!({"alg": "HS256", "kid": key.kid()}), &spent, key.jwk().to_string().as_bytes()),
        hmac_signed(&json!({"alg": "EdDSA", "kid": key.kid()}), &spent, public.as_bytes()),
        "x".to_owned(),
        "..".to_owned(),
    ];
    for assertion in forged {
        assert_eq!(server.token_by_assertion(&assertion).await.oauth_error(), invalid_client(400), "{assertion}");
    }
    // Refused assertions spend no jti; each registered key is good.
    assert_eq!(server.token_by_assertion(&key.sign(key.kid(), &spent)).await.status, 200);
    assert_eq!(server.token_by_assertion(&second.sign(second.kid(), &claims("second"))).await.status, 200);
}

#[tokio::test]
async fn rfc7517_5_a_key_that_can_never_verify_is_refused_when_it_is_registered() {
    let server = TestServer::start().await;
    let good = ClientKey::of(1).jwk();
    for bad in [
        json!({"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "short"}),
        json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "weak"}),
        json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "off the curve"}),
    ] {
        for keys in [json!([bad]), json!([good, bad])] {
            let client = json!({
                "client_type": "machine", "client_name": "Nightly", "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": keys},
            });
            let answer = server.admin(http::Method::POST, "/v1/clients", Some(&client)).await;
            assert_eq!(answer.problem(), (422, "invalid_metadata".to_owned(), Some("jwks".to_owned())), "{client}");
        }
    }
    // Keys for other purposes may stand beside a good one.
    let other = json!({"kty": "OKP", "crv": "X25519", "x": good["x"], "kid": "for encryption", "use": "enc"});
    let keys = merged(json!({"keys": [good, other]}), json!({}));
    server.client_with_key(&ClientKey::of(1), json!({"jwks": keys})).await;
}
