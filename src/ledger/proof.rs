//! Proofs as files: everything that is needed to check them, except whose key to trust.

use serde::{Deserialize, Serialize};

use super::{
    CheckpointError, Hash, NoEntry, SignedCheckpoint, VerifierKey, base64, head, leaf_hash, position_of, verify_consistency,
    verify_inclusion,
};
use crate::store::Position;

/// Shows that an event is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    /// What the file is: `grantlog inclusion proof v1`.
    pub format: InclusionFormat,
    /// Where in the log the event stands, from 1.
    pub position: u64,
    /// The index of its leaf, from 0: one less than the position.
    pub index: u64,
    /// The size of the tree that it is shown to be in: the one of the checkpoint.
    pub size: u64,
    /// The entry, in base64: the canonical form of the event.
    pub entry: String,
    /// The hashes beside the leaf's way to the root, from below (RFC 6962 §2.1.1), in base64.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub hashes: Vec<Hash>,
    /// The signed head of that tree.
    pub checkpoint: String,
}

/// Shows that the log only grew between two checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// What the file is: `grantlog consistency proof v1`.
    pub format: ConsistencyFormat,
    /// The size of the earlier tree.
    pub from: u64,
    /// The size of the later tree.
    pub to: u64,
    /// The hashes that both roots are made from (RFC 6962 §2.1.2), in base64.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub hashes: Vec<Hash>,
    /// The signed head of the earlier tree.
    pub from_checkpoint: String,
    /// The signed head of the later tree.
    pub to_checkpoint: String,
}

/// Marks a file with an inclusion proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum InclusionFormat {
    /// The one there is.
    #[serde(rename = "grantlog inclusion proof v1")]
    V1,
}

/// Marks a file with a consistency proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ConsistencyFormat {
    /// The one there is.
    #[serde(rename = "grantlog consistency proof v1")]
    V1,
}

/// Why a proof shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// A checkpoint in it is not to be believed.
    #[error("the checkpoint is not to be believed: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The sizes that it names are not those of its checkpoints.
    #[error("it is about trees of other sizes than its checkpoints")]
    OtherSize,
    /// Its entry is not one, or of another position.
    #[error("the entry is not the one of the position that it names")]
    OtherEntry,
    /// The hashes don't lead to the roots.
    #[error("its hashes do not lead to what was signed")]
    DoesNotHold,
}

impl From<NoEntry> for ProofError {
    fn from(_: NoEntry) -> Self {
        Self::OtherEntry
    }
}

impl InclusionProof {
    /// Puts a proof together.
    pub fn new(index: u64, entry: &[u8], hashes: Vec<Hash>, checkpoint: &SignedCheckpoint) -> Self {
        Self {
            format: InclusionFormat::V1,
            position: position_of(index).0,
            index,
            size: checkpoint.checkpoint.size,
            entry: base64::encode(entry),
            hashes,
            checkpoint: checkpoint.note.clone(),
        }
    }

    /// The entry, once it is shown that a log whose checkpoints these keys sign has it at the position that the proof names.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<Vec<u8>, ProofError> {
        let checkpoint = SignedCheckpoint::verify(&self.checkpoint, keys)?.checkpoint;
        if checkpoint.size != self.size {
            return Err(ProofError::OtherSize);
        }
        let entry = base64::decode(&self.entry).ok_or(ProofError::OtherEntry)?;
        let position = Position(head(&entry)?.position);
        if position != position_of(self.index) || position != Position(self.position) {
            return Err(ProofError::OtherEntry);
        }
        if verify_inclusion(&leaf_hash(&entry), self.index, self.size, &self.hashes, &checkpoint.root) {
            Ok(entry)
        } else {
            Err(ProofError::DoesNotHold)
        }
    }
}

impl ConsistencyProof {
    /// Puts a proof together.
    pub fn new(from: &SignedCheckpoint, to: &SignedCheckpoint, hashes: Vec<Hash>) -> Self {
        Self {
            format: ConsistencyFormat::V1,
            from: from.checkpoint.size,
            to: to.checkpoint.size,
            hashes,
            from_checkpoint: from.note.clone(),
            to_checkpoint: to.note.clone(),
        }
    }

    /// Whether the log whose checkpoints these keys sign only grew from the one to the other.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<(), ProofError> {
        let from = SignedCheckpoint::verify(&self.from_checkpoint, keys)?.checkpoint;
        let to = SignedCheckpoint::verify(&self.to_checkpoint, keys)?.checkpoint;
        if (from.size, to.size) != (self.from, self.to) || from.origin != to.origin {
            return Err(ProofError::OtherSize);
        }
        let holds = verify_consistency((from.size, &from.root), (to.size, &to.root), &self.hashes);
        if holds { Ok(()) } else { Err(ProofError::DoesNotHold) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        jose::SigningKey,
        ledger::{Checkpoint, Edge, NoteError, NoteSigner, consistency, entry, inclusion, testing},
    };

    fn signer() -> NoteSigner {
        NoteSigner::new("auth.example.com", Arc::new(SigningKey::from_ed25519_seed(&[1; 32]))).expect("a signer")
    }

    fn head_of(edge: &Edge) -> SignedCheckpoint {
        Checkpoint { origin: "auth.example.com".into(), size: edge.size(), root: edge.root() }.sign(&signer())
    }

    /// Five real events.
    struct Log(Edge);

    impl crate::ledger::Tiles for Log {
        type Error = ();
        fn tile(&mut self, level: u8, _: u64) -> Result<Vec<Hash>, ()> {
            self.0.partial(level).map(|(_, hashes)| hashes.to_vec()).ok_or(())
        }
    }

    fn log(size: u64) -> Log {
        let mut edge = Edge::default();
        for index in 0..size {
            edge.push(leaf_hash(&entry(&testing::event(index)).expect("short")));
        }
        Log(edge)
    }

    #[test]
    fn a_file_proves_an_event_with_the_public_key_alone() {
        let mut log = log(5);
        let keys = [signer().verifier().clone()];
        let bytes = entry(&testing::event(3)).expect("short");
        let proof = InclusionProof::new(3, &bytes, inclusion(3, 5, &mut log).expect("a proof"), &head_of(&log.0));
        let file = serde_json::to_string(&proof).expect("JSON");
        let read: InclusionProof = serde_json::from_str(&file).expect("the same");
        assert_eq!(read.verify(&keys), Ok(bytes));
        let with = |change: &dyn Fn(&mut InclusionProof)| {
            let mut changed = read.clone();
            change(&mut changed);
            changed.verify(&keys).unwrap_err()
        };
        assert_eq!(with(&|proof| proof.position = 5), ProofError::OtherEntry);
        assert_eq!(with(&|proof| proof.index = 4), ProofError::OtherEntry);
        assert_eq!(with(&|proof| proof.size = 6), ProofError::OtherSize);
        assert_eq!(with(&|proof| proof.entry = "e30=".into()), ProofError::OtherEntry);
        let other = base64::encode(&entry(&testing::event_with(3, "{}")).expect("short"));
        assert_eq!(with(&|proof| proof.entry = other.clone()), ProofError::DoesNotHold);
        assert_eq!(with(&|proof| proof.hashes.truncate(1)), ProofError::DoesNotHold);
        let unsigned = ProofError::Checkpoint(NoteError::Unsigned.into());
        assert_eq!(read.verify(&[]), Err(unsigned));
        assert!(serde_json::from_str::<InclusionProof>(&file.replace("proof v1", "proof v2")).is_err());
    }

    #[test]
    fn a_file_proves_that_the_log_only_grew() {
        let (earlier, mut later) = (log(3), log(5));
        let keys = [signer().verifier().clone()];
        let proof = ConsistencyProof::new(&head_of(&earlier.0), &head_of(&later.0), consistency(3, 5, &mut later).expect("a proof"));
        let read: ConsistencyProof = serde_json::from_str(&serde_json::to_string(&proof).expect("JSON")).expect("the same");
        assert_eq!(read.verify(&keys), Ok(()));
        assert_eq!(ConsistencyProof { from: 2, ..read.clone() }.verify(&keys), Err(ProofError::OtherSize));
        let mut forked = earlier.0.clone();
        forked.push(testing::leaf(9));
        forked.push(testing::leaf(9));
        let fork = ConsistencyProof { to_checkpoint: head_of(&forked).note, ..read };
        assert_eq!(fork.verify(&keys), Err(ProofError::DoesNotHold));
    }
}
