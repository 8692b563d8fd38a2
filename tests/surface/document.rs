use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use grantlog_api::{endpoints, health::Metrics, openapi};
use grantlog_core::app::DynamicRegistration;
use grantlog_tests::TestServer;
use http::Method;

use crate::operations::{Operation, operations};

#[test]
fn the_route_table_and_the_document_have_the_same_operations() {
    let table = endpoints::table("https://auth.example.com", Metrics::detached()).unwrap();
    let text = |operations: Vec<(Method, String)>| {
        operations.into_iter().map(|(method, path)| format!("{method} {path}")).collect::<BTreeSet<_>>()
    };
    assert_eq!(text(table.operations()), text(openapi::operations(&endpoints::document())));
}

#[test]
fn the_committed_document_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi/openapi.json");
    let current = endpoints::document().to_pretty_json().unwrap() + "\n";
    assert!(fs::read_to_string(&path).unwrap_or_default() == current, "openapi/openapi.json is stale: run `make generate`");
}

#[tokio::test]
async fn the_server_shows_the_document() {
    let server = TestServer::start().await;
    let shown = server.get("/openapi.json").await;
    assert_eq!(String::from_utf8_lossy(&shown.body), endpoints::document().to_pretty_json().unwrap());
}

#[test]
fn every_operation_has_an_id_of_its_own_a_summary_and_a_tag() {
    let mut ids = BTreeSet::new();
    for Operation { method, path, spec } in operations() {
        let id = spec["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no operationId"));
        assert!(ids.insert(id.to_owned()), "{id} is there twice");
        assert!(spec["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{id}");
        assert_eq!(spec["tags"].as_array().map(Vec::len), Some(1), "{id}");
    }
}

#[test]
fn every_response_and_every_parameter_is_described() {
    for operation in operations() {
        let responses = operation.spec["responses"].as_object().unwrap();
        assert!(!responses.is_empty(), "{operation}");
        for (status, response) in responses {
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{operation} {status}");
        }
        for parameter in operation.spec["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].as_str().is_some_and(|text| !text.is_empty()), "{operation} {parameter}");
        }
    }
}

#[test]
fn every_operation_says_who_may_call_it() {
    for operation in operations() {
        assert!(operation.spec["security"].is_array(), "{operation}");
    }
}

#[test]
fn every_parameter_of_a_path_is_documented() {
    for operation in operations() {
        let documented: BTreeSet<_> = operation.spec["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "path")
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        let named: BTreeSet<_> = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        assert_eq!(documented, named, "{operation}");
    }
}

#[test]
fn every_request_body_has_an_example() {
    for operation in operations() {
        for (media_type, body) in operation.bodies() {
            assert!(body["example"].is_object(), "{operation} {media_type}");
        }
    }
}

#[tokio::test]
async fn the_examples_can_be_sent() {
    let server = TestServer::start_with(|settings| settings.registration.dynamic = DynamicRegistration::Open, |_| {}).await;
    // Whose credentials belong to one client alone needs that client.
    for operation in operations().into_iter().filter(|operation| operation.is_open() || operation.needs_api_key()) {
        for (media_type, body) in operation.bodies() {
            let authorization = server.key(if operation.path == "/oauth2/introspect" { "resource_server" } else { "admin" });
            let mut headers = vec![("content-type", media_type.as_str())];
            if operation.needs_api_key() {
                headers.push(("authorization", authorization.as_str()));
            }
            let sent = if media_type == "application/json" { body["example"].to_string() } else { form(&body["example"]) };
            let answer = server.request(operation.method.clone(), &operation.example_path(), &headers, sent).await;
            let status = answer.status.as_u16();
            assert!(status < 500 && ![401, 403, 405, 415, 422].contains(&status), "{operation} {answer:?}");
            // An example is well formed; it may only name what this server does not have.
            if media_type == "application/json" && status >= 400 {
                assert_eq!(status, 404, "{operation} {answer:?}");
            }
        }
    }
}

/// Operations of the JSON API that create something.
fn creating() -> Vec<Operation> {
    let creates = |operation: &Operation| operation.needs_api_key() && operation.spec["responses"]["201"].is_object();
    operations().into_iter().filter(creates).collect()
}

#[test]
fn every_operation_that_creates_something_takes_an_idempotency_key() {
    for operation in creating() {
        let parameters = operation.spec["parameters"].as_array().into_iter().flatten();
        let has_header = parameters.into_iter().any(|parameter| parameter["in"] == "header" && parameter["name"] == "Idempotency-Key");
        assert!(has_header, "{operation} needs `IdempotencyKeyHeader` in its params, and its context from `acting_once`");
    }
}

#[tokio::test]
async fn what_an_example_creates_is_created_once_under_an_idempotency_key() {
    let server = TestServer::start().await;
    let mut created = 0;
    for operation in creating() {
        let bodies = operation.bodies().into_iter().map(|(_, body)| body["example"].to_string()).chain([String::new()]);
        let (authorization, body) = (server.key("admin"), bodies.into_iter().next().unwrap_or_default());
        let key = format!("\"{}\"", operation.id());
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json"), ("idempotency-key", &key)];
        let first = server.request(operation.method.clone(), &operation.example_path(), &headers, body.clone()).await;
        if first.status != 201 {
            continue;
        }
        created += 1;
        let events = server.events().await.len();
        let again = server.request(operation.method.clone(), &operation.example_path(), &headers, body).await;
        assert_eq!(again.expect(201), first.json(), "{operation}");
        assert_eq!(server.events().await.len(), events, "{operation} was done again");
    }
    assert!(created >= 3, "{created}");
}

fn form(example: &serde_json::Value) -> String {
    let fields: BTreeMap<_, _> = example.as_object().unwrap().iter().map(|(name, value)| (name, value.as_str().unwrap())).collect();
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

#[tokio::test]
async fn a_path_has_the_methods_of_the_document_and_no_other() {
    let server = TestServer::start().await;
    let mut paths: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for operation in operations() {
        let methods = paths.entry(operation.example_path()).or_default();
        methods.insert(operation.method.to_string());
        if operation.method == Method::GET {
            methods.insert("HEAD".to_owned());
        }
    }
    for (path, methods) in paths {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, Method::TRACE]
        {
            let answer = server.request(method.clone(), &path, &[], "").await;
            if methods.contains(method.as_str()) || (method == Method::OPTIONS && answer.status == 204) {
                assert_ne!(answer.status, 405, "{method} {path}");
            } else {
                assert_eq!(answer.status, 405, "{method} {path}");
                let allowed: BTreeSet<_> = answer.header("allow").unwrap().split(", ").map(str::to_owned).collect();
                assert!(allowed.is_superset(&methods), "{method} {path} {allowed:?}");
            }
            if method == Method::HEAD {
                assert!(answer.body.is_empty(), "{path}");
            }
            assert!(answer.header("grantlog-request-id").is_some(), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn what_is_not_in_the_document_is_not_found() {
    let server = TestServer::start().await;
    for path in ["/", "/v1", "/v1/", "/v1/clients/", "/v1/clients/a/b", "/V1/clients", "//v1/clients", "/oauth2", "/.well-known/x"] {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let answer = server.request(method.clone(), path, &[("authorization", &server.key("admin"))], "").await;
            assert_eq!(answer.problem(), (404, "no_such_endpoint".to_owned(), None), "{method} {path}");
        }
    }
}
