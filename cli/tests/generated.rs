//! The generated files are those of this program.

use std::{fs, path::Path};

#[test]
fn the_generated_files_are_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (path, content) in grantlog_cli::generate::files().unwrap() {
        let found = fs::read_to_string(root.join(path)).unwrap();
        assert!(found == content, "{path} is stale: run `make generate`");
    }
}
