//! Steps of a history: events in the words of auditors, each with the versions that held then.

use std::collections::{BTreeMap, BTreeSet};

use grantlog_core::{
    domain::{ClientId, StreamKind},
    store::Position,
};
use grantlog_projections::history::{EventsQuery, Filter, GrantAsOf, HistoricEvent, Kind, Order};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{payload, silent};
use crate::{app::App, problem::Problem};

/// How many events are read at once.
const PAGE: usize = 1000;

/// One step.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Step {
    /// What it was.
    #[schema(example = "granted")]
    pub(super) step: &'static str,
    /// Its place in the log.
    pub(super) position: u64,
    /// When (RFC 3339, UTC).
    pub(super) time: String,
    /// The event.
    #[serde(rename = "type")]
    #[schema(example = "grant.consented")]
    pub(super) kind: String,
    /// Who caused it.
    pub(super) actor: String,
    /// In which request; empty outside of one. The server's log line of it has the caller's address.
    pub(super) request_id: String,
    /// SHA-256 over what was registered about the client then, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_metadata_sha256: Option<String>,
    /// The version of the policy that held then; absent when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy_version: Option<u64>,
    /// How many events this step stands for, when there are more than one; it begins with this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<u64>,
    /// Where the last of them stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_position: Option<u64>,
    /// When the last of them was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_time: Option<String>,
    /// The payload of the event.
    #[schema(value_type = Object)]
    pub(super) data: Value,
}

/// What a step is called, by the event it tells.
pub(super) fn step_name(kind: &str, data: &Value) -> &'static str {
    match kind {
        "authorization.requested" => "requested",
        "authorization.subject_attested" => "identified",
        "authorization.approved" if data.get("consent_reason").is_some() => "approved",
        "authorization.approved" => "not_asked",
        "authorization.denied" => "denied",
        "authorization.completed" => "answered",
        "grant.opened" => "opened",
        "grant.consented" => "granted",
        "grant.code_issued" => "code_issued",
        "grant.code_redeemed" => "connected",
        "grant.access_token_issued" | "grant.refresh_token_issued" | "grant.refresh_token_rotated" => "used",
        "grant.code_replayed" | "grant.refresh_token_replayed" => "replayed",
        "grant.access_token_revoked" => "token_revoked",
        "grant.family_ended" | "grant.sessions_ended" => "disconnected",
        "grant.narrowed" => "narrowed",
        "grant.revoked" | "machine_token.revoked" => "revoked",
        "machine_token.issued" => "issued",
        "client.registered" => "client_registered",
        "client.updated" | "client.document_changed" => "client_changed",
        "client.suspended" => "client_suspended",
        "client.resumed" => "client_resumed",
        "client.withdrawn" => "client_withdrawn",
        "client.reinstated" => "client_reinstated",
        "client.deleted" => "client_deleted",
        "organization.policy_set" => "organization_policy_set",
        "organization.client_disconnected" => "organization_disconnected",
        "subject.left_organization" => "left_organization",
        "subject.roles_set" => "roles_set",
        "subject.erased" => "erased",
        "policy.published" => "policy_published",
        "resource_server.registered" | "resource_server.updated" => "resource_server_set",
        "signing_key.generated" => "key_made",
        "signing_key.revoked" => "key_revoked",
        _ => "other",
    }
}

/// What held when, for steps under one client.
pub(super) struct Timeline<'a> {
    app: &'a App,
    until: Position,
    /// The hash of the client's metadata from a position on.
    metadata: BTreeMap<Position, String>,
    /// The version of the policy from a position on.
    policies: BTreeMap<Position, u64>,
}

impl<'a> Timeline<'a> {
    /// What held under this client, up to a position.
    pub(super) async fn of(app: &'a App, client_id: &ClientId, until: Position) -> Result<Self, Problem> {
        let mut metadata = BTreeMap::new();
        for kind in ["client.registered", "client.updated", "client.document_changed"] {
            let filter = Filter::about(Kind::Stream, client_id.stream().as_str()).and(Kind::Type, kind);
            for event in app.history.all(filter, until).await.map_err(silent)? {
                let at = event.recorded.position;
                let then = app.history.client(client_id, at).await.map_err(silent)?;
                metadata.extend(then.and_then(|then| then.metadata_sha256).map(|hash| (at, hash)));
            }
        }
        let published = app.history.all(Filter::about(Kind::Type, super::policy::PUBLISHED), until).await.map_err(silent)?;
        let policies = published.iter().filter_map(|event| Some((event.recorded.position, super::policy::version(event)?))).collect();
        Ok(Self { app, until, metadata, policies })
    }

    pub(super) fn metadata_at(&self, position: Position) -> Option<&String> {
        self.metadata.range(..=position).next_back().map(|(_, hash)| hash)
    }

    pub(super) fn policy_at(&self, position: Position) -> Option<u64> {
        self.policies.range(..=position).next_back().map(|(_, version)| *version)
    }

    pub(super) fn step(&self, event: &HistoricEvent) -> Step {
        let (recorded, data) = (&event.recorded, payload(event));
        Step {
            step: step_name(&recorded.event.kind, &data),
            position: recorded.position.0,
            time: recorded.event.time.to_rfc3339(),
            kind: recorded.event.kind.clone(),
            actor: recorded.event.actor.clone(),
            request_id: recorded.event.request_id.clone(),
            client_metadata_sha256: self.metadata_at(recorded.position).cloned(),
            policy_version: self.policy_at(recorded.position),
            count: None,
            last_position: None,
            last_time: None,
            data,
        }
    }

    /// The steps of a grant, with those of the authorization requests that led to it, of what ended it or cut it back elsewhere, and
    /// of what made its client good for nothing meanwhile. However often a grant was used, the steps are few.
    pub(super) async fn steps(&self, grant: &GrantAsOf) -> Result<Vec<Step>, Problem> {
        let mut steps: BTreeMap<u64, Step> = BTreeMap::new();
        let mut requests = BTreeSet::new();
        let filter = Filter::about(Kind::Grant, grant.grant_id.to_string());
        let mut query = EventsQuery { filter, until: self.until, after: None, order: Order::Ascending, limit: PAGE };
        let mut last: Option<u64> = None;
        loop {
            let page = self.app.history.events(query.clone()).await.map_err(silent)?;
            for event in page.iter().filter(|event| is_of_the_thing(event)) {
                requests.extend(event.authorization.clone());
                if let Some(cause) = self.cause(grant, event).await? {
                    steps.entry(cause.recorded.position.0).or_insert_with(|| self.step(&cause));
                }
                let step = self.step(event);
                let before = last.and_then(|last| steps.get_mut(&last)).filter(|before| before.step == "used" && step.step == "used");
                if let Some(before) = before {
                    before.count = Some(before.count.unwrap_or(1).saturating_add(1));
                    (before.last_position, before.last_time) = (Some(step.position), Some(step.time));
                } else {
                    last = Some(step.position);
                    steps.insert(step.position, step);
                }
            }
            query.after = page.last().map(|event| event.recorded.position);
            if page.len() < PAGE {
                break;
            }
        }
        for request in requests {
            for event in self.app.history.all(Filter::about(Kind::Authorization, &*request), self.until).await.map_err(silent)? {
                if event.recorded.stream.kind() == StreamKind::Authorization {
                    steps.entry(event.recorded.position.0).or_insert_with(|| self.step(&event));
                }
            }
        }
        for event in self.client_changes(&grant.client_id, grant.opened).await? {
            steps.entry(event.recorded.position.0).or_insert_with(|| self.step(&event));
        }
        Ok(steps.into_values().collect())
    }

    /// What made the client good for nothing, or good again, after a position.
    pub(super) async fn client_changes(&self, client_id: &ClientId, after: Position) -> Result<Vec<HistoricEvent>, Problem> {
        let mut events = Vec::new();
        for kind in ["client.suspended", "client.resumed", "client.withdrawn", "client.reinstated", "client.deleted"] {
            let filter = Filter::about(Kind::Stream, client_id.stream().as_str()).and(Kind::Type, kind);
            events.extend(self.app.history.all(filter, self.until).await.map_err(silent)?);
        }
        events.retain(|event| event.recorded.position > after);
        Ok(events)
    }

    /// The event in the stream of an organization or a person that ended a grant or cut it back; None when that was decided
    /// in the grant's own stream.
    async fn cause(&self, grant: &GrantAsOf, event: &HistoricEvent) -> Result<Option<HistoricEvent>, Problem> {
        let Some(kind) = cause_of(&event.recorded.event.kind, &payload(event)) else { return Ok(None) };
        let organization = grant.organization_id.as_ref();
        let filter = match (kind, organization) {
            ("organization.policy_set", Some(organization)) => Filter::about(Kind::Stream, organization.stream().as_str()),
            ("organization.client_disconnected", Some(organization)) => {
                Filter::about(Kind::Stream, organization.stream().as_str()).and(Kind::Client, grant.client_id.as_str())
            }
            ("subject.left_organization" | "subject.roles_set", Some(organization)) => {
                Filter::about(Kind::Stream, grant.subject.stream().as_str()).and(Kind::Organization, &*organization.0)
            }
            ("subject.roles_set", None) | ("subject.erased", _) => Filter::about(Kind::Stream, grant.subject.stream().as_str()),
            _ => return Ok(None),
        };
        let found = self.app.history.all(filter.and(Kind::Type, kind), event.recorded.position).await.map_err(silent)?;
        // Roles where there is no organization are those of an event that names none.
        let is_there = |found: &HistoricEvent| organization.is_some() || found.organization.is_none();
        Ok(found.into_iter().rev().find(is_there))
    }
}

/// The type of the event that a grant was ended or cut back by, as the reason of that says.
fn cause_of(kind: &str, data: &Value) -> Option<&'static str> {
    if !matches!(kind, "grant.revoked" | "grant.narrowed" | "grant.family_ended") {
        return None;
    }
    match data["reason"].as_str()? {
        "organization_policy" => Some("organization.policy_set"),
        "organization_disconnected" => Some("organization.client_disconnected"),
        "left_organization" => Some("subject.left_organization"),
        "roles_changed" => Some("subject.roles_set"),
        "subject_erased" => Some("subject.erased"),
        _ => None,
    }
}

/// Who looked at it, and which grant a person has, is told elsewhere.
fn is_of_the_thing(event: &HistoricEvent) -> bool {
    !matches!(event.recorded.stream.kind(), StreamKind::Audit | StreamKind::GrantReservation)
}
