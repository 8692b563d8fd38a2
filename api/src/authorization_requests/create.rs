//! Take in an authorization request.

use grantlog_core::app::{
    UseCaseError,
    authorize::{AuthorizeRefusal, Entry},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    caller::{Caller, of_page, says_nothing},
    refused,
    resource::AuthorizationRequest,
    subject::{Subject, check_browser_binding},
};
use crate::{
    app::{App, positioned, unavailable},
    idempotency::IdempotencyKeyHeader,
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// Where authorization requests are taken in.
pub const CREATE: &str = "/v1/authorization-requests";

/// An authorization request as it reached the application's page.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAuthorizationRequest {
    /// The query that the page was called with, untouched, without the question mark.
    #[schema(
        example = "response_type=code&client_id=client_0193…&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcallback&scope=openid%20email&state=af0ifjsldkj&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
    )]
    pub query: String,
    /// Any value that the application keeps in the browser's session: the request then belongs to this browser.
    #[serde(default)]
    #[schema(example = "s3ss10n-3f6c")]
    pub browser_binding: Option<String>,
    /// Who is logged in, if somebody is.
    #[serde(default)]
    pub subject: Option<Subject>,
}

/// Take in an authorization request.
///
/// Pass the query that a client sent to your authorization endpoint. The answer says what your page has to do next. A
/// request that is not valid is answered with 200 and `state: rejected`; nothing is recorded then.
///
/// A page without a backend calls this from a registered origin with a trusted token, or without any credentials while
/// nobody is logged in; it has to send `browser_binding` and must not send `subject`.
#[utoipa::path(post, path = CREATE, tag = "authorization requests", operation_id = "createAuthorizationRequest", params(IdempotencyKeyHeader),
    request_body(content = CreateAuthorizationRequest, example = json!({
        "query": "response_type=code&client_id=client_01932d5e7c1a7e31b7a80f6c3d2a9b10&redirect_uri=https%3A%2F%2Fweather.example.com%2Fcallback&scope=openid%20email&state=af0ifjsldkj&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
        "browser_binding": "s3ss10n-3f6c"})),
    security(("ApiKey" = ["admin"]), ("ApiKey" = ["consent"]), ("TrustedToken" = [])),
    responses(
        (status = 201, description = "The request was recorded.", body = AuthorizationRequest),
        (status = 200, description = "The request is not valid: redirect to `redirect_to` if there is one, else show `error`.", body = AuthorizationRequest),
        (status = "4XX", description = "The call is not valid.", body = ProblemBody),
        (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn create(app: App, request: Request) -> Result<Response, Problem> {
    let (caller, context) = Caller::of(&app, &request).await?;
    let input: CreateAuthorizationRequest = request.json()?;
    let page = |input: CreateAuthorizationRequest, token| {
        says_nothing(input.subject.is_none())?;
        Ok::<_, Problem>((input.query, Entry::Page { browser_binding: of_page(input.browser_binding)?, token }))
    };
    let ((query, entry), context) = match caller {
        Caller::Backend(key) => {
            let subject = input.subject.map(|subject| subject.attestation(app.authority.now())).transpose()?;
            check_browser_binding(input.browser_binding.as_deref())?;
            let entry = Entry::Headless { browser_binding: input.browser_binding, subject };
            ((input.query, entry), app.acting_once(&key, &request, "createAuthorizationRequest").await?)
        }
        Caller::Page(token) => (page(input, Some(token))?, context),
        Caller::Anonymous => (page(input, None)?, context),
    };
    match app.authority.start_authorization(&context, query.as_bytes(), entry).await {
        Ok(view) => Ok(positioned(reply::created(&AuthorizationRequest::of(&app, &view)), &context)),
        Err(UseCaseError::Refused(AuthorizeRefusal::Rejected(rejected))) => Ok(reply::ok(&AuthorizationRequest::rejected(&rejected))),
        Err(UseCaseError::Trouble(trouble)) => Err(unavailable(trouble)),
        Err(UseCaseError::Refused(refusal)) => Err(refused(&app, &context, None, UseCaseError::Refused(refusal)).await),
    }
}
