//! The floor: a bare warp server that answers a constant. Nothing that speaks HTTP through the same library can be
//! faster on this machine, so what the server does is told as a share of it.

use std::{
    env,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{StatusCode, header::CONTENT_TYPE};
use tokio::{io::AsyncReadExt, net::TcpListener};
use warp::Filter;

use crate::{
    failure::Failure,
    http::{Call, Connection, Exchange},
    process::Process,
    scenario::Worker,
};

/// The longest answer it gives.
const LONGEST: usize = 1 << 20;
const GREETING: &str = "the floor listens on ";

/// Answers `/{n}` with `n` bytes, whatever the method and the body, which is read.
pub async fn answer(listener: TcpListener) {
    let constant = Bytes::from(vec![b' '; LONGEST]);
    let route = warp::path::param::<usize>().and(warp::path::end()).and(warp::body::bytes()).map(move |length: usize, _body: Bytes| {
        let mut response = http::Response::new(constant.slice(..length.min(LONGEST)));
        response.headers_mut().insert(CONTENT_TYPE, crate::http::JSON);
        response
    });
    warp::serve(route).incoming(listener).run().await;
}

/// What the subcommand does: answers until standard input is closed, so that it never outlives the tool.
pub async fn serve() -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Failure::io("listening"))?;
    let address = listener.local_addr().map_err(Failure::io("listening"))?;
    writeln!(io::stdout(), "{GREETING}{address}").map_err(Failure::io("standard output"))?;
    let mut nothing = [0];
    tokio::select! {
        () = answer(listener) => {}
        _ = async { tokio::io::stdin().read(&mut nothing).await } => {}
    }
    Ok(())
}

/// Starts it as a process of its own, as the server is one.
pub fn start(directory: &Path) -> Result<(Process, SocketAddr), Failure> {
    let mut command = Command::new(env::current_exe().map_err(Failure::io("our own path"))?);
    command.arg("floor");
    let (process, address) =
        Process::start("floor", command, directory, Duration::from_secs(10), |line| line.strip_prefix(GREETING).map(str::to_owned))?;
    match address.parse() {
        Ok(address) => Ok((process, address)),
        Err(_) => Err(process.not_started("it printed no address")),
    }
}

/// Repeats an operation's exchanges against the floor: the same requests, and answers of the same lengths.
#[derive(Clone, Debug)]
pub struct Replay {
    exchanges: Arc<[(Call, usize)]>,
}

impl Replay {
    /// Of these exchanges.
    pub fn new(exchanges: Vec<Exchange>) -> Self {
        let to_floor = |Exchange { call, answer_bytes }| (Call { path: format!("/{answer_bytes}"), ..call }, answer_bytes);
        Self { exchanges: exchanges.into_iter().map(to_floor).collect() }
    }

    /// How many requests an operation makes.
    pub fn requests(&self) -> usize {
        self.exchanges.len()
    }
}

#[async_trait]
impl Worker for Replay {
    async fn operate(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        for (call, length) in self.exchanges.iter() {
            let answer = connection.send(call.clone()).await?.expect(StatusCode::OK)?;
            answer.must(answer.body.len() == *length, "the length is another")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn running() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(answer(listener));
        address
    }

    #[tokio::test]
    async fn answers_with_as_many_bytes_as_asked_for_on_one_connection() {
        let mut connection = Connection::open(running().await).await.unwrap();
        for length in [0, 1, 421, LONGEST] {
            let answer = connection.send(Call::form(format!("/{length}"), &[("token", "a b")])).await.unwrap();
            assert_eq!(answer.expect(StatusCode::OK).unwrap().body.len(), length);
        }
        let answer = connection.send(Call::get("/7")).await.unwrap();
        assert_eq!(answer.expect(StatusCode::OK).unwrap().body.len(), 7);
    }

    #[tokio::test]
    async fn a_recorded_operation_is_repeated_with_the_same_lengths() {
        let mut connection = Connection::open(running().await).await.unwrap();
        connection.record();
        connection.send(Call::get("/12")).await.unwrap();
        connection.send(Call::form("/34", &[("a", "b")])).await.unwrap();
        let exchanges = connection.recorded();
        assert_eq!(exchanges.iter().map(|exchange| exchange.answer_bytes).collect::<Vec<_>>(), [12, 34]);
        Replay::new(exchanges).operate(&mut connection).await.unwrap();
    }

    #[tokio::test]
    async fn a_wrong_answer_says_what_and_to_which_request() {
        let mut connection = Connection::open(running().await).await.unwrap();
        let failure = connection.send(Call::get("/none")).await.unwrap().expect(StatusCode::OK).unwrap_err();
        let text = failure.to_string();
        assert!(text.contains("GET /none") && text.contains("should be 200") && text.contains("404"), "{text}");
    }
}
