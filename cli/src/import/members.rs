//! The members of an entry, taken one by one: what is left in the end can't be taken over.

use grantlog_core::domain::Seconds;
use serde_json::{Map, Value};

/// The members that were not taken yet, and what was found wrong with those that were.
#[derive(Debug)]
pub struct Members {
    left: Map<String, Value>,
    /// What was not taken over, each with its reason where it is not only unknown.
    pub ignored: Vec<String>,
    /// Why the entry is refused.
    pub reasons: Vec<String>,
}

impl Members {
    /// Those of an entry; None when it is no object.
    pub fn of(value: Value) -> Option<Self> {
        match value {
            Value::Object(left) => Some(Self { left, ignored: Vec::new(), reasons: Vec::new() }),
            _ => None,
        }
    }

    /// A member as it is; nothing that says nothing is taken for something.
    pub fn value(&mut self, name: &str) -> Option<Value> {
        self.left.remove(name).filter(|value| !says_nothing(value))
    }

    /// A member that is of no matter.
    pub fn forget(&mut self, name: &str) {
        self.left.remove(name);
    }

    /// All that was not taken yet, as one object.
    pub fn take_rest(&mut self) -> Value {
        Value::Object(std::mem::take(&mut self.left))
    }

    /// A text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        match self.value(name)? {
            Value::String(text) => Some(text),
            _ => self.wrong(name, "is no text"),
        }
    }

    /// A list of texts.
    pub fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let text = |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        };
        match self.value(name)? {
            Value::Array(values) => match values.into_iter().map(text).collect() {
                Some(texts) => Some(texts),
                None => self.wrong(name, "is no list of texts"),
            },
            _ => self.wrong(name, "is no list of texts"),
        }
    }

    /// True or false.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        match self.left.remove(name)? {
            Value::Bool(flag) => Some(flag),
            Value::Null => None,
            _ => self.wrong(name, "is neither true nor false"),
        }
    }

    /// Whole seconds.
    pub fn seconds(&mut self, name: &str) -> Option<Seconds> {
        match self.left.remove(name)? {
            Value::Null => None,
            value => match value.as_u64().and_then(|seconds| u32::try_from(seconds).ok()) {
                Some(seconds) => Some(Seconds(seconds)),
                None => self.wrong(name, "is no whole number of seconds"),
            },
        }
    }

    /// The members of a member.
    pub fn object(&mut self, name: &str) -> Option<Self> {
        match self.value(name)? {
            value @ Value::Object(_) => Self::of(value),
            _ => self.wrong(name, "is no object"),
        }
    }

    /// Takes back what is left of the member of this name, and what was found about it.
    pub fn put_back(&mut self, name: &str, part: Self) {
        let within = |text: String| format!("{name}.{text}");
        self.reasons.extend(part.reasons.iter().cloned().map(within));
        self.ignored.extend(part.finish().into_iter().map(within));
    }

    /// Something is not taken over.
    pub fn ignore(&mut self, what: impl Into<String>) {
        self.ignored.push(what.into());
    }

    /// The entry is refused.
    pub fn refuse(&mut self, reason: impl Into<String>) {
        self.reasons.push(reason.into());
    }

    /// A member that only means something with this value.
    pub fn expect(&mut self, name: &str, usual: &[Value]) {
        if let Some(value) = self.value(name)
            && !usual.contains(&value)
        {
            self.ignore(format!("{name}: {value}"));
        }
    }

    /// All that was not taken over: what is left, and what was ignored by its value.
    pub fn finish(self) -> Vec<String> {
        let left = self.left.into_iter().filter(|(_, value)| !says_nothing(value)).map(|(name, _)| name);
        self.ignored.into_iter().chain(left).collect()
    }

    fn wrong<T>(&mut self, name: &str, what: &str) -> Option<T> {
        self.refuse(format!("{name} {what}"));
        None
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A duration as Go writes it: `1h30m0s`, `500ms`. Part of a second is not told.
pub fn go_duration(text: &str) -> Option<Seconds> {
    let mut rest = text;
    let mut nanoseconds = 0_f64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "h" => 3600e9,
            "m" => 60e9,
            "s" => 1e9,
            "ms" => 1e6,
            "us" | "µs" => 1e3,
            "ns" => 1.0,
            _ => return None,
        };
        nanoseconds += number * unit;
        rest = &rest[end..];
    }
    let seconds = (nanoseconds / 1e9).floor();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is known to be in range")]
    (!text.is_empty() && (0.0..=f64::from(u32::MAX)).contains(&seconds)).then_some(Seconds(seconds as u32))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_of_go_are_read() {
        for (text, seconds) in [("1h0m0s", 3600), ("1h30m5s", 5405), ("720h", 2_592_000), ("1.5h", 5400), ("1500ms", 1), ("0s", 0)] {
            assert_eq!(go_duration(text), Some(Seconds(seconds)), "{text}");
        }
        for text in ["", "1", "h", "1d", "-1s", "1h-2m", "1.2.3s", "99999999999h", "1 h"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn reading_a_duration_never_panics(text in "\\PC{0,12}", go in "[0-9.hmsunµ-]{0,20}") {
            let _ = go_duration(&text);
            let _ = go_duration(&go);
        }
    }
}
