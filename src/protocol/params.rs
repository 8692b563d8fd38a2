//! Request parameters: `application/x-www-form-urlencoded` (RFC 6749 App. B), in a query or a body.

use std::fmt;

use zeroize::Zeroize;

/// The most parameters one request may have.
pub const MAX_PARAMS: usize = 100;
/// The longest name of a parameter, in bytes after decoding.
pub const MAX_NAME_LENGTH: usize = 256;
/// The longest value of a parameter, in bytes after decoding.
pub const MAX_VALUE_LENGTH: usize = 8192;

/// RFC 8707 §2: the one parameter that may be there more than once.
const REPEATABLE: &str = "resource";

/// The parameters of one request. Names are unique, but for `resource`; values have no control characters.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

/// Why a query or a body is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// RFC 6749 §3.1, §3.2: a parameter must not be there more than once.
    #[error("the parameter {0} is repeated")]
    Repeated(String),
    /// More than [`MAX_PARAMS`].
    #[error("there are more than {MAX_PARAMS} parameters")]
    TooMany,
    /// Longer than [`MAX_NAME_LENGTH`].
    #[error("the name of a parameter is longer than {MAX_NAME_LENGTH} bytes")]
    NameTooLong,
    /// Longer than [`MAX_VALUE_LENGTH`].
    #[error("the parameter {0} is longer than {MAX_VALUE_LENGTH} bytes")]
    ValueTooLong(String),
    /// A name that does not decode.
    #[error("the name of a parameter {0}")]
    MalformedName(Malformed),
    /// A value that does not decode.
    #[error("the parameter {0} {1}")]
    MalformedValue(String, Malformed),
}

/// Why a form-encoded text does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A percent sign without two hexadecimal digits.
    #[error("has a percent sign that two hexadecimal digits do not follow")]
    Escape,
    /// RFC 6749 App. B: the octets are UTF-8.
    #[error("is not UTF-8")]
    Utf8,
    /// NUL, line breaks and the like.
    #[error("has a control character")]
    Control,
}

impl Params {
    /// Reads a query or a body. Whatever is ambiguous is refused, never repaired.
    pub fn parse(encoded: &[u8]) -> Result<Self, ParamsError> {
        let mut params = Self::default();
        for pair in encoded.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
            params.add(pair)?;
        }
        Ok(params)
    }

    fn add(&mut self, pair: &[u8]) -> Result<(), ParamsError> {
        let split = pair.iter().position(|b| *b == b'=');
        let (name, value) = split.map_or((pair, &[][..]), |at| (&pair[..at], &pair[at + 1..]));
        let name = decode(name).map_err(ParamsError::MalformedName)?;
        if name.len() > MAX_NAME_LENGTH {
            return Err(ParamsError::NameTooLong);
        }
        let value = decode(value).map_err(|why| ParamsError::MalformedValue(name.clone(), why))?;
        if value.len() > MAX_VALUE_LENGTH {
            return Err(ParamsError::ValueTooLong(name));
        }
        // RFC 6749 §3.1, §3.2: not more than once, be it without a value.
        if name != REPEATABLE && self.0.iter().any(|(known, _)| *known == name) {
            return Err(ParamsError::Repeated(name));
        }
        if self.0.len() == MAX_PARAMS {
            return Err(ParamsError::TooMany);
        }
        self.0.push((name, value));
        Ok(())
    }

    /// The value of a parameter. RFC 6749 §3.1: one without a value is treated as if it were omitted.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// The values of a parameter that may be repeated, which only `resource` may (RFC 8707 §2).
    pub fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }
}

/// Values may be secrets: only names are shown.
impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Params")?;
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Drop for Params {
    fn drop(&mut self) {
        for (_, value) in &mut self.0 {
            value.zeroize();
        }
    }
}

/// Undoes the form encoding of one name or value.
pub(super) fn decode(encoded: &[u8]) -> Result<String, Malformed> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let (high, low, tail) = match tail {
                    [high, low, tail @ ..] => (hex(*high)?, hex(*low)?, tail),
                    _ => return Err(Malformed::Escape),
                };
                rest = tail;
                high << 4 | low
            }
            literal => *literal,
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| Malformed::Utf8)?;
    if text.chars().any(char::is_control) { Err(Malformed::Control) } else { Ok(text) }
}

fn hex(digit: u8) -> Result<u8, Malformed> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(Malformed::Escape),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Params, ParamsError> {
        Params::parse(text.as_bytes())
    }

    #[test]
    fn rfc6749_app_b_the_example_decodes() {
        let params = parse("v=+%25%26%2B%C2%A3%E2%82%AC").unwrap();
        assert_eq!(params.get("v"), Some(" %&+£€"));
    }

    #[test]
    fn rfc6749_3_1_a_parameter_without_a_value_is_treated_as_omitted() {
        let params = parse("state=&scope&&=x&code=1").unwrap();
        assert_eq!(params.get("state"), None);
        assert_eq!(params.get("scope"), None);
        assert_eq!(params.get("code"), Some("1"));
        assert_eq!(parse("").unwrap().get("code"), None);
    }

    #[test]
    fn rfc6749_3_1_a_repeated_parameter_is_refused() {
        for text in ["a=1&a=2", "a=1&a=1", "a=&a=1", "a&a", "%61=1&a=2", "a=1&b=2&a=3"] {
            assert_eq!(parse(text), Err(ParamsError::Repeated("a".to_owned())), "{text}");
        }
        assert_eq!(parse("a=1&A=2").unwrap().get("A"), Some("2"));
    }

    #[test]
    fn rfc8707_2_resource_may_be_repeated() {
        let params = parse("resource=https%3A%2F%2Fa&resource=&resource=https%3A%2F%2Fb").unwrap();
        assert_eq!(params.get_all("resource").collect::<Vec<_>>(), ["https://a", "https://b"]);
    }

    #[test]
    fn malformed_escapes_name_the_parameter() {
        for text in ["a=%", "a=%4", "a=%zz", "a=%+1", "a=1%2"] {
            assert_eq!(parse(text), Err(ParamsError::MalformedValue("a".to_owned(), Malformed::Escape)), "{text}");
        }
        assert_eq!(parse("a%=1"), Err(ParamsError::MalformedName(Malformed::Escape)));
    }

    #[test]
    fn invalid_utf8_is_refused_in_either_spelling() {
        let refused = Err(ParamsError::MalformedValue("a".to_owned(), Malformed::Utf8));
        assert_eq!(parse("a=%ff"), refused);
        assert_eq!(Params::parse(b"a=\xff"), refused);
        assert_eq!(parse("a=%C0%80"), refused);
        assert_eq!(parse("%ff=a"), Err(ParamsError::MalformedName(Malformed::Utf8)));
    }

    #[test]
    fn control_characters_are_refused() {
        for text in ["a=%00", "a=x%0d%0ay", "a=\n", "a=%7F", "a=%C2%85"] {
            assert_eq!(parse(text), Err(ParamsError::MalformedValue("a".to_owned(), Malformed::Control)), "{text}");
        }
    }

    #[test]
    fn limits_are_kept() {
        let many = |n: usize| (0..n).map(|i| format!("p{i}=1")).collect::<Vec<_>>().join("&");
        assert!(parse(&many(100)).is_ok());
        assert_eq!(parse(&many(101)), Err(ParamsError::TooMany));
        assert_eq!(parse(&"resource=1&".repeat(101)), Err(ParamsError::TooMany));
        assert!(parse(&format!("a={}", "x".repeat(8192))).is_ok());
        assert_eq!(parse(&format!("a={}", "x".repeat(8193))), Err(ParamsError::ValueTooLong("a".to_owned())));
        assert!(parse(&format!("{}=1", "x".repeat(256))).is_ok());
        assert_eq!(parse(&format!("{}=1", "x".repeat(257))), Err(ParamsError::NameTooLong));
    }

    #[test]
    fn values_do_not_print() {
        assert_eq!(format!("{:?}", parse("client_secret=hunter2").unwrap()), r#"Params["client_secret"]"#);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Params::parse(&bytes);
        }

        #[test]
        fn parsing_text_of_the_grammar_never_panics(text in "[a-c=&%+0-9]{0,60}") {
            let _ = Params::parse(text.as_bytes());
        }

        #[test]
        fn what_is_printed_parses_back(pairs in proptest::collection::btree_map("\\PC{1,20}", "\\PC{1,40}", 0..20)) {
            let printed = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let params = Params::parse(printed.as_bytes()).unwrap();
            for (name, value) in &pairs {
                prop_assert_eq!(params.get(name), Some(value.as_str()));
            }
        }
    }
}
