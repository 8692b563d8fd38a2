//! Verifying. A key knows its algorithms, so the header of a JWS never chooses how a key is used (RFC 8725 §3.1).

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
};

use super::{Jwk, JwkError, VerificationAlgorithm, base64url};

/// A public key, parsed and checked.
#[derive(Clone)]
pub struct VerifyingKey {
    key: Key,
    /// RFC 7517 §4.4: the JWK's `alg`, if it has one.
    only: Option<VerificationAlgorithm>,
}

/// The signature is not one of this key over this message by this algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not valid")]
pub struct BadSignature;

#[derive(Clone)]
enum Key {
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
    P256(ParsedPublicKey),
    Rsa { pkcs1: ParsedPublicKey, pss: ParsedPublicKey },
}

impl VerifyingKey {
    /// Reads and checks a JWK that is to verify signatures.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, JwkError> {
        // RFC 7517 §4.2, §4.3: a key that says what it is for is for nothing else.
        let for_signatures = jwk.public_key_use.as_deref().is_none_or(|purpose| purpose == "sig");
        let may_verify = jwk.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
        if !for_signatures || !may_verify {
            return Err(JwkError::Unsupported);
        }
        let only = jwk.alg.as_deref().map(str::parse::<VerificationAlgorithm>).transpose().map_err(|_| JwkError::Unsupported)?;
        let key = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => ed25519(jwk)?,
            ("EC", Some("P-256")) => p256(jwk)?,
            ("RSA", _) => rsa(jwk)?,
            ("oct", _) => return Err(JwkError::Symmetric),
            _ => return Err(JwkError::Unsupported),
        };
        if only.is_some_and(|algorithm| !key.algorithms().contains(&algorithm)) {
            return Err(JwkError::InvalidKey);
        }
        Ok(Self { key, only })
    }

    /// Whether signatures of this algorithm can be this key's.
    pub fn accepts(&self, algorithm: VerificationAlgorithm) -> bool {
        self.key.algorithms().contains(&algorithm) && self.only.is_none_or(|only| only == algorithm)
    }

    /// Verifies a signature as JWS has it (RFC 7518 §3, RFC 8037 §3.1).
    pub fn verify(&self, algorithm: VerificationAlgorithm, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        if !self.accepts(algorithm) {
            return Err(BadSignature);
        }
        match (&self.key, algorithm) {
            (Key::Ed25519(key), VerificationAlgorithm::EdDsa) => verify_ed25519(key, message, signature),
            (Key::P256(key), VerificationAlgorithm::Es256) => verify_p256(key, message, signature),
            (Key::Rsa { pkcs1, .. }, VerificationAlgorithm::Rs256) => pkcs1.verify_sig(message, signature).map_err(|_| BadSignature),
            (Key::Rsa { pss, .. }, VerificationAlgorithm::Ps256) => pss.verify_sig(message, signature).map_err(|_| BadSignature),
            (Key::Ed25519(_) | Key::P256(_) | Key::Rsa { .. }, _) => Err(BadSignature),
        }
    }
}

impl Key {
    fn algorithms(&self) -> &'static [VerificationAlgorithm] {
        match self {
            Self::Ed25519(_) => &[VerificationAlgorithm::EdDsa],
            Self::P256(_) => &[VerificationAlgorithm::Es256],
            Self::Rsa { .. } => &[VerificationAlgorithm::Rs256, VerificationAlgorithm::Ps256],
        }
    }
}

fn verify_ed25519(key: &ed25519_dalek::VerifyingKey, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
    let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| BadSignature)?;
    key.verify_strict(message, &signature).map_err(|_| BadSignature)
}

fn verify_p256(key: &ParsedPublicKey, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
    // RFC 7518 §3.4: R and S, 32 octets each.
    if signature.len() != 64 {
        return Err(BadSignature);
    }
    key.verify_sig(message, signature).map_err(|_| BadSignature)
}

fn ed25519(jwk: &Jwk) -> Result<Key, JwkError> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(&octets(jwk.x.as_deref())?).map_err(|_| JwkError::InvalidKey)?;
    // A key of small order verifies signatures that nobody made.
    if key.is_weak() { Err(JwkError::InvalidKey) } else { Ok(Key::Ed25519(Box::new(key))) }
}

fn p256(jwk: &Jwk) -> Result<Key, JwkError> {
    // RFC 7518 §6.2.1.2: coordinates have the full size of the curve. That the point lies on it is checked in parsing.
    let (x, y): ([u8; 32], [u8; 32]) = (octets(jwk.x.as_deref())?, octets(jwk.y.as_deref())?);
    let point = [&[0x04], x.as_slice(), y.as_slice()].concat();
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map(Key::P256).map_err(|_| JwkError::InvalidKey)
}

fn rsa(jwk: &Jwk) -> Result<Key, JwkError> {
    let n = unsigned(jwk.n.as_deref())?;
    let e = unsigned(jwk.e.as_deref())?;
    // RFC 7518 §3.3: 2048 bits or more; the upper bound keeps verification cheap.
    let bits = n.len() * 8 - n[0].leading_zeros() as usize;
    if !(2048..=8192).contains(&bits) {
        return Err(JwkError::RsaSize);
    }
    // RFC 8017 §3.1: both are odd, e is at least 3; no one uses an exponent beyond 32 bits.
    let is_odd = |number: &[u8]| number.last().is_some_and(|octet| octet & 1 == 1);
    if !is_odd(&n) || !is_odd(&e) || e == [1] || e.len() > 4 {
        return Err(JwkError::InvalidKey);
    }
    let components = RsaPublicKeyComponents { n, e };
    let parsed = |parameters| components.to_parsed_public_key(parameters).map_err(|_| JwkError::InvalidKey);
    Ok(Key::Rsa { pkcs1: parsed(&RSA_PKCS1_2048_8192_SHA256)?, pss: parsed(&RSA_PSS_2048_8192_SHA256)? })
}

fn octets(member: Option<&str>) -> Result<[u8; 32], JwkError> {
    member.and_then(base64url::decode).and_then(|octets| octets.try_into().ok()).ok_or(JwkError::InvalidKey)
}

/// RFC 7518 §2, Base64urlUInt: big-endian, at least one octet and no leading zero.
fn unsigned(member: Option<&str>) -> Result<Vec<u8>, JwkError> {
    member.and_then(base64url::decode).filter(|octets| octets.first().is_some_and(|first| *first != 0)).ok_or(JwkError::InvalidKey)
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("algorithms", &self.key.algorithms()).field("only", &self.only).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::{SigningKey, base64url};

    fn ed25519_jwk() -> Jwk {
        SigningKey::from_ed25519_seed(&[1; 32]).public_jwk()
    }

    #[test]
    fn rfc7517_4_2_a_key_for_other_purposes_is_not_used() {
        let refused = |jwk: Jwk| VerifyingKey::from_jwk(&jwk).err();
        assert_eq!(refused(Jwk { public_key_use: Some("enc".into()), ..ed25519_jwk() }), Some(JwkError::Unsupported));
        assert_eq!(refused(Jwk { key_ops: Some(vec!["encrypt".into()]), ..ed25519_jwk() }), Some(JwkError::Unsupported));
        assert_eq!(refused(Jwk { alg: Some("ES256".into()), ..ed25519_jwk() }), Some(JwkError::InvalidKey));
        assert_eq!(refused(Jwk { alg: Some("HS256".into()), ..ed25519_jwk() }), Some(JwkError::Unsupported));
        let verifying = Jwk { key_ops: Some(vec!["verify".into()]), public_key_use: Some("sig".into()), ..ed25519_jwk() };
        assert_eq!(refused(verifying), None);
    }

    #[test]
    fn rfc7518_3_3_a_short_rsa_key_is_refused() {
        let rsa = |octets: usize| {
            let n = base64url::encode(vec![0xff; octets]);
            VerifyingKey::from_jwk(&Jwk::from_value(&json!({"kty": "RSA", "n": n, "e": "AQAB"})).expect("a public JWK")).err()
        };
        assert_eq!(rsa(128), Some(JwkError::RsaSize));
        assert_eq!(rsa(255), Some(JwkError::RsaSize));
        assert_eq!(rsa(1025), Some(JwkError::RsaSize));
        assert_eq!(rsa(256), None);
    }

    #[test]
    fn rfc8017_3_1_a_bad_exponent_or_an_even_modulus_is_refused() {
        for (n, e) in [(vec![0xff; 256], vec![1]), (vec![0xff; 256], vec![4]), (vec![0xfe; 256], vec![3]), (vec![0xff; 256], vec![0, 3])] {
            assert_eq!(VerifyingKey::from_jwk(&Jwk::rsa(&n, &e)).err(), Some(JwkError::InvalidKey));
        }
    }

    #[test]
    fn rfc7518_6_2_1_a_point_that_is_not_on_the_curve_is_refused() {
        assert_eq!(VerifyingKey::from_jwk(&Jwk::p256(&[1; 32], &[2; 32])).err(), Some(JwkError::InvalidKey));
        assert_eq!(VerifyingKey::from_jwk(&Jwk::p256(&[0; 32], &[0; 32])).err(), Some(JwkError::InvalidKey));
        assert_eq!(VerifyingKey::from_jwk(&Jwk::p256(&[1; 31], &[2; 32])).err(), Some(JwkError::InvalidKey));
    }

    #[test]
    fn an_ed25519_key_of_small_order_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(VerifyingKey::from_jwk(&Jwk::ed25519(&identity)).err(), Some(JwkError::InvalidKey));
        assert_eq!(VerifyingKey::from_jwk(&Jwk::ed25519(&[7; 31])).err(), Some(JwkError::InvalidKey));
    }

    #[test]
    fn other_curves_are_not_supported() {
        for (kty, crv) in [("EC", "P-384"), ("EC", "secp256k1"), ("OKP", "X25519"), ("OKP", "Ed448"), ("EC", "Ed25519")] {
            let jwk = Jwk { kty: kty.into(), crv: Some(crv.into()), ..ed25519_jwk() };
            assert_eq!(VerifyingKey::from_jwk(&jwk).err(), Some(JwkError::Unsupported), "{kty} {crv}");
        }
    }
}
