use std::{collections::HashMap, sync::Mutex};

use grantlog_core::{
    app::Context,
    domain::api_key::Role,
    ledger::{ConsistencyProof, InclusionProof, VerifierKey},
    store::{EventStore, Position},
};
use grantlog_tests::{Answer, TestServer, text};
use http::Method;
use serde_json::{Value, json};
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{
    Error, HashReader, TileHashReader, TileReader,
    tile::Tile,
    tlog::{Hash, check_record, check_tree, prove_record, prove_tree, record_hash, tree_hash},
};

const CHECKPOINTS: &str = "/v1/audit/checkpoints";

async fn auditor(server: &TestServer, path: &str) -> Answer {
    server.call("auditor", Method::GET, path, None).await
}

async fn sign(server: &TestServer) -> Value {
    server.call("auditor", Method::POST, CHECKPOINTS, None).await.expect(200)
}

/// Appends so many events.
async fn grow(server: &TestServer, count: usize) {
    for _ in 0..count {
        server.app.authority.create_api_key(&Context::system(), "one more", Role::Consent, None).await.unwrap();
    }
}

async fn verifier_key(server: &TestServer) -> String {
    let keys = server.get("/ledger/keys").await.expect(200);
    assert_eq!(keys["origin"], "auth.example.com");
    keys["verifier_keys"][0].as_str().unwrap().to_owned()
}

fn is_verified(note: &str, key: &str) -> bool {
    let known = VerifierList::new(vec![Box::new(StandardVerifier::new(key).unwrap())]);
    Note::from_bytes(note.as_bytes()).unwrap().verify(&known).is_ok_and(|(verified, _)| verified.len() == 1)
}

/// What another program reads of the log: tiles by their names, and no more.
struct Fetched(Mutex<HashMap<String, Vec<u8>>>);

impl Fetched {
    /// Every tile of hashes that a tree of this size has.
    async fn of(server: &TestServer, size: u64) -> Self {
        let mut tiles = HashMap::new();
        for tile in Tile::new_tiles(8, 0, size) {
            let name = tile.path().replacen("tile/8/", "tile/", 1);
            let answer = auditor(server, &format!("/ledger/{name}")).await;
            assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/octet-stream")), "{name}");
            tiles.insert(tile.path(), answer.body.to_vec());
        }
        Self(Mutex::new(tiles))
    }
}

impl TileReader for Fetched {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let fetched = self.0.lock().unwrap();
        Ok(tiles.iter().map(|tile| fetched.get(&tile.path()).unwrap_or_else(|| panic!("{} is needed", tile.path())).clone()).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

fn hashes(proof: &Value) -> Vec<Hash> {
    proof["hashes"].as_array().unwrap().iter().map(|hash| Hash::parse_hash(hash.as_str().unwrap()).unwrap()).collect()
}

/// Its own hashing, its own tree, its own notes: nothing here is checked with our code.
#[tokio::test]
async fn another_implementation_verifies_checkpoints_tiles_entries_and_proofs() {
    let server = TestServer::start().await;
    let key = verifier_key(&server).await;
    let mut signed = Vec::new();
    for more in [3, 250, 10, 300] {
        grow(&server, more).await;
        signed.push(sign(&server).await);
    }
    let sizes: Vec<u64> = signed.iter().map(|checkpoint| checkpoint["size"].as_u64().unwrap()).collect();
    assert!(sizes.windows(2).all(|pair| pair[0] < pair[1]) && sizes[1] > 256 && sizes[3] > 512, "{sizes:?}");
    for checkpoint in &signed {
        let (size, note) = (checkpoint["size"].as_u64().unwrap(), text(checkpoint, "checkpoint"));
        assert!(is_verified(note, &key));
        let lines: Vec<&str> = note.lines().collect();
        assert_eq!(lines[..3], ["auth.example.com", &size.to_string(), text(checkpoint, "root")]);
        let root = Hash::parse_hash(lines[2]).unwrap();
        let fetched = Fetched::of(&server, size).await;
        // It checks each tile against the root before it believes it.
        let tree = TileHashReader::new(size, root, &fetched);
        assert_eq!(tree_hash(size, &tree).unwrap(), root);
        for position in [1, 2, size / 2, size] {
            let proof = auditor(&server, &format!("/v1/audit/proofs/inclusion?position={position}&size={size}")).await.expect(200);
            assert_eq!(hashes(&proof), prove_record(size, position - 1, &tree).unwrap());
            let entry = base64_of(text(&proof, "entry"));
            check_record(&hashes(&proof), size, root, position - 1, record_hash(&entry)).unwrap();
        }
        for earlier in signed.iter().filter(|earlier| earlier["size"].as_u64() < Some(size)) {
            let from = earlier["size"].as_u64().unwrap();
            let proof = auditor(&server, &format!("/v1/audit/proofs/consistency?from={from}&to={size}")).await.expect(200);
            assert_eq!(hashes(&proof), prove_tree(size, from, &tree).unwrap());
            check_tree(&hashes(&proof), size, root, from, Hash::parse_hash(text(earlier, "root")).unwrap()).unwrap();
        }
        entries_hash_to_the_tiles(&server, size, &tree).await;
    }
}

async fn entries_hash_to_the_tiles(server: &TestServer, size: u64, tree: &impl HashReader) {
    let mut index = 0;
    for bundle in 0..size.div_ceil(256) {
        let width = (size - bundle * 256).min(256);
        let partial = if width < 256 { format!(".p/{width}") } else { String::new() };
        let answer = auditor(server, &format!("/ledger/tile/entries/{bundle:03}{partial}")).await;
        assert_eq!(answer.status, 200);
        let mut rest = &answer.body[..];
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let (entry, after) = after.split_at(u16::from_be_bytes(*length).into());
            let leaf = tree.read_hashes(&[tlog_tiles::tlog::stored_hash_index(0, index)]).unwrap();
            assert_eq!(leaf, [record_hash(entry)], "{index}");
            let entry: Value = serde_json::from_slice(entry).unwrap();
            assert_eq!(entry["position"], index + 1);
            (rest, index) = (after, index + 1);
        }
    }
    assert_eq!(index, size);
}

fn base64_of(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.decode(text).unwrap()
}

#[tokio::test]
async fn a_proof_is_a_file_that_is_checked_with_the_key_alone() {
    let server = TestServer::start().await;
    let keys = [verifier_key(&server).await.parse::<VerifierKey>().unwrap()];
    let first = sign(&server).await;
    grow(&server, 5).await;
    let second = sign(&server).await;
    let proof: InclusionProof = serde_json::from_slice(&auditor(&server, "/v1/audit/proofs/inclusion?position=2").await.body).unwrap();
    let event: Value = serde_json::from_slice(&proof.verify(&keys).unwrap()).unwrap();
    assert_eq!((&event["position"], &event["type"]), (&2.into(), &"signing_key.generated".into()));
    let path = format!("/v1/audit/proofs/consistency?from={}&to={}", first["size"], second["size"]);
    let proof: ConsistencyProof = serde_json::from_slice(&auditor(&server, &path).await.body).unwrap();
    proof.verify(&keys).unwrap();
}

#[tokio::test]
async fn what_is_asked_for_and_not_there_is_told() {
    let server = TestServer::start().await;
    auditor(&server, "/ledger/checkpoint").await.expect_problem(404, "not_found");
    auditor(&server, "/v1/audit/proofs/inclusion?position=1").await.expect_problem(404, "not_found");
    let size = sign(&server).await["size"].as_u64().unwrap();
    for (path, field) in [
        (format!("inclusion?position={}", size + 1), "position"),
        ("inclusion?position=0".to_owned(), "position"),
        ("inclusion?position=1&size=1".to_owned(), "size"),
        (format!("consistency?from=1&to={size}"), "from"),
        (format!("consistency?from={size}&to={}", size + 1), "to"),
    ] {
        let problem = auditor(&server, &format!("/v1/audit/proofs/{path}")).await.expect_problem(404, "not_found");
        assert_eq!(problem["field"], field, "{path}");
    }
    for (path, field) in [
        ("proofs/inclusion", "position"),
        ("proofs/inclusion?position=x", "position"),
        ("proofs/inclusion?position=1&size=-1", "size"),
        ("proofs/consistency?to=1", "from"),
        ("proofs/consistency?from=1", "to"),
        ("proofs/consistency?from=9&to=1", "from"),
        ("checkpoints?limit=0", "limit"),
        ("checkpoints?limit=1001", "limit"),
        ("checkpoints?after=x", "after"),
    ] {
        let problem = auditor(&server, &format!("/v1/audit/{path}")).await.expect_problem(400, "invalid_field");
        assert_eq!(problem["field"], field, "{path}");
    }
    let partial = format!("000.p/{size}");
    assert_eq!(auditor(&server, &format!("/ledger/tile/0/{partial}")).await.status, 200);
    for name in ["0/000", "0/0", "0/x000/000", "1/000.p/1", "x/000", "entries/001.p/1", "data/000"] {
        auditor(&server, &format!("/ledger/tile/{name}")).await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn checkpoints_are_listed_page_by_page() {
    let server = TestServer::start().await;
    let mut sizes = Vec::new();
    for _ in 0..3 {
        sizes.push(sign(&server).await["size"].as_u64().unwrap());
        grow(&server, 1).await;
    }
    // Signing again what is signed makes no other.
    sign(&server).await;
    sizes.push(sign(&server).await["size"].as_u64().unwrap());
    let (mut found, mut after) = (Vec::new(), Some(0));
    while let Some(from) = after {
        let page = auditor(&server, &format!("{CHECKPOINTS}?after={from}&limit=3")).await.expect(200);
        found.extend(page["checkpoints"].as_array().unwrap().iter().map(|checkpoint| checkpoint["size"].as_u64().unwrap()));
        assert_eq!(page["checkpoints"][0]["signed_at"], "2026-03-03T14:00:00.000Z");
        after = page["next_after"].as_u64();
    }
    assert_eq!(found, sizes);
    let newest = auditor(&server, "/ledger/checkpoint").await;
    assert_eq!(newest.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(String::from_utf8_lossy(&newest.body).starts_with(&format!("auth.example.com\n{}\n", sizes[3])));
}

#[tokio::test]
async fn the_ledger_is_for_auditors_unless_it_is_public() {
    let paths = [
        "/ledger/checkpoint",
        "/ledger/tile/0/000.p/1",
        "/ledger/tile/entries/000.p/1",
        CHECKPOINTS,
        "/v1/audit/proofs/inclusion?position=1",
    ];
    let server = TestServer::start().await;
    sign(&server).await;
    for path in paths {
        server.get(path).await.expect_problem(401, "unauthenticated");
        server.call("consent", Method::GET, path, None).await.expect_problem(403, "forbidden");
        let answer = auditor(&server, path).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, Some("no-store")), "{path}");
    }
    let server = TestServer::start_with(|_| {}, |edge| edge.ledger_public = true).await;
    sign(&server).await;
    for path in paths {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    assert_eq!(server.get(paths[1]).await.header("cache-control"), Some("public, max-age=31536000"));
    assert_eq!(server.get(paths[0]).await.header("cache-control"), Some("no-store"));
    // Asking for a checkpoint makes work.
    server.send(http::Request::post(CHECKPOINTS).body(bytes::Bytes::new()).unwrap()).await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn an_auditor_who_reads_events_in_the_ledger_is_on_record() {
    let server = TestServer::start().await;
    sign(&server).await;
    // Hashes and heads tell nothing of anybody; a name that is none is no question.
    for path in ["/ledger/checkpoint", "/ledger/tile/0/000.p/1", CHECKPOINTS, "/ledger/tile/entries/x"] {
        auditor(&server, path).await;
    }
    let read = auditor(&server, "/ledger/tile/entries/000.p/2").await;
    let proven = auditor(&server, "/v1/audit/proofs/inclusion?position=2").await;
    let recorded = server.events().await;
    let reads: Vec<_> = recorded.iter().filter(|event| event.event.kind == "audit.read").collect();
    let told: Vec<Value> = reads.iter().map(|event| serde_json::from_str(&event.event.data).unwrap()).collect();
    assert_eq!(
        told,
        [json!({"what": "ledger_entries", "filters": {"after": 0}}), json!({"what": "inclusion_proof", "filters": {"position": 2}})]
    );
    for (answer, event) in [read, proven].iter().zip(&reads) {
        assert_eq!(answer.header("grantlog-position"), Some(event.position.0.to_string().as_str()));
        assert!(event.event.actor.starts_with("api_key:"));
    }
    // What can't be recorded is not told.
    server.store.allow_appends(Some(0));
    for path in ["/ledger/tile/entries/000.p/2", "/v1/audit/proofs/inclusion?position=2"] {
        assert_eq!(auditor(&server, path).await.status, 503, "{path}");
    }
    // What everybody may read says nothing about who does.
    let server = TestServer::start_with(|_| {}, |edge| edge.ledger_public = true).await;
    sign(&server).await;
    let length = server.events().await.len();
    assert_eq!(auditor(&server, "/ledger/tile/entries/000.p/2").await.status, 200);
    assert_eq!(server.events().await.len(), length);
}

/// An auditor reads entries; personal data in them is sealed and stays so.
#[tokio::test]
async fn an_entry_is_the_canonical_form_of_the_event_in_the_log() {
    let server = TestServer::start().await;
    let client = server.confidential_client().await;
    grantlog_tests::Authorization::of(&server, &client, "openid email offline_access").tokens().await;
    let size = sign(&server).await["size"].as_u64().unwrap();
    // Before reading, which is an event of its own.
    let events: Vec<_> = futures::TryStreamExt::try_collect::<Vec<_>>(server.store.read_all(None)).await.unwrap();
    let bundle = auditor(&server, &format!("/ledger/tile/entries/000.p/{size}")).await.body;
    let entries = grantlog_core::ledger::entries_of(&bundle).unwrap();
    for (entry, event) in entries.iter().zip(&events) {
        assert_eq!(String::from_utf8_lossy(entry), String::from_utf8_lossy(&event.canonical().unwrap()));
    }
    assert_eq!(entries.len(), events.len());
    assert_eq!(events.last().unwrap().position, Position(size));
    let everything = String::from_utf8_lossy(&bundle).into_owned();
    assert!(everything.contains("grant.consented") && !everything.contains("ana@example.com") && !everything.contains("Ana Silva"));
}
