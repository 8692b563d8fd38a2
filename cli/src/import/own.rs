//! Clients as grantlog tells them (`GET /v1/clients`), with `client_secret` or `client_secret_hash` beside.

use grantlog_core::protocol::ClientMetadataInput;

use super::{draft::Draft, members::Members};

/// What is told of a client and can't be registered.
const TOLD: [&str; 6] = ["registered_at", "registration", "verified", "lease_until", "used", "client_id_issued_at"];

/// Reads an entry.
pub fn read(members: &mut Members) -> Draft {
    let mut draft = Draft { client_id: members.text("client_id"), ..Draft::default() };
    draft.suspended = match members.text("state").as_deref() {
        Some("active") => Some(false),
        Some("suspended") => Some(true),
        Some(other) => {
            members.refuse(format!("state {other} is neither active nor suspended"));
            None
        }
        None => None,
    };
    if members.flag("secret_rotation_underway") == Some(true) {
        members.ignore("secret_rotation_underway: only the secret that is given is taken over");
    }
    for name in TOLD {
        // How and when it was registered here is told anew.
        members.forget(name);
    }
    draft.take_secret(members, "client_secret");
    draft.take_hash(members, "client_secret_hash");
    match serde_json::from_value::<ClientMetadataInput>(members.take_rest()) {
        Ok(input) => draft.input = input,
        Err(error) => members.refuse(error.to_string()),
    }
    draft
}
