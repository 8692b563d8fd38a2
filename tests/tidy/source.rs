//! The files of the repository, and Rust source taken apart just as far as the rules need it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Directories that hold nothing of ours: what was built, fetched or recorded.
const NOT_OURS: [&str; 6] = ["target", "node_modules", ".venv", "data", "screenshots", ".git"];

/// A text file of the repository.
pub struct File {
    /// Its path from the root of the repository, with `/`.
    pub path: String,
    /// What is in it.
    pub text: String,
}

impl File {
    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, extension)| extension == "rs")
    }

    /// Whether it holds nothing but tests.
    pub fn is_test(&self) -> bool {
        let inside = |part: &str| self.path.split('/').any(|own| own == part);
        let named = |name: &str| self.path.ends_with(&format!("/{name}.rs"));
        inside("tests") || ["tests", "properties", "vectors", "testing", "contract"].into_iter().any(named)
    }

    /// The source without comments, without the contents of literals and without the test module at its end.
    pub fn code(&self) -> String {
        let code = split(&self.text).0;
        code.find("#[cfg(test)]\nmod tests {").map_or(code.clone(), |end| code[..end].to_owned())
    }

    /// The comments, each with the kind of its slashes.
    pub fn comments(&self) -> Vec<(Slashes, String)> {
        split(&self.text).1
    }
}

/// What a comment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slashes {
    /// `//`: it says why the code beside it does what it does.
    Plain,
    /// `///` or `//!`: it says what an item is.
    Doc,
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the repository").to_owned()
}

/// Every text file of the repository, in the order of their paths.
pub fn files() -> Vec<File> {
    let root = root();
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 100, "the repository was not found at {}", root.display());
    files
}

/// The Rust files below these directories.
pub fn rust_below(directories: &[&str]) -> Vec<File> {
    let below = |path: &str| directories.iter().any(|directory| path.starts_with(&format!("{directory}/")));
    files().into_iter().filter(|file| file.is_rust() && below(&file.path)).collect()
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(directory).expect("a directory can be listed") {
        let path = entry.expect("a directory can be listed").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if NOT_OURS.contains(&name) {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let relative = path.strip_prefix(root).expect("it lies below the root");
            files.push(File { path: relative.to_string_lossy().replace('\\', "/"), text });
        }
    }
}

/// Parts source into code and line comments. Adjacent comment lines of one kind are one comment, so that a citation may
/// be broken over lines. Literals stay as empty quotes.
fn split(text: &str) -> (String, Vec<(Slashes, String)>) {
    let mut code = String::with_capacity(text.len());
    let mut comments: Vec<(Slashes, String)> = Vec::new();
    let mut rest = text;
    let mut continues = false;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            let line = rest.lines().next().unwrap_or_default();
            let kind = if line.starts_with("///") || line.starts_with("//!") { Slashes::Doc } else { Slashes::Plain };
            let words = line.trim_start_matches(['/', '!']).trim();
            match comments.last_mut() {
                Some((last, said)) if continues && *last == kind => {
                    said.push(' ');
                    said.push_str(words);
                }
                _ => comments.push((kind, words.to_owned())),
            }
            continues = true;
            rest = &rest[line.len()..];
            continue;
        }
        if let Some(length) = literal(rest) {
            code.push_str("\"\"");
            continues = false;
            rest = &rest[length..];
            continue;
        }
        continues &= first.is_whitespace();
        code.push(first);
        rest = &rest[first.len_utf8()..];
    }
    (code, comments)
}

/// The length of the string or character literal that the text begins with. A lifetime is none.
fn literal(text: &str) -> Option<usize> {
    if let Some(after) = text.strip_prefix("r#\"") {
        return after.find("\"#").map(|end| end + 5);
    }
    if let Some(after) = text.strip_prefix("r\"") {
        return after.find('"').map(|end| end + 3);
    }
    if text.starts_with('"') {
        let mut escaped = false;
        for (at, character) in text.char_indices().skip(1) {
            match character {
                '\\' if !escaped => escaped = true,
                '"' if !escaped => return Some(at + 1),
                _ => escaped = false,
            }
        }
        return None;
    }
    let character = text.strip_prefix('\'')?;
    if character.starts_with('\\') {
        return character[2..].find('\'').map(|end| end + 4);
    }
    let first = character.chars().next()?;
    character[first.len_utf8()..].starts_with('\'').then(|| first.len_utf8() + 2)
}

/// The paths that begin with this word and two colons, braces multiplied out: `crate::{a::B, c::{D, E}}` are
/// `a::B`, `c::D` and `c::E`.
pub fn paths_from(code: &str, start: &str) -> Vec<String> {
    let start = format!("{start}::");
    let mut paths = Vec::new();
    for (at, _) in code.match_indices(&start) {
        let before = code[..at].chars().next_back();
        if before.is_none_or(|before| !is_word(before) && before != ':' && before != '$') {
            expand(&code[at + start.len()..], "", &mut paths);
        }
    }
    paths
}

/// Reads one path tree and returns what is left behind it.
fn expand<'a>(text: &'a str, prefix: &str, paths: &mut Vec<String>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut inside) = text.strip_prefix('{') {
        loop {
            inside = inside.trim_start();
            if let Some(rest) = inside.strip_prefix('}') {
                return rest;
            }
            let rest = expand(inside, prefix, paths).trim_start();
            let rest = rest.strip_prefix(',').unwrap_or(rest);
            if rest.len() == inside.len() {
                return rest;
            }
            inside = rest;
        }
    }
    let end = text.find(|character| !is_word(character) && character != '*').unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let path = if prefix.is_empty() { word.to_owned() } else { format!("{prefix}::{word}") };
    if let Some(deeper) = rest.strip_prefix("::")
        && deeper.starts_with(|character| is_word(character) || character == '{' || character == '*')
    {
        return expand(deeper, &path, paths);
    }
    paths.push(path);
    rest.trim_start().strip_prefix("as ").map_or(rest, |renamed| renamed.trim_start_matches(is_word))
}

/// Whether a character may be part of a name.
pub fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// Whether the code has this name as a whole word.
pub fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

#[test]
fn comments_and_literals_are_no_code() {
    let text = "let a = \"// crate::x \\\" y\"; // one\n    // RFC 1\n/// two\nfn f<'a>(c: char) { c == '\"' }\n";
    let (code, comments) = split(text);
    assert_eq!(code, "let a = \"\"; \n    \n\nfn f<'a>(c: char) { c == \"\" }\n");
    assert_eq!(comments, [(Slashes::Plain, "one RFC 1".to_owned()), (Slashes::Doc, "two".to_owned())]);
}

#[test]
fn braces_are_multiplied_out() {
    let code = "use crate::{a::B, c::{D as Dee, e::*},}; fn f() -> crate::g::H { $crate::no::no() }";
    assert_eq!(paths_from(code, "crate"), ["a::B", "c::D", "c::e::*", "g::H"]);
}
