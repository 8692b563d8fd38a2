//! For which resource servers a token is (RFC 8707), and what follows from it: audience, form, lifetime, signature, scope.

use std::sync::Arc;

use super::{Authority, Trouble, UseCaseError};
use crate::{
    domain::{ResourceServerId, Seconds, resource_server::ResourceServer},
    jose::Algorithm,
    protocol::{
        AccessTokenFormat, ClaimsTemplate, ClientMetadata, OAuthError, Params, ResourceServerSettings, Scope,
        authorization_request::{self, AuthorizationError, AuthorizationErrorCode},
    },
};

/// Why there are no tokens for a resource server: `invalid_target` (RFC 8707 §2).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidTarget {
    /// None of this identifier is registered.
    #[error("resource: there is no resource server {0}")]
    Unknown(String),
    /// The client is registered for others only.
    #[error("resource: the client may not ask for tokens for {0}")]
    NotAllowed(String),
    /// All of those granted are gone.
    #[error("resource: there is none left of those that were granted")]
    NoneLeft,
    /// Their tokens have different forms or signatures.
    #[error("resource: the resource servers want different kinds of tokens; ask for one at a time")]
    Disagreement,
}

impl From<InvalidTarget> for OAuthError {
    fn from(error: InvalidTarget) -> Self {
        Self::invalid_target(error.to_string())
    }
}

/// For whom an access token will be.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// Those that the client names now: each must be one it may have.
    Named(&'a [String]),
    /// Those that were granted: what is gone meanwhile is left out. None: the usual audience.
    Granted(&'a [String]),
}

/// One that is in the audience.
enum Recipient {
    /// A registered resource server.
    Server(Arc<ResourceServer>),
    /// The usual audience, which need not be registered.
    Usual,
}

/// For whom an access token is, and what follows from it.
pub(super) struct Target {
    /// Its audience.
    pub(super) audience: Vec<String>,
    /// Its form.
    pub(super) format: AccessTokenFormat,
    /// What it is signed with, if it is a JWT.
    pub(super) algorithm: Algorithm,
    /// How long it lives.
    pub(super) lifetime: Seconds,
    recipients: Vec<Recipient>,
}

impl Recipient {
    fn settings(&self) -> Option<&ResourceServerSettings> {
        match self {
            Self::Server(server) => server.settings(),
            Self::Usual => None,
        }
    }
}

impl Target {
    /// What this scope has that nobody in the audience understands, and somebody else does.
    pub(super) fn withheld(&self, scope: &Scope, understood_somewhere: &Scope) -> Scope {
        let settings: Option<Vec<_>> = self.recipients.iter().map(Recipient::settings).collect();
        // What an audience that is not registered understands is not known.
        let Some(settings) = settings else { return Scope::default() };
        let foreign = scope.intersection(understood_somewhere);
        settings.into_iter().fold(foreign, |foreign, settings| foreign.difference(&settings.scopes))
    }

    /// The custom claims of its access tokens: the client's, and then those of the resource servers, which know what they
    /// read.
    pub(super) fn templates<'a>(&'a self, client: &'a ClientMetadata) -> Vec<&'a ClaimsTemplate> {
        let of_servers = self.recipients.iter().filter_map(Recipient::settings).map(|settings| &settings.access_token_claims);
        std::iter::once(&client.claims.access_token).chain(of_servers).collect()
    }
}

impl Authority {
    /// What an authorization request asks for that names no scope, once it is known that the client may name the resource
    /// servers that it names.
    pub(super) async fn default_scope_of_request(
        &self,
        client: &ClientMetadata,
        params: &Params,
    ) -> Result<Scope, UseCaseError<AuthorizationError>> {
        let named = authorization_request::resources(params).map_err(UseCaseError::Refused)?;
        let worded = |error: InvalidTarget| AuthorizationError::new(AuthorizationErrorCode::InvalidTarget, error.to_string());
        let recipients = self.named_recipients(client, &named).await.map_err(|error| error.map(worded))?;
        Ok(default_scope(client, &recipients))
    }

    /// What a client gets from the token endpoint that names these resource servers and no scope.
    pub(super) fn default_scope_for(client: &ClientMetadata, named: &[String], target: &Target) -> Scope {
        default_scope(client, if named.is_empty() { &[] } else { &target.recipients })
    }

    /// Finds out for whom a token will be, and how it is made.
    pub(super) async fn target(&self, client: &ClientMetadata, wanted: Wanted<'_>) -> Result<Target, UseCaseError<InvalidTarget>> {
        let (audience, recipients) = match wanted {
            Wanted::Named(named) => (named.to_vec(), self.named_recipients(client, named).await?),
            Wanted::Granted([]) => (vec![self.settings.audience.clone()], vec![self.usual_recipient().await?]),
            Wanted::Granted(granted) => self.granted_recipients(client, granted).await?,
        };
        self.agree(client, audience, recipients).map_err(UseCaseError::Refused)
    }

    async fn named_recipients(&self, client: &ClientMetadata, named: &[String]) -> Result<Vec<Recipient>, UseCaseError<InvalidTarget>> {
        let mut recipients = Vec::with_capacity(named.len());
        for resource in named {
            // RFC 8707 §2: unknown, or not for this client.
            if !is_allowed(client, resource) {
                return Err(UseCaseError::Refused(InvalidTarget::NotAllowed(resource.clone())));
            }
            let recipient = self.recipient(resource).await?;
            recipients.push(recipient.ok_or_else(|| UseCaseError::Refused(InvalidTarget::Unknown(resource.clone())))?);
        }
        Ok(recipients)
    }

    async fn granted_recipients(
        &self,
        client: &ClientMetadata,
        granted: &[String],
    ) -> Result<(Vec<String>, Vec<Recipient>), UseCaseError<InvalidTarget>> {
        let (mut audience, mut recipients) = (Vec::new(), Vec::new());
        for resource in granted.iter().filter(|resource| is_allowed(client, resource)) {
            if let Some(recipient) = self.recipient(resource).await? {
                audience.push(resource.clone());
                recipients.push(recipient);
            }
        }
        if audience.is_empty() { Err(UseCaseError::Refused(InvalidTarget::NoneLeft)) } else { Ok((audience, recipients)) }
    }

    async fn recipient(&self, resource: &str) -> Result<Option<Recipient>, Trouble> {
        let server = self.resource_server(&ResourceServerId::of(resource)).await?;
        Ok(match server.settings() {
            Some(_) => Some(Recipient::Server(server)),
            None => (resource == self.settings.audience).then_some(Recipient::Usual),
        })
    }

    /// The usual audience is looked up in the read model first: a stream that does not exist is kept in no cache.
    async fn usual_recipient(&self) -> Result<Recipient, Trouble> {
        let audience = &self.settings.audience;
        let known = if self.resource_server_directory.is_registered(audience) { self.recipient(audience).await? } else { None };
        Ok(known.unwrap_or(Recipient::Usual))
    }

    fn agree(&self, client: &ClientMetadata, audience: Vec<String>, recipients: Vec<Recipient>) -> Result<Target, InvalidTarget> {
        let kind_of = |recipient: &Recipient| match recipient.settings() {
            Some(settings) => (settings.access_token_format, settings.access_token_signing_alg),
            None => (client.access_token_format, Algorithm::EdDsa),
        };
        let (format, algorithm) = recipients.first().map(kind_of).ok_or(InvalidTarget::NoneLeft)?;
        let agree = |recipient: &Recipient| match format {
            AccessTokenFormat::Jwt => kind_of(recipient) == (format, algorithm),
            AccessTokenFormat::Opaque => kind_of(recipient).0 == format,
        };
        if !recipients.iter().all(agree) {
            return Err(InvalidTarget::Disagreement);
        }
        let lifetimes = recipients.iter().filter_map(Recipient::settings).filter_map(|settings| settings.access_token_lifetime);
        let lifetime = lifetimes.chain(client.access_token_lifetime).min().unwrap_or(self.settings.access_token_lifetime);
        Ok(Target { audience, format, algorithm, lifetime, recipients })
    }
}

fn is_allowed(client: &ClientMetadata, resource: &str) -> bool {
    client.resources.is_empty() || client.resources.iter().any(|allowed| allowed == resource)
}

/// What the resource servers give to who names no scope, as far as the client may have it; else what the client gets.
fn default_scope(client: &ClientMetadata, recipients: &[Recipient]) -> Scope {
    let of_servers = recipients.iter().filter_map(Recipient::settings).map(|settings| &settings.default_scope);
    let scope = of_servers.fold(Scope::default(), |all, scope| all.union(scope)).intersection(&client.scope);
    if scope.is_empty() { client.scope_when_omitted().clone() } else { scope }
}
