//! The whole HTTP side over a socket, with a table of its own.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use grantlog_api::{
    problem::Problem,
    reply::{self, Response},
    request::Request,
    routes::{Route, Table},
    serve::{Drained, ServeOptions, serve},
    site::SiteOptions,
};
use http::Method;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, oneshot},
    task::JoinHandle,
    time::{sleep, timeout},
};

#[derive(Default)]
struct App {
    entered: Notify,
    proceed: Notify,
}

async fn echo(_: Arc<App>, request: Request) -> Result<Response, Problem> {
    let id = request.param("id")?.to_owned();
    Ok(reply::ok(&serde_json::json!({ "id": id, "body": request.body.len(), "peer": request.peer })))
}

async fn wait(app: Arc<App>, _: Request) -> Response {
    app.entered.notify_one();
    app.proceed.notified().await;
    reply::empty()
}

async fn panic(_: Arc<App>, request: Request) -> Response {
    assert!(request.query.is_empty(), "told to panic");
    reply::empty()
}

fn table() -> Table<Arc<App>> {
    Table::new()
        .with(
            Route::new(Method::POST, "/oauth2/token", |_, request: Request| async move { request.form().map(|_| reply::empty()) })
                .oauth()
                .cors(),
        )
        .route(Method::GET, "/v1/things/{id}", echo)
        .route(Method::PUT, "/v1/things/{id}", echo)
        .route(Method::GET, "/wait", wait)
        .route(Method::GET, "/panic", panic)
}

struct Server {
    address: SocketAddr,
    app: Arc<App>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Drained>,
}

async fn start(options: ServeOptions) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Arc::new(App::default());
    let site = table().into_site(app.clone(), SiteOptions { request_timeout: Duration::from_millis(700), ..SiteOptions::default() });
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(serve(listener, site, options, async move {
        let _ = stopped.await;
    }));
    Server { address, app, stop, ended }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|line| line.split_once(": ")).find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Sends bytes and reads until the server closes.
async fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    receive(&mut stream).await
}

async fn receive(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A server that closes while we still send resets the connection; what it said before counts.
    let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut bytes)).await.expect("the server closes");
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

async fn send(server: &Server, method: &str, path: &str, headers: &str) -> Answer {
    let request = format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}\r\n");
    exchange(server.address, request.as_bytes()).await
}

#[tokio::test]
async fn a_path_without_a_route_is_a_problem() {
    let server = start(ServeOptions::default()).await;
    let answer = send(&server, "GET", "/nowhere", "").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!(problem["code"], "no_such_endpoint");
    assert_eq!(problem["request_id"].as_str(), answer.header("grantlog-request-id"));
}

#[tokio::test]
async fn rfc9110_15_5_6_a_wrong_method_is_told_the_right_ones() {
    let server = start(ServeOptions::default()).await;
    let answer = send(&server, "DELETE", "/v1/things/a", "").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD, PUT")));
    assert_eq!(answer.json()["code"], "method_not_allowed");
    let answer = send(&server, "GET", "/oauth2/token", "").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("OPTIONS, POST")));
    assert_eq!(answer.json()["error"], "invalid_request");
}

#[tokio::test]
async fn rfc9110_9_3_2_head_is_get_without_content() {
    let server = start(ServeOptions::default()).await;
    let get = send(&server, "GET", "/v1/things/a", "").await;
    let head = send(&server, "HEAD", "/v1/things/a", "").await;
    assert_eq!((head.status, &*head.body), (200, ""));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    let missing = send(&server, "HEAD", "/nowhere", "").await;
    assert_eq!((missing.status, &*missing.body), (404, ""));
}

#[tokio::test]
async fn path_parameters_are_decoded_strictly() {
    let server = start(ServeOptions::default()).await;
    assert_eq!(send(&server, "GET", "/v1/things/a%2Fb%20c", "").await.json()["id"], "a/b c");
    let answer = send(&server, "GET", "/v1/things/%ff", "").await;
    assert_eq!((answer.status, &answer.json()["code"]), (400, &Value::from("malformed_request")));
}

#[tokio::test]
async fn a_chunked_body_is_limited_while_it_arrives() {
    let server = start(ServeOptions::default()).await;
    let chunked = |chunks: usize| {
        let mut request = b"PUT /v1/things/a HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..chunks {
            request.extend_from_slice(b"4000\r\n");
            request.extend_from_slice(&[b'x'; 0x4000]);
            request.extend_from_slice(b"\r\n");
        }
        request
    };
    let mut whole = chunked(4);
    whole.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(exchange(server.address, &whole).await.json()["body"], 0x10000);
    // The end never comes; the answer does.
    let mut endless = chunked(4);
    endless.extend_from_slice(b"1\r\nx\r\n");
    let answer = exchange(server.address, &endless).await;
    assert_eq!((answer.status, &answer.json()["code"]), (413, &Value::from("body_too_large")));
}

#[tokio::test]
async fn a_declared_length_is_refused_before_the_body_comes() {
    let server = start(ServeOptions::default()).await;
    let answer = send(&server, "PUT", "/v1/things/a", "content-length: 65537\r\nexpect: 100-continue\r\n").await;
    assert_eq!(answer.status, 413);
    let answer = send(&server, "POST", "/oauth2/token", "content-length: 65537\r\n").await;
    assert_eq!((answer.status, &answer.json()["error"]), (413, &Value::from("invalid_request")));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408_and_a_handler_that_does_not_answer_503() {
    let server = start(ServeOptions::default()).await;
    let answer = send(&server, "PUT", "/v1/things/a", "content-length: 3\r\n").await;
    assert_eq!((answer.status, &answer.json()["code"]), (408, &Value::from("request_timeout")));
    let answer = send(&server, "GET", "/wait", "").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("2")));
}

#[tokio::test]
async fn a_handler_that_panics_is_answered() {
    let server = start(ServeOptions::default()).await;
    let answer = send(&server, "GET", "/panic?now", "").await;
    assert_eq!((answer.status, &answer.json()["code"]), (500, &Value::from("internal")));
    assert!(!answer.body.contains("told to panic"));
    assert_eq!(send(&server, "GET", "/panic", "").await.status, 200);
}

#[tokio::test]
async fn a_head_that_does_not_come_closes_the_connection() {
    let server = start(ServeOptions { header_read_timeout: Duration::from_millis(100), ..ServeOptions::default() }).await;
    for begun in ["", "GET /v1/things/a HTTP/1.1\r\nhost:"] {
        assert!([0, 408].contains(&exchange(server.address, begun.as_bytes()).await.status), "{begun}");
    }
    // An idle connection that was used is closed as well.
    let answer = exchange(server.address, b"GET /v1/things/a HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let server = start(ServeOptions { max_header_bytes: 0, ..ServeOptions::default() }).await;
    let answer = send(&server, "GET", "/v1/things/a", &format!("x: {}\r\n", "y".repeat(20_000))).await;
    assert_eq!(answer.status, 431);
}

#[tokio::test]
async fn connections_beyond_the_cap_wait() {
    let server = start(ServeOptions { max_connections: 1, ..ServeOptions::default() }).await;
    let first = TcpStream::connect(server.address).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    assert!(timeout(Duration::from_millis(200), send(&server, "GET", "/v1/things/a", "")).await.is_err());
    drop(first);
    assert_eq!(send(&server, "GET", "/v1/things/a", "").await.status, 200);
}

#[tokio::test]
async fn a_full_house_hears_that_it_closes() {
    let server = start(ServeOptions { max_connections: 0, ..ServeOptions::default() }).await;
    server.stop.send(()).unwrap();
    assert_eq!(timeout(Duration::from_secs(1), server.ended).await.unwrap().unwrap(), Drained::Completely);
}

#[tokio::test]
async fn a_request_under_way_is_answered_while_the_service_stops() {
    let server = start(ServeOptions::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let idle = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    server.app.entered.notified().await;
    server.stop.send(()).unwrap();
    sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(server.address).await.is_err());
    server.app.proceed.notify_one();
    assert_eq!(receive(&mut stream).await.status, 200);
    drop(idle);
    assert_eq!(timeout(Duration::from_secs(1), server.ended).await.unwrap().unwrap(), Drained::Completely);
}

#[tokio::test]
async fn a_request_that_outlasts_the_drain_is_dropped() {
    let server = start(ServeOptions { drain_timeout: Duration::from_millis(100), ..ServeOptions::default() }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    server.app.entered.notified().await;
    server.stop.send(()).unwrap();
    assert_eq!(timeout(Duration::from_secs(1), server.ended).await.unwrap().unwrap(), Drained::TimedOut);
    assert_eq!(receive(&mut stream).await.status, 0);
}

#[tokio::test]
async fn scripts_of_any_origin_may_call_protocol_endpoints_only() {
    let server = start(ServeOptions::default()).await;
    let preflight =
        send(&server, "OPTIONS", "/oauth2/token", "origin: https://app.example\r\naccess-control-request-method: POST\r\n").await;
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, Some("*")));
    assert_eq!(preflight.header("access-control-allow-methods"), Some("OPTIONS, POST"));
    let answer = send(&server, "POST", "/oauth2/token", "origin: https://app.example\r\n").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (400, Some("*")));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let answer = send(&server, "OPTIONS", "/v1/things/a", "origin: https://app.example\r\n").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (405, None));
}

#[tokio::test]
async fn every_answer_has_an_id_of_ours_and_the_security_headers() {
    let server = start(ServeOptions::default()).await;
    for path in ["/v1/things/a", "/nowhere"] {
        let answer = send(&server, "GET", path, "x-request-id: mine\r\n").await;
        assert_eq!(answer.header("grantlog-request-id").map(str::len), Some(36));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}
