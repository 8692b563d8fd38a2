use super::{Client, ClientCommand, ClientEvent, Origin, Registration};
use crate::{
    domain::{Decider, Timestamp},
    keys::SecretHash,
    protocol::{ClientMetadata, Scope},
};

/// What may happen to a client.
#[derive(Debug)]
pub struct ClientDecider;

/// Why something may not happen to a client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// A client may not give itself these scopes.
    #[error("a client may not register itself for the scope {0}")]
    NotSelfRegistrable(Scope),
    /// It may not do anything.
    #[error("the client is suspended")]
    Suspended,
    /// Somebody of the operator's registered it.
    #[error("an administrator registered the client, and so vouches for it")]
    RegisteredByOperator,
    /// Its document says what is registered about it.
    #[error("what is registered about the client is what its metadata document says")]
    FromDocument,
}

use ClientRefusal::{
    AlreadyExists, FromDocument, Immutable, NeedsSecret, NoRotation, NotASecretClient, NotFound, NotSelfRegistrable, RegisteredByOperator,
    RotationUnderway,
};

impl Decider for ClientDecider {
    type State = Client;
    type Command = ClientCommand;
    type Event = ClientEvent;
    type Refusal = ClientRefusal;

    fn decide(client: &Client, command: &ClientCommand, now: Timestamp) -> Result<Vec<ClientEvent>, ClientRefusal> {
        // Whose lease is over counts as not existing, for every command but those that clear it away.
        let existing = || if client.exists(now) { Ok(client) } else { Err(NotFound) };
        match command {
            ClientCommand::Register { metadata, secret, origin } => register(client, metadata, secret.as_ref(), origin),
            ClientCommand::Update { metadata } => update(existing()?, metadata),
            ClientCommand::UpdateBySelf { metadata, self_registrable } => update_by_self(existing()?, metadata, self_registrable),
            ClientCommand::RecordDocument { metadata, document_sha256 } => record_document(client, metadata, document_sha256),
            ClientCommand::WithdrawDocument => {
                let of_document = existing()?.standing.registration() == Registration::MetadataDocument;
                Ok(unless(!of_document || client.is_withdrawn(), ClientEvent::Withdrawn {}))
            }
            ClientCommand::Use => Ok(unless(!existing()?.standing.awaits_use(), ClientEvent::Used {})),
            ClientCommand::ExtendLease { length } => {
                let lease_until = existing()?.standing.lease_to_come(*length, now);
                Ok(lease_until.map(|lease_until| ClientEvent::LeaseExtended { lease_until }).into_iter().collect())
            }
            ClientCommand::Verify => Ok(unless(existing()?.standing.is_verified(), ClientEvent::Verified {})),
            ClientCommand::WithdrawVerification => withdraw_verification(existing()?),
            ClientCommand::StartSecretRotation { secret } => start_secret_rotation(existing()?, secret),
            ClientCommand::ReplaceSecret { secret } => replace_secret(existing()?, secret),
            ClientCommand::CompleteSecretRotation => end_secret_rotation(existing()?, ClientEvent::SecretRotationCompleted {}),
            ClientCommand::CancelSecretRotation => end_secret_rotation(existing()?, ClientEvent::SecretRotationCancelled {}),
            ClientCommand::Suspend => Ok(unless(existing()?.suspended, ClientEvent::Suspended {})),
            ClientCommand::Resume => Ok(unless(!existing()?.suspended, ClientEvent::Resumed {})),
            ClientCommand::Delete if client.is_deleted() => Ok(vec![]),
            ClientCommand::Delete if client.is_registered() => Ok(vec![ClientEvent::Deleted {}]),
            ClientCommand::Delete => Err(NotFound),
            ClientCommand::DeleteIfLapsed => Ok(unless(!client.is_registered() || client.exists(now), ClientEvent::Deleted {})),
        }
    }

    fn evolve(client: Client, event: &ClientEvent, at: Timestamp) -> Client {
        client.evolve(event, at)
    }
}

fn unless(is_so: bool, event: ClientEvent) -> Vec<ClientEvent> {
    if is_so { vec![] } else { vec![event] }
}

fn register(
    client: &Client,
    metadata: &ClientMetadata,
    secret: Option<&SecretHash>,
    origin: &Origin,
) -> Result<Vec<ClientEvent>, ClientRefusal> {
    // An id that was deleted stays taken: tokens and grants in the log still name it.
    if client.is_registered() || client.is_deleted() {
        return Err(AlreadyExists);
    }
    match (metadata.uses_secret(), secret) {
        (true, None) => Err(NeedsSecret),
        (false, Some(_)) => Err(NotASecretClient),
        (true, Some(_)) | (false, None) => {
            let Origin { registration, lease_until, registration_access_token } = origin.clone();
            let (metadata, secret) = (metadata.clone(), secret.cloned());
            Ok(vec![ClientEvent::Registered {
                metadata,
                secret,
                registration,
                lease_until,
                registration_access_token,
                document_sha256: None,
            }])
        }
    }
}

fn record_document(client: &Client, metadata: &ClientMetadata, document_sha256: &str) -> Result<Vec<ClientEvent>, ClientRefusal> {
    let (metadata, document_sha256) = (metadata.clone(), document_sha256.to_owned());
    if !client.is_registered() && !client.is_deleted() {
        let registration = Registration::MetadataDocument;
        let document_sha256 = Some(document_sha256);
        let (secret, lease_until, registration_access_token) = (None, None, None);
        return Ok(vec![ClientEvent::Registered {
            metadata,
            secret,
            registration,
            lease_until,
            registration_access_token,
            document_sha256,
        }]);
    }
    // Who was deleted stays so, and who was registered in another way is not what a document says.
    if client.standing.registration() != Registration::MetadataDocument || client.is_deleted() {
        return Err(AlreadyExists);
    }
    let changed = client.document_sha256.as_deref() != Some(&document_sha256) || client.metadata() != Some(&metadata);
    let withdrawn = client.is_withdrawn();
    // Whoever vouched for it vouched for what it said then.
    let vouched_for = changed && client.standing.is_verified();
    let events = [
        changed.then_some(ClientEvent::DocumentChanged { metadata, document_sha256 }),
        vouched_for.then_some(ClientEvent::VerificationWithdrawn {}),
        withdrawn.then_some(ClientEvent::Reinstated {}),
    ];
    Ok(events.into_iter().flatten().collect())
}

fn update(client: &Client, metadata: &ClientMetadata) -> Result<Vec<ClientEvent>, ClientRefusal> {
    let current = client.metadata().ok_or(NotFound)?;
    if metadata == current {
        return Ok(vec![]);
    }
    if client.standing.registration() == Registration::MetadataDocument {
        return Err(FromDocument);
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
    if metadata.uses_secret() && client.secret.is_none() {
        return Err(NeedsSecret);
    }
    Ok(vec![ClientEvent::Updated { metadata: metadata.clone() }])
}

fn update_by_self(client: &Client, said: &ClientMetadata, self_registrable: &Scope) -> Result<Vec<ClientEvent>, ClientRefusal> {
    let current = client.metadata().ok_or(NotFound)?;
    if client.suspended {
        return Err(ClientRefusal::Suspended);
    }
    // What an administrator gave it, it may keep.
    let excess = said.scope.difference(&self_registrable.union(&current.scope));
    if !excess.is_empty() {
        return Err(NotSelfRegistrable(excess));
    }
    let mut events = update(client, &said.clone().with_settings_of(current))?;
    // What was vouched for is not what it says of itself now.
    if !events.is_empty() && client.standing.is_verified() && !client.standing.registration().is_by_operator() {
        events.push(ClientEvent::VerificationWithdrawn {});
    }
    Ok(events)
}

fn withdraw_verification(client: &Client) -> Result<Vec<ClientEvent>, ClientRefusal> {
    if client.standing.registration().is_by_operator() {
        return Err(RegisteredByOperator);
    }
    Ok(unless(!client.standing.is_verified(), ClientEvent::VerificationWithdrawn {}))
}

fn start_secret_rotation(client: &Client, secret: &SecretHash) -> Result<Vec<ClientEvent>, ClientRefusal> {
    if !client.metadata().ok_or(NotFound)?.uses_secret() {
        return Err(NotASecretClient);
    }
    if client.is_rotating() {
        return Err(RotationUnderway);
    }
    Ok(vec![ClientEvent::SecretRotationStarted { secret: secret.clone() }])
}

fn replace_secret(client: &Client, secret: &SecretHash) -> Result<Vec<ClientEvent>, ClientRefusal> {
    let mut events = start_secret_rotation(client, secret)?;
    events.push(ClientEvent::SecretRotationCompleted {});
    Ok(events)
}

fn end_secret_rotation(client: &Client, end: ClientEvent) -> Result<Vec<ClientEvent>, ClientRefusal> {
    if client.is_rotating() { Ok(vec![end]) } else { Err(NoRotation) }
}
