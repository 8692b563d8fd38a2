use serde::{Deserialize, Serialize};

use super::PolicyDocument;

/// What happens to the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum PolicyEvent {
    /// This is the policy from here on, as a whole.
    #[serde(rename = "policy.published")]
    Published {
        /// Its number, from 1.
        version: u32,
        /// All of it.
        document: PolicyDocument,
    },
}
