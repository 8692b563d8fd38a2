//! Base64 as notes and proofs have it: RFC 4648 §4, with padding.

use base64::{Engine, prelude::BASE64_STANDARD};

pub(super) fn encode(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// Strict: one text for each sequence of bytes.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok()
}
