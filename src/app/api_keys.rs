//! Create, revoke and authenticate API keys.

use std::sync::Arc;

use super::{Authority, Context, Trouble, UseCaseError};
use crate::{
    domain::{
        ApiKeyId,
        api_key::{ApiKey, ApiKeyCommand, ApiKeyRefusal, Role},
    },
    keys::{self, Secret},
};

/// An API key that proved itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticatedApiKey {
    /// Which.
    pub id: ApiKeyId,
    /// What it may do.
    pub role: Role,
    /// For a resource server: whose tokens it may introspect; None means the server's default audience.
    pub audience: Option<String>,
}

impl Authority {
    /// Makes an API key. The secret is shown this once.
    pub async fn create_api_key(
        &self,
        context: &Context,
        name: &str,
        role: Role,
        audience: Option<String>,
    ) -> Result<(ApiKeyId, Secret), UseCaseError<ApiKeyRefusal>> {
        let id = ApiKeyId(self.new_id(context));
        let api_key = keys::api_key(id, self.new_secret_octets(context));
        let secret = self.hasher.hash(api_key.expose());
        let command = ApiKeyCommand::Create { name: name.to_owned(), role, audience, secret };
        self.api_keys.execute_once(&self.outside, context, &id.stream(), &command).await?;
        Ok((id, api_key))
    }

    /// The API key as the log has it; one that was never made is an empty one.
    pub async fn api_key(&self, id: ApiKeyId) -> Result<Arc<ApiKey>, Trouble> {
        Ok(self.api_keys.load(&self.outside, &id.stream()).await?)
    }

    /// Ends an API key.
    pub async fn revoke_api_key(&self, context: &Context, id: ApiKeyId) -> Result<(), UseCaseError<ApiKeyRefusal>> {
        self.api_keys.execute(&self.outside, context, &id.stream(), &ApiKeyCommand::Revoke).await?;
        Ok(())
    }

    /// Says whose API key this is; None when it is nobody's.
    pub async fn authenticate_api_key(&self, presented: &str) -> Result<Option<AuthenticatedApiKey>, Trouble> {
        let Some((id, _)) = keys::parse_api_key(presented) else { return Ok(None) };
        let key = self.api_key(id).await?;
        let proven = key.secret().is_some_and(|secret| self.hasher.verify(presented, secret));
        match key.role() {
            Some(role) if proven && !key.is_revoked() => {
                Ok(Some(AuthenticatedApiKey { id, role, audience: key.audience().map(str::to_owned) }))
            }
            _ => Ok(None),
        }
    }

    pub(super) fn random(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.outside.entropy.fill(&mut bytes);
        bytes
    }
}
