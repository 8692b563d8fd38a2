//! A machine gets a token for itself (RFC 6749 §4.4).

use std::sync::Arc;

use async_trait::async_trait;
use http::StatusCode;

use super::{Scenario, Worker};
use crate::{
    failure::Failure,
    fixture::{Fixture, MACHINE_SCOPE, Machine},
    flow,
    http::{Call, Connection},
    jwt::{self, KeySet},
};

/// A JWT.
pub const JWT: ClientCredentials = ClientCredentials { name: "client-credentials-jwt", form: Form::Jwt };
/// An opaque token.
pub const OPAQUE: ClientCredentials = ClientCredentials { name: "client-credentials-opaque", form: Form::Opaque };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Jwt,
    Opaque,
}

/// Client credentials for one form of tokens.
#[derive(Debug)]
pub struct ClientCredentials {
    name: &'static str,
    form: Form,
}

struct Asker {
    machine: Machine,
    issuer: String,
    form: Form,
    last: String,
    keys: KeySet,
    /// How many tokens there were. The signature of the first, and of every hundredth, is checked: more would have the
    /// tool compete with the server for the processor.
    made: u64,
}

const SIGNATURE_EVERY: u64 = 100;

#[async_trait]
impl Scenario for ClientCredentials {
    fn name(&self) -> &'static str {
        self.name
    }

    fn appends(&self) -> u32 {
        1
    }

    async fn worker(&self, fixture: &Arc<Fixture>, connection: &mut Connection, _: usize) -> Result<Box<dyn Worker>, Failure> {
        let keys = connection.send(Call::get("/oauth2/jwks")).await?.expect(StatusCode::OK)?.json()?;
        let machine = match self.form {
            Form::Jwt => fixture.jwt_machine.clone(),
            Form::Opaque => fixture.opaque_machine.clone(),
        };
        Ok(Box::new(Asker { machine, issuer: fixture.issuer.clone(), form: self.form, last: String::new(), keys, made: 0 }))
    }
}

#[async_trait]
impl Worker for Asker {
    async fn operate(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        let fields = [("grant_type", "client_credentials"), ("scope", MACHINE_SCOPE)];
        let answer = connection.send(Call::form("/oauth2/token", &fields).with(&self.machine.credentials)).await?;
        let (answer, tokens) = flow::tokens(answer)?;
        answer.must(tokens.access_token != self.last, "it should not be the token of before")?;
        answer.must(tokens.refresh_token.is_none(), "there should be no refresh token (RFC 6749 §4.4.3)")?;
        match (self.form, jwt::read(&tokens.access_token)) {
            (Form::Opaque, None) => {}
            (Form::Opaque, Some(_)) => return Err(answer.wrong("the token should be opaque")),
            (Form::Jwt, None) => return Err(answer.wrong("the token should be a JWT")),
            (Form::Jwt, Some((header, claims))) => {
                answer.must(header.alg == "EdDSA", "alg should be EdDSA")?;
                answer.must(claims.iss == self.issuer, "iss should be the issuer")?;
                answer.must(claims.client_id.as_ref() == Some(&self.machine.id), "client_id should be the machine")?;
                answer.must(claims.sub == self.machine.id, "sub should be the machine (RFC 9068 §2.2)")?;
                let look = self.made.is_multiple_of(SIGNATURE_EVERY);
                answer.must(!look || jwt::is_signed(&tokens.access_token, &self.keys), "the signature should be good")?;
            }
        }
        self.made += 1;
        self.last = tokens.access_token;
        Ok(())
    }
}
