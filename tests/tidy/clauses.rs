//! Every clause that is named at a branch has a test that carries its name, and every such test has its branch.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::{self, Write},
    fs,
};

use serde::Deserialize;

use crate::source::{File, Slashes, is_word, root, rust_below};

const CODE: [&str; 5] = ["src", "api/src", "projections/src", "outbound/src", "cli/src"];
const TESTS: [&str; 8] = ["src", "api", "projections", "outbound", "cli", "tests", "examples", "bench"];
const TABLE: &str = "docs/conformance.md";
const EXCEPTIONS: &str = "docs/conformance-exceptions.toml";

/// A section of a specification.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Clause {
    specification: Specification,
    /// Numbers, or a letter and numbers in an appendix.
    section: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Specification {
    OAuth21,
    OidcCore,
    Rfc(u32),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Number(u32),
    Letter(char),
}

impl fmt::Display for Specification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OAuth21 => write!(f, "OAuth 2.1"),
            Self::OidcCore => write!(f, "OIDC Core"),
            Self::Rfc(number) => write!(f, "RFC {number}"),
        }
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<_> = self
            .section
            .iter()
            .map(|step| match step {
                Step::Number(number) => number.to_string(),
                Step::Letter(letter) => letter.to_ascii_uppercase().to_string(),
            })
            .collect();
        let mark = if matches!(self.section.first(), Some(Step::Letter(_))) { "App. " } else { "§" };
        write!(f, "{} {mark}{}", self.specification, steps.join("."))
    }
}

impl Clause {
    /// How the name of a test of it begins.
    fn prefix(&self) -> String {
        let mut prefix = match self.specification {
            Specification::OAuth21 => "oauth21_".to_owned(),
            Specification::OidcCore => "oidc_core_".to_owned(),
            Specification::Rfc(number) => format!("rfc{number}_"),
        };
        if let [Step::Letter(_)] = self.section[..] {
            prefix.push_str("app_");
        }
        for step in &self.section {
            let written = match step {
                Step::Number(number) => write!(prefix, "{number}_"),
                Step::Letter(letter) => write!(prefix, "{letter}_"),
            };
            written.expect("a string takes everything");
        }
        prefix
    }

    /// Whether it is that section or lies in it.
    fn is_in(&self, other: &Self) -> bool {
        self.specification == other.specification && self.section.starts_with(&other.section)
    }
}

/// The specification whose name the text begins with, and what follows it.
fn specification(text: &str) -> Option<(Specification, &str)> {
    if let Some(rest) = text.strip_prefix("OAuth 2.1") {
        return Some((Specification::OAuth21, rest));
    }
    if let Some(rest) = text.strip_prefix("OIDC Core") {
        return Some((Specification::OidcCore, rest));
    }
    let rest = text.strip_prefix("RFC ")?;
    let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    Some((Specification::Rfc(rest[..end].parse().ok()?), &rest[end..]))
}

/// The clauses that a comment names: `RFC 6749 §3.1, §3.2`, `OIDC Core §2 and §12.2`, `RFC 6749 App. A.1`.
fn cited(comment: &str) -> BTreeSet<Clause> {
    let mut clauses = BTreeSet::new();
    for (at, _) in comment.char_indices() {
        if comment[..at].chars().next_back().is_some_and(is_word) {
            continue;
        }
        let Some((named, mut rest)) = specification(&comment[at..]) else { continue };
        loop {
            let next = rest.trim_start_matches([' ', ',']);
            let next = next.strip_prefix("and ").unwrap_or(next);
            let Some(next) = ["§", "App. ", "Appendix "].into_iter().find_map(|mark| next.strip_prefix(mark)) else { break };
            let end = next.find(|character: char| !character.is_ascii_alphanumeric() && character != '.').unwrap_or(next.len());
            let section: Option<Vec<_>> = next[..end].trim_end_matches('.').split('.').map(step).collect();
            if let Some(section) = section {
                clauses.insert(Clause { specification: named.clone(), section });
            }
            rest = &next[end..];
        }
    }
    clauses
}

fn step(text: &str) -> Option<Step> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(letter), None) if letter.is_ascii_alphabetic() => Some(Step::Letter(letter.to_ascii_lowercase())),
        _ => text.parse().ok().map(Step::Number),
    }
}

/// The clause that the name of a test begins with; None when it begins with none, or has nothing to say about it.
fn tested(name: &str) -> Option<Clause> {
    let (specification, rest) = if let Some(rest) = name.strip_prefix("oauth21_") {
        (Specification::OAuth21, rest)
    } else if let Some(rest) = name.strip_prefix("oidc_core_") {
        (Specification::OidcCore, rest)
    } else {
        let (number, rest) = name.strip_prefix("rfc")?.split_once('_')?;
        (Specification::Rfc(number.parse().ok()?), rest)
    };
    let mut words = rest.split('_').peekable();
    let mut section = Vec::new();
    let appendix = words.next_if_eq(&"app").is_some();
    if let Some(letter) = words.peek().and_then(|word| step(word)).filter(|step| matches!(step, Step::Letter(_))) {
        let mut ahead = words.clone().skip(1);
        if appendix || ahead.next().is_some_and(|next| next.parse::<u32>().is_ok()) {
            section.push(letter);
            words.next();
        }
    }
    while let Some(number) = words.peek().and_then(|word| word.parse().ok()) {
        section.push(Step::Number(number));
        words.next();
    }
    (!section.is_empty() && words.next().is_some()).then_some(Clause { specification, section })
}

/// The names of the functions in a file.
fn functions(file: &File) -> Vec<&str> {
    let after = file.text.match_indices("fn ").map(|(at, word)| &file.text[at + word.len()..]);
    after.map(|rest| &rest[..rest.find(|character| !is_word(character)).unwrap_or(rest.len())]).collect()
}

/// Where every clause stands.
#[derive(Default)]
struct Survey {
    /// Named at a branch, by file.
    branches: BTreeMap<Clause, BTreeSet<String>>,
    /// Named anywhere in a comment of ours.
    named: BTreeSet<Clause>,
    /// Carried by tests, by file.
    tests: BTreeMap<Clause, BTreeSet<(String, String)>>,
}

fn survey() -> Survey {
    let mut survey = Survey::default();
    for file in rust_below(&CODE).iter().filter(|file| !file.is_test()) {
        // What is said within the test module of a file is said of tests.
        let shipped = file.text.find("#[cfg(test)]\nmod tests {").map_or(file.text.as_str(), |end| &file.text[..end]);
        let shipped = File { path: file.path.clone(), text: shipped.to_owned() };
        for (slashes, comment) in shipped.comments() {
            for clause in cited(&comment) {
                if slashes == Slashes::Plain {
                    survey.branches.entry(clause.clone()).or_default().insert(file.path.clone());
                }
                survey.named.insert(clause);
            }
        }
    }
    for file in rust_below(&TESTS) {
        for name in functions(&file) {
            if let Some(clause) = tested(name) {
                survey.tests.entry(clause).or_default().insert((file.path.clone(), name.to_owned()));
            }
        }
    }
    survey
}

impl Survey {
    fn is_tested(&self, clause: &Clause) -> bool {
        self.tests.keys().any(|tested| tested.is_in(clause))
    }

    fn is_named(&self, clause: &Clause) -> bool {
        self.named.iter().any(|named| named.is_in(clause))
    }

    /// The table, section by section.
    fn table(&self, exceptions: &Exceptions) -> String {
        let mut text = String::from(
            "# Conformance\n\n<!-- Generated from the sources: GENERATE=1 cargo test -p grantlog-tests --test tidy -->\n\n\
             Which clause of which specification is obeyed where, and which tests carry its name. A clause stands here when a\n\
             comment at a branch or a test names it; `docs/conformance-exceptions.toml` says why a cell is empty.\n",
        );
        let clauses: BTreeSet<_> = self.branches.keys().chain(self.tests.keys()).collect();
        let mut specification = None;
        for clause in clauses {
            if specification != Some(&clause.specification) {
                specification = Some(&clause.specification);
                let _ = write!(text, "\n## {}\n\n| Clause | Code | Tests |\n|---|---|---|\n", clause.specification);
            }
            let section = clause.to_string();
            let section = section.trim_start_matches(&clause.specification.to_string()).trim_start();
            let code: Vec<_> = self.branches.get(clause).into_iter().flatten().map(|path| format!("`{path}`")).collect();
            let tests: Vec<_> = self.tests.get(clause).into_iter().flatten().map(|(_, name)| format!("`{name}`")).collect();
            let unless = |cells: Vec<String>, reason: Option<&String>| match (cells.is_empty(), reason) {
                (true, Some(reason)) => format!("({reason})"),
                _ => cells.join("<br>"),
            };
            let code = unless(code, exceptions.unnamed.get(&clause.to_string()));
            let tests = unless(tests, exceptions.untested.get(&clause.to_string()));
            let _ = writeln!(text, "| {section} | {code} | {tests} |");
        }
        text
    }
}

/// What is known to be missing, with the reason.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exceptions {
    /// Clauses that are named at a branch and have no test of that name.
    #[serde(default)]
    untested: BTreeMap<String, String>,
    /// Clauses that tests are named after and no comment names.
    #[serde(default)]
    unnamed: BTreeMap<String, String>,
}

fn exceptions() -> Exceptions {
    let text = fs::read_to_string(root().join(EXCEPTIONS)).expect("the exceptions can be read");
    toml::from_str(&text).expect("the exceptions are TOML")
}

/// Compares what is missing with what is known to be.
fn compare(missing: &BTreeMap<String, String>, known: &BTreeMap<String, String>, table: &str) {
    let new: Vec<_> =
        missing.iter().filter(|(clause, _)| !known.contains_key(*clause)).map(|(clause, help)| format!("{clause}: {help}")).collect();
    assert!(new.is_empty(), "{}\n(or say why not in [{table}] of {EXCEPTIONS})", new.join("\n"));
    let stale: Vec<_> = known.keys().filter(|clause| !missing.contains_key(*clause)).map(String::as_str).collect();
    assert!(stale.is_empty(), "these are no exceptions any more; take them out of [{table}] of {EXCEPTIONS}:\n{}", stale.join("\n"));
    let silent: Vec<_> = known.iter().filter(|(_, reason)| reason.len() < 10).map(|(clause, _)| clause).collect();
    assert!(silent.is_empty(), "these exceptions have no reason: {silent:?}");
}

#[test]
fn every_clause_that_is_named_at_a_branch_has_a_test() {
    let survey = survey();
    let missing = survey.branches.iter().filter(|(clause, _)| !survey.is_tested(clause));
    let missing =
        missing.map(|(clause, files)| (clause.to_string(), format!("no test {}… (named in {files:?})", clause.prefix()))).collect();
    compare(&missing, &exceptions().untested, "untested");
}

#[test]
fn every_test_of_a_clause_has_code_that_names_it() {
    let survey = survey();
    let missing = survey.tests.iter().filter(|(clause, _)| !survey.is_named(clause));
    let missing = missing.map(|(clause, tests)| (clause.to_string(), format!("no comment names it, but {tests:?}"))).collect();
    compare(&missing, &exceptions().unnamed, "unnamed");
}

#[test]
fn the_conformance_table_is_fresh() {
    let table = survey().table(&exceptions());
    let path = root().join(TABLE);
    if env::var_os("GENERATE").is_some() {
        fs::write(&path, &table).expect("the table can be written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == table, "{TABLE} is stale: GENERATE=1 cargo test -p grantlog-tests --test tidy");
}

#[test]
fn citations_are_read() {
    let read = |comment| cited(comment).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        read("RFC 6749 §3.1, §3.2: a parameter (OIDC Core §2 and §12.2)."),
        ["OIDC Core §2", "OIDC Core §12.2", "RFC 6749 §3.1", "RFC 6749 §3.2"]
    );
    assert_eq!(read("RFC 7523 §3, 4 to 6. RFC 6749 App. A.1; OAuth 2.1 §4.1.3."), ["OAuth 2.1 §4.1.3", "RFC 6749 App. A.1", "RFC 7523 §3"]);
    assert_eq!(read("RFC 9126 as a whole"), Vec::<String>::new());
}

#[test]
fn names_of_tests_are_read() {
    let read = |name| tested(name).map(|clause| (clause.to_string(), clause.prefix()));
    assert_eq!(read("rfc7009_2_1_an_access_token_ends_alone"), Some(("RFC 7009 §2.1".into(), "rfc7009_2_1_".into())));
    assert_eq!(read("rfc6749_3_1_a_repeated_parameter"), Some(("RFC 6749 §3.1".into(), "rfc6749_3_1_".into())));
    assert_eq!(read("rfc6749_a_1_a_client_id"), Some(("RFC 6749 App. A.1".into(), "rfc6749_a_1_".into())));
    assert_eq!(read("rfc6749_app_b_the_example"), Some(("RFC 6749 App. B".into(), "rfc6749_app_b_".into())));
    assert_eq!(read("oidc_core_3_1_2_1_max_age_0"), Some(("OIDC Core §3.1.2.1".into(), "oidc_core_3_1_2_1_".into())));
    assert_eq!(read("rfc8037_a_2"), None);
    assert_eq!(read("oauth_metadata"), None);
}
