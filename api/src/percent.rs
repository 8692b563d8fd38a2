//! Strict percent-decoding. The usual decoders replace what they can't read; an identifier that was silently altered
//! is worse than an error.

/// The text is not percent-encoded UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotDecodable;

/// Decodes one path segment (RFC 3986 §2.1).
pub(crate) fn decode_segment(text: &str) -> Result<String, NotDecodable> {
    decode(text, false)
}

/// Decodes a name or a value of a query, where `+` is a space (URL Standard, application/x-www-form-urlencoded).
pub(crate) fn decode_query(text: &str) -> Result<String, NotDecodable> {
    decode(text, true)
}

fn decode(text: &str, plus_is_space: bool) -> Result<String, NotDecodable> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'%' => hex(rest.next())? << 4 | hex(rest.next())?,
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).map_err(|_| NotDecodable)
}

fn hex(digit: Option<u8>) -> Result<u8, NotDecodable> {
    let value = char::from(digit.ok_or(NotDecodable)?).to_digit(16).ok_or(NotDecodable)?;
    u8::try_from(value).map_err(|_| NotDecodable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_decoded_once() {
        assert_eq!(decode_segment("a%2Fb%20%C3%A9%252F+"), Ok("a/b é%2F+".to_owned()));
    }

    #[test]
    fn a_query_has_spaces_as_plus() {
        assert_eq!(decode_query("a+b%2B"), Ok("a b+".to_owned()));
    }

    #[test]
    fn what_is_not_utf8_or_cut_short_is_an_error() {
        for text in ["%", "%4", "%zz", "%ff", "%C3", "%+1"] {
            assert_eq!(decode_segment(text), Err(NotDecodable), "{text}");
        }
    }
}
