//! `grantlog receipt`: check what a person was given about their consent, without any server.

use std::{
    fs,
    io::{Write, stdout},
    path::{Path, PathBuf},
};

use clap::Subcommand;
use grantlog_core::{
    app::receipts::ConsentReceipt,
    ledger::{SignedCheckpoint, VerifierKey, WitnessKey},
};
use serde::Serialize;

use crate::{Failure, audit::require_cosigned};

/// What there is to do with a receipt.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check that a receipt is signed by the log, that the log has its events, and that it says what they say
    ///
    /// Needs nothing but the file and the key. `grantlog audit receipt` makes receipts.
    Verify {
        /// The file with the receipt
        file: PathBuf,
        /// The key of the log, as `grantlog keys list` shows it
        #[arg(long = "key", value_name = "VERIFIER_KEY", required = true)]
        keys: Vec<VerifierKey>,
        /// The key of a witness who must have cosigned the checkpoint
        #[arg(long = "witness", value_name = "WITNESS_KEY")]
        witnesses: Vec<WitnessKey>,
    },
}

/// Does it.
pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Verify { file, keys, witnesses } => verify(&file, &keys, &witnesses),
    }
}

fn verify(file: &Path, keys: &[VerifierKey], witnesses: &[WitnessKey]) -> Result<(), Failure> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| told(&error))?;
    let receipt = ConsentReceipt::verify(&text, keys).map_err(|error| told(&error))?;
    let mut out = stdout().lock();
    let who = receipt.header.pii_principal_id.as_deref().unwrap_or("somebody who was erased");
    writeln!(out, "the consent of {who}, as of position {} of the log:", receipt.header.position)?;
    for party in &receipt.parties {
        writeln!(out, "  {}: {} {}", word(&party.role), party.name.as_deref().unwrap_or_default(), party.party_id)?;
    }
    for event in &receipt.events {
        let scope = event.scope.as_ref().map(ToString::to_string).unwrap_or_default();
        writeln!(out, "  {} {} {scope} (position {})", event.event_time, word(&event.event_type), event.position)?;
    }
    for purpose in &receipt.processing.purposes {
        writeln!(out, "  may: {} ({})", purpose.description, purpose.scope)?;
    }
    if receipt.processing.purposes.is_empty() {
        writeln!(out, "  may: nothing any more")?;
    }
    if let Some(proof) = receipt.evidence.last() {
        let checkpoint = SignedCheckpoint::unverified(&proof.checkpoint)?;
        require_cosigned(&mut out, &proof.checkpoint, witnesses)?;
        writeln!(out, "its {} events are in the log {} of {} events", receipt.evidence.len(), checkpoint.origin, checkpoint.size)?;
    }
    writeln!(out, "the receipt is good")?;
    Ok(())
}

/// A code as the receipt has it.
fn word(code: &impl Serialize) -> String {
    serde_json::to_value(code).ok().and_then(|code| code.as_str().map(str::to_owned)).unwrap_or_default()
}
