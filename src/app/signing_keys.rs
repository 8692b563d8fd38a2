//! Make and rotate signing keys; sign with the one whose turn it is.

use serde::Serialize;

use super::{Authority, Context, Trouble, UseCaseError};
use crate::{
    domain::{
        Seconds, StreamId, StreamKind, Timestamp,
        signing_key::{SigningKeyCommand, SigningKeyRefusal},
    },
    jose::{Algorithm, sign_jwt},
    keys::{self, Seed, SigningKeyEntry, generate_signing_key},
};

impl Authority {
    /// Makes a key for every algorithm that has none that signs.
    pub async fn ensure_signing_keys(&self, context: &Context) -> Result<(), UseCaseError<SigningKeyRefusal>> {
        for algorithm in Algorithm::ALL {
            if keys::signs_at(&self.key_directory.keys(), algorithm, self.now()).is_none() {
                self.generate_signing_key(context, algorithm, self.now()).await?;
            }
        }
        Ok(())
    }

    /// Makes the next key of each algorithm and retires the present one. The next is published at once and signs after
    /// the publication lead; the present one stays published until the last token that it signed has expired.
    pub async fn rotate_signing_keys(&self, context: &Context) -> Result<Vec<String>, UseCaseError<SigningKeyRefusal>> {
        let _alone = self.rotating_keys.lock().await;
        let mut made = Vec::new();
        for algorithm in Algorithm::ALL {
            made.push(self.rotate_signing_key(context, algorithm).await?);
        }
        Ok(made)
    }

    /// Rotates the keys that are older than the rotation interval.
    pub async fn rotate_aged_signing_keys(&self, context: &Context) -> Result<Vec<String>, UseCaseError<SigningKeyRefusal>> {
        let _alone = self.rotating_keys.lock().await;
        let mut made = Vec::new();
        for algorithm in Algorithm::ALL {
            let keys = self.key_directory.keys();
            let newest = keys.iter().filter(|key| key.algorithm == algorithm).map(|key| key.active_from).max();
            if newest.is_none_or(|active_from| active_from.plus(self.settings.key_rotation_interval) <= self.now()) {
                made.push(self.rotate_signing_key(context, algorithm).await?);
            }
        }
        Ok(made)
    }

    /// Ends a key at once: what it signed is void, and a new key takes its place.
    pub async fn revoke_signing_key(&self, context: &Context, kid: &str) -> Result<(), UseCaseError<SigningKeyRefusal>> {
        self.signing_keys.execute(&self.outside, context, &stream_of(kid), &SigningKeyCommand::Revoke).await?;
        self.vault.drop_signing_key(kid).await?;
        self.ensure_signing_keys(context).await
    }

    async fn rotate_signing_key(&self, context: &Context, algorithm: Algorithm) -> Result<String, UseCaseError<SigningKeyRefusal>> {
        let begun = context.seed().map_or_else(|| self.now(), Seed::first_used_at);
        let takes_over = begun.plus(self.settings.key_publication_lead);
        let next = match self.signing_key_made_in(context, algorithm, takes_over).await? {
            Some(kid) => kid,
            None => self.generate_signing_key(context, algorithm, takes_over).await?,
        };
        let published_until = takes_over.plus(self.longest_token_lifetime());
        // A repetition that comes late leaves to others what was made since.
        let is_older = |key: &SigningKeyEntry| context.seed().is_none() || key.active_from < takes_over;
        for SigningKeyEntry { kid, .. } in self
            .key_directory
            .keys()
            .iter()
            .filter(|key| key.algorithm == algorithm && key.retired_at.is_none() && key.kid != next && is_older(key))
        {
            let command = SigningKeyCommand::Retire { at: takes_over, published_until };
            self.signing_keys.execute(&self.outside, context, &stream_of(kid), &command).await?;
        }
        Ok(next)
    }

    /// The key that an earlier try of this request made. A key pair can't be drawn from a seed: it is known by its event.
    async fn signing_key_made_in(
        &self,
        context: &Context,
        algorithm: Algorithm,
        active_from: Timestamp,
    ) -> Result<Option<String>, Trouble> {
        for key in self.key_directory.keys().iter().filter(|key| key.algorithm == algorithm && key.active_from == active_from) {
            if self.signing_keys.was_begun_in(&self.outside, context, &stream_of(&key.kid)).await? {
                return Ok(Some(key.kid.clone()));
            }
        }
        Ok(None)
    }

    async fn generate_signing_key(
        &self,
        context: &Context,
        algorithm: Algorithm,
        active_from: Timestamp,
    ) -> Result<String, UseCaseError<SigningKeyRefusal>> {
        let entropy = self.outside.entropy.clone();
        let key = tokio::task::spawn_blocking(move || generate_signing_key(algorithm, &|bytes| entropy.fill(bytes)))
            .await
            .map_err(|error| Trouble::Crypto(error.to_string()))?
            .map_err(|error| Trouble::Crypto(error.to_string()))?;
        let kid = key.kid().to_owned();
        // The private half is durable before anybody learns of the key.
        self.vault.keep_signing_key(&kid, algorithm, &key).await?;
        let command = SigningKeyCommand::Generate { algorithm, public_jwk: key.public_jwk().to_value(), active_from };
        self.signing_keys.execute_once(&self.outside, context, &stream_of(&kid), &command).await?;
        Ok(kid)
    }

    /// Signs claims with the key whose turn it is.
    pub(super) async fn sign(&self, algorithm: Algorithm, typ: Option<&str>, claims: &impl Serialize) -> Result<String, Trouble> {
        let directory = self.key_directory.keys();
        let entry = keys::signs_at(&directory, algorithm, self.now()).ok_or(Trouble::NoSigningKey(algorithm.as_str()))?;
        let key = self.vault.signing_key(&entry.kid).await?.ok_or(Trouble::NoSigningKey(algorithm.as_str()))?;
        Ok(sign_jwt(&key, &entry.kid, typ, claims))
    }

    /// Clients may be given access tokens that live up to a day.
    fn longest_token_lifetime(&self) -> Seconds {
        self.settings
            .id_token_lifetime
            .max(self.settings.access_token_lifetime)
            .max(crate::protocol::client_metadata::LONGEST_ACCESS_TOKEN_LIFETIME)
    }
}

fn stream_of(kid: &str) -> StreamId {
    StreamId::new(StreamKind::SigningKey, kid)
}
