//! The JWK Set (RFC 7517 §5).

use grantlog_core::keys;
use utoipa::ToSchema;

use crate::{
    app::App,
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// The JWK Set.
pub const PATH: &str = "/oauth2/jwks";
/// How long clients may keep the document, in seconds. Shorter than the time that keys are published before use.
const MAX_AGE: u64 = 300;

/// A JWK Set: the public halves of the keys that sign, that will sign, and whose tokens still live.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents the answer; the set is made by the keys module")]
pub struct JwkSet {
    /// The keys, each with `kid`, `alg` and `use: sig`.
    #[schema(value_type = Vec<Object>)]
    keys: Vec<()>,
}

/// The public keys.
#[utoipa::path(get, path = PATH, tag = "metadata", operation_id = "jwks", security(()),
    responses((status = 200, description = "The keys.", body = JwkSet), (status = "4XX", description = "The request is not valid.", body = ProblemBody)))]
pub async fn jwks(app: App, _: Request) -> Result<Response, Problem> {
    let keys = app.authority.key_directory().keys();
    Ok(reply::ok(&keys::jwk_set(&keys, app.authority.now())).cache_for(MAX_AGE))
}
