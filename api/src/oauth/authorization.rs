//! The authorization endpoint, for those who want no page at that URL (OAuth 2.1 §3.1): the request is validated and
//! stored, and the browser goes on to the application's interaction page.

use grantlog_core::{
    app::{
        Context, UseCaseError,
        authorize::{AuthorizeRefusal, Entry, RejectedRequest},
    },
    domain::{AuthorizationId, authorization::ResponseMode},
};
use http::{HeaderValue, Method, header::SET_COOKIE};

use super::authorization_response;
use crate::{
    app::{App, positioned, unavailable},
    problem::{Problem, ProblemCode},
    reply::{self, Response},
    request::Request,
};

/// The authorization endpoint.
pub const PATH: &str = "/oauth2/authorize";

/// Start an authorization.
///
/// Browsers come here. They are sent on to the application's interaction page with `?authorization_request={id}`, or
/// back to the client with an error, or are shown what is wrong.
#[utoipa::path(get, path = PATH, tag = "protocol", operation_id = "authorize", security(()),
    params(("client_id" = String, Query, description = "The client."), ("response_type" = String, Query, description = "Always `code`.", example = "code"),
        ("redirect_uri" = Option<String>, Query, description = "Where the answer goes."), ("scope" = Option<String>, Query, description = "Scopes, separated by spaces."),
        ("state" = Option<String>, Query, description = "Returned untouched."), ("nonce" = Option<String>, Query, description = "Returned in the ID token."),
        ("code_challenge" = Option<String>, Query, description = "RFC 7636."), ("code_challenge_method" = Option<String>, Query, description = "Always `S256`."),
        ("response_mode" = Option<String>, Query, description = "`query` or `form_post`."), ("prompt" = Option<String>, Query, description = "`none`, `login`, `consent`, `select_account`."),
        ("max_age" = Option<u32>, Query, description = "Seconds."), ("acr_values" = Option<String>, Query, description = "Best first."),
        ("login_hint" = Option<String>, Query, description = "Whom the client expects."), ("id_token_hint" = Option<String>, Query, description = "An ID token of this issuer.")),
    responses(
        (status = 303, description = "To the application's interaction page, or back to the client."),
        (status = 400, description = "A page that says what is wrong: the client or its redirect URI are not proven.", content_type = "text/html"),
        (status = "4XX", description = "The request is too large or too frequent.", body = crate::problem::ProblemBody),
        (status = 503, description = "Try again.", body = crate::problem::ProblemBody)))]
pub async fn authorize(app: App, request: Request) -> Result<Response, Problem> {
    let interaction_url = app.edge.interaction_url.as_deref();
    let Some(interaction_url) = interaction_url else {
        return Err(Problem::not_found("The authorization endpoint of this service is a page of the application; see the metadata."));
    };
    let context = Context::new("system", request.request_id.to_string());
    let cookie = app.authority.new_browser_binding();
    let entry = Entry::Hosted { cookie: cookie.clone() };
    // OIDC Core §3.1.2.1: GET with a query, POST with a form.
    let query = if request.method == Method::POST { request.form()? } else { request.query.as_bytes() };
    match app.authority.start_authorization(&context, query, entry).await {
        Ok(view) => {
            let separator = if interaction_url.contains('?') { '&' } else { '?' };
            let location = format!("{interaction_url}{separator}authorization_request={}", view.id);
            let response = reply::see_other(&location).with_header(SET_COOKIE, browser_cookie(&app, view.id, &cookie)?);
            Ok(positioned(response, &context))
        }
        Err(UseCaseError::Refused(AuthorizeRefusal::Rejected(rejected))) => Ok(turn_away(&rejected)),
        Err(UseCaseError::Refused(refusal)) => Err(Problem::new(ProblemCode::Conflict, refusal.to_string())),
        Err(UseCaseError::Trouble(trouble)) => Err(unavailable(trouble)),
    }
}

/// The same by POST, with the parameters in a form (OIDC Core §3.1.2.1).
#[utoipa::path(post, path = PATH, tag = "protocol", operation_id = "authorizeByPost", security(()),
    request_body(content = Object, content_type = "application/x-www-form-urlencoded",
        example = json!({"response_type": "code", "client_id": "client_01932d5e7c1a7e31b7a80f6c3d2a9b10", "redirect_uri": "https://weather.example.com/callback",
            "scope": "openid email", "state": "af0ifjsldkj", "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"})),
    responses(
        (status = 303, description = "To the application's interaction page, or back to the client."),
        (status = 400, description = "A page that says what is wrong.", content_type = "text/html"),
        (status = "4XX", description = "The request is too large or too frequent.", body = crate::problem::ProblemBody),
        (status = 503, description = "Try again.", body = crate::problem::ProblemBody)))]
pub async fn authorize_by_post(app: App, request: Request) -> Result<Response, Problem> {
    authorize(app, request).await
}

fn turn_away(rejected: &RejectedRequest) -> Response {
    match &rejected.answer {
        Some(answer) if answer.response_mode == ResponseMode::FormPost => authorization_response::form_page(answer),
        Some(answer) => reply::see_other(&authorization_response::in_query(answer)),
        // RFC 6749 §4.1.2.1: never a redirect to a place that is not proven.
        None => authorization_response::error_page(rejected.code, &rejected.description),
    }
}

/// One cookie for each request, so that many tabs don't trip over each other.
fn browser_cookie(app: &App, id: AuthorizationId, value: &str) -> Result<HeaderValue, Problem> {
    let max_age = app.authority.settings.authorization_request_lifetime.0;
    // SameSite=None would be needed for a form_post from the client's site to us; the browser only comes back to us by
    // navigation from the application, for which Lax is enough.
    let attributes = format!("Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age}");
    let name = cookie_name(app, id);
    let secure = if is_https(app) { "; Secure" } else { "" };
    HeaderValue::try_from(format!("{name}={value}; {attributes}{secure}")).map_err(Problem::internal)
}

/// The cookie's name. `__Host-` keeps other hosts of the domain from setting it (RFC 6265bis §4.1.3.2).
pub(super) fn cookie_name(app: &App, id: AuthorizationId) -> String {
    let prefix = if is_https(app) { "__Host-" } else { "" };
    format!("{prefix}grantlog-{id}")
}

fn is_https(app: &App) -> bool {
    app.issuer().starts_with("https://")
}
