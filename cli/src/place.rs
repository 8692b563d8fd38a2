//! Which server a subcommand is about: its configuration and its data directory.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, ConfigError};

/// Which server it is about.
#[derive(Args, Clone, Debug, Default)]
pub struct Place {
    /// The configuration file; defaults and GRANTLOG_… variables without one
    #[arg(long, value_name = "FILE", env = "GRANTLOG_CONFIG")]
    pub config: Option<PathBuf>,
    /// The data directory, if not the configured one
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

impl Place {
    /// Its configuration.
    pub fn config(self) -> Result<Config, ConfigError> {
        let config = Config::read(self.config.as_deref())?;
        Ok(match self.data {
            Some(data_dir) => Config { data_dir, ..config },
            None => config,
        })
    }
}
