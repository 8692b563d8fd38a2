//! The accept loop. HTTP/1.1 without TLS: a proxy stands in front.

mod stall;

use std::{convert::Infallible, future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulConnection, GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};

use self::stall::Impatient;
use crate::site::Site;

/// hyper refuses to work with less.
const SMALLEST_BUFFER: usize = 8192;

/// How long a client may take nothing of its answer. However long the answer is: a download may take hours, as long as it
/// goes on.
const STALLED: Duration = Duration::from_mins(1);

/// How long to wait for file descriptors to become free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What one listener allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeOptions {
    /// How many connections may be open. More wait in the backlog of the listener.
    pub max_connections: usize,
    /// How long a client may take for the head of a request; how long an idle connection is kept.
    pub header_read_timeout: Duration,
    /// How long requests under way may take once the service is told to stop.
    pub drain_timeout: Duration,
    /// How many bytes the head of a request may have, 8192 at least. More is answered with 431.
    pub max_header_bytes: usize,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            header_read_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(30),
            max_header_bytes: 16 * 1024,
        }
    }
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every request was answered.
    Completely,
    /// Some took longer than they may, and were dropped.
    TimedOut,
}

/// Serves until `shutdown` completes, then lets the requests under way end.
pub async fn serve(listener: TcpListener, site: Site, options: ServeOptions, shutdown: impl Future<Output = ()>) -> Drained {
    let permits = Arc::new(Semaphore::new(options.max_connections.min(Semaphore::MAX_PERMITS)));
    let graceful = GracefulShutdown::new();
    // Dropped at the end, and with it the connections that did not end in time.
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        // Waiting for a permit is part of the select: a full house must still hear that it closes.
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let connection = connection(stream, peer, site.clone(), options);
                let watched = graceful.watch(connection);
                while connections.try_join_next().is_some() {}
                connections.spawn(async move {
                    // A connection that breaks is the client's business; its requests have their own log lines.
                    let _ = watched.await;
                    drop(permit);
                });
            }
            Err(cause) => pause(&cause).await,
        }
    }
    drop(listener);
    match timeout(options.drain_timeout, graceful.shutdown()).await {
        Ok(()) => Drained::Completely,
        Err(_) => Drained::TimedOut,
    }
}

async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

/// Out of file descriptors (EMFILE, ENFILE) or of memory: trying again at once would only burn the processor. A
/// connection that was reset before it was accepted says nothing of us.
async fn pause(cause: &io::Error) {
    if matches!(cause.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted) {
        return;
    }
    tracing::error!(%cause, "connections can't be accepted");
    sleep(ACCEPT_PAUSE).await;
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    site: Site,
    options: ServeOptions,
) -> impl GracefulConnection<Error: Send> + Send + 'static {
    // Small answers must not wait for the acknowledgement of the last. A socket that can't do that works all the same.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let site = site.clone();
        async move { Ok::<_, Infallible>(site.call(peer.ip(), request).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_read_timeout)
        .max_buf_size(options.max_header_bytes.max(SMALLEST_BUFFER))
        .serve_connection(TokioIo::new(Impatient::new(stream, STALLED)), service)
}
