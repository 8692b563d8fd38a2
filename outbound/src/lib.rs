//! What grantlog fetches from elsewhere (keys of trusted issuers, metadata of clients) and sends there (checkpoints). Others may
//! say where that is, so every connection is guarded.
//!
//! The name of a host is resolved once, by us. What is not an address of the global internet is refused, and the connection
//! goes to an address that was looked at and to no other: a name that means something else a moment later gains nothing.
//! Redirects are not followed, there is no proxy and no cookie, and what takes too long or is too large is dropped.

pub mod address;
mod freshness;
pub mod hosts;

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use grantlog_core::app::fetch::{Fetch, FetchError, FetchRequest, Fetched, PostRequest};
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::hosts::HostPattern;

/// How long one connection may take to be there; the whole has its own time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How many addresses of a host are tried.
const MOST_ADDRESSES: usize = 4;
/// How much is fetched at a time.
const MOST_AT_ONCE: usize = 32;
/// How long the head of an answer may be.
const MOST_HEAD_BYTES: usize = 64 * 1024;

/// What the operator decides.
#[derive(Clone, Debug)]
pub struct OutboundOptions {
    /// How long the whole of it may take.
    pub timeout: Duration,
    /// How large an answer may be.
    pub max_bytes: usize,
    /// Hosts that may have addresses that are not public.
    pub allowed_hosts: Vec<HostPattern>,
    /// Those of them that may be spoken to without TLS.
    pub insecure_hosts: Vec<HostPattern>,
    /// Certificates of authorities that are trusted beside the system's, in PEM.
    pub ca_file: Option<PathBuf>,
}

/// Why nothing can be fetched at all.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The extra authorities.
    #[error("the certificates in {path} can't be used: {problem}")]
    CaFile {
        /// Where.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// The TLS library.
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// The client behind the guard.
pub struct GuardedFetch {
    options: OutboundOptions,
    tls: TlsConnector,
    running: Semaphore,
}

/// A URL that may be fetched, taken apart.
struct Target {
    host: Host<String>,
    /// The host as URLs write it.
    written: String,
    port: u16,
    secure: bool,
    /// Whether the operator vouches for it.
    allowed: bool,
    path: String,
}

impl GuardedFetch {
    /// A client that trusts the system's authorities and those of the options.
    pub fn new(options: OutboundOptions) -> Result<Self, OutboundError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = roots(options.ca_file.as_deref())?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { options, tls: TlsConnector::from(Arc::new(config)), running: Semaphore::new(MOST_AT_ONCE) })
    }

    fn target(&self, url: &str) -> Result<Target, FetchError> {
        let unacceptable = |why: &str| FetchError::Url(why.to_owned());
        let url = Url::parse(url).map_err(|error| unacceptable(&error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(unacceptable("it has a user name"));
        }
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(FetchError::NotHttps),
        };
        let host = url.host().map(|host| host.to_owned()).ok_or_else(|| unacceptable("it has no host"))?;
        let written = url.host_str().unwrap_or_default().to_owned();
        let port = url.port_or_known_default().ok_or_else(|| unacceptable("it has no port"))?;
        let is_one_of = |hosts: &[HostPattern]| hosts.iter().any(|pattern| pattern.matches(&written, port));
        let allowed = is_one_of(&self.options.allowed_hosts);
        let insecure = !secure && allowed && is_one_of(&self.options.insecure_hosts);
        if !secure && !insecure {
            return Err(FetchError::NotHttps);
        }
        let path = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
        Ok(Target { host, written, port, secure, allowed, path })
    }

    /// Speaks with the server of a URL.
    async fn speak(&self, url: &str, request: http::request::Builder, body: Bytes) -> Result<Fetched, FetchError> {
        self.check(url)?;
        let target = self.target(url)?;
        let _permit = self.running.try_acquire().map_err(|_| FetchError::Busy)?;
        let answer = timeout(self.options.timeout, self.connect_and_exchange(&target, request, body)).await;
        let answer = answer.unwrap_or(Err(FetchError::TimedOut));
        match &answer {
            Ok(answer) => tracing::debug!(host = target.written, status = answer.status, "answered"),
            Err(error) => tracing::warn!(host = target.written, %error, "not answered"),
        }
        answer
    }

    async fn connect_and_exchange(&self, target: &Target, request: http::request::Builder, body: Bytes) -> Result<Fetched, FetchError> {
        let addresses = permitted(target, resolve(target).await?)?;
        let stream = connect(&addresses).await?;
        if !target.secure {
            return self.exchange(target, request, body, stream).await;
        }
        let failed = |error: &dyn std::fmt::Display| FetchError::Tls(error.to_string());
        let name = ServerName::try_from(target.host.to_string().trim_matches(['[', ']']).to_owned()).map_err(|error| failed(&error))?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| failed(&error))?;
        self.exchange(target, request, body, stream).await
    }

    async fn exchange<S>(&self, target: &Target, request: http::request::Builder, body: Bytes, stream: S) -> Result<Fetched, FetchError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let malformed = |error: hyper::Error| FetchError::Malformed(error.to_string());
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MOST_HEAD_BYTES);
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(malformed)?;
        let default_port = if target.secure { 443 } else { 80 };
        let host = if target.port == default_port { target.written.clone() } else { format!("{}:{}", target.written, target.port) };
        let request = request
            .uri(&target.path)
            .header(HOST, host)
            .header(USER_AGENT, "grantlog")
            .body(Full::new(body))
            .map_err(|error| FetchError::Url(error.to_string()))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(malformed)?;
            let (head, mut body) = response.into_parts();
            let mut content = BytesMut::new();
            while let Some(frame) = body.frame().await {
                let Ok(data) = frame.map_err(malformed)?.into_data() else { continue };
                if data.len() > self.options.max_bytes - content.len() {
                    return Err(FetchError::TooLarge(self.options.max_bytes));
                }
                content.extend_from_slice(&data);
            }
            let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let fresh_for = freshness::fresh_for(&head.headers);
            Ok(Fetched { status: head.status.as_u16(), content_type, fresh_for, body: content.freeze() })
        };
        // Both in this one future: when it is given up, so is the connection.
        let (mut answer, mut connection) = (pin!(answer), pin!(connection));
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            // What had arrived when the server closed is still to be read; what broke is told there too.
            _ = &mut connection => answer.await,
        }
    }
}

#[async_trait]
impl Fetch for GuardedFetch {
    fn check(&self, url: &str) -> Result<(), FetchError> {
        let target = self.target(url)?;
        match &target.host {
            Host::Ipv4(address) => permitted(&target, vec![(*address).into()]).map(drop),
            Host::Ipv6(address) => permitted(&target, vec![(*address).into()]).map(drop),
            // It is this machine by name; resolving would only say so too.
            Host::Domain(name) if !target.allowed && is_localhost(name) => Err(FetchError::NotPublic(name.clone())),
            Host::Domain(_) => Ok(()),
        }
    }

    async fn fetch(&self, request: FetchRequest) -> Result<Fetched, FetchError> {
        let get = http::Request::get("/").header(ACCEPT, request.accept);
        self.speak(&request.url, get, Bytes::new()).await
    }

    async fn post(&self, request: PostRequest) -> Result<Fetched, FetchError> {
        let post = http::Request::post("/").header(CONTENT_TYPE, request.content_type);
        self.speak(&request.url, post, request.body).await
    }
}

impl std::fmt::Debug for GuardedFetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardedFetch").field("options", &self.options).finish_non_exhaustive()
    }
}

/// RFC 6761 §6.3: `localhost`, and all names below it.
fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

async fn resolve(target: &Target) -> Result<Vec<IpAddr>, FetchError> {
    match &target.host {
        Host::Ipv4(address) => Ok(vec![(*address).into()]),
        Host::Ipv6(address) => Ok(vec![(*address).into()]),
        Host::Domain(name) => {
            let found = lookup_host((name.as_str(), target.port)).await.map_err(|error| FetchError::Unresolved(error.to_string()))?;
            Ok(found.map(|address| address.ip()).collect())
        }
    }
}

/// Those of the addresses that may be connected to.
fn permitted(target: &Target, found: Vec<IpAddr>) -> Result<Vec<SocketAddr>, FetchError> {
    let Some(first) = found.first().copied() else { return Err(FetchError::Unresolved("it has no address".to_owned())) };
    let permitted = found.into_iter().filter(|address| target.allowed || address::is_public(*address));
    let permitted: Vec<_> = permitted.take(MOST_ADDRESSES).map(|address| SocketAddr::new(address, target.port)).collect();
    if permitted.is_empty() { Err(FetchError::NotPublic(first.to_string())) } else { Ok(permitted) }
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, FetchError> {
    let mut failure = FetchError::Unreachable("there is no address".to_owned());
    for address in addresses {
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = FetchError::Unreachable(error.to_string()),
            Err(_) => failure = FetchError::TimedOut,
        }
    }
    Err(failure)
}

/// The system's authorities, and those of a file. A system without any is no reason not to start: then only hosts whose
/// authority is in the file can be spoken to.
fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, OutboundError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "certificates of the system can't be read");
    }
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca_file {
        let failed = |problem: String| OutboundError::CaFile { path: path.display().to_string(), problem };
        let pem = fs::read(path).map_err(|error: io::Error| failed(error.to_string()))?;
        let mut count = 0;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| failed(error.to_string()))?;
            roots.add(certificate).map_err(|error| failed(error.to_string()))?;
            count += 1;
        }
        if count == 0 {
            return Err(failed("it holds none".to_owned()));
        }
    }
    Ok(roots)
}
