use grantlog_tests::{Answer, Authorization, TestServer, parameters_of};
use http::Method;
use serde_json::{Value, json};

async fn setup() -> (TestServer, Value) {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    (server, client)
}

#[track_caller]
fn position(answer: &Answer) -> u64 {
    assert!(answer.status.is_success() || answer.status == 303, "{answer:?}");
    let position = answer.header("grantlog-position").unwrap_or_else(|| panic!("no position in {answer:?}"));
    position.parse().unwrap_or_else(|_| panic!("{position} is no position"))
}

/// Reads with the header `Grantlog-Min-Position`.
async fn read_at(server: &TestServer, path: &str, positions: &[&str]) -> Answer {
    let mut request = http::Request::get(path).header("authorization", format!("Bearer {}", server.keys["admin"]));
    for position in positions {
        request = request.header("grantlog-min-position", *position);
    }
    server.send(request.body(bytes::Bytes::new()).unwrap()).await
}

#[tokio::test]
async fn every_write_tells_its_position_and_positions_grow() {
    let (server, client) = setup().await;
    let authorization = Authorization::of(&server, &client, "openid offline_access");
    let mut seen = Vec::new();
    let created = authorization.start_without_subject().await;
    seen.push(position(&created));
    let id = created.json()["id"].as_str().unwrap().to_owned();
    seen.push(position(&server.attest(&id, &json!({"subject": server.ana(0)})).await));
    let decided = server.decide(&id, &json!({"decision": "approve"})).await;
    seen.push(position(&decided));
    let redeemed = authorization.redeem(&parameters_of(&decided.json()["redirect_to"])["code"]).await;
    seen.push(position(&redeemed));
    let refresh_token = redeemed.json()["refresh_token"].as_str().unwrap().to_owned();
    seen.push(position(&server.refresh(&client, &refresh_token).await));
    seen.push(position(&server.as_client(&client, "/oauth2/revoke", &[("token", &refresh_token)]).await));
    seen.push(position(&server.get(&format!("/oauth2/authorize?{}", authorization.query())).await));
    let suspend = format!("/v1/clients/{}/suspend", client["client_id"].as_str().unwrap());
    seen.push(position(&server.call("admin", Method::POST, &suspend, None).await));
    let metadata = json!({"client_name": "x", "redirect_uris": ["https://a.example/"]});
    seen.push(position(&server.call("admin", Method::POST, "/v1/clients", Some(&metadata)).await));
    assert!(seen.is_sorted_by(|before, after| before < after), "{seen:?}");
}

#[tokio::test]
async fn a_read_and_a_repetition_that_writes_nothing_have_no_position() {
    let (server, client) = setup().await;
    let request = Authorization::of(&server, &client, "openid").start().await;
    let id = request["id"].as_str().unwrap();
    position(&server.decide(id, &json!({"decision": "approve"})).await);
    let again = server.decide(id, &json!({"decision": "approve"})).await;
    assert_eq!((again.status.as_u16(), again.header("grantlog-position")), (200, None));
    assert_eq!(server.read(id).await.header("grantlog-position"), None);
    // A rejected request is not recorded, and a refusal has written nothing.
    let rejected = Authorization::of(&server, &client, "nothing").start_without_subject().await;
    assert_eq!((rejected.status.as_u16(), rejected.header("grantlog-position")), (200, None));
    let refused = server.decide(id, &json!({"decision": "deny"})).await;
    assert_eq!((refused.status.as_u16(), refused.header("grantlog-position")), (409, None));
}

#[tokio::test]
async fn a_read_at_the_position_of_a_write_sees_it() {
    let (server, client) = setup().await;
    let created = Authorization::of(&server, &client, "openid").start_without_subject().await;
    let at = position(&created).to_string();
    let path = format!("/v1/authorization-requests/{}", created.json()["id"].as_str().unwrap());
    assert_eq!(read_at(&server, &path, &[&at]).await.expect(200), created.json());
    assert_eq!(read_at(&server, &path, &["0"]).await.expect(200), created.json());
    Authorization::of(&server, &client, "openid").code().await;
    let grants = read_at(&server, "/v1/subjects/ana/grants", &[&at]).await.expect(200);
    assert_eq!(grants["grants"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_bad_position_is_refused_and_named() {
    let (server, client) = setup().await;
    let created = Authorization::of(&server, &client, "openid").start_without_subject().await.expect(201);
    let request = format!("/v1/authorization-requests/{}", created["id"].as_str().unwrap());
    let client = format!("/v1/clients/{}", client["client_id"].as_str().unwrap());
    for path in [request.as_str(), &client, "/v1/clients", "/v1/api-keys", "/v1/signing-keys", "/v1/subjects/ana/grants"] {
        for bad in [&["-1"][..], &["x"], &[""], &["1.5"], &["18446744073709551616"], &["0x1"], &["1", "1"], &["1, 2"]] {
            let problem = read_at(&server, path, bad).await.expect_problem(400, "invalid_header");
            assert_eq!(problem["field"], "grantlog-min-position", "{path} {bad:?}");
        }
    }
}

#[tokio::test]
async fn a_position_that_does_not_come_is_503_after_a_while() {
    let (server, client) = setup().await;
    let created = Authorization::of(&server, &client, "openid").start_without_subject().await.expect(201);
    let path = format!("/v1/authorization-requests/{}", created["id"].as_str().unwrap());
    // From here on, time passes as soon as everybody waits.
    tokio::time::pause();
    let answer = read_at(&server, &path, &["18446744073709551615"]).await;
    answer.expect_problem(503, "unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
}
