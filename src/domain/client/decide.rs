use super::{Client, ClientCommand, ClientEvent, state::uses_secret};
use crate::{
    domain::{Decider, Timestamp},
    keys::SecretHash,
    protocol::ClientMetadata,
};

/// What may happen to a client.
#[derive(Debug)]
pub struct ClientDecider;

/// Why something may not happen to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientRefusal {
    /// The id is taken, perhaps by a client that was deleted.
    #[error("the client id is taken")]
    AlreadyExists,
    /// It was never registered, or it was deleted.
    #[error("there is no such client")]
    NotFound,
    /// A registered value is for good.
    #[error("{field} of a client can't be changed")]
    Immutable {
        /// The member of the metadata.
        field: &'static str,
    },
    /// The method is a secret, and there is none.
    #[error("the client has no secret to authenticate with")]
    NeedsSecret,
    /// The method is not a secret.
    #[error("the client does not authenticate with a secret")]
    NotASecretClient,
    /// A second secret is good already.
    #[error("a rotation of the client's secret is underway")]
    RotationUnderway,
    /// There is no second secret.
    #[error("no rotation of the client's secret is underway")]
    NoRotation,
}

use ClientRefusal::{AlreadyExists, Immutable, NeedsSecret, NoRotation, NotASecretClient, NotFound, RotationUnderway};

impl Decider for ClientDecider {
    type State = Client;
    type Command = ClientCommand;
    type Event = ClientEvent;
    type Refusal = ClientRefusal;

    fn decide(client: &Client, command: &ClientCommand, _now: Timestamp) -> Result<Vec<ClientEvent>, ClientRefusal> {
        match command {
            ClientCommand::Register { metadata, secret } => register(client, metadata, secret.as_ref()),
            ClientCommand::Update { metadata } => update(client, metadata),
            ClientCommand::StartSecretRotation { secret } => start_secret_rotation(client, secret),
            ClientCommand::CompleteSecretRotation => end_secret_rotation(client, ClientEvent::SecretRotationCompleted {}),
            ClientCommand::CancelSecretRotation => end_secret_rotation(client, ClientEvent::SecretRotationCancelled {}),
            ClientCommand::Suspend => Ok(unless(registered(client)?.suspended, ClientEvent::Suspended {})),
            ClientCommand::Resume => Ok(unless(!registered(client)?.suspended, ClientEvent::Resumed {})),
            ClientCommand::Delete if client.is_deleted() => Ok(vec![]),
            ClientCommand::Delete => registered(client).map(|_| vec![ClientEvent::Deleted {}]),
        }
    }

    fn evolve(client: Client, event: &ClientEvent, at: Timestamp) -> Client {
        client.evolve(event, at)
    }
}

fn registered(client: &Client) -> Result<&Client, ClientRefusal> {
    if client.exists() { Ok(client) } else { Err(NotFound) }
}

fn unless(is_so: bool, event: ClientEvent) -> Vec<ClientEvent> {
    if is_so { vec![] } else { vec![event] }
}

fn register(client: &Client, metadata: &ClientMetadata, secret: Option<&SecretHash>) -> Result<Vec<ClientEvent>, ClientRefusal> {
    // An id that was deleted stays taken: tokens and grants in the log still name it.
    if client.exists() || client.is_deleted() {
        return Err(AlreadyExists);
    }
    match (uses_secret(metadata), secret) {
        (true, None) => Err(NeedsSecret),
        (false, Some(_)) => Err(NotASecretClient),
        (true, Some(_)) | (false, None) => Ok(vec![ClientEvent::Registered { metadata: metadata.clone(), secret: secret.cloned() }]),
    }
}

fn update(client: &Client, metadata: &ClientMetadata) -> Result<Vec<ClientEvent>, ClientRefusal> {
    let current = client.metadata().ok_or(NotFound)?;
    if metadata == current {
        return Ok(vec![]);
    }
    if metadata.client_type != current.client_type {
        return Err(Immutable { field: "client_type" });
    }
    // Its grants and tokens are of this organization.
    if metadata.organization_id != current.organization_id {
        return Err(Immutable { field: "organization_id" });
    }
    // RFC 6749 §2.1: what a client was trusted with depends on whether it can keep a secret.
    if metadata.is_public() != current.is_public() {
        return Err(Immutable { field: "token_endpoint_auth_method" });
    }
    if uses_secret(metadata) && client.secret.is_none() {
        return Err(NeedsSecret);
    }
    Ok(vec![ClientEvent::Updated { metadata: metadata.clone() }])
}

fn start_secret_rotation(client: &Client, secret: &SecretHash) -> Result<Vec<ClientEvent>, ClientRefusal> {
    if !uses_secret(client.metadata().ok_or(NotFound)?) {
        return Err(NotASecretClient);
    }
    if client.is_rotating() {
        return Err(RotationUnderway);
    }
    Ok(vec![ClientEvent::SecretRotationStarted { secret: secret.clone() }])
}

fn end_secret_rotation(client: &Client, end: ClientEvent) -> Result<Vec<ClientEvent>, ClientRefusal> {
    if registered(client)?.is_rotating() { Ok(vec![end]) } else { Err(NoRotation) }
}
