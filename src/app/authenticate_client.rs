//! Authenticate a client at the token, revocation and introspection endpoints (RFC 6749 §2.3, RFC 7523 §3).

use serde_json::{Map, Value};

use super::{Authority, Context, Trouble, UseCaseError};
use crate::{
    domain::{
        ClientId,
        client_assertion::{self, ClientAssertionCommand},
    },
    jose::{JwkSet, UnverifiedJwt, VerificationAlgorithm},
    protocol::{
        ClientAuthenticationMethod, ClientMetadata,
        assertion::{self, AssertionExpectations},
        client_authentication::PresentedCredentials,
    },
};

/// A client that proved who it is, or that is public and only said so.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient {
    /// Who.
    pub id: ClientId,
    /// What is registered about it.
    pub metadata: ClientMetadata,
}

impl AuthenticatedClient {
    /// Whether it proved nothing.
    pub fn is_public(&self) -> bool {
        self.metadata.is_public()
    }
}

/// The credentials are no good. The text is for the log: the client is only told `invalid_client`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidClient(pub String);

impl Authority {
    /// Checks what the client presented, by the method that it is registered with and no other.
    pub async fn authenticate_client(&self, context: &Context, presented: &PresentedCredentials) -> Result<AuthenticatedClient, UseCaseError<InvalidClient>> {
        let refused = |why: &str| Err(UseCaseError::Refused(InvalidClient(why.to_owned())));
        let Some((id, jwt)) = identify(presented) else { return refused("the assertion names no client") };
        let client = self.client(&id).await?;
        let Some(metadata) = client.metadata().filter(|_| client.is_active()) else { return refused("the client is unknown, suspended or deleted") };
        let method = metadata.token_endpoint_auth_method;
        match presented {
            PresentedCredentials::None { .. } if method == ClientAuthenticationMethod::None => {}
            PresentedCredentials::SecretBasic { secret, .. } if method == ClientAuthenticationMethod::ClientSecretBasic => {
                if !client.secrets().any(|hash| self.hasher.verify(secret.expose(), hash)) {
                    return refused("wrong client secret");
                }
            }
            PresentedCredentials::SecretPost { secret, .. } if method == ClientAuthenticationMethod::ClientSecretPost => {
                if !client.secrets().any(|hash| self.hasher.verify(secret.expose(), hash)) {
                    return refused("wrong client secret");
                }
            }
            PresentedCredentials::Assertion { .. } if method == ClientAuthenticationMethod::PrivateKeyJwt => {
                let Some(jwt) = jwt else { return refused("the assertion is no JWT") };
                self.use_assertion(context, &id, metadata, &jwt).await?;
            }
            _ => return refused("the client is registered with another authentication method"),
        }
        Ok(AuthenticatedClient { id, metadata: metadata.clone() })
    }

    /// Verifies a client assertion and spends its `jti`.
    async fn use_assertion(&self, context: &Context, id: &ClientId, metadata: &ClientMetadata, jwt: &UnverifiedJwt) -> Result<(), UseCaseError<InvalidClient>> {
        let invalid = |why: String| UseCaseError::Refused(InvalidClient(why));
        let claims = verify_with_registered_keys(metadata, jwt).ok_or_else(|| invalid("no registered key verifies the assertion".to_owned()))?;
        let token_endpoint = self.settings.token_endpoint();
        let expected = AssertionExpectations {
            client_id: id.as_str(),
            issuer: &self.settings.issuer,
            token_endpoint: metadata.token_endpoint_as_assertion_audience.then_some(token_endpoint.as_str()),
            now: self.now(),
        };
        let accepted = assertion::check(&claims, &expected).map_err(|error| invalid(error.to_string()))?;
        // RFC 7523 §3: the server may ensure that a jti is used once; the log makes it so for every node.
        let stream = client_assertion::stream_of(id, &accepted.jti);
        let command = ClientAssertionCommand::Use { client_id: id.clone(), expires_at: accepted.expires_at };
        match self.client_assertions.execute(&self.outside, context, &stream, &command).await {
            Ok(_) => Ok(()),
            Err(error) => Err(error.map(|_| InvalidClient("the assertion was used before".to_owned()))),
        }
    }

    /// Takes trouble for what it is.
    pub(super) async fn active_client(&self, id: &ClientId) -> Result<Option<ClientMetadata>, Trouble> {
        let client = self.client(id).await?;
        Ok(client.metadata().filter(|_| client.is_active()).cloned())
    }
}

fn identify(presented: &PresentedCredentials) -> Option<(ClientId, Option<UnverifiedJwt>)> {
    match presented {
        PresentedCredentials::None { client_id } | PresentedCredentials::SecretBasic { client_id, .. } | PresentedCredentials::SecretPost { client_id, .. } => {
            Some((ClientId::from(client_id.as_str()), None))
        }
        PresentedCredentials::Assertion { client_id, jwt } => {
            let jwt = UnverifiedJwt::parse(jwt.expose()).ok()?;
            // RFC 7521 §4.2: client_id is unnecessary, and must name the same client when it is given.
            let subject = jwt.unverified_claim("sub")?.to_owned();
            let same = client_id.as_ref().is_none_or(|client_id| *client_id == subject);
            same.then(|| (ClientId::from(subject.as_str()), Some(jwt)))
        }
    }
}

fn verify_with_registered_keys(metadata: &ClientMetadata, jwt: &UnverifiedJwt) -> Option<Map<String, Value>> {
    let keys = JwkSet::parse(metadata.jwks.as_ref()?).ok()?;
    keys.candidates(jwt.kid()).into_iter().find_map(|key| jwt.verify(&key, &VerificationAlgorithm::ALL).ok())
}
