//! The one way in which anything is fetched from elsewhere, or sent there. What stands behind it refuses to be sent to places that only
//! this machine can reach.

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::Seconds;

/// A document to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// From where.
    pub url: String,
    /// Of which media types (RFC 9110 §12.5.1).
    pub accept: &'static str,
}

/// What is sent somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostRequest {
    /// Where to.
    pub url: String,
    /// Of which media type.
    pub content_type: &'static str,
    /// The content.
    pub body: Bytes,
}

/// What a server answered, of whatever status. Redirects are not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The status.
    pub status: u16,
    /// The media type, as it was sent.
    pub content_type: Option<String>,
    /// For how long the server lets it be kept (RFC 9111 §4.2); None when it does not say.
    pub fresh_for: Option<Seconds>,
    /// The content.
    pub body: Bytes,
}

impl Fetched {
    /// Whether it is of this media type, whatever its parameters.
    pub fn is_of_type(&self, expected: &str) -> bool {
        let essence = self.content_type.as_deref().and_then(|value| value.split(';').next()).unwrap_or_default();
        essence.trim().eq_ignore_ascii_case(expected)
    }
}

/// Why nothing was fetched. Its text is for the log: it tells what can be reached from here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The URL is none that is ever fetched.
    #[error("the URL is not acceptable: {0}")]
    Url(String),
    /// It has another scheme than `https`.
    #[error("the URL is not an https URL")]
    NotHttps,
    /// Its host has no address.
    #[error("the host can't be resolved: {0}")]
    Unresolved(String),
    /// Its host has no address but such as are not for everybody.
    #[error("the host has no public address, only {0}")]
    NotPublic(String),
    /// Nobody answers there.
    #[error("the host can't be reached: {0}")]
    Unreachable(String),
    /// Whoever answers is not proven to be the host.
    #[error("the TLS handshake failed: {0}")]
    Tls(String),
    /// It took too long.
    #[error("the answer did not come in time")]
    TimedOut,
    /// It is larger than is taken.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// The answer is not HTTP, or it broke off.
    #[error("the answer can't be read: {0}")]
    Malformed(String),
    /// Too much is being fetched already.
    #[error("too much is being fetched already")]
    Busy,
}

/// Fetches documents from places that others name.
#[async_trait]
pub trait Fetch: Send + Sync + 'static {
    /// Says whether this URL may be fetched, as far as that can be told before its host is resolved.
    fn check(&self, url: &str) -> Result<(), FetchError>;

    /// Fetches a document by GET.
    async fn fetch(&self, request: FetchRequest) -> Result<Fetched, FetchError>;

    /// Sends a document by POST.
    async fn post(&self, request: PostRequest) -> Result<Fetched, FetchError>;
}
