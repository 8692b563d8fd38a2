//! The application's pages: what each template is given.

use askama::Template;
use uuid::Uuid;

use super::grantlog::{
    AuthorizationRequest, ClientIdentity, ConnectedApp, ConnectedPerson, CutOff, FormPost, Grant, RequestedScope, Resource,
};
use super::people::{LoggedIn, ONE_TIME_CODE, Organization, PEOPLE, Person};
use crate::web::web_link;
use crate::{NOTES_SCOPE, WRITE_SCOPE};

/// What every page's header and forms need.
pub struct Visitor<'a> {
    pub person: Option<&'static Person>,
    pub csrf: &'a str,
}

/// Why the login page is shown, in the words it shows.
pub struct LoginReason {
    pub title: &'static str,
    pub text: &'static str,
    /// Whether to ask for a one-time code too.
    pub ask_code: bool,
    /// Whether "continue as" is an answer.
    pub may_continue: bool,
}

#[derive(Template)]
#[template(path = "application/login.html")]
pub struct LoginPage<'a> {
    pub visitor: Visitor<'a>,
    pub request: Option<(Uuid, &'a str)>,
    pub reason: &'a LoginReason,
    pub user: &'a str,
    pub failed: bool,
    pub people: &'static [Person],
    pub one_time_code: &'static str,
}

impl<'a> LoginPage<'a> {
    pub fn new(visitor: Visitor<'a>, request: Option<(Uuid, &'a str)>, reason: &'a LoginReason, user: &'a str) -> Self {
        Self { visitor, request, reason, user, failed: false, people: &PEOPLE, one_time_code: ONE_TIME_CODE }
    }
}

#[derive(Template)]
#[template(path = "application/consent.html")]
pub struct ConsentPage<'a> {
    pub visitor: Visitor<'a>,
    pub id: Uuid,
    pub client: &'a ClientIdentity,
    pub person: &'static Person,
    pub why: Option<&'static str>,
    pub fresh: Vec<&'a RequestedScope>,
    pub agreed: Vec<&'a RequestedScope>,
    pub refused: Vec<&'a RequestedScope>,
    pub resources: &'a [Resource],
    pub policy: Option<&'a str>,
    pub terms: Option<&'a str>,
}

impl<'a> ConsentPage<'a> {
    pub fn new(visitor: Visitor<'a>, id: Uuid, client: &'a ClientIdentity, who: LoggedIn, request: &'a AuthorizationRequest) -> Self {
        let (grantable, refused): (Vec<_>, Vec<_>) = request.scopes.iter().partition(|scope| scope.grantable);
        let (agreed, fresh) = grantable.into_iter().partition(|scope| scope.already_granted);
        Self {
            visitor,
            id,
            client,
            person: who.person,
            why: request.consent_reason.as_deref().and_then(why),
            fresh,
            agreed,
            refused,
            resources: &request.resources,
            policy: client.policy_uri.as_deref().and_then(web_link),
            terms: client.tos_uri.as_deref().and_then(web_link),
        }
    }
}

/// `consent_reason` in plain words.
fn why(reason: &str) -> Option<&'static str> {
    match reason {
        "first_time" => Some("You have not connected this app before."),
        "scopes_added" => Some("It asks for more than you agreed to before."),
        "prompt_consent" => Some("The app wants you to confirm this again."),
        "offline_access" => Some("It wants to keep access while you are away, so you are asked again."),
        "client_changed" => Some("The app has changed since you agreed."),
        "revoked" => Some("You disconnected this app before."),
        "consent_expired" => Some("You agreed a long time ago, so you are asked again."),
        _ => None,
    }
}

impl RequestedScope {
    /// The words it is shown with: what the person reads is also what is hashed as evidence.
    pub fn words(&self) -> &str {
        self.description.as_deref().filter(|words| !words.is_empty()).unwrap_or(&self.scope)
    }

    /// Whether it can't be left out of an approval.
    fn is_needed(&self) -> bool {
        self.required || self.scope == "openid"
    }

    /// Why the person can't allow it, in the application's own words.
    fn why_not(&self) -> &'static str {
        match self.reason.as_ref().map(|reason| reason.code.as_str()) {
            Some("missing_permissions") => "your role does not let you do this yourself",
            _ => "you cannot allow this",
        }
    }
}

impl Resource {
    fn words(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.resource)
    }
}

impl Grant {
    /// What the app may do, in plain words.
    fn may(&self) -> impl Iterator<Item = &str> {
        self.scope.split_whitespace().map(|scope| match scope {
            "openid" => "Know who you are",
            "profile" => "See your name",
            "email" => "See your e-mail address",
            "offline_access" => "Keep this access while you are away",
            _ if scope == NOTES_SCOPE.0 => NOTES_SCOPE.1,
            _ if scope == WRITE_SCOPE.0 => WRITE_SCOPE.1,
            other => other,
        })
    }

    /// Since when, as people write it.
    fn since(&self) -> Option<String> {
        self.consented_at.map(day)
    }
}

#[derive(Template)]
#[template(path = "application/connected_apps.html")]
pub struct ConnectedAppsPage<'a> {
    pub visitor: Visitor<'a>,
    pub grants: &'a [Grant],
}

/// One of the things that an organization can say of apps.
pub struct PolicyChoice {
    pub value: &'static str,
    pub words: &'static str,
    pub chosen: bool,
}

/// An app that can be approved.
pub struct Approvable {
    pub client_id: String,
    pub name: String,
    pub host: String,
    pub approved: bool,
}

#[derive(Template)]
#[template(path = "application/organization.html")]
pub struct OrganizationPage<'a> {
    pub visitor: Visitor<'a>,
    pub organization: &'static Organization,
    pub choices: [PolicyChoice; 3],
    pub approvable: Vec<Approvable>,
    pub apps: &'a [ConnectedApp],
}

#[derive(Template)]
#[template(path = "application/policy_preview.html")]
pub struct PolicyPreviewPage<'a> {
    pub visitor: Visitor<'a>,
    pub cut_off: &'a [CutOff],
    pub mode: &'a str,
    pub clients: &'a [String],
}

impl ConnectedPerson {
    fn name(&self) -> &str {
        name_of(&self.id)
    }

    fn since(&self) -> Option<String> {
        self.consented_at.map(day)
    }
}

impl CutOff {
    fn name(&self) -> &str {
        name_of(&self.subject)
    }
}

/// The application knows its people by name; grantlog knows them by id.
fn name_of(id: &str) -> &str {
    PEOPLE.iter().find(|person| person.id == id).map_or(id, |person| person.name)
}

fn day(moment: jiff::Timestamp) -> String {
    moment.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

/// A page that says what happened and what can be done now.
#[derive(Template)]
#[template(path = "application/message.html")]
pub struct MessagePage<'a> {
    pub visitor: Visitor<'a>,
    pub title: &'a str,
    pub text: &'a str,
    pub details: Option<String>,
    pub link: Option<(&'a str, &'a str)>,
}

#[derive(Template)]
#[template(path = "application/form_post.html")]
pub struct FormPostPage<'a> {
    pub form: &'a FormPost,
    pub client_name: &'a str,
}
