//! The entries of a file, one at a time: of a JSON array, of an object with a list `clients`, or of lines that are
//! objects. No more than one entry is in memory.

use std::{
    collections::VecDeque,
    io::{self, BufRead, Cursor, Read},
};

use grantlog_core::protocol::parse_strict;
use serde_json::Value;

/// The longest entry. That of a client has some kilobytes.
pub const MOST_BYTES: usize = 1024 * 1024;
/// The member that the entries are in when the file is an object.
const LIST: &[u8] = b"clients";

/// Where an entry begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: u64,
    /// Which entry it is, from 1.
    pub index: u64,
}

/// One entry.
#[derive(Debug, PartialEq)]
pub struct Entry {
    /// Where it begins.
    pub place: Place,
    /// What it is, or why it can't be read.
    pub value: Result<Value, String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Unknown,
    /// Each line is an entry.
    Lines,
    /// Within a list; `wrapped` when the list is a member of an object.
    List {
        wrapped: bool,
    },
    /// Values one after another, of which one may be an object with a list.
    Values,
    Ended,
}

/// Reads entries. Every error is of an entry, except those of the file itself.
pub struct Entries<R> {
    input: Input<R>,
    form: Form,
    line: u64,
    index: u64,
    read: u64,
    pending: VecDeque<Entry>,
}

impl<R: BufRead> Entries<R> {
    /// The entries of this file.
    pub fn new(input: R) -> Self {
        Self {
            input: Input { front: Cursor::default(), rest: input },
            form: Form::Unknown,
            line: 1,
            index: 0,
            read: 0,
            pending: VecDeque::new(),
        }
    }

    /// How many bytes were read.
    pub fn read(&self) -> u64 {
        self.read
    }

    /// The next entry; None at the end.
    pub fn next(&mut self) -> io::Result<Option<Entry>> {
        if self.form == Form::Unknown {
            self.find_form()?;
        }
        loop {
            if let Some(entry) = self.pending.pop_front() {
                return Ok(Some(entry));
            }
            match self.form {
                Form::Unknown | Form::Ended => return Ok(None),
                Form::Lines => self.next_line()?,
                Form::List { wrapped } => self.next_of_list(wrapped)?,
                Form::Values => self.next_value()?,
            }
        }
    }

    /// A file whose first line is an object, and not one with a list, has an entry in each line.
    fn find_form(&mut self) -> io::Result<()> {
        if self.peek()? == Some(0xEF) {
            let mut mark = [0; 3];
            self.input.read_exact(&mut mark)?;
            self.read += 3;
        }
        self.skip_space()?;
        self.form = match self.peek()? {
            None => Form::Ended,
            Some(b'[') => {
                self.bump()?;
                Form::List { wrapped: false }
            }
            Some(b'{') => {
                let mut first = Vec::new();
                self.input.by_ref().take(MOST_BYTES as u64).read_until(b'\n', &mut first)?;
                let form = if is_entry_in_a_line(&first) { Form::Lines } else { Form::Values };
                // Read too early: it is put back in front.
                self.input.front = Cursor::new(first);
                form
            }
            Some(_) => Form::Lines,
        };
        Ok(())
    }

    fn next_line(&mut self) -> io::Result<()> {
        let mut line = Vec::new();
        let read = self.input.by_ref().take(MOST_BYTES as u64 + 1).read_until(b'\n', &mut line)?;
        if read == 0 {
            self.form = Form::Ended;
            return Ok(());
        }
        self.read += read as u64;
        let too_long = read > MOST_BYTES && line.last() != Some(&b'\n');
        if too_long {
            self.skip_to_end_of_line()?;
        }
        let place = self.line;
        self.line += 1;
        if !line.trim_ascii().is_empty() {
            self.add(place, if too_long { Err(too_large()) } else { parsed(line.trim_ascii()) });
        }
        Ok(())
    }

    fn next_of_list(&mut self, wrapped: bool) -> io::Result<()> {
        self.skip_space()?;
        match self.peek()? {
            None => {
                self.form = Form::Ended;
                self.add(self.line, Err("the list does not end: the file is cut off".to_owned()));
            }
            Some(b',') => drop(self.bump()?),
            Some(b']') => {
                self.bump()?;
                self.form = Form::Values;
                if wrapped {
                    self.skip_rest_of_object()?;
                }
            }
            Some(_) => {
                let line = self.line;
                let value = self.value()?;
                self.add(line, value);
            }
        }
        Ok(())
    }

    fn next_value(&mut self) -> io::Result<()> {
        self.skip_space()?;
        match self.peek()? {
            None => self.form = Form::Ended,
            Some(b'{') => self.object_or_list()?,
            Some(_) => {
                let line = self.line;
                let value = self.value()?;
                self.add(line, value);
            }
        }
        Ok(())
    }

    /// An object: an entry, or what is around a list of entries.
    fn object_or_list(&mut self) -> io::Result<()> {
        let line = self.line;
        let mut text = Text::default();
        text.push(self.bump()?);
        loop {
            self.space_into(&mut text)?;
            let Some(byte) = self.peek()? else {
                self.add(line, Err("the object does not end: the file is cut off".to_owned()));
                return Ok(());
            };
            match byte {
                b'}' => {
                    text.push(self.bump()?);
                    self.add(line, text.parsed());
                    return Ok(());
                }
                b'"' => {
                    let mut key = Text::default();
                    self.string_into(&mut key)?;
                    text.append(&key);
                    self.space_into(&mut text)?;
                    if self.peek()? != Some(b':') {
                        continue;
                    }
                    text.push(self.bump()?);
                    self.space_into(&mut text)?;
                    if key.is(LIST) && self.peek()? == Some(b'[') {
                        self.bump()?;
                        self.form = Form::List { wrapped: true };
                        return Ok(());
                    }
                    if !matches!(self.peek()?, None | Some(b',' | b'}')) {
                        self.value_into(&mut text)?;
                    }
                }
                b'[' | b'{' => drop(self.value_into(&mut text)?),
                _ => text.push(self.bump()?),
            }
        }
    }

    /// What stands behind the list in its object: nothing that matters here.
    fn skip_rest_of_object(&mut self) -> io::Result<()> {
        let mut rest = Text::default();
        loop {
            self.skip_space()?;
            match self.peek()? {
                None => {
                    self.add(self.line, Err("the object around the list does not end: the file is cut off".to_owned()));
                    return Ok(());
                }
                Some(b'}') => {
                    self.bump()?;
                    return Ok(());
                }
                Some(b',' | b':' | b']') => drop(self.bump()?),
                Some(_) => {
                    rest.clear();
                    self.value_into(&mut rest)?;
                }
            }
        }
    }

    fn value(&mut self) -> io::Result<Result<Value, String>> {
        let mut text = Text::default();
        let ended = self.value_into(&mut text)?;
        Ok(if ended { text.parsed() } else { Err("it does not end: the file is cut off".to_owned()) })
    }

    /// One value, as far as its brackets tell; false when the file ends within it. At least one byte is read.
    fn value_into(&mut self, text: &mut Text) -> io::Result<bool> {
        let mut depth = 0_usize;
        loop {
            let Some(byte) = self.peek()? else { return Ok(depth == 0) };
            match byte {
                b'"' => {
                    if !self.string_into(text)? {
                        return Ok(false);
                    }
                }
                b'[' | b'{' => {
                    depth += 1;
                    text.push(self.bump()?);
                }
                b']' | b'}' if depth > 0 => {
                    depth -= 1;
                    text.push(self.bump()?);
                }
                b',' | b']' | b'}' | b':' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 && !text.is_blank() => return Ok(true),
                _ => text.push(self.bump()?),
            }
            if depth == 0 && matches!(byte, b'"' | b']' | b'}') {
                return Ok(true);
            }
        }
    }

    /// A string with its quotes; false when the file ends within it.
    fn string_into(&mut self, text: &mut Text) -> io::Result<bool> {
        text.push(self.bump()?);
        while let Some(byte) = self.bump()? {
            text.push(Some(byte));
            match byte {
                b'"' => return Ok(true),
                b'\\' => text.push(self.bump()?),
                _ => {}
            }
        }
        Ok(false)
    }

    fn add(&mut self, line: u64, value: Result<Value, String>) {
        self.index += 1;
        self.pending.push_back(Entry { place: Place { line, index: self.index }, value });
    }

    fn skip_space(&mut self) -> io::Result<()> {
        while self.peek()?.is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.bump()?;
        }
        Ok(())
    }

    fn space_into(&mut self, text: &mut Text) -> io::Result<()> {
        while self.peek()?.is_some_and(|byte| byte.is_ascii_whitespace()) {
            text.push(self.bump()?);
        }
        Ok(())
    }

    fn skip_to_end_of_line(&mut self) -> io::Result<()> {
        while self.bump()?.is_some_and(|byte| byte != b'\n') {}
        // The caller counts the line.
        self.line -= 1;
        Ok(())
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.input.fill_buf()?.first().copied())
    }

    fn bump(&mut self) -> io::Result<Option<u8>> {
        let byte = self.peek()?;
        if let Some(byte) = byte {
            self.input.consume(1);
            self.read += 1;
            self.line += u64::from(byte == b'\n');
        }
        Ok(byte)
    }
}

/// A file, with what was read too early put back in front.
struct Input<R> {
    front: Cursor<Vec<u8>>,
    rest: R,
}

impl<R: BufRead> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.is_in_front() { self.front.fill_buf() } else { self.rest.fill_buf() }
    }

    fn consume(&mut self, amount: usize) {
        if self.is_in_front() { self.front.consume(amount) } else { self.rest.consume(amount) }
    }
}

impl<R: BufRead> Read for Input<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.is_in_front() { self.front.read(into) } else { self.rest.read(into) }
    }
}

impl<R> Input<R> {
    fn is_in_front(&self) -> bool {
        usize::try_from(self.front.position()).is_ok_and(|position| position < self.front.get_ref().len())
    }
}

/// The text of an entry; of one that is too long no more than that it is.
#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl Text {
    fn push(&mut self, byte: Option<u8>) {
        if self.bytes.len() == MOST_BYTES {
            self.is_too_long = true;
        }
        if !self.is_too_long {
            self.bytes.extend(byte);
        }
    }

    fn append(&mut self, other: &Self) {
        other.bytes.iter().for_each(|byte| self.push(Some(*byte)));
        self.is_too_long |= other.is_too_long;
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn is_blank(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether it is this string, with its quotes.
    fn is(&self, name: &[u8]) -> bool {
        self.bytes.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) == Some(name)
    }

    fn parsed(&self) -> Result<Value, String> {
        if self.is_too_long { Err(too_large()) } else { parsed(&self.bytes) }
    }
}

fn parsed(text: &[u8]) -> Result<Value, String> {
    parse_strict(text).map_err(|error| error.to_string())
}

fn too_large() -> String {
    format!("it has more than {MOST_BYTES} bytes")
}

/// Whether the line is a whole object, or was meant to be one, and not one with a list of entries.
fn is_entry_in_a_line(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    match parse_strict(line) {
        Ok(value) => !value.get("clients").is_some_and(Value::is_array),
        Err(_) => line.ends_with(b"}") && is_balanced(line),
    }
}

fn is_balanced(text: &[u8]) -> bool {
    let (mut depth, mut in_string, mut is_escaped) = (0_i64, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
    }
    depth == 0 && !in_string
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &[u8]) -> Vec<Entry> {
        // A buffer of a few bytes: nothing depends on how a file comes in.
        let mut entries = Entries::new(io::BufReader::with_capacity(3, text));
        let mut found = Vec::new();
        while let Some(entry) = entries.next().unwrap() {
            found.push(entry);
        }
        assert_eq!(entries.read(), text.len() as u64);
        found
    }

    /// Line, and value or the beginning of the error.
    fn told(text: &str) -> Vec<(u64, Result<Value, String>)> {
        read(text.as_bytes()).into_iter().map(|Entry { place, value }| (place.line, value)).collect()
    }

    fn lines_of(text: &str) -> Vec<(u64, bool)> {
        told(text).into_iter().map(|(line, value)| (line, value.is_ok())).collect()
    }

    #[test]
    fn an_array_an_object_with_a_list_and_lines_are_read() {
        let [a, b] = [json!({"client_id": "a"}), json!({"client_id": "b", "tags": ["]", "\"}"]})];
        let same = vec![a.clone(), b.clone()];
        for text in [
            json!([a, b]).to_string(),
            format!("{a}\n{b}\n"),
            format!("\n{a}\r\n\r\n{b}"),
            json!({"start": 0, "clients": [a, b], "total": {"clients": 2}}).to_string(),
            serde_json::to_string_pretty(&json!([a, b])).unwrap(),
            serde_json::to_string_pretty(&json!({"a": ["clients", {"clients": [1]}], "clients": [a, b], "z": "]"})).unwrap(),
            format!("{}\n{}", serde_json::to_string_pretty(&a).unwrap(), serde_json::to_string_pretty(&b).unwrap()),
            format!("\u{FEFF}[{a} ,{b}]"),
        ] {
            let values: Vec<_> = read(text.as_bytes()).into_iter().map(|entry| entry.value.unwrap()).collect();
            assert_eq!(values, same, "{text}");
        }
    }

    #[test]
    fn a_single_object_is_an_entry() {
        for text in ["{\"client_id\":\"a\"}", "{\n\"client_id\":\"a\"\n}", "{\"client_id\":\"a\"}\n"] {
            assert_eq!(told(text), [(1, Ok(json!({"client_id": "a"})))], "{text}");
        }
    }

    #[test]
    fn an_empty_file_has_no_entries() {
        for text in ["", " \n ", "[]", "[ ]\n", "{\"clients\": []}"] {
            assert_eq!(told(text), [], "{text}");
        }
    }

    #[test]
    fn places_are_counted() {
        let places: Vec<_> = read(b"[\n\n{\n},\n 1, 2]").into_iter().map(|entry| entry.place).collect();
        let place = |line, index| Place { line, index };
        assert_eq!(places, [place(3, 1), place(5, 2), place(5, 3)]);
    }

    #[test]
    fn a_bad_line_spoils_no_other() {
        let text = "{\"a\":1}\nnot JSON\n{\"a\":\n{\"a\":1,\"a\":2}\n\n[1\n{\"a\":3}\n";
        assert_eq!(lines_of(text), [(1, true), (2, false), (3, false), (4, false), (6, false), (7, true)]);
        assert_eq!(lines_of("{\"a\":}\n{\"a\":1}"), [(1, false), (2, true)]);
        assert_eq!(lines_of("garbage\n{\"a\":1}"), [(1, false), (2, true)]);
    }

    #[test]
    fn a_bad_element_spoils_no_other() {
        assert_eq!(lines_of("[{\"a\":1},\n{\"a\":},\nx y,\n{\"a\":2}]"), [(1, true), (2, false), (3, false), (3, false), (4, true)]);
        assert_eq!(lines_of("[1]]\n"), [(1, true), (1, false)]);
        assert_eq!(lines_of("{\"clients\":[1]}\n{\"clients\":[2],\"b\":3}x"), [(1, true), (2, true), (2, false)]);
    }

    #[test]
    fn a_file_that_is_cut_off_is_told_from_a_whole_one() {
        for text in [
            "[{\"a\":1}",
            "[{\"a\":1},",
            "[{\"a\":1},{\"a",
            "{\"clients\":[{\"a\":1}",
            "{\"clients\":[{\"a\":1}]",
            "{\"clients\":[{\"a\":1}],\"b\":",
        ] {
            let entries = told(text);
            assert_eq!(entries[0], (1, Ok(json!({"a": 1}))), "{text}");
            assert!(entries[1..].iter().any(|(_, value)| value.as_ref().is_err_and(|why| why.contains("cut off"))), "{text} {entries:?}");
        }
        assert!(told("{\n\"a\":").iter().all(|(_, value)| value.is_err()));
    }

    #[test]
    fn an_entry_that_is_too_long_is_refused_and_the_next_is_read() {
        let long = json!({"a": "x".repeat(MOST_BYTES)}).to_string();
        for text in
            [format!("[{long},\n{{}}]"), format!("{{}}\n{long}\n{{}}"), format!("{long}\n{{}}"), format!("{{\"clients\":[{long},{{}}]}}")]
        {
            let entries = read(text.as_bytes());
            let refused: Vec<_> = entries.iter().filter_map(|entry| entry.value.as_ref().err()).collect();
            assert_eq!(refused, [&too_large()]);
            assert_eq!(entries.last().unwrap().value, Ok(json!({})));
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_reads_all(text in "[\\[\\]{}\",:a0\\\\ \n]{0,60}", prefix in "(\\{\"clients\":\\[)?") {
            read(format!("{prefix}{text}").as_bytes());
        }

        #[test]
        fn what_is_written_is_read(values in proptest::collection::vec("\\PC{0,10}", 0..6), lines in any::<bool>()) {
            let objects: Vec<Value> = values.iter().map(|value| json!({"client_id": value, "more": [value]})).collect();
            let text = if lines {
                objects.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
            } else {
                Value::from(objects.clone()).to_string()
            };
            let read: Vec<_> = read(text.as_bytes()).into_iter().map(|entry| entry.value.unwrap()).collect();
            prop_assert_eq!(read, objects);
        }
    }
}
