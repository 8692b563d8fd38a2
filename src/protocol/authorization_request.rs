//! Authorization requests (RFC 6749 §4.1.1, OIDC Core §3.1.2.1), in two stages: first it is proven where answers may go,
//! and until then nothing is answered by a redirect (RFC 6749 §4.1.2.1); then the request is read.

use std::fmt;

use super::{
    ClientMetadata, ClientType, CodeChallenge, GrantType, InvalidScope, Params, PkceError, RedirectUri, Scope, SecretText,
    client_id::parse_client_id, oauth_error::printable, resource,
};
use crate::domain::{
    ClientId, Seconds,
    authorization::{AuthorizationParameters, DenialError, Prompt, ResponseMode},
};

/// The longest `state`, in bytes.
pub const MAX_STATE_LENGTH: usize = 2048;
/// The longest `nonce`, in bytes.
pub const MAX_NONCE_LENGTH: usize = 1024;
/// The longest hint for the pages (`login_hint`, `ui_locales`, `acr_values`), in bytes.
pub const MAX_HINT_LENGTH: usize = 1024;
/// The longest `display`, in bytes.
pub const MAX_DISPLAY_LENGTH: usize = 32;
/// The largest `max_age`.
pub const MAX_MAX_AGE: u32 = 1 << 31;

/// The first stage: whom the request is from, by its own account, and where it wants the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAndRedirect {
    /// Who asks.
    pub client_id: ClientId,
    /// Where the answer is wanted.
    pub redirect_uri: Option<String>,
}

/// Why a request can't be answered by a redirect. The person is told, and nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnprovenRequest {
    /// No `client_id`.
    #[error("the parameter client_id is missing")]
    ClientIdMissing,
    /// A `client_id` that no client has.
    #[error("the parameter client_id is malformed")]
    ClientIdMalformed,
    /// No `redirect_uri`, where the client has registered none or more than one.
    #[error("the parameter redirect_uri is missing, and the client has not exactly one to choose from")]
    RedirectUriMissing,
    /// A `redirect_uri` that the client has not registered.
    #[error("the parameter redirect_uri is not registered for this client")]
    RedirectUriNotRegistered,
}

impl ClientAndRedirect {
    /// Reads the two parameters that everything else hangs on.
    pub fn parse(params: &Params) -> Result<Self, UnprovenRequest> {
        let client_id = params.get("client_id").ok_or(UnprovenRequest::ClientIdMissing)?;
        let client_id = parse_client_id(client_id).ok_or(UnprovenRequest::ClientIdMalformed)?;
        Ok(Self { client_id, redirect_uri: params.get("redirect_uri").map(str::to_owned) })
    }

    /// Proves that answers may go to the redirect URI, by what is registered about `client_id`.
    pub fn prove(self, client: &ClientMetadata, params: &Params) -> Result<AnswerTo, UnprovenRequest> {
        let redirect_uri = match &self.redirect_uri {
            Some(requested) => registered(client, requested).ok_or(UnprovenRequest::RedirectUriNotRegistered)?,
            None => only_one(client).ok_or(UnprovenRequest::RedirectUriMissing)?,
        };
        Ok(AnswerTo {
            client_id: self.client_id,
            redirect_uri,
            redirect_uri_given: self.redirect_uri.is_some(),
            response_mode: response_mode(params).unwrap_or_default(),
            state: params.get("state").map(str::to_owned),
        })
    }
}

/// OAuth 2.1 §2.3.1: letter for letter. What was registered under older rules has to pass those of today too.
fn registered(client: &ClientMetadata, requested: &str) -> Option<RedirectUri> {
    let known = client.redirect_uris.iter().any(|uri| uri.matches(requested));
    RedirectUri::parse(requested).ok().filter(|_| known)
}

/// RFC 6749 §3.1.2.3: `redirect_uri` may be left out when one complete URI is registered.
fn only_one(client: &ClientMetadata) -> Option<RedirectUri> {
    match client.redirect_uris.as_slice() {
        [uri] if !uri.matches_any_port() => RedirectUri::parse(uri.as_str()).ok(),
        _ => None,
    }
}

/// Where answers go, be they good or bad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerTo {
    /// Who asks.
    pub client_id: ClientId,
    /// Where the answer goes.
    pub redirect_uri: RedirectUri,
    /// Whether the request named it.
    pub redirect_uri_given: bool,
    /// How it travels; in the query, when the request asks for something impossible.
    pub response_mode: ResponseMode,
    /// Returned untouched.
    pub state: Option<String>,
}

/// The second stage: a request that is well formed and that the client may make.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthorizationRequest {
    /// What is recorded; `expected_subject` is left for whoever verifies `id_token_hint`.
    pub parameters: AuthorizationParameters,
    /// An ID token of the person whom the client expects, not verified.
    pub id_token_hint: Option<SecretText>,
    /// Who might want to log in. It names a person, so it never enters the log.
    pub login_hint: Option<String>,
}

impl fmt::Debug for AuthorizationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AuthorizationRequest { parameters, id_token_hint, login_hint } = self;
        let login_hint = login_hint.as_ref().map(|_| "[redacted]");
        f.debug_struct("AuthorizationRequest")
            .field("parameters", parameters)
            .field("id_token_hint", id_token_hint)
            .field("login_hint", &login_hint)
            .finish()
    }
}

/// An error that the client may be told by a redirect (RFC 6749 §4.1.2.1, OIDC Core §3.1.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthorizationErrorCode {
    /// RFC 6749 §4.1.2.1.
    InvalidRequest,
    /// RFC 6749 §4.1.2.1.
    UnauthorizedClient,
    /// RFC 6749 §4.1.2.1.
    AccessDenied,
    /// RFC 6749 §4.1.2.1.
    UnsupportedResponseType,
    /// RFC 6749 §4.1.2.1.
    InvalidScope,
    /// RFC 8707 §2.
    InvalidTarget,
    /// RFC 6749 §4.1.2.1.
    ServerError,
    /// RFC 6749 §4.1.2.1.
    TemporarilyUnavailable,
    /// OIDC Core §3.1.2.6.
    InteractionRequired,
    /// OIDC Core §3.1.2.6.
    LoginRequired,
    /// OIDC Core §3.1.2.6.
    AccountSelectionRequired,
    /// OIDC Core §3.1.2.6.
    ConsentRequired,
    /// OIDC Core §3.1.2.6.
    RequestNotSupported,
    /// OIDC Core §3.1.2.6.
    RequestUriNotSupported,
    /// OIDC Core §3.1.2.6.
    RegistrationNotSupported,
    /// OpenID Connect Core Error Code unmet_authentication_requirements §3.
    UnmetAuthenticationRequirements,
}

impl AuthorizationErrorCode {
    /// The code on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::AccessDenied => "access_denied",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::InteractionRequired => "interaction_required",
            Self::LoginRequired => "login_required",
            Self::AccountSelectionRequired => "account_selection_required",
            Self::ConsentRequired => "consent_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
        }
    }
}

impl fmt::Display for AuthorizationErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<DenialError> for AuthorizationErrorCode {
    fn from(error: DenialError) -> Self {
        match error {
            DenialError::AccessDenied => Self::AccessDenied,
            DenialError::LoginRequired => Self::LoginRequired,
            DenialError::AccountSelectionRequired => Self::AccountSelectionRequired,
            DenialError::ConsentRequired => Self::ConsentRequired,
            DenialError::InteractionRequired => Self::InteractionRequired,
            DenialError::UnmetAuthenticationRequirements => Self::UnmetAuthenticationRequirements,
        }
    }
}

/// What the client is told by the redirect: a code for its program and a sentence for its developer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {description}")]
pub struct AuthorizationError {
    code: AuthorizationErrorCode,
    description: String,
}

impl AuthorizationError {
    /// An error; characters that a description may not have are replaced.
    pub fn new(code: AuthorizationErrorCode, description: impl AsRef<str>) -> Self {
        Self { code, description: printable(description.as_ref()) }
    }

    fn invalid_request(description: impl AsRef<str>) -> Self {
        Self::new(AuthorizationErrorCode::InvalidRequest, description)
    }

    /// The code.
    pub fn code(&self) -> AuthorizationErrorCode {
        self.code
    }

    /// The sentence for the developer.
    pub fn description(&self) -> &str {
        &self.description
    }
}

impl AuthorizationRequest {
    /// Reads the request of a client that was proven to be answerable at `answer_to`. A request without `scope` asks for
    /// `default_scope`, which whoever knows the resource servers has chosen.
    pub fn parse(
        params: &Params,
        answer_to: &AnswerTo,
        client: &ClientMetadata,
        default_scope: &Scope,
    ) -> Result<Self, AuthorizationError> {
        refuse_unsupported(params)?;
        check_response_type(params)?;
        check_client(client)?;
        let scope = scope(params, client, default_scope)?;
        let nonce = limited(params, "nonce", MAX_NONCE_LENGTH)?;
        let parameters = AuthorizationParameters {
            client_id: answer_to.client_id.clone(),
            redirect_uri: answer_to.redirect_uri.clone(),
            redirect_uri_given: answer_to.redirect_uri_given,
            response_mode: response_mode(params)?,
            state: limited(params, "state", MAX_STATE_LENGTH)?,
            code_challenge: code_challenge(params, client, &scope, nonce.is_some())?,
            scope,
            nonce,
            prompt: prompt(params)?,
            max_age: max_age(params)?.or(client.default_max_age),
            acr_values: acr_values(params)?,
            expected_subject: None,
            resources: resources(params)?,
            ui_locales: limited(params, "ui_locales", MAX_HINT_LENGTH)?,
            display: limited(params, "display", MAX_DISPLAY_LENGTH)?,
        };
        let id_token_hint = params.get("id_token_hint").map(SecretText::from);
        Ok(Self { parameters, id_token_hint, login_hint: limited(params, "login_hint", MAX_HINT_LENGTH)? })
    }
}

/// OIDC Core §3.1.2.6: what is not supported is refused by its own code, never ignored.
fn refuse_unsupported(params: &Params) -> Result<(), AuthorizationError> {
    let codes = [
        ("request", AuthorizationErrorCode::RequestNotSupported),
        ("request_uri", AuthorizationErrorCode::RequestUriNotSupported),
        ("registration", AuthorizationErrorCode::RegistrationNotSupported),
    ];
    match codes.into_iter().find(|(name, _)| params.get(name).is_some()) {
        Some((name, code)) => Err(AuthorizationError::new(code, format!("the parameter {name} is not supported"))),
        None => Ok(()),
    }
}

/// OAuth 2.1 §4.1.1: `code`, and nothing else.
fn check_response_type(params: &Params) -> Result<(), AuthorizationError> {
    match params.get("response_type") {
        Some("code") => Ok(()),
        Some(_) => Err(AuthorizationError::new(AuthorizationErrorCode::UnsupportedResponseType, "response_type must be code")),
        None => Err(AuthorizationError::invalid_request("the parameter response_type is missing")),
    }
}

fn response_mode(params: &Params) -> Result<ResponseMode, AuthorizationError> {
    match params.get("response_mode") {
        None | Some("query") => Ok(ResponseMode::Query),
        Some("form_post") => Ok(ResponseMode::FormPost),
        Some(_) => Err(AuthorizationError::invalid_request("response_mode must be query or form_post")),
    }
}

/// RFC 6749 §4.1.2.1, `unauthorized_client`: the client must be registered for this grant type.
fn check_client(client: &ClientMetadata) -> Result<(), AuthorizationError> {
    if client.client_type != ClientType::Machine && client.allows(GrantType::AuthorizationCode) {
        return Ok(());
    }
    let description = "the client is not registered for the grant type authorization_code";
    Err(AuthorizationError::new(AuthorizationErrorCode::UnauthorizedClient, description))
}

/// RFC 6749 §3.3: what is asked for, or else a default.
fn scope(params: &Params, client: &ClientMetadata, default_scope: &Scope) -> Result<Scope, AuthorizationError> {
    let invalid = |description: String| AuthorizationError::new(AuthorizationErrorCode::InvalidScope, description);
    let Some(text) = params.get("scope") else {
        return Ok(default_scope.clone());
    };
    let scope: Scope = text.parse().map_err(|why: InvalidScope| invalid(why.to_string()))?;
    let extra = scope.difference(&client.scope);
    if extra.is_empty() { Ok(scope) } else { Err(invalid(format!("the client may not ask for: {extra}"))) }
}

/// RFC 8707 §2.1: the resource servers that tokens are wanted for. Whether they exist is not known here.
pub fn resources(params: &Params) -> Result<Vec<String>, AuthorizationError> {
    resource::resources(params).map_err(|why| AuthorizationError::new(AuthorizationErrorCode::InvalidTarget, why.to_string()))
}

/// OAuth 2.1 §4.1.1: a code challenge is required, but of a confidential OpenID client that relies on `nonce` and
/// that an administrator exempted (OAuth 2.1 §7.5.1).
fn code_challenge(
    params: &Params,
    client: &ClientMetadata,
    scope: &Scope,
    has_nonce: bool,
) -> Result<Option<CodeChallenge>, AuthorizationError> {
    let method = params.get("code_challenge_method");
    let exempt = client.pkce_exempt && !client.is_public() && has_nonce && scope.contains("openid");
    match params.get("code_challenge") {
        Some(challenge) => {
            let parsed = CodeChallenge::parse(challenge, method);
            parsed.map(Some).map_err(|why: PkceError| AuthorizationError::invalid_request(why.to_string()))
        }
        None if method.is_none() && exempt => Ok(None),
        // RFC 7636 §4.4.1
        None => Err(AuthorizationError::invalid_request("the parameter code_challenge is missing: PKCE with S256 is required")),
    }
}

/// OIDC Core §3.1.2.1: a list of known words, and `none` only by itself.
fn prompt(params: &Params) -> Result<Vec<Prompt>, AuthorizationError> {
    let mut prompts = Vec::new();
    for word in params.get("prompt").unwrap_or_default().split(' ').filter(|word| !word.is_empty()) {
        let prompt = match word {
            "none" => Prompt::None,
            "login" => Prompt::Login,
            "consent" => Prompt::Consent,
            "select_account" => Prompt::SelectAccount,
            _ => return Err(AuthorizationError::invalid_request("prompt has a value other than none, login, consent and select_account")),
        };
        if !prompts.contains(&prompt) {
            prompts.push(prompt);
        }
    }
    if prompts.len() > 1 && prompts.contains(&Prompt::None) {
        return Err(AuthorizationError::invalid_request("prompt has none together with other values"));
    }
    Ok(prompts)
}

fn max_age(params: &Params) -> Result<Option<Seconds>, AuthorizationError> {
    let Some(text) = params.get("max_age") else { return Ok(None) };
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let seconds = text.parse().ok().filter(|seconds| digits && *seconds <= MAX_MAX_AGE).map(Seconds);
    seconds.map(Some).ok_or_else(|| AuthorizationError::invalid_request("max_age must be a whole number of seconds, at most 2147483648"))
}

fn acr_values(params: &Params) -> Result<Vec<String>, AuthorizationError> {
    let text = limited(params, "acr_values", MAX_HINT_LENGTH)?.unwrap_or_default();
    Ok(text.split(' ').filter(|value| !value.is_empty()).map(str::to_owned).collect())
}

/// A text that is taken as it is, or not at all: it is never cut.
fn limited(params: &Params, name: &str, longest: usize) -> Result<Option<String>, AuthorizationError> {
    match params.get(name) {
        Some(value) if value.len() > longest => Err(AuthorizationError::invalid_request(format!("{name} is longer than {longest} bytes"))),
        value => Ok(value.map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests;
