//! Somebody else's web site, on this machine, with a certificate of an authority that is made for the tests.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use grantlog_outbound::{GuardedFetch, OutboundOptions};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What a site answers.
#[derive(Clone, Debug)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// The content.
    pub body: Bytes,
}

impl Page {
    /// A JSON document.
    pub fn json(body: &serde_json::Value) -> Self {
        Self { status: 200, headers: vec![("content-type", "application/json".to_owned())], body: body.to_string().into() }
    }

    /// Nothing but a status.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// With this header beside those it has.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

#[derive(Default)]
struct Content {
    pages: Mutex<BTreeMap<String, Page>>,
    requests: Mutex<Vec<String>>,
    silent: AtomicBool,
}

/// A web site.
pub struct RemoteSite {
    content: Arc<Content>,
    origin: String,
    host: String,
}

/// The authority of the tests, and the file with its certificate.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, params.self_signed(&key).expect("a certificate").pem()).expect("a file");
        Authority { issuer: Issuer::new(params, key), file, _folder: folder }
    })
}

fn acceptor(name: &str) -> TlsAcceptor {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    let certificate = params.signed_by(&key, &authority().issuer).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
}

/// What the guarded client of a test server is given: the authority of the tests, and these exceptions.
pub fn outbound_options(allowed_hosts: &[&str], insecure_hosts: &[&str]) -> OutboundOptions {
    let patterns = |hosts: &[&str]| hosts.iter().map(|host| host.parse().expect("a host")).collect();
    OutboundOptions {
        timeout: Duration::from_secs(10),
        max_bytes: 16 * 1024,
        allowed_hosts: patterns(allowed_hosts),
        insecure_hosts: patterns(insecure_hosts),
        ca_file: Some(authority().file.clone()),
    }
}

/// A guarded client.
pub fn guarded(options: OutboundOptions) -> GuardedFetch {
    GuardedFetch::new(options).expect("a client")
}

impl RemoteSite {
    /// A site at `https://localhost:…`.
    pub async fn start() -> Self {
        Self::start_as("localhost", Some("localhost")).await
    }

    /// A site at `http://localhost:…`, without TLS.
    pub async fn start_insecure() -> Self {
        Self::start_as("localhost", None).await
    }

    /// A site at `https://localhost:…` with the certificate of another host.
    pub async fn start_in_the_name_of(name: &str) -> Self {
        Self::start_as("localhost", Some(name)).await
    }

    async fn start_as(host: &str, certificate: Option<&str>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let scheme = if certificate.is_some() { "https" } else { "http" };
        let content = Arc::new(Content::default());
        tokio::spawn(accept(listener, content.clone(), certificate.map(acceptor)));
        Self { content, origin: format!("{scheme}://{host}:{port}"), host: format!("{host}:{port}") }
    }

    /// The host and the port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Says what it answers at a path from now on.
    pub fn answer(&self, path: &str, page: Page) {
        self.content.pages.lock().expect("pages").insert(path.to_owned(), page);
    }

    /// Lets it close every connection without an answer, or not any more.
    pub fn be_silent(&self, silent: bool) {
        self.content.silent.store(silent, Ordering::SeqCst);
    }

    /// How often a path was asked for.
    pub fn visits(&self, path: &str) -> usize {
        self.content.requests.lock().expect("requests").iter().filter(|own| *own == path).count()
    }
}

async fn accept(listener: TcpListener, content: Arc<Content>, tls: Option<TlsAcceptor>) {
    while let Ok((stream, _)) = listener.accept().await {
        if !content.silent.load(Ordering::SeqCst) {
            tokio::spawn(speak(stream, content.clone(), tls.clone()));
        }
    }
}

/// Connections end when their client says so, or what it sent makes no sense: that is its own affair.
async fn speak(stream: TcpStream, content: Arc<Content>, tls: Option<TlsAcceptor>) {
    let service = service_fn(move |request: http::Request<Incoming>| {
        let answer = content.answer_to(request.uri().path_and_query().map_or("", |path| path.as_str()));
        async move { Ok::<_, Infallible>(answer) }
    });
    match tls {
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
            }
        }
        None => drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await),
    }
}

impl Content {
    fn answer_to(&self, path: &str) -> http::Response<Full<Bytes>> {
        self.requests.lock().expect("requests").push(path.to_owned());
        let page = self.pages.lock().expect("pages").get(path).cloned().unwrap_or_else(|| Page::status(404));
        let response = http::Response::builder().status(page.status);
        let response = page.headers.into_iter().fold(response, |response, (name, value)| response.header(name, value));
        response.body(Full::new(page.body)).expect("a response")
    }
}
