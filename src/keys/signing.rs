//! Which key signs now, which still verify, and what is published.

use std::sync::Arc;

use quick_cache::sync::Cache;
use serde_json::{Value, json};

use crate::{
    domain::Timestamp,
    jose::{Algorithm, Jwk, VerifyingKey},
};

/// What is known of one signing key. Revoked keys have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyEntry {
    /// Its name: the thumbprint of its public half (RFC 7638).
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// The public half.
    pub public_jwk: Value,
    /// When it begins to sign; it is published before.
    pub active_from: Timestamp,
    /// When it stops to sign.
    pub retired_at: Option<Timestamp>,
    /// When the last token it signed has expired.
    pub published_until: Option<Timestamp>,
}

/// Knows all signing keys that are not revoked.
pub trait KeyDirectory: Send + Sync {
    /// The keys, in any order.
    fn keys(&self) -> Arc<[SigningKeyEntry]>;
}

impl SigningKeyEntry {
    fn signs(&self, now: Timestamp) -> bool {
        self.active_from <= now && self.retired_at.is_none_or(|retired| now < retired)
    }

    fn is_published(&self, now: Timestamp) -> bool {
        self.published_until.is_none_or(|until| now < until)
    }

    /// The public half as it is published: named, and for one algorithm only. None if it is no public key, so that
    /// nothing else ever gets out here.
    fn published_jwk(&self) -> Option<Value> {
        let jwk = Jwk::from_value(&self.public_jwk).ok()?;
        let purpose = Some("sig".to_owned());
        let alg = Some(self.algorithm.as_str().to_owned());
        Some(Jwk { kid: Some(self.kid.clone()), alg, public_key_use: purpose, key_ops: None, ..jwk }.to_value())
    }
}

/// The key that signs now: of the active ones the newest.
pub fn signs_at(keys: &[SigningKeyEntry], algorithm: Algorithm, now: Timestamp) -> Option<&SigningKeyEntry> {
    // The kid only decides between keys of the same moment, so that all nodes choose the same.
    keys.iter().filter(|key| key.algorithm == algorithm && key.signs(now)).max_by_key(|key| (key.active_from, &key.kid))
}

/// The keys to publish: those to come, those that sign, and those whose tokens may still live.
pub fn published_at(keys: &[SigningKeyEntry], now: Timestamp) -> Vec<&SigningKeyEntry> {
    keys.iter().filter(|key| key.is_published(now)).collect()
}

/// The JWK Set to publish (RFC 7517 §5).
pub fn jwk_set(keys: &[SigningKeyEntry], now: Timestamp) -> Value {
    let keys: Vec<Value> = published_at(keys, now).into_iter().filter_map(SigningKeyEntry::published_jwk).collect();
    json!({ "keys": keys })
}

/// The key that a token of ours with this `kid` is verified with; None when none of that name is published any more.
pub fn verifying<'a>(keys: &'a [SigningKeyEntry], kid: &str, now: Timestamp) -> Option<&'a SigningKeyEntry> {
    keys.iter().find(|key| key.kid == kid && key.is_published(now))
}

/// Public halves, parsed once. A kid is the thumbprint of its key, so what is kept never changes.
#[derive(Debug)]
pub struct VerifyingKeys(Cache<String, Arc<VerifyingKey>>);

impl Default for VerifyingKeys {
    fn default() -> Self {
        Self(Cache::new(64))
    }
}

impl VerifyingKeys {
    /// The parsed public half; None if the entry does not hold one that fits its name and its algorithm.
    pub fn get(&self, entry: &SigningKeyEntry) -> Option<Arc<VerifyingKey>> {
        if let Some(known) = self.0.get(entry.kid.as_str()) {
            return Some(known);
        }
        let jwk = Jwk::from_value(&entry.published_jwk()?).ok()?;
        let parsed = VerifyingKey::from_jwk(&jwk).ok().filter(|_| jwk.thumbprint().as_deref() == Some(&entry.kid))?;
        let parsed = Arc::new(parsed);
        self.0.insert(entry.kid.clone(), Arc::clone(&parsed));
        Some(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{SigningKey, UnverifiedJwt, VerificationAlgorithm, sign_jwt};

    fn entry(seed: u8, active_from: i64) -> SigningKeyEntry {
        let key = SigningKey::from_ed25519_seed(&[seed; 32]);
        SigningKeyEntry {
            kid: key.kid().to_owned(),
            algorithm: Algorithm::EdDsa,
            public_jwk: key.public_jwk().to_value(),
            active_from: Timestamp(active_from),
            retired_at: None,
            published_until: None,
        }
    }

    fn retired(seed: u8, active_from: i64, at: i64, until: i64) -> SigningKeyEntry {
        SigningKeyEntry { retired_at: Some(Timestamp(at)), published_until: Some(Timestamp(until)), ..entry(seed, active_from) }
    }

    #[test]
    fn the_newest_active_key_signs() {
        let keys = [retired(1, 0, 20, 40), entry(2, 10), entry(3, 30)];
        let signs = |now| signs_at(&keys, Algorithm::EdDsa, Timestamp(now)).map(|key| key.kid.as_str());
        assert_eq!(signs(-1), None);
        assert_eq!(signs(9), Some(keys[0].kid.as_str()));
        assert_eq!(signs(10), Some(keys[1].kid.as_str()));
        assert_eq!(signs(30), Some(keys[2].kid.as_str()));
        assert_eq!(signs_at(&keys, Algorithm::Rs256, Timestamp(10)), None);
    }

    #[test]
    fn a_retired_key_signs_no_more_and_is_published_until_its_tokens_have_expired() {
        let keys = [retired(1, 0, 20, 40)];
        assert!(signs_at(&keys, Algorithm::EdDsa, Timestamp(19)).is_some());
        assert!(signs_at(&keys, Algorithm::EdDsa, Timestamp(20)).is_none());
        assert!(verifying(&keys, &keys[0].kid, Timestamp(39)).is_some());
        assert!(verifying(&keys, &keys[0].kid, Timestamp(40)).is_none());
        assert_eq!(jwk_set(&keys, Timestamp(40)), json!({"keys": []}));
    }

    #[test]
    fn a_key_is_published_before_it_signs() {
        let keys = [entry(1, 100)];
        assert_eq!(published_at(&keys, Timestamp(0)).len(), 1);
        assert_eq!(signs_at(&keys, Algorithm::EdDsa, Timestamp(0)), None);
    }

    #[test]
    fn a_published_key_has_its_name_its_algorithm_and_its_use() {
        let keys = [entry(1, 0)];
        let expected = json!({"keys": [{
            "kty": "OKP", "crv": "Ed25519", "x": keys[0].public_jwk["x"], "kid": keys[0].kid, "alg": "EdDSA", "use": "sig",
        }]});
        assert_eq!(jwk_set(&keys, Timestamp(0)), expected);
    }

    #[test]
    fn rfc7517_9_3_private_members_are_never_published() {
        let mut key = entry(1, 0);
        key.public_jwk["d"] = json!("AA");
        assert_eq!(jwk_set(&[key.clone()], Timestamp(0)), json!({"keys": []}));
        assert!(VerifyingKeys::default().get(&key).is_none());
    }

    #[test]
    fn a_token_is_verified_by_the_key_of_its_kid() {
        let (key, entry) = (SigningKey::from_ed25519_seed(&[1; 32]), entry(1, 0));
        let jwt = sign_jwt(&key, key.kid(), None, &json!({"a": 1}));
        let keys = VerifyingKeys::default();
        for _ in 0..2 {
            let public = keys.get(&entry).expect("a public key");
            assert!(UnverifiedJwt::parse(&jwt).expect("a JWT").verify(&public, &[VerificationAlgorithm::EdDsa]).is_ok());
        }
        let misnamed = SigningKeyEntry { kid: "other".into(), ..entry };
        assert!(keys.get(&misnamed).is_none());
    }
}
