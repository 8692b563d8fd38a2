//! Introspection (RFC 7662) of an access token that a person's client holds.

use std::sync::Arc;

use async_trait::async_trait;
use http::StatusCode;
use serde::Deserialize;

use super::{Scenario, Worker};
use crate::{
    failure::Failure,
    fixture::{Fixture, PersonalClient},
    flow::{self, Consent},
    http::{Call, Connection},
};

/// How many tokens a worker takes in turn.
const TOKENS: usize = 4;

/// Of a JWT.
pub const JWT: Introspection = Introspection { name: "introspect-jwt", client: |fixture| &fixture.jwt_client };
/// Of an opaque token.
pub const OPAQUE: Introspection = Introspection { name: "introspect-opaque", client: |fixture| &fixture.opaque_client };

/// Introspection of one form of tokens.
#[derive(Debug)]
pub struct Introspection {
    name: &'static str,
    client: fn(&Fixture) -> &PersonalClient,
}

struct Introspector {
    fixture: Arc<Fixture>,
    client_id: String,
    /// Each with the person it is about.
    tokens: Vec<(String, String)>,
    next: usize,
}

/// RFC 7662 §2.2, as far as it is checked.
#[derive(Deserialize)]
struct Introspected {
    active: bool,
    sub: Option<String>,
    client_id: Option<String>,
    iss: Option<String>,
}

#[async_trait]
impl Scenario for Introspection {
    fn name(&self) -> &'static str {
        self.name
    }

    fn appends(&self) -> u32 {
        0
    }

    async fn worker(&self, fixture: &Arc<Fixture>, connection: &mut Connection, n: usize) -> Result<Box<dyn Worker>, Failure> {
        let client = (self.client)(fixture);
        let mut tokens = Vec::with_capacity(TOKENS);
        for i in 0..TOKENS {
            let person = format!("{}-{n}-{i}", self.name);
            let made = flow::run(connection, fixture, client, &person, Consent::Asked).await?;
            tokens.push((made.access_token, person));
        }
        Ok(Box::new(Introspector { fixture: Arc::clone(fixture), client_id: client.id.clone(), tokens, next: 0 }))
    }
}

#[async_trait]
impl Worker for Introspector {
    async fn operate(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        let (token, person) = &self.tokens[self.next % self.tokens.len()];
        self.next += 1;
        let call = Call::form("/oauth2/introspect", &[("token", token)]).with(&self.fixture.resource_server_key);
        let answer = connection.send(call).await?.expect(StatusCode::OK)?;
        let found: Introspected = answer.json()?;
        answer.must(found.active, "the token should be active")?;
        answer.must(found.sub.as_deref() == Some(person), "sub should be the person who agreed")?;
        answer.must(found.client_id.as_deref() == Some(&self.client_id), "client_id should be the client that holds it")?;
        answer.must(found.iss.as_deref() == Some(&self.fixture.issuer), "iss should be the issuer")
    }
}
