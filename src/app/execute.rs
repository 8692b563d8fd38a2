//! The one place where a decision meets the log: load, fold, decide, append at the revision that was read.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use quick_cache::sync::Cache;
use tokio::sync::Mutex;
use tracing::warn;
use uuid::Uuid;

use super::{clock::Clock, entropy::Entropy, fetch::Fetch, trusted_issuers::IssuerDirectory};
use crate::{
    domain::{Decider, Event, StreamId, Timestamp},
    keys::{Seed, VaultError},
    store::{Appended, EventStore, ExpectedRevision, NewEvent, Position, Revision, StoreError},
};

/// How often a decision is made afresh after another node appended first.
const ATTEMPTS: usize = 4;

/// Who acts, in which request; and how far the log had grown when the request had done its writing.
#[derive(Debug)]
pub struct Context {
    /// `api_key:<id>`, `client:<id>`, `system`, …: what the envelope keeps as actor.
    pub actor: String,
    /// What the envelope keeps as request id; empty outside of a request.
    pub request_id: String,
    // 0: nothing was written; else the position + 1.
    written: AtomicU64,
    seed: Option<Seed>,
}

impl Context {
    /// The context of one request.
    pub fn new(actor: impl Into<String>, request_id: impl Into<String>) -> Self {
        Self { actor: actor.into(), request_id: request_id.into(), written: AtomicU64::new(0), seed: None }
    }

    /// The server itself acts, outside of any request.
    pub fn system() -> Self {
        Self::new("system", "")
    }

    /// The same context; ids and secrets are drawn from this seed.
    pub(super) fn with_seed(self, seed: Seed) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// What ids and secrets are drawn from, if the request may be a repetition.
    pub(super) fn seed(&self) -> Option<&Seed> {
        self.seed.as_ref()
    }

    /// The position of the last event that was written in this context.
    pub fn position(&self) -> Option<Position> {
        self.written.load(Ordering::Acquire).checked_sub(1).map(Position)
    }

    fn wrote(&self, position: Position) {
        self.written.fetch_max(position.0 + 1, Ordering::AcqRel);
    }
}

/// Something that is not the caller's fault: try again later. Its text is for the log, never for a response.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Others kept appending first.
    #[error("the stream {0} is contended")]
    Contended(StreamId),
    /// The event store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// What was written is not visible to readers yet.
    #[error("the read side does not keep up: position {} is not visible", .0.0)]
    NotVisible(Position),
    /// The keys of a trusted issuer, which can't be reached.
    #[error("the keys of a trusted issuer can't be had: {0}")]
    IssuerKeys(String),
    /// More secrets are to be checked against slow hashes than can be.
    #[error("too many secrets wait to be checked against slow hashes")]
    Overloaded,
    /// There is no key to sign with.
    #[error("there is no active signing key for {0}")]
    NoSigningKey(&'static str),
    /// Randomness or a key could not be made.
    #[error("a cryptographic operation failed: {0}")]
    Crypto(String),
}

/// What a use case can end in, beside success.
#[derive(Debug, thiserror::Error)]
pub enum UseCaseError<R> {
    /// The business "no".
    #[error("refused")]
    Refused(R),
    /// Try again later.
    #[error(transparent)]
    Trouble(Trouble),
}

impl<R> From<Trouble> for UseCaseError<R> {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl<R> From<StoreError> for UseCaseError<R> {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl<R> From<VaultError> for UseCaseError<R> {
    fn from(error: VaultError) -> Self {
        Self::Trouble(error.into())
    }
}

impl<R> UseCaseError<R> {
    /// Says the same "no" in other words.
    pub fn map<S>(self, f: impl FnOnce(R) -> S) -> UseCaseError<S> {
        match self {
            Self::Refused(refusal) => UseCaseError::Refused(f(refusal)),
            Self::Trouble(trouble) => UseCaseError::Trouble(trouble),
        }
    }
}

/// Tells when what was written can be read: the read side implements it.
#[async_trait]
pub trait Visibility: Send + Sync + 'static {
    /// Returns when the read models have applied this position; false when they did not in time.
    async fn wait_until_visible(&self, position: Position) -> bool;
}

/// The outside that a decision needs.
pub struct Outside {
    /// The log.
    pub store: Arc<dyn EventStore>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where ids and secrets come from.
    pub entropy: Arc<dyn Entropy>,
    /// When a write can be read.
    pub visibility: Arc<dyn Visibility>,
    /// What others publish.
    pub fetch: Arc<dyn Fetch>,
    /// Which trusted issuers there are.
    pub issuers: Arc<dyn IssuerDirectory>,
}

/// What came of a command.
pub struct Executed<D: Decider> {
    /// What the command led to; empty when there was nothing to do.
    pub events: Vec<D::Event>,
    /// The state after them.
    pub state: Arc<D::State>,
}

struct Folded<S> {
    state: Arc<S>,
    revision: Option<Revision>,
}

impl<S> Clone for Folded<S> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), revision: self.revision }
    }
}

/// All streams of one kind, with the states of those used last.
///
/// Inside a process the commands on one stream wait for each other, so that many requests for one grant don't have to
/// fail and repeat; between processes the expected revision decides. A cached state is never stale here: nobody else
/// may write to an embedded store, and an append at a stale revision is refused by every other.
pub struct Streams<D: Decider> {
    cache: Cache<StreamId, Folded<D::State>>,
    remembers_absence: bool,
    turns: Vec<Mutex<()>>,
}

impl<D> Streams<D>
where
    D: Decider,
    D::Event: Into<Event> + TryFrom<Event>,
{
    /// Keeps the states of up to `cached` streams.
    pub fn new(cached: usize) -> Self {
        Self { cache: Cache::new(cached), remembers_absence: false, turns: (0..256).map(|_| Mutex::new(())).collect() }
    }

    /// Like [`Self::new`], and keeps in mind which streams there are not: for kinds whose streams are few, and asked for
    /// all the time.
    pub fn remembering_absence(cached: usize) -> Self {
        Self { remembers_absence: true, ..Self::new(cached) }
    }

    /// The state of a stream as the log has it.
    pub async fn load(&self, outside: &Outside, stream: &StreamId) -> Result<Arc<D::State>, StoreError> {
        if let Some(folded) = self.cache.get(stream) {
            return Ok(folded.state);
        }
        // In turn, so that what was read before an append is not cached after it.
        let _turn = self.turn(stream).lock().await;
        Ok(self.fold(outside, stream).await?.state)
    }

    /// Decides and appends. Returns when the events are durable and visible to readers.
    pub async fn execute(
        &self,
        outside: &Outside,
        context: &Context,
        stream: &StreamId,
        command: &D::Command,
    ) -> Result<Executed<D>, UseCaseError<D::Refusal>> {
        self.execute_as(outside, context, stream, command, None).await
    }

    /// Like [`Self::execute`], for the command that a request begins its work on this stream with, one that must not be
    /// carried out again when the request is repeated under its idempotency key. A repetition finds the event by its id,
    /// which no other request can give, and there is nothing to do; what is there without it is what it is for everybody.
    pub async fn execute_once(
        &self,
        outside: &Outside,
        context: &Context,
        stream: &StreamId,
        command: &D::Command,
    ) -> Result<Executed<D>, UseCaseError<D::Refusal>> {
        let first_id = context.seed().map(|seed| seed.event_id(stream));
        self.execute_as(outside, context, stream, command, first_id).await
    }

    /// Whether this request, or one that it repeats, began its work on the stream.
    pub async fn was_begun_in(&self, outside: &Outside, context: &Context, stream: &StreamId) -> Result<bool, StoreError> {
        let Some(seed) = context.seed() else { return Ok(false) };
        Ok(find(outside, stream, seed.event_id(stream)).await?.is_some())
    }

    async fn execute_as(
        &self,
        outside: &Outside,
        context: &Context,
        stream: &StreamId,
        command: &D::Command,
        first_id: Option<Uuid>,
    ) -> Result<Executed<D>, UseCaseError<D::Refusal>> {
        let (executed, at) = {
            let _turn = self.turn(stream).lock().await;
            self.decide_and_append(outside, context, stream, command, first_id).await?
        };
        if let Some(position) = at {
            context.wrote(position);
            if !outside.visibility.wait_until_visible(position).await {
                return Err(Trouble::NotVisible(position).into());
            }
        }
        Ok(executed)
    }

    /// What came of the command, and where its last event stands if it has any, written now or by an earlier request.
    async fn decide_and_append(
        &self,
        outside: &Outside,
        context: &Context,
        stream: &StreamId,
        command: &D::Command,
        first_id: Option<Uuid>,
    ) -> Result<(Executed<D>, Option<Position>), UseCaseError<D::Refusal>> {
        for _ in 0..ATTEMPTS {
            let folded = self.fold(outside, stream).await?;
            if let Some(id) = first_id
                && folded.revision.is_some()
                && let Some(position) = find(outside, stream, id).await?
            {
                return Ok((Executed { events: Vec::new(), state: folded.state }, Some(position)));
            }
            let now = outside.clock.now();
            let events = D::decide(&folded.state, command, now).map_err(UseCaseError::Refused)?;
            if events.is_empty() {
                return Ok((Executed { events, state: folded.state.clone() }, None));
            }
            let mut new: Vec<_> = events.iter().map(|event| envelope(outside, context, event.clone().into(), now)).collect();
            if let (Some(id), Some(first)) = (first_id, new.first_mut()) {
                first.id = id;
            }
            match self.append(outside, stream, folded.revision, new).await {
                Ok(appended) => {
                    // A state is large where much has happened: it is taken out of the cache, changed and put back, and only
                    // copied when somebody else is reading it.
                    self.cache.remove(stream);
                    let before = Arc::unwrap_or_clone(folded.state);
                    let state = Arc::new(events.iter().fold(before, |state, event| D::evolve(state, event, now)));
                    self.cache.insert(stream.clone(), Folded { state: state.clone(), revision: Some(appended.revision) });
                    return Ok((Executed { events, state }, Some(appended.position)));
                }
                Err(StoreError::Conflict { .. }) => {
                    self.cache.remove(stream);
                }
                Err(error) => {
                    self.cache.remove(stream);
                    return Err(error.into());
                }
            }
        }
        Err(Trouble::Contended(stream.clone()).into())
    }

    async fn append(
        &self,
        outside: &Outside,
        stream: &StreamId,
        read_at: Option<Revision>,
        new: Vec<NewEvent>,
    ) -> Result<Appended, StoreError> {
        let ids: Vec<_> = new.iter().map(|event| event.id).collect();
        let expected = read_at.map_or(ExpectedRevision::NoStream, ExpectedRevision::Exact);
        match outside.store.append(stream, expected, new).await {
            Err(StoreError::Unknown(cause)) => {
                // The connection broke before the answer: the event ids tell whether it was written.
                warn!(%stream, cause, "the outcome of an append is unknown; reading the stream again");
                let loaded = outside.store.load(stream, read_at).await?;
                let written =
                    loaded.events.len() >= ids.len() && loaded.events.iter().zip(&ids).all(|(recorded, id)| recorded.event.id == *id);
                match loaded.events.get(ids.len() - 1) {
                    Some(last) if written => Ok(Appended { position: last.position, revision: last.revision }),
                    _ => Err(StoreError::Unavailable(cause)),
                }
            }
            other => other,
        }
    }

    async fn fold(&self, outside: &Outside, stream: &StreamId) -> Result<Folded<D::State>, StoreError> {
        if let Some(folded) = self.cache.get(stream) {
            return Ok(folded);
        }
        let (mut state, mut revision) = (D::State::default(), None);
        for recorded in outside.store.load(stream, None).await?.events {
            let event = recorded.decode().map_err(|error| StoreError::Corrupt(error.to_string()))?;
            let event = D::Event::try_from(event).map_err(|_| StoreError::Corrupt(format!("{stream} holds an event of another kind")))?;
            (state, revision) = (D::evolve(state, &event, recorded.event.time), Some(recorded.revision));
        }
        let folded = Folded { state: Arc::new(state), revision };
        if revision.is_some() || self.remembers_absence {
            self.cache.insert(stream.clone(), folded.clone());
        }
        Ok(folded)
    }

    fn turn(&self, stream: &StreamId) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        stream.hash(&mut hasher);
        let turns = self.turns.len() as u64;
        &self.turns[usize::try_from(hasher.finish() % turns).unwrap_or_default()]
    }
}

/// Where the event of this id stands in the stream.
async fn find(outside: &Outside, stream: &StreamId, id: Uuid) -> Result<Option<Position>, StoreError> {
    let loaded = outside.store.load(stream, None).await?;
    Ok(loaded.events.iter().find(|recorded| recorded.event.id == id).map(|recorded| recorded.position))
}

fn envelope(outside: &Outside, context: &Context, event: Event, now: Timestamp) -> NewEvent {
    let encoded = event.encode();
    NewEvent {
        id: outside.entropy.uuid_v7(now),
        kind: encoded.kind,
        schema: encoded.schema,
        time: now,
        actor: context.actor.clone(),
        request_id: context.request_id.clone(),
        data: encoded.data,
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, stream::BoxStream};
    use std::sync::atomic::AtomicBool;

    use tokio::sync::Notify;

    use super::*;
    use crate::{
        app::{
            clock::SystemClock,
            entropy::SystemEntropy,
            fetch::{FetchError, FetchRequest, Fetched, PostRequest},
        },
        domain::{
            ApiKeyId, TrustedIssuerId,
            api_key::{ApiKeyCommand, ApiKeyDecider, Role},
        },
        keys::SecretHasher,
        store::{Loaded, MemoryStore, Recorded},
    };

    /// A store with one load that has read, and then takes until it is let go.
    struct SlowLoad {
        log: MemoryStore,
        next_is_slow: AtomicBool,
        has_read: Notify,
        let_go: Notify,
    }

    #[async_trait]
    impl EventStore for Arc<SlowLoad> {
        async fn load(&self, stream: &StreamId, after: Option<Revision>) -> Result<Loaded, StoreError> {
            let loaded = self.log.load(stream, after).await;
            if self.next_is_slow.swap(false, Ordering::AcqRel) {
                self.has_read.notify_one();
                self.let_go.notified().await;
            }
            loaded
        }

        async fn append(&self, stream: &StreamId, expected: ExpectedRevision, events: Vec<NewEvent>) -> Result<Appended, StoreError> {
            self.log.append(stream, expected, events).await
        }

        fn read_all(&self, after: Option<Position>) -> BoxStream<'static, Result<Arc<Recorded>, StoreError>> {
            self.log.read_all(after)
        }

        fn follow(&self, after: Option<Position>) -> BoxStream<'static, Result<Arc<Recorded>, StoreError>> {
            self.log.read_all(after).boxed()
        }

        async fn head(&self) -> Result<Option<Position>, StoreError> {
            self.log.head().await
        }
    }

    struct AtOnce;

    #[async_trait]
    impl Visibility for AtOnce {
        async fn wait_until_visible(&self, _: Position) -> bool {
            true
        }
    }

    #[async_trait]
    impl Fetch for AtOnce {
        fn check(&self, _: &str) -> Result<(), FetchError> {
            Err(FetchError::Busy)
        }

        async fn fetch(&self, _: FetchRequest) -> Result<Fetched, FetchError> {
            Err(FetchError::Busy)
        }

        async fn post(&self, _: PostRequest) -> Result<Fetched, FetchError> {
            Err(FetchError::Busy)
        }
    }

    impl IssuerDirectory for AtOnce {
        fn issuers_named(&self, _: &str) -> Vec<TrustedIssuerId> {
            Vec::new()
        }
    }

    fn outside(store: &Arc<SlowLoad>) -> Outside {
        Outside {
            store: Arc::new(store.clone()),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy::default()),
            visibility: Arc::new(AtOnce),
            fetch: Arc::new(AtOnce),
            issuers: Arc::new(AtOnce),
        }
    }

    #[tokio::test]
    async fn a_slow_reader_does_not_bring_back_what_was_before_an_append() {
        let secret = SecretHasher::new(&[7; 32]).hash("glk_0");
        let create = ApiKeyCommand::Create { name: "key".to_owned(), role: Role::Admin, audience: None, secret };
        let store = Arc::new(SlowLoad {
            log: MemoryStore::new(),
            next_is_slow: AtomicBool::new(false),
            has_read: Notify::new(),
            let_go: Notify::new(),
        });
        let outside = Arc::new(outside(&store));
        let id = ApiKeyId(outside.entropy.uuid_v7(Timestamp(0)));
        Streams::<ApiKeyDecider>::new(10).execute(&outside, &Context::system(), &id.stream(), &create).await.unwrap();

        let streams = Arc::new(Streams::<ApiKeyDecider>::new(10));
        store.next_is_slow.store(true, Ordering::Release);
        let reader = tokio::spawn({
            let (streams, outside) = (streams.clone(), outside.clone());
            async move { streams.load(&outside, &id.stream()).await.unwrap().is_revoked() }
        });
        store.has_read.notified().await;
        let writer = tokio::spawn({
            let (streams, outside) = (streams.clone(), outside.clone());
            async move { streams.execute(&outside, &Context::system(), &id.stream(), &ApiKeyCommand::Revoke).await.map(|_| ()) }
        });
        // Whatever the writer can do while the reader holds what it read.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        store.let_go.notify_one();
        assert!(!reader.await.unwrap());
        writer.await.unwrap().unwrap();
        assert!(streams.load(&outside, &id.stream()).await.unwrap().is_revoked());
    }
}
