//! The header `Idempotency-Key` of operations that create something.

use grantlog_core::{
    app::{Context, UseCaseError, api_keys::AuthenticatedApiKey},
    domain::idempotency_key::IdempotencyKeyRefusal,
    protocol::IdempotencyKey,
};
use utoipa::IntoParams;

use crate::{
    app::{Inner, acting_as, unavailable},
    problem::{Problem, ProblemCode},
    request::Request,
};

/// The header.
const HEADER: &str = "idempotency-key";

/// The header as the document has it: it stands in `params(…)` of every operation that creates something.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IdempotencyKeyHeader {
    /// Names the request, so that it can be sent again: within 24 hours the same key with the same body does nothing
    /// new and gets the same answer, secrets included. A string in double quotes (RFC 8941 §3.3.3) of up to 255
    /// characters; choose a random one, such as a UUID, for each request.
    #[param(rename = "Idempotency-Key", example = "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"", value_type = Option<String>)]
    pub idempotency_key: Option<String>,
}

impl Inner {
    /// The context of a request of this API key that creates something: of the same one for every repetition. Call it
    /// when the request is known to be valid, so that a mistake does not use the key up.
    pub async fn acting_once(&self, key: &AuthenticatedApiKey, request: &Request, operation: &'static str) -> Result<Context, Problem> {
        let context = acting_as(key, request);
        let Some(value) = request.header(HEADER)? else { return Ok(context) };
        let idempotency_key = IdempotencyKey::parse(value)
            .map_err(|why| Problem::new(ProblemCode::InvalidHeader, format!("The idempotency key can't be read: {why}.")).field(HEADER))?;
        let mut asked: Vec<&[u8]> = request.params.iter().map(|(_, value)| value.as_bytes()).collect();
        asked.extend([request.query.as_bytes(), &request.body[..]]);
        let used = self.authority.use_idempotency_key(context, key.id, &idempotency_key, operation, &asked).await;
        used.map_err(|error| match error {
            UseCaseError::Trouble(trouble) => unavailable(trouble),
            // draft-ietf-httpapi-idempotency-key-header-07 §2.7: a key that is used for another request is 422.
            UseCaseError::Refused(IdempotencyKeyRefusal::Reused) => {
                Problem::new(ProblemCode::IdempotencyKeyReused, "This idempotency key was used for another request.").field(HEADER)
            }
        })
    }
}
