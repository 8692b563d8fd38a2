//! The grammar of the header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07 §2.1).

/// The longest key, without its quotes.
pub const MAX_IDEMPOTENCY_KEY_LENGTH: usize = 255;

/// What a caller names a request by, so that its repetition is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// Why a value of the header is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdempotencyKey {
    /// There is no key in it.
    #[error("it is empty")]
    Empty,
    /// Longer than [`MAX_IDEMPOTENCY_KEY_LENGTH`].
    #[error("it has more than {MAX_IDEMPOTENCY_KEY_LENGTH} characters")]
    TooLong,
    /// Neither a string nor a plain word.
    #[error("it must be a string of printable ASCII in double quotes (RFC 8941 §3.3.3), or a plain word such as a UUID")]
    Malformed,
}

impl IdempotencyKey {
    /// Reads the value of the header. The draft wants a string in quotes; many callers send the same key without them,
    /// and it is the same key then.
    pub fn parse(value: &str) -> Result<Self, InvalidIdempotencyKey> {
        let value = value.trim_matches(' ');
        let key = match value.strip_prefix('"') {
            Some(quoted) => unquoted(quoted).ok_or(InvalidIdempotencyKey::Malformed)?,
            None if value.bytes().all(is_plain) => value.to_owned(),
            None => return Err(InvalidIdempotencyKey::Malformed),
        };
        match key.len() {
            0 => Err(InvalidIdempotencyKey::Empty),
            1..=MAX_IDEMPOTENCY_KEY_LENGTH => Ok(Self(key)),
            _ => Err(InvalidIdempotencyKey::TooLong),
        }
    }

    /// The key itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// RFC 8941 §4.2.5: what stands between the quotes; only a quote and a backslash are escaped. Nothing may follow: no
/// parameter of the item has a meaning here.
fn unquoted(text: &str) -> Option<String> {
    let mut key = String::with_capacity(text.len());
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return characters.as_str().is_empty().then_some(key),
            '\\' => key.push(characters.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            plain @ ' '..='~' => key.push(plain),
            _ => return None,
        }
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'~')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<String, InvalidIdempotencyKey> {
        IdempotencyKey::parse(text).map(|key| key.0)
    }

    #[test]
    fn rfc8941_4_2_5_a_key_is_a_string() {
        for (text, key) in [
            ("\"8e03978e-40d5-43e8-bc93-6894a57f9324\"", "8e03978e-40d5-43e8-bc93-6894a57f9324"),
            ("8e03978e-40d5-43e8-bc93-6894a57f9324", "8e03978e-40d5-43e8-bc93-6894a57f9324"),
            (" \"a b\" ", "a b"),
            (r#""\"\\""#, r#""\"#),
        ] {
            assert_eq!(parse(text), Ok(key.to_owned()));
        }
        for text in ["\"", "\"a", "a\"", "\"a\"b", "\"a\";q=1", r#""\a""#, "\"\\", "\"ä\"", "\"\t\"", "a b", "a,b", "ä", "a;b"] {
            assert_eq!(parse(text), Err(InvalidIdempotencyKey::Malformed), "{text}");
        }
    }

    #[test]
    fn a_key_has_a_length() {
        for text in ["", "  ", "\"\""] {
            assert_eq!(parse(text), Err(InvalidIdempotencyKey::Empty), "{text:?}");
        }
        assert!(parse(&"x".repeat(255)).is_ok());
        assert_eq!(parse(&"x".repeat(256)), Err(InvalidIdempotencyKey::TooLong));
        assert_eq!(parse(&format!("\"{}\"", "x".repeat(256))), Err(InvalidIdempotencyKey::TooLong));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,40}", quoted in "\"[ -~]{0,20}\"?") {
            let _ = parse(&text);
            let _ = parse(&quoted);
        }

        #[test]
        fn whatever_is_quoted_is_read(key in "[ -~]{1,60}") {
            let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
            prop_assert_eq!(parse(&quoted), Ok(key));
        }
    }
}
