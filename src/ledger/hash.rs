//! The two hashes of the tree.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::base64;

/// A SHA-256 in the tree: of a leaf, or of a node with all below it. Its text is base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Hash(pub [u8; 32]);

/// A text or a length that is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a hash: it must be 32 octets")]
pub struct NoHash;

impl Hash {
    /// How many octets it has.
    pub const LENGTH: usize = 32;

    fn of(parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(part);
        }
        let mut hash = [0; Self::LENGTH];
        hash.copy_from_slice(context.finish().as_ref());
        Self(hash)
    }

    /// The root of the tree without leaves.
    pub(super) fn of_nothing() -> Self {
        // RFC 6962 §2.1: the hash of an empty list is the hash of an empty string.
        Self::of(&[])
    }

    /// The plain hash of some bytes.
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        Self::of(&[bytes])
    }

    /// As hexadecimal digits, which is how names of files have it.
    pub fn to_hex(&self) -> String {
        self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect()
    }
}

/// The hash of a leaf with these bytes.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    // RFC 6962 §2.1: 0x00 before a leaf and 0x01 before a node, so that none can be taken for the other.
    Hash::of(&[&[0], entry])
}

/// The hash of a node with these two below it.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash::of(&[&[1], &left.0, &right.0])
}

impl TryFrom<&[u8]> for Hash {
    type Error = NoHash;
    fn try_from(bytes: &[u8]) -> Result<Self, NoHash> {
        bytes.try_into().map(Self).map_err(|_| NoHash)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64::encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Hash {
    type Err = NoHash;
    fn from_str(text: &str) -> Result<Self, NoHash> {
        base64::decode(text).ok_or(NoHash)?.as_slice().try_into()
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for Hash {
    type Error = NoHash;
    fn try_from(text: String) -> Result<Self, NoHash> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6962_2_1_nothing_leaves_and_nodes_are_hashed_apart() {
        assert_eq!(Hash::of_nothing().to_hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(leaf_hash(b"").to_hex(), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        let (left, right) = (leaf_hash(b"a"), leaf_hash(b"b"));
        assert_ne!(node_hash(&left, &right), node_hash(&right, &left));
        assert_ne!(node_hash(&left, &right), leaf_hash(&[left.0, right.0].concat()));
    }

    #[test]
    fn a_hash_has_one_text() {
        let hash = leaf_hash(b"a");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(serde_json::from_value::<Hash>(serde_json::to_value(hash).expect("JSON")).expect("a hash"), hash);
        for text in ["", "AAAA", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", " 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="] {
            assert_eq!(text.parse::<Hash>(), Err(NoHash), "{text}");
        }
    }
}
