//! What administrators do: clients, initial access tokens, resource servers, trusted issuers, API keys, signing keys,
//! organizations, subjects, grants, the policy.

pub mod api_keys;
pub mod clients;
pub mod erasures;
pub mod grants;
pub mod initial_access_tokens;
pub mod organizations;
pub mod policy;
pub mod resource_servers;
pub mod signing_keys;
pub mod subjects;
pub mod trusted_issuers;

use grantlog_core::{domain::api_key::Role, protocol::MetadataProblem};
use serde_json::json;

use crate::{
    problem::{Problem, ProblemCode},
    request::Request,
};

/// Who may administer.
pub(crate) const ADMIN: [Role; 1] = [Role::Admin];

/// Who may look at what administrators do.
pub(crate) const READERS: [Role; 2] = [Role::Admin, Role::Auditor];

/// How many rows a page has when nothing is said, and at most.
const DEFAULT_LIMIT: usize = 50;
const MOST: usize = 200;

/// The page that a list request asks for.
struct PageQuery {
    cursor: Option<String>,
    limit: usize,
}

impl PageQuery {
    fn of(request: &Request) -> Result<Self, Problem> {
        let limit = match request.query_param("limit")? {
            None => DEFAULT_LIMIT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=MOST).contains(limit))
                .ok_or_else(|| Problem::invalid_field("limit", "It must be between 1 and 200."))?,
        };
        Ok(Self { cursor: request.query_param("cursor")?, limit })
    }
}

/// Every mistake in what was sent to be registered.
fn invalid_metadata(detail: &str, problems: &[MetadataProblem]) -> Problem {
    let listed: Vec<_> = problems.iter().map(|MetadataProblem { field, problem }| json!({"field": field, "detail": problem})).collect();
    let first = problems.first().map(|problem| problem.field).unwrap_or_default();
    Problem::new(ProblemCode::InvalidMetadata, format!("{detail}; `problems` lists every mistake.")).field(first).member("problems", listed)
}
