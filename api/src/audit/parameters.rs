//! The query of an audit question. A parameter that is not known is refused: a filter that was misspelt would be a wrong
//! answer otherwise.

use std::str::FromStr;

use grantlog_core::{
    domain::{AuthorizationId, ClientId, GrantId, OrganizationId, SubjectId, Timestamp, audit::Filters, catalog::reference::event_type},
    store::Position,
};
use grantlog_projections::history::{Filter, Kind};

use super::silent;
use crate::{
    app::{App, unavailable},
    percent::decode_query,
    problem::{Problem, ProblemCode},
    request::Request,
};

/// The longest value of a parameter, in bytes.
const LONGEST: usize = 255;

/// As of when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// As it is.
    Now,
    /// As it was at a position of the log.
    Position(Position),
    /// As it was at a moment.
    Moment(Timestamp),
}

impl Window {
    fn record(self, filters: &mut Filters) {
        match self {
            Self::Now => {}
            Self::Position(position) => filters.position = Some(position.0),
            Self::Moment(moment) => filters.as_of = Some(moment),
        }
    }
}

/// What a question is narrowed by, in two forms: for the search, and for the record.
#[derive(Debug, Default)]
pub(crate) struct Narrowed {
    /// For the search.
    pub(crate) filter: Filter,
    /// For the record.
    pub(crate) filters: Filters,
}

impl Narrowed {
    /// Whether nothing can be found, since the log does not know what was asked for.
    pub(crate) fn is_nothing(&self) -> bool {
        !self.filters.unknown.is_empty()
    }

    /// As of when it is asked, for the record.
    pub(crate) fn within(mut self, window: Window) -> Self {
        window.record(&mut self.filters);
        self
    }

    async fn name(&mut self, app: &App, kind: Kind, name: String, parameter: &str) -> Result<bool, Problem> {
        if !app.history.knows(kind, &name).await.map_err(silent)? {
            // What the log does not have is not written into it: it may be anything.
            self.filters.unknown.push(parameter.to_owned());
            return Ok(false);
        }
        self.filter.names.push((kind, name));
        Ok(true)
    }
}

/// The query.
pub(crate) struct Parameters<'a> {
    request: &'a Request,
}

impl<'a> Parameters<'a> {
    /// The query, if it has these parameters and no others.
    pub(crate) fn of(request: &'a Request, known: &[&str]) -> Result<Self, Problem> {
        for pair in request.query.split('&').filter(|pair| !pair.is_empty()) {
            let key = pair.split_once('=').map_or(pair, |(key, _)| key);
            let unreadable = |_| Problem::new(ProblemCode::MalformedRequest, "The query is not percent-encoded UTF-8.");
            let key = decode_query(key).map_err(unreadable)?;
            if !known.contains(&key.as_str()) {
                return Err(Problem::invalid_field(key, format!("There is no such parameter here; there are {}.", known.join(", "))));
            }
        }
        Ok(Self { request })
    }

    pub(crate) fn text(&self, name: &'static str) -> Result<Option<String>, Problem> {
        let Some(value) = self.request.query_param(name)? else { return Ok(None) };
        if value.is_empty() || value.len() > LONGEST || value.chars().any(char::is_control) {
            return Err(Problem::invalid_field(name, "It must have 1 to 255 bytes and no control characters."));
        }
        Ok(Some(value))
    }

    pub(crate) fn parsed<T: FromStr>(&self, name: &'static str, what: &'static str) -> Result<Option<T>, Problem> {
        self.text(name)?.map(|text| text.parse().map_err(|_| Problem::invalid_field(name, what))).transpose()
    }

    pub(crate) fn moment(&self, name: &'static str) -> Result<Option<Timestamp>, Problem> {
        let invalid = || Problem::invalid_field(name, "It is no RFC 3339 moment, such as 2026-03-03T14:00:00Z.");
        self.text(name)?.map(|text| Timestamp::parse_rfc3339(&text).ok_or_else(invalid)).transpose()
    }

    pub(crate) fn flag(&self, name: &'static str) -> Result<bool, Problem> {
        Ok(self.parsed(name, "It must be true or false.")?.unwrap_or(false))
    }

    /// As of when: `as_of`, or `position`, or neither.
    pub(crate) fn window(&self) -> Result<Window, Problem> {
        let position: Option<u64> = self.parsed("position", "It is not a whole number.")?;
        match (self.moment("as_of")?, position) {
            (None, None) => Ok(Window::Now),
            (None, Some(position)) => Ok(Window::Position(Position(position))),
            (Some(moment), None) => Ok(Window::Moment(moment)),
            (Some(_), Some(_)) => Err(Problem::invalid_field("position", "Give as_of or position, not both.")),
        }
    }

    /// How many rows a page has.
    pub(crate) fn limit(&self, usual: usize, most: usize) -> Result<usize, Problem> {
        let Some(limit) = self.text("limit")? else { return Ok(usual) };
        let fits = limit.parse().ok().filter(|limit| (1..=most).contains(limit));
        fits.ok_or_else(|| Problem::invalid_field("limit", format!("It must be between 1 and {most}.")))
    }

    /// Where a page goes on: a position, and up to where the list goes when the page before said so.
    pub(crate) fn cursor(&self) -> Result<Option<(Position, Option<Position>)>, Problem> {
        let Some(text) = self.text("cursor")? else { return Ok(None) };
        let (after, until) = text.split_once('.').map_or((text.as_str(), None), |(after, until)| (after, Some(until)));
        let position = |text: &str| {
            let invalid = |_| Problem::invalid_field("cursor", "It is neither a cursor of this list nor a position.");
            text.parse().map(Position).map_err(invalid)
        };
        Ok(Some((position(after)?, until.map(position).transpose()?)))
    }

    /// The person that `subject` (the application's id) or `subject_id` (ours) names, the client, the organization.
    pub(crate) async fn owners(&self, app: &App) -> Result<Narrowed, Problem> {
        let mut narrowed = Narrowed::default();
        let by_external = match self.text("subject")? {
            Some(external) => {
                let found = app.authority.vault().find_subject(&external).await.map_err(|error| unavailable(error.into()))?;
                if found.is_none() {
                    narrowed.filters.unknown.push("subject".to_owned());
                }
                found
            }
            None => None,
        };
        let by_id: Option<SubjectId> = self.parsed("subject_id", "It is no UUID.")?;
        for (subject, parameter) in [(by_external, "subject"), (by_id, "subject_id")] {
            let Some(subject) = subject else { continue };
            if narrowed.name(app, Kind::Subject, subject.to_string(), parameter).await? {
                narrowed.filters.subject = Some(subject);
            }
        }
        if let Some(client_id) = self.text("client_id")?
            && narrowed.name(app, Kind::Client, client_id.clone(), "client_id").await?
        {
            narrowed.filters.client_id = Some(ClientId::from(client_id.as_str()));
        }
        if let Some(organization) = self.text("organization")?
            && narrowed.name(app, Kind::Organization, organization.clone(), "organization").await?
        {
            narrowed.filters.organization_id = Some(OrganizationId(organization.into()));
        }
        Ok(narrowed)
    }

    /// Everything that events can be narrowed by.
    pub(crate) async fn events(&self, app: &App) -> Result<Narrowed, Problem> {
        let mut narrowed = self.owners(app).await?;
        let grant_id: Option<GrantId> = self.parsed("grant_id", "It is no UUID.")?;
        if let Some(grant_id) = grant_id
            && narrowed.name(app, Kind::Grant, grant_id.to_string(), "grant_id").await?
        {
            narrowed.filters.grant_id = Some(grant_id);
        }
        let authorization_id: Option<AuthorizationId> = self.parsed("authorization_id", "It is no UUID.")?;
        if let Some(authorization_id) = authorization_id
            && narrowed.name(app, Kind::Authorization, authorization_id.to_string(), "authorization_id").await?
        {
            narrowed.filters.authorization_id = Some(authorization_id);
        }
        if let Some(actor) = self.text("actor")?
            && narrowed.name(app, Kind::Actor, actor.clone(), "actor").await?
        {
            narrowed.filters.actor = Some(actor);
        }
        if let Some(kind) = self.text("type")? {
            let known = event_type(&kind).ok_or_else(|| Problem::invalid_field("type", "There is no event of this type."))?;
            narrowed.filter.names.push((Kind::Type, known.name.to_owned()));
            narrowed.filters.kind = Some(known.name.to_owned());
        }
        (narrowed.filters.from, narrowed.filters.to) = (self.moment("from")?, self.moment("to")?);
        (narrowed.filter.from, narrowed.filter.to) = (narrowed.filters.from, narrowed.filters.to);
        Ok(narrowed)
    }
}
