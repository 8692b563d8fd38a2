//! The UserInfo endpoint (OIDC Core §5.3).

use std::sync::Arc;

use async_trait::async_trait;
use http::StatusCode;
use serde::Deserialize;

use super::{Scenario, Worker};
use crate::{
    failure::Failure,
    fixture::{Credentials, Fixture, bearer},
    flow::{self, Consent},
    http::{Call, Connection},
};

/// How many tokens a worker takes in turn.
const TOKENS: usize = 4;

/// GET with a JWT.
#[derive(Debug)]
pub struct UserInfo;

struct Reader {
    /// Each with the person it is about.
    tokens: Vec<(Credentials, String)>,
    next: usize,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

#[async_trait]
impl Scenario for UserInfo {
    fn name(&self) -> &'static str {
        "userinfo"
    }

    fn appends(&self) -> u32 {
        0
    }

    async fn worker(&self, fixture: &Arc<Fixture>, connection: &mut Connection, n: usize) -> Result<Box<dyn Worker>, Failure> {
        let mut tokens = Vec::with_capacity(TOKENS);
        for i in 0..TOKENS {
            let person = format!("userinfo-{n}-{i}");
            let made = flow::run(connection, fixture, &fixture.jwt_client, &person, Consent::Asked).await?;
            tokens.push((bearer(&made.access_token)?, person));
        }
        Ok(Box::new(Reader { tokens, next: 0 }))
    }
}

#[async_trait]
impl Worker for Reader {
    async fn operate(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        let (token, person) = &self.tokens[self.next % self.tokens.len()];
        self.next += 1;
        let answer = connection.send(Call::get("/oauth2/userinfo").with(token)).await?.expect(StatusCode::OK)?;
        let claims: Claims = answer.json()?;
        answer.must(claims.sub == *person, "sub should be the person who agreed")
    }
}
