//! Keyed hashes of secrets that the server made. Such a secret has 256 random bits, so a fast hash is enough; the key
//! makes a stolen log worthless for trying guesses.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// What is kept of a secret that the server made: HMAC-SHA-256 under a key derived from the master key, base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretHash(pub(crate) String);

/// Hashes secrets, and compares them with their hashes.
#[derive(Clone)]
pub struct SecretHasher(hmac::Key);

impl SecretHasher {
    /// A hasher; those of one key agree.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// What to keep of a secret.
    pub fn hash(&self, secret: &str) -> SecretHash {
        SecretHash(URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, secret.as_bytes())))
    }

    /// Whether the hash is this secret's; takes the same time wherever they differ.
    pub fn verify(&self, secret: &str, hash: &SecretHash) -> bool {
        URL_SAFE_NO_PAD.decode(&hash.0).is_ok_and(|tag| hmac::verify(&self.0, secret.as_bytes(), &tag).is_ok())
    }
}

impl fmt::Debug for SecretHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHasher(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(octet: u8) -> SecretHasher {
        SecretHasher::new(&[octet; 32])
    }

    #[test]
    fn only_the_secret_and_the_key_give_the_hash() {
        let hash = hasher(1).hash("secret");
        assert!(hasher(1).verify("secret", &hash));
        assert!(!hasher(1).verify("Secret", &hash));
        assert!(!hasher(2).verify("secret", &hash));
    }

    #[test]
    fn what_is_no_hash_fits_no_secret() {
        for text in ["", "AA", "?", &hasher(1).hash("secret").0[1..]] {
            assert!(!hasher(1).verify("secret", &SecretHash(text.into())), "{text}");
        }
    }
}
