//! The ledger of a running server, over HTTP. What it says is not believed: its answers are what is verified.

use std::{env, fs, path::PathBuf, time::Duration};

use clap::Args;
use grantlog_core::ledger::{ConsistencyProof, Hash, InclusionProof, Tile, VerifierKey, entries_of};
use grantlog_projections::ledger::{Evidence, PublishedCheckpoint, Shown, Unreadable};
use reqwest::{Client, StatusCode, redirect::Policy};
use serde::{Deserialize, de::DeserializeOwned};

use crate::Failure;

/// The variable with the API key of an auditor.
const API_KEY: &str = "GRANTLOG_API_KEY";
const TIMEOUT: Duration = Duration::from_mins(1);
/// More than a bundle can have: 256 entries of 65,535 bytes, each after two.
const MOST: usize = 17 << 20;
/// How many checkpoints are asked for at once.
const PAGE: usize = 1000;

/// What lets an auditor in.
#[derive(Args, Clone, Debug, Default)]
pub struct ApiKey {
    /// A file with the API key of an auditor, for a running server; without it, `GRANTLOG_API_KEY` holds the key
    #[arg(long, value_name = "FILE", requires = "url")]
    api_key_file: Option<PathBuf>,
}

impl ApiKey {
    /// The key; None when there is neither a file nor the variable.
    pub(super) fn read(&self) -> Result<Option<String>, Failure> {
        let key = match &self.api_key_file {
            Some(file) => fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?,
            None => match env::var(API_KEY) {
                Ok(key) => key,
                Err(env::VarError::NotPresent) => return Ok(None),
                Err(env::VarError::NotUnicode(_)) => return Err(format!("{API_KEY} is not text").into()),
            },
        };
        Ok(Some(key.trim().to_owned()))
    }
}

/// What to say to who has no key.
pub(super) fn key_is_needed() -> String {
    format!("an auditor's API key is needed: --api-key-file, or the variable {API_KEY}")
}

/// A running server.
pub(super) struct Remote {
    client: Client,
    issuer: String,
    api_key: Option<String>,
}

/// What a server said.
enum Answer {
    Found(Vec<u8>),
    /// There is nothing of this name.
    Missing,
    /// There was something, and it was dropped.
    Gone,
}

#[derive(Deserialize)]
struct Keys {
    verifier_keys: Vec<String>,
}

#[derive(Deserialize)]
struct CheckpointPage {
    checkpoints: Vec<PublishedCheckpoint>,
    next_after: Option<u64>,
}

impl Remote {
    pub(super) fn new(issuer: &str, api_key: &ApiKey) -> Result<Self, Failure> {
        let client = Client::builder().timeout(TIMEOUT).redirect(Policy::none()).build()?;
        Ok(Self { client, issuer: issuer.trim_end_matches('/').to_owned(), api_key: api_key.read()? })
    }

    pub(super) async fn inclusion(&self, position: u64, size: Option<u64>) -> Result<InclusionProof, Unreadable> {
        let size = size.map_or_else(String::new, |size| format!("&size={size}"));
        self.json(&format!("v1/audit/proofs/inclusion?position={position}{size}")).await
    }

    pub(super) async fn consistency(&self, from: u64, to: u64) -> Result<ConsistencyProof, Unreadable> {
        self.json(&format!("v1/audit/proofs/consistency?from={from}&to={to}")).await
    }

    async fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, Unreadable> {
        let bytes = match self.get(path).await? {
            Answer::Found(bytes) => bytes,
            Answer::Missing => return Err(Unreadable(format!("{path}: there is no such thing"))),
            Answer::Gone => return Err(Unreadable(format!("{path}: the event was dropped from the log, and its segment is not there"))),
        };
        serde_json::from_slice(&bytes).map_err(|error| Unreadable(format!("{path}: {error}")))
    }

    async fn get(&self, path: &str) -> Result<Answer, Unreadable> {
        let told = |error: &dyn std::fmt::Display| Unreadable(format!("{path}: {error}"));
        let mut request = self.client.get(format!("{}/{path}", self.issuer));
        if let Some(key) = &self.api_key {
            request = request.bearer_auth(key);
        }
        let mut response = request.send().await.map_err(|error| told(&error))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(Answer::Missing),
            StatusCode::GONE => return Ok(Answer::Gone),
            StatusCode::UNAUTHORIZED => return Err(told(&key_is_needed())),
            other => return Err(told(&format!("the server answered {other}"))),
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| told(&error))? {
            if bytes.len() + chunk.len() > MOST {
                return Err(told(&"the answer is too long"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Answer::Found(bytes))
    }
}

#[async_trait::async_trait]
impl Evidence for Remote {
    async fn keys(&mut self) -> Result<Vec<VerifierKey>, Unreadable> {
        let keys: Keys = self.json("ledger/keys").await?;
        keys.verifier_keys.iter().map(|key| key.parse().map_err(|error| Unreadable(format!("ledger/keys: {error}")))).collect()
    }

    async fn checkpoints(&mut self) -> Result<Vec<String>, Unreadable> {
        let mut notes = Vec::new();
        let mut after = Some(0);
        while let Some(from) = after {
            let page: CheckpointPage = self.json(&format!("v1/audit/checkpoints?after={from}&limit={PAGE}")).await?;
            // A server that never comes to an end is not followed.
            after = page.next_after.filter(|next| *next > from);
            notes.extend(page.checkpoints.into_iter().map(|checkpoint| checkpoint.checkpoint));
        }
        Ok(notes)
    }

    async fn size(&mut self, signed: u64) -> Result<u64, Unreadable> {
        Ok(signed)
    }

    async fn entries(&mut self, tile: Tile) -> Result<Vec<Shown>, Unreadable> {
        let bytes = match self.get(&format!("ledger/{tile}")).await? {
            Answer::Found(bytes) => bytes,
            Answer::Missing => return Ok(Vec::new()),
            Answer::Gone => return Ok(vec![Shown::Withheld; tile.width.into()]),
        };
        let entries = entries_of(&bytes).ok_or_else(|| Unreadable(format!("{tile} is no bundle of entries")))?;
        Ok(entries.into_iter().map(Shown::Entry).collect())
    }

    async fn hashes(&mut self, tile: Tile) -> Result<Option<Vec<Hash>>, Unreadable> {
        let Answer::Found(bytes) = self.get(&format!("ledger/{tile}")).await? else { return Ok(None) };
        Hash::split(&bytes).map(Some).ok_or_else(|| Unreadable(format!("{tile} is no tile of hashes")))
    }

    /// Payloads that entries only name are not in the ledger's part of the API.
    async fn payload_is_sound(&mut self, _: &str) -> Result<bool, Unreadable> {
        Ok(true)
    }
}
