use serde::{Deserialize, Serialize};

use crate::{
    domain::{ClientId, Timestamp},
    keys::SecretHash,
};

/// What happens to an initial access token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum InitialAccessTokenEvent {
    /// It exists.
    #[serde(rename = "initial_access_token.created")]
    Created {
        /// What it is called.
        name: String,
        /// Until when it is good.
        expires_at: Timestamp,
        /// How many clients may be registered with it.
        max_uses: u32,
        /// Its secret half.
        secret: SecretHash,
    },
    /// It let one client register.
    #[serde(rename = "initial_access_token.used")]
    Used {
        /// Which.
        client_id: ClientId,
    },
    /// It is good for nothing any more.
    #[serde(rename = "initial_access_token.revoked")]
    Revoked {},
}
