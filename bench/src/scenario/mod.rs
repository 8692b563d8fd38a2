//! What is measured.

mod client_credentials;
mod code_flow;
mod introspection;
mod jwks;
mod refresh;
mod userinfo;

use std::sync::Arc;

use async_trait::async_trait;

use crate::{failure::Failure, fixture::Fixture, http::Connection};

/// Does an operation again and again.
#[async_trait]
pub trait Worker: Send {
    /// Does one, and checks each answer.
    async fn operate(&mut self, connection: &mut Connection) -> Result<(), Failure>;
}

/// A kind of operation.
#[async_trait]
pub trait Scenario: Send + Sync {
    /// What it is called on the command line and in the results.
    fn name(&self) -> &'static str;

    /// How many writes an operation waits for, one after the other, until they are durable.
    fn appends(&self) -> u32;

    /// Makes the n-th worker, with all it needs.
    async fn worker(&self, fixture: &Arc<Fixture>, connection: &mut Connection, n: usize) -> Result<Box<dyn Worker>, Failure>;
}

/// All there are, in the order in which they run.
pub fn all() -> Vec<Box<dyn Scenario>> {
    vec![
        Box::new(jwks::Jwks),
        Box::new(introspection::JWT),
        Box::new(introspection::OPAQUE),
        Box::new(userinfo::UserInfo),
        Box::new(client_credentials::JWT),
        Box::new(client_credentials::OPAQUE),
        Box::new(refresh::Refresh),
        Box::new(code_flow::FIRST_TIME),
        Box::new(code_flow::FIRST_TIME_EDDSA),
        Box::new(code_flow::RETURNING),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_scenario_has_a_name_of_its_own() {
        let all = all();
        let names: BTreeSet<_> = all.iter().map(|scenario| scenario.name()).collect();
        assert_eq!(names.len(), all.len());
    }
}
