//! Cosignatures (C2SP tlog-cosignature), and what a witness is asked for them with (C2SP tlog-witness): somebody who is not the
//! operator states that the log only grew, as far as they have seen it.

use std::fmt::Write as _;

use super::{Hash, Note, NoteError, WitnessKey};
use crate::domain::Timestamp;

/// Why an answer adds no cosignature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CosignatureError {
    /// The checkpoint together with the answer is no note, or a signature of the witness is wrong.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The answer has no signature of the witness.
    #[error("the witness did not sign")]
    Missing,
}

/// The content of an `add-checkpoint` request: the size that the witness has seen last, the proof that the log only grew since,
/// and the checkpoint.
pub fn add_checkpoint(old: u64, proof: &[Hash], checkpoint: &str) -> String {
    let mut content = format!("old {old}\n");
    for hash in proof {
        // Writing to a string does not fail.
        let _ = writeln!(content, "{hash}");
    }
    content + "\n" + checkpoint
}

/// The checkpoint with the cosignatures of this witness in its answer. Lines of other keys are left out.
pub fn with_cosignatures(checkpoint: &str, answer: &str, witness: &WitnessKey) -> Result<String, CosignatureError> {
    let answered = Note::parse(&format!("{checkpoint}{answer}"))?;
    cosigned_at_of(&answered, witness)?.ok_or(CosignatureError::Missing)?;
    let theirs: String = answered.signatures_of(&witness.0).map(ToString::to_string).collect();
    Ok(format!("{checkpoint}{theirs}"))
}

/// When this witness cosigned the checkpoint; None when it did not.
pub fn cosigned_at(checkpoint: &str, witness: &WitnessKey) -> Result<Option<Timestamp>, NoteError> {
    cosigned_at_of(&Note::parse(checkpoint)?, witness)
}

fn cosigned_at_of(note: &Note, witness: &WitnessKey) -> Result<Option<Timestamp>, NoteError> {
    let mut latest = None;
    for signature in note.signatures_of(&witness.0) {
        let (seconds, signature) = signature.signature.split_first_chunk::<8>().ok_or(NoteError::BadSignature)?;
        let seconds = u64::from_be_bytes(*seconds);
        let signed = format!("cosignature/v1\ntime {seconds}\n{}", note.unverified());
        if !witness.0.verifies(signed.as_bytes(), signature) {
            return Err(NoteError::BadSignature);
        }
        let milliseconds = i64::try_from(seconds).ok().and_then(|seconds| seconds.checked_mul(1000)).ok_or(NoteError::BadSignature)?;
        latest = latest.max(Some(Timestamp(milliseconds)));
    }
    Ok(latest)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        jose::SigningKey,
        ledger::{Checkpoint, NoteSigner, SignedCheckpoint, base64, leaf_hash},
    };

    const SECONDS: u64 = 1_772_546_400;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_ed25519_seed(&[seed; 32])
    }

    fn witness(seed: u8) -> WitnessKey {
        WitnessKey::new("witness.example/w1", key(seed).ed25519_public().expect("its public half")).expect("a witness")
    }

    fn checkpoint() -> String {
        let signer = NoteSigner::new("auth.example.com", Arc::new(key(1))).expect("a signer");
        Checkpoint { origin: "auth.example.com".into(), size: 7, root: leaf_hash(b"x") }.sign(&signer).note
    }

    fn cosign(checkpoint: &str, seed: u8, seconds: u64) -> String {
        let text = Note::parse(checkpoint).expect("a note").unverified().to_owned();
        let signature = key(seed).sign(format!("cosignature/v1\ntime {seconds}\n{text}").as_bytes());
        let id = u32::from_str_radix(witness(seed).to_string().split('+').nth(1).expect("an id"), 16).expect("an id");
        let bytes = [id.to_be_bytes().as_slice(), &seconds.to_be_bytes(), &signature].concat();
        format!("\u{2014} witness.example/w1 {}\n", base64::encode(&bytes))
    }

    #[test]
    fn the_key_of_a_witness_is_of_a_kind_of_its_own() {
        let key: WitnessKey = witness(2).to_string().parse().expect("a key");
        assert_eq!((key.name(), &key), ("witness.example/w1", &witness(2)));
        let of_a_log = NoteSigner::new("a", Arc::new(self::key(1))).expect("a signer").verifier().to_string();
        assert!(of_a_log.parse::<WitnessKey>().is_err(), "a key for notes is none for cosignatures");
        assert!(witness(2).to_string().parse::<super::super::VerifierKey>().is_err(), "and the other way round");
    }

    #[test]
    fn a_cosignature_is_added_and_tells_when() {
        let (checkpoint, ours) = (checkpoint(), witness(2));
        assert_eq!(cosigned_at(&checkpoint, &ours), Ok(None));
        let cosigned = with_cosignatures(&checkpoint, &cosign(&checkpoint, 2, SECONDS), &ours).expect("cosigned");
        assert_eq!(cosigned_at(&cosigned, &ours), Ok(Some(Timestamp(1_772_546_400_000))));
        assert_eq!(cosigned_at(&cosigned, &witness(3)), Ok(None));
        let log = NoteSigner::new("auth.example.com", Arc::new(key(1))).expect("a signer").verifier().clone();
        assert_eq!(SignedCheckpoint::verify(&cosigned, &[log]).expect("verified").checkpoint.size, 7);
    }

    #[test]
    fn what_others_sign_is_left_out() {
        let checkpoint = checkpoint();
        let both = cosign(&checkpoint, 3, SECONDS) + &cosign(&checkpoint, 2, SECONDS);
        let cosigned = with_cosignatures(&checkpoint, &both, &witness(2)).expect("cosigned");
        assert_eq!(cosigned, format!("{checkpoint}{}", cosign(&checkpoint, 2, SECONDS)));
    }

    #[test]
    fn an_answer_that_is_no_cosignature_is_refused() {
        let checkpoint = checkpoint();
        let refused = |answer: &str| with_cosignatures(&checkpoint, answer, &witness(2)).expect_err("refused");
        assert_eq!(refused(""), CosignatureError::Missing);
        assert_eq!(refused(&cosign(&checkpoint, 3, SECONDS)), CosignatureError::Missing);
        assert_eq!(refused("<html>\n"), NoteError::Malformed.into());
        // The signature of another time, of another tree, and none at all.
        let line = cosign(&checkpoint, 2, SECONDS);
        let mut bytes = base64::decode(line.trim_end().rsplit(' ').next().expect("base64")).expect("base64");
        bytes[11] ^= 1;
        let moved = format!("\u{2014} witness.example/w1 {}\n", base64::encode(&bytes));
        assert_eq!(refused(&moved), NoteError::BadSignature.into());
        assert_eq!(refused(&cosign(&checkpoint.replace("\n7\n", "\n8\n"), 2, SECONDS)), NoteError::BadSignature.into());
        let short = format!("\u{2014} witness.example/w1 {}\n", base64::encode(&bytes[..10]));
        assert_eq!(refused(&short), NoteError::BadSignature.into());
    }

    #[test]
    fn a_witness_is_asked_with_the_size_it_knows_a_proof_and_the_checkpoint() {
        let hash = leaf_hash(b"x");
        let content = add_checkpoint(3, &[hash, hash], "origin\n4\nroot\n\n\u{2014} origin sig\n");
        assert_eq!(content, format!("old 3\n{hash}\n{hash}\n\norigin\n4\nroot\n\n\u{2014} origin sig\n"));
        assert_eq!(add_checkpoint(0, &[], "note\n"), "old 0\n\nnote\n");
    }
}
