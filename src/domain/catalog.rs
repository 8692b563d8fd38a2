//! Every event there is: its stream kind, its wire name, its schema version; encoding and decoding.

pub mod reference;

use serde::{Deserialize, Serialize};

use super::{
    StreamKind, api_key::ApiKeyEvent, audit::AuditEvent, authorization::AuthorizationEvent, client::ClientEvent,
    client_assertion::ClientAssertionEvent, client_registration::ClientRegistrationEvent, grant::GrantEvent,
    grant_reservation::GrantReservationEvent, idempotency_key::IdempotencyKeyEvent, initial_access_token::InitialAccessTokenEvent,
    machine_token::MachineTokenEvent, organization::OrganizationEvent, policy::PolicyEvent, resource_server::ResourceServerEvent,
    segment::SegmentEvent, signing_key::SigningKeyEvent, subject::SubjectEvent, trusted_issuer::TrustedIssuerEvent,
    trusted_token::TrustedTokenEvent,
};

/// An event of any stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Of a client.
    Client(ClientEvent),
    /// Of a description of a client.
    ClientRegistration(ClientRegistrationEvent),
    /// Of an initial access token.
    InitialAccessToken(InitialAccessTokenEvent),
    /// Of an authorization request.
    Authorization(AuthorizationEvent),
    /// Of a grant.
    Grant(GrantEvent),
    /// Of a grant reservation.
    GrantReservation(GrantReservationEvent),
    /// Of the record of a reader of the history.
    Audit(AuditEvent),
    /// Of the policy.
    Policy(PolicyEvent),
    /// Of a machine token.
    MachineToken(MachineTokenEvent),
    /// Of a signing key.
    SigningKey(SigningKeyEvent),
    /// Of an API key.
    ApiKey(ApiKeyEvent),
    /// Of a resource server.
    ResourceServer(ResourceServerEvent),
    /// Of an idempotency key.
    IdempotencyKey(IdempotencyKeyEvent),
    /// Of an organization.
    Organization(OrganizationEvent),
    /// Of a subject.
    Subject(SubjectEvent),
    /// Of a trusted issuer.
    TrustedIssuer(TrustedIssuerEvent),
    /// Of a trusted token.
    TrustedToken(TrustedTokenEvent),
    /// Of a client assertion.
    ClientAssertion(ClientAssertionEvent),
    /// Of a segment.
    Segment(SegmentEvent),
}

/// An event as it is written: the wire name, the version of its payload's schema, the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The wire name: `grant.opened`.
    pub kind: String,
    /// The version of the payload's schema, from 1.
    pub schema: u16,
    /// The payload: JSON in canonical form (RFC 8785).
    pub data: String,
}

/// Why a recorded event can't be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The payload's schema is newer than this program.
    #[error("{kind} has schema version {schema}, which this program does not know")]
    UnknownSchema {
        /// The wire name.
        kind: String,
        /// The version found.
        schema: u16,
    },
    /// The wire name or the payload don't fit the stream.
    #[error("{kind} does not decode: {source}")]
    Malformed {
        /// The wire name.
        kind: String,
        /// What does not fit.
        source: serde_json::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Tagged<T> {
    #[serde(rename = "type")]
    kind: String,
    data: T,
}

macro_rules! catalog {
    ($($variant:ident: $event:ty),+ $(,)?) => {
        impl Event {
            /// The kind of the streams that it stands in.
            pub fn stream_kind(&self) -> StreamKind {
                match self { $(Self::$variant(_) => StreamKind::$variant),+ }
            }

            fn to_json(&self) -> serde_json::Result<serde_json::Value> {
                match self { $(Self::$variant(event) => serde_json::to_value(event)),+ }
            }

            fn from_json(stream: StreamKind, tagged: &str) -> serde_json::Result<Self> {
                match stream { $(StreamKind::$variant => serde_json::from_str(tagged).map(Self::$variant)),+ }
            }
        }

        $(
            impl From<$event> for Event {
                fn from(event: $event) -> Self {
                    Self::$variant(event)
                }
            }

            impl TryFrom<Event> for $event {
                type Error = Event;
                fn try_from(event: Event) -> Result<Self, Event> {
                    match event {
                        Event::$variant(event) => Ok(event),
                        other => Err(other),
                    }
                }
            }
        )+
    };
}

catalog! {
    Client: ClientEvent,
    ClientRegistration: ClientRegistrationEvent,
    InitialAccessToken: InitialAccessTokenEvent,
    Authorization: AuthorizationEvent,
    Grant: GrantEvent,
    GrantReservation: GrantReservationEvent,
    Audit: AuditEvent,
    Policy: PolicyEvent,
    MachineToken: MachineTokenEvent,
    SigningKey: SigningKeyEvent,
    ApiKey: ApiKeyEvent,
    ResourceServer: ResourceServerEvent,
    IdempotencyKey: IdempotencyKeyEvent,
    Organization: OrganizationEvent,
    Subject: SubjectEvent,
    TrustedIssuer: TrustedIssuerEvent,
    TrustedToken: TrustedTokenEvent,
    ClientAssertion: ClientAssertionEvent,
    Segment: SegmentEvent,
}

/// The newest schema version of every event. A type whose payload changes incompatibly gets its own number here, and
/// an upcaster from each older one.
const SCHEMA: u16 = 1;

impl Event {
    /// How it is written.
    pub fn encode(&self) -> Encoded {
        let tagged =
            self.to_json().and_then(serde_json::from_value::<Tagged<serde_json::Value>>).expect("every event is a tagged JSON object");
        let data = serde_json_canonicalizer::to_string(&tagged.data).expect("a JSON value has a canonical form");
        Encoded { kind: tagged.kind, schema: SCHEMA, data }
    }

    /// Reads an event of a stream of this kind.
    pub fn decode(stream: StreamKind, kind: &str, schema: u16, data: &str) -> Result<Self, DecodeError> {
        if schema != SCHEMA {
            return Err(DecodeError::UnknownSchema { kind: kind.to_owned(), schema });
        }
        let name = serde_json::Value::from(kind);
        Self::from_json(stream, &format!("{{\"type\":{name},\"data\":{data}}}"))
            .map_err(|source| DecodeError::Malformed { kind: kind.to_owned(), source })
    }
}

#[cfg(test)]
mod tests;
