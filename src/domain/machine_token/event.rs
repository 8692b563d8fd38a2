use serde::{Deserialize, Serialize};

use crate::{
    domain::{ClientId, Timestamp},
    protocol::{AccessTokenFormat, Scope},
};

/// What happens to a machine token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum MachineTokenEvent {
    /// It was issued.
    #[serde(rename = "machine_token.issued")]
    Issued {
        /// To whom.
        client_id: ClientId,
        /// What it is good for.
        scope: Scope,
        /// For whom.
        audience: Vec<String>,
        /// In which form.
        format: AccessTokenFormat,
        /// Until when.
        expires_at: Timestamp,
    },
    /// It is dead.
    #[serde(rename = "machine_token.revoked")]
    Revoked {},
}
