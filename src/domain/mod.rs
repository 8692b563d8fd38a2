//! What may happen: one folder per stream kind, each with its events, its state and its decisions.
//!
//! Everything here is pure: no clock, no randomness, no I/O. `decide` turns a state and a command into events or a
//! refusal; `evolve` folds an event into the state and never fails, since an event has already happened.

pub mod api_key;
pub mod audit;
pub mod authorization;
pub mod catalog;
pub mod client;
pub mod client_assertion;
pub mod client_registration;
pub mod grant;
pub mod grant_reservation;
pub mod id;
pub mod idempotency_key;
pub mod initial_access_token;
pub mod machine_token;
pub mod organization;
pub mod policy;
pub mod resource_server;
pub mod retention;
pub mod sealed;
pub mod segment;
pub mod signing_key;
pub mod subject;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod trusted_issuer;
pub mod trusted_token;

pub use catalog::Event;
pub use id::{
    ApiKeyId, AuthorizationId, ClientId, GrantId, InitialAccessTokenId, MachineTokenId, OrganizationId, ResourceServerId, StreamId,
    StreamKind, SubjectId, TrustedIssuerId,
};
pub use sealed::Sealed;
pub use time::{Seconds, Timestamp};

/// The state of one stream and what may happen to it.
///
/// `State::default()` is the state of a stream that does not exist yet.
pub trait Decider {
    /// What the stream's events fold into.
    type State: Default + Clone + Send + Sync + 'static;
    /// A wish, in the imperative.
    type Command;
    /// A fact of this stream, in the past tense.
    type Event: Clone + Send + Sync + 'static;
    /// The business "no".
    type Refusal;

    /// Says what follows from `command`: no events means that there is nothing to do.
    fn decide(state: &Self::State, command: &Self::Command, now: Timestamp) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// Folds one event, recorded at `at`, into the state. Total: every event applies to every state.
    fn evolve(state: Self::State, event: &Self::Event, at: Timestamp) -> Self::State;
}
