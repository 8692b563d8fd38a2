use serde::{Deserialize, Serialize};

use crate::protocol::ResourceServerSettings;

/// What happens to a resource server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum ResourceServerEvent {
    /// It exists: clients may ask for tokens for it.
    #[serde(rename = "resource_server.registered")]
    Registered {
        /// What is registered about it.
        settings: ResourceServerSettings,
    },
    /// What is registered about it changed; the whole of it, as it is now.
    #[serde(rename = "resource_server.updated")]
    Updated {
        /// What is registered about it now.
        settings: ResourceServerSettings,
    },
    /// No more tokens are issued for it, unless it is registered again.
    #[serde(rename = "resource_server.deleted")]
    Deleted {},
}
