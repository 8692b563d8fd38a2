use serde::{Deserialize, Serialize};

/// What happens to a subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum SubjectEvent {
    /// The person was attested for the first time.
    #[serde(rename = "subject.registered")]
    Registered {},
}
