//! JSON bodies, parsed once at the edge: duplicate and unknown members are errors that name them.

use grantlog_core::protocol::json;
use serde::de::DeserializeOwned;

use crate::{
    problem::{Problem, ProblemCode},
    request::Request,
};

/// The body as `T`.
pub fn json<T: DeserializeOwned>(request: &Request) -> Result<T, Problem> {
    request.require_content_type("application/json")?;
    json::from_strict(&request.body).map_err(|error| {
        let problem = Problem::new(ProblemCode::InvalidField, error.to_string());
        match error.path() {
            Some(path) => problem.field(path.to_owned()),
            None => problem.field("body".to_owned()),
        }
    })
}
