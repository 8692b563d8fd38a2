//! The published keys: a read that needs nothing but what is in memory.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;

use super::{Scenario, Worker};
use crate::{
    failure::Failure,
    fixture::Fixture,
    http::{Call, Connection},
    jwt::KeySet,
};

/// GET of the key set.
#[derive(Debug)]
pub struct Jwks;

struct Reader {
    expected: Bytes,
}

#[async_trait]
impl Scenario for Jwks {
    fn name(&self) -> &'static str {
        "jwks"
    }

    fn appends(&self) -> u32 {
        0
    }

    async fn worker(&self, _: &Arc<Fixture>, connection: &mut Connection, _: usize) -> Result<Box<dyn Worker>, Failure> {
        let answer = connection.send(Call::get("/oauth2/jwks")).await?.expect(StatusCode::OK)?;
        let keys: KeySet = answer.json()?;
        answer.must(keys.keys.iter().any(|key| key.x.is_some()), "there should be a key for EdDSA")?;
        Ok(Box::new(Reader { expected: answer.body }))
    }
}

#[async_trait]
impl Worker for Reader {
    async fn operate(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        let answer = connection.send(Call::get("/oauth2/jwks")).await?.expect(StatusCode::OK)?;
        answer.must(answer.body == self.expected, "the keys should be those that were published before")
    }
}
