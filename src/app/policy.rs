//! Publish the policy, read it and its history, and try out what another one would change.

use std::{num::NonZeroU32, sync::Arc};

use super::{Authority, Context, Trouble, UseCaseError};
use crate::{
    domain::{
        Event, Timestamp,
        policy::{self, Policy, PolicyCommand, PolicyDocument, PolicyEvent, PolicyRefusal, PublishedPolicy},
    },
    store::{Revision, StoreError},
};

/// A version of the policy, as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyVersion {
    /// Its number, from 1.
    pub version: u32,
    /// When it was published.
    pub published_at: Timestamp,
    /// By whom, as the log names them.
    pub actor: String,
    /// All of it.
    pub document: PolicyDocument,
}

impl Authority {
    /// The policy in force, as the log has it.
    pub async fn policy(&self) -> Result<Arc<PublishedPolicy>, Trouble> {
        Ok(self.policies.load(&self.outside, &policy::stream()).await?)
    }

    /// Puts a policy in force in place of the present one. The same again records nothing.
    pub async fn publish_policy(
        &self,
        context: &Context,
        policy: Policy,
        expected_version: Option<u32>,
    ) -> Result<Arc<PublishedPolicy>, UseCaseError<PolicyRefusal>> {
        let command = PolicyCommand::Publish { policy: Box::new(policy), expected_version };
        Ok(self.policies.execute(&self.outside, context, &policy::stream(), &command).await?.state)
    }

    /// At most `limit` versions of the policy that follow this one, oldest first.
    pub async fn policy_versions(&self, after: u32, limit: usize) -> Result<Vec<PolicyVersion>, Trouble> {
        // Each version is one event, so the version is the count of events until then.
        let after = NonZeroU32::new(after).map(|after| Revision(u64::from(after.get()) - 1));
        let loaded = self.outside.store.load(&policy::stream(), after).await?;
        let versions = loaded.events.iter().take(limit).map(|recorded| {
            let event = recorded.decode().map_err(|error| StoreError::Corrupt(error.to_string()))?;
            let Event::Policy(PolicyEvent::Published { version, document }) = event else {
                return Err(StoreError::Corrupt(format!("{} holds an event of another kind", recorded.stream)));
            };
            Ok(PolicyVersion { version, published_at: recorded.event.time, actor: recorded.event.actor.clone(), document })
        });
        Ok(versions.collect::<Result<_, _>>()?)
    }

    /// One version of the policy; None when there is none of this number.
    pub async fn policy_version(&self, version: u32) -> Result<Option<PolicyVersion>, Trouble> {
        let Some(before) = version.checked_sub(1) else { return Ok(None) };
        Ok(self.policy_versions(before, 1).await?.pop())
    }
}
