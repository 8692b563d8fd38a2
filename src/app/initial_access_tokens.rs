//! Create, revoke and check initial access tokens (RFC 7591 §1.2).

use std::sync::Arc;

use super::{Authority, Context, Trouble, UseCaseError};
use crate::{
    domain::{
        InitialAccessTokenId, Seconds,
        initial_access_token::{InitialAccessToken, InitialAccessTokenCommand, InitialAccessTokenRefusal},
    },
    keys::{self, Secret},
};

impl Authority {
    /// Makes an initial access token. It is shown this once.
    pub async fn create_initial_access_token(
        &self,
        context: &Context,
        name: &str,
        lifetime: Seconds,
        max_uses: u32,
    ) -> Result<(InitialAccessTokenId, Secret), UseCaseError<InitialAccessTokenRefusal>> {
        let now = self.now();
        let id = InitialAccessTokenId(self.new_id(context));
        let token = keys::initial_access_token(id, self.new_secret_octets(context));
        let secret = self.hasher.hash(token.expose());
        let command = InitialAccessTokenCommand::Create { name: name.to_owned(), expires_at: now.plus(lifetime), max_uses, secret };
        self.initial_access_tokens.execute_once(&self.outside, context, &id.stream(), &command).await?;
        Ok((id, token))
    }

    /// The initial access token as the log has it; one that was never made is an empty one.
    pub async fn initial_access_token(&self, id: InitialAccessTokenId) -> Result<Arc<InitialAccessToken>, Trouble> {
        Ok(self.initial_access_tokens.load(&self.outside, &id.stream()).await?)
    }

    /// Ends an initial access token. The clients that were registered with it stay.
    pub async fn revoke_initial_access_token(
        &self,
        context: &Context,
        id: InitialAccessTokenId,
    ) -> Result<(), UseCaseError<InitialAccessTokenRefusal>> {
        self.initial_access_tokens.execute(&self.outside, context, &id.stream(), &InitialAccessTokenCommand::Revoke).await?;
        Ok(())
    }

    /// Says which initial access token this is; None when it is none, or good for nothing. Whether it is used up is
    /// decided when it is used.
    pub(super) async fn authenticate_initial_access_token(&self, presented: &str) -> Result<Option<InitialAccessTokenId>, Trouble> {
        let Some(id) = keys::parse_initial_access_token(presented) else { return Ok(None) };
        let token = self.initial_access_token(id).await?;
        let proven = token.secret().is_some_and(|secret| self.hasher.verify(presented, secret));
        Ok((proven && !token.is_revoked() && !token.is_expired(self.now())).then_some(id))
    }
}
