//! "Sundial Notes": an application that has become an authorization server. This is the part to copy.
//!
//! `GET /authorize` is where clients send browsers. From then on one URL, `/interaction?authorization_request={id}`, shows
//! whatever grantlog says comes `next`. It can be reloaded, opened twice or left and come back to: the state is in grantlog.

mod grantlog;
mod organization;
mod pages;
pub mod people;

use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, StatusCode};
use url::Url;
use uuid::Uuid;
use warp::reply::Response;
use warp::{Filter, Rejection};

use self::grantlog::{AuthorizationRequest, CallError, ConnectedClient, Decision, Grantlog, Next, RequestedScope, State};
use self::pages::{ConnectedAppsPage, ConsentPage, FormPostPage, LoginPage, LoginReason, MessagePage, Visitor};
use self::people::LoggedIn;
use crate::DemoConfig;
use crate::web::{self, Fields, Page, Sessions, page, random, same_secret, see_other};

/// What the application remembers of a browser.
#[derive(Clone)]
struct Session {
    logged_in: Option<LoggedIn>,
    /// Ties authorization requests to this browser: somebody else's request cannot be decided here (consent fixation).
    binding: String,
    /// The requests that began here and so carry the binding. Hosted ones (`GET /oauth2/authorize`) carry grantlog's cookie instead.
    started: Vec<Uuid>,
    /// Every form carries it, and it changes at login and logout.
    csrf: String,
}

const MOST_STARTED: usize = 50;
const MOST_WISHES: usize = 100;

impl Session {
    fn new() -> Self {
        Self { logged_in: None, binding: random(), started: Vec::new(), csrf: random() }
    }

    fn visitor(&self) -> Visitor<'_> {
        Visitor { person: self.logged_in.map(|who| who.person), csrf: &self.csrf }
    }

    fn subject(&self) -> Option<serde_json::Value> {
        self.logged_in.map(|who| who.subject())
    }

    fn binding_of(&self, id: Uuid) -> Option<&str> {
        self.started.contains(&id).then_some(self.binding.as_str())
    }
}

type Visit = web::Visit<Session>;

struct Application {
    grantlog: Grantlog,
    sessions: Sessions<Session>,
    /// Apps that an organization does not allow and somebody in it asked for: the organization's id, and the app.
    wished_for: Mutex<Vec<(&'static str, ConnectedClient)>>,
}

/// Why a handler has no page of its own to show.
enum Failure {
    /// A call to grantlog went wrong.
    Call(CallError),
    /// The form is from another site, or from before a login.
    StaleForm,
    /// The page is for those who manage an organization.
    NotTheirs,
    /// The link lacks the request's id.
    NoSuchRequest,
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

/// What a browser asks of the application.
enum Action {
    /// A client sent the browser here; this is the raw query.
    Authorize(String),
    /// The same, as a form (OpenID Connect Core §3.1.2.1 allows both).
    AuthorizeByPost(String),
    /// Show what comes next for one authorization request.
    Interaction(Fields),
    /// Log in without any client involved.
    ShowLogin,
    Login(Fields),
    ContinueAs(Fields),
    SwitchAccount(Fields),
    Decide(Fields),
    ConnectedApps,
    Disconnect(Fields),
    DisconnectAll(Fields),
    Organization,
    PreviewPolicy(Fields),
    SetPolicy(Fields),
    DisconnectEveryone(Fields),
    Logout(Fields),
}

/// The application's routes.
pub fn routes(
    config: &DemoConfig,
    issuer: Url,
    http: reqwest::Client,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<> {
    let application = Arc::new(Application {
        grantlog: Grantlog::new(http, issuer, config.consent_api_key.clone()),
        sessions: Sessions::new("sundial_session", "/", &config.public_url, Session::new),
        wished_for: Mutex::default(),
    });
    let get = |path: &'static str| warp::path(path).and(warp::path::end()).and(warp::get());
    let post = |path: &'static str| warp::path(path).and(warp::path::end()).and(warp::post());
    let flow = get("authorize")
        .and(web::raw_query())
        .map(Action::Authorize)
        .or(post("authorize").and(web::raw_form()).map(Action::AuthorizeByPost))
        .unify()
        .or(get("interaction").and(web::query()).map(Action::Interaction))
        .unify()
        .or(post("login").and(web::form()).map(Action::Login))
        .unify()
        .or(post("continue").and(web::form()).map(Action::ContinueAs))
        .unify()
        .or(post("switch-account").and(web::form()).map(Action::SwitchAccount))
        .unify()
        .or(post("decision").and(web::form()).map(Action::Decide))
        .unify();
    let account = get("login")
        .map(|| Action::ShowLogin)
        .or(get("connected-apps").map(|| Action::ConnectedApps))
        .unify()
        .or(warp::path("connected-apps").and(post("disconnect")).and(web::form()).map(Action::Disconnect))
        .unify()
        .or(warp::path("connected-apps").and(post("disconnect-all")).and(web::form()).map(Action::DisconnectAll))
        .unify()
        .or(get("organization").map(|| Action::Organization))
        .unify()
        .or(warp::path("organization").and(post("preview")).and(web::form()).map(Action::PreviewPolicy))
        .unify()
        .or(warp::path("organization").and(post("policy")).and(web::form()).map(Action::SetPolicy))
        .unify()
        .or(warp::path("organization").and(post("disconnect")).and(web::form()).map(Action::DisconnectEveryone))
        .unify()
        .or(post("logout").and(web::form()).map(Action::Logout))
        .unify();
    flow.or(account).unify().and(warp::header::headers_cloned()).then(move |action, headers: HeaderMap| {
        let application = Arc::clone(&application);
        async move {
            let mut visit = application.sessions.visit(&headers);
            let answer = application.act(&mut visit, action).await.unwrap_or_else(|failure| failure_page(&visit, &failure));
            application.sessions.finish(&visit, answer)
        }
    })
}

impl Application {
    async fn act(&self, visit: &mut Visit, action: Action) -> Result<Response, Failure> {
        match action {
            Action::Authorize(query) => self.authorize(visit, &query).await,
            // A form from another site comes without our Lax cookie, so ask the browser to come again with GET.
            Action::AuthorizeByPost(query) => Ok(see_other(&format!("/authorize?{query}"))),
            Action::Interaction(query) => self.interaction(visit, &query).await,
            Action::ShowLogin => Ok(show_login(visit)),
            Action::Login(form) => self.login(visit, &form).await,
            Action::ContinueAs(form) => self.continue_as(visit, &form).await,
            Action::SwitchAccount(form) => self.switch_account(visit, &form).await,
            Action::Decide(form) => self.decide(visit, &form).await,
            Action::ConnectedApps => self.connected_apps(visit).await,
            Action::Disconnect(form) => self.disconnect(visit, &form).await,
            Action::DisconnectAll(form) => self.disconnect_all(visit, &form).await,
            Action::Organization => self.organization(visit).await,
            Action::PreviewPolicy(form) => self.preview_policy(visit, &form).await,
            Action::SetPolicy(form) => self.set_policy(visit, &form).await,
            Action::DisconnectEveryone(form) => self.disconnect_everyone(visit, &form).await,
            Action::Logout(form) => self.logout(visit, &form),
        }
    }

    /// Step 1: a client sent a browser here. The query goes to grantlog as it is.
    async fn authorize(&self, visit: &mut Visit, query: &str) -> Result<Response, Failure> {
        let subject = visit.session.subject();
        let request = self.grantlog.create(query, &visit.session.binding, subject.as_ref()).await?;
        if let Some(id) = request.id {
            self.sessions.change(visit, |session| {
                if session.started.len() == MOST_STARTED {
                    session.started.remove(0);
                }
                session.started.push(id);
            });
        }
        Ok(self.go_on(visit, &request))
    }

    /// After a step: leave for the client, or show the next page at its own URL.
    fn go_on(&self, visit: &Visit, request: &AuthorizationRequest) -> Response {
        self.remember_wish(visit, request);
        match request.id {
            Some(id) if request.next != Next::Redirect => see_other(&format!("/interaction?authorization_request={id}")),
            _ => show(visit, request),
        }
    }

    /// Whoever manages the organization is shown what its people wished for.
    fn remember_wish(&self, visit: &Visit, request: &AuthorizationRequest) {
        let refused = request.organization.as_ref().is_some_and(|organization| !organization.allowed);
        let (Some(client), Some(who), true) = (&request.client, visit.session.logged_in, refused) else { return };
        let mut wished_for = self.wished_for.lock().unwrap_or_else(PoisonError::into_inner);
        let organization = who.person.organization.id;
        let known = |(of, known): &(&str, ConnectedClient)| *of == organization && known.client_id == client.client_id;
        if !wished_for.iter().any(known) && wished_for.len() < MOST_WISHES {
            let (client_id, redirect_host) = (client.client_id.clone(), Some(client.redirect_host.clone()));
            wished_for.push((organization, ConnectedClient { client_id, client_name: client.name().to_owned(), redirect_host }));
        }
    }

    fn wished_for(&self, organization: &str) -> Vec<ConnectedClient> {
        let wished_for = self.wished_for.lock().unwrap_or_else(PoisonError::into_inner);
        wished_for.iter().filter(|(of, _)| *of == organization).map(|(_, client)| client.clone()).collect()
    }

    /// Step 2: show what comes next. grantlog's own authorization endpoint (the hosted way) sends browsers here too.
    async fn interaction(&self, visit: &Visit, query: &Fields) -> Result<Response, Failure> {
        let id = request_id(query)?;
        let request = self.grantlog.get(id).await?;
        let request = self.with_whoever_is_logged_in(visit, id, request).await?;
        Ok(show(visit, &request))
    }

    /// grantlog may not know yet who is here (the hosted way), or the person may have changed in another tab.
    async fn with_whoever_is_logged_in(
        &self,
        visit: &Visit,
        id: Uuid,
        request: AuthorizationRequest,
    ) -> Result<AuthorizationRequest, Failure> {
        let here = visit.session.logged_in.map(|who| who.person.id);
        let told = request.subject.as_ref().map(|subject| subject.id.as_str());
        let to_be_told = match (request.state, request.next) {
            (State::AwaitingSubject, Next::Login) => here.is_some() && !request.hints.prompt.iter().any(|it| it == "select_account"),
            (State::AwaitingConsent, Next::Consent) => here != told,
            _ => false,
        };
        if !to_be_told {
            return Ok(request);
        }
        Ok(self.grantlog.attest(id, visit.session.subject().as_ref(), visit.session.binding_of(id)).await?)
    }

    /// Step 3, when nobody is logged in or not well enough: log in as always, then tell grantlog who it is.
    async fn login(&self, visit: &mut Visit, form: &Fields) -> Result<Response, Failure> {
        check_csrf(visit, form)?;
        let user = form.get("user").unwrap_or_default();
        // A real login also slows down whoever keeps guessing.
        let Some(who) = LoggedIn::by_password(user, form.get("password").unwrap_or_default(), form.get("code")) else {
            return self.login_failed(visit, form, user).await;
        };
        self.change_person(visit, Some(who));
        let Ok(id) = request_id(form) else {
            return Ok(see_other("/connected-apps"));
        };
        self.tell_who_is_here(visit, id).await
    }

    async fn login_failed(&self, visit: &Visit, form: &Fields, user: &str) -> Result<Response, Failure> {
        let request = match request_id(form) {
            Ok(id) => Some((id, self.grantlog.get(id).await?)),
            Err(_) => None,
        };
        let reason = request.as_ref().map_or(&LOGIN, |(_, request)| login_reason(request.next));
        let about = request.as_ref().map(|(id, request)| (*id, client_name(request)));
        let mut login = LoginPage::new(visit.session.visitor(), about, reason, user);
        login.failed = true;
        Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &login, Page::MayLeave))
    }

    /// The answer to "which account?": the one that is logged in.
    async fn continue_as(&self, visit: &Visit, form: &Fields) -> Result<Response, Failure> {
        check_csrf(visit, form)?;
        self.tell_who_is_here(visit, request_id(form)?).await
    }

    /// "Not you?": nobody is logged in any more, and grantlog says so next.
    async fn switch_account(&self, visit: &mut Visit, form: &Fields) -> Result<Response, Failure> {
        check_csrf(visit, form)?;
        self.change_person(visit, None);
        self.tell_who_is_here(visit, request_id(form)?).await
    }

    async fn tell_who_is_here(&self, visit: &Visit, id: Uuid) -> Result<Response, Failure> {
        let subject = visit.session.subject();
        let request = self.grantlog.attest(id, subject.as_ref(), visit.session.binding_of(id)).await?;
        Ok(self.go_on(visit, &request))
    }

    /// Step 4: the person said yes or no. Either way grantlog says where the browser goes.
    async fn decide(&self, visit: &Visit, form: &Fields) -> Result<Response, Failure> {
        check_csrf(visit, form)?;
        let id = request_id(form)?;
        let request = self.grantlog.get(id).await?;
        let chosen: Vec<String> = form.all("scope").map(str::to_owned).collect();
        // "Allow" with nothing ticked allows nothing.
        let decision = match form.get("decision") {
            Some("allow") if !chosen.is_empty() => Decision::Approve { scopes: chosen },
            _ => Decision::Deny,
        };
        let texts: Vec<&str> = request.scopes.iter().map(RequestedScope::words).collect();
        let subject = visit.session.subject();
        match self.grantlog.decide(id, decision, subject.as_ref(), visit.session.binding_of(id), &texts.join("\n")).await {
            // Decided before, perhaps in another tab: the first answer stands, and leads somewhere as well.
            Ok(decided) => Ok(self.go_on(visit, &decided)),
            Err(CallError::AlreadyDecided(decided)) => Ok(self.go_on(visit, &decided)),
            Err(error) => Err(error.into()),
        }
    }

    async fn connected_apps(&self, visit: &Visit) -> Result<Response, Failure> {
        let Some(who) = visit.session.logged_in else {
            return Ok(see_other("/login"));
        };
        let grants = self.grantlog.grants(who.person.id).await?;
        Ok(page(StatusCode::OK, &ConnectedAppsPage { visitor: visit.session.visitor(), grants: &grants }, Page::Plain))
    }

    async fn disconnect(&self, visit: &Visit, form: &Fields) -> Result<Response, Failure> {
        check_csrf(visit, form)?;
        if let (Some(who), Some(grant_id)) = (visit.session.logged_in, form.get("grant")) {
            // The person's id comes from the session, so nobody can end somebody else's grant.
            self.grantlog.disconnect(who.person.id, grant_id).await?;
        }
        Ok(see_other("/connected-apps"))
    }

    async fn disconnect_all(&self, visit: &Visit, form: &Fields) -> Result<Response, Failure> {
        check_csrf(visit, form)?;
        if let Some(who) = visit.session.logged_in {
            self.grantlog.disconnect_all(who.person.id).await?;
        }
        Ok(see_other("/connected-apps"))
    }

    fn logout(&self, visit: &mut Visit, form: &Fields) -> Result<Response, Failure> {
        check_csrf(visit, form)?;
        self.change_person(visit, None);
        Ok(see_other("/"))
    }

    fn change_person(&self, visit: &mut Visit, logged_in: Option<LoggedIn>) {
        self.sessions.renew(visit);
        self.sessions.change(visit, |session| {
            session.logged_in = logged_in;
            session.csrf = random();
        });
    }
}

/// Logging in without any client involved.
fn show_login(visit: &Visit) -> Response {
    if visit.session.logged_in.is_some() {
        return see_other("/connected-apps");
    }
    page(StatusCode::OK, &LoginPage::new(visit.session.visitor(), None, &LOGIN, ""), Page::Plain)
}

/// The page for what grantlog says comes next.
fn show(visit: &Visit, request: &AuthorizationRequest) -> Response {
    match (request.state, request.next) {
        (State::Expired, _) => expired_page(visit, request),
        (State::Superseded, _) => {
            message(visit, StatusCode::GONE, "This page is out of date", "You started again in another tab. Go on there.")
        }
        (_, Next::Redirect) if let Some(refusal) = refusal(visit, request) => refusal,
        (_, Next::Redirect) => leave(visit, request),
        (_, Next::ShowError) => error_page(visit, request),
        (_, Next::Consent) => consent_page(visit, request),
        (_, next @ (Next::Login | Next::Reauthenticate | Next::StepUp | Next::SelectAccount)) => login_page(visit, request, next),
    }
}

/// Back to the client, with a code or with an error: always wherever grantlog says, never anywhere else.
fn leave(visit: &Visit, request: &AuthorizationRequest) -> Response {
    match (&request.form_post, &request.redirect_to) {
        (Some(form), _) => {
            let form_page = FormPostPage { form, client_name: client_name(request) };
            page(StatusCode::OK, &form_page, Page::AutoSubmit)
        }
        (None, Some(location)) => see_other(location),
        (None, None) => error_page(visit, request),
    }
}

/// When not the person but a rule said no, they are told why before they go back.
fn refusal(visit: &Visit, request: &AuthorizationRequest) -> Option<Response> {
    let location = request.redirect_to.as_deref()?;
    let who = visit.session.logged_in?;
    let refused_by_organization = request.organization.as_ref().is_some_and(|organization| !organization.allowed);
    let nothing_grantable = !request.scopes.is_empty() && request.scopes.iter().all(|scope| !scope.grantable);
    let (title, text) = if refused_by_organization {
        (
            format!("{} does not allow this app", who.person.organization.name),
            "Ask whoever manages your organization whether they want to allow it.",
        )
    } else if nothing_grantable {
        ("You cannot give this app what it asks for".to_owned(), "It asks for things that your own role does not let you do.")
    } else {
        return None;
    };
    let back = format!("Back to {}", client_name(request));
    let refused = MessagePage { visitor: visit.session.visitor(), title: &title, text, details: None, link: Some((location, &back)) };
    Some(page(StatusCode::OK, &refused, Page::Plain))
}

fn login_page(visit: &Visit, request: &AuthorizationRequest, next: Next) -> Response {
    let here = visit.session.logged_in.map_or("", |who| who.person.id);
    let user = request.hints.login_hint.as_deref().unwrap_or(here);
    let about = request.id.map(|id| (id, client_name(request)));
    page(StatusCode::OK, &LoginPage::new(visit.session.visitor(), about, login_reason(next), user), Page::MayLeave)
}

fn consent_page(visit: &Visit, request: &AuthorizationRequest) -> Response {
    match (request.id, &request.client, visit.session.logged_in) {
        (Some(id), Some(client), Some(who)) => {
            page(StatusCode::OK, &ConsentPage::new(visit.session.visitor(), id, client, who, request), Page::MayLeave)
        }
        _ => login_page(visit, request, Next::Login),
    }
}

fn expired_page(visit: &Visit, request: &AuthorizationRequest) -> Response {
    let restart = request.restart_url.as_deref().and_then(web::web_link);
    let expired = MessagePage {
        visitor: visit.session.visitor(),
        title: "That took a little too long",
        text: match restart {
            Some(_) => "For your safety a connection has to be finished within a few minutes. Nothing was shared. You can start again.",
            None => {
                "For your safety a connection has to be finished within a few minutes. Nothing was shared. Go back to the app and start again."
            }
        },
        details: None,
        link: restart.map(|link| (link, "Start again")),
    };
    page(StatusCode::GONE, &expired, Page::Plain)
}

/// Never a redirect: either the client or its redirect URI is not one that grantlog knows (RFC 6749 §4.1.2.1).
fn error_page(visit: &Visit, request: &AuthorizationRequest) -> Response {
    let details = request.error.as_ref().map(|error| match &error.description {
        Some(description) => format!("{}: {description}", error.code),
        None => error.code.clone(),
    });
    let error = MessagePage {
        visitor: visit.session.visitor(),
        title: "This app cannot be connected",
        text: "The link that brought you here is not one we can trust, so we stopped. Nothing was shared. Close this page; if you \
               came from an app you use, tell its makers what the details below say.",
        details,
        link: None,
    };
    page(StatusCode::BAD_REQUEST, &error, Page::Plain)
}

fn failure_page(visit: &Visit, failure: &Failure) -> Response {
    match failure {
        Failure::StaleForm => message(
            visit,
            StatusCode::FORBIDDEN,
            "This page is out of date",
            "You logged in or out since it was shown, perhaps in another tab. Go back, reload the page and try again.",
        ),
        Failure::NotTheirs => message(
            visit,
            StatusCode::FORBIDDEN,
            "This page is not for you",
            "Only those who manage your organization can say which apps may connect. Ask one of them.",
        ),
        Failure::NoSuchRequest | Failure::Call(CallError::Refused { status: 404, .. }) => message(
            visit,
            StatusCode::NOT_FOUND,
            "There is nothing to decide here",
            "This link is incomplete or too old. Go back to the app you came from and start again.",
        ),
        Failure::Call(error @ CallError::Refused { status, detail, request_id }) => {
            tracing::warn!(%error, request_id, "grantlog refused");
            let details = match request_id {
                Some(request_id) => format!("{status}: {detail} (request {request_id})"),
                None => format!("{status}: {detail}"),
            };
            let refused = MessagePage {
                visitor: visit.session.visitor(),
                title: "That did not work",
                text: "Nothing was shared. Go back to the app you came from and start again, in this same browser.",
                details: Some(details),
                link: None,
            };
            // 401 means that the application's own key is wrong, which is nothing the person did.
            let ours = *status == 401 || *status >= 500;
            page(if ours { StatusCode::BAD_GATEWAY } else { StatusCode::BAD_REQUEST }, &refused, Page::Plain)
        }
        Failure::Call(error) => {
            tracing::warn!(%error, "a call to grantlog failed");
            message(
                visit,
                StatusCode::SERVICE_UNAVAILABLE,
                "We cannot do this right now",
                "Please try again in a minute. Nothing was lost or shared.",
            )
        }
    }
}

fn message(visit: &Visit, status: StatusCode, title: &str, text: &str) -> Response {
    page(status, &MessagePage { visitor: visit.session.visitor(), title, text, details: None, link: None }, Page::Plain)
}

const LOGIN: LoginReason = LoginReason { title: "Log in", text: "Welcome back to Sundial Notes.", ask_code: false, may_continue: false };

/// Why the login page is shown.
fn login_reason(next: Next) -> &'static LoginReason {
    match next {
        Next::Reauthenticate => &LoginReason {
            title: "Please log in again",
            text: "This app wants to be sure that it is still you. Enter your password once more.",
            ask_code: false,
            may_continue: false,
        },
        Next::StepUp => &LoginReason {
            title: "One more proof, please",
            text: "This app asks for a stronger login than a password: enter a one-time code as well.",
            ask_code: true,
            may_continue: false,
        },
        Next::SelectAccount => &LoginReason {
            title: "Choose an account",
            text: "Which of your accounts do you want to use with this app?",
            ask_code: false,
            may_continue: true,
        },
        Next::Login | Next::Consent | Next::Redirect | Next::ShowError => &LOGIN,
    }
}

fn client_name(request: &AuthorizationRequest) -> &str {
    request.client.as_ref().map_or("the app", |client| client.name())
}

fn request_id(fields: &Fields) -> Result<Uuid, Failure> {
    fields.get("authorization_request").and_then(|id| id.parse().ok()).ok_or(Failure::NoSuchRequest)
}

fn check_csrf(visit: &Visit, form: &Fields) -> Result<(), Failure> {
    let sent = form.get("csrf").unwrap_or_default();
    if same_secret(sent, &visit.session.csrf) { Ok(()) } else { Err(Failure::StaleForm) }
}
