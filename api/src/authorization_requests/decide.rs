//! Record what the person decided.

use grantlog_core::{
    app::authorize::DecisionInput,
    domain::authorization::{DenialError, Shown},
    protocol::Scope,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    authorization_id,
    caller::{Caller, says_nothing},
    refused,
    resource::AuthorizationRequest,
    subject::{Subject, check_browser_binding},
};
use crate::{
    app::{App, positioned},
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// What the person decided.
pub const DECISION: &str = "/v1/authorization-requests/{id}/decision";

/// What the person decided.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideAuthorizationRequest {
    /// Yes or no.
    pub decision: Verdict,
    /// To which of the scopes they said yes: never one that is not grantable, and every one that is required; absent: to
    /// all that are grantable.
    #[serde(default)]
    #[schema(example = json!(["openid", "email"]))]
    pub scopes: Option<Vec<String>>,
    /// Who they are, if that was not said before.
    #[serde(default)]
    pub subject: Option<Subject>,
    /// What was given when the request was taken in.
    #[serde(default)]
    pub browser_binding: Option<String>,
    /// What the client is told when the answer is no; absent: `access_denied`.
    #[serde(default)]
    pub error: Option<DenialError>,
    /// What the person saw, for the record.
    #[serde(default)]
    pub shown: Option<ShownInput>,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Yes.
    Approve,
    /// No.
    Deny,
}

/// What the person saw, for the record.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShownInput {
    /// The build of the pages.
    #[serde(default)]
    #[schema(example = "2026.11.3")]
    pub ui_build: Option<String>,
    /// The language they read.
    #[serde(default)]
    #[schema(example = "pt-BR")]
    pub locale: Option<String>,
    /// SHA-256 of the texts shown, 64 hexadecimal digits.
    #[serde(default)]
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub texts_sha256: Option<String>,
}

impl ShownInput {
    fn checked(self) -> Result<Shown, Problem> {
        for (field, value) in [("shown.ui_build", &self.ui_build), ("shown.locale", &self.locale)] {
            if value.as_ref().is_some_and(|value| value.is_empty() || value.len() > 100) {
                return Err(Problem::invalid_field(field, "It must have 1 to 100 bytes."));
            }
        }
        if self.texts_sha256.as_ref().is_some_and(|hash| hash.len() != 64 || !hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        {
            return Err(Problem::invalid_field("shown.texts_sha256", "It must be 64 lower-case hexadecimal digits."));
        }
        Ok(Shown { ui_build: self.ui_build, locale: self.locale, texts_sha256: self.texts_sha256 })
    }
}

impl DecideAuthorizationRequest {
    fn decision(&mut self) -> Result<DecisionInput, Problem> {
        match self.decision {
            Verdict::Deny => {
                if self.scopes.is_some() {
                    return Err(Problem::invalid_field("scopes", "A denial grants nothing."));
                }
                Ok(DecisionInput::Deny { error: self.error.unwrap_or(DenialError::AccessDenied) })
            }
            Verdict::Approve => {
                if self.error.is_some() {
                    return Err(Problem::invalid_field("error", "An approval has no error."));
                }
                let scope = self.scopes.as_ref().map(|scopes| scopes.iter().map(|scope| scope.parse()).collect::<Result<Scope, _>>());
                let scope = scope.transpose().map_err(|error| Problem::invalid_field("scopes", error.to_string()))?;
                if scope.as_ref().is_some_and(Scope::is_empty) {
                    return Err(Problem::invalid_field("scopes", "Nothing granted is a denial: send `deny`."));
                }
                let shown = self.shown.take().map(ShownInput::checked).transpose()?;
                Ok(DecisionInput::Approve { scope, shown })
            }
        }
    }
}

/// Record what the person decided.
///
/// The same decision again gets the same answer. Another decision is a conflict that carries the request.
#[utoipa::path(post, path = DECISION, tag = "authorization requests", operation_id = "decideAuthorizationRequest",
    params(("id" = String, Path, description = "The id of the request.", example = "01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10")),
    request_body(content = DecideAuthorizationRequest, example = json!({"decision": "approve", "scopes": ["openid", "email"], "browser_binding": "s3ss10n-3f6c",
        "shown": {"ui_build": "2026.11.3", "locale": "pt-BR"}})),
    security(("ApiKey" = ["admin"]), ("ApiKey" = ["consent"]), ("TrustedToken" = [])),
    responses(
        (status = 200, description = "The request is completed: send the browser to `redirect_to`.", body = AuthorizationRequest),
        (status = 409, description = "It was decided otherwise, has expired, or the person does not suffice; `authorization_request` has it as it stands.", body = ProblemBody),
        (status = "4XX", description = "The call is not valid.", body = ProblemBody),
        (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn decide(app: App, request: Request) -> Result<Response, Problem> {
    let (token, context) = Caller::known(&app, &request).await?;
    let id = authorization_id(&request)?;
    let mut input: DecideAuthorizationRequest = request.json()?;
    check_browser_binding(input.browser_binding.as_deref())?;
    let decision = input.decision()?;
    let view = if let Some(token) = token {
        says_nothing(input.subject.is_none())?;
        app.authority.decide_by_page(&context, id, decision, *token, input.browser_binding).await
    } else {
        let subject = input.subject.map(|subject| subject.attestation(app.authority.now())).transpose()?;
        app.authority.decide_authorization(&context, id, decision, subject, input.browser_binding).await
    };
    match view {
        Ok(view) => Ok(positioned(reply::ok(&AuthorizationRequest::of(&app, &view)), &context)),
        Err(error) => Err(refused(&app, &context, Some(id), error).await),
    }
}
