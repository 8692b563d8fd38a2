//! Text that must not be seen: codes, tokens, secrets, assertions, as clients present them.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use zeroize::Zeroizing;

/// A presented secret. It prints as `[redacted]`, compares in constant time and is wiped when it goes.
#[derive(Clone)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// The secret itself, to be handed to a check and nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), other.0.as_bytes()).is_ok()
    }
}

impl Eq for SecretText {}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", SecretText::from("hunter2")), "[redacted]");
    }

    #[test]
    fn secrets_compare_by_their_text() {
        assert_eq!(SecretText::from("a"), SecretText::from("a".to_owned()));
        assert_ne!(SecretText::from("a"), SecretText::from("b"));
        assert_ne!(SecretText::from("a"), SecretText::from("aa"));
        assert_eq!(SecretText::from("a").expose(), "a");
    }
}
