//! Register, update and delete resource servers; make their credentials.

use std::sync::Arc;

use super::{Authority, Context, Trouble, UseCaseError};
use crate::{
    domain::{
        ApiKeyId, ResourceServerId, Timestamp,
        api_key::Role,
        resource_server::{ResourceServer, ResourceServerCommand, ResourceServerRefusal},
    },
    keys::Secret,
    protocol::{ResourceServerSettings, Scope},
};

/// Knows which resource servers there are: folding all their streams for each token would be slow.
pub trait ResourceServerDirectory: Send + Sync {
    /// Whether one with this identifier is registered.
    fn is_registered(&self, identifier: &str) -> bool;

    /// Every scope that some resource server understands.
    fn scopes(&self) -> Arc<Scope>;
}

/// What a resource server introspects with: an API key that looks at its tokens and at no others.
pub struct ResourceServerCredentials {
    /// The API key's id, to revoke it by.
    pub api_key_id: ApiKeyId,
    /// The API key; shown this once.
    pub api_key: Secret,
}

impl Authority {
    /// Registers a resource server and makes its first credentials; says when it was registered. Should only the first be done when a crash comes
    /// between, credentials can still be made.
    pub async fn register_resource_server(
        &self,
        context: &Context,
        settings: ResourceServerSettings,
    ) -> Result<(ResourceServerId, Timestamp, ResourceServerCredentials), UseCaseError<ResourceServerRefusal>> {
        let id = ResourceServerId::of(&settings.identifier);
        let credentials_for = settings.clone();
        let command = ResourceServerCommand::Register { settings };
        let executed = self.resource_servers.execute_once(&self.outside, context, &id.stream(), &command).await?;
        let registered_at = executed.state.registered_at().unwrap_or_else(|| self.now());
        Ok((id, registered_at, self.credentials_for(context, &credentials_for).await?))
    }

    /// Makes further credentials beside those there are: a rotation is to make new ones, use them, and revoke the old.
    pub async fn create_resource_server_credentials(
        &self,
        context: &Context,
        id: &ResourceServerId,
    ) -> Result<ResourceServerCredentials, UseCaseError<ResourceServerRefusal>> {
        let server = self.resource_server(id).await?;
        let settings = server.settings().ok_or(UseCaseError::Refused(ResourceServerRefusal::NotFound))?;
        Ok(self.credentials_for(context, settings).await?)
    }

    /// Replaces what is registered about a resource server.
    pub async fn update_resource_server(
        &self,
        context: &Context,
        id: &ResourceServerId,
        settings: ResourceServerSettings,
    ) -> Result<(), UseCaseError<ResourceServerRefusal>> {
        self.execute_resource_server(context, id, ResourceServerCommand::Update { settings }).await
    }

    /// Ends a resource server: no more tokens are issued for it. Those it was shown before live until they expire.
    pub async fn delete_resource_server(
        &self,
        context: &Context,
        id: &ResourceServerId,
    ) -> Result<(), UseCaseError<ResourceServerRefusal>> {
        self.execute_resource_server(context, id, ResourceServerCommand::Delete).await
    }

    /// The resource server as the log has it; one that was never registered is an empty one.
    pub(super) async fn resource_server(&self, id: &ResourceServerId) -> Result<Arc<ResourceServer>, Trouble> {
        Ok(self.resource_servers.load(&self.outside, &id.stream()).await?)
    }

    async fn credentials_for(&self, context: &Context, settings: &ResourceServerSettings) -> Result<ResourceServerCredentials, Trouble> {
        let audience = Some(settings.identifier.clone());
        match self.create_api_key(context, &settings.name, Role::ResourceServer, audience).await {
            Ok((api_key_id, api_key)) => Ok(ResourceServerCredentials { api_key_id, api_key }),
            Err(UseCaseError::Trouble(trouble)) => Err(trouble),
            // The id was just drawn: that it is taken means that randomness is broken.
            Err(UseCaseError::Refused(refusal)) => Err(Trouble::Crypto(refusal.to_string())),
        }
    }

    async fn execute_resource_server(
        &self,
        context: &Context,
        id: &ResourceServerId,
        command: ResourceServerCommand,
    ) -> Result<(), UseCaseError<ResourceServerRefusal>> {
        self.resource_servers.execute(&self.outside, context, &id.stream(), &command).await?;
        Ok(())
    }
}
