//! What has to be registered before there can be load.

use std::net::SocketAddr;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::{
    failure::Failure,
    http::{Call, Connection},
    server::Server,
};

/// Where codes are sent to. Nobody listens there: the redirect is read, not followed.
pub const REDIRECT_URI: &str = "https://client.example/callback";
/// What is asked for on behalf of a person.
pub const PERSON_SCOPE: &str = "openid profile offline_access";
/// What is asked for by a machine.
pub const MACHINE_SCOPE: &str = "profile";

/// An API key or a machine's credentials, as a header value.
pub type Credentials = HeaderValue;

/// A client that acts for people. It is public, so it has no secret.
#[derive(Clone, Debug)]
pub struct PersonalClient {
    /// Its identifier.
    pub id: String,
}

/// A client that acts for itself.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its identifier.
    pub id: String,
    /// Its identifier and secret, for HTTP Basic.
    pub credentials: Credentials,
}

/// What is registered.
#[derive(Debug)]
pub struct Fixture {
    /// Where the server listens.
    pub address: SocketAddr,
    /// Its issuer identifier.
    pub issuer: String,
    /// The key of the application that logs people in.
    pub consent_key: Credentials,
    /// The key of a resource server.
    pub resource_server_key: Credentials,
    /// Its access tokens are JWTs; ID tokens are signed with what is used when a client says nothing (RS256).
    pub jwt_client: PersonalClient,
    /// Its access tokens are JWTs; ID tokens are signed with EdDSA.
    pub eddsa_client: PersonalClient,
    /// Its access tokens are opaque.
    pub opaque_client: PersonalClient,
    /// Its access tokens are JWTs.
    pub jwt_machine: Machine,
    /// Its access tokens are opaque.
    pub opaque_machine: Machine,
    /// When people logged in, as they say: when the fixture was made.
    pub auth_time: i64,
}

#[derive(Deserialize)]
struct MadeClient {
    client_id: String,
    client_secret: Option<String>,
}

#[derive(Deserialize)]
struct MadeKey {
    api_key: String,
}

impl Fixture {
    /// Registers it all, with the first API key.
    pub async fn make(server: &Server, auth_time: i64) -> Result<Self, Failure> {
        let mut connection = Connection::open(server.address).await?;
        let mut registrar = Registrar { admin: bearer(&server.api_key)?, connection: &mut connection };
        Ok(Self {
            address: server.address,
            issuer: server.issuer.clone(),
            consent_key: registrar.key("consent").await?,
            resource_server_key: registrar.key("resource_server").await?,
            jwt_client: registrar.personal("jwt", "RS256").await?,
            eddsa_client: registrar.personal("jwt", "EdDSA").await?,
            opaque_client: registrar.personal("opaque", "RS256").await?,
            jwt_machine: registrar.machine("jwt").await?,
            opaque_machine: registrar.machine("opaque").await?,
            auth_time,
        })
    }
}

struct Registrar<'a> {
    admin: Credentials,
    connection: &'a mut Connection,
}

impl Registrar<'_> {
    async fn key(&mut self, role: &str) -> Result<Credentials, Failure> {
        let call = Call::json("/v1/api-keys", &json!({"name": format!("bench {role}"), "role": role})).with(&self.admin);
        let made: MadeKey = self.connection.send(call).await?.expect(StatusCode::CREATED)?.json()?;
        bearer(&made.api_key)
    }

    async fn client(&mut self, metadata: &serde_json::Value) -> Result<MadeClient, Failure> {
        let call = Call::json("/v1/clients", metadata).with(&self.admin);
        self.connection.send(call).await?.expect(StatusCode::CREATED)?.json()
    }

    async fn personal(&mut self, format: &str, id_token_algorithm: &str) -> Result<PersonalClient, Failure> {
        let made = self
            .client(&json!({
                "client_type": "third_party", "token_endpoint_auth_method": "none", "client_name": format!("bench, {format}"),
                "redirect_uris": [REDIRECT_URI], "grant_types": ["authorization_code", "refresh_token"], "scope": PERSON_SCOPE,
                "access_token_format": format, "id_token_signed_response_alg": id_token_algorithm,
            }))
            .await?;
        Ok(PersonalClient { id: made.client_id })
    }

    async fn machine(&mut self, format: &str) -> Result<Machine, Failure> {
        let made = self
            .client(&json!({
                "client_type": "machine", "token_endpoint_auth_method": "client_secret_basic",
                "client_name": format!("bench machine, {format}"), "grant_types": ["client_credentials"], "scope": MACHINE_SCOPE,
                "access_token_format": format,
            }))
            .await?;
        Ok(Machine { credentials: basic(&made.client_id, &made.client_secret.unwrap_or_default())?, id: made.client_id })
    }
}

/// RFC 6750 §2.1.
pub fn bearer(token: &str) -> Result<Credentials, Failure> {
    credentials(format!("Bearer {token}"))
}

/// RFC 6749 §2.3.1: both halves are form-encoded before they are joined.
fn basic(id: &str, secret: &str) -> Result<Credentials, Failure> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    credentials(format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)))))
}

fn credentials(text: String) -> Result<Credentials, Failure> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|error| Failure::Io { what: "credentials that fit no header".to_owned(), source: std::io::Error::other(error) })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_2_3_1_both_halves_are_form_encoded() {
        assert_eq!(basic("a:b", "c d").unwrap(), format!("Basic {}", BASE64_STANDARD.encode("a%3Ab:c+d")));
        assert!(bearer("line\nbreak").is_err());
    }
}
