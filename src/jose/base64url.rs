//! Base64url without padding (RFC 7515 §2).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Writes bytes as text.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads text strictly: no padding, no other characters, no stray bits at the end, so that a value has one spelling.
pub(crate) fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7515_2_a_value_has_one_spelling() {
        assert_eq!(decode("-_8"), Some(vec![0xfb, 0xff]));
        for text in ["-_8=", "+/8", "-_9", "-_8 ", "-_8\n", "-", "-_8.."] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
