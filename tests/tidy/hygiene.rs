//! What must not be in the repository.

use crate::source::{File, files};

/// Lock files name the registry that their tool knows under this name; that is their format and no address to fetch from.
const LOCK: &str = "Cargo.lock";

#[test]
fn no_package_registry_is_named() {
    // Put together here, so that this file passes its own test.
    let hosts = [concat!("crates", ".io"), concat!("registry.", "npmjs"), concat!("npmjs", ".org"), concat!("pypi", ".org")];
    let found = lines(|file, line| file.path != LOCK && hosts.iter().any(|host| line.contains(host)));
    assert!(found.is_empty(), "a mirror must be able to stand in for it:\n{}", found.join("\n"));
}

#[test]
fn no_path_of_a_machine_is_named() {
    let paths = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];
    let begins = |line: &str, path: &str| {
        line.match_indices(path)
            .any(|(at, _)| !line[..at].ends_with(|before: char| before.is_ascii_alphanumeric() || "._-/}".contains(before)))
    };
    let found = lines(|_, line| paths.iter().any(|path| begins(line, path)));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The lines of all files that this is true of, with their places.
fn lines(is_found: impl Fn(&File, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in files() {
        for (number, line) in file.text.lines().enumerate() {
            if is_found(&file, line) {
                found.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    found
}
