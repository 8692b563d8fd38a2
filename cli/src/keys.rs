//! `grantlog keys`.

use std::{
    env,
    fs::{self, File},
    io::{Write, stdout},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Subcommand;
use grantlog_core::{
    app::{
        Context,
        clock::{Clock, SystemClock},
    },
    domain::Timestamp,
    keys::{KeyDirectory, MasterKey, SigningKeyEntry, Vault, VaultError},
    store::SqliteStore,
};
use grantlog_projections::{LiveRunner, runner::LiveOptions};

use crate::{
    Failure,
    boot::{BootError, Engine, MASTER_KEY_VARIABLE, master_key, master_key_path},
    config::Config,
    place::Place,
    progress::Progress,
};

/// What there is to do with keys.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the signing keys; works beside a running server too
    List {
        /// Which server.
        #[command(flatten)]
        place: Place,
    },
    /// Make the next signing keys and retire the present ones
    ///
    /// Works on the data directory of a stopped server. A running one is asked with
    /// `curl -X POST -H "Authorization: Bearer $ADMIN_KEY" $ISSUER/v1/signing-keys/rotate`.
    Rotate {
        /// Which server.
        #[command(flatten)]
        place: Place,
    },
    /// Replace the master key: everything in the vault is sealed anew
    ///
    /// Works on the data directory of a stopped server. Tokens, secrets and personal data stay good. If it is
    /// interrupted, run it again.
    RotateMaster {
        /// Which server.
        #[command(flatten)]
        place: Place,
        /// The file with the next master key, if the present one does not come from a file (see generate-master)
        #[arg(long, value_name = "FILE")]
        next: Option<PathBuf>,
    },
    /// Write a new master key into a file that only you can read
    GenerateMaster {
        /// The file, which must not exist
        file: PathBuf,
    },
}

/// Does it.
pub async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List { place } => list(place).await,
        Command::Rotate { place } => rotate(place).await,
        Command::RotateMaster { place, next } => rotate_master(place, next).await,
        Command::GenerateMaster { file } => generate_master(&file),
    }
}

async fn list(place: Place) -> Result<(), Failure> {
    let config = place.config()?;
    let store = Arc::new(SqliteStore::open_read_only(&config.data_dir)?);
    let runner = LiveRunner::start(store, LiveOptions::default(), |_| {}).await?;
    let now = SystemClock.now();
    let mut out = stdout().lock();
    for key in runner.live().keys().iter() {
        writeln!(out, "{}  {:5}  {}", key.kid, key.algorithm.as_str(), phase(key, now))?;
    }
    Ok(())
}

fn phase(key: &SigningKeyEntry, now: Timestamp) -> String {
    match (key.retired_at, key.published_until) {
        (_, Some(until)) if until <= now => "published no more".to_owned(),
        (Some(retired), Some(until)) if retired <= now => format!("verifies until {}", until.to_rfc3339()),
        (Some(retired), _) => format!("signs until {}", retired.to_rfc3339()),
        (None, _) if key.active_from > now => format!("signs from {}", key.active_from.to_rfc3339()),
        (None, _) => format!("signs since {}", key.active_from.to_rfc3339()),
    }
}

async fn rotate(place: Place) -> Result<(), Failure> {
    let config = place.config()?;
    let engine = open(&config, "POST /v1/signing-keys/rotate").await?;
    let made = engine.authority.rotate_signing_keys(&Context::system()).await;
    engine.close().await;
    let mut out = stdout().lock();
    for kid in made.map_err(BootError::from)? {
        writeln!(out, "{kid}")?;
    }
    Ok(())
}

/// Opens the data directory of a stopped server, which must be there; `instead` is what to ask of a running one.
pub(crate) async fn open(config: &Config, instead: &str) -> Result<Engine, Failure> {
    // Opening for writing would make an empty log where someone mistyped a path.
    SqliteStore::open_read_only(&config.data_dir)?;
    let master_key = master_key(config)?;
    let opened = Engine::open(config, &master_key, |_| {}).await;
    opened.map_err(|error| format!("{error}\nIf a server is running on this directory, ask it instead: {instead}").into())
}

async fn rotate_master(place: Place, next: Option<PathBuf>) -> Result<(), Failure> {
    let config = place.config()?;
    // Held until the end: no server may start meanwhile. Opening for reading first, since opening for writing would make
    // an empty log where someone mistyped a path.
    SqliteStore::open_read_only(&config.data_dir)?;
    let locked = SqliteStore::open(&config.data_dir)?;
    let in_place = match &next {
        Some(_) => None,
        None if env::var_os(MASTER_KEY_VARIABLE).is_some() => {
            return Err(format!("the master key comes from {MASTER_KEY_VARIABLE}: name a file with the next one (--next)").into());
        }
        None => Some(master_key_path(&config)),
    };
    let next_file = next.or_else(|| in_place.as_deref().map(|file| file.with_added_extension("next"))).unwrap_or_default();
    let next_key = match in_place {
        Some(_) => MasterKey::load_or_create(&next_file)?,
        None => MasterKey::load(&next_file)?,
    };
    // An earlier run may have come as far as this.
    let is_done = match Vault::open(&config.data_dir, &next_key) {
        Ok(_) => true,
        Err(VaultError::WrongMasterKey) => false,
        Err(error) => return Err(error.into()),
    };
    if !is_done {
        let vault = Vault::open(&config.data_dir, &master_key(&config)?)?;
        let people = vault.count_subjects().await?;
        let mut progress = Progress::new("people");
        vault.replace_master_key(&next_key, move |done| progress.at(done, people)).await?;
    }
    let mut out = stdout().lock();
    match in_place {
        Some(file) => {
            fs::rename(&next_file, &file)?;
            File::open(file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))?.sync_all()?;
            writeln!(out, "The vault is sealed under a new master key, which is in {}. Back it up apart from the data.", file.display())?;
        }
        None => writeln!(out, "The vault is sealed under the master key in {}. Start the server with it.", next_file.display())?,
    }
    writeln!(out, "Backups of the vault from before open with the old key alone: keep it for as long as you keep them.")?;
    locked.close().await;
    Ok(())
}

fn generate_master(file: &Path) -> Result<(), Failure> {
    if file.try_exists()? {
        return Err(format!("{} exists: a master key is never replaced", file.display()).into());
    }
    MasterKey::load_or_create(file)?;
    writeln!(stdout(), "{} holds a new master key. Back it up apart from the data: neither is good without the other.", file.display())?;
    Ok(())
}
