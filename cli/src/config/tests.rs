use std::fs;

use grantlog_core::{jose::SigningKey, ledger::WitnessKey};
use serde_json::Value;

use super::*;

const PAGE: &str = include_str!("../../../docs/configuration.md");

fn read(text: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("grantlog.toml");
    fs::write(&file, text).unwrap();
    Config::read(Some(&file)).map_err(|error| error.to_string())
}

/// Every key with its default, as the page writes both.
fn keys(path: &str, value: &Value, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                keys(&path, value, found);
            }
        }
        _ => found.push((path.to_owned(), value.clone())),
    }
}

#[test]
fn the_page_has_every_key_with_its_default_and_its_variable_and_no_other() {
    let mut expected = vec![("scopes".to_owned(), Value::Null)];
    keys("", &serde_json::to_value(Config::default()).unwrap(), &mut expected);
    let rows: Vec<Vec<&str>> = PAGE
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect())
        .collect();
    for (key, default) in &expected {
        let row = rows.iter().find(|row| row[0] == format!("`{key}`")).unwrap_or_else(|| panic!("{key} is not on the page"));
        if !default.is_null() {
            assert_eq!(row[1], format!("`{default}`"), "{key}");
        }
        assert_eq!(row[2], format!("`GRANTLOG_{}`", key.to_uppercase().replace('.', "__")), "{key}");
    }
    assert_eq!(rows.len(), expected.len());
}

#[test]
fn nothing_is_dropped_before_it_has_long_expired() {
    assert_eq!(read("").unwrap().retention.issuance, None);
    assert_eq!(read("[retention]\nissuance = 2678400").unwrap().retention.issuance, Some(2_678_400));
    let error = read("[retention]\nissuance = 2678399").unwrap_err();
    assert!(error.contains("retention.issuance") && error.contains("2678400"), "{error}");
    let error = read("[tokens]\nrefresh_token_lifetime = 60\n[retention]\nissuance = 172799").unwrap_err();
    assert!(error.contains("172800"), "{error}");
}

#[test]
fn an_unknown_key_is_named_with_its_source() {
    let error = read("[tokens]\ncode_lifetme = 5\n").unwrap_err();
    assert!(error.contains("code_lifetme") && error.contains("tokens") && error.contains("grantlog.toml"), "{error}");
    let error = read("[limits.per_client]\nper_minute = 5\n").unwrap_err();
    assert!(error.contains("per_minute"), "{error}");
}

#[test]
fn a_file_changes_what_it_names_and_nothing_else() {
    let config = read(
        "issuer = \"https://login.example\"\n[limits.per_client]\nburst = 7\n[proxy]\ntrusted = [\"10.0.0.0/8\"]\nheader = \"forwarded\"",
    )
    .unwrap();
    assert_eq!(config.settings().audience, "https://login.example");
    assert_eq!(config.limits.per_client, rate(100, 7));
    assert_eq!(config.proxy.header, ForwardedHeader::Forwarded);
    assert!(config.scopes.contains_key("openid"));
}

#[test]
fn scopes_replace_the_standard_ones() {
    let config = read("[scopes]\n\"notes.read\" = \"Read your notes\"\n").unwrap();
    assert_eq!(config.scopes.keys().collect::<Vec<_>>(), ["notes.read"]);
}

#[test]
fn rfc8414_2_the_issuer_is_an_https_url_without_query_and_fragment() {
    for issuer in ["http://login.example", "https://login.example/", "https://login.example?a", "https://login.example#a", "login.example"]
    {
        let error = read(&format!("issuer = \"{issuer}\"")).unwrap_err();
        assert!(error.contains("`issuer`"), "{error}");
    }
    for issuer in ["https://login.example", "https://example.org/login", "http://localhost:8080", "http://[::1]:80"] {
        assert!(read(&format!("issuer = \"{issuer}\"")).is_ok(), "{issuer}");
    }
}

#[test]
fn what_is_out_of_bounds_is_named() {
    for (text, key) in [
        ("[tokens]\ncode_lifetime = 601", "tokens.code_lifetime"),
        ("[limits]\nconnections = 0", "limits.connections"),
        ("[outbound]\ntimeout = 0", "outbound.timeout"),
        ("[outbound]\nmax_bytes = 10", "outbound.max_bytes"),
        ("[outbound]\nallowed_hosts = [\"https://a.example\"]", "outbound.allowed_hosts"),
        ("[outbound]\ninsecure_hosts = [\"a.example\"]", "outbound.insecure_hosts"),
        ("[projections]\nsnapshot_every = 0", "projections.snapshot_every"),
        ("interaction_url = \"here\"", "interaction_url"),
        ("[scopes]\n\"a b\" = \"\"", "scopes"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(&format!("`{key}`")), "{error}");
    }
    assert!(read("[limits.per_client]\nburst = 0").is_err());
    assert!(read("[outbound]\nallowed_hosts = [\"a.example\"]\ninsecure_hosts = [\"a.example:8080\"]").is_ok());
}

#[test]
fn what_clients_may_register_themselves_for_is_what_is_said_or_the_standard_scopes_that_there_are() {
    let scopes = |text: &str| read(text).unwrap().settings().registration.scopes.to_string();
    assert_eq!(scopes(""), "address email offline_access openid phone profile");
    assert_eq!(scopes("[scopes]\nopenid = \"Know who you are\"\n\"notes.read\" = \"Read your notes\""), "openid");
    assert_eq!(scopes("[registration]\nscopes = [\"notes.read\", \"openid\"]"), "notes.read openid");
    for wrong in ["a b", "full_access"] {
        assert!(read(&format!("[registration]\nscopes = [\"{wrong}\"]")).unwrap_err().contains("registration.scopes"), "{wrong}");
    }
    assert!(read("[registration]\ndynamic = \"everybody\"").unwrap_err().contains("dynamic"));
}

#[test]
fn witnesses_are_read_and_what_is_none_is_named() {
    let key = WitnessKey::new("witness.example/w1", SigningKey::from_ed25519_seed(&[7; 32]).ed25519_public().unwrap()).unwrap();
    let with = |key: &str, url: &str| read(&format!("[ledger]\nwitnesses = [{{ key = \"{key}\", url = \"{url}\" }}]"));
    let anchors = with(&key.to_string(), "https://witness.example/log").unwrap().ledger.anchors().unwrap();
    assert_eq!(anchors.witnesses, [ledger::Witness { key: key.clone(), url: "https://witness.example/log".into() }]);
    assert!(with("witness.example", "https://witness.example").unwrap_err().contains("ledger.witnesses"));
    assert!(with(&key.to_string(), "witness.example").unwrap_err().contains("no URL"));
    assert!(read("[ledger]\npost_to = [\"/relative\"]").unwrap_err().contains("ledger.post_to"));
}
