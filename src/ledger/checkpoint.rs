//! Checkpoints (C2SP tlog-checkpoint): the signed head of the tree.

use super::{Hash, Note, NoteError, NoteSigner, VerifierKey};

/// The head of a log's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The identity of the log.
    pub origin: String,
    /// How many leaves the tree has.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// A checkpoint with the note that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The note, as it was signed.
    pub note: String,
}

/// Why a note is not taken for a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is not to be believed.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It is signed and says something else.
    #[error("it is no checkpoint")]
    Malformed,
    /// The key that signed it is not the one of the log that it speaks of.
    #[error("it is of another log")]
    OtherOrigin,
}

impl Checkpoint {
    /// Signs it.
    pub fn sign(self, signer: &NoteSigner) -> SignedCheckpoint {
        let note = signer.sign(&self.to_text());
        SignedCheckpoint { checkpoint: self, note }
    }

    fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Reads the text of a note. Lines after the third are for others.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let number: u64 = size.parse().ok()?;
        let root = root.parse().ok()?;
        let is_well_formed = !origin.is_empty() && number.to_string() == size && lines.all(|line| !line.is_empty());
        is_well_formed.then(|| Self { origin: origin.to_owned(), size: number, root })
    }
}

impl SignedCheckpoint {
    /// Reads a checkpoint that one of these keys signed in the name of its log.
    pub fn verify(note: &str, keys: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let parsed = Note::parse(note)?;
        let checkpoint = Checkpoint::parse(parsed.verified_by(keys)?).ok_or(CheckpointError::Malformed)?;
        if !keys.iter().any(|key| key.name() == checkpoint.origin) {
            return Err(CheckpointError::OtherOrigin);
        }
        Ok(Self { checkpoint, note: note.to_owned() })
    }

    /// Reads a checkpoint, whoever signed it: to tell what it says, and never to believe it.
    pub fn unverified(note: &str) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::parse(Note::parse(note)?.unverified()).ok_or(CheckpointError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{jose::SigningKey, ledger::leaf_hash};

    fn signer(name: &str) -> NoteSigner {
        NoteSigner::new(name, Arc::new(SigningKey::from_ed25519_seed(&[1; 32]))).expect("a signer")
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: "auth.example.com".into(), size: 7, root: leaf_hash(b"x") }
    }

    #[test]
    fn a_checkpoint_is_three_lines_and_a_signature() {
        let signer = signer("auth.example.com");
        let signed = checkpoint().sign(&signer);
        let lines: Vec<&str> = signed.note.lines().collect();
        assert_eq!(lines[..4], ["auth.example.com", "7", &checkpoint().root.to_string(), ""]);
        assert!(lines[4].starts_with("\u{2014} auth.example.com "), "{lines:?}");
        assert_eq!(lines.len(), 5);
        assert_eq!(SignedCheckpoint::verify(&signed.note, &[signer.verifier().clone()]), Ok(signed.clone()));
        assert_eq!(SignedCheckpoint::unverified(&signed.note), Ok(checkpoint()));
        assert_eq!(SignedCheckpoint::verify(&signed.note, &[]), Err(NoteError::Unsigned.into()));
    }

    #[test]
    fn lines_for_others_are_passed_over() {
        let signer = signer("auth.example.com");
        let note = signer.sign(&format!("{}extension\n", checkpoint().to_text()));
        assert_eq!(SignedCheckpoint::verify(&note, &[signer.verifier().clone()]).expect("verified").checkpoint, checkpoint());
    }

    #[test]
    fn what_is_signed_and_no_checkpoint_is_refused() {
        let signer = signer("auth.example.com");
        let root = checkpoint().root;
        for text in [
            "text\n".to_owned(),
            format!("auth.example.com\n07\n{root}\n"),
            format!("auth.example.com\n+7\n{root}\n"),
            format!("auth.example.com\n-7\n{root}\n"),
            "auth.example.com\n7\nAAAA\n".to_owned(),
            format!("auth.example.com\n7\n{root}\n\nmore\n"),
        ] {
            let verified = SignedCheckpoint::verify(&signer.sign(&text), &[signer.verifier().clone()]);
            assert_eq!(verified, Err(CheckpointError::Malformed), "{text}");
        }
    }

    #[test]
    fn a_key_speaks_for_its_own_log_only() {
        let signer = signer("other.example.com");
        let signed = checkpoint().sign(&signer);
        assert_eq!(SignedCheckpoint::verify(&signed.note, &[signer.verifier().clone()]), Err(CheckpointError::OtherOrigin));
    }
}
