//! Client ID metadata documents (draft-ietf-oauth-client-id-metadata-document): a client whose id is the URL of a document
//! that says of it what it would say when registering itself.

use serde_json::Value;

use super::{ClientMetadata, MetadataProblem, SelfRegistrable, UriError, parse_strict, read_self_description, uri};
use crate::domain::ClientId;

/// The URL of a metadata document, which is the id of its client, letter for letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentUrl {
    url: String,
    host: String,
}

/// What is wrong with such a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDocumentUrl {
    /// It is not a plain URL of the web.
    #[error("the client_id {0}")]
    Uri(#[from] UriError),
    /// There is nothing after the host (draft-ietf-oauth-client-id-metadata-document §3).
    #[error("the client_id has no path")]
    NoPath,
}

impl DocumentUrl {
    /// Whether a client id is meant to be one. Ids of ours are not.
    pub fn is_meant(client_id: &ClientId) -> bool {
        ["https://", "http://"].iter().any(|scheme| client_id.as_str().starts_with(scheme))
    }

    /// Reads it: no fragment, no user name, no dot segments, and a path. Whether `https` alone will do is for whoever
    /// fetches it to say.
    pub fn parse(client_id: &ClientId) -> Result<Self, NoDocumentUrl> {
        let text = client_id.as_str();
        uri::check_fetched(text)?;
        let parts = uri::split(text).ok_or(NoDocumentUrl::Uri(UriError::NotAbsolute))?;
        if parts.path.is_empty() {
            return Err(NoDocumentUrl::NoPath);
        }
        Ok(Self { url: text.to_owned(), host: parts.authority.unwrap_or_default().to_owned() })
    }

    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The host, and the port if it is named: what a person can be shown of who is asking.
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// Reads the document at this URL, and says everything that is wrong with it.
pub fn read_document(url: &DocumentUrl, document: &[u8], registrable: SelfRegistrable<'_>) -> Result<ClientMetadata, Vec<MetadataProblem>> {
    let problem = |field, problem: &str| MetadataProblem { field, problem: problem.to_owned() };
    let document = match parse_strict(document) {
        Ok(Value::Object(document)) => document,
        Ok(_) => return Err(vec![problem("document", "is not a JSON object")]),
        Err(why) => return Err(vec![MetadataProblem { field: "document", problem: format!("can't be read: {why}") }]),
    };
    let mut problems = Vec::new();
    // The document says whose it is, letter for letter: nobody becomes the client of a document that was copied.
    if document.get("client_id").and_then(Value::as_str) != Some(url.as_str()) {
        problems.push(problem("client_id", "is not the URL of the document"));
    }
    // Everybody reads the document: nothing in it is a secret.
    for secret in ["client_secret", "client_secret_expires_at"] {
        if document.contains_key(secret) {
            problems.push(problem(secret, "must not be there"));
        }
    }
    let mut said = document;
    let method = said.entry("token_endpoint_auth_method").or_insert_with(|| "none".into());
    if !["none", "private_key_jwt"].iter().any(|known| method == known) {
        problems.push(problem("token_endpoint_auth_method", "is neither none nor private_key_jwt: a document can't share a secret"));
        *method = "none".into();
    }
    if !said.contains_key("client_name") {
        said.insert("client_name".to_owned(), url.host().into());
    }
    match read_self_description(&said, registrable) {
        Ok(metadata) if problems.is_empty() => Ok(metadata),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            Err(problems)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::{ClientType, Scope};

    const URL: &str = "https://client.example/app.json";

    fn url() -> DocumentUrl {
        DocumentUrl::parse(&URL.into()).unwrap()
    }

    fn read(members: Value) -> Result<ClientMetadata, Vec<MetadataProblem>> {
        let mut document = json!({"client_id": URL, "client_name": "App", "redirect_uris": ["https://client.example/cb"]});
        for (name, value) in members.as_object().unwrap() {
            document[name] = value.clone();
        }
        let scopes: Scope = "openid email offline_access".parse().unwrap();
        read_document(&url(), document.to_string().as_bytes(), SelfRegistrable { scopes: &scopes, redirect_uris: 3 })
    }

    fn fields(members: Value) -> Vec<&'static str> {
        read(members).err().unwrap_or_default().iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn the_url_of_a_document_is_plain_and_has_a_path() {
        for text in [URL, "https://client.example/", "https://client.example:8443/a?b", "http://localhost:1/a"] {
            assert!(DocumentUrl::parse(&text.into()).is_ok(), "{text}");
        }
        for text in [
            "https://client.example",
            "https://client.example?x",
            "https://client.example/a#b",
            "https://a@client.example/a",
            "https://a:b@client.example/a",
            "https://client.example/a/../b",
            "https://client.example/./b",
            "https://client.example/%2e%2e/b",
            "https://cli ent.example/a",
            "https://client.example:0/a",
            "https://0x7f.1/a",
            "https:///a",
            "https:a",
            "ftp://client.example/a",
        ] {
            assert!(DocumentUrl::parse(&text.into()).is_err(), "{text}");
        }
        assert!(DocumentUrl::is_meant(&URL.into()) && !DocumentUrl::is_meant(&"client_0193".into()));
        assert_eq!(DocumentUrl::parse(&"https://client.example:8443/a".into()).unwrap().host(), "client.example:8443");
    }

    #[test]
    fn a_document_makes_a_public_client_of_a_third_party() {
        let metadata =
            read(json!({"client_type": "first_party", "pkce_exempt": true, "logo_uri": "https://client.example/logo.png"})).unwrap();
        assert!(metadata.is_public() && metadata.client_type == ClientType::ThirdParty && !metadata.pkce_exempt);
        assert_eq!(metadata.scope.to_string(), "email openid");
        assert_eq!(read(json!({"scope": "email full_access"})).unwrap().scope.to_string(), "email");
    }

    #[test]
    fn a_document_names_itself_letter_for_letter() {
        for wrong in [json!("https://client.example/app.json/"), json!("HTTPS://client.example/app.json"), json!(null), json!([URL])] {
            assert_eq!(fields(json!({"client_id": wrong})), ["client_id"], "{wrong}");
        }
    }

    #[test]
    fn a_document_has_no_secret_and_no_method_that_needs_one() {
        assert_eq!(fields(json!({"client_secret": "x", "client_secret_expires_at": 0})), ["client_secret", "client_secret_expires_at"]);
        for method in ["client_secret_basic", "client_secret_post", "client_secret_jwt", "tls_client_auth", ""] {
            assert_eq!(fields(json!({"token_endpoint_auth_method": method})), ["token_endpoint_auth_method"], "{method}");
        }
        assert_eq!(fields(json!({"token_endpoint_auth_method": "private_key_jwt"})), ["jwks"]);
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        assert_eq!(
            fields(json!({"client_id": "x", "client_secret": "x", "redirect_uris": ["javascript:x"]})),
            ["client_id", "client_secret", "redirect_uris"]
        );
        let scopes = Scope::default();
        let read = |text: &[u8]| read_document(&url(), text, SelfRegistrable { scopes: &scopes, redirect_uris: 3 }).unwrap_err()[0].field;
        for text in [b"[]".as_slice(), b"", b"{\"a\":1,\"a\":2}", b"<html>"] {
            assert_eq!(read(text), "document");
        }
    }
}
