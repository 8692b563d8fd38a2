//! What was read of an entry, before it is known whether it is sound.

use grantlog_core::{
    app::import::{ForeignClient, ForeignSecret},
    domain::ClientId,
    keys::SecretHash,
    protocol::{ClientMetadata, ClientMetadataInput, SecretText, parse_client_id},
};

use super::members::Members;

/// A secret of fewer characters could be found by trying.
const FEWEST_CHARACTERS: usize = 8;

/// What was read of an entry.
#[derive(Debug, Default)]
pub struct Draft {
    /// Its id.
    pub client_id: Option<String>,
    /// What is to be registered about it.
    pub input: ClientMetadataInput,
    /// What it authenticates with.
    pub secret: Option<ForeignSecret>,
    /// Whether it is suspended.
    pub suspended: Option<bool>,
}

impl Draft {
    /// Takes a secret, or what was kept of it.
    pub fn take_secret(&mut self, members: &mut Members, name: &str) {
        let Some(text) = members.text(name) else { return };
        if SecretHash::looks_like_one(&text) {
            return self.set_hash(members, name, &text);
        }
        // RFC 6749 App. A.2: a client secret is printable ASCII.
        if !text.bytes().all(|byte| matches!(byte, 0x20..=0x7E)) || text.len() > 1024 {
            members.refuse(format!("{name} must be printable ASCII of at most 1024 characters"));
        } else if text.len() < FEWEST_CHARACTERS {
            members.refuse(format!("{name} has fewer than {FEWEST_CHARACTERS} characters"));
        } else {
            self.secret = Some(ForeignSecret::Text(SecretText::from(text)));
        }
    }

    /// Takes what was kept of a secret.
    pub fn take_hash(&mut self, members: &mut Members, name: &str) {
        let Some(text) = members.text(name) else { return };
        if self.secret.is_some() {
            members.refuse(format!("{name} is given beside the secret"));
        } else {
            self.set_hash(members, name, &text);
        }
    }

    fn set_hash(&mut self, members: &mut Members, name: &str, text: &str) {
        match SecretHash::imported(text) {
            Ok(hash) => self.secret = Some(ForeignSecret::Hash(hash)),
            Err(why) => members.refuse(format!("{name} {why}")),
        }
    }

    /// The client, if nothing is wrong with it; else `members` has every reason.
    pub fn finish(mut self, members: &mut Members) -> Option<ForeignClient> {
        let client_id = self.id(members);
        if self.input.client_name.is_none() {
            self.input.client_name.clone_from(&self.client_id);
        }
        let metadata =
            self.input.into_metadata().map_err(|problems| problems.iter().for_each(|problem| members.refuse(problem.to_string())));
        let (client_id, metadata) = (client_id?, metadata.ok()?);
        let secret = usable(self.secret, &metadata, members);
        Some(ForeignClient { client_id, metadata, secret, suspended: self.suspended }).filter(|_| members.reasons.is_empty())
    }

    fn id(&self, members: &mut Members) -> Option<ClientId> {
        let Some(text) = &self.client_id else {
            members.refuse("client_id is missing");
            return None;
        };
        let id = parse_client_id(text);
        if id.is_none() {
            members.refuse("client_id must be printable ASCII of 1 to 256 characters");
        }
        id
    }
}

/// Others export a secret for clients that never use it.
fn usable(secret: Option<ForeignSecret>, metadata: &ClientMetadata, members: &mut Members) -> Option<ForeignSecret> {
    match (metadata.uses_secret(), &secret) {
        (true, None) => members.refuse("client_secret is missing"),
        (false, Some(_)) => members.ignore("client_secret: the client does not authenticate with it"),
        (true, Some(_)) | (false, None) => {}
    }
    secret.filter(|_| metadata.uses_secret())
}
