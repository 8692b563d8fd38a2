//! Signing. Keys are parsed once; a signature only signs.

use std::fmt;

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};
use ed25519_dalek::Signer as _;
use zeroize::Zeroizing;

use super::{Algorithm, Jwk};

/// RFC 8410 §7: version 0, id-Ed25519 without parameters, an OCTET STRING within an OCTET STRING; the 32 octets follow.
const ED25519_PKCS8: [u8; 16] = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// A private key, parsed.
pub struct SigningKey {
    key: Key,
    public: Jwk,
    kid: String,
}

/// The bytes are no private key for the algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a private key for {0}")]
pub struct KeyRefused(pub Algorithm);

enum Key {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl SigningKey {
    /// The Ed25519 key of a seed (RFC 8032 §5.1.5).
    pub fn from_ed25519_seed(seed: &[u8; 32]) -> Self {
        Self::new(Key::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(seed))))
    }

    /// Reads a private key in PKCS#8.
    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, KeyRefused> {
        let refused = KeyRefused(algorithm);
        let key = match algorithm {
            Algorithm::EdDsa => return ed25519_seed(pkcs8).map(|seed| Self::from_ed25519_seed(&seed)).ok_or(refused),
            Algorithm::Es256 => Key::P256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(|_| refused)?),
            Algorithm::Rs256 => Key::Rsa(RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| refused)?),
        };
        Ok(Self::new(key))
    }

    pub(crate) fn from_p256(key: EcdsaKeyPair) -> Self {
        Self::new(Key::P256(key))
    }

    pub(crate) fn from_rsa(key: RsaKeyPair) -> Self {
        Self::new(Key::Rsa(key))
    }

    fn new(key: Key) -> Self {
        let public = key.public_jwk();
        let kid = public.thumbprint().expect("a JWK of ours has its required members");
        Self { key, public, kid }
    }

    /// The private key in PKCS#8.
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        match &self.key {
            Key::Ed25519(key) => Zeroizing::new([ED25519_PKCS8.as_slice(), key.as_bytes()].concat()),
            Key::P256(key) => Zeroizing::new(key.to_pkcs8v1().expect("a parsed key has a PKCS#8 form").as_ref().to_vec()),
            Key::Rsa(key) => Zeroizing::new(key.as_der().expect("a parsed key has a PKCS#8 form").as_ref().to_vec()),
        }
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        match self.key {
            Key::Ed25519(_) => Algorithm::EdDsa,
            Key::P256(_) => Algorithm::Es256,
            Key::Rsa(_) => Algorithm::Rs256,
        }
    }

    /// The public half, without `kid`, `alg` and `use`.
    pub fn public_jwk(&self) -> Jwk {
        self.public.clone()
    }

    /// The public half of an Ed25519 key as RFC 8032 encodes it; None for keys of other kinds.
    pub fn ed25519_public(&self) -> Option<[u8; 32]> {
        match &self.key {
            Key::Ed25519(key) => Some(key.verifying_key().to_bytes()),
            Key::P256(_) | Key::Rsa(_) => None,
        }
    }

    /// The name it goes by: its thumbprint (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Signs as JWS has it (RFC 7518 §3, RFC 8037 §3.1).
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        // The nonce of ECDSA is the library's own; it ignores the source that is passed.
        let random = SystemRandom::new();
        match &self.key {
            Key::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Key::P256(key) => key.sign(&random, message).expect("a checked P-256 key signs every message").as_ref().to_vec(),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("a checked RSA key signs every message");
                signature
            }
        }
    }
}

impl Key {
    fn public_jwk(&self) -> Jwk {
        match self {
            Self::Ed25519(key) => Jwk::ed25519(key.verifying_key().as_bytes()),
            Self::P256(key) => {
                // SEC 1 §2.3.3: the octet 4, then both coordinates in 32 octets each.
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                Jwk::p256(x, y)
            }
            Self::Rsa(key) => {
                let public = key.public_key();
                Jwk::rsa(public.modulus().big_endian_without_leading_zero(), public.exponent().big_endian_without_leading_zero())
            }
        }
    }
}

fn ed25519_seed(pkcs8: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    pkcs8.strip_prefix(&ED25519_PKCS8)?.try_into().ok().map(Zeroizing::new)
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("algorithm", &self.algorithm()).field("kid", &self.kid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa::KeySize;

    use super::*;
    use crate::jose::{VerificationAlgorithm, VerifyingKey};

    fn made(algorithm: Algorithm) -> SigningKey {
        match algorithm {
            Algorithm::EdDsa => SigningKey::from_ed25519_seed(&[5; 32]),
            Algorithm::Es256 => SigningKey::from_p256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key")),
            Algorithm::Rs256 => SigningKey::from_rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key")),
        }
    }

    #[test]
    fn every_kind_of_key_survives_pkcs8_and_signs_what_its_public_half_verifies() {
        for algorithm in Algorithm::ALL {
            let made = made(algorithm);
            let read = SigningKey::from_pkcs8(algorithm, &made.to_pkcs8()).expect("the same key");
            assert_eq!((read.algorithm(), read.kid()), (algorithm, made.kid()));
            let public = VerifyingKey::from_jwk(&made.public_jwk()).expect("a public key");
            let signature = read.sign(b"message");
            assert_eq!(public.verify(algorithm.into(), b"message", &signature), Ok(()));
            assert!(public.verify(algorithm.into(), b"Message", &signature).is_err());
            for other in VerificationAlgorithm::ALL.into_iter().filter(|other| *other != algorithm.into()) {
                assert!(public.verify(other, b"message", &signature).is_err(), "{algorithm} {other}");
            }
        }
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        let pkcs8 = SigningKey::from_ed25519_seed(&[1; 32]).to_pkcs8();
        for (algorithm, bytes) in
            [(Algorithm::Es256, &pkcs8[..]), (Algorithm::Rs256, &pkcs8[..]), (Algorithm::EdDsa, &pkcs8[1..]), (Algorithm::EdDsa, &[])]
        {
            assert_eq!(SigningKey::from_pkcs8(algorithm, bytes).err(), Some(KeyRefused(algorithm)));
        }
    }

    #[test]
    fn debug_output_holds_no_private_key() {
        let key = SigningKey::from_ed25519_seed(&[0xab; 32]);
        assert_eq!(format!("{key:?}"), format!("SigningKey {{ algorithm: EdDsa, kid: {:?}, .. }}", key.kid()));
    }
}
