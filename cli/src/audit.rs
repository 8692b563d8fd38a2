//! `grantlog audit`: what was true then, and why; whether the log is whole and unchanged, and how to show it to others.

mod ask;
mod remote;
mod table;

use std::{
    fs,
    io::{Write, stdout},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand};
use grantlog_core::{
    ledger::{ConsistencyProof, InclusionProof, VerifierKey, WitnessKey, cosigned_at, head},
    store::{Position, Segments, SqliteStore},
};
use grantlog_projections::ledger::{
    Cosigned, DataDirectory, Evidence, Export, LEDGER_FILE, LedgerReader, PublishedCheckpoint, Trust, Verified, export, verify,
};
use serde::{Deserialize, Serialize};

use self::remote::Remote;
pub use self::{ask::Question, remote::ApiKey};
use crate::{Failure, place::Place, progress::Progress};

/// What auditors do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask the past.
    #[command(flatten)]
    Ask(Box<Question>),
    /// Hash every event, make the Merkle tree anew and compare it with everything that was signed
    ///
    /// Names the first event that is wrong, or says that none is. Works on a data directory (beside a running server too), on an
    /// export, or over HTTP.
    Verify {
        /// Where the log is.
        #[command(flatten)]
        log: Log,
        /// A key that checkpoints must be signed with, as `grantlog keys list` shows it; without one, those that the log itself names
        #[arg(long = "key", value_name = "VERIFIER_KEY")]
        keys: Vec<VerifierKey>,
        /// The key of a witness who must have cosigned a checkpoint
        #[arg(long = "witness", value_name = "WITNESS_KEY")]
        witnesses: Vec<WitnessKey>,
        /// A file with checkpoints that were kept elsewhere: a signed note, or lines as in `checkpoints.jsonl`
        #[arg(long = "checkpoints", value_name = "FILE")]
        pinned: Vec<PathBuf>,
    },
    /// Write entries, tiles and checkpoints into a directory that can be verified without the service
    Export {
        /// Which server.
        #[command(flatten)]
        place: Place,
        /// The directory, which must be empty or not there
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Print the proof that an event is in the log, or that the log only grew between two checkpoints
    Proof {
        /// Which server.
        #[command(flatten)]
        log: Log,
        /// The event's position in the log
        #[arg(long, conflicts_with_all = ["from", "to"], required_unless_present = "from")]
        position: Option<u64>,
        /// The size of the checkpoint that the proof leads to; the newest without it
        #[arg(long, conflicts_with_all = ["from", "to"])]
        size: Option<u64>,
        /// The size of the earlier checkpoint
        #[arg(long, requires = "to")]
        from: Option<u64>,
        /// The size of the later checkpoint
        #[arg(long, requires = "from")]
        to: Option<u64>,
    },
    /// Check a proof with nothing but the key
    VerifyProof {
        /// The file with the proof
        file: PathBuf,
        /// The key of the log
        #[arg(long = "key", value_name = "VERIFIER_KEY", required = true)]
        keys: Vec<VerifierKey>,
        /// The key of a witness who must have cosigned the checkpoint
        #[arg(long = "witness", value_name = "WITNESS_KEY")]
        witnesses: Vec<WitnessKey>,
    },
}

/// Where a log is.
#[derive(Args, Clone, Debug, Default)]
pub struct Log {
    /// The data directory.
    #[command(flatten)]
    pub place: Place,
    /// An exported directory
    #[arg(long, value_name = "DIR", conflicts_with = "data")]
    pub export: Option<PathBuf>,
    /// A running server, by its issuer URL
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "export"])]
    pub url: Option<String>,
    /// What it lets an auditor in by.
    #[command(flatten)]
    pub api_key: ApiKey,
}

/// A proof of either kind.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Proof {
    Inclusion(InclusionProof),
    Consistency(ConsistencyProof),
}

/// Does it.
pub async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Ask(question) => ask::run(*question).await,
        Command::Verify { log, keys, witnesses, pinned } => {
            let pinned = pinned.iter().map(|file| notes_in(file)).collect::<Result<Vec<_>, _>>()?.concat();
            print_verified(&log, &Trust { keys, witnesses, pinned }).await
        }
        Command::Export { place, directory } => print_exported(place, &directory).await,
        Command::Proof { log, position, size, from, to } => {
            let proof = match (position, from, to) {
                (_, Some(from), Some(to)) => Wanted::Consistency { from, to },
                (position, ..) => Wanted::Inclusion { position: position.unwrap_or_default(), size },
            };
            print_proof(&log, &proof).await
        }
        Command::VerifyProof { file, keys, witnesses } => verify_proof(&file, &keys, &witnesses),
    }
}

/// Verifies a log. Without keys, those that the log itself names are believed.
pub async fn check(log: &Log, trust: &Trust) -> Result<Verified, Failure> {
    let mut evidence = evidence(log)?;
    let mut trust = trust.clone();
    if trust.keys.is_empty() {
        trust.keys = evidence.keys().await?;
    }
    let mut progress = Progress::new("Verifying the log");
    Ok(verify(evidence.as_mut(), &trust, |done, of| progress.at(done, of)).await?)
}

async fn print_verified(log: &Log, trust: &Trust) -> Result<(), Failure> {
    let verified = check(log, trust).await?;
    let mut out = stdout().lock();
    writeln!(out, "{} events, {} checkpoints", verified.events, verified.checkpoints)?;
    if let Some(newest) = &verified.newest {
        writeln!(out, "the newest is of {} and covers {} events: {}", newest.origin, newest.size, newest.root)?;
    }
    for (witness, Cosigned { size, at }) in trust.witnesses.iter().zip(&verified.cosigned) {
        writeln!(out, "cosigned by {} at {}, for {size} events", witness.name(), at.to_rfc3339())?;
    }
    if verified.dropped > 0 {
        writeln!(out, "dropped from the log: {} issuance facts, each named by a sealed segment", verified.dropped)?;
    }
    if verified.unseen > 0 {
        writeln!(out, "not shown: {} events; the hashes of their leaves prove that they were there", verified.unseen)?;
    }
    if verified.uncovered() > 0 {
        writeln!(out, "not covered yet: the last {} events", verified.uncovered())?;
    }
    if trust.keys.is_empty() {
        writeln!(out, "believed: the key that the log itself names; give the one that you have kept with --key")?;
    }
    writeln!(out, "everything fits")?;
    Ok(())
}

fn evidence(log: &Log) -> Result<Box<dyn Evidence>, Failure> {
    if let Some(directory) = &log.export {
        return Ok(Box::new(Export::new(directory)));
    }
    if let Some(url) = &log.url {
        return Ok(Box::new(Remote::new(url, &log.api_key)?));
    }
    Ok(Box::new(DataDirectory::new(reader(log.place.clone())?)))
}

/// The ledger of a data directory.
fn reader(place: Place) -> Result<LedgerReader, Failure> {
    let config = place.config()?;
    let store = Arc::new(SqliteStore::open_read_only(&config.data_dir)?);
    let file = config.data_dir.join(LEDGER_FILE);
    if !file.exists() {
        return Err(format!("{} is missing: it is made when the server starts", file.display()).into());
    }
    Ok(LedgerReader::open_read_only(&file, store)?.with_segments(Segments::of(&config.data_dir)))
}

async fn print_exported(place: Place, directory: &Path) -> Result<(), Failure> {
    let reader = reader(place)?;
    let mut progress = Progress::new("Exporting the log");
    let size = export(&reader, directory, |done, of| progress.at(done, of)).await?;
    drop(progress);
    writeln!(stdout(), "{} holds {size} events", directory.display())?;
    Ok(())
}

/// What is to be proven.
enum Wanted {
    Inclusion { position: u64, size: Option<u64> },
    Consistency { from: u64, to: u64 },
}

async fn print_proof(log: &Log, wanted: &Wanted) -> Result<(), Failure> {
    if log.export.is_some() {
        return Err("a proof is made from a data directory or by a running server".into());
    }
    let proof = match (&log.url, wanted) {
        (Some(url), Wanted::Inclusion { position, size }) => {
            Proof::Inclusion(Remote::new(url, &log.api_key)?.inclusion(*position, *size).await?)
        }
        (Some(url), Wanted::Consistency { from, to }) => Proof::Consistency(Remote::new(url, &log.api_key)?.consistency(*from, *to).await?),
        (None, Wanted::Inclusion { position, size }) => {
            Proof::Inclusion(reader(log.place.clone())?.inclusion(Position(*position), *size).await?)
        }
        (None, Wanted::Consistency { from, to }) => Proof::Consistency(reader(log.place.clone())?.consistency(*from, *to).await?),
    };
    writeln!(stdout(), "{}", serde_json::to_string_pretty(&proof)?)?;
    Ok(())
}

/// The notes in a file of checkpoints.
fn notes_in(file: &Path) -> Result<Vec<String>, Failure> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| told(&error))?;
    if !text.starts_with('{') {
        return Ok(vec![text]);
    }
    let note = |line: &str| serde_json::from_str::<PublishedCheckpoint>(line).map(|read| read.checkpoint);
    text.lines().map(|line| note(line).map_err(|error| told(&error).into())).collect()
}

fn verify_proof(file: &Path, keys: &[VerifierKey], witnesses: &[WitnessKey]) -> Result<(), Failure> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| told(&error))?;
    let mut out = stdout().lock();
    match serde_json::from_str(&text).map_err(|_| told(&"this is no proof"))? {
        Proof::Inclusion(proof) => {
            let entry = proof.verify(keys).map_err(|error| told(&error))?;
            let event = head(&entry)?;
            writeln!(
                out,
                "position {} of the log is {} of {}, under the checkpoint of size {}:",
                event.position, event.kind, event.stream, proof.size
            )?;
            out.write_all(&entry)?;
            writeln!(out)?;
            require_cosigned(&mut out, &proof.checkpoint, witnesses)?;
        }
        Proof::Consistency(proof) => {
            proof.verify(keys).map_err(|error| told(&error))?;
            writeln!(out, "the log only grew from {} to {} events", proof.from, proof.to)?;
            require_cosigned(&mut out, &proof.to_checkpoint, witnesses)?;
        }
    }
    Ok(())
}

/// Says when each of the witnesses cosigned a checkpoint. It is an error if one did not.
pub(crate) fn require_cosigned(out: &mut impl Write, checkpoint: &str, witnesses: &[WitnessKey]) -> Result<(), Failure> {
    for witness in witnesses {
        let at = cosigned_at(checkpoint, witness)?.ok_or_else(|| format!("the checkpoint is not cosigned by {}", witness.name()))?;
        writeln!(out, "cosigned by {} at {}", witness.name(), at.to_rfc3339())?;
    }
    Ok(())
}
