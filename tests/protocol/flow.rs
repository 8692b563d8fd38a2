use grantlog_tests::{Authorization, TestServer, claims};

#[tokio::test]
async fn the_whole_flow_of_a_confidential_client() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    let tokens = Authorization::of(&server, &client, "openid email offline_access").tokens().await;
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["sub"], "ana");
    let access_token = tokens["access_token"].as_str().unwrap();
    assert!(server.is_active(access_token).await);
    let refreshed = server.refresh(&client, tokens["refresh_token"].as_str().unwrap()).await.expect(200);
    assert_ne!(refreshed["refresh_token"], tokens["refresh_token"]);
}
