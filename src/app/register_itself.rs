//! A client registers itself (RFC 7591), and manages its registration (RFC 7592).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Authority, Context, Trouble, UseCaseError};
use crate::{
    domain::{
        ClientId, InitialAccessTokenId, Seconds, StreamId,
        client::{Client, ClientCommand, ClientRefusal, Origin, Registration},
        client_registration::{self, AssignClient},
        initial_access_token::InitialAccessTokenCommand,
    },
    keys::{self, Secret},
    protocol::{ClientMetadata, MetadataProblem, Scope, SelfRegistrable, read_self_description},
};

/// How often somebody else may be faster before it is given up.
const ATTEMPTS: usize = 4;

/// Who may register clients, beside administrators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DynamicRegistration {
    /// Nobody.
    #[default]
    Off,
    /// Who has an initial access token.
    InitialAccessToken,
    /// Anybody.
    Open,
}

/// What the operator decides about clients that register themselves.
#[derive(Clone, Debug)]
pub struct RegistrationSettings {
    /// Who may.
    pub dynamic: DynamicRegistration,
    /// How long such a client may go unused before it lapses.
    pub unused_lifetime: Seconds,
    /// Whether a client's id may be the URL of a document that says what it is.
    pub metadata_documents: bool,
    /// What such clients may ask for.
    pub scopes: Scope,
    /// How large what it says of itself may be, in bytes.
    pub max_metadata_bytes: usize,
    /// How many redirect URIs it may have.
    pub max_redirect_uris: usize,
}

impl Default for RegistrationSettings {
    fn default() -> Self {
        Self {
            dynamic: DynamicRegistration::Off,
            unused_lifetime: Seconds(7 * 86_400),
            metadata_documents: false,
            scopes: "openid profile email phone address offline_access".parse().unwrap_or_default(),
            max_metadata_bytes: 16_384,
            max_redirect_uris: 20,
        }
    }
}

/// By what a client was let in to register itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Anybody may.
    Open,
    /// An initial access token.
    InitialAccessToken(InitialAccessTokenId),
}

/// A client that registered itself, or got the registration that was there.
pub struct SelfRegistered {
    /// Its id.
    pub client_id: ClientId,
    /// What the log has of it.
    pub client: Arc<Client>,
    /// Its secret, if it authenticates with one; shown this once.
    pub secret: Option<Secret>,
    /// What it manages its registration with, if it may; shown this once.
    pub registration_access_token: Option<Secret>,
}

/// Why a client is not registered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationRefusal {
    /// Clients don't register themselves here.
    #[error("clients do not register themselves here")]
    Off,
    /// It needs an initial access token (RFC 7591 §3).
    #[error("an initial access token is needed")]
    TokenRequired,
    /// The initial access token is good for nothing.
    #[error("the initial access token is unknown, expired, revoked or used up")]
    InvalidToken,
    /// What it says of itself is not acceptable.
    #[error("the client's metadata is not acceptable")]
    Metadata(Vec<MetadataProblem>),
}

/// Why a registration does not change.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManagementRefusal {
    /// What the client says of itself is not acceptable.
    #[error("the client's metadata is not acceptable")]
    Metadata(Vec<MetadataProblem>),
    /// The client's own state says no.
    #[error(transparent)]
    Client(ClientRefusal),
}

impl Authority {
    /// Says whether somebody who presents this may register a client (RFC 7591 §3).
    pub async fn admit_to_registration(&self, initial_access_token: Option<&str>) -> Result<Admission, UseCaseError<RegistrationRefusal>> {
        let refused = |refusal| Err(UseCaseError::Refused(refusal));
        match (self.settings.registration.dynamic, initial_access_token) {
            (DynamicRegistration::Off, _) => refused(RegistrationRefusal::Off),
            (DynamicRegistration::InitialAccessToken, None) => refused(RegistrationRefusal::TokenRequired),
            (DynamicRegistration::Open, None) => Ok(Admission::Open),
            (DynamicRegistration::InitialAccessToken | DynamicRegistration::Open, Some(presented)) => {
                match self.authenticate_initial_access_token(presented).await? {
                    Some(id) => Ok(Admission::InitialAccessToken(id)),
                    None => refused(RegistrationRefusal::InvalidToken),
                }
            }
        }
    }

    /// Registers a client by what it says of itself (RFC 7591 §3.1).
    pub async fn register_itself(
        &self,
        context: &Context,
        admission: Admission,
        said: &Map<String, Value>,
    ) -> Result<SelfRegistered, UseCaseError<RegistrationRefusal>> {
        let metadata = self
            .self_description(said, &self.settings.registration.scopes)
            .map_err(|problems| UseCaseError::Refused(RegistrationRefusal::Metadata(problems)))?;
        match admission {
            Admission::InitialAccessToken(token) => self.register_with_token(context, token, metadata).await,
            Admission::Open if metadata.is_public() => Ok(self.register_shared(context, metadata).await?),
            Admission::Open => {
                let client_id = self.new_client_id(context);
                let registered = self.register_as(context, &client_id, metadata, true).await?;
                registered.ok_or_else(|| Trouble::Contended(client_id.stream()).into())
            }
        }
    }

    /// The client whose registration access token this is; None when it is not, or the client is no more.
    pub async fn authenticate_registration(&self, client_id: &ClientId, presented: &str) -> Result<Option<Arc<Client>>, Trouble> {
        let client = self.client(client_id).await?;
        let proven = client.registration_access_token().is_some_and(|hash| self.hasher.verify(presented, hash));
        Ok((proven && client.exists(self.now())).then_some(client))
    }

    /// Replaces what a client says of itself (RFC 7592 §2.2).
    pub async fn update_itself(
        &self,
        context: &Context,
        client_id: &ClientId,
        said: &Map<String, Value>,
    ) -> Result<Arc<Client>, UseCaseError<ManagementRefusal>> {
        let current = self.client(client_id).await?;
        // What an administrator gave it, it may keep.
        let given = current.metadata().map(|metadata| metadata.scope.clone()).unwrap_or_default();
        let self_registrable = self.settings.registration.scopes.clone();
        let mut problems = self.registered_values(client_id, &current, said);
        let metadata = match self.self_description(said, &self_registrable.union(&given)) {
            Ok(metadata) if problems.is_empty() => metadata,
            Ok(_) => return Err(UseCaseError::Refused(ManagementRefusal::Metadata(problems))),
            Err(more) => {
                problems.extend(more);
                return Err(UseCaseError::Refused(ManagementRefusal::Metadata(problems)));
            }
        };
        let command = ClientCommand::UpdateBySelf { metadata, self_registrable };
        let executed = self.clients.execute(&self.outside, context, &client_id.stream(), &command).await;
        executed.map(|executed| executed.state).map_err(|error| error.map(ManagementRefusal::Client))
    }

    /// What an update says of values that the server gave out.
    fn registered_values(&self, client_id: &ClientId, client: &Client, said: &Map<String, Value>) -> Vec<MetadataProblem> {
        let mut problems = Vec::new();
        let mut add = |field, problem: &str| problems.push(MetadataProblem { field, problem: problem.to_owned() });
        // RFC 7592 §2.2: the client_id must be there, and the client's own.
        if said.get("client_id").and_then(Value::as_str) != Some(client_id.as_str()) {
            add("client_id", "is not the client's own");
        }
        // RFC 7592 §2.2: a secret that is there must be the present one; nobody chooses a secret.
        if let Some(secret) = said.get("client_secret").filter(|secret| !secret.is_null()) {
            let is_present = |text| client.secrets().any(|hash| self.hasher.verify(text, hash));
            if !secret.as_str().is_some_and(is_present) {
                add("client_secret", "is not the client's own");
            }
        }
        // RFC 7592 §2.2: these must not be there.
        for field in ["registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"] {
            if said.contains_key(field) {
                add(field, "must not be sent back");
            }
        }
        problems
    }

    fn self_description(&self, said: &Map<String, Value>, scopes: &Scope) -> Result<ClientMetadata, Vec<MetadataProblem>> {
        read_self_description(said, SelfRegistrable { scopes, redirect_uris: self.settings.registration.max_redirect_uris })
    }

    /// Registers a client of its own. None: the id is taken.
    async fn register_as(
        &self,
        context: &Context,
        client_id: &ClientId,
        metadata: ClientMetadata,
        manageable: bool,
    ) -> Result<Option<SelfRegistered>, Trouble> {
        let (secret, hash) = metadata.uses_secret().then(|| self.new_client_secret(context)).unzip();
        let token = manageable.then(|| keys::registration_access_token(self.new_secret_octets(context)));
        let origin = Origin {
            registration: Registration::Dynamic,
            lease_until: Some(self.now().plus(self.settings.registration.unused_lifetime)),
            registration_access_token: token.as_ref().map(|token| self.hasher.hash(token.expose())),
        };
        let command = ClientCommand::Register { metadata, secret: hash, origin };
        match self.clients.execute(&self.outside, context, &client_id.stream(), &command).await {
            Ok(executed) => {
                let (client_id, client) = (client_id.clone(), executed.state);
                Ok(Some(SelfRegistered { client_id, client, secret, registration_access_token: token }))
            }
            Err(UseCaseError::Refused(_)) => Ok(None),
            Err(UseCaseError::Trouble(trouble)) => Err(trouble),
        }
    }

    /// The use is recorded first, with the id that the client will have. Should the registration not come about, the
    /// next request takes that id over: no use is lost, and none is had twice.
    async fn register_with_token(
        &self,
        context: &Context,
        token: InitialAccessTokenId,
        metadata: ClientMetadata,
    ) -> Result<SelfRegistered, UseCaseError<RegistrationRefusal>> {
        for _ in 0..ATTEMPTS {
            let client_id = match self.unfinished_use(token).await? {
                Some(client_id) => client_id,
                None => self.new_client_id(context),
            };
            let command = InitialAccessTokenCommand::Use { client_id: client_id.clone() };
            let used = self.initial_access_tokens.execute(&self.outside, context, &token.stream(), &command).await;
            used.map_err(|error| error.map(|_| RegistrationRefusal::InvalidToken))?;
            if let Some(registered) = self.register_as(context, &client_id, metadata.clone(), true).await? {
                return Ok(registered);
            }
        }
        Err(Trouble::Contended(token.stream()).into())
    }

    /// The client that the token was used for last, if it never came to be.
    async fn unfinished_use(&self, token: InitialAccessTokenId) -> Result<Option<ClientId>, Trouble> {
        let token = self.initial_access_token(token).await?;
        let Some(client_id) = token.last_use() else { return Ok(None) };
        let client = self.client(client_id).await?;
        Ok((!client.is_registered() && !client.is_deleted()).then(|| client_id.clone()))
    }

    /// The one client of this description. A public client proves nothing, so two that say the same are the same; and
    /// nobody may manage what others use.
    async fn register_shared(&self, context: &Context, metadata: ClientMetadata) -> Result<SelfRegistered, Trouble> {
        let slot = client_registration::stream_of(&metadata);
        for _ in 0..ATTEMPTS {
            let client_id = match self.client_registrations.load(&self.outside, &slot).await?.client_id() {
                None => self.assign_client(context, &slot, None).await?,
                Some(assigned) => {
                    let client = self.client(assigned).await?;
                    let is_as_described = client.metadata().is_some_and(|present| client_registration::stream_of(present) == slot);
                    if client.exists(self.now()) && is_as_described {
                        match self.extended(context, assigned).await? {
                            Some(registered) => return Ok(registered),
                            None => continue,
                        }
                    }
                    // Assigned and never registered: a crash stood between, and it is done now.
                    let is_to_come = !client.is_registered() && !client.is_deleted();
                    if is_to_come { assigned.clone() } else { self.assign_client(context, &slot, Some(assigned.clone())).await? }
                }
            };
            if let Some(registered) = self.register_as(context, &client_id, metadata.clone(), false).await? {
                return Ok(registered);
            }
        }
        Err(Trouble::Contended(slot))
    }

    /// A registration that is there already, good for a while longer. None: it lapsed just now.
    async fn extended(&self, context: &Context, client_id: &ClientId) -> Result<Option<SelfRegistered>, Trouble> {
        let command = ClientCommand::ExtendLease { length: self.settings.registration.unused_lifetime };
        match self.clients.execute(&self.outside, context, &client_id.stream(), &command).await {
            Ok(executed) => {
                let (client_id, client) = (client_id.clone(), executed.state);
                Ok(Some(SelfRegistered { client_id, client, secret: None, registration_access_token: None }))
            }
            Err(UseCaseError::Refused(_)) => Ok(None),
            Err(UseCaseError::Trouble(trouble)) => Err(trouble),
        }
    }

    async fn assign_client(&self, context: &Context, slot: &StreamId, replaces: Option<ClientId>) -> Result<ClientId, Trouble> {
        let candidate = self.new_client_id(context);
        let command = AssignClient { candidate: candidate.clone(), replaces };
        match self.client_registrations.execute(&self.outside, context, slot, &command).await {
            Ok(executed) => Ok(executed.state.client_id().cloned().unwrap_or(candidate)),
            Err(UseCaseError::Refused(never)) => match never {},
            Err(UseCaseError::Trouble(trouble)) => Err(trouble),
        }
    }
}
