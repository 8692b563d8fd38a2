//! Which floor may use which, and where the outside world comes in.

use crate::source::{File, files, has_word, paths_from, rust_below};

/// Names without behaviour of their own: every floor may speak of them.
const VALUES: [&str; 16] = [
    "domain::ApiKeyId",
    "domain::AuthorizationId",
    "domain::ClientId",
    "domain::GrantId",
    "domain::InitialAccessTokenId",
    "domain::MachineTokenId",
    "domain::OrganizationId",
    "domain::Sealed",
    "domain::Seconds",
    "domain::StreamId",
    "domain::StreamKind",
    "domain::SubjectId",
    "domain::Timestamp",
    "domain::id",
    "domain::sealed",
    "domain::time",
];

/// What a floor may use, beside itself.
struct Floor {
    name: &'static str,
    values: bool,
    uses: &'static [&'static str],
}

const FLOORS: [Floor; 7] = [
    Floor { name: "jose", values: false, uses: &[] },
    Floor {
        name: "protocol",
        values: true,
        uses: &[
            // A client's keys are part of its metadata.
            "jose",
            // A validated request is recorded as it was read: reading it gives the types of its event.
            "domain::authorization::AuthorizationParameters",
            "domain::authorization::DenialError",
            "domain::authorization::Prompt",
            "domain::authorization::ResponseMode",
        ],
    },
    Floor {
        name: "keys",
        values: true,
        // A refresh token is its family and generation under a MAC, an access token is its number.
        uses: &["jose", "domain::grant::FamilyNumber", "domain::grant::Generation", "domain::grant::TokenNumber"],
    },
    // A decision sees hashes of secrets, never a key or the vault.
    Floor { name: "domain", values: true, uses: &["protocol", "jose::Algorithm", "keys::SecretHash"] },
    Floor { name: "store", values: true, uses: &["domain"] },
    // What the tree is made of are recorded events, and what signs its head is a key.
    Floor { name: "ledger", values: true, uses: &["jose", "store"] },
    Floor { name: "app", values: true, uses: &["protocol", "jose", "keys", "domain", "store", "ledger"] },
];

fn is_within(path: &str, allowed: &str) -> bool {
    path == allowed || path.strip_prefix(allowed).is_some_and(|rest| rest.starts_with("::"))
}

fn floor_of(path: &str) -> Option<&'static Floor> {
    let below = path.strip_prefix("src/")?;
    FLOORS.iter().find(|floor| below == format!("{}.rs", floor.name) || below.starts_with(&format!("{}/", floor.name)))
}

/// Shipped code only: tests of a floor may use what they need.
fn shipped(directories: &[&str]) -> Vec<File> {
    rust_below(directories).into_iter().filter(|file| !file.is_test()).collect()
}

#[test]
fn a_floor_uses_only_what_lies_below_it() {
    let mut wrong = Vec::new();
    for file in shipped(&["src"]) {
        let Some(floor) = floor_of(&file.path) else { continue };
        for path in paths_from(&file.code(), "crate") {
            let own = is_within(&path, floor.name);
            let value = floor.values && VALUES.iter().any(|value| is_within(&path, value));
            if !own && !value && !floor.uses.iter().any(|allowed| is_within(&path, allowed)) {
                wrong.push(format!("{}: {} may not use crate::{path}", file.path, floor.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_of_the_core_is_on_a_floor() {
    let homeless: Vec<_> =
        shipped(&["src"]).into_iter().map(|file| file.path).filter(|path| path != "src/lib.rs" && floor_of(path).is_none()).collect();
    assert!(homeless.is_empty(), "{homeless:?} lie on no floor: see FLOORS in tests/tidy/layers.rs");
}

#[test]
fn nobody_climbs_out_of_a_floor_by_super() {
    let climbing: Vec<_> =
        shipped(&["src"]).into_iter().filter(|file| file.code().contains("super::super")).map(|file| file.path).collect();
    assert!(climbing.is_empty(), "say crate:: in {climbing:?}, so that the floors can be checked");
}

#[test]
fn what_decides_never_waits() {
    let waiting: Vec<_> = shipped(&["src/domain", "src/protocol", "src/jose", "src/ledger"])
        .into_iter()
        .filter(|file| has_word(&file.code(), "async") || has_word(&file.code(), "await"))
        .map(|file| file.path)
        .collect();
    assert!(waiting.is_empty(), "{waiting:?} are async");
}

/// A rule of the form "this name stands only there".
fn only_in(words: &[&str], allowed: &[&str]) {
    let mut wrong = Vec::new();
    let mut seen = vec![false; allowed.len()];
    for file in files().into_iter().filter(File::is_rust) {
        let code = file.code();
        for word in words.iter().filter(|word| has_word(&code, word)) {
            let places: Vec<_> = allowed.iter().map(|place| file.path.starts_with(place)).collect();
            seen.iter_mut().zip(&places).for_each(|(seen, here)| *seen |= here);
            if !places.contains(&true) {
                wrong.push(format!("{} has {word}", file.path));
            }
        }
    }
    let stale: Vec<_> = allowed.iter().zip(seen).filter(|(_, seen)| !seen).map(|(place, _)| place).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(stale.is_empty(), "{stale:?} no longer need the permission: take it away");
}

#[test]
fn warp_is_named_only_at_the_edge() {
    only_in(&["warp"], &["api/", "examples/demo/", "bench/src/floor.rs"]);
}

#[test]
fn sql_is_spoken_only_by_the_store_the_vault_and_the_ledger() {
    only_in(&["rusqlite"], &["src/store/", "src/keys/vault/", "projections/src/ledger/", "cli/tests/"]);
}

/// Where the time of day is read. Durations (`Instant`) are nobody's secret and don't enter the log.
#[test]
fn the_time_is_read_in_one_place() {
    only_in(
        &["SystemTime::now", "jiff::Timestamp::now"],
        &[
            "src/app/clock.rs",
            // The demo is a client of the service: it has a day of its own.
            "examples/demo/",
        ],
    );
}

#[test]
fn randomness_is_drawn_in_few_places() {
    only_in(
        &["rand::fill", "SystemRandom", "rand::random", "now_v7", "new_v4", "OsRng"],
        &[
            "src/app/entropy.rs",
            // A master key is made before there is anything to hand entropy to.
            "src/keys/master_key.rs",
            // The key of a subject; sealing draws its nonce within aws-lc-rs.
            "src/keys/seal.rs",
            // ECDSA and RSA want a source of their own; what they draw never leaves the signature.
            "src/jose/",
            // Request ids name log lines; no decision sees them.
            "api/src/trace.rs",
            "examples/demo/",
            // A client of the service, as well.
            "bench/",
        ],
    );
}
