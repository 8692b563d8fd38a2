//! What is not kept for ever.

use grantlog_core::{domain::retention::MEMORY, protocol::client_metadata::LONGEST_ACCESS_TOKEN_LIFETIME};
use serde::{Deserialize, Serialize};

use super::{Config, ConfigError};

/// What is not kept for ever.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// How old issuance facts get before they are dropped from the log, in seconds; absent: they are kept.
    pub issuance: Option<u32>,
}

impl Config {
    /// Nothing may be dropped while it still means something.
    pub(super) fn check_retention(&self) -> Result<(), ConfigError> {
        let Some(issuance) = self.retention.issuance else { return Ok(()) };
        let lifetimes = [
            self.tokens.code_lifetime,
            self.tokens.refresh_token_lifetime,
            self.tokens.id_token_lifetime,
            self.authorization.request_lifetime,
            LONGEST_ACCESS_TOKEN_LIFETIME.0,
        ];
        let least = lifetimes.into_iter().max().unwrap_or_default().saturating_add(MEMORY.0);
        if issuance >= least {
            return Ok(());
        }
        let problem = format!("must be a day more than anything lives, which is {least}, and is {issuance}");
        Err(ConfigError::Invalid { key: "retention.issuance", problem })
    }
}
