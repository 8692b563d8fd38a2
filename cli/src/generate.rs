//! `grantlog generate`: the files that are derived from code.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use grantlog_api::{endpoints, problem::problems_markdown};
use grantlog_core::domain::catalog::reference::events_markdown;

use crate::Failure;

/// What `generate` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The root of the repository
    dir: PathBuf,
}

/// Writes them.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    for (path, content) in files()? {
        write(&arguments.dir.join(path), &content)?;
    }
    Ok(())
}

/// Every file with its content.
pub fn files() -> Result<[(&'static str, String); 3], serde_json::Error> {
    let document = serde_json::to_string_pretty(&endpoints::document())? + "\n";
    Ok([("openapi/openapi.json", document), ("docs/problems.md", problems_markdown()), ("docs/events.md", events_markdown())])
}

fn write(path: &Path, content: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, content)
}
