//! "Postcard Press": somebody else's website, which prints notes on postcards if their owner lets it. A plain OAuth client.

use std::sync::Arc;

use askama::Template;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use warp::reply::Response;
use warp::{Filter, Rejection};

use crate::oauth::{Attempt, OAuth, OAuthError, Tokens, claims};
use crate::web::{self, Fields, Page, Sessions, page, random, same_secret, see_other};
use crate::{CLIENT_SCOPE, DemoConfig};

/// What the client remembers of a browser.
#[derive(Clone)]
struct Session {
    csrf: String,
    /// Connections that were begun; several, since people open several tabs.
    attempts: Vec<Attempt>,
    tokens: Option<Tokens>,
    /// What happened last, for the page to say.
    news: Option<News>,
}

const MOST_ATTEMPTS: usize = 10;

impl Session {
    fn new() -> Self {
        Self { csrf: random(), attempts: Vec::new(), tokens: None, news: None }
    }
}

/// Something to tell the person.
#[derive(Clone)]
struct News {
    good: bool,
    title: String,
    text: String,
    /// What the machines said to each other.
    transcript: Option<String>,
}

impl News {
    fn good(title: &str, text: &str) -> Self {
        Self { good: true, title: title.to_owned(), text: text.to_owned(), transcript: None }
    }

    fn bad(title: &str, text: &str) -> Self {
        Self { good: false, title: title.to_owned(), text: text.to_owned(), transcript: None }
    }

    fn with(mut self, transcript: String) -> Self {
        self.transcript = Some(transcript);
        self
    }
}

type Visit = web::Visit<Session>;

struct Client {
    oauth: OAuth,
    http: reqwest::Client,
    api_url: String,
    sessions: Sessions<Session>,
}

/// What a browser asks of the client.
enum Action {
    Home,
    Start,
    Callback(Fields),
    CallApi(Fields),
    Refresh(Fields),
}

#[derive(Template)]
#[template(path = "client/home.html")]
struct HomePage<'a> {
    csrf: &'a str,
    news: Option<&'a News>,
    tokens: Option<ShownTokens>,
    api_url: &'a str,
}

/// Tokens as a page may show them: shortened, and their claims, which are no secret to their owner.
struct ShownTokens {
    rows: Vec<(&'static str, String)>,
    id_claims: Option<String>,
    access_claims: Option<String>,
    greeting: Option<String>,
}

impl ShownTokens {
    fn of(tokens: &Tokens) -> Self {
        let mut rows = vec![("Access token", shorten(&tokens.access_token))];
        rows.extend(tokens.refresh_token.as_deref().map(|token| ("Refresh token", shorten(token))));
        rows.extend(tokens.id_token.as_deref().map(|token| ("ID token", shorten(token))));
        rows.extend(tokens.scope.clone().map(|scope| ("What was allowed", scope)));
        rows.extend(tokens.expires_in.map(|seconds| ("Access token is good for", format!("{seconds} seconds"))));
        let id = tokens.id_token.as_deref().and_then(claims);
        let greeting = id.as_ref().and_then(|id| Some(id.get("name").or_else(|| id.get("sub"))?.as_str()?.to_owned()));
        let pretty = |claims| serde_json::to_string_pretty(&Value::Object(claims)).unwrap_or_default();
        Self { rows, id_claims: id.map(pretty), access_claims: claims(&tokens.access_token).map(pretty), greeting }
    }
}

/// Enough to tell two tokens apart, not enough to use one.
fn shorten(token: &str) -> String {
    let length = token.chars().count();
    let start: String = token.chars().take((length / 4).min(14)).collect();
    let end: String = token.chars().skip(length - (length / 8).min(4)).collect();
    format!("{start}…{end} ({length} characters)")
}

/// The client's routes.
pub fn routes(config: &DemoConfig, http: reqwest::Client) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<> {
    let client = Arc::new(Client {
        oauth: OAuth {
            http: http.clone(),
            issuer: config.issuer.clone(),
            client_id: config.client_id.clone(),
            client_secret: config.client_secret.clone(),
            redirect_uri: config.client_redirect_uri(),
            resource: None,
        },
        http,
        api_url: config.api_url(),
        sessions: Sessions::new("postcard_session", "/client", &config.public_url, Session::new),
    });
    let actions = warp::path!("client")
        .and(warp::get())
        .map(|| Action::Home)
        .or(warp::path!("client" / "start").and(warp::get()).map(|| Action::Start))
        .unify()
        .or(warp::path!("client" / "callback").and(warp::get()).and(web::query()).map(Action::Callback))
        .unify()
        .or(warp::path!("client" / "call-api").and(warp::post()).and(web::form()).map(Action::CallApi))
        .unify()
        .or(warp::path!("client" / "refresh").and(warp::post()).and(web::form()).map(Action::Refresh))
        .unify();
    actions.and(warp::header::headers_cloned()).then(move |action, headers: HeaderMap| {
        let client = Arc::clone(&client);
        async move {
            let mut visit = client.sessions.visit(&headers);
            let answer = client.act(&mut visit, action).await;
            client.sessions.finish(&visit, answer)
        }
    })
}

impl Client {
    async fn act(&self, visit: &mut Visit, action: Action) -> Response {
        let news = match action {
            Action::Home => return self.home(visit),
            Action::Start => match self.start(visit).await {
                Ok(leave) => return leave,
                Err(error) => explain(&error),
            },
            Action::Callback(answer) => self.callback(visit, &answer).await.unwrap_or_else(|error| explain(&error)),
            Action::CallApi(form) | Action::Refresh(form) if !same_secret(form.get("csrf").unwrap_or_default(), &visit.session.csrf) => {
                News::bad("This page was out of date", "Please try again.")
            }
            Action::CallApi(_) => self.call_api(visit).await,
            Action::Refresh(_) => self.refresh(visit).await,
        };
        // Everything ends on the home page, under an address without codes that can be reloaded.
        self.sessions.change(visit, |session| session.news = Some(news));
        see_other("/client")
    }

    fn home(&self, visit: &Visit) -> Response {
        let session = &visit.session;
        let tokens = session.tokens.as_ref().map(ShownTokens::of);
        page(StatusCode::OK, &HomePage { csrf: &session.csrf, news: session.news.as_ref(), tokens, api_url: &self.api_url }, Page::Plain)
    }

    /// "Connect": off to the authorization server.
    async fn start(&self, visit: &mut Visit) -> Result<Response, OAuthError> {
        let (url, attempt) = self.oauth.start(CLIENT_SCOPE).await?;
        self.sessions.change(visit, |session| {
            if session.attempts.len() == MOST_ATTEMPTS {
                session.attempts.remove(0);
            }
            session.attempts.push(attempt);
            session.news = None;
        });
        Ok(see_other(url.as_str()))
    }

    /// And back, with a code or with an error.
    async fn callback(&self, visit: &mut Visit, answer: &Fields) -> Result<News, OAuthError> {
        let attempt = self
            .take_attempt(visit, answer.get("state").unwrap_or_default())
            .ok_or(OAuthError::Untrusted("This browser did not ask for that answer, or it was used already."))?;
        self.oauth.check_issuer(answer.get("iss"))?;
        if let Some(error) = answer.get("error") {
            let description = answer.get("error_description").map(str::to_owned);
            return Err(OAuthError::Answered { error: error.to_owned(), description });
        }
        let code = answer.get("code").ok_or(OAuthError::Untrusted("The answer has no code."))?;
        let tokens = self.oauth.redeem(code, &attempt).await?;
        self.sessions.renew(visit);
        self.sessions.change(visit, |session| session.tokens = Some(tokens));
        Ok(News::good("Connected", "Sundial Notes gave us the tokens below. Try them."))
    }

    /// Each attempt is good for one answer.
    fn take_attempt(&self, visit: &mut Visit, state: &str) -> Option<Attempt> {
        let mut taken = None;
        self.sessions.change(visit, |session| {
            let found = session.attempts.iter().position(|attempt| same_secret(&attempt.state, state));
            taken = found.map(|index| session.attempts.remove(index));
        });
        taken
    }

    async fn call_api(&self, visit: &Visit) -> News {
        let Some(tokens) = &visit.session.tokens else {
            return not_connected();
        };
        match self.http.get(&self.api_url).bearer_auth(&tokens.access_token).send().await {
            Ok(answer) => api_answer(answer).await,
            Err(_) => News::bad("The API does not answer", "Please try again in a minute."),
        }
    }

    async fn refresh(&self, visit: &mut Visit) -> News {
        let Some(tokens) = visit.session.tokens.clone() else {
            return not_connected();
        };
        match self.oauth.refresh(&tokens).await {
            Ok(fresh) => {
                let replaced = fresh.refresh_token != tokens.refresh_token;
                self.sessions.change(visit, |session| session.tokens = Some(fresh));
                News::good(
                    "Refreshed",
                    if replaced {
                        "There is a new access token, and a new refresh token in place of the old one."
                    } else {
                        "There is a new access token."
                    },
                )
            }
            Err(error) => explain(&error),
        }
    }
}

fn not_connected() -> News {
    News::bad("Not connected yet", "Connect first, then there is a token to use.")
}

async fn api_answer(answer: reqwest::Response) -> News {
    let status = answer.status();
    let challenge = answer.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    let challenge = challenge.map(|challenge| format!("WWW-Authenticate: {challenge}\n")).unwrap_or_default();
    let body: Value = answer.json().await.unwrap_or_default();
    let body = serde_json::to_string_pretty(&body).unwrap_or_default();
    let transcript = format!("GET /api/notes\n{status}\n{challenge}\n{body}");
    let news = match status.as_u16() {
        200 => News::good("The API answered", "These notes can go on postcards."),
        401 => News::bad(
            "The API refused the token",
            "It has expired or access was withdrawn. Refreshing helps in the first case; in the second, only connecting again does.",
        ),
        403 => News::bad("The API refused", "Reading notes was not part of what was allowed. Connect again and allow it."),
        _ => News::bad("The API has a problem", "Please try again in a minute."),
    };
    news.with(transcript)
}

/// Errors in plain words. Codes are for machines; people get told what it means for them.
fn explain(error: &OAuthError) -> News {
    match error {
        OAuthError::Answered { error, description } => {
            let (title, text) = plain_words(error);
            let description = description.as_deref().map(|text| format!("\n{text}")).unwrap_or_default();
            News::bad(title, text).with(format!("error: {error}{description}"))
        }
        OAuthError::Untrusted(why) => News::bad("We threw that answer away", why),
        OAuthError::Unreachable(error) => {
            tracing::warn!(%error, "the authorization server cannot be reached");
            News::bad("Sundial Notes does not answer", "Please try again in a minute.")
        }
    }
}

fn plain_words(error: &str) -> (&'static str, &'static str) {
    match error {
        "access_denied" => {
            ("Access was not given", "That is fine: nothing was shared, and we got no token. You can connect whenever you like.")
        }
        "invalid_grant" => {
            ("Access has ended", "You disconnected us, or it expired. We can no longer get tokens; connect again if you like.")
        }
        "login_required" | "consent_required" | "interaction_required" | "account_selection_required" => {
            ("You have to be asked first", "This could not be done without showing you a page. Connect again.")
        }
        "invalid_scope" => ("We asked for too much", "Sundial Notes does not let us have what we asked for."),
        "invalid_client" | "unauthorized_client" => ("We are not welcome", "Sundial Notes does not know us, or has suspended us."),
        "temporarily_unavailable" | "server_error" => ("Sundial Notes has a problem", "Please try again in a minute."),
        _ => ("Connecting did not work", "Sundial Notes refused. The details are for our developers."),
    }
}
