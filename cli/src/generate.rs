//! `grantlog generate`: the files that are derived from code.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use grantlog_api::{endpoints, problem::problems_markdown};
use grantlog_core::domain::catalog::reference::events_markdown;
use serde_json::{Map, Value};

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
pub fn files() -> Result<[(&'static str, String); 4], serde_json::Error> {
    let described = endpoints::document();
    let document = serde_json::to_value(&described)?;
    let pretty = |value: &Value| serde_json::to_string_pretty(value).map(|text| text + "\n");
    Ok([
        ("openapi/openapi.json", serde_json::to_string_pretty(&described)? + "\n"),
        ("openapi/consent-receipt.schema.json", pretty(&schema_of(&document, "ConsentReceipt"))?),
        ("docs/problems.md", problems_markdown()),
        ("docs/events.md", events_markdown()),
    ])
}

/// The JSON Schema (2020-12, as OpenAPI 3.1 has it) of one component, complete in itself.
fn schema_of(document: &Value, name: &str) -> Value {
    let component = |name: &str| document["components"]["schemas"][name].clone();
    let mut schema = component(name);
    let mut definitions = Map::new();
    let mut missing = references(&schema);
    while let Some(name) = missing.pop() {
        if !definitions.contains_key(&name) {
            let definition = component(&name);
            missing.extend(references(&definition));
            definitions.insert(name, definition);
        }
    }
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = name.into();
    schema["$defs"] = Value::Object(definitions);
    relocate(&mut schema);
    schema
}

const COMPONENTS: &str = "#/components/schemas/";

/// The components that a schema refers to.
fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix(COMPONENTS));
            own.map(str::to_owned).into_iter().chain(members.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// Has references lead to the definitions beside the schema.
fn relocate(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get_mut("$ref") {
                *target = target.replace(COMPONENTS, "#/$defs/");
            }
            members.values_mut().for_each(relocate);
        }
        Value::Array(items) => items.iter_mut().for_each(relocate),
        _ => {}
    }
}

fn write(path: &Path, content: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, content)
}
