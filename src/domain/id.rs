//! Names of things. Streams are named `<kind>-<key>`; keys are UUIDv7 where nothing else is given, so that appends
//! land at the right edge of the store's index.

use std::{fmt, str::FromStr, sync::Arc};

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
    /// A `client_credentials` token.
    MachineToken,
    /// A signing key.
    SigningKey,
    /// An API key.
    ApiKey,
    /// An idempotency key that was used.
    IdempotencyKey,
    /// A person.
    Subject,
    /// A client assertion that was used (RFC 7523 §3: `jti` once only).
    ClientAssertion,
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
        Self::MachineToken,
        Self::SigningKey,
        Self::ApiKey,
        Self::IdempotencyKey,
        Self::Subject,
        Self::ClientAssertion,
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
            Self::MachineToken => "machine_token",
            Self::SigningKey => "signing_key",
            Self::ApiKey => "api_key",
            Self::IdempotencyKey => "idempotency_key",
            Self::Subject => "subject",
            Self::ClientAssertion => "client_assertion",
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
