//! Proof Key for Code Exchange (RFC 7636), S256 only: OAuth 2.1 has no `plain`.

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::SecretText;

/// An S256 code challenge: the SHA-256 of the verifier, base64url, 43 characters (RFC 7636 §4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeChallenge(pub(crate) String);

/// A code verifier: 43 to 128 unreserved characters (RFC 7636 §4.1). A secret until it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeVerifier(SecretText);

/// What is wrong with a challenge or a verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PkceError {
    /// No method, which means `plain`.
    #[error("code_challenge_method is missing, which means plain; only S256 is supported")]
    MethodMissing,
    /// `plain`, or one that nobody knows.
    #[error("code_challenge_method must be S256")]
    MethodUnsupported,
    /// Not what SHA-256 and base64url make.
    #[error("code_challenge must be 43 base64url characters: the SHA-256 of the code_verifier")]
    MalformedChallenge,
    /// Too short, too long, or with other characters.
    #[error("code_verifier must be 43 to 128 letters, digits, hyphens, periods, underscores or tildes")]
    MalformedVerifier,
}

impl CodeChallenge {
    /// Reads `code_challenge` and `code_challenge_method`.
    pub fn parse(challenge: &str, method: Option<&str>) -> Result<Self, PkceError> {
        match method {
            Some("S256") => {}
            // RFC 7636 §4.3: without a method it is `plain`.
            None => return Err(PkceError::MethodMissing),
            Some(_) => return Err(PkceError::MethodUnsupported),
        }
        // RFC 7636 §4.2: base64url of 32 octets, in the one spelling that an encoder gives.
        match URL_SAFE_NO_PAD.decode(challenge) {
            Ok(hash) if hash.len() == SHA256.output_len() => Ok(Self(challenge.to_owned())),
            _ => Err(PkceError::MalformedChallenge),
        }
    }

    /// The challenge as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// RFC 7636 §4.6: whether the challenge was made from this verifier. Takes the same time for every answer.
    #[must_use]
    pub fn verify(&self, verifier: &CodeVerifier) -> bool {
        let computed = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.0.expose().as_bytes()));
        verify_slices_are_equal(self.0.as_bytes(), computed.as_bytes()).is_ok()
    }
}

impl CodeVerifier {
    /// Reads `code_verifier`.
    pub fn parse(text: &str) -> Result<Self, PkceError> {
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        // RFC 7636 §4.1: shorter verifiers could be guessed.
        if (43..=128).contains(&text.len()) && text.bytes().all(unreserved) {
            Ok(Self(text.into()))
        } else {
            Err(PkceError::MalformedVerifier)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn challenge() -> CodeChallenge {
        CodeChallenge::parse(CHALLENGE, Some("S256")).unwrap()
    }

    #[test]
    fn rfc7636_app_b_the_verifier_answers_the_challenge() {
        assert!(challenge().verify(&CodeVerifier::parse(VERIFIER).unwrap()));
    }

    #[test]
    fn rfc7636_4_6_another_verifier_does_not() {
        let other = VERIFIER.replace('d', "e");
        assert!(!challenge().verify(&CodeVerifier::parse(&other).unwrap()));
        // The challenge is public and must not answer for itself, as it would under `plain`.
        assert!(!challenge().verify(&CodeVerifier::parse(CHALLENGE).unwrap()));
    }

    #[test]
    fn rfc7636_4_3_plain_is_refused_however_it_is_asked_for() {
        assert_eq!(CodeChallenge::parse(CHALLENGE, None), Err(PkceError::MethodMissing));
        for method in ["plain", "s256", "S256 ", "none", ""] {
            assert_eq!(CodeChallenge::parse(CHALLENGE, Some(method)), Err(PkceError::MethodUnsupported), "{method:?}");
        }
    }

    #[test]
    fn rfc7636_4_2_a_challenge_is_43_base64url_characters() {
        let wrong = [
            String::new(),
            CHALLENGE[1..].to_owned(),
            format!("{CHALLENGE}A"),
            format!("{CHALLENGE}="),
            CHALLENGE.replace('-', "+"),
            // Bits that no encoder sets: no verifier could ever answer it.
            CHALLENGE.replace("-cM", "-cN"),
        ];
        for text in wrong {
            assert_eq!(CodeChallenge::parse(&text, Some("S256")), Err(PkceError::MalformedChallenge), "{text}");
        }
    }

    #[test]
    fn rfc7636_4_1_a_verifier_has_43_to_128_unreserved_characters() {
        assert!(CodeVerifier::parse(&"a".repeat(43)).is_ok());
        assert!(CodeVerifier::parse(&"~".repeat(128)).is_ok());
        for text in ["a".repeat(42), "a".repeat(129), "+".repeat(43), "ä".repeat(43), " ".repeat(43), String::new()] {
            assert_eq!(CodeVerifier::parse(&text), Err(PkceError::MalformedVerifier), "{text}");
        }
    }

    #[test]
    fn a_verifier_does_not_print() {
        assert!(!format!("{:?}", CodeVerifier::parse(VERIFIER).unwrap()).contains("dBjf"));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,140}", method in proptest::option::of("\\PC{0,8}")) {
            let _ = CodeVerifier::parse(&text);
            let _ = CodeChallenge::parse(&text, method.as_deref());
            let _ = CodeChallenge::parse(&text, Some("S256"));
        }

        #[test]
        fn a_challenge_is_answered_by_its_own_verifier_only(a in "[A-Za-z0-9._~-]{43,128}", b in "[A-Za-z0-9._~-]{43,128}") {
            let printed = URL_SAFE_NO_PAD.encode(digest(&SHA256, a.as_bytes()));
            let challenge = CodeChallenge::parse(&printed, Some("S256")).unwrap();
            prop_assert_eq!(challenge.as_str(), printed);
            prop_assert!(challenge.verify(&CodeVerifier::parse(&a).unwrap()));
            prop_assert_eq!(challenge.verify(&CodeVerifier::parse(&b).unwrap()), a == b);
        }
    }
}
