use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use grantlog_tests::{
    process::Installation,
    remote::{Remote, text},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use crate::{
    ledger::read_log,
    load::{Clients, Load},
};

/// SIGTERM under load: the server ends by itself and in order, and everything it acknowledged is there.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_by_sigterm() {
    let installation = Installation::new();
    let server = installation.start().await;
    let remote = Remote::of(&installation).await;
    let clients = Clients::register(&remote).await;
    let load = Load::start(&remote, &clients, 7, 0);
    load.until(200).await;
    server.stop().await;
    let ledger = load.ledger().await;
    read_log(&installation, ledger.position).await;
    installation.expect_sound();

    let server = installation.start().await;
    ledger.check(&remote).await;
    server.stop().await;
}

/// A request that has begun to arrive when SIGTERM comes is answered, and what it did is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_answered_after_sigterm() {
    let installation = Installation::new();
    let server = installation.start().await;
    let remote = Remote::of(&installation).await;
    let machine = Clients::register(&remote).await.machine;
    let basic = BASE64_STANDARD.encode(format!("{}:{}", text(&machine["client_id"]), text(&machine["client_secret"])));
    let (begin, end) = ("grant_type=", "client_credentials");
    let mut connection = TcpStream::connect(installation.issuer().trim_start_matches("http://")).await.expect("it listens");
    let head = format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {basic}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{begin}",
        begin.len() + end.len()
    );
    connection.write_all(head.as_bytes()).await.expect("it reads");
    sleep(Duration::from_millis(200)).await;
    server.tell_to_stop();
    sleep(Duration::from_millis(300)).await;
    connection.write_all(end.as_bytes()).await.expect("it still reads");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(server.ended().await.success());

    let token = answer.split('"').skip_while(|part| *part != "access_token").nth(2).expect("a token").to_owned();
    let server = installation.start().await;
    assert!(remote.is_active(&token).await);
    server.stop().await;
    installation.expect_sound();
}
