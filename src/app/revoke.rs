//! Revoke a token (RFC 7009), a grant.

use super::{Authority, Context, Trouble, UseCaseError, authenticate_client::AuthenticatedClient, recognise::Recognised};
use crate::{
    domain::{
        GrantId, SubjectId,
        grant::{GrantCommand, GrantRefusal, RevocationReason, RevokeToken, TokenRef},
        machine_token::{MachineTokenCommand, MachineTokenRefusal},
    },
    keys::AccessTokenRef,
};

/// The token was issued to another client (RFC 7009 §2.1).
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token was issued to another client")]
pub struct IssuedToAnotherClient;

impl Authority {
    /// Ends the presented token. A token that is unknown or dead already is no error (RFC 7009 §2.2).
    pub async fn revoke_token(
        &self,
        context: &Context,
        client: &AuthenticatedClient,
        presented: &str,
    ) -> Result<(), UseCaseError<IssuedToAnotherClient>> {
        let (grant_id, token) = match self.recognise(presented) {
            None => return Ok(()),
            Some(Recognised::AccessToken { reference: AccessTokenRef::Machine(id), .. }) => {
                let command = MachineTokenCommand::Revoke { client_id: client.id.clone() };
                let revoked = self.machine_tokens.execute(&self.outside, context, &id.stream(), &command).await;
                return match revoked {
                    Ok(_) | Err(UseCaseError::Refused(MachineTokenRefusal::AlreadyExists)) => Ok(()),
                    Err(error) => Err(error.map(|_| IssuedToAnotherClient)),
                };
            }
            Some(Recognised::AccessToken { reference: AccessTokenRef::Grant { grant_id, token }, .. }) => {
                (grant_id, TokenRef::Access(token))
            }
            Some(Recognised::RefreshToken(refresh)) => {
                (refresh.grant_id, TokenRef::Refresh { family: refresh.family, generation: refresh.generation })
            }
        };
        let command = GrantCommand::RevokeToken(RevokeToken { token, client_id: client.id.clone() });
        match self.grants.execute(&self.outside, context, &grant_id.stream(), &command).await {
            Err(UseCaseError::Refused(GrantRefusal::IssuedToAnotherClient)) => Err(UseCaseError::Refused(IssuedToAnotherClient)),
            // RFC 7009 §2.2: an invalid token is no error.
            Ok(_) | Err(UseCaseError::Refused(_)) => Ok(()),
            Err(UseCaseError::Trouble(trouble)) => Err(trouble.into()),
        }
    }

    /// Ends a grant of this subject with everything issued under it. False: the subject has no such grant.
    pub async fn revoke_grant(&self, context: &Context, subject: SubjectId, grant_id: GrantId) -> Result<bool, Trouble> {
        let grant = self.grants.load(&self.outside, &grant_id.stream()).await?;
        if grant.subject() != Some(subject) {
            return Ok(false);
        }
        self.end_grant(context, grant_id, RevocationReason::Disconnected).await?;
        Ok(true)
    }
}
