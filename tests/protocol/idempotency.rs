//! Requests that are sent again under their idempotency key (draft-ietf-httpapi-idempotency-key-header-07).

use std::sync::Arc;

use futures::future::join_all;
use grantlog_tests::{Answer, Authorization, TestServer, text};
use http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::Barrier;

const CLIENTS: &str = "/v1/clients";

/// A request that creates something: its path and its body.
struct Creation {
    path: String,
    body: Option<Value>,
    role: &'static str,
}

impl Creation {
    fn new(path: &str, body: Value) -> Self {
        Self { path: path.to_owned(), body: Some(body), role: "admin" }
    }

    async fn send(&self, server: &TestServer, key: &str) -> Answer {
        self.send_as(server, self.role, key).await
    }

    async fn send_as(&self, server: &TestServer, role: &str, key: &str) -> Answer {
        let (authorization, key) = (server.key(role), format!("\"{key}\""));
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json"), ("idempotency-key", &key)];
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        server.request(Method::POST, &self.path, &headers, body).await
    }
}

fn registration() -> Value {
    json!({"client_name": "Nightly Export", "client_type": "machine", "scope": "notes.read"})
}

fn client() -> Creation {
    Creation::new(CLIENTS, registration())
}

/// One of each operation that creates something.
async fn creations(server: &TestServer) -> Vec<Creation> {
    let machine = server.machine_client(json!({})).await;
    let confidential = server.client_with(json!({"client_type": "first_party"})).await;
    let query = Authorization::of(server, &confidential, "openid email").with("login_hint", "ana@example.com").query();
    let with_subject = json!({"query": query, "subject": server.ana(0), "browser_binding": "b"});
    vec![
        client(),
        Creation::new(
            CLIENTS,
            json!({"client_name": "Page", "token_endpoint_auth_method": "none", "redirect_uris": ["https://a.example/cb"]}),
        ),
        Creation::new("/v1/api-keys", json!({"name": "pages", "role": "consent"})),
        Creation::new("/v1/initial-access-tokens", json!({"name": "partners"})),
        Creation { path: format!("{CLIENTS}/{}/secret-rotation", text(&machine, "client_id")), body: None, role: "admin" },
        Creation { role: "consent", ..Creation::new("/v1/authorization-requests", json!({"query": query})) },
        Creation { role: "consent", ..Creation::new("/v1/authorization-requests", with_subject) },
        Creation::new("/v1/resource-servers", json!({"identifier": "https://notes.example.com/", "name": "Notes"})),
        Creation::new("/v1/initial-access-tokens", json!({"name": "partners"})),
        Creation { path: "/v1/signing-keys/rotate".to_owned(), body: None, role: "admin" },
    ]
}

#[tokio::test]
async fn a_retry_gets_the_same_answer_with_its_secrets() {
    let server = TestServer::start().await;
    for creation in creations(&server).await {
        let first = creation.send(&server, "k").await.expect(201);
        server.advance(1);
        let head = server.events().await.len();
        let (retry, again) = (creation.send(&server, "k").await, creation.send(&server, "k").await);
        assert_eq!((retry.expect(201), again.expect(201)), (first.clone(), first), "{}", creation.path);
        assert_eq!(server.events().await.len(), head, "{} did something anew", creation.path);
        server.advance(100_000);
    }
}

#[tokio::test]
async fn what_a_retry_answers_works() {
    let server = TestServer::start().await;
    client().send(&server, "k").await.expect(201);
    let registered = client().send(&server, "k").await.expect(201);
    server.machine_token(&registered).await;
    let key = Creation::new("/v1/api-keys", json!({"name": "pages", "role": "auditor"}));
    key.send(&server, "l").await.expect(201);
    let made = key.send(&server, "l").await.expect(201);
    let authorization = format!("Bearer {}", text(&made, "api_key"));
    server.request(Method::GET, CLIENTS, &[("authorization", &authorization)], "").await.expect(200);
}

/// The process ends after any number of appends; the retry does the rest, and is answered as the first would have been.
#[tokio::test]
async fn a_retry_after_a_crash_does_the_rest() {
    let kinds = creations(&TestServer::start().await).await.len();
    for kind in 0..kinds {
        let whole = TestServer::start().await;
        let creation = creations(&whole).await.swap_remove(kind);
        let before = whole.events().await.len();
        let expected = creation.send(&whole, "k").await.expect(201);
        let all = whole.events().await.len();
        let mut crashes = 0;
        for appends in 0.. {
            let server = TestServer::start().await;
            let creation = creations(&server).await.swap_remove(kind);
            server.store.allow_appends(Some(appends));
            let answer = creation.send(&server, "k").await;
            server.store.allow_appends(None);
            if answer.status == 201 {
                break;
            }
            answer.expect_problem(503, "unavailable");
            crashes += 1;
            let retried = creation.send(&server, "k").await.expect(201);
            // Signing keys are made by chance, and some signatures are: what is derived is the same in every run.
            if creation.path != "/v1/signing-keys/rotate" && retried.get("redirect_to").is_none() {
                assert_eq!(retried, expected, "{} after {appends} appends", creation.path);
            }
            assert_eq!(creation.send(&server, "k").await.expect(201), retried);
            assert_eq!(server.events().await.len() - before, all - before, "{} after {appends} appends", creation.path);
        }
        assert!(crashes > 1, "{} is more than its key", creation.path);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_the_same_moment_are_one() {
    let server = Arc::new(TestServer::start().await);
    for creation in creations(&server).await {
        let (barrier, creation) = (Arc::new(Barrier::new(16)), Arc::new(creation));
        let senders = (0..16).map(|_| {
            let (server, barrier, creation) = (server.clone(), barrier.clone(), creation.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                creation.send(&server, "k").await
            })
        });
        let answers: Vec<Value> = join_all(senders).await.into_iter().map(|answer| answer.unwrap().expect(201)).collect();
        for answer in &answers {
            assert_eq!(answer, &answers[0], "{}", creation.path);
        }
        server.advance(100_000);
    }
}

#[tokio::test]
async fn a_key_is_of_its_caller() {
    let server = TestServer::start().await;
    let confidential = server.client_with(json!({})).await;
    let query = Authorization::of(&server, &confidential, "openid").query();
    let creation = Creation::new("/v1/authorization-requests", json!({"query": query}));
    let [one, other] = [creation.send_as(&server, "admin", "k").await, creation.send_as(&server, "consent", "k").await];
    assert_ne!(one.expect(201)["id"], other.expect(201)["id"]);
}

#[tokio::test]
async fn another_request_under_the_same_key_is_refused() {
    let server = TestServer::start().await;
    let created = client().send(&server, "k").await.expect(201);
    let rotation = format!("{CLIENTS}/{}/secret-rotation", text(&created, "client_id"));
    for other in [
        Creation::new(CLIENTS, json!({"client_name": "Other", "client_type": "machine", "scope": "notes.read"})),
        Creation::new("/v1/api-keys", json!({"name": "pages", "role": "consent"})),
        Creation { path: rotation, body: None, role: "admin" },
    ] {
        let problem = other.send(&server, "k").await.expect_problem(422, "idempotency_key_reused");
        assert_eq!(problem["field"], "idempotency-key");
    }
    assert_eq!(client().send(&server, "k").await.expect(201), created);
}

#[tokio::test]
async fn a_day_later_the_key_is_free() {
    let server = TestServer::start().await;
    let first = client().send(&server, "k").await.expect(201);
    server.advance(86_399);
    assert_eq!(client().send(&server, "k").await.expect(201), first);
    server.advance(1);
    let second = client().send(&server, "k").await.expect(201);
    assert_ne!((&first["client_id"], &first["client_secret"]), (&second["client_id"], &second["client_secret"]));
    Creation::new("/v1/api-keys", json!({"name": "pages", "role": "consent"}))
        .send(&server, "k")
        .await
        .expect_problem(422, "idempotency_key_reused");
}

#[tokio::test]
async fn a_malformed_key_is_refused_by_the_name_of_the_header() {
    let server = TestServer::start().await;
    let (authorization, body) = (server.key("admin"), registration().to_string());
    for value in ["", "\"\"", "\"a", "a b", "\"a\"; b", &"x".repeat(256)] {
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json"), ("idempotency-key", value)];
        let answer = server.request(Method::POST, CLIENTS, &headers, body.clone()).await;
        assert_eq!(answer.problem(), (400, "invalid_header".to_owned(), Some("idempotency-key".to_owned())), "{value}");
    }
    let twice = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "a"),
        ("idempotency-key", "a"),
    ];
    let answer = server.request(Method::POST, CLIENTS, &twice, body).await;
    assert_eq!(answer.problem(), (400, "invalid_header".to_owned(), Some("idempotency-key".to_owned())));
}

#[tokio::test]
async fn a_mistake_does_not_use_the_key_up() {
    let server = TestServer::start().await;
    Creation::new(CLIENTS, json!({"client_name": ""})).send(&server, "k").await.expect_problem(422, "invalid_metadata");
    client().send(&server, "k").await.expect(201);
}

#[tokio::test]
async fn what_happened_since_is_not_undone_by_a_retry() {
    let server = TestServer::start().await;
    let created = client().send(&server, "k").await.expect(201);
    let path = format!("{CLIENTS}/{}", text(&created, "client_id"));
    let rotation = Creation { path: format!("{path}/secret-rotation"), body: None, role: "admin" };
    let next = rotation.send(&server, "r").await.expect(201);
    server.admin(Method::DELETE, &rotation.path, None).await.expect(204);
    // A rotation that was cancelled is not begun again.
    assert_eq!(rotation.send(&server, "r").await.expect(201), next);
    assert_eq!(server.admin(Method::GET, &path, None).await.expect(200)["secret_rotation_underway"], false);
    server.admin(Method::DELETE, &path, None).await.expect(204);
    assert_eq!(client().send(&server, "k").await.expect(201), created);
    let invitation = Creation::new("/v1/initial-access-tokens", json!({"name": "partners"}));
    let made = invitation.send(&server, "i").await.expect(201);
    server.admin(Method::DELETE, &format!("/v1/initial-access-tokens/{}", text(&made, "id")), None).await.expect(204);
    assert_eq!(invitation.send(&server, "i").await.expect(201), made);
    server.admin(Method::GET, &path, None).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_real_conflict_stays_one() {
    let server = TestServer::start().await;
    let created = client().send(&server, "k").await.expect(201);
    let rotation = Creation { path: format!("{CLIENTS}/{}/secret-rotation", text(&created, "client_id")), body: None, role: "admin" };
    rotation.send(&server, "one").await.expect(201);
    rotation.send(&server, "two").await.expect_problem(409, "conflict");
    rotation.send(&server, "one").await.expect(201);
}

#[tokio::test]
async fn nothing_that_works_is_in_the_log() {
    let server = TestServer::start().await;
    let created = client().send(&server, "a-key-that-nobody-sees").await.expect(201);
    for recorded in server.events().await {
        for secret in [text(&created, "client_secret"), "a-key-that-nobody-sees"] {
            assert!(!recorded.event.data.contains(secret) && !recorded.stream.as_str().contains(secret));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever is sent in whatever order under two keys: each key makes one client, and each answer is that of the first.
    #[test]
    fn each_key_makes_one_client(requests in proptest::collection::vec((0usize..2, 0usize..2), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = TestServer::start().await;
            let bodies = ["A", "B"].map(|name| Creation::new(CLIENTS, json!({"client_name": name, "client_type": "machine"})));
            let mut first: [Option<(usize, Value)>; 2] = [None, None];
            for (key, body) in requests {
                let answer = bodies[body].send(&server, ["k", "l"][key]).await;
                match &first[key] {
                    None => first[key] = Some((body, answer.expect(201))),
                    Some((meant, created)) if *meant == body => assert_eq!(answer.expect(201), *created),
                    Some(_) => drop(answer.expect_problem(422, "idempotency_key_reused")),
                }
            }
            let clients = server.admin(Method::GET, CLIENTS, None).await.expect(200);
            assert_eq!(clients["clients"].as_array().unwrap().len(), first.iter().flatten().count());
        });
    }
}
