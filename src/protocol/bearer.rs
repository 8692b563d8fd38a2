//! Bearer tokens as they are presented (RFC 6750 §2).

use super::SecretText;

/// The longest bearer token.
pub const MAX_BEARER_TOKEN_LENGTH: usize = 8192;

/// A text of the bearer token grammar. Whether it is a token of ours is not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BearerToken(SecretText);

/// Why a header or a parameter holds no bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotBearer {
    /// The header has another scheme, or none.
    #[error("the Authorization header does not have the scheme Bearer")]
    OtherScheme,
    /// The scheme is right and what follows is not.
    #[error("the bearer token is malformed")]
    Malformed,
}

impl BearerToken {
    /// Reads the value of an `Authorization` header. RFC 9110 §11.1: the scheme is case-insensitive.
    pub fn from_header(header: &str) -> Result<Self, NotBearer> {
        let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("Bearer") { Self::parse(token.trim_start_matches(' ')) } else { Err(NotBearer::OtherScheme) }
    }

    /// Reads a bare token, as the parameter `access_token` has it (RFC 6750 §2.2).
    pub fn parse(token: &str) -> Result<Self, NotBearer> {
        // RFC 6750 §2.1: b64token.
        let body = token.trim_end_matches('=');
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
        let well_formed = !body.is_empty() && token.len() <= MAX_BEARER_TOKEN_LENGTH && body.bytes().all(allowed);
        if well_formed { Ok(Self(token.into())) } else { Err(NotBearer::Malformed) }
    }

    /// The token itself, to be handed to a check and nowhere else.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rfc6750_2_1_the_example_is_read() {
        assert_eq!(BearerToken::from_header("Bearer mF_9.B5f-4.1JqM").unwrap().expose(), "mF_9.B5f-4.1JqM");
        assert_eq!(BearerToken::from_header("Bearer  a+/~=="), BearerToken::parse("a+/~=="));
    }

    #[test]
    fn rfc9110_11_1_the_scheme_is_case_insensitive() {
        for header in ["bearer abc", "BEARER abc", "bEaReR abc"] {
            assert_eq!(BearerToken::from_header(header).unwrap().expose(), "abc");
        }
    }

    #[test]
    fn rfc6750_2_1_other_schemes_and_other_characters_are_refused() {
        for header in ["", "Basic abc", "abc", "Bearerabc", " Bearer abc", "Bearer:abc", "Bearer\tabc"] {
            assert_eq!(BearerToken::from_header(header), Err(NotBearer::OtherScheme), "{header:?}");
        }
        for header in ["Bearer", "Bearer ", "Bearer =", "Bearer a b", "Bearer a=b", "Bearer a,b", "Bearer a ", "Bearer ä", "Bearer a\n"] {
            assert_eq!(BearerToken::from_header(header), Err(NotBearer::Malformed), "{header:?}");
        }
        assert_eq!(BearerToken::parse(&"a".repeat(8193)), Err(NotBearer::Malformed));
    }

    #[test]
    fn a_token_does_not_print() {
        assert_eq!(format!("{:?}", BearerToken::parse("abc").unwrap()), "BearerToken([redacted])");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,40}") {
            let _ = BearerToken::from_header(&text);
            let _ = BearerToken::from_header(&format!("Bearer {text}"));
        }

        #[test]
        fn what_is_printed_parses_back(token in "[A-Za-z0-9._~+/-]{1,60}={0,2}") {
            let parsed = BearerToken::from_header(&format!("Bearer {token}")).unwrap();
            prop_assert_eq!(parsed.expose(), token);
        }
    }
}
