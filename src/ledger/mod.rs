//! The ledger: the log as the leaves of a Merkle tree, so that whoever keeps one signed number can tell later whether
//! anything in it was changed.
//!
//! Nothing here reads or waits. `entry` makes the bytes of a leaf from an event, `tree` grows the tree and proves things
//! about it, `tile` names the pieces that it is stored and served in, `note` and `checkpoint` are its signed head, `proof`
//! is a file that is checked with nothing but a public key. What all of it looks like from outside is in
//! `docs/ledger-format.md`.

mod base64;
mod checkpoint;
mod cosignature;
mod entry;
mod hash;
mod note;
mod proof;
#[cfg(test)]
mod testing;
mod tile;
mod tree;
#[cfg(test)]
mod vectors;

pub use checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
pub use cosignature::{CosignatureError, add_checkpoint, cosigned_at, with_cosignatures};
pub use entry::{EntryTooLong, Head, LONGEST_ENTRY, NoEntry, entry, event_of, head, position_of};
pub use hash::{Hash, NoHash, leaf_hash, node_hash};
pub use note::{Note, NoteError, NoteSigner, VerifierKey, VerifierKeyError, WitnessKey, WitnessKeyError, is_origin};
pub use proof::{ConsistencyProof, InclusionProof, ProofError};
pub use tile::{BadTilePath, Content, Tile, WIDTH, bundle, entries_of};
pub use tree::{Edge, FullTile, Tiles, consistency, inclusion, root, root_of, verify_consistency, verify_inclusion};
