//! Register, update, suspend, resume and delete clients; rotate their secrets.

use std::sync::Arc;

use super::{Authority, Context, Trouble, UseCaseError};
use crate::{
    domain::{
        ClientId, Timestamp,
        client::{Client, ClientCommand, ClientRefusal, Origin},
    },
    keys::{self, Secret, SecretHash},
    protocol::ClientMetadata,
};

/// What every client id of ours begins with, and no person's id may.
pub const CLIENT_ID_PREFIX: &str = "client_";

/// A client that was just registered.
pub struct RegisteredClient {
    /// Its id.
    pub client_id: ClientId,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// Its secret, if it authenticates with one; shown this once.
    pub secret: Option<Secret>,
}

impl Authority {
    /// Registers a client (RFC 7591 §3.2.1, by an administrator).
    pub async fn register_client(
        &self,
        context: &Context,
        metadata: ClientMetadata,
    ) -> Result<RegisteredClient, UseCaseError<ClientRefusal>> {
        let client_id = self.new_client_id(context);
        let (secret, hash) = metadata.uses_secret().then(|| self.new_client_secret(context)).unzip();
        let command = ClientCommand::Register { metadata, secret: hash, origin: Origin::default() };
        let executed = self.clients.execute_once(&self.outside, context, &client_id.stream(), &command).await?;
        let registered_at = executed.state.registered_at().unwrap_or_else(|| self.now());
        Ok(RegisteredClient { client_id, registered_at, secret })
    }

    /// Replaces what is registered about a client.
    pub async fn update_client(
        &self,
        context: &Context,
        client_id: &ClientId,
        metadata: ClientMetadata,
    ) -> Result<(), UseCaseError<ClientRefusal>> {
        self.execute_client(context, client_id, ClientCommand::Update { metadata }).await
    }

    /// Stops everything of a client until it is resumed.
    pub async fn suspend_client(&self, context: &Context, client_id: &ClientId) -> Result<(), UseCaseError<ClientRefusal>> {
        self.execute_client(context, client_id, ClientCommand::Suspend).await
    }

    /// Ends a suspension.
    pub async fn resume_client(&self, context: &Context, client_id: &ClientId) -> Result<(), UseCaseError<ClientRefusal>> {
        self.execute_client(context, client_id, ClientCommand::Resume).await
    }

    /// Ends a client for good.
    pub async fn delete_client(&self, context: &Context, client_id: &ClientId) -> Result<(), UseCaseError<ClientRefusal>> {
        self.execute_client(context, client_id, ClientCommand::Delete).await
    }

    /// Vouches for a client that registered itself.
    pub async fn verify_client(&self, context: &Context, client_id: &ClientId) -> Result<(), UseCaseError<ClientRefusal>> {
        self.execute_client(context, client_id, ClientCommand::Verify).await
    }

    /// Vouches for it no more.
    pub async fn withdraw_client_verification(&self, context: &Context, client_id: &ClientId) -> Result<(), UseCaseError<ClientRefusal>> {
        self.execute_client(context, client_id, ClientCommand::WithdrawVerification).await
    }

    /// Ends a client for good if its lease is over. False: it is not.
    pub async fn delete_lapsed_client(&self, context: &Context, client_id: &ClientId) -> Result<bool, Trouble> {
        match self.clients.execute(&self.outside, context, &client_id.stream(), &ClientCommand::DeleteIfLapsed).await {
            Ok(executed) => Ok(!executed.events.is_empty()),
            Err(UseCaseError::Refused(_)) => Ok(false),
            Err(UseCaseError::Trouble(trouble)) => Err(trouble),
        }
    }

    /// Records the first use of a client whose lease waits for it. False: it does not exist any more.
    pub(super) async fn use_client(&self, context: &Context, client_id: &ClientId) -> Result<bool, Trouble> {
        if !self.client(client_id).await?.standing().awaits_use() {
            return Ok(true);
        }
        match self.execute_client(context, client_id, ClientCommand::Use).await {
            Ok(()) => Ok(true),
            Err(UseCaseError::Refused(_)) => Ok(false),
            Err(UseCaseError::Trouble(trouble)) => Err(trouble),
        }
    }

    /// Makes a second secret, good beside the first. It is shown this once.
    pub async fn start_client_secret_rotation(
        &self,
        context: &Context,
        client_id: &ClientId,
    ) -> Result<Secret, UseCaseError<ClientRefusal>> {
        let (secret, hash) = self.new_client_secret(context);
        let command = ClientCommand::StartSecretRotation { secret: hash };
        self.clients.execute_once(&self.outside, context, &client_id.stream(), &command).await?;
        Ok(secret)
    }

    /// Makes the second secret the only one.
    pub async fn complete_client_secret_rotation(
        &self,
        context: &Context,
        client_id: &ClientId,
    ) -> Result<(), UseCaseError<ClientRefusal>> {
        self.execute_client(context, client_id, ClientCommand::CompleteSecretRotation).await
    }

    /// Forgets the second secret.
    pub async fn cancel_client_secret_rotation(&self, context: &Context, client_id: &ClientId) -> Result<(), UseCaseError<ClientRefusal>> {
        self.execute_client(context, client_id, ClientCommand::CancelSecretRotation).await
    }

    /// The client as the log has it; a client that was never registered is an empty one.
    pub async fn client(&self, client_id: &ClientId) -> Result<Arc<Client>, Trouble> {
        Ok(self.clients.load(&self.outside, &client_id.stream()).await?)
    }

    async fn execute_client(
        &self,
        context: &Context,
        client_id: &ClientId,
        command: ClientCommand,
    ) -> Result<(), UseCaseError<ClientRefusal>> {
        self.clients.execute(&self.outside, context, &client_id.stream(), &command).await?;
        Ok(())
    }

    pub(super) fn new_client_id(&self, context: &Context) -> ClientId {
        ClientId::from(format!("{CLIENT_ID_PREFIX}{}", self.new_id(context).simple()).as_str())
    }

    pub(super) fn new_client_secret(&self, context: &Context) -> (Secret, SecretHash) {
        let secret = keys::client_secret(self.new_secret_octets(context));
        let hash = self.hasher.hash(secret.expose());
        (secret, hash)
    }
}
