//! Signed notes (C2SP signed-note): a text, an empty line, and a line for each signature.

use std::{fmt, str::FromStr};

use super::{Hash, base64};
use crate::jose::{Algorithm, Jwk, SigningKey, VerificationAlgorithm, VerifyingKey};

/// The type of a signature that is Ed25519 over the text.
const ED25519: u8 = 1;
/// The type of a signature that is Ed25519 over the text and the time of the signature (C2SP tlog-cosignature).
const COSIGNATURE: u8 = 4;
/// A note with more signatures than this is not read.
const MOST_SIGNATURES: usize = 64;
/// What a line of a signature begins with.
const DASH: &str = "\u{2014} ";

/// A note, its signatures not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    name: String,
    key_id: [u8; 4],
    pub(super) signature: Vec<u8>,
}

/// Why a note is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is no note.
    #[error("it is no signed note")]
    Malformed,
    /// None of the keys signed it.
    #[error("it is not signed by a known key")]
    Unsigned,
    /// What claims to be the signature of a known key is not.
    #[error("its signature is not valid")]
    BadSignature,
}

impl Note {
    /// Reads a note.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.chars().any(|character| character < ' ' && character != '\n') {
            return Err(NoteError::Malformed);
        }
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(NoteError::Malformed)?;
        let signatures = signatures.strip_suffix('\n').ok_or(NoteError::Malformed)?;
        let signatures: Vec<_> = signatures.split('\n').map(Signature::parse).collect::<Option<_>>().ok_or(NoteError::Malformed)?;
        if text.is_empty() || signatures.len() > MOST_SIGNATURES {
            return Err(NoteError::Malformed);
        }
        Ok(Self { text: format!("{text}\n"), signatures })
    }

    /// The text, with its last line break, when one of these keys signed it and no signature that is named after one of them
    /// is wrong.
    pub fn verified_by(&self, keys: &[VerifierKey]) -> Result<&str, NoteError> {
        let mut is_signed = false;
        for signature in &self.signatures {
            let known = keys.iter().find(|key| key.name == signature.name && key.id == signature.key_id);
            if let Some(key) = known {
                if !key.verifies(self.text.as_bytes(), &signature.signature) {
                    return Err(NoteError::BadSignature);
                }
                is_signed = true;
            }
        }
        if is_signed { Ok(&self.text) } else { Err(NoteError::Unsigned) }
    }

    /// The text, whoever signed it.
    pub fn unverified(&self) -> &str {
        &self.text
    }

    /// What is said to be signed by this key.
    pub(super) fn signatures_of(&self, key: &VerifierKey) -> impl Iterator<Item = &Signature> {
        self.signatures.iter().filter(|signature| key.name == signature.name && key.id == signature.key_id)
    }
}

impl Signature {
    fn parse(line: &str) -> Option<Self> {
        let (name, bytes) = line.strip_prefix(DASH)?.split_once(' ')?;
        let bytes = base64::decode(bytes)?;
        let (key_id, signature) = bytes.split_first_chunk::<4>()?;
        (is_origin(name) && !signature.is_empty()).then(|| Self { name: name.to_owned(), key_id: *key_id, signature: signature.to_vec() })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{DASH}{} {}", self.name, base64::encode(&[self.key_id.as_slice(), &self.signature].concat()))
    }
}

/// Whether a log, or the key that signs for it, may be called so: neither empty nor with a space or a plus.
pub fn is_origin(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|character| character.is_whitespace() || character.is_control() || character == '+')
}

/// A public key of notes. Its text is `<name>+<id>+<key>`, as other tools for notes write it.
#[derive(Clone)]
pub struct VerifierKey {
    name: String,
    /// How it signs.
    kind: u8,
    id: [u8; 4],
    public: [u8; 32],
    key: VerifyingKey,
}

/// A text that is no verifier key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the verifier key of a signed note: it is written <name>+<8 hexadecimal digits>+<base64>, of an Ed25519 key")]
pub struct VerifierKeyError;

impl VerifierKey {
    /// The key of this name.
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self, VerifierKeyError> {
        Self::of_kind(ED25519, name, public)
    }

    fn of_kind(kind: u8, name: &str, public: [u8; 32]) -> Result<Self, VerifierKeyError> {
        let key = VerifyingKey::from_jwk(&Jwk::ed25519(&public)).map_err(|_| VerifierKeyError)?;
        if !is_origin(name) {
            return Err(VerifierKeyError);
        }
        let hash = Hash::of_bytes(&[name.as_bytes(), b"\n", &[kind], &public].concat());
        let [a, b, c, d, ..] = hash.0;
        Ok(Self { name: name.to_owned(), kind, id: [a, b, c, d], public, key })
    }

    fn parse(kind: u8, text: &str) -> Result<Self, VerifierKeyError> {
        let (name, rest) = text.split_once('+').ok_or(VerifierKeyError)?;
        // The key may have a plus in its base64.
        let (_, key) = rest.split_once('+').ok_or(VerifierKeyError)?;
        let key = base64::decode(key).ok_or(VerifierKeyError)?;
        let public = key.strip_prefix(&[kind]).ok_or(VerifierKeyError)?;
        let key = Self::of_kind(kind, name, public.try_into().map_err(|_| VerifierKeyError)?)?;
        if key.to_string() == text { Ok(key) } else { Err(VerifierKeyError) }
    }

    /// Whether the signature is one of this key over exactly this.
    pub(crate) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        self.key.verify(VerificationAlgorithm::EdDsa, signed, signature).is_ok()
    }

    /// The name: the origin of the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same key as JOSE has it, under the name that certificates call it by.
    pub fn jwk(&self) -> Jwk {
        let jwk = Jwk::ed25519(&self.public);
        let kid = jwk.thumbprint();
        Jwk { kid, alg: Some(Algorithm::EdDsa.as_str().to_owned()), public_key_use: Some("sig".to_owned()), ..jwk }
    }
}

impl PartialEq for VerifierKey {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.kind, self.public) == (&other.name, other.kind, other.public)
    }
}

impl Eq for VerifierKey {}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [&[self.kind], self.public.as_slice()].concat();
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id), base64::encode(&typed))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl FromStr for VerifierKey {
    type Err = VerifierKeyError;
    fn from_str(text: &str) -> Result<Self, VerifierKeyError> {
        Self::parse(ED25519, text)
    }
}

/// The public key of a witness, which cosigns. Its text is that of a verifier key of another type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessKey(pub(super) VerifierKey);

/// A text that is no key of a witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the verifier key of a witness: it is written <name>+<8 hexadecimal digits>+<base64>, of an Ed25519 key for cosignatures (type 4)"
)]
pub struct WitnessKeyError;

impl WitnessKey {
    /// The key of this name.
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self, WitnessKeyError> {
        VerifierKey::of_kind(COSIGNATURE, name, public).map(Self).map_err(|_| WitnessKeyError)
    }

    /// The name of the witness.
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for WitnessKey {
    type Err = WitnessKeyError;
    fn from_str(text: &str) -> Result<Self, WitnessKeyError> {
        VerifierKey::parse(COSIGNATURE, text).map(Self).map_err(|_| WitnessKeyError)
    }
}

/// Signs notes in a name.
#[derive(Clone, Debug)]
pub struct NoteSigner {
    key: std::sync::Arc<SigningKey>,
    verifier: VerifierKey,
}

impl NoteSigner {
    /// The signer of this name with an Ed25519 key; None when the key is of another kind or the name can't be one.
    pub fn new(name: &str, key: std::sync::Arc<SigningKey>) -> Option<Self> {
        if key.algorithm() != Algorithm::EdDsa {
            return None;
        }
        let verifier = VerifierKey::new(name, key.ed25519_public()?).ok()?;
        Some(Self { key, verifier })
    }

    /// What verifies its signatures.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The note of a text that ends in a line break.
    pub fn sign(&self, text: &str) -> String {
        let signature = [self.verifier.id.as_slice(), &self.key.sign(text.as_bytes())].concat();
        format!("{text}\n{DASH}{} {}\n", self.verifier.name, base64::encode(&signature))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn signer(name: &str, seed: u8) -> NoteSigner {
        NoteSigner::new(name, Arc::new(SigningKey::from_ed25519_seed(&[seed; 32]))).expect("a signer")
    }

    /// The key and the note that the documentation of Go's `note` package has, which signed notes come from.
    const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\u{2014} PeterNeumann \
        x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn a_note_of_another_program_verifies() {
        let key: VerifierKey = GO_KEY.parse().expect("a key");
        assert_eq!((key.to_string().as_str(), key.name()), (GO_KEY, "PeterNeumann"));
        let note = Note::parse(GO_NOTE).expect("a note");
        assert!(note.verified_by(&[key]).expect("verified").ends_with("problem is.\n"));
    }

    #[test]
    fn what_is_signed_verifies_and_nothing_else_does() {
        let signer = signer("auth.example.com", 1);
        let signed = signer.sign("one\n\ntwo\n");
        let keys = [signer.verifier().clone()];
        assert_eq!(Note::parse(&signed).expect("a note").verified_by(&keys), Ok("one\n\ntwo\n"));
        let changed = Note::parse(&signed.replace("two", "tvo")).expect("a note");
        assert_eq!(changed.verified_by(&keys), Err(NoteError::BadSignature));
        let stranger = super::tests::signer("auth.example.com", 2);
        assert_eq!(Note::parse(&signed).expect("a note").verified_by(&[stranger.verifier().clone()]), Err(NoteError::Unsigned));
        let other_name = super::tests::signer("other.example.com", 1);
        assert_eq!(Note::parse(&signed).expect("a note").verified_by(&[other_name.verifier().clone()]), Err(NoteError::Unsigned));
        assert_eq!(Note::parse(&signed).expect("a note").verified_by(&[]), Err(NoteError::Unsigned));
    }

    #[test]
    fn signatures_of_strangers_are_passed_over_and_a_wrong_one_of_ours_is_not() {
        let (ours, theirs) = (signer("auth.example.com", 1), signer("witness.example.com", 2));
        let line = |note: &str| note.rsplit_once("\n\n").expect("a note").1.to_owned();
        let both = ours.sign("text\n") + &line(&theirs.sign("text\n"));
        let key = ours.verifier().clone();
        assert_eq!(Note::parse(&both).expect("a note").verified_by(std::slice::from_ref(&key)), Ok("text\n"));
        let wrong = both + &line(&ours.sign("another\n"));
        assert_eq!(Note::parse(&wrong).expect("a note").verified_by(&[key]), Err(NoteError::BadSignature));
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let good = signer("a", 1).sign("text\n");
        for bad in [
            String::new(),
            "text\n".to_owned(),
            good.trim_end().to_owned(),
            good.replace("\u{2014} a ", "\u{2014} a  "),
            good.replace("\u{2014} a ", "- a "),
            good.replace("text", "te\txt"),
            good.replace("= ", "=").replace('\u{2014}', ""),
            format!("{good}\n"),
            format!("{good}{}", "\u{2014} b AAAAAAA=\n".repeat(MOST_SIGNATURES)),
        ] {
            assert_eq!(Note::parse(&bad), Err(NoteError::Malformed), "{bad:?}");
        }
    }

    #[test]
    fn a_key_has_one_text() {
        let good = signer("a", 1).verifier().to_string();
        for bad in [
            good.replace("a+", "b+"),
            good.replacen("a+", "+", 1),
            good.to_uppercase(),
            format!("{good} "),
            good[..good.len() - 4].to_owned(),
            "a+00000000+AQ==".to_owned(),
            String::new(),
        ] {
            assert_eq!(bad.parse::<VerifierKey>(), Err(VerifierKeyError), "{bad}");
        }
        assert!(VerifierKey::new("has space", [3; 32]).is_err() && VerifierKey::new("has+plus", [3; 32]).is_err());
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "\\PC{0,80}", key in "[a-z+0-9A-Z/=]{0,60}") {
            let _ = (Note::parse(&text), key.parse::<VerifierKey>());
        }
    }
}
