//! The authorization response on its way to the client: in the redirect URI's query, or as a form that the browser
//! posts (OAuth 2.0 Form Post Response Mode). In the hosted way the browser is checked here.

use grantlog_core::{
    app::{
        Context, UseCaseError,
        authorize::{Answer, hash_browser_binding},
    },
    domain::{
        AuthorizationId,
        authorization::{Authorization, ResponseMode},
    },
};

use super::authorization::cookie_name;
use crate::{
    app::{App, unavailable},
    html,
    problem::Problem,
    reply::{self, ContentSecurityPolicy, Response},
    request::Request,
};

/// The last hop of an answer.
pub const PATH: &str = "/oauth2/authorize/{id}/response";

/// The URL of the last hop. Only whom it was given can fetch the answer.
pub fn url(issuer: &str, id: AuthorizationId, token: &str) -> String {
    format!("{issuer}/oauth2/authorize/{id}/response?t={token}")
}

/// The redirect URI with the answer in its query.
pub fn in_query(answer: &Answer) -> String {
    let parameters: Vec<(&str, &str)> = answer.parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
    answer.redirect_uri.with_params(&parameters)
}

/// Hand an answer to the client.
///
/// Browsers come here at the end of the hosted way, and for `response_mode=form_post`.
#[utoipa::path(get, path = PATH, tag = "protocol", operation_id = "authorizationResponse", security(()),
    params(("id" = String, Path, description = "The authorization request.", example = "01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10"), ("t" = String, Query, description = "What the application was given with `redirect_to`.")),
    responses(
        (status = 303, description = "To the client."),
        (status = 200, description = "A page with a form that goes to the client.", content_type = "text/html"),
        (status = "4XX", description = "Not this browser, or there is no answer.", body = crate::problem::ProblemBody),
        (status = 503, description = "Try again.", body = crate::problem::ProblemBody)))]
pub async fn respond(app: App, request: Request) -> Result<Response, Problem> {
    let missing = || Problem::not_found("There is no answer here.");
    let id: AuthorizationId = request.id("id")?;
    if !request.query_param("t")?.is_some_and(|token| app.authority.check_response_token(id, &token)) {
        return Err(missing());
    }
    let context = Context::new("system", request.request_id.to_string());
    let view = app.authority.authorization(&context, id).await.map_err(|error| match error {
        UseCaseError::Trouble(trouble) => unavailable(trouble),
        UseCaseError::Refused(_) => missing(),
    })?;
    let authorization = &view.authorization;
    if authorization.is_hosted() && !same_browser(&app, &request, id, authorization)? {
        return Err(Problem::forbidden("This authorization was started in another browser."));
    }
    match &view.answer {
        Some(answer) if answer.response_mode == ResponseMode::FormPost => Ok(form_page(answer)),
        Some(answer) => Ok(reply::see_other(&in_query(answer))),
        None => Err(missing()),
    }
}

fn same_browser(app: &App, request: &Request, id: AuthorizationId, authorization: &Authorization) -> Result<bool, Problem> {
    let name = cookie_name(app, id);
    let cookies = request.header("cookie")?.unwrap_or_default();
    let value = cookies.split("; ").filter_map(|pair| pair.split_once('=')).find(|(cookie, _)| *cookie == name).map(|(_, value)| value);
    Ok(value.is_some_and(|value| authorization.belongs_to_browser(Some(&hash_browser_binding(value)))))
}

/// A page whose form goes to the client by itself, and by a button where there is no script.
pub fn form_page(answer: &Answer) -> Response {
    let page = html::form_post(answer.redirect_uri.as_str(), &answer.parameters);
    let policy = ContentSecurityPolicy::closed().script_sha256(&page.script_sha256);
    let policy = match url::Url::parse(answer.redirect_uri.as_str()) {
        Ok(target) => policy.form_to(&target),
        Err(_) => policy,
    };
    reply::html(page.html, &policy)
}

/// A page that says what is wrong with a request that can't be answered to its client.
pub fn error_page(code: &str, description: &str) -> Response {
    reply::html_error(html::error(code, description), &ContentSecurityPolicy::closed())
}
