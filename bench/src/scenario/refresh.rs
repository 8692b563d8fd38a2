//! Refreshing with rotation (RFC 9700 §4.14.2). Each worker has a family of its own and follows its successors.
//! Families grow as long as the run lasts, so compare runs of the same length and concurrency only.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Scenario, Worker};
use crate::{
    failure::Failure,
    fixture::{Fixture, PERSON_SCOPE},
    flow::{self, Consent},
    http::{Call, Connection},
};

/// Of a public client, with a JWT as the access token.
#[derive(Debug)]
pub struct Refresh;

struct Refresher {
    client_id: String,
    refresh_token: String,
    access_token: String,
}

#[async_trait]
impl Scenario for Refresh {
    fn name(&self) -> &'static str {
        "refresh"
    }

    fn appends(&self) -> u32 {
        1
    }

    async fn worker(&self, fixture: &Arc<Fixture>, connection: &mut Connection, n: usize) -> Result<Box<dyn Worker>, Failure> {
        let client = &fixture.eddsa_client;
        let made = flow::run(connection, fixture, client, &format!("refresh-{n}"), Consent::Asked).await?;
        // The flow has checked that there is one.
        let refresh_token = made.refresh_token.unwrap_or_default();
        Ok(Box::new(Refresher { client_id: client.id.clone(), refresh_token, access_token: made.access_token }))
    }
}

#[async_trait]
impl Worker for Refresher {
    async fn operate(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        let fields =
            [("grant_type", "refresh_token"), ("refresh_token", self.refresh_token.as_str()), ("client_id", self.client_id.as_str())];
        let answer = connection.send(Call::form("/oauth2/token", &fields)).await?;
        let (answer, tokens) = flow::tokens(answer)?;
        let successor = tokens.refresh_token.ok_or_else(|| answer.wrong("there should be a refresh token"))?;
        answer.must(successor != self.refresh_token, "the refresh token should have been rotated")?;
        answer.must(tokens.access_token != self.access_token, "it should not be the token of before")?;
        // RFC 6749 §5.1: left out when it is what was asked for.
        answer.must(tokens.scope.is_none_or(|scope| same(&scope, PERSON_SCOPE)), "the scope should be what was agreed to")?;
        self.refresh_token = successor;
        self.access_token = tokens.access_token;
        Ok(())
    }
}

/// RFC 6749 §3.3: the order says nothing.
fn same(one: &str, other: &str) -> bool {
    let sorted = |scope: &str| {
        let mut tokens: Vec<_> = scope.split(' ').map(str::to_owned).collect();
        tokens.sort_unstable();
        tokens
    };
    sorted(one) == sorted(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_3_3_the_order_of_scopes_says_nothing() {
        assert!(same("a b", "b a"));
        assert!(!same("a b", "a"));
    }
}
