use std::{env, fmt::Write as _, fs, path::Path};

use grantlog_tests::{Answer, TestServer};

use crate::operations::{Operation, operations};

const ROLES: [&str; 4] = ["admin", "consent", "resource_server", "auditor"];

async fn call(server: &TestServer, operation: &Operation, authorization: Option<&str>) -> Answer {
    let body = operation.bodies().into_iter().next();
    let mut headers = Vec::new();
    if let Some((media_type, _)) = &body {
        headers.push(("content-type", media_type.as_str()));
    }
    headers.extend(authorization.map(|authorization| ("authorization", authorization)));
    server.request(operation.method.clone(), &operation.example_path(), &headers, "").await
}

/// The matrix as text. `PERMISSIONS=write` writes it anew; the difference is then to be read.
#[tokio::test]
async fn the_permission_matrix_is_as_written() {
    let server = TestServer::start().await;
    let mut matrix = String::from("# operation role allowed\n");
    for operation in operations().iter().filter(|operation| operation.needs_api_key()) {
        for role in ROLES {
            let answer = call(&server, operation, Some(&server.key(role))).await;
            assert_ne!(answer.status, 401, "{operation} {role}");
            assert!(!answer.status.is_server_error(), "{operation} {role} {answer:?}");
            let is_allowed = answer.status != 403;
            assert_eq!(operation.roles().contains(&role), is_allowed, "{operation} is documented otherwise for {role}");
            let allowed = if is_allowed { "yes" } else { "no" };
            writeln!(matrix, "{} {role} {allowed}", operation.id()).unwrap();
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("surface/permissions.txt");
    if env::var("PERMISSIONS").is_ok_and(|value| value == "write") {
        fs::write(&path, &matrix).unwrap();
    }
    assert_eq!(matrix, fs::read_to_string(&path).unwrap_or_default());
}

#[tokio::test]
async fn rfc9110_15_5_2_without_credentials_or_with_garbage_there_is_a_challenge() {
    let server = TestServer::start().await;
    let key = &server.keys["admin"];
    let garbage = [
        "Bearer".to_owned(),
        "Bearer x".to_owned(),
        "Bearer glk_".to_owned(),
        format!("Bearer {key}x"),
        format!("Bearer {}", &key[..key.len() - 1]),
        format!("Bearer {}", key.to_uppercase()),
        format!("Token {key}"),
        key.clone(),
    ];
    for operation in operations().iter().filter(|operation| operation.needs_api_key()) {
        for authorization in [None].into_iter().chain(garbage.iter().map(|header| Some(header.as_str()))) {
            let answer = call(&server, operation, authorization).await;
            assert_eq!(answer.status, 401, "{operation} {authorization:?}");
            assert!(answer.header("www-authenticate").unwrap().contains("Bearer realm=\"grantlog\""), "{operation}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{operation}");
        }
        let twice = [("authorization", server.key("admin")), ("authorization", server.key("admin"))];
        let twice: Vec<_> = twice.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = server.request(operation.method.clone(), &operation.example_path(), &twice, "").await;
        assert_eq!(answer.status, 400, "{operation}");
    }
}

#[tokio::test]
async fn who_may_call_is_decided_before_anything_else() {
    let server = TestServer::start().await;
    for operation in operations().iter().filter(|operation| operation.needs_api_key()) {
        let headers = [("content-type", "text/plain"), ("grantlog-min-position", "x")];
        let answer = server.request(operation.method.clone(), &operation.example_path(), &headers, "{").await;
        assert_eq!(answer.status, 401, "{operation}");
    }
}

#[tokio::test]
async fn only_open_operations_answer_without_credentials() {
    let server = TestServer::start().await;
    for operation in &operations() {
        let status = call(&server, operation, None).await.status;
        assert_eq!(status == 401, !operation.is_open(), "{operation} {status}");
    }
}
