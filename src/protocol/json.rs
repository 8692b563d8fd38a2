//! JSON as a security server reads it: one meaning per text, and errors that say where.

use std::{cell::RefCell, fmt};

use serde::{
    Deserializer,
    de::{DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// How deep arrays and objects may be nested.
pub const MAX_JSON_DEPTH: usize = 32;

/// Why a JSON text is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StrictJsonError {
    /// RFC 8259 §8.1: JSON is UTF-8.
    #[error("the JSON text is not UTF-8")]
    InvalidUtf8,
    /// Not JSON.
    #[error("the text is not JSON: {0}")]
    Syntax(String),
    /// RFC 8259 §4: programs differ on which of two equal keys counts.
    #[error("the key {0:?} is repeated")]
    DuplicateKey(String),
    /// Nested deeper than [`MAX_JSON_DEPTH`].
    #[error("the JSON text is nested deeper than {MAX_JSON_DEPTH} levels")]
    TooDeep,
    /// JSON, but not of the wanted shape.
    #[error("{field}: {problem}")]
    Shape {
        /// The path to the offending field: `redirect_uris[1]`; `.` is the whole text.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl StrictJsonError {
    /// The offending field, if it is one.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::DuplicateKey(key) => Some(key),
            Self::Shape { field, .. } if field != "." => Some(field),
            Self::Shape { .. } | Self::InvalidUtf8 | Self::Syntax(_) | Self::TooDeep => None,
        }
    }
}

/// Reads a JSON text, and refuses whatever two programs could read differently.
pub fn parse_strict(text: &[u8]) -> Result<Value, StrictJsonError> {
    let text = std::str::from_utf8(text).map_err(|_| StrictJsonError::InvalidUtf8)?;
    let refusal = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = Strict { depth: 0, refusal: &refusal }.deserialize(&mut deserializer);
    let parsed = parsed.and_then(|value| deserializer.end().map(|()| value));
    parsed.map_err(|error| refusal.into_inner().unwrap_or_else(|| StrictJsonError::Syntax(error.to_string())))
}

/// Reads a JSON text into a type.
pub fn from_strict<T: DeserializeOwned>(text: &[u8]) -> Result<T, StrictJsonError> {
    serde_path_to_error::deserialize(parse_strict(text)?).map_err(|error| {
        let field = error.path().to_string();
        StrictJsonError::Shape { field, problem: error.into_inner().to_string() }
    })
}

/// Builds a value, `depth` levels below the top. A refusal of ours is left in `refusal`, since serde's errors are text.
#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    refusal: &'a RefCell<Option<StrictJsonError>>,
}

impl Strict<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_JSON_DEPTH { Err(self.refuse(StrictJsonError::TooDeep)) } else { Ok(Self { depth: self.depth + 1, ..self }) }
    }

    fn refuse<E: serde::de::Error>(self, error: StrictJsonError) -> E {
        let text = E::custom(&error);
        self.refusal.replace(Some(error));
        text
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Value, A::Error> {
        let element = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = array.next_element_seed(element)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let member = self.deeper()?;
        let mut members = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            if members.contains_key(&key) {
                return Err(self.refuse(StrictJsonError::DuplicateKey(key)));
            }
            let value = object.next_value_seed(member)?;
            members.insert(key, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        name: String,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        count: u32,
    }

    fn shape(text: &str) -> (Option<String>, String) {
        let error = from_strict::<Form>(text.as_bytes()).unwrap_err();
        (error.field().map(str::to_owned), error.to_string())
    }

    #[test]
    fn rfc8259_4_a_repeated_key_is_refused_at_any_depth() {
        let refused = |key: &str| Err(StrictJsonError::DuplicateKey(key.to_owned()));
        assert_eq!(parse_strict(br#"{"a":1,"a":1}"#), refused("a"));
        assert_eq!(parse_strict(br#"{"a":1,"\u0061":2}"#), refused("a"));
        assert_eq!(parse_strict(br#"[{"x":[{"b":1,"c":{},"b":2}]}]"#), refused("b"));
        assert_eq!(parse_strict(br#"{"a":{"a":1},"b":{"a":1}}"#), Ok(json!({"a": {"a": 1}, "b": {"a": 1}})));
    }

    #[test]
    fn rfc8259_8_1_other_encodings_are_refused() {
        assert_eq!(parse_strict(b"\"\xff\""), Err(StrictJsonError::InvalidUtf8));
        assert_eq!(parse_strict(b"\"\xc0\x80\""), Err(StrictJsonError::InvalidUtf8));
        assert!(matches!(parse_strict(b"\"\\ud800\""), Err(StrictJsonError::Syntax(_))));
        assert!(matches!(parse_strict(b"\xef\xbb\xbf{}"), Err(StrictJsonError::Syntax(_))));
    }

    #[test]
    fn texts_nested_too_deep_are_refused() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse_strict(nested(32).as_bytes()).is_ok());
        assert_eq!(parse_strict(nested(33).as_bytes()), Err(StrictJsonError::TooDeep));
        assert_eq!(parse_strict("[".repeat(100_000).as_bytes()), Err(StrictJsonError::TooDeep));
        assert_eq!(parse_strict("{\"a\":".repeat(33).as_bytes()), Err(StrictJsonError::TooDeep));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in ["", "{", "{}x", "{a:1}", "{'a':1}", "[1,]", "NaN", "01", "1e999", "\"\n\"", "{} {}", "// x"] {
            assert!(matches!(parse_strict(text.as_bytes()), Err(StrictJsonError::Syntax(_))), "{text}");
        }
    }

    #[test]
    fn errors_of_shape_name_the_field() {
        assert_eq!(from_strict(br#"{"name":"x"}"#), Ok(Form { name: "x".to_owned(), inner: vec![] }));
        let (field, text) = shape(r#"{"name":"x","inner":[{"count":1},{"count":"2"}]}"#);
        assert_eq!(field.as_deref(), Some("inner[1].count"));
        assert!(text.starts_with("inner[1].count: invalid type: string"), "{text}");
        let (field, text) = shape(r#"{"name":"x","nmae":"y"}"#);
        assert_eq!(field.as_deref(), Some("nmae"));
        assert!(text.contains("unknown field `nmae`"), "{text}");
        let (field, text) = shape("{}");
        assert_eq!(field, None);
        assert!(text.contains("missing field `name`"), "{text}");
        assert_eq!(shape(r#"{"name":"x","name":"y"}"#).0.as_deref(), Some("name"));
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "\\PC{0,10}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("\\PC{0,4}", inner, 0..4).prop_map(|map| map.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}\",:a0-9.e\\\\-]{0,60}") {
            let _ = parse_strict(&bytes);
            let _ = parse_strict(text.as_bytes());
            let _ = from_strict::<Form>(text.as_bytes());
        }

        #[test]
        fn what_is_printed_parses_back(value in values()) {
            prop_assert_eq!(parse_strict(value.to_string().as_bytes()), Ok(value));
        }
    }
}
