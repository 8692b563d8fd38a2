use std::{fs, path::Path};

use grantlog_api::endpoints;

/// The committed document, which `make generate` writes.
#[test]
fn the_committed_document_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi/openapi.json");
    let current = endpoints::document().to_pretty_json().unwrap() + "\n";
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, &current).unwrap();
}
