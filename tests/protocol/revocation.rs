use grantlog_tests::{Authorization, TestServer, text};
use serde_json::{Value, json};

async fn tokens(server: &TestServer, client: &Value) -> (String, String) {
    let tokens = Authorization::of(server, client, "openid email offline_access").tokens().await;
    (text(&tokens, "access_token").to_owned(), text(&tokens, "refresh_token").to_owned())
}

#[tokio::test]
async fn rfc7009_2_1_a_wrong_token_type_hint_still_revokes() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let (access, _) = tokens(&server, &client).await;
    let answer = server.as_client(&client, "/oauth2/revoke", &[("token", &access), ("token_type_hint", "refresh_token")]).await;
    assert_eq!(answer.told(), (200, Value::Null));
    assert!(!server.is_active(&access).await);
    let (_, refresh) = tokens(&server, &client).await;
    let answer = server.as_client(&client, "/oauth2/revoke", &[("token", &refresh), ("token_type_hint", "access_token")]).await;
    assert_eq!(answer.told(), (200, Value::Null));
    assert_eq!(server.refresh(&client, &refresh).await.oauth_error(), (400, "invalid_grant".to_owned()));
}

#[tokio::test]
async fn rfc7009_2_2_an_unknown_hint_value_is_ignored() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let (access, _) = tokens(&server, &client).await;
    let answer = server.as_client(&client, "/oauth2/revoke", &[("token", &access), ("token_type_hint", "saml2")]).await;
    assert_eq!(answer.told(), (200, Value::Null));
    assert!(!server.is_active(&access).await);
}

#[tokio::test]
async fn rfc7009_2_2_an_unknown_token_answers_200() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let (access, refresh) = tokens(&server, &client).await;
    for unknown in ["x", "a.b.c", &access[..access.len() - 2], &refresh[..refresh.len() - 2]] {
        assert_eq!(server.revoke(&client, unknown).await.told(), (200, Value::Null), "{unknown}");
    }
    assert!(server.is_active(&access).await);
    assert_eq!(server.refresh(&client, &refresh).await.status, 200);
}

#[tokio::test]
async fn rfc7009_2_2_a_dead_token_answers_200_and_records_nothing() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let (access, refresh) = tokens(&server, &client).await;
    for token in [&access, &refresh] {
        let first = server.revoke(&client, token).await;
        assert_eq!(first.told(), (200, Value::Null));
        assert!(first.header("grantlog-position").is_some());
        let again = server.revoke(&client, token).await;
        assert_eq!((again.told(), again.header("grantlog-position")), ((200, Value::Null), None));
    }
}

#[tokio::test]
async fn rfc7009_2_1_another_clients_token_is_refused() {
    let server = TestServer::start().await;
    let (client, other) = (server.confidential_client().await, server.confidential_client().await);
    let machine = server.machine_client(json!({})).await;
    let (access, refresh) = tokens(&server, &client).await;
    let machine_token = server.machine_token(&machine).await;
    for token in [&access, &refresh, &machine_token] {
        let expected = json!({"error": "invalid_grant", "error_description": "token: the token was issued to another client"});
        assert_eq!(server.revoke(&other, token).await.told(), (400, expected));
    }
    assert!(server.is_active(&access).await && server.is_active(&machine_token).await);
    assert_eq!(server.refresh(&client, &refresh).await.status, 200);
}

#[tokio::test]
async fn another_clients_token_tells_a_public_client_nothing() {
    let server = TestServer::start().await;
    let (client, public) = (server.confidential_client().await, server.public_client().await);
    let (access, refresh) = tokens(&server, &client).await;
    for token in [&access, &refresh, "x"] {
        let answer = server.revoke(&public, token).await;
        assert_eq!((answer.told(), answer.header("grantlog-position")), ((200, Value::Null), None), "{token}");
    }
    assert!(server.is_active(&access).await);
    assert_eq!(server.refresh(&client, &refresh).await.status, 200);
}

#[tokio::test]
async fn rfc7009_2_1_a_public_client_revokes_its_own_tokens() {
    let server = TestServer::start().await;
    let client = server.public_client().await;
    let (access, refresh) = tokens(&server, &client).await;
    assert_eq!(server.revoke(&client, &refresh).await.told(), (200, Value::Null));
    assert!(!server.is_active(&access).await);
}

#[tokio::test]
async fn rfc7009_2_2_1_a_store_failure_answers_503() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let (access, _) = tokens(&server, &client).await;
    server.store.set_available(false);
    let answer = server.revoke(&client, &access).await;
    assert_eq!(answer.oauth_error(), (503, "temporarily_unavailable".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("2"));
    server.store.set_available(true);
    assert_eq!(server.revoke(&client, &access).await.told(), (200, Value::Null));
}

#[tokio::test]
async fn rfc7009_2_1_a_refresh_token_takes_the_access_tokens_of_its_family_along() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let (first, refresh) = tokens(&server, &client).await;
    let refreshed = server.refresh(&client, &refresh).await.expect(200);
    let (second, refresh) = (text(&refreshed, "access_token"), text(&refreshed, "refresh_token"));
    let (other_access, other_refresh) = tokens(&server, &client).await;
    assert_eq!(server.revoke(&client, refresh).await.told(), (200, Value::Null));
    assert!(!server.is_active(&first).await && !server.is_active(second).await);
    assert_eq!(server.refresh(&client, refresh).await.oauth_error(), (400, "invalid_grant".to_owned()));
    // Another authorization of the same grant, on another device say, goes on.
    assert!(server.is_active(&other_access).await);
    assert_eq!(server.refresh(&client, &other_refresh).await.status, 200);
}

#[tokio::test]
async fn an_access_token_leaves_its_family_alive() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let (access, refresh) = tokens(&server, &client).await;
    assert_eq!(server.revoke(&client, &access).await.told(), (200, Value::Null));
    let refreshed = server.refresh(&client, &refresh).await.expect(200);
    assert!(server.is_active(text(&refreshed, "access_token")).await);
}

#[tokio::test]
async fn a_rotated_refresh_token_still_ends_its_family() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let (_, refresh) = tokens(&server, &client).await;
    let refreshed = server.refresh(&client, &refresh).await.expect(200);
    server.advance(60);
    assert_eq!(server.revoke(&client, &refresh).await.told(), (200, Value::Null));
    assert!(!server.is_active(text(&refreshed, "access_token")).await);
    let again = server.refresh(&client, text(&refreshed, "refresh_token")).await;
    assert_eq!(again.oauth_error(), (400, "invalid_grant".to_owned()));
}

#[tokio::test]
async fn machine_tokens_are_revoked_in_both_forms() {
    let server = TestServer::start().await;
    for format in ["jwt", "opaque"] {
        let client = server.machine_client(json!({"access_token_format": format})).await;
        let (one, other) = (server.machine_token(&client).await, server.machine_token(&client).await);
        assert_eq!(server.revoke(&client, &one).await.told(), (200, Value::Null));
        assert!(!server.is_active(&one).await && server.is_active(&other).await, "{format}");
    }
}

#[tokio::test]
async fn rfc7009_2_1_the_client_is_authenticated_first() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let (access, _) = tokens(&server, &client).await;
    let id = text(&client, "client_id");
    let wrong = grantlog_tests::basic(id, "wrong");
    let answer = server.post_form("/oauth2/revoke", Some(&wrong), &[("token", &access)]).await;
    assert_eq!(answer.oauth_error(), (401, "invalid_client".to_owned()));
    assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"grantlog\""));
    for fields in [&[("token", access.as_str())][..], &[("token", &access), ("client_id", id)], &[("client_id", id)]] {
        let answer = server.post_form("/oauth2/revoke", None, fields).await;
        assert_eq!(answer.oauth_error(), (400, "invalid_client".to_owned()), "{fields:?}");
    }
    assert!(server.is_active(&access).await);
}

#[tokio::test]
async fn rfc6749_3_2_a_repeated_parameter_is_invalid_request() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    for fields in [&[("token", "a"), ("token", "b")][..], &[("token", "")], &[]] {
        let answer = server.as_client(&client, "/oauth2/revoke", fields).await;
        assert_eq!(answer.oauth_error(), (400, "invalid_request".to_owned()), "{fields:?}");
    }
}
