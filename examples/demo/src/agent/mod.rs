//! "Lamplight": an agent that was never told anything about Sundial Notes but the URL of its API. What it needs it finds out.

mod discovery;

use std::sync::Arc;

use askama::Template;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use warp::reply::Response;
use warp::{Filter, Rejection};

use self::discovery::{Step, discover, parameter, registration};
use crate::DemoConfig;
use crate::oauth::{Attempt, OAuth, OAuthError, Tokens};
use crate::web::{self, Fields, Page, Sessions, page, random, same_secret, see_other};

/// How it introduces itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Introduction {
    /// By registering (RFC 7591).
    Registration,
    /// By a document that stands at its own URL.
    Document,
}

/// What the agent remembers of a browser.
#[derive(Clone)]
struct Session {
    csrf: String,
    steps: Vec<Step>,
    /// The client that it became, and what it asks for.
    client: Option<(OAuth, String)>,
    attempt: Option<Attempt>,
    tokens: Option<Tokens>,
    /// What the last refusal says it lacks.
    lacking: Option<String>,
    news: Option<News>,
}

impl Session {
    fn new() -> Self {
        Self { csrf: random(), steps: Vec::new(), client: None, attempt: None, tokens: None, lacking: None, news: None }
    }
}

/// Something to tell the person.
#[derive(Clone)]
struct News {
    good: bool,
    title: &'static str,
    text: String,
}

fn good(title: &'static str, text: impl Into<String>) -> News {
    News { good: true, title, text: text.into() }
}

fn bad(title: &'static str, text: impl Into<String>) -> News {
    News { good: false, title, text: text.into() }
}

type Visit = web::Visit<Session>;

struct Agent {
    http: reqwest::Client,
    base_url: String,
    suggestion: String,
    sessions: Sessions<Session>,
}

enum Action {
    Home,
    Connect(Fields),
    Callback(Fields),
    Call(Fields),
    StepUp(Fields),
}

#[derive(Template)]
#[template(path = "agent/home.html")]
struct HomePage<'a> {
    csrf: &'a str,
    suggestion: &'a str,
    news: Option<&'a News>,
    steps: &'a [Step],
    granted: Option<&'a str>,
    lacking: Option<&'a str>,
}

/// The agent's routes.
pub fn routes(config: &DemoConfig, http: reqwest::Client) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<> {
    let agent = Arc::new(Agent {
        http,
        base_url: config.at("/agent"),
        suggestion: config.agents_resource(),
        sessions: Sessions::new("lamplight_session", "/agent", &config.public_url, Session::new),
    });
    let document = registration_document(&agent.base_url);
    let post = |path: &'static str| warp::path("agent").and(warp::path(path)).and(warp::path::end()).and(warp::post()).and(web::form());
    let actions = warp::path!("agent")
        .and(warp::get())
        .map(|| Action::Home)
        .or(warp::path!("agent" / "callback").and(warp::get()).and(web::query()).map(Action::Callback))
        .unify()
        .or(post("connect").map(Action::Connect))
        .unify()
        .or(post("call").map(Action::Call))
        .unify()
        .or(post("step-up").map(Action::StepUp))
        .unify();
    let pages = actions.and(warp::header::headers_cloned()).then(move |action, headers: HeaderMap| {
        let agent = Arc::clone(&agent);
        async move {
            let mut visit = agent.sessions.visit(&headers);
            let answer = agent.act(&mut visit, action).await;
            agent.sessions.finish(&visit, answer)
        }
    });
    let client_json =
        warp::path!("agent" / "client.json").and(warp::get()).map(move || web::reply(StatusCode::OK, "application/json", document.clone()));
    pages.or(client_json).unify()
}

/// The document that a client id metadata document is (its URL is the client's id).
fn registration_document(base_url: &str) -> String {
    let mut document = registration(&format!("{base_url}/callback"));
    document["client_id"] = format!("{base_url}/client.json").into();
    document["client_uri"] = base_url.into();
    document.to_string()
}

impl Agent {
    async fn act(&self, visit: &mut Visit, action: Action) -> Response {
        let done = match action {
            Action::Home => return self.home(visit),
            Action::Connect(form) | Action::Call(form) | Action::StepUp(form)
                if !same_secret(form.get("csrf").unwrap_or_default(), &visit.session.csrf) =>
            {
                Ok(Outcome::Tell(bad("This page was out of date", "Please try again.")))
            }
            Action::Connect(form) => self.connect(visit, &form).await,
            Action::Callback(answer) => self.callback(visit, &answer).await,
            Action::Call(form) => self.call(visit, form.get("do") == Some("write")).await,
            Action::StepUp(_) => self.step_up(visit).await,
        };
        match done.unwrap_or_else(|error| Outcome::Tell(explain(&error))) {
            Outcome::Leave(location) => see_other(&location),
            Outcome::Tell(news) => {
                self.sessions.change(visit, |session| session.news = Some(news));
                see_other("/agent")
            }
        }
    }

    fn home(&self, visit: &Visit) -> Response {
        let session = &visit.session;
        let home = HomePage {
            csrf: &session.csrf,
            suggestion: &self.suggestion,
            news: session.news.as_ref(),
            steps: &session.steps,
            granted: session.tokens.as_ref().map(|tokens| tokens.scope.as_deref().unwrap_or_default()),
            lacking: session.lacking.as_deref(),
        };
        // The form's answer is a redirect to the authorization server.
        page(StatusCode::OK, &home, Page::MayLeave)
    }

    async fn connect(&self, visit: &mut Visit, form: &Fields) -> Result<Outcome, OAuthError> {
        let introduction = if form.get("introduction") == Some("document") { Introduction::Document } else { Introduction::Registration };
        let found = discover(&self.http, form.get("url").unwrap_or_default().trim(), introduction, &self.base_url).await?;
        self.sessions.change(visit, |session| {
            *session = Session { steps: found.steps, client: Some((found.oauth, found.scope)), ..Session::new() };
        });
        self.ask(visit).await
    }

    /// Off to the authorization server.
    async fn ask(&self, visit: &mut Visit) -> Result<Outcome, OAuthError> {
        let (oauth, scope) = visit.session.client.clone().ok_or(OAuthError::Untrusted("Nothing was looked for yet."))?;
        let (url, attempt) = oauth.start(&scope).await?;
        self.sessions.change(visit, |session| session.attempt = Some(attempt));
        Ok(Outcome::Leave(url.into()))
    }

    async fn callback(&self, visit: &mut Visit, answer: &Fields) -> Result<Outcome, OAuthError> {
        let stray = OAuthError::Untrusted("This browser did not ask for that answer, or it was used already.");
        let (Some((oauth, _)), Some(attempt)) = (visit.session.client.clone(), visit.session.attempt.clone()) else { return Err(stray) };
        if !same_secret(&attempt.state, answer.get("state").unwrap_or_default()) {
            return Err(stray);
        }
        self.sessions.change(visit, |session| session.attempt = None);
        oauth.check_issuer(answer.get("iss"))?;
        if let Some(error) = answer.get("error") {
            let description = answer.get("error_description").map(str::to_owned);
            return Err(OAuthError::Answered { error: error.to_owned(), description });
        }
        let code = answer.get("code").ok_or(OAuthError::Untrusted("The answer has no code."))?;
        let tokens = oauth.redeem(code, &attempt).await?;
        self.sessions.change(visit, |session| {
            session.tokens = Some(tokens);
            session.lacking = None;
        });
        Ok(Outcome::Tell(good("Connected", "From a bare URL to a token. Try what it can do.")))
    }

    /// Use the API, and learn from its refusal.
    async fn call(&self, visit: &mut Visit, write: bool) -> Result<Outcome, OAuthError> {
        let (Some(tokens), Some((oauth, _))) = (visit.session.tokens.clone(), visit.session.client.clone()) else {
            return Err(OAuthError::Untrusted("There is no token yet."));
        };
        let url = oauth.resource.unwrap_or_default();
        let call = if write {
            self.http.post(&url).form(&[("title", "From Lamplight"), ("text", "An agent was here, because you let it.")])
        } else {
            self.http.get(&url)
        };
        let answer = call.bearer_auth(&tokens.access_token).send().await?;
        let status = answer.status();
        let challenge = answer.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let body: Value = answer.json().await?;
        // RFC 6750 §3.1: the challenge names the scope that would do.
        let lacking = (parameter(&challenge, "error").as_deref() == Some("insufficient_scope")).then(|| parameter(&challenge, "scope"));
        self.sessions.change(visit, |session| session.lacking = lacking.clone().flatten());
        let body = serde_json::to_string_pretty(&body).unwrap_or_default();
        Ok(Outcome::Tell(match status {
            StatusCode::OK => good("The API answered", body),
            StatusCode::CREATED => good("The note was added", body),
            StatusCode::FORBIDDEN => bad("That needs more than it was allowed", challenge),
            _ => bad("The API refused the token", challenge),
        }))
    }

    /// Ask for what was lacking, beside what it has.
    async fn step_up(&self, visit: &mut Visit) -> Result<Outcome, OAuthError> {
        let lacking = visit.session.lacking.clone().ok_or(OAuthError::Untrusted("Nothing is lacking."))?;
        self.sessions.change(visit, |session| {
            if let Some((_, scope)) = &mut session.client {
                *scope = lacking;
            }
        });
        self.ask(visit).await
    }
}

/// What comes of an action.
enum Outcome {
    Leave(String),
    Tell(News),
}

fn explain(error: &OAuthError) -> News {
    match error {
        OAuthError::Answered { error, description } => {
            bad("Access was not given", format!("{error}: {}", description.as_deref().unwrap_or_default()))
        }
        OAuthError::Untrusted(why) => bad("That did not work", *why),
        OAuthError::Unreachable(error) => {
            tracing::warn!(%error, "an address does not answer");
            bad("That address does not answer as it should", "Is the URL right?")
        }
    }
}
