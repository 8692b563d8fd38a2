//! The grammar of client identifiers (RFC 6749 App. A.1).

use crate::domain::ClientId;

/// The longest client identifier; it becomes part of a stream's name.
pub const MAX_CLIENT_ID_LENGTH: usize = 256;

/// The client that a request names: printable ASCII (`VSCHAR`), or `None`.
pub fn parse_client_id(text: &str) -> Option<ClientId> {
    let well_formed = !text.is_empty() && text.len() <= MAX_CLIENT_ID_LENGTH && text.bytes().all(|b| matches!(b, 0x20..=0x7E));
    well_formed.then(|| ClientId::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_a_1_a_client_id_is_printable_ascii() {
        assert_eq!(parse_client_id("s6BhdRkqt3"), Some(ClientId::from("s6BhdRkqt3")));
        assert_eq!(parse_client_id("a b~"), Some(ClientId::from("a b~")));
        for wrong in ["", "käse", "a\tb", "a\0", &"x".repeat(257)] {
            assert_eq!(parse_client_id(wrong), None, "{wrong:?}");
        }
    }
}
