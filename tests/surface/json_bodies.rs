use bytes::Bytes;
use grantlog_tests::{Answer, TestServer};
use serde_json::{Value, json};

use crate::operations::{Operation, document, operations};

/// The operations of the JSON API. Those of RFC 7591 have errors of their own, and pass over what they don't know.
fn json_operations() -> Vec<(Operation, Value)> {
    let json = |operation: Operation| {
        let (_, body) = operation.bodies().into_iter().find(|(media_type, _)| media_type == "application/json")?;
        Some((operation, body))
    };
    operations().into_iter().filter(|operation| operation.path.starts_with("/v1/")).filter_map(json).collect()
}

async fn send(server: &TestServer, operation: &Operation, body: impl Into<Bytes>) -> Answer {
    let headers = [("content-type", "application/json"), ("authorization", &server.key("admin"))];
    server.request(operation.method.clone(), &operation.example_path(), &headers, body).await
}

fn code(answer: &Answer) -> (u16, String) {
    let (status, code, _) = answer.problem();
    (status, code)
}

fn invalid_json() -> (u16, String) {
    (400, "invalid_json".to_owned())
}

#[tokio::test]
async fn rfc8259_8_1_what_is_no_json_object_is_refused() {
    let server = TestServer::start().await;
    for (operation, body) in json_operations() {
        let example = body["example"].to_string();
        let bodies: [Vec<u8>; 12] = [
            Vec::new(),
            b"{".to_vec(),
            b"null".to_vec(),
            b"3".to_vec(),
            b"\"x\"".to_vec(),
            b"[]".to_vec(),
            b"[[]]".to_vec(),
            b"{\"\xff\":1}".to_vec(),
            format!("\u{feff}{example}").into_bytes(),
            format!("{example}x").into_bytes(),
            format!("{example}{example}").into_bytes(),
            example.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ];
        for body in bodies {
            let text = String::from_utf8_lossy(&body).into_owned();
            assert_eq!(code(&send(&server, &operation, body).await), invalid_json(), "{operation} {text}");
        }
    }
}

#[tokio::test]
async fn rfc8259_4_a_member_that_is_given_twice_is_refused() {
    let server = TestServer::start().await;
    for (operation, body) in json_operations() {
        for (name, value) in body["example"].as_object().unwrap() {
            let example = body["example"].to_string();
            let twice = format!("{{\"{name}\":{value},{}", &example[1..]);
            let answer = send(&server, &operation, twice).await;
            assert_eq!(answer.problem(), (400, "invalid_json".to_owned(), Some(name.clone())), "{operation}");
        }
    }
}

#[tokio::test]
async fn a_member_that_is_not_known_is_refused_by_name() {
    let server = TestServer::start().await;
    for (operation, body) in json_operations() {
        let mut body = body["example"].clone();
        body["unknown_member"] = json!(1);
        let answer = send(&server, &operation, body.to_string()).await;
        assert_eq!(answer.problem(), (400, "invalid_json".to_owned(), Some("unknown_member".to_owned())), "{operation}");
    }
}

#[tokio::test]
async fn a_member_of_a_wrong_type_is_refused() {
    let server = TestServer::start().await;
    let document = document();
    for (operation, body) in json_operations() {
        let schema = body["schema"]["$ref"].as_str().unwrap().trim_start_matches('#');
        let properties = document.pointer(schema).unwrap()["properties"].as_object().unwrap();
        // The JWK Set of a client is any JSON here, and a template any object: they are judged with the other metadata.
        for name in properties.keys().filter(|name| !["jwks", "access_token_claims"].contains(&name.as_str())) {
            for wrong in [json!(1.5), json!({"x": {}}), json!([[{}]])] {
                let mut body = body["example"].clone();
                body[name] = wrong;
                let answer = send(&server, &operation, body.to_string()).await;
                assert_eq!(code(&answer), invalid_json(), "{operation} {body}");
            }
        }
    }
}

#[tokio::test]
async fn a_text_that_is_nested_too_deep_is_refused() {
    let server = TestServer::start().await;
    for (operation, _) in json_operations() {
        for body in ["[".repeat(60_000), "{\"a\":".repeat(10_000), format!("{{\"a\":{}{}}}", "[".repeat(33), "]".repeat(33))] {
            assert_eq!(code(&send(&server, &operation, body).await), invalid_json(), "{operation}");
        }
    }
}

#[tokio::test]
async fn another_media_type_or_too_large_a_body_is_refused() {
    let server = TestServer::start().await;
    for (operation, body) in json_operations() {
        let key = server.key("admin");
        for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/json5", ""] {
            let headers = [("content-type", media_type), ("authorization", key.as_str())];
            let answer = server.request(operation.method.clone(), &operation.example_path(), &headers, body["example"].to_string()).await;
            assert_eq!(code(&answer), (415, "unsupported_media_type".to_owned()), "{operation} {media_type}");
        }
        // A policy is one document, which may be larger than other bodies.
        let limit = if operation.path == "/v1/policy" { 1024 * 1024 } else { 64 * 1024 };
        let answer = send(&server, &operation, format!("\"{}\"", "x".repeat(limit))).await;
        assert_eq!(code(&answer), (413, "body_too_large".to_owned()), "{operation}");
    }
}
