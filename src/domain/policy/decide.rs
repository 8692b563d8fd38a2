use super::{Policy, PolicyEvent, PublishedPolicy};
use crate::domain::{Decider, Timestamp};

/// Decides what may happen to the policy.
#[derive(Clone, Copy, Debug)]
pub struct PolicyDecider;

/// What can be asked of the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyCommand {
    /// Put another policy in its place.
    Publish {
        /// Which.
        policy: Box<Policy>,
        /// The version that it is meant to follow; None: whichever there is.
        expected_version: Option<u32>,
    },
}

/// Why the policy stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefusal {
    /// Somebody else was faster.
    #[error("the policy has version {0}, which is not the one expected")]
    AnotherVersion(u32),
    /// There is no number left.
    #[error("the policy has no version numbers left")]
    Exhausted,
}

impl Decider for PolicyDecider {
    type State = PublishedPolicy;
    type Command = PolicyCommand;
    type Event = PolicyEvent;
    type Refusal = PolicyRefusal;

    fn decide(current: &PublishedPolicy, command: &PolicyCommand, _now: Timestamp) -> Result<Vec<PolicyEvent>, PolicyRefusal> {
        match command {
            // The same again is what a caller sends who missed the answer, so it comes before the look at the version.
            PolicyCommand::Publish { policy, .. } if current.version() > 0 && policy.document() == current.policy().document() => {
                Ok(vec![])
            }
            PolicyCommand::Publish { expected_version: Some(expected), .. } if *expected != current.version() => {
                Err(PolicyRefusal::AnotherVersion(current.version()))
            }
            PolicyCommand::Publish { policy, .. } => {
                let version = current.version().checked_add(1).ok_or(PolicyRefusal::Exhausted)?;
                Ok(vec![PolicyEvent::Published { version, document: policy.document().clone() }])
            }
        }
    }

    fn evolve(state: PublishedPolicy, event: &PolicyEvent, at: Timestamp) -> PublishedPolicy {
        state.evolve(event, at)
    }
}
