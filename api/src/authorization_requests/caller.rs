//! Who calls: the application's backend with an API key, or a page without a backend.

use grantlog_core::{
    app::{
        Context, UseCaseError,
        api_keys::AuthenticatedApiKey,
        trusted_tokens::{PresentedToken, UntrustedToken},
    },
    protocol::BearerToken,
};

use super::{ROLES, subject::check_browser_binding};
use crate::{
    app::{App, acting_as, unavailable},
    problem::Problem,
    request::Request,
};

/// What a page sends with every read: what it keeps in its browser.
pub const BROWSER_BINDING: &str = "grantlog-browser-binding";

/// Who calls.
pub(super) enum Caller {
    /// The application's backend, or an administrator.
    Backend(AuthenticatedApiKey),
    /// A page without a backend that proves who is logged in.
    Page(Box<PresentedToken>),
    /// A page of a registered origin that does not say who is logged in.
    Anonymous,
}

impl Caller {
    /// Finds out who calls, and what the log keeps of that.
    pub(super) async fn of(app: &App, request: &Request) -> Result<(Self, Context), Problem> {
        let origin = request.header("origin")?;
        let Some(header) = request.header("authorization")? else {
            if origin.is_some_and(|origin| app.live.is_registered_origin(origin)) {
                app.limits.check_address(request.peer)?;
                return Ok((Self::Anonymous, context("anonymous", request)));
            }
            return Self::backend(app, request).await;
        };
        match BearerToken::from_header(header) {
            // A JWT has dots, and an API key has none.
            Ok(bearer) if bearer.expose().contains('.') => {
                // A page runs in a browser, and is limited as one.
                app.limits.check_address(request.peer)?;
                let token = app.authority.verify_trusted_token(bearer.expose(), origin).await.map_err(untrusted)?;
                let context = context(&format!("trusted_issuer:{}", token.issuer), request);
                Ok((Self::Page(Box::new(token)), context))
            }
            _ => Self::backend(app, request).await,
        }
    }

    /// The same, but not for whoever does not say who is logged in.
    pub(super) async fn known(app: &App, request: &Request) -> Result<(Option<Box<PresentedToken>>, Context), Problem> {
        match Self::of(app, request).await? {
            (Self::Backend(_), context) => Ok((None, context)),
            (Self::Page(token), context) => Ok((Some(token), context)),
            (Self::Anonymous, _) => Err(Problem::unauthenticated("Send a trusted token: without one a page can only create a request.")),
        }
    }

    async fn backend(app: &App, request: &Request) -> Result<(Self, Context), Problem> {
        let key = app.require_role(request, &ROLES).await?;
        let context = acting_as(&key, request);
        Ok((Self::Backend(key), context))
    }
}

fn context(actor: &str, request: &Request) -> Context {
    Context::new(actor, request.request_id.to_string())
}

fn untrusted(error: UseCaseError<UntrustedToken>) -> Problem {
    match error {
        UseCaseError::Trouble(trouble) => unavailable(trouble),
        UseCaseError::Refused(why) => {
            let problem = match &why {
                UntrustedToken::NoOrigin | UntrustedToken::OtherOrigin => Problem::forbidden(sentence(&why)),
                _ => Problem::unauthenticated(sentence(&why)),
            };
            problem.member("reason", why.code())
        }
    }
}

fn sentence(why: &UntrustedToken) -> String {
    let text = why.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// What a page keeps in its browser, from the body: pages always send it, so that a request belongs to its browser.
pub(super) fn of_page(browser_binding: Option<String>) -> Result<String, Problem> {
    check_browser_binding(browser_binding.as_deref())?;
    browser_binding.ok_or_else(|| Problem::invalid_field("browser_binding", "A page has to send it: the request belongs to its browser."))
}

/// The same from the header, where there is no body.
pub(super) fn in_header(request: &Request) -> Result<Option<&str>, Problem> {
    let binding = request.header(BROWSER_BINDING)?;
    check_browser_binding(binding).map_err(|problem| problem.field(BROWSER_BINDING))?;
    Ok(binding)
}

/// A page does not say who is logged in: its token does.
pub(super) fn says_nothing(nothing_is_said: bool) -> Result<(), Problem> {
    if nothing_is_said { Ok(()) } else { Err(Problem::invalid_field("subject", "Who is logged in is said by the trusted token alone.")) }
}
