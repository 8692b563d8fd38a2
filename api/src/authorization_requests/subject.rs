//! Say who is logged in.

use grantlog_core::{
    app::{
        authorize::SubjectAttestation,
        claims::{self, AttestedClaimsError},
        clients::CLIENT_ID_PREFIX,
    },
    domain::{OrganizationId, Timestamp, authorization::Authentication},
};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    authorization_id,
    caller::{Caller, says_nothing},
    refused,
    resource::AuthorizationRequest,
};
use crate::{
    app::{App, positioned},
    problem::{Problem, ProblemBody, ProblemCode},
    reply::{self, Response},
    request::Request,
};

/// Who the person in front of the browser is.
pub const ATTEST: &str = "/v1/authorization-requests/{id}/subject";

/// The longest id, organization id, role, acr or amr value, in bytes.
const LONGEST_NAME: usize = 255;

/// What the application says about the person in front of the browser.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The application's own id of the person. Clients get it as `sub`.
    #[schema(example = "ana", max_length = 255)]
    pub id: String,
    /// The organization they act in.
    #[serde(default)]
    #[schema(example = "acme")]
    pub organization_id: Option<String>,
    /// When they were authenticated: RFC 3339, or whole seconds since 1970-01-01 UTC.
    pub auth_time: AuthTime,
    /// The authentication context class that was reached.
    #[serde(default)]
    pub acr: Option<String>,
    /// The methods that were used (RFC 8176).
    #[serde(default)]
    #[schema(example = json!(["pwd", "otp"]))]
    pub amr: Vec<String>,
    /// Their roles.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Claims about them: those of OIDC Core §5.1, which scopes ask for, and others, which custom claims can name. They are
    /// kept sealed under a key of the person's own.
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"name": "Ana Silva", "email": "ana@example.com", "email_verified": true}))]
    pub claims: Map<String, Value>,
}

/// A moment: RFC 3339, or whole seconds since 1970-01-01 UTC.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum AuthTime {
    /// Whole seconds since 1970-01-01 UTC.
    Seconds(i64),
    /// RFC 3339.
    #[schema(example = "2026-03-03T13:58:12Z")]
    Text(String),
}

/// Who is logged in; null: nobody.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttestSubject {
    /// Who; null: nobody. With `prompt=none` the latter ends the request with `login_required`. A backend has to send it; a
    /// page must not: its token says who.
    #[serde(default)]
    #[schema(value_type = Option<Subject>)]
    pub subject: Said,
    /// What was given when the request was taken in.
    #[serde(default)]
    pub browser_binding: Option<String>,
}

/// What a member says of who is logged in; null is something else than nothing.
#[derive(Debug, Default)]
pub enum Said {
    /// It is not there.
    #[default]
    Nothing,
    /// Nobody is.
    Nobody,
    /// Somebody is.
    Somebody(Box<Subject>),
}

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<Subject>::deserialize(deserializer)?.map_or(Self::Nobody, |subject| Self::Somebody(Box::new(subject))))
    }
}

impl Subject {
    /// Checks it field by field.
    pub(crate) fn attestation(self, now: Timestamp) -> Result<SubjectAttestation, Problem> {
        check_name("subject.id", &self.id)?;
        // RFC 9700 §4.15: in a token `sub` may be a client, and nobody may pass for one by choosing such a name.
        if self.id.starts_with(CLIENT_ID_PREFIX) {
            return Err(Problem::invalid_field("subject.id", "It must not begin like the id of a client (`client_`)."));
        }
        for (field, values) in [("subject.amr", &self.amr), ("subject.roles", &self.roles)] {
            check_names(field, values)?;
        }
        for (field, value) in [("subject.organization_id", &self.organization_id), ("subject.acr", &self.acr)] {
            value.iter().try_for_each(|value| check_name(field, value))?;
        }
        claims::check_attested(&self.claims).map_err(|error| match &error {
            AttestedClaimsError::Reserved(name) => Problem::invalid_field(format!("subject.claims.{name}"), error.to_string()),
            AttestedClaimsError::TooMany | AttestedClaimsError::TooLong | AttestedClaimsError::Name => {
                Problem::invalid_field("subject.claims", error.to_string())
            }
        })?;
        let auth_time = match &self.auth_time {
            AuthTime::Seconds(seconds) => Timestamp::from_seconds(*seconds),
            AuthTime::Text(text) => {
                Timestamp::parse_rfc3339(text).ok_or_else(|| Problem::invalid_field("subject.auth_time", "It is no RFC 3339 moment."))?
            }
        };
        if auth_time > now.plus(grantlog_core::domain::Seconds(60)) || auth_time < Timestamp(0) {
            return Err(Problem::invalid_field("subject.auth_time", "It lies in the future, or before 1970."));
        }
        Ok(SubjectAttestation {
            id: self.id,
            organization_id: self.organization_id.map(|id| OrganizationId(id.into())),
            authentication: Authentication { auth_time, acr: self.acr, amr: self.amr },
            roles: self.roles,
            claims: self.claims,
        })
    }
}

/// At most a hundred names: roles, methods.
pub(crate) fn check_names(field: &'static str, values: &[String]) -> Result<(), Problem> {
    if values.len() > 100 {
        return Err(Problem::invalid_field(field, "It has more than 100 values."));
    }
    values.iter().try_for_each(|value| check_name(field, value))
}

fn check_name(field: &'static str, value: &str) -> Result<(), Problem> {
    if value.is_empty() || value.len() > LONGEST_NAME || value.chars().any(char::is_control) {
        return Err(Problem::invalid_field(field, "It must have 1 to 255 bytes and no control characters."));
    }
    Ok(())
}

/// A browser binding is anything of a reasonable length.
pub(crate) fn check_browser_binding(binding: Option<&str>) -> Result<(), Problem> {
    match binding {
        Some(binding) if binding.is_empty() || binding.len() > 1024 => {
            Err(Problem::invalid_field("browser_binding", "It must have 1 to 1024 bytes."))
        }
        _ => Ok(()),
    }
}

/// Say who is logged in.
///
/// When that suffices and nobody has to be asked, the request completes at once.
#[utoipa::path(put, path = ATTEST, tag = "authorization requests", operation_id = "attestSubject",
    params(("id" = String, Path, description = "The id of the request.", example = "01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10")),
    request_body(content = AttestSubject, example = json!({"browser_binding": "s3ss10n-3f6c",
        "subject": {"id": "ana", "auth_time": "2026-03-03T13:58:12Z", "amr": ["pwd", "otp"], "claims": {"name": "Ana Silva", "email": "ana@example.com"}}})),
    security(("ApiKey" = ["admin"]), ("ApiKey" = ["consent"]), ("TrustedToken" = [])),
    responses(
        (status = 200, description = "The request as it stands.", body = AuthorizationRequest),
        (status = 409, description = "It was decided, or it has expired; `authorization_request` has it as it stands.", body = ProblemBody),
        (status = "4XX", description = "The call is not valid.", body = ProblemBody),
        (status = 503, description = "Try again.", body = ProblemBody)))]
pub async fn attest(app: App, request: Request) -> Result<Response, Problem> {
    let (token, context) = Caller::known(&app, &request).await?;
    let id = authorization_id(&request)?;
    let input: AttestSubject = request.json()?;
    check_browser_binding(input.browser_binding.as_deref())?;
    let view = if let Some(token) = token {
        says_nothing(matches!(input.subject, Said::Nothing))?;
        app.authority.attest_by_page(&context, id, *token, input.browser_binding).await
    } else {
        let subject = match input.subject {
            Said::Nothing => return Err(Problem::new(ProblemCode::InvalidJson, "missing field `subject`")),
            Said::Nobody => None,
            Said::Somebody(subject) => Some(subject.attestation(app.authority.now())?),
        };
        app.authority.attest_subject(&context, id, subject, input.browser_binding).await
    };
    match view {
        Ok(view) => Ok(positioned(reply::ok(&AuthorizationRequest::of(&app, &view)), &context)),
        Err(error) => Err(refused(&app, &context, Some(id), error).await),
    }
}
