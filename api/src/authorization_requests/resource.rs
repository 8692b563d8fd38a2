//! The authorization request as the page sees it.

use std::collections::BTreeMap;

use grantlog_core::{
    app::authorize::{Answer, AuthorizationView, RejectedRequest},
    domain::{
        AuthorizationId, ResourceServerId, Timestamp,
        authorization::{AuthorizationState, ConsentReason, Decision, DenialCause, Next, Prompt, ResponseMode, ScopeVerdict},
        client::Registration,
        organization::OrganizationReason,
        policy::Obstacle,
    },
    protocol::ClientType,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{app::App, oauth::authorization_response};

/// One authorization request: what the page has to know, and what it has to do next.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuthorizationRequest {
    /// Its id; absent when the request was rejected at the door and nothing was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10")]
    pub id: Option<String>,
    /// How far it has come.
    pub state: State,
    /// What the page has to do now.
    pub next: Next,
    /// Who asks; absent when that is not proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// What is asked for.
    pub scopes: Vec<RequestedScope>,
    /// The resource servers that tokens are asked for (RFC 8707); none named: the usual one.
    pub resources: Vec<RequestedResource>,
    /// What the client would like the page to consider.
    pub hints: Hints,
    /// The person that was attested.
    pub subject: Option<AttestedSubject>,
    /// Where they act, and whether the client may work there; null while the person is unknown.
    pub organization: Option<ActedIn>,
    /// Whether consent has to be asked; null while the person is unknown.
    pub consent_required: Option<bool>,
    /// Why consent has to be asked.
    pub consent_reason: Option<ConsentReason>,
    /// Why the request ended by itself in `access_denied`; null when it did not.
    pub denied_because: Option<DenialCause>,
    /// The version of the policy that all this is by; 0: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 3)]
    pub policy_version: Option<u32>,
    /// Where to send the browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_to: Option<String>,
    /// The same answer as a form, for clients that asked for `response_mode=form_post`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form_post: Option<FormPost>,
    /// Where the person can start over when the request has expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_url: Option<String>,
    /// What is wrong; when `next` is `show_error`, tell the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<RequestError>,
    /// When it arrived (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-03-03T14:00:00.000Z")]
    pub created_at: Option<String>,
    /// Until when it can be decided (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-03-03T14:10:00.000Z")]
    pub expires_at: Option<String>,
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody who suffices is attested yet.
    AwaitingSubject,
    /// The person has to be asked.
    AwaitingConsent,
    /// There is an answer for the client.
    Completed,
    /// It was not decided in time.
    Expired,
    /// It is not valid; nothing was recorded.
    Rejected,
}

/// The client, safe to display: first where the browser will be sent, then what the client calls itself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RequestingClient)]
pub struct Client {
    /// The host that the browser will be sent to; show it first.
    #[schema(example = "app.example.com")]
    pub redirect_host: String,
    /// Its id.
    pub client_id: String,
    /// What it calls itself.
    #[schema(example = "Weather by Mail")]
    pub client_name: String,
    /// Its home page.
    pub client_uri: Option<String>,
    /// Its logo.
    pub logo_uri: Option<String>,
    /// Its privacy policy.
    pub policy_uri: Option<String>,
    /// Its terms of service.
    pub tos_uri: Option<String>,
    /// Whose software it is.
    pub client_type: ClientType,
    /// Whether it can't keep a secret.
    pub public: bool,
    /// The host of its id, when the id is the URL of its metadata document; show it beside the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "app.example.com")]
    pub client_id_host: Option<String>,
    /// How it was registered.
    pub registration: Registration,
    /// Whether an administrator vouches for it.
    pub verified: bool,
}

/// One scope that is asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestedScope {
    /// Its name.
    #[schema(example = "email")]
    pub scope: String,
    /// What it means for the person.
    #[schema(example = "See your e-mail address")]
    pub description: String,
    /// Whether this person can grant it; while nobody is attested: whether nothing stands against it.
    pub grantable: bool,
    /// Whether they agreed to it before, and that still holds.
    pub already_granted: bool,
    /// Whether the client is of no use without it: an approval has to have it.
    pub required: bool,
    /// Why it can't be granted.
    pub reason: Option<Obstacle>,
}

/// One resource server that tokens are asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestedResource {
    /// Its identifier.
    #[schema(example = "https://notes.example.com/")]
    pub resource: String,
    /// What it is called; null when it is not registered by a name.
    #[schema(example = "Sundial Notes")]
    pub name: Option<String>,
}

/// What the client would like the page to consider (OIDC Core §3.1.2.1).
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Hints {
    /// Whom it expects to log in.
    pub login_hint: Option<String>,
    /// Languages, best first.
    pub ui_locales: Option<String>,
    /// How to display.
    pub display: Option<String>,
    /// Wanted authentication context classes, best first.
    pub acr_values: Vec<String>,
    /// How old the authentication may be, in seconds.
    pub max_age: Option<u32>,
    /// What it asks to be done.
    #[schema(example = json!(["login"]))]
    pub prompt: Vec<Prompt>,
}

/// The person that was attested.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttestedSubject {
    /// The application's id of them.
    #[schema(example = "ana")]
    pub id: String,
}

/// Where a person acts, and whether the client may work there.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActedIn {
    /// The application's id of the organization; null: none.
    #[schema(example = "acme")]
    pub id: Option<String>,
    /// Whether the client may work there.
    pub allowed: bool,
    /// Why it may not.
    pub reasons: Vec<OrganizationReason>,
}

/// A form to post to the client.
#[derive(Debug, Serialize, ToSchema)]
pub struct FormPost {
    /// Where.
    pub action: String,
    /// What.
    pub fields: BTreeMap<&'static str, String>,
}

/// What is wrong with a request.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestError {
    /// A code of RFC 6749 §4.1.2.1 or OIDC Core §3.1.2.6.
    #[schema(example = "invalid_request")]
    pub code: String,
    /// In words.
    pub description: String,
    /// Why, where programs are to tell it from other reasons of this code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "metadata_document_unreachable")]
    pub reason: Option<&'static str>,
}

impl AuthorizationRequest {
    /// The resource for a recorded request.
    pub fn of(app: &App, view: &AuthorizationView) -> Self {
        let authorization = &view.authorization;
        let (redirect_to, form_post) =
            view.answer.as_ref().map(|answer| destination(app, view.id, authorization.is_hosted(), answer)).unwrap_or_default();
        let parameters = authorization.parameters();
        let expired = view.state == AuthorizationState::Expired;
        let error = view.answer.as_ref().and_then(error_of).or_else(|| {
            expired.then(|| RequestError {
                code: "expired".to_owned(),
                description: "The request was not decided in time. Start again at the application that sent you here.".to_owned(),
                reason: None,
            })
        });
        Self {
            id: Some(view.id.to_string()),
            state: match view.state {
                AuthorizationState::AwaitingSubject => State::AwaitingSubject,
                AuthorizationState::AwaitingConsent => State::AwaitingConsent,
                AuthorizationState::Completed => State::Completed,
                AuthorizationState::Expired => State::Expired,
            },
            next: view.next,
            client: parameters
                .map(|parameters| Client::of(parameters.client_id.as_str(), view, parameters.redirect_uri.host_for_display())),
            scopes: view.judgement.scopes.iter().map(|verdict| requested_scope(app, view, verdict)).collect(),
            resources: parameters.map(|parameters| requested_resources(app, &parameters.resources)).unwrap_or_default(),
            hints: parameters
                .map(|parameters| Hints {
                    login_hint: view.login_hint.clone(),
                    ui_locales: parameters.ui_locales.clone(),
                    display: parameters.display.clone(),
                    acr_values: parameters.acr_values.clone(),
                    max_age: parameters.max_age.map(|age| age.0),
                    prompt: parameters.prompt.clone(),
                })
                .unwrap_or_default(),
            subject: view.subject.as_ref().map(|id| AttestedSubject { id: id.to_string() }),
            organization: authorization.attested().map(|attested| ActedIn {
                id: attested.organization_id.as_ref().map(|id| id.0.to_string()),
                allowed: view.organization_reasons.is_empty(),
                reasons: view.organization_reasons.clone(),
            }),
            consent_required: view.consent.map(|reason| reason.is_some()),
            consent_reason: view.consent.flatten(),
            denied_because: match authorization.decision() {
                Some(Decision::Denied { cause, .. }) => *cause,
                Some(Decision::Approved { .. }) | None => None,
            },
            policy_version: Some(view.policy.version()),
            redirect_to,
            form_post,
            restart_url: if expired { view.client.client_uri.clone() } else { None },
            error,
            created_at: authorization.requested_at().map(Timestamp::to_rfc3339),
            expires_at: authorization.expires_at().map(Timestamp::to_rfc3339),
        }
    }

    /// The resource for a request that was rejected at the door.
    pub fn rejected(rejected: &RejectedRequest) -> Self {
        let redirect_to =
            rejected.answer.as_ref().filter(|answer| answer.response_mode == ResponseMode::Query).map(authorization_response::in_query);
        let form_post = rejected.answer.as_ref().filter(|answer| answer.response_mode == ResponseMode::FormPost).map(form_of);
        Self {
            id: None,
            state: State::Rejected,
            next: if rejected.answer.is_some() { Next::Redirect } else { Next::ShowError },
            client: None,
            scopes: Vec::new(),
            resources: Vec::new(),
            hints: Hints::default(),
            subject: None,
            organization: None,
            consent_required: None,
            consent_reason: None,
            denied_because: None,
            policy_version: None,
            redirect_to,
            form_post,
            restart_url: None,
            error: Some(RequestError {
                code: rejected.code.to_owned(),
                description: rejected.description.clone(),
                reason: rejected.reason,
            }),
            created_at: None,
            expires_at: None,
        }
    }
}

impl Client {
    fn of(client_id: &str, view: &AuthorizationView, redirect_host: String) -> Self {
        let metadata = &view.client;
        Self {
            redirect_host,
            client_id: client_id.to_owned(),
            client_name: metadata.client_name.clone(),
            client_uri: metadata.client_uri.clone(),
            logo_uri: metadata.logo_uri.clone(),
            policy_uri: metadata.policy_uri.clone(),
            tos_uri: metadata.tos_uri.clone(),
            client_type: metadata.client_type,
            public: metadata.is_public(),
            client_id_host: view.client_id_host.clone(),
            registration: view.standing.registration(),
            verified: view.standing.is_verified(),
        }
    }
}

/// Where the browser goes with an answer. The hosted way passes by this server once more, where the browser is
/// checked; so does a form_post answer of the headless way, unless the page posts the form itself.
fn destination(app: &App, id: AuthorizationId, hosted: bool, answer: &Answer) -> (Option<String>, Option<FormPost>) {
    let by_us = || authorization_response::url(app.issuer(), id, &app.authority.response_token(id));
    match answer.response_mode {
        _ if hosted => (Some(by_us()), None),
        ResponseMode::Query => (Some(authorization_response::in_query(answer)), None),
        ResponseMode::FormPost => (Some(by_us()), Some(form_of(answer))),
    }
}

fn form_of(answer: &Answer) -> FormPost {
    FormPost { action: answer.redirect_uri.as_str().to_owned(), fields: answer.parameters.iter().cloned().collect() }
}

fn error_of(answer: &Answer) -> Option<RequestError> {
    let told = |name| answer.parameters.iter().find(|(told, _)| *told == name).map(|(_, value)| value.clone());
    Some(RequestError { code: told("error")?, description: told("error_description").unwrap_or_default(), reason: None })
}

fn requested_resources(app: &App, resources: &[String]) -> Vec<RequestedResource> {
    let name = |resource: &str| app.live.resource_server(&ResourceServerId::of(resource)).map(|server| server.settings.name.clone());
    resources.iter().map(|resource| RequestedResource { name: name(resource), resource: resource.clone() }).collect()
}

fn requested_scope(app: &App, view: &AuthorizationView, verdict: &ScopeVerdict) -> RequestedScope {
    let ui_locales = view.authorization.parameters().and_then(|parameters| parameters.ui_locales.as_deref());
    RequestedScope {
        scope: verdict.scope.to_string(),
        description: app.describe_scope(view.policy.policy(), verdict.scope.as_str(), ui_locales),
        grantable: verdict.obstacle.is_none(),
        already_granted: verdict.already_granted,
        required: verdict.required,
        reason: verdict.obstacle.clone(),
    }
}
