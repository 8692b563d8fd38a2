//! Take over clients that another server registered, with their ids and secrets as they are.

use serde_json::Value;

use super::{Authority, Context, Trouble, UseCaseError};
use crate::{
    domain::{
        ClientId, Decider,
        client::{Client, ClientCommand, ClientDecider, ClientRefusal, Origin, Registration},
    },
    keys::SecretHash,
    protocol::{ClientMetadata, SecretText},
};

/// A client as another server knew it.
#[derive(Clone, Debug)]
pub struct ForeignClient {
    /// Its id there and here.
    pub client_id: ClientId,
    /// What is to be registered about it.
    pub metadata: ClientMetadata,
    /// What it authenticates with, if it is a secret.
    pub secret: Option<ForeignSecret>,
    /// Whether it is suspended; None: nothing is said.
    pub suspended: Option<bool>,
}

/// A secret that the server did not make.
#[derive(Clone, Debug)]
pub enum ForeignSecret {
    /// The secret itself.
    Text(SecretText),
    /// What another server kept of it.
    Hash(SecretHash),
}

/// What an import may do.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportMode {
    /// Only find out what would come of it.
    pub dry_run: bool,
    /// Overwrite what is registered otherwise.
    pub update: bool,
}

/// What came of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It is registered now.
    New,
    /// It was registered just so before.
    Unchanged,
    /// It is registered otherwise, in these members, and stays so.
    Differs(Vec<String>),
    /// It was registered otherwise, in these members.
    Updated(Vec<String>),
}

/// Why a client is not taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportRefusal {
    /// RFC 9700 §4.15: in a token `sub` may be either.
    #[error("the client id is the id of a person who was attested")]
    IsASubject,
    /// It was registered here and deleted, and a deleted id is never given again.
    #[error("a client of this id was deleted")]
    WasDeleted,
    /// The client itself says no.
    #[error(transparent)]
    Client(#[from] ClientRefusal),
}

impl Authority {
    /// Takes a client over. Doing it again changes nothing; being interrupted between two clients, or between the steps
    /// of one, leaves nothing that doing it again would not complete.
    pub async fn import_client(
        &self,
        context: &Context,
        foreign: &ForeignClient,
        mode: ImportMode,
    ) -> Result<Imported, UseCaseError<ImportRefusal>> {
        let id = &foreign.client_id;
        // RFC 9700 §4.15: no client may have the id of a person, who could then pass for it.
        if self.vault.find_subject(id.as_str()).await?.is_some() {
            return Err(UseCaseError::Refused(ImportRefusal::IsASubject));
        }
        let client = self.client(id).await?;
        if client.is_deleted() {
            return Err(UseCaseError::Refused(ImportRefusal::WasDeleted));
        }
        let Some(current) = client.metadata() else { return self.register_foreign(context, &client, foreign, mode).await };
        let mut differing = differing_members(current, &foreign.metadata);
        let (differs_in_metadata, differs_in_secret) = (!differing.is_empty(), self.differs_in_secret(&client, foreign).await?);
        differing.extend(differs_in_secret.then(|| "client_secret".to_owned()));
        let suspend = foreign.suspended.filter(|suspended| *suspended != client.is_suspended());
        differing.extend(suspend.map(|_| "state".to_owned()));
        if differing.is_empty() {
            return Ok(Imported::Unchanged);
        }
        if !mode.update {
            return Ok(Imported::Differs(differing));
        }
        let mut commands = Vec::new();
        if differs_in_metadata {
            commands.push(ClientCommand::Update { metadata: foreign.metadata.clone() });
        }
        if differs_in_secret && let Some(secret) = self.hash_of(foreign, mode).await? {
            commands.push(ClientCommand::ReplaceSecret { secret });
        }
        commands.extend(suspend.map(|suspend| if suspend { ClientCommand::Suspend } else { ClientCommand::Resume }));
        self.carry_out(context, &client, id, &commands, mode).await?;
        Ok(Imported::Updated(differing))
    }

    async fn register_foreign(
        &self,
        context: &Context,
        client: &Client,
        foreign: &ForeignClient,
        mode: ImportMode,
    ) -> Result<Imported, UseCaseError<ImportRefusal>> {
        let origin = Origin { registration: Registration::Imported, ..Origin::default() };
        let (metadata, secret) = (foreign.metadata.clone(), self.hash_of(foreign, mode).await?);
        let mut commands = vec![ClientCommand::Register { metadata, secret, origin }];
        commands.extend((foreign.suspended == Some(true)).then_some(ClientCommand::Suspend));
        self.carry_out(context, client, &foreign.client_id, &commands, mode).await?;
        Ok(Imported::New)
    }

    /// Asks whether all of it may be before any of it is done; in a dry run nothing is.
    async fn carry_out(
        &self,
        context: &Context,
        client: &Client,
        id: &ClientId,
        commands: &[ClientCommand],
        mode: ImportMode,
    ) -> Result<(), UseCaseError<ImportRefusal>> {
        let now = self.now();
        commands.iter().try_fold(client.clone(), |client, command| {
            let events = ClientDecider::decide(&client, command, now).map_err(|refusal| UseCaseError::Refused(refusal.into()))?;
            Ok::<_, UseCaseError<ImportRefusal>>(events.iter().fold(client, |client, event| ClientDecider::evolve(client, event, now)))
        })?;
        if mode.dry_run {
            return Ok(());
        }
        for command in commands {
            let executed = self.clients.execute(&self.outside, context, &id.stream(), command).await;
            executed.map_err(|error| error.map(ImportRefusal::Client))?;
        }
        Ok(())
    }

    async fn differs_in_secret(&self, client: &Client, foreign: &ForeignClient) -> Result<bool, Trouble> {
        Ok(match &foreign.secret {
            None => false,
            Some(ForeignSecret::Hash(hash)) => !client.secrets().any(|own| own == hash),
            Some(ForeignSecret::Text(secret)) => !self.is_secret_of(client, secret).await?,
        })
    }

    async fn hash_of(&self, foreign: &ForeignClient, mode: ImportMode) -> Result<Option<SecretHash>, Trouble> {
        Ok(match &foreign.secret {
            None => None,
            Some(ForeignSecret::Hash(hash)) => Some(hash.clone()),
            // A hash that is not kept need not be slow.
            Some(ForeignSecret::Text(secret)) if mode.dry_run => Some(self.hasher.hash(secret.expose())),
            Some(ForeignSecret::Text(secret)) => Some(self.hash_slowly(secret).await?),
        })
    }
}

/// The members that are not the same, by their names.
fn differing_members(one: &ClientMetadata, other: &ClientMetadata) -> Vec<String> {
    let members = |metadata: &ClientMetadata| match serde_json::to_value(metadata) {
        Ok(Value::Object(members)) => members,
        Ok(_) | Err(_) => serde_json::Map::new(),
    };
    let (one, other) = (members(one), members(other));
    let mut names: Vec<String> = one.keys().chain(other.keys()).filter(|name| one.get(*name) != other.get(*name)).cloned().collect();
    names.sort_unstable();
    names.dedup();
    names
}
