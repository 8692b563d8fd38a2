//! The signing keys that are, will be or were used, until they are revoked.

use std::{collections::BTreeMap, sync::Arc};

use grantlog_core::{
    domain::{Timestamp, signing_key::SigningKeyEvent},
    jose::Algorithm,
    keys::SigningKeyEntry,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The public half of a signing key and when it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SigningKeyRow {
    /// The key's id, as in the JWK Set (RFC 7517 §4.5).
    kid: String,
    /// What it signs with.
    algorithm: Algorithm,
    /// The public half, a JWK.
    #[serde(with = "crate::json")]
    public_jwk: serde_json::Value,
    /// When it begins to sign.
    active_from: Timestamp,
    /// When it stops to sign, if that is known.
    retired_at: Option<Timestamp>,
    /// When it is published no more, if that is known.
    published_until: Option<Timestamp>,
    /// When it was made.
    generated_at: Timestamp,
}

#[derive(Clone)]
pub(super) struct SigningKeys {
    by_kid: BTreeMap<String, SigningKeyRow>,
    /// What readers get; made anew when a key changes, which is rare.
    list: Arc<[SigningKeyEntry]>,
}

impl Default for SigningKeys {
    fn default() -> Self {
        Self::new(BTreeMap::new())
    }
}

impl SigningKeys {
    fn new(by_kid: BTreeMap<String, SigningKeyRow>) -> Self {
        let list = in_order(&by_kid);
        Self { by_kid, list }
    }

    /// All of them, in the order they were made.
    pub(super) fn list(&self) -> Arc<[SigningKeyEntry]> {
        Arc::clone(&self.list)
    }

    pub(super) fn apply(&mut self, kid: &str, event: SigningKeyEvent, time: Timestamp) {
        match event {
            SigningKeyEvent::Generated { algorithm, public_jwk, active_from } => {
                let key = SigningKeyRow {
                    kid: kid.to_owned(),
                    algorithm,
                    public_jwk,
                    active_from,
                    retired_at: None,
                    published_until: None,
                    generated_at: time,
                };
                self.by_kid.insert(kid.to_owned(), key);
            }
            SigningKeyEvent::Retired { at, published_until } => {
                if let Some(key) = self.by_kid.get_mut(kid) {
                    key.retired_at = Some(at);
                    key.published_until = Some(published_until);
                }
            }
            SigningKeyEvent::Revoked {} => {
                self.by_kid.remove(kid);
            }
        }
        self.list = in_order(&self.by_kid);
    }

    pub(super) fn remove(&mut self, kid: &str) {
        self.by_kid.remove(kid);
        self.list = in_order(&self.by_kid);
    }
}

fn in_order(by_kid: &BTreeMap<String, SigningKeyRow>) -> Arc<[SigningKeyEntry]> {
    let mut keys: Vec<_> = by_kid.values().collect();
    keys.sort_by_key(|key| key.generated_at);
    keys.into_iter().map(SigningKeyRow::entry).collect()
}

impl SigningKeyRow {
    fn entry(&self) -> SigningKeyEntry {
        SigningKeyEntry {
            kid: self.kid.clone(),
            algorithm: self.algorithm,
            public_jwk: self.public_jwk.clone(),
            active_from: self.active_from,
            retired_at: self.retired_at,
            published_until: self.published_until,
        }
    }
}

impl Serialize for SigningKeys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.by_kid.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SigningKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self::new)
    }
}
