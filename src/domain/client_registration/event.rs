use serde::{Deserialize, Serialize};

use crate::domain::ClientId;

/// What happens to a description that clients were registered with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum ClientRegistrationEvent {
    /// From here on this is the client that it stands for.
    #[serde(rename = "client_registration.assigned")]
    Assigned {
        /// Which.
        client_id: ClientId,
    },
}
