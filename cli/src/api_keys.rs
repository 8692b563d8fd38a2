//! `grantlog api-keys`.

use std::io::{Write, stdout};

use clap::{Subcommand, ValueEnum};
use grantlog_core::{app::Context, domain::api_key};

use crate::{Failure, boot::BootError, keys, place::Place};

/// What there is to do with API keys.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an API key and print it, on the data directory of a stopped server
    ///
    /// A running server is asked with `POST /v1/api-keys`; this is for when no admin key is at hand.
    Create {
        /// Which server.
        #[command(flatten)]
        place: Place,
        /// What it may do
        #[arg(long)]
        role: Role,
        /// What it is called in lists
        #[arg(long)]
        name: String,
        /// For a resource server: whose tokens it may introspect
        #[arg(long)]
        audience: Option<String>,
    },
}

/// What an API key may do.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Role {
    /// Manage clients, keys and grants
    Admin,
    /// Attest subjects and record their decisions
    Consent,
    /// Introspect tokens meant for it
    ResourceServer,
    /// Read the history
    Auditor,
}

impl From<Role> for api_key::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Admin => Self::Admin,
            Role::Consent => Self::Consent,
            Role::ResourceServer => Self::ResourceServer,
            Role::Auditor => Self::Auditor,
        }
    }
}

/// Does it.
pub async fn run(command: Command) -> Result<(), Failure> {
    let Command::Create { place, role, name, audience } = command;
    let engine = keys::open(&place.config()?, "POST /v1/api-keys").await?;
    let made = engine.authority.create_api_key(&Context::system(), &name, role.into(), audience).await;
    engine.close().await;
    let (_, secret) = made.map_err(BootError::from)?;
    writeln!(stdout(), "{}", secret.expose())?;
    Ok(())
}
