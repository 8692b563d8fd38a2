//! A request that is repeated under its idempotency key does what it did, once, and is answered as before.
//!
//! Nothing of an answer is kept. The key's first use is recorded before anything else happens. From then on the request
//! draws its ids and secrets from a [`crate::keys::Seed`], and its work begins with an event whose id comes from the seed too: a
//! repetition, at the same moment or after a crash, finds the event and does not append it again
//! ([`super::Streams::execute_once`]).

use uuid::Uuid;

use super::{Authority, Context, UseCaseError};
use crate::{
    domain::{
        ApiKeyId,
        idempotency_key::{self, IdempotencyKeyCommand, IdempotencyKeyRefusal},
    },
    protocol::IdempotencyKey,
};

impl Authority {
    /// Says that a request came with this key; `context` then is the one of every repetition of it. `operation` names
    /// what it calls and `asked` is all that it asks for.
    ///
    /// draft-ietf-httpapi-idempotency-key-header-07 §2.6 wants a conflict for a retry that comes before the first is
    /// answered. Here there is none: both are one request, whichever comes first to which stream, and get one answer.
    pub async fn use_idempotency_key(
        &self,
        context: Context,
        caller: ApiKeyId,
        key: &IdempotencyKey,
        operation: &str,
        asked: &[&[u8]],
    ) -> Result<Context, UseCaseError<IdempotencyKeyRefusal>> {
        let request_hash = self.seeds.request_hash(caller, key.as_str(), asked.iter().copied());
        let command = IdempotencyKeyCommand::Use { operation: operation.to_owned(), request_hash };
        let stream = idempotency_key::stream_of(caller, key.as_str());
        let used = self.idempotency_keys.execute(&self.outside, &context, &stream, &command).await?;
        Ok(match used.state.used_at() {
            Some(first_used_at) => context.with_seed(self.seeds.seed(caller, key.as_str(), first_used_at)),
            None => context,
        })
    }

    /// An id for something new.
    pub(super) fn new_id(&self, context: &Context) -> Uuid {
        match context.seed() {
            Some(seed) => seed.uuid_v7(),
            None => self.outside.entropy.uuid_v7(self.now()),
        }
    }

    /// Octets for a new secret.
    pub(super) fn new_secret_octets(&self, context: &Context) -> [u8; 32] {
        match context.seed() {
            Some(seed) => seed.octets(),
            None => self.random(),
        }
    }
}
