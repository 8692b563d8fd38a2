//! A JWK Set (RFC 7517 §5), as a client registers it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Jwk, JwkError, VerifyingKey};

/// More keys than a client can need; each costs work in every authentication that names no `kid`.
const MAX_KEYS: usize = 32;

/// A set of public keys (RFC 7517 §5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwkSet {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// Why a JWK Set is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkSetError {
    /// It is no object with an array `keys`.
    #[error("a JWK Set is an object with an array \"keys\"")]
    Malformed,
    /// It has no key that could verify a signature.
    #[error("the JWK Set has no key that signatures could be verified with")]
    NoUsableKey,
    /// It has more keys than are accepted.
    #[error("the JWK Set has more than {MAX_KEYS} keys")]
    TooManyKeys,
    /// Two keys have one `kid`.
    #[error("the JWK Set has two keys with the same kid")]
    RepeatedKid,
    /// A key is refused.
    #[error(transparent)]
    Key(#[from] JwkError),
}

impl JwkSet {
    /// Reads and checks the `jwks` of a client. Keys of unknown kinds, or for other purposes, are kept and never used
    /// (RFC 7517 §5); a key of a known kind that is no good is refused here and not when the client first uses it.
    pub fn parse(value: &Value) -> Result<Self, JwkSetError> {
        let listed = value.get("keys").and_then(Value::as_array).ok_or(JwkSetError::Malformed)?;
        if listed.len() > MAX_KEYS {
            return Err(JwkSetError::TooManyKeys);
        }
        let keys = listed.iter().map(Jwk::from_value).collect::<Result<Vec<_>, _>>()?;
        let mut usable = 0;
        for (place, key) in keys.iter().enumerate() {
            // RFC 7517 §4.5: different keys have different kids.
            if key.kid.is_some() && keys[..place].iter().any(|other| other.kid == key.kid) {
                return Err(JwkSetError::RepeatedKid);
            }
            match VerifyingKey::from_jwk(key) {
                Ok(_) => usable += 1,
                Err(JwkError::Unsupported) => {}
                Err(refused) => return Err(refused.into()),
            }
        }
        if usable == 0 { Err(JwkSetError::NoUsableKey) } else { Ok(Self { keys }) }
    }

    /// The keys that a JWS with this `kid` may be signed with: the one of that name, or all when it names none. Keys
    /// that can't verify anything here are left out.
    pub fn verifying_keys(&self, kid: Option<&str>) -> Vec<VerifyingKey> {
        self.keys
            .iter()
            .filter(|key| kid.is_none() || key.kid.as_deref() == kid)
            .filter_map(|key| VerifyingKey::from_jwk(key).ok())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::SigningKey;

    fn key(seed: u8, kid: Option<&str>) -> Value {
        Jwk { kid: kid.map(Into::into), ..SigningKey::from_ed25519_seed(&[seed; 32]).public_jwk() }.to_value()
    }

    #[test]
    fn keys_are_found_by_kid() {
        let set = JwkSet::parse(&json!({"keys": [key(1, Some("a")), key(2, Some("b"))]})).expect("two good keys");
        assert_eq!(set.verifying_keys(Some("b")).len(), 1);
        assert_eq!(set.verifying_keys(Some("c")).len(), 0);
        assert_eq!(set.verifying_keys(None).len(), 2);
    }

    #[test]
    fn rfc7517_4_5_two_keys_with_one_kid_are_refused() {
        assert_eq!(JwkSet::parse(&json!({"keys": [key(1, Some("a")), key(2, Some("a"))]})), Err(JwkSetError::RepeatedKid));
        assert!(JwkSet::parse(&json!({"keys": [key(1, None), key(2, None)]})).is_ok());
    }

    #[test]
    fn rfc7517_5_keys_of_unknown_kinds_are_ignored() {
        let other = json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"});
        let set = JwkSet::parse(&json!({"keys": [other, key(1, None)]})).expect("one good key");
        assert_eq!(set.verifying_keys(None).len(), 1);
        assert_eq!(JwkSet::parse(&json!({"keys": [other]})), Err(JwkSetError::NoUsableKey));
    }

    #[test]
    fn a_set_that_is_no_good_is_refused() {
        assert_eq!(JwkSet::parse(&json!({"keys": []})), Err(JwkSetError::NoUsableKey));
        assert_eq!(JwkSet::parse(&json!({"keys": {}})), Err(JwkSetError::Malformed));
        assert_eq!(JwkSet::parse(&json!([])), Err(JwkSetError::Malformed));
        assert_eq!(JwkSet::parse(&json!({"keys": [{"kty": "oct", "k": "AA"}]})), Err(JwkError::Symmetric.into()));
        assert_eq!(JwkSet::parse(&json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA"}]})), Err(JwkError::InvalidKey.into()));
        assert_eq!(JwkSet::parse(&json!({"keys": vec![key(1, None); 33]})), Err(JwkSetError::TooManyKeys));
    }
}
