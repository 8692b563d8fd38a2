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
        ClientMetadata,
        assertion::{AssertionRules, check_assertion},
        client_authentication::PresentedCredentials,
        client_id::parse_client_id,
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
    pub async fn authenticate_client(
        &self,
        context: &Context,
        presented: &PresentedCredentials,
    ) -> Result<AuthenticatedClient, UseCaseError<InvalidClient>> {
        let refused = |why: &str| UseCaseError::Refused(InvalidClient(why.to_owned()));
        let id = claimed_client(presented).ok_or_else(|| refused("the assertion names no client, or another one than client_id"))?;
        let client = self.client(&id).await?;
        let metadata = client
            .metadata()
            .filter(|_| client.is_active(self.now()))
            .ok_or_else(|| refused("the client is unknown, suspended, deleted or lapsed"))?;
        if metadata.token_endpoint_auth_method != presented.method() {
            return Err(refused("the client is registered with another authentication method"));
        }
        match presented {
            PresentedCredentials::None { .. } => {}
            PresentedCredentials::SecretBasic { secret, .. } | PresentedCredentials::SecretPost { secret, .. } => {
                if !self.is_secret_of(&client, secret).await? {
                    return Err(refused("wrong client secret"));
                }
            }
            PresentedCredentials::Assertion { jwt, .. } => self.use_assertion(context, &id, metadata, jwt.expose()).await?,
        }
        Ok(AuthenticatedClient { id, metadata: metadata.clone() })
    }

    /// Verifies a client assertion and spends its `jti`.
    async fn use_assertion(
        &self,
        context: &Context,
        id: &ClientId,
        metadata: &ClientMetadata,
        jwt: &str,
    ) -> Result<(), UseCaseError<InvalidClient>> {
        let invalid = |why: String| UseCaseError::Refused(InvalidClient(why));
        let claims =
            verify_with_registered_keys(metadata, jwt).ok_or_else(|| invalid("no registered key verifies the assertion".to_owned()))?;
        let rules = AssertionRules {
            client_id: id,
            issuer: &self.settings.issuer,
            token_endpoint: &self.settings.token_endpoint(),
            token_endpoint_as_audience: metadata.token_endpoint_as_assertion_audience,
        };
        let checked = check_assertion(&claims, rules, self.now()).map_err(|error| invalid(error.to_string()))?;
        // RFC 7523 §3: the server may ensure that a jti is used once; the log makes it so for every node.
        let stream = client_assertion::stream_of(id, &checked.jti);
        let command = ClientAssertionCommand::Use { client_id: id.clone(), expires_at: checked.expires_at };
        match self.client_assertions.execute(&self.outside, context, &stream, &command).await {
            Ok(_) => Ok(()),
            Err(error) => Err(error.map(|_| InvalidClient("the assertion was used before".to_owned()))),
        }
    }

    /// What is registered about a client that is neither suspended nor deleted nor lapsed.
    pub(super) async fn active_client(&self, id: &ClientId) -> Result<Option<ClientMetadata>, Trouble> {
        let client = self.client(id).await?;
        Ok(client.metadata().filter(|_| client.is_active(self.now())).cloned())
    }
}

/// Who the client says it is. RFC 7521 §4.2: a client_id beside an assertion must name the same client.
fn claimed_client(presented: &PresentedCredentials) -> Option<ClientId> {
    let PresentedCredentials::Assertion { client_id, jwt } = presented else { return presented.client_id().cloned() };
    let subject = parse_client_id(&UnverifiedJwt::parse(jwt.expose()).ok()?.claimed_subject()?)?;
    client_id.as_ref().is_none_or(|client_id| *client_id == subject).then_some(subject)
}

fn verify_with_registered_keys(metadata: &ClientMetadata, jwt: &str) -> Option<Map<String, Value>> {
    let keys = JwkSet::parse(metadata.jwks.as_ref()?).ok()?;
    let jwt = UnverifiedJwt::parse(jwt).ok()?;
    let candidates = keys.verifying_keys(jwt.header().kid.as_deref());
    candidates.iter().find_map(|key| jwt.verify(key, &VerificationAlgorithm::ALL).ok())
}
