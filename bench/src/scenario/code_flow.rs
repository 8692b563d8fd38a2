//! The whole code flow: authorization request, decision, token.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Scenario, Worker};
use crate::{
    failure::Failure,
    fixture::{Fixture, PersonalClient},
    flow::{self, Consent},
    http::Connection,
};

/// Of somebody who uses the client for the first time: three requests. The ID token is signed with RS256.
pub const FIRST_TIME: CodeFlow = CodeFlow { name: "code-flow", client: |fixture| &fixture.jwt_client, consent: Consent::Asked };
/// The same, with EdDSA for the ID token.
pub const FIRST_TIME_EDDSA: CodeFlow =
    CodeFlow { name: "code-flow-eddsa", client: |fixture| &fixture.eddsa_client, consent: Consent::Asked };
/// Of somebody who agreed before: two requests. The person stays the same, so what is remembered of them grows:
/// compare runs of the same length and concurrency only.
pub const RETURNING: CodeFlow =
    CodeFlow { name: "code-flow-returning", client: |fixture| &fixture.eddsa_client, consent: Consent::Remembered };

/// The code flow of one kind of person.
#[derive(Debug)]
pub struct CodeFlow {
    name: &'static str,
    client: fn(&Fixture) -> &PersonalClient,
    consent: Consent,
}

struct Person {
    fixture: Arc<Fixture>,
    client: fn(&Fixture) -> &PersonalClient,
    consent: Consent,
    name: String,
    logins: u64,
}

#[async_trait]
impl Scenario for CodeFlow {
    fn name(&self) -> &'static str {
        self.name
    }

    fn appends(&self) -> u32 {
        match self.consent {
            Consent::Asked => 3,
            Consent::Remembered => 2,
        }
    }

    async fn worker(&self, fixture: &Arc<Fixture>, connection: &mut Connection, n: usize) -> Result<Box<dyn Worker>, Failure> {
        let name = format!("{}-{n}", self.name);
        if self.consent == Consent::Remembered {
            flow::run(connection, fixture, (self.client)(fixture), &name, Consent::Asked).await?;
        }
        Ok(Box::new(Person { fixture: Arc::clone(fixture), client: self.client, consent: self.consent, name, logins: 0 }))
    }
}

#[async_trait]
impl Worker for Person {
    async fn operate(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        self.logins += 1;
        let client = (self.client)(&self.fixture);
        let person = match self.consent {
            Consent::Asked => format!("{}-{}", self.name, self.logins),
            Consent::Remembered => self.name.clone(),
        };
        flow::run(connection, &self.fixture, client, &person, self.consent).await.map(drop)
    }
}
