//! Why a token was issued: the chain of facts that made it.

use std::{collections::BTreeMap, fmt::Write as _};

use grantlog_core::{
    domain::{
        ClientId, Event, GrantId, OrganizationId, StreamId, StreamKind, SubjectId, Timestamp,
        audit::{Filters, Question},
        grant::{FamilyNumber, GrantEvent, TokenNumber, asked_for},
        machine_token::MachineTokenEvent,
    },
    jose::Algorithm,
    keys::{AccessTokenRef, SigningKeyEntry, signs_at},
    protocol::{AccessTokenFormat, Scope},
    store::Position,
};
use grantlog_projections::history::{EventsQuery, Filter, HistoricEvent, Kind, Order, SigningKeyAsOf};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    Parameters, Reader, ask, caught_up, internal, people, policy, silent,
    timeline::{Step, Timeline},
};
use crate::{
    app::App,
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// Why a token was issued.
pub const WHY: &str = "/v1/audit/tokens/{jti}/why";

/// How many events are read at once.
const PAGE: usize = 1000;

/// Why a token was issued.
#[derive(Serialize, ToSchema)]
pub struct TokenReasons {
    /// The token's id: the `jti` of an access token.
    jti: String,
    /// What it was good for, scopes separated by spaces.
    scope: String,
    /// For whom.
    audience: Vec<String>,
    /// When it was issued (RFC 3339, UTC).
    issued_at: String,
    /// Until when it was good at most.
    expires_at: String,
    /// The client that got it.
    client_id: String,
    /// The person it is about, by the application's id; absent for a machine's token, and when they were forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// The same person, by our id.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_id: Option<String>,
    /// The organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_id: Option<String>,
    /// The grant it was issued under.
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_id: Option<String>,
    /// SHA-256 over what was registered about the client when it was issued, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_metadata_sha256: Option<String>,
    /// The version of the policy when consent was given; absent when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_version: Option<u64>,
    /// The key that it was signed with; absent for one that is not signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_key: Option<String>,
    /// The facts, in the order of the log.
    reasons: Vec<Reason>,
}

/// One of the facts.
#[derive(Serialize, ToSchema)]
pub struct Reason {
    /// The same in a sentence.
    #[schema(example = "client_01932d… was granted \"email openid\".")]
    text: String,
    #[serde(flatten)]
    #[schema(inline)]
    step: Step,
}

/// Read why a token was issued.
///
/// The facts that made it and those that ended it: the client's registration, the authorization request, who was there, the
/// consent and what was shown, the policy, the code, the signing key. As JSON, or with `Accept: text/plain` or `format=text` in sentences.
#[utoipa::path(get, path = WHY, tag = "audit", operation_id = "readAuditTokenReasons", security(("ApiKey" = ["admin"]), ("ApiKey" = ["auditor"])),
    params(("jti" = String, Path, description = "The `jti` of an access token; of an ID token, that of the access token beside it."),
        ("format" = Option<String>, Query, description = "`json`, or `text`.", example = "json")),
    responses((status = 200, description = "The facts.", content((TokenReasons = "application/json"), (String = "text/plain"))), (status = "4XX", description = "The call is not valid, or there is no such token.", body = ProblemBody), (status = 503, description = "The read can't be recorded, or the history has not caught up yet. Try again.", body = ProblemBody)))]
pub async fn why(app: App, request: Request) -> Result<Response, Problem> {
    let reader = Reader::of(&app, &request).await?;
    answer(&app, &reader, &request).await
}

pub(super) async fn answer(app: &App, reader: &Reader, request: &Request) -> Result<Response, Problem> {
    let in_words = match Parameters::of(request, &["format"])?.text("format")?.as_deref() {
        None => request.header("accept")?.is_some_and(wants_text),
        Some("json") => false,
        Some("text") => true,
        Some(_) => return Err(Problem::invalid_field("format", "It must be json or text.")),
    };
    caught_up(app, request).await?;
    let jti = request.param("jti")?;
    let found = match jti.parse::<AccessTokenRef>() {
        Ok(token) => find(app, token).await?,
        Err(_) => None,
    };
    let filters = match &found {
        Some(found) => Filters {
            token: Some(jti.to_owned()),
            subject: found.subject,
            client_id: Some(found.client_id.clone()),
            grant_id: found.grant.as_ref().map(|(grant_id, _)| *grant_id),
            ..Filters::default()
        },
        None => Filters { unknown: vec!["token".to_owned()], ..Filters::default() },
    };
    let asked = ask(app, reader, Question::TokenReasons, filters).await?;
    let missing = || Problem::not_found("There is no such token.");
    let (found, until) = (found.ok_or_else(missing)?, asked.before().ok_or_else(missing)?);
    let reasons = explain(app, jti, found, until).await?;
    Ok(reader.told(if in_words { reply::content("text/plain; charset=utf-8", words(&reasons)) } else { reply::ok(&reasons) }))
}

/// RFC 9110 §12.5.1: JSON unless text is asked for, and JSON is not.
fn wants_text(accept: &str) -> bool {
    let has =
        |wanted: &str| accept.split(',').any(|range| range.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(wanted)));
    has("text/plain") && !has("application/json")
}

/// The issuing of a token.
struct Issuing {
    event: HistoricEvent,
    client_id: ClientId,
    subject: Option<SubjectId>,
    /// Under which grant, in which family.
    grant: Option<(GrantId, FamilyNumber)>,
    scope: Scope,
    audience: Vec<String>,
    format: AccessTokenFormat,
    expires_at: Timestamp,
}

async fn find(app: &App, token: AccessTokenRef) -> Result<Option<Issuing>, Problem> {
    let Some(newest) = app.history.position() else { return Ok(None) };
    match token {
        AccessTokenRef::Machine(id) => {
            let filter = of_stream(&id.stream(), "machine_token.issued");
            for event in app.history.all(filter, newest).await.map_err(silent)? {
                if let Event::MachineToken(MachineTokenEvent::Issued { client_id, scope, audience, format, expires_at, .. }) =
                    decoded(&event)?
                {
                    return Ok(Some(Issuing { event, client_id, subject: None, grant: None, scope, audience, format, expires_at }));
                }
            }
            Ok(None)
        }
        AccessTokenRef::Grant { grant_id, token } => {
            let Some(grant) = app.history.grant(grant_id, newest).await.map_err(silent)? else { return Ok(None) };
            let Some(event) = issued(app, grant_id, token, newest).await? else { return Ok(None) };
            let Event::Grant(GrantEvent::AccessTokenIssued { family, scope, audience, format, expires_at, .. }) = decoded(&event)? else {
                return Ok(None);
            };
            Ok(Some(Issuing {
                event,
                client_id: grant.client_id,
                subject: Some(grant.subject),
                grant: Some((grant_id, family)),
                scope,
                audience,
                format,
                expires_at,
            }))
        }
    }
}

/// The event that issued the token of this number. A grant may have issued many.
async fn issued(app: &App, grant_id: GrantId, wanted: TokenNumber, until: Position) -> Result<Option<HistoricEvent>, Problem> {
    let filter = of_stream(&grant_id.stream(), "grant.access_token_issued");
    let is_it = |event: &Event| matches!(event, Event::Grant(GrantEvent::AccessTokenIssued { token, .. }) if *token == wanted);
    first(app, filter, until, Order::Ascending, is_it).await
}

/// The last refresh of the family before a token was issued, which led to it; none for the first token of a family.
async fn refreshed(app: &App, stream: &StreamId, wanted: FamilyNumber, until: Position) -> Result<Option<HistoricEvent>, Problem> {
    let filter = of_stream(stream, "grant.refresh_token_rotated");
    let is_it = |event: &Event| matches!(event, Event::Grant(GrantEvent::RefreshTokenRotated { family, .. }) if *family == wanted);
    first(app, filter, until, Order::Descending, is_it).await
}

/// The first of these events that is it.
async fn first(
    app: &App,
    filter: Filter,
    until: Position,
    order: Order,
    is_it: impl Fn(&Event) -> bool,
) -> Result<Option<HistoricEvent>, Problem> {
    let mut query = EventsQuery { filter, until, after: None, order, limit: PAGE };
    loop {
        let page = app.history.events(query.clone()).await.map_err(silent)?;
        let is_last = page.len() < PAGE;
        query.after = page.last().map(|event| event.recorded.position);
        for event in page {
            if is_it(&decoded(&event)?) {
                return Ok(Some(event));
            }
        }
        if is_last {
            return Ok(None);
        }
    }
}

async fn explain(app: &App, jti: &str, found: Issuing, until: Position) -> Result<TokenReasons, Problem> {
    let issued = found.event.recorded.position;
    let timeline = Timeline::of(app, &found.client_id, until).await?;
    let mut events = registration(app, &found.client_id, issued).await?;
    let mut consent = None;
    if let Some((grant_id, family)) = found.grant {
        events.extend(grant_chain(app, grant_id, family, issued).await?);
        consent = events.iter().find(|event| event.recorded.event.kind == "grant.consented").cloned();
        events.extend(asked(app, grant_id, &found.scope, consent.as_ref()).await?);
        events.extend(standing(app, &found, issued).await?);
        events.extend(endings(app, grant_id, family, &found, until).await?);
    } else {
        events.extend(app.history.all(of_stream(&found.event.recorded.stream, "machine_token.revoked"), until).await.map_err(silent)?);
    }
    let policy = policy_of(app, consent.as_ref(), issued).await?;
    let algorithm = recipients(app, &found.audience, issued, &mut events).await?;
    let signing_key = match found.format {
        AccessTokenFormat::Jwt => signing_key(app, algorithm, issued, found.event.recorded.event.time).await?,
        AccessTokenFormat::Opaque => None,
    };
    let mut voids = timeline.client_changes(&found.client_id, issued).await?;
    if let Some(key) = &signing_key {
        events.extend(app.history.event(key.generated).await.map_err(silent)?);
        let stream = StreamId::new(StreamKind::SigningKey, &key.kid);
        voids.extend(app.history.all(of_stream(&stream, "signing_key.revoked"), until).await.map_err(silent)?);
    }
    // What came when it had expired made no difference to it.
    events.extend(voids.into_iter().filter(|event| event.recorded.event.time < found.expires_at));
    events.extend(policy.clone());
    events.push(found.event.clone());
    events.sort_by_key(|event| event.recorded.position);
    events.dedup_by_key(|event| event.recorded.position);
    let subject = match found.subject {
        Some(subject) => people::external_id(app, subject).await?,
        None => None,
    };
    let reasons = events.iter().map(|event| reason(&timeline, event)).collect();
    Ok(TokenReasons {
        jti: jti.to_owned(),
        scope: found.scope.to_string(),
        audience: found.audience,
        issued_at: found.event.recorded.event.time.to_rfc3339(),
        expires_at: found.expires_at.to_rfc3339(),
        client_id: found.client_id.to_string(),
        subject,
        subject_id: found.subject.map(|subject| subject.to_string()),
        organization_id: found.event.organization.as_deref().map(str::to_owned),
        grant_id: found.grant.map(|(grant_id, _)| grant_id.to_string()),
        client_metadata_sha256: timeline.metadata_at(issued).cloned(),
        policy_version: policy.as_ref().and_then(policy::version),
        signing_key: signing_key.map(|key| key.kid),
        reasons,
    })
}

/// How the client was registered, and the change of its metadata that held when the token was issued.
async fn registration(app: &App, client_id: &ClientId, at: Position) -> Result<Vec<HistoricEvent>, Problem> {
    let mut events = app.history.all(of_stream(&client_id.stream(), "client.registered"), at).await.map_err(silent)?;
    if let Some(held) = app.history.client(client_id, at).await.map_err(silent)?.and_then(|client| client.metadata_position) {
        events.extend(app.history.event(held).await.map_err(silent)?);
    }
    Ok(events)
}

/// From the authorization request to the tokens before this one.
async fn grant_chain(app: &App, grant_id: GrantId, family: FamilyNumber, at: Position) -> Result<Vec<HistoricEvent>, Problem> {
    let stream = grant_id.stream();
    let mut events = app.history.all(of_stream(&stream, "grant.opened"), at).await.map_err(silent)?;
    for redeemed in app.history.all(of_stream(&stream, "grant.code_redeemed"), at).await.map_err(silent)? {
        let is_it = matches!(decoded(&redeemed)?, Event::Grant(GrantEvent::CodeRedeemed { family: found, .. }) if found == family);
        let Some(request) = redeemed.authorization.clone().filter(|_| is_it) else { continue };
        let about = app.history.all(Filter::about(Kind::Authorization, &*request), at).await.map_err(silent)?;
        events.extend(about.into_iter().filter(|event| !event.recorded.event.kind.starts_with("audit.")));
    }
    events.extend(refreshed(app, &stream, family, at).await?);
    // What was taken away since the code was issued is not in the token.
    let coded = events.iter().filter(|event| event.recorded.event.kind == "grant.code_issued").map(|event| event.recorded.position).max();
    let narrowed = app.history.all(of_stream(&stream, "grant.narrowed"), at).await.map_err(silent)?;
    events.extend(narrowed.into_iter().filter(|event| Some(event.recorded.position) > coded));
    Ok(events)
}

/// The consents in which the person was asked last for what the token is good for. Where nobody had to be asked again they
/// are earlier ones than the one that led to the token.
async fn asked(app: &App, grant_id: GrantId, scope: &Scope, consent: Option<&HistoricEvent>) -> Result<Vec<HistoricEvent>, Problem> {
    let Some(consent) = consent else { return Ok(Vec::new()) };
    let (mut before, mut last) = (Scope::default(), BTreeMap::new());
    let consents = app.history.all(of_stream(&grant_id.stream(), "grant.consented"), consent.recorded.position).await.map_err(silent)?;
    for event in consents {
        let Event::Grant(GrantEvent::Consented { scope: agreed, reason, .. }) = decoded(&event)? else { continue };
        for token in asked_for(&agreed, reason, &before).intersection(scope).iter() {
            last.insert(token.clone(), event.clone());
        }
        before = before.union(&agreed);
    }
    Ok(last.into_values().collect())
}

/// What the organization allowed, and which roles were known of the person there, when a token was issued.
async fn standing(app: &App, found: &Issuing, at: Position) -> Result<Vec<HistoricEvent>, Problem> {
    let mut events = Vec::new();
    let organization = found.event.organization.as_deref().map(|id| OrganizationId(id.into()));
    if let Some(organization) = &organization {
        events.extend(app.history.all(of_stream(&organization.stream(), "organization.policy_set"), at).await.map_err(silent)?.pop());
    }
    if let Some(subject) = found.subject {
        let mut set = app.history.all(of_stream(&subject.stream(), "subject.roles_set"), at).await.map_err(silent)?;
        set.retain(|event| event.organization.as_deref() == organization.as_ref().map(|id| &*id.0));
        events.extend(set.pop());
    }
    Ok(events)
}

/// What a token for this audience was to be signed with, as its resource servers said; their registrations are among the facts.
async fn recipients(app: &App, audience: &[String], at: Position, facts: &mut Vec<HistoricEvent>) -> Result<Algorithm, Problem> {
    let mut algorithm = None;
    for identifier in audience {
        if let Some((settings, registered)) = app.history.resource_server(identifier, at).await.map_err(silent)? {
            algorithm = algorithm.or(Some(settings.access_token_signing_alg));
            facts.push(registered);
        }
    }
    // All of them agree, and the usual audience need not be registered.
    Ok(algorithm.unwrap_or(Algorithm::EdDsa))
}

/// What ended it before its time.
async fn endings(
    app: &App,
    grant_id: GrantId,
    family: FamilyNumber,
    found: &Issuing,
    until: Position,
) -> Result<Vec<HistoricEvent>, Problem> {
    let stream = grant_id.stream();
    let Event::Grant(GrantEvent::AccessTokenIssued { token: own, .. }) = decoded(&found.event)? else { return Ok(Vec::new()) };
    let mut ends = Vec::new();
    for kind in ["grant.access_token_revoked", "grant.family_ended", "grant.sessions_ended", "grant.revoked"] {
        for event in app.history.all(of_stream(&stream, kind), until).await.map_err(silent)? {
            let concerns = match decoded(&event)? {
                Event::Grant(GrantEvent::AccessTokenRevoked { token, .. }) => token == own,
                Event::Grant(GrantEvent::FamilyEnded { family: ended, .. }) => ended == family,
                _ => true,
            };
            if concerns && event.recorded.position > found.event.recorded.position {
                ends.push(event);
            }
        }
    }
    Ok(ends)
}

/// The policy that a consent rested on, as it says itself; without consent, the one that held when the token was issued.
async fn policy_of(app: &App, consent: Option<&HistoricEvent>, issued: Position) -> Result<Option<HistoricEvent>, Problem> {
    let at = consent.map_or(issued, |consent| consent.recorded.position);
    let published = app.history.all(Filter::about(Kind::Type, policy::PUBLISHED), at).await.map_err(silent)?;
    let rested_on = match consent.map(decoded).transpose()? {
        Some(Event::Grant(GrantEvent::Consented { basis, .. })) => basis.policy_version,
        _ => None,
    };
    Ok(match rested_on {
        Some(version) => published.into_iter().find(|event| policy::version(event) == Some(version.into())),
        None => published.into_iter().next_back(),
    })
}

/// The key that signed access tokens with this algorithm at that moment, as far as was known then.
async fn signing_key(app: &App, algorithm: Algorithm, at: Position, moment: Timestamp) -> Result<Option<SigningKeyAsOf>, Problem> {
    let known = app.history.signing_keys(at).await.map_err(silent)?;
    let entries: Vec<SigningKeyEntry> = known.iter().filter(|known| !known.key.is_revoked()).filter_map(entry).collect();
    let kid = signs_at(&entries, algorithm, moment).map(|entry| entry.kid.clone());
    Ok(known.into_iter().find(|known| Some(&known.kid) == kid.as_ref()))
}

fn entry(known: &SigningKeyAsOf) -> Option<SigningKeyEntry> {
    let key = &known.key;
    Some(SigningKeyEntry {
        kid: known.kid.clone(),
        algorithm: key.algorithm()?,
        public_jwk: key.public_jwk()?.clone(),
        active_from: key.active_from()?,
        retired_at: key.retired_at(),
        published_until: key.published_until(),
    })
}

fn of_stream(stream: &StreamId, kind: &str) -> Filter {
    Filter::about(Kind::Stream, stream.as_str()).and(Kind::Type, kind)
}

fn decoded(event: &HistoricEvent) -> Result<Event, Problem> {
    event.recorded.decode().map_err(internal)
}

fn reason(timeline: &Timeline<'_>, event: &HistoricEvent) -> Reason {
    let step = timeline.step(event);
    Reason { text: sentence(&step), step }
}

/// A fact in words. Whatever it quotes is data: quoted, without control characters.
fn sentence(step: &Step) -> String {
    let data = &step.data;
    let quoted = |value: &Value| quoted(value.as_str().unwrap_or_default());
    let mut text = match step.kind.as_str() {
        "client.registered" => format!("The client was registered as {}", quoted(&data["metadata"]["client_name"])),
        "client.updated" | "client.document_changed" => {
            format!("What is registered about the client was changed; it is called {}", quoted(&data["metadata"]["client_name"]))
        }
        "client.suspended" => "The client was suspended".to_owned(),
        "client.resumed" => "The client was resumed".to_owned(),
        "client.withdrawn" => "The client's metadata document was gone, and nothing of its was valid".to_owned(),
        "client.reinstated" => "The client's metadata document was back".to_owned(),
        "client.deleted" => "The client was deleted, with everything it held".to_owned(),
        "organization.policy_set" => "The organization said which clients may work in it".to_owned(),
        "subject.roles_set" => format!("The application said which roles the person has: {}", listed(&data["roles"])),
        "resource_server.registered" | "resource_server.updated" => {
            let settings = &data["settings"];
            let (identifier, format) = (quoted(&settings["identifier"]), quoted(&settings["access_token_format"]));
            format!(
                "Tokens for {identifier} were to be {format}, those that are signed by {}",
                quoted(&settings["access_token_signing_alg"])
            )
        }
        "policy.published" => format!("Version {} of the policy was published", data["version"]),
        "authorization.requested" => format!("The client asked for {}", quoted(&data["parameters"]["scope"])),
        "authorization.subject_attested" => format!("The application attested that the person was subject {}", quoted(&data["subject"])),
        "authorization.approved" if data.get("consent_reason").is_some() => {
            format!(
                "They were asked ({}) and agreed to {}{}",
                quoted(&data["consent_reason"]),
                quoted(&data["scope"]),
                shown(&data["shown"])
            )
        }
        "authorization.approved" => format!("Nobody had to be asked; {} was approved", quoted(&data["scope"])),
        "authorization.completed" => "The request was answered with a code".to_owned(),
        "authorization.denied" => format!("The request was denied: {}", quoted(&data["error"])),
        "grant.opened" => "A grant of the person to the client was opened".to_owned(),
        "grant.consented" if data.get("reason").is_some() => {
            format!("Consent to {} ({}) was recorded in the grant", quoted(&data["scope"]), quoted(&data["reason"]))
        }
        "grant.consented" => format!("{} was recorded in the grant without asking", quoted(&data["scope"])),
        "grant.narrowed" => format!("The grant was cut back to {}: {}", quoted(&data["scope"]), quoted(&data["reason"])),
        "grant.code_issued" => "A code was issued".to_owned(),
        "grant.code_redeemed" => format!("The client redeemed the code; token family {} began", data["family"]),
        "grant.refresh_token_rotated" => {
            format!("The client refreshed; generation {} of family {} took its turn", data["generation"], data["family"])
        }
        "grant.access_token_issued" => format!("The access token was issued, good for {}", quoted(&data["scope"])),
        "machine_token.issued" => format!("The client got an access token of its own, good for {}", quoted(&data["scope"])),
        "signing_key.generated" => format!("The key that signed it ({}) was made", quoted(&data["algorithm"])),
        "signing_key.revoked" => "The key that signed it was revoked, and the token void with it".to_owned(),
        "grant.access_token_revoked" => format!("The token was revoked: {}", quoted(&data["reason"])),
        "grant.family_ended" => format!("Its token family was ended: {}", quoted(&data["reason"])),
        "grant.sessions_ended" => format!("All sessions under the grant were ended: {}", quoted(&data["reason"])),
        "grant.revoked" => format!("The grant was revoked: {}", quoted(&data["reason"])),
        "machine_token.revoked" => "The token was revoked".to_owned(),
        other => format!("{other} happened"),
    };
    // Writing to a String can't fail.
    let _ = write!(text, ", by {}", visible(&step.actor));
    if !step.request_id.is_empty() {
        let _ = write!(text, " in request {}", visible(&step.request_id));
    }
    text.push('.');
    text
}

fn shown(shown: &Value) -> String {
    let members = shown.as_object().into_iter().flatten();
    let told: Vec<String> = members.filter_map(|(name, value)| Some(format!("{name} {}", quoted(value.as_str()?)))).collect();
    if told.is_empty() { "; what was shown is not known".to_owned() } else { format!("; shown was {}", told.join(", ")) }
}

fn listed(names: &Value) -> String {
    let names: Vec<String> = names.as_array().into_iter().flatten().map(|name| quoted(name.as_str().unwrap_or_default())).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", visible(text))
}

/// On a terminal a control character could do more than be shown.
fn visible(text: &str) -> String {
    text.chars().map(|shown| if shown.is_control() { '\u{fffd}' } else { shown }).collect()
}

fn words(reasons: &TokenReasons) -> String {
    // Writing to a String can't fail.
    let mut text = format!("Why the access token {} was issued to {}", reasons.jti, visible(&reasons.client_id));
    match (&reasons.subject, &reasons.subject_id) {
        (Some(subject), _) => drop(write!(text, " for {}", quoted(subject))),
        (None, Some(id)) => drop(write!(text, " for subject {id}, who was forgotten")),
        (None, None) => {}
    }
    let _ =
        writeln!(text, ":\n\nIt was good for {} from {} until {} at most.", quoted(&reasons.scope), reasons.issued_at, reasons.expires_at);
    for Reason { text: sentence, step } in &reasons.reasons {
        let _ = writeln!(text, "{:>8}  {}  {sentence}", step.position, step.time);
    }
    if let Some(hash) = &reasons.client_metadata_sha256 {
        let _ = writeln!(text, "\nSHA-256 of the client's metadata when it was issued: {hash}");
    }
    match reasons.policy_version {
        Some(version) => drop(writeln!(text, "Version of the policy when consent was given: {version}")),
        None if reasons.grant_id.is_some() => text.push_str("There was no policy when consent was given.\n"),
        None => {}
    }
    if let Some(kid) = &reasons.signing_key {
        let _ = writeln!(text, "Signing key: {kid}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_12_5_1_text_is_for_those_who_ask_for_it() {
        for accept in ["text/plain", "TEXT/Plain;q=0.5", "text/html, text/plain"] {
            assert!(wants_text(accept), "{accept}");
        }
        for accept in ["*/*", "application/json", "application/json, text/plain", "", "text/plainer"] {
            assert!(!wants_text(accept), "{accept}");
        }
    }

    #[test]
    fn what_is_quoted_can_not_speak_for_us() {
        assert_eq!(quoted("a\u{1b}[2Jb\nc"), "\"a\u{fffd}[2Jb\u{fffd}c\"");
    }
}
