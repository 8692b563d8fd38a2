//! The vectors of `docs/ledger-format.md`, which a program in another language made from its own idea of it
//! (`tests/ledger/vectors.py`).

use std::{collections::BTreeMap, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::Value;

use super::*;
use crate::{
    domain::Timestamp,
    jose::SigningKey,
    store::{NewEvent, Position, Recorded, Revision},
};

const COUNT: u64 = 600;

#[derive(Deserialize)]
struct Vectors {
    seed: String,
    origin: String,
    verifier_key: String,
    events: Vec<Value>,
    entries: Vec<String>,
    leaf_hashes: Vec<String>,
    rest: Value,
    roots: BTreeMap<u64, Hash>,
    checkpoints: BTreeMap<u64, String>,
    inclusion: Vec<InclusionVector>,
    consistency: Vec<ConsistencyVector>,
    tiles: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct InclusionVector {
    index: u64,
    size: u64,
    hashes: Vec<Hash>,
}

#[derive(Deserialize)]
struct ConsistencyVector {
    from: u64,
    to: u64,
    hashes: Vec<Hash>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../tests/ledger/vectors.json")).expect("the vectors are JSON")
}

fn recorded(parts: &Value) -> Recorded {
    let text = |name: &str| parts[name].as_str().expect("a string").to_owned();
    let number = |name: &str| parts[name].as_u64().expect("an integer");
    Recorded {
        position: Position(number("position")),
        stream: text("stream").parse().expect("a stream of ours"),
        revision: Revision(number("revision")),
        event: NewEvent {
            id: text("id").parse().expect("a UUID"),
            kind: text("type"),
            schema: number("schema").try_into().expect("a small integer"),
            time: Timestamp(parts["time"].as_i64().expect("an integer")),
            actor: text("actor"),
            request_id: text("request_id"),
            data: serde_json_canonicalizer::to_string(&parts["data"]).expect("JSON"),
        },
    }
}

/// The events that the program makes: the first five by what it tells, the others by its rule.
fn events(vectors: &Vectors) -> Vec<Recorded> {
    let mut events: Vec<Recorded> = vectors.events.iter().map(recorded).collect();
    events[3].event.data = format!("{{\"long\":\"{}\"}}", "x".repeat(70_000));
    let rest = serde_json_canonicalizer::to_string(&vectors.rest).expect("JSON");
    for position in events.len() as u64 + 1..=COUNT {
        let actor = ["client:calendar", "system", "subject:\u{e9}"][usize::try_from(position % 3).expect("small")];
        events.push(Recorded {
            position: Position(position),
            stream: format!("grant-019a2d5e-6c00-7000-8000-{:012x}", position % 5).parse().expect("a stream"),
            revision: Revision(position / 5),
            event: NewEvent {
                id: format!("019a2d5e-6c01-7000-8000-{position:012x}").parse().expect("a UUID"),
                kind: "grant.revoked".into(),
                schema: 1,
                time: Timestamp(1_772_546_400_000 + i64::try_from(position).expect("small")),
                actor: actor.into(),
                request_id: if position % 2 == 1 { String::new() } else { format!("req-{position}") },
                data: rest.clone(),
            },
        });
    }
    events
}

fn entries(vectors: &Vectors) -> Vec<Vec<u8>> {
    events(vectors).iter().map(|event| entry(event).expect("it has an entry")).collect()
}

struct Leaves(Vec<Hash>);

impl Tiles for Leaves {
    type Error = ();

    /// Made each time from the leaves alone.
    fn tile(&mut self, level: u8, index: u64) -> Result<Vec<Hash>, ()> {
        let span = usize::try_from(WIDTH.pow(level.into())).map_err(drop)?;
        let full = self.0.chunks_exact(span).map(root_of);
        Ok(full.skip(usize::try_from(index * WIDTH).map_err(drop)?).take(256).collect())
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    Hash::try_from(digest(&SHA256, bytes).as_ref()).expect("32 octets").to_hex()
}

#[test]
fn entries_and_leaves_are_those_of_the_other_program() {
    let vectors = vectors();
    let entries = entries(&vectors);
    for (entry, expected) in entries.iter().zip(&vectors.entries) {
        assert_eq!(std::str::from_utf8(entry), Ok(expected.as_str()));
    }
    let leaves: Vec<String> = entries.iter().take(5).map(|entry| leaf_hash(entry).to_hex()).collect();
    assert_eq!(leaves, vectors.leaf_hashes);
}

#[test]
fn roots_tiles_and_proofs_are_those_of_the_other_program() {
    let vectors = vectors();
    let entries = entries(&vectors);
    let mut leaves = Leaves(entries.iter().map(|entry| leaf_hash(entry)).collect());
    for (size, expected) in &vectors.roots {
        let mut edge = Edge::default();
        leaves.0[..usize::try_from(*size).expect("small")].iter().for_each(|leaf| drop(edge.push(*leaf)));
        assert_eq!((edge.root(), root(*size, &mut leaves)), (*expected, Ok(*expected)), "{size}");
    }
    for InclusionVector { index, size, hashes } in &vectors.inclusion {
        assert_eq!(inclusion(*index, *size, &mut leaves).as_ref(), Ok(hashes), "{index} of {size}");
    }
    for ConsistencyVector { from, to, hashes } in &vectors.consistency {
        assert_eq!(consistency(*from, *to, &mut leaves).as_ref(), Ok(hashes), "{from} to {to}");
    }
    for (name, expected) in &vectors.tiles {
        let tile: Tile = name.parse().expect("a tile");
        assert!(tile.is_in(COUNT), "{name}");
        let first = usize::try_from(tile.index * WIDTH).expect("small");
        let bytes = match tile.content {
            Content::Hashes(level) => Hash::join(&leaves.tile(level, tile.index).expect("a tile")),
            Content::Entries => bundle(&entries[first..first + usize::from(tile.width)]),
        };
        assert_eq!(hexadecimal(&bytes), *expected, "{name}");
    }
}

#[test]
fn keys_and_checkpoints_are_those_of_the_other_program() {
    let vectors = vectors();
    let seed: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&vectors.seed[2 * at..2 * at + 2], 16).expect("hexadecimal digits")).collect();
    let key = SigningKey::from_ed25519_seed(seed.as_slice().try_into().expect("32 octets"));
    let signer = NoteSigner::new(&vectors.origin, Arc::new(key)).expect("a signer");
    assert_eq!(signer.verifier().to_string(), vectors.verifier_key);
    for (size, note) in &vectors.checkpoints {
        let checkpoint = Checkpoint { origin: vectors.origin.clone(), size: *size, root: vectors.roots[size] };
        assert_eq!(checkpoint.clone().sign(&signer).note, *note);
        assert_eq!(SignedCheckpoint::verify(note, &[signer.verifier().clone()]).expect("verified").checkpoint, checkpoint);
    }
}
