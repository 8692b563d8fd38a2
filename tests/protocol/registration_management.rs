use grantlog_core::app::DynamicRegistration;
use grantlog_tests::{Answer, Authorization, TestServer, merged, text};
use http::Method;
use serde_json::{Value, json};

async fn open() -> TestServer {
    TestServer::start_with(|settings| settings.registration.dynamic = DynamicRegistration::Open, |_| {}).await
}

async fn registered(server: &TestServer) -> Value {
    let said = json!({
        "client_name": "Notes", "redirect_uris": ["https://notes.example.com/cb"], "client_uri": "https://notes.example.com",
        "grant_types": ["authorization_code", "refresh_token"],
    });
    server.register_itself(None, &said).await.expect(201)
}

/// What a client sends back to change something: all it was told, but for what is not its to say.
fn said(client: &Value, members: Value) -> Value {
    let own = json!({
        "registration_access_token": null, "registration_client_uri": null, "client_secret_expires_at": null, "client_id_issued_at": null,
    });
    merged(merged(client.clone(), own), members)
}

fn without_secret(client: &Value) -> Value {
    merged(client.clone(), json!({"client_secret": null, "client_secret_expires_at": null}))
}

async fn administrator(server: &TestServer, method: Method, client: &Value, action: &str) -> Answer {
    server.admin(method, &format!("/v1/clients/{}{action}", text(client, "client_id")), None).await
}

#[tokio::test]
async fn rfc7592_2_1_a_client_reads_what_is_registered() {
    let server = open().await;
    let client = registered(&server).await;
    let answer = server.manage(Method::GET, &client, None).await;
    // RFC 7592 §3: with the token and the URL; the secret is kept as a hash only.
    assert_eq!(answer.told(), (200, without_secret(&client)));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn rfc7592_2_2_an_update_replaces_all_and_holds_at_once() {
    let server = open().await;
    let client = registered(&server).await;
    let change = said(&client, json!({"redirect_uris": ["https://new.example.com/cb"], "client_uri": null, "client_name": ""}));
    let updated = server.manage(Method::PUT, &client, Some(&change)).await.expect(200);
    let expected = merged(
        without_secret(&client),
        json!({"redirect_uris": ["https://new.example.com/cb"], "client_uri": null, "client_name": "new.example.com"}),
    );
    assert_eq!(updated, expected);
    assert_eq!(server.manage(Method::GET, &client, None).await.told(), (200, updated));
    assert_eq!(Authorization::of(&server, &client, "openid").start().await["state"], "rejected");
    let moved = merged(client, json!({"redirect_uris": ["https://new.example.com/cb"]}));
    Authorization::of(&server, &moved, "openid").tokens().await;
}

#[tokio::test]
async fn the_registration_access_token_stays_the_same() {
    let server = open().await;
    let client = registered(&server).await;
    for name in ["Notes 2", "Notes 3"] {
        let change = said(&client, json!({"client_name": name}));
        let updated = server.manage(Method::PUT, &client, Some(&change)).await.expect(200);
        assert_eq!(updated["registration_access_token"], client["registration_access_token"]);
    }
}

#[tokio::test]
async fn an_update_that_changes_nothing_records_nothing() {
    let server = open().await;
    let client = registered(&server).await;
    let answer = server.manage(Method::PUT, &client, Some(&said(&client, json!({})))).await;
    assert_eq!((answer.told(), answer.header("grantlog-position")), ((200, without_secret(&client)), None));
}

#[tokio::test]
async fn rfc7592_2_2_what_the_server_gave_out_is_not_the_clients_to_change() {
    let server = open().await;
    let client = registered(&server).await;
    for (members, field) in [
        (json!({"client_id": null}), "client_id"),
        (json!({"client_id": "client_other"}), "client_id"),
        (json!({"client_secret": "chosen"}), "client_secret"),
        (json!({"client_secret": 7}), "client_secret"),
        (json!({"registration_access_token": "x"}), "registration_access_token"),
        (json!({"registration_client_uri": "x"}), "registration_client_uri"),
        (json!({"client_secret_expires_at": 0}), "client_secret_expires_at"),
        (json!({"client_id_issued_at": 0}), "client_id_issued_at"),
        (json!({"token_endpoint_auth_method": "none"}), "token_endpoint_auth_method"),
        (json!({"grant_types": ["client_credentials"]}), "grant_types"),
    ] {
        let answer = server.manage(Method::PUT, &client, Some(&said(&client, members.clone()))).await;
        let error = answer.expect_oauth_error(400, "invalid_client_metadata");
        assert!(text(&error, "error_description").contains(field), "{members} {error}");
    }
    let both = said(&client, json!({"client_id": "client_other", "redirect_uris": ["javascript:x"], "logo_uri": 1}));
    let error = server.manage(Method::PUT, &client, Some(&both)).await.expect_oauth_error(400, "invalid_client_metadata");
    assert!(["client_id", "redirect_uris", "logo_uri"].iter().all(|name| text(&error, "error_description").contains(name)), "{error}");
    assert_eq!(server.manage(Method::GET, &client, None).await.told(), (200, without_secret(&client)));
}

#[tokio::test]
async fn an_update_without_the_secret_leaves_it_as_it_is() {
    let server = open().await;
    let client = registered(&server).await;
    let change = said(&client, json!({"client_secret": null, "client_name": "Notes 2"}));
    server.manage(Method::PUT, &client, Some(&change)).await.expect(200);
    Authorization::of(&server, &client, "openid").tokens().await;
}

#[tokio::test]
async fn what_administrators_gave_a_client_it_keeps_and_can_not_widen() {
    let server = open().await;
    let client = registered(&server).await;
    let given =
        server.change(&client, json!({"scope": "openid notes.read", "access_token_lifetime": 60, "claims_in_id_token": true})).await;
    let change = said(&client, json!({"client_name": "Notes 2", "scope": "openid notes.read notes.write email"}));
    let updated = server.manage(Method::PUT, &client, Some(&change)).await.expect(200);
    assert_eq!(updated["scope"], "email notes.read openid");
    let seen = administrator(&server, Method::GET, &client, "").await.expect(200);
    for member in ["access_token_lifetime", "claims_in_id_token", "client_type"] {
        assert_eq!(seen[member], given[member], "{member}");
    }
}

#[tokio::test]
async fn a_client_that_changes_its_name_is_not_verified_any_more() {
    let server = open().await;
    let client = registered(&server).await;
    administrator(&server, Method::POST, &client, "/verify").await.expect(200);
    server.manage(Method::PUT, &client, Some(&said(&client, json!({})))).await.expect(200);
    assert_eq!(administrator(&server, Method::GET, &client, "").await.expect(200)["verified"], true);
    server.manage(Method::PUT, &client, Some(&said(&client, json!({"client_name": "Your Bank"})))).await.expect(200);
    assert_eq!(administrator(&server, Method::GET, &client, "").await.expect(200)["verified"], false);
}

#[tokio::test]
async fn rfc7592_2_3_a_client_ends_itself_with_its_grants() {
    let server = open().await;
    let client = registered(&server).await;
    let tokens = Authorization::of(&server, &client, "openid offline_access").tokens().await;
    assert_eq!(server.manage(Method::DELETE, &client, None).await.told(), (204, Value::Null));
    assert!(!server.is_active(text(&tokens, "access_token")).await);
    assert_eq!(server.refresh(&client, text(&tokens, "refresh_token")).await.oauth_error(), (401, "invalid_client".to_owned()));
    assert_eq!(server.grants("ana").await, Vec::<Value>::new());
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = server.manage(method.clone(), &client, Some(&said(&client, json!({})))).await;
        answer.expect_oauth_error(401, "invalid_token");
    }
}

#[tokio::test]
async fn rfc7592_2_1_a_token_that_is_missing_or_wrong_is_answered_with_a_challenge() {
    let server = open().await;
    let (client, other) = (registered(&server).await, registered(&server).await);
    let path = format!("/oauth2/register/{}", text(&client, "client_id"));
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let missing = server.request(method.clone(), &path, &[], "").await;
        assert_eq!((missing.status.as_u16(), missing.header("www-authenticate")), (401, Some("Bearer realm=\"grantlog\"")), "{method}");
        for wrong in [text(&other, "registration_access_token"), text(&client, "client_secret"), &server.keys["admin"], "glm_x"] {
            let answer = server.request(method.clone(), &path, &[("authorization", &format!("Bearer {wrong}"))], "").await;
            answer.expect_oauth_error(401, "invalid_token");
            assert!(answer.header("www-authenticate").unwrap().contains("error=\"invalid_token\""), "{method}");
        }
        let basic = grantlog_tests::basic(text(&client, "client_id"), text(&client, "client_secret"));
        server.request(method.clone(), &path, &[("authorization", &basic)], "").await.expect_oauth_error(401, "invalid_token");
    }
    assert_eq!(server.manage(Method::GET, &client, None).await.status, 200);
}

#[tokio::test]
async fn whether_a_client_exists_is_not_told() {
    let server = open().await;
    let client = registered(&server).await;
    let of_an_administrator = server.confidential_client().await;
    let token = format!("Bearer {}", text(&client, "registration_access_token"));
    let answer = async |id: &str| {
        let answer = server.request(Method::GET, &format!("/oauth2/register/{id}"), &[("authorization", &token)], "").await;
        (answer.status, answer.body.clone())
    };
    assert_eq!(answer("client_unknown").await, answer(text(&of_an_administrator, "client_id")).await);
    assert_eq!(answer("%00").await.0, 401);
}

#[tokio::test]
async fn rfc7592_2_1_a_suspended_client_does_nothing_about_it() {
    let server = open().await;
    let client = registered(&server).await;
    administrator(&server, Method::POST, &client, "/suspend").await.expect(200);
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let change = said(&client, json!({"client_name": "Notes 2"}));
        server.manage(method, &client, Some(&change)).await.expect_oauth_error(403, "unauthorized_client");
    }
    let seen = administrator(&server, Method::GET, &client, "").await.expect(200);
    assert_eq!((&seen["state"], &seen["client_name"]), (&json!("suspended"), &json!("Notes")));
}

#[tokio::test]
async fn a_registration_is_managed_where_nobody_registers_any_more() {
    let open = TestServer::start_with(|settings| settings.registration.dynamic = DynamicRegistration::InitialAccessToken, |_| {}).await;
    let made = open.admin(Method::POST, "/v1/initial-access-tokens", Some(&json!({"name": "partners"}))).await.expect(201);
    let said = json!({"redirect_uris": ["https://notes.example.com/cb"], "token_endpoint_auth_method": "none"});
    let client = open.register_itself(Some(text(&made, "initial_access_token")), &said).await.expect(201);
    let path = format!("/v1/initial-access-tokens/{}", text(&made, "id"));
    open.admin(Method::DELETE, &path, None).await.expect(204);
    assert_eq!(open.manage(Method::DELETE, &client, None).await.status, 204);
}
