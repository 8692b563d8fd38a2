//! Names of things. Streams are named `<kind>-<key>`; keys are UUIDv7 where nothing else is given, so that appends
//! land at the right edge of the store's index.

use std::{
    fmt::{self, Write as _},
    str::FromStr,
    sync::Arc,
};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The stream that holds its history.
            pub fn stream(self) -> StreamId {
                StreamId::new($kind, &self.0.to_string())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_id!(
    /// One authorization request, from its arrival to the decision.
    AuthorizationId, StreamKind::Authorization);
uuid_id!(
    /// What one subject allows one client, in one organization.
    GrantId, StreamKind::Grant);
uuid_id!(
    /// One access token of a machine client.
    MachineTokenId, StreamKind::MachineToken);
uuid_id!(
    /// One API key.
    ApiKeyId, StreamKind::ApiKey);
uuid_id!(
    /// What lets clients register themselves.
    InitialAccessTokenId, StreamKind::InitialAccessToken);
uuid_id!(
    /// One trusted issuer.
    TrustedIssuerId, StreamKind::TrustedIssuer);
uuid_id!(
    /// A person, by a random id of ours: the application's own id of the person never enters the log.
    SubjectId, StreamKind::Subject);

/// The public identifier of a client (RFC 6749 §2.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub Arc<str>);

impl ClientId {
    /// The stream that holds the client's history. Its name is the id: registering is appending to a stream that does
    /// not exist, so ids are unique.
    pub fn stream(&self) -> StreamId {
        StreamId::new(StreamKind::Client, &self.0)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ClientId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The application's id of an organization that a subject acts in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrganizationId(pub Arc<str>);

impl OrganizationId {
    /// The stream that says which clients may work in it.
    pub fn stream(&self) -> StreamId {
        StreamId::new(StreamKind::Organization, &self.0)
    }
}

/// The public id of a resource server: the first 32 hexadecimal digits of the SHA-256 of its identifier. Registering is
/// appending to a stream that does not exist, so identifiers are unique.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResourceServerId(Arc<str>);

/// A text that is the id of no resource server.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is the id of no resource server")]
pub struct InvalidResourceServerId;

impl ResourceServerId {
    /// The id of the resource server with this identifier.
    pub fn of(identifier: &str) -> Self {
        let digest = digest::digest(&digest::SHA256, identifier.as_bytes());
        Self(digest.as_ref().iter().copied().take(16).fold(String::with_capacity(32), hexadecimal).into())
    }

    /// The stream that holds its history.
    pub fn stream(&self) -> StreamId {
        StreamId::new(StreamKind::ResourceServer, &self.0)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn hexadecimal(mut text: String, byte: u8) -> String {
    // Writing to a String can't fail.
    let _ = write!(text, "{byte:02x}");
    text
}

impl FromStr for ResourceServerId {
    type Err = InvalidResourceServerId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hexadecimal = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() == 32 && hexadecimal { Ok(Self(text.into())) } else { Err(InvalidResourceServerId) }
    }
}

impl fmt::Display for ResourceServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a stream is about. The wire name is the part of a stream's name before its first dash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamKind {
    /// A registered client.
    Client,
    /// Which client a description of a client is registered as.
    ClientRegistration,
    /// What lets clients register themselves.
    InitialAccessToken,
    /// An authorization request.
    Authorization,
    /// A grant.
    Grant,
    /// Which grant a (subject, client, organization) has.
    GrantReservation,
    /// What one reader of the history asked on one day.
    Audit,
    /// The RBAC policy.
    Policy,
    /// A `client_credentials` token.
    MachineToken,
    /// A signing key.
    SigningKey,
    /// An API key.
    ApiKey,
    /// A resource server.
    ResourceServer,
    /// An idempotency key that was used.
    IdempotencyKey,
    /// An organization of the application's: which clients may work in it.
    Organization,
    /// A person.
    Subject,
    /// A login system whose tokens pages may present.
    TrustedIssuer,
    /// A trusted token that was used.
    TrustedToken,
    /// A client assertion that was used (RFC 7523 §3: `jti` once only).
    ClientAssertion,
    /// Events that were dropped from the log, and are in a file.
    Segment,
}

impl StreamKind {
    /// Every kind there is.
    pub const ALL: &[Self] = &[
        Self::Client,
        Self::ClientRegistration,
        Self::InitialAccessToken,
        Self::Authorization,
        Self::Grant,
        Self::GrantReservation,
        Self::Audit,
        Self::Policy,
        Self::MachineToken,
        Self::SigningKey,
        Self::ApiKey,
        Self::ResourceServer,
        Self::IdempotencyKey,
        Self::Organization,
        Self::Subject,
        Self::TrustedIssuer,
        Self::TrustedToken,
        Self::ClientAssertion,
        Self::Segment,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::ClientRegistration => "client_registration",
            Self::InitialAccessToken => "initial_access_token",
            Self::Authorization => "authorization",
            Self::Grant => "grant",
            Self::GrantReservation => "grant_reservation",
            Self::Audit => "audit",
            Self::Policy => "policy",
            Self::MachineToken => "machine_token",
            Self::SigningKey => "signing_key",
            Self::ApiKey => "api_key",
            Self::ResourceServer => "resource_server",
            Self::IdempotencyKey => "idempotency_key",
            Self::Organization => "organization",
            Self::Subject => "subject",
            Self::TrustedIssuer => "trusted_issuer",
            Self::TrustedToken => "trusted_token",
            Self::ClientAssertion => "client_assertion",
            Self::Segment => "segment",
        }
    }
}

/// The name of a stream: `grant-01932d5e-…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    kind: StreamKind,
    name: Arc<str>,
}

/// A text that names no stream of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a stream")]
pub struct UnknownStream(pub String);

impl StreamId {
    /// The stream of this kind with this key.
    pub fn new(kind: StreamKind, key: &str) -> Self {
        Self { kind, name: format!("{}-{key}", kind.as_str()).into() }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// What the stream is about.
    pub fn kind(&self) -> StreamKind {
        self.kind
    }

    /// The part after the kind.
    pub fn key(&self) -> &str {
        &self.name[self.kind.as_str().len() + 1..]
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for StreamId {
    type Err = UnknownStream;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, key) = text.split_once('-').unwrap_or_default();
        match StreamKind::ALL.iter().copied().find(|kind| kind.as_str() == name) {
            Some(kind) if !key.is_empty() => Ok(Self { kind, name: text.into() }),
            _ => Err(UnknownStream(text.to_owned())),
        }
    }
}
