use grantlog_tests::{Authorization, ClientKey, TestServer, basic, claims, hmac_signed, text, unsigned};
use http::Method;
use serde_json::{Value, json};

/// What is said of every token that is not active (RFC 7662 §2.2).
fn inactive() -> Value {
    json!({"active": false})
}

async fn access_token(server: &TestServer, client: &Value) -> String {
    let tokens = Authorization::of(server, client, "openid email offline_access").tokens().await;
    text(&tokens, "access_token").to_owned()
}

#[tokio::test]
async fn rfc7662_2_2_a_jwt_is_described() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let token = access_token(&server, &client).await;
    let expected = json!({
        "active": true, "scope": "email offline_access openid", "client_id": client["client_id"], "token_type": "Bearer",
        "exp": 1_772_547_000, "sub": "ana", "aud": ["https://api.example.com"], "iss": "https://auth.example.com",
        "jti": claims(&token)["jti"], "auth_time": 1_772_546_400,
    });
    assert_eq!(server.introspect(&token).await, expected);
}

#[tokio::test]
async fn rfc7662_2_2_an_opaque_token_is_described_in_the_same_way() {
    let server = TestServer::start().await;
    let client = server.client_with(json!({"access_token_format": "opaque"})).await;
    let ana = json!({"id": "ana", "organization_id": "acme", "auth_time": server.now().as_seconds(), "acr": "urn:example:gold"});
    let tokens = Authorization::of(&server, &client, "openid email").subject(ana).tokens().await;
    let mut told = server.introspect(text(&tokens, "access_token")).await;
    assert!(told["jti"].take().is_string());
    let expected = json!({
        "active": true, "scope": "email openid", "client_id": client["client_id"], "token_type": "Bearer", "exp": 1_772_547_000,
        "sub": "ana", "aud": ["https://api.example.com"], "iss": "https://auth.example.com", "jti": null,
        "auth_time": 1_772_546_400, "org_id": "acme", "acr": "urn:example:gold",
    });
    assert_eq!(told, expected);
}

#[tokio::test]
async fn rfc7662_2_2_machine_tokens_are_described_in_both_forms() {
    let server = TestServer::start().await;
    for format in ["jwt", "opaque"] {
        let client = server.machine_client(json!({"access_token_format": format})).await;
        let token = server.machine_token(&client).await;
        let mut told = server.introspect(&token).await;
        assert!(told["jti"].take().is_string());
        let expected = json!({
            "active": true, "scope": "notes.read", "client_id": client["client_id"], "token_type": "Bearer", "exp": 1_772_547_000,
            "sub": client["client_id"], "aud": ["https://api.example.com"], "iss": "https://auth.example.com", "jti": null,
        });
        assert_eq!(told, expected, "{format}");
        assert_eq!(server.revoke(&client, &token).await.told(), (200, Value::Null));
        assert_eq!(server.introspect(&token).await, inactive(), "{format}");
    }
}

#[tokio::test]
async fn rfc7662_4_a_token_that_is_meant_for_others_is_nothing() {
    let server = TestServer::start().await;
    let token = access_token(&server, &server.confidential_client().await).await;
    let key = json!({"name": "billing", "role": "resource_server", "audience": "https://billing.example.com"});
    let billing = server.admin(Method::POST, "/v1/api-keys", Some(&key)).await.expect(201);
    let answer = server.introspect_as(&format!("Bearer {}", text(&billing, "api_key")), &token).await;
    assert_eq!(answer.told(), (200, inactive()));
    let key = json!({"name": "notes", "role": "resource_server", "audience": "https://api.example.com"});
    let notes = server.admin(Method::POST, "/v1/api-keys", Some(&key)).await.expect(201);
    let answer = server.introspect_as(&format!("Bearer {}", text(&notes, "api_key")), &token).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["active"]), (200, &json!(true)));
}

#[tokio::test]
async fn a_token_of_a_revoked_grant_is_dead_at_once() {
    let server = TestServer::start().await;
    for format in ["jwt", "opaque"] {
        let client = server.client_with(json!({"access_token_format": format})).await;
        let token = access_token(&server, &client).await;
        assert!(server.is_active(&token).await);
        let grant = server.grants("ana").await.remove(0);
        let path = format!("/v1/subjects/ana/grants/{}", text(&grant, "id"));
        assert_eq!(server.admin(Method::DELETE, &path, None).await.told(), (204, Value::Null));
        assert_eq!(server.introspect(&token).await, inactive(), "{format}");
    }
}

#[tokio::test]
async fn introspection_after_revocation_is_inactive_at_once() {
    let server = TestServer::start().await;
    for format in ["jwt", "opaque"] {
        let client = server.client_with(json!({"access_token_format": format})).await;
        let (one, other) = (access_token(&server, &client).await, access_token(&server, &client).await);
        assert_eq!(server.revoke(&client, &one).await.told(), (200, Value::Null));
        assert_eq!(server.introspect(&one).await, inactive(), "{format}");
        assert!(server.is_active(&other).await, "{format}");
    }
}

#[tokio::test]
async fn a_token_of_an_ended_family_is_dead_at_once() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let tokens = Authorization::of(&server, &client, "openid offline_access").tokens().await;
    assert_eq!(server.revoke(&client, text(&tokens, "refresh_token")).await.told(), (200, Value::Null));
    assert_eq!(server.introspect(text(&tokens, "access_token")).await, inactive());
}

#[tokio::test]
async fn a_token_of_a_suspended_client_is_dead_until_it_is_resumed() {
    let server = TestServer::start().await;
    let (client, machine) = (server.confidential_client().await, server.machine_client(json!({})).await);
    let tokens = [(access_token(&server, &client).await, client), (server.machine_token(&machine).await, machine)];
    for (token, client) in tokens {
        let path = format!("/v1/clients/{}", text(&client, "client_id"));
        server.admin(Method::POST, &format!("{path}/suspend"), None).await.expect(200);
        assert_eq!(server.introspect(&token).await, inactive());
        server.admin(Method::POST, &format!("{path}/resume"), None).await.expect(200);
        assert!(server.is_active(&token).await);
        server.admin(Method::DELETE, &path, None).await.expect(204);
        assert_eq!(server.introspect(&token).await, inactive());
    }
}

#[tokio::test]
async fn an_expired_token_is_dead_to_the_second() {
    let server = TestServer::start().await;
    let mut tokens = Vec::new();
    for format in ["jwt", "opaque"] {
        tokens.push(access_token(&server, &server.client_with(json!({"access_token_format": format})).await).await);
        tokens.push(server.machine_token(&server.machine_client(json!({"access_token_format": format})).await).await);
    }
    server.advance(599);
    for token in &tokens {
        assert!(server.is_active(token).await, "{token}");
    }
    server.advance(1);
    for token in &tokens {
        assert_eq!(server.introspect(token).await, inactive(), "{token}");
    }
}

#[tokio::test]
async fn rfc7662_2_2_what_is_no_token_of_ours_is_not_active() {
    let server = TestServer::start().await;
    let token = access_token(&server, &server.client_with(json!({"access_token_format": "opaque"})).await).await;
    let (head, last) = token.split_at(token.len() - 1);
    let changed = format!("{head}{}", if last == "A" { "B" } else { "A" });
    let long = "x".repeat(8000);
    for garbage in ["x", "a.b.c", "...", "\u{e4}", "gla_", &token[..token.len() - 4], &changed, &format!("{token}A"), &long] {
        assert_eq!(server.introspect(garbage).await, inactive(), "{garbage}");
    }
}

#[tokio::test]
async fn rfc8725_3_1_a_forged_jwt_is_not_active() {
    let server = TestServer::start().await;
    let token = access_token(&server, &server.confidential_client().await).await;
    let own = claims(&token);
    let keys = server.get("/oauth2/jwks").await.expect(200);
    let keys = keys["keys"].as_array().unwrap();
    let signing = keys.iter().find(|key| key["alg"] == "EdDSA").unwrap();
    let kid = text(signing, "kid");
    let foreign = ClientKey::of(9);
    assert_eq!(server.introspect(&foreign.sign_as("at+jwt", kid, &own)).await, inactive());
    assert_eq!(server.introspect(&foreign.sign_as("at+jwt", foreign.kid(), &own)).await, inactive());
    for alg in ["none", "None", ""] {
        assert_eq!(server.introspect(&unsigned(&json!({"alg": alg, "kid": kid, "typ": "at+jwt"}), &own)).await, inactive(), "{alg}");
    }
    for key in keys {
        let header = json!({"alg": "HS256", "kid": key["kid"], "typ": "at+jwt"});
        for secret in [key.to_string(), key["x"].as_str().or(key["n"].as_str()).unwrap().to_owned()] {
            assert_eq!(server.introspect(&hmac_signed(&header, &own, secret.as_bytes())).await, inactive(), "{key}");
        }
    }
    // The rightly signed token under the name of another algorithm, key or type.
    let (header, rest) = token.split_once('.').unwrap();
    assert!(!header.is_empty());
    for header in [
        json!({"alg": "ES256", "kid": kid, "typ": "at+jwt"}),
        json!({"alg": "EdDSA", "kid": kid, "typ": "JWT"}),
        json!({"alg": "EdDSA", "kid": kid, "typ": "at+jwt", "crit": ["exp"]}),
        json!({"alg": "EdDSA", "typ": "at+jwt"}),
        json!({"alg": "EdDSA", "kid": kid, "typ": "at+jwt", "jwk": foreign.jwk()}),
    ] {
        let header = unsigned(&header, &json!({}));
        let (header, _) = header.split_once('.').unwrap();
        assert_eq!(server.introspect(&format!("{header}.{rest}")).await, inactive());
    }
}

#[tokio::test]
async fn rfc9068_2_1_an_id_token_is_no_access_token() {
    let server = TestServer::start().await;
    let client = server.client_with(json!({"id_token_signed_response_alg": "EdDSA"})).await;
    let tokens = Authorization::of(&server, &client, "openid").tokens().await;
    assert_eq!(server.introspect(text(&tokens, "id_token")).await, inactive());
}

/// Seeded entropy gives both servers the same Ed25519 key and the same ids: only the issuer tells their tokens apart.
#[tokio::test]
async fn rfc9068_4_a_jwt_of_another_issuer_is_not_active() {
    let server = TestServer::start().await;
    let other = TestServer::start_with(|settings| settings.issuer = "https://other.example.com".to_owned(), |_| {}).await;
    let own = access_token(&server, &server.confidential_client().await).await;
    let foreign = access_token(&other, &other.confidential_client().await).await;
    assert_eq!(claims(&own)["jti"], claims(&foreign)["jti"]);
    assert!(server.is_active(&own).await && other.is_active(&foreign).await);
    assert_eq!(server.introspect(&foreign).await, inactive());
    assert_eq!(other.introspect(&own).await, inactive());
}

#[tokio::test]
async fn a_refresh_token_is_nothing_to_a_resource_server() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let tokens = Authorization::of(&server, &client, "openid offline_access").tokens().await;
    assert_eq!(server.introspect(text(&tokens, "refresh_token")).await, inactive());
    let fields = [("token", text(&tokens, "refresh_token")), ("token_type_hint", "refresh_token")];
    let answer = server.post_form("/oauth2/introspect", Some(&server.key("resource_server")), &fields).await;
    assert_eq!(answer.told(), (200, inactive()));
}

#[tokio::test]
async fn rfc7662_2_1_a_wrong_or_unknown_hint_changes_nothing() {
    let server = TestServer::start().await;
    let token = access_token(&server, &server.confidential_client().await).await;
    for hint in ["refresh_token", "access_token", "saml2", ""] {
        let fields = [("token", token.as_str()), ("token_type_hint", hint)];
        let answer = server.post_form("/oauth2/introspect", Some(&server.key("resource_server")), &fields).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["active"]), (200, &json!(true)), "{hint}");
    }
}

#[tokio::test]
async fn rfc7662_2_1_the_caller_is_a_resource_server() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let token = access_token(&server, &client).await;
    let key = &server.keys["resource_server"];
    for good in [format!("Bearer {key}"), format!("bearer {key}"), basic("", key), basic("notes", key)] {
        let answer = server.introspect_as(&good, &token).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["active"]), (200, &json!(true)), "{good}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    for role in ["admin", "consent", "auditor"] {
        assert_eq!(server.introspect_as(&server.key(role), &token).await.oauth_error(), (403, "unauthorized_client".to_owned()), "{role}");
    }
    let secret = text(&client, "client_secret");
    for bad in [
        format!("Bearer {key}x"),
        format!("Bearer {}", &key[..key.len() - 1]),
        format!("Bearer {token}"),
        "Bearer".to_owned(),
        "Basic".to_owned(),
        format!("Digest {key}"),
        basic(key, ""),
        basic(text(&client, "client_id"), secret),
    ] {
        let answer = server.introspect_as(&bad, &token).await;
        assert_eq!(answer.oauth_error(), (401, "invalid_client".to_owned()), "{bad}");
        assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"grantlog\", Bearer realm=\"grantlog\""), "{bad}");
    }
    let answer = server.post_form("/oauth2/introspect", None, &[("token", &token)]).await;
    assert_eq!(answer.oauth_error(), (401, "invalid_client".to_owned()));
    let answer = server.post_form("/oauth2/introspect", None, &[("token", &token), ("access_token", key)]).await;
    assert_eq!(answer.oauth_error(), (401, "invalid_client".to_owned()));
}

#[tokio::test]
async fn a_revoked_api_key_introspects_nothing() {
    let server = TestServer::start().await;
    let token = access_token(&server, &server.confidential_client().await).await;
    let key = server.admin(Method::POST, "/v1/api-keys", Some(&json!({"name": "x", "role": "resource_server"}))).await.expect(201);
    let authorization = format!("Bearer {}", text(&key, "api_key"));
    assert_eq!(server.introspect_as(&authorization, &token).await.status, 200);
    server.admin(Method::DELETE, &format!("/v1/api-keys/{}", text(&key, "id")), None).await.expect(204);
    assert_eq!(server.introspect_as(&authorization, &token).await.oauth_error(), (401, "invalid_client".to_owned()));
}

#[tokio::test]
async fn rfc6749_3_2_a_repeated_or_missing_parameter_is_invalid_request() {
    let server = TestServer::start().await;
    let key = server.key("resource_server");
    for fields in [
        &[("token", "a"), ("token", "a")][..],
        &[("token", "a"), ("token", "")],
        &[("token", "a"), ("token_type_hint", "x"), ("token_type_hint", "x")],
        &[("token", "")],
        &[("token_type_hint", "access_token")],
        &[],
    ] {
        let answer = server.post_form("/oauth2/introspect", Some(&key), fields).await;
        assert_eq!(answer.oauth_error(), (400, "invalid_request".to_owned()), "{fields:?}");
    }
    let headers = [("authorization", key.as_str()), ("content-type", "application/json")];
    let answer = server.request(Method::POST, "/oauth2/introspect", &headers, "{\"token\":\"a\"}").await;
    assert_eq!(answer.oauth_error(), (400, "invalid_request".to_owned()));
}
