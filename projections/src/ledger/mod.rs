//! The ledger: the log's Merkle tree on disk, and its signed heads.
//!
//! The tree follows the log as the read models do and is a function of it: it can be thrown away and made again. What can't be
//! made again are the checkpoints, since others have them. So they are kept in the same file, before anybody learns of them, and a
//! tree that does not fit them is never signed.

mod anchor;
mod database;
mod evidence;
mod export;
mod leaves;
mod reader;
mod replay;
mod runner;
mod verify;

#[cfg(test)]
mod tests;

pub use anchor::{Anchors, Witness, keep_anchored};
pub use database::KeptCheckpoint;
pub use evidence::{DataDirectory, Evidence, Export, Shown, Unreadable};
pub use export::{CHECKPOINTS, KEYS, PAYLOADS, PublishedCheckpoint, export};
pub use reader::{LedgerError, LedgerReader, ProofRefusal};
pub use replay::replay;
pub use runner::{Ledger, LedgerOptions, LedgerRunner};
pub use verify::{Cosigned, Flaw, Trust, Verified, verify};

/// The file of the ledger in a data directory.
pub const LEDGER_FILE: &str = "ledger.db";
