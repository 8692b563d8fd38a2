//! Consent receipts (ISO/IEC TS 27560): what a person agreed to, to take away and to check without this service.

use std::sync::Arc;

use grantlog_core::{
    app::receipts::{
        Agreed, ConsentReceipt, PartyRole, RECEIPT_EVENTS, ReceiptEvent, ReceiptHeader, ReceiptParty, ReceiptProcessing, ReceiptPurpose,
        ReceiptVersion,
    },
    domain::{
        Decider, GrantId,
        api_key::Role,
        audit::Question,
        policy::{Policy, PolicyDecider, PolicyEvent, PublishedPolicy},
    },
    ledger::InclusionProof,
    store::{Position, Recorded},
};
use grantlog_projections::history::{Filter, GrantAsOf, Kind};

use super::{Parameters, Reader, ask, caught_up, consents, internal, people, policy, silent};
use crate::{
    app::{App, unavailable},
    ledger::trouble,
    problem::{Problem, ProblemBody},
    reply::{self, Response},
    request::Request,
};

/// The receipt of a consent.
pub const RECEIPT: &str = "/v1/audit/consents/{grant_id}/receipt";

/// The application may have them, too: to give them to people.
const ROLES: [Role; 3] = [Role::Admin, Role::Consent, Role::Auditor];

/// Read the receipt of a consent.
///
/// What a person had agreed to, as JSON-LD in the field groups of ISO/IEC TS 27560. The log signs it, and the events that it tells
/// of are in it with the proofs that they are in the log: `grantlog receipt verify` checks it without this service. Give it to the
/// person.
#[utoipa::path(get, path = RECEIPT, tag = "audit", operation_id = "readConsentReceipt", security(("ApiKey" = ["admin"]), ("ApiKey" = ["consent"]), ("ApiKey" = ["auditor"])),
    params(("grant_id" = String, Path, description = "The grant's id.", example = "01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10"),
        ("as_of" = Option<String>, Query, description = "As it was at this moment (RFC 3339)."),
        ("position" = Option<u64>, Query, description = "As it was at this position of the log.")),
    responses((status = 200, description = "The receipt.", body = ConsentReceipt), (status = "4XX", description = "The call is not valid, or there is no such grant.", body = ProblemBody), (status = 503, description = "The read can't be recorded, the history has not caught up, or the ledger does not sign yet. Try again.", body = ProblemBody)))]
pub async fn read(app: App, request: Request) -> Result<Response, Problem> {
    let reader = Reader::of_roles(&app, &request, &ROLES).await?;
    answer(&app, &reader, &request).await
}

pub(super) async fn answer(app: &App, reader: &Reader, request: &Request) -> Result<Response, Problem> {
    let grant_id: GrantId = request.id("grant_id")?;
    let window = Parameters::of(request, &["as_of", "position"])?.window()?;
    caught_up(app, request).await?;
    let narrowed = consents::about_grant(app, grant_id, window).await?;
    let asked = ask(app, reader, Question::ConsentReceipt, narrowed.filters).await?;
    let missing = || Problem::not_found("There is no such grant, or there was none then.");
    let at = asked.at(&window).await?.ok_or_else(missing)?;
    let grant = app.history.grant(grant_id, at).await.map_err(silent)?.ok_or_else(missing)?;
    let receipt = receipt(app, &grant, at).await?;
    let signed = app.authority.sign_receipt(receipt).await.map_err(unavailable)?;
    Ok(reader.told(reply::ok(&signed)))
}

async fn receipt(app: &App, grant: &GrantAsOf, at: Position) -> Result<ConsentReceipt, Problem> {
    let recorded = told_of(app, grant.grant_id, at).await?;
    let mut agreed = Agreed::default();
    for recorded in &recorded {
        agreed.take(recorded);
    }
    let policy = policy_at(app, grant.consent.as_ref().map_or(at, |consent| consent.recorded.position)).await?;
    let describe = |scope: &str| {
        let locale = agreed.shown.as_ref().and_then(|shown| shown.locale.as_deref());
        app.describe_scope(&policy, scope, locale)
    };
    let purposes = agreed.scope.iter().map(|token| ReceiptPurpose {
        scope: token.to_string(),
        description: describe(token.as_str()),
        asked_at: grant.asked_at.get(token.as_str()).map(|moment| moment.to_rfc3339()),
    });
    let processing = ReceiptProcessing {
        lawful_basis: agreed.asked.then(|| "dpv:Consent".to_owned()),
        purposes: purposes.collect(),
        shown: agreed.shown.clone(),
        policy_version: agreed.policy_version,
        privacy_notice: app.edge.receipts.privacy_notice.clone(),
        withdrawal_method: app.edge.receipts.withdrawal_url.clone(),
    };
    let header = ReceiptHeader {
        schema_version: ReceiptVersion::V1,
        record_id: grant.grant_id,
        pii_principal_id: people::external_id(app, grant.subject).await?,
        subject_id: grant.subject,
        issued_at: app.authority.now().to_rfc3339(),
        position: at.0,
    };
    let events = recorded.iter().filter_map(ReceiptEvent::of).collect();
    Ok(ConsentReceipt::new(header, processing, parties(app, grant), events, evidence(app, &recorded).await?))
}

/// The events of a grant that a receipt tells of.
async fn told_of(app: &App, grant_id: GrantId, until: Position) -> Result<Vec<Recorded>, Problem> {
    let mut found = Vec::new();
    for kind in RECEIPT_EVENTS {
        let filter = Filter::about(Kind::Stream, grant_id.stream().as_str()).and(Kind::Type, kind);
        found.extend(app.history.all(filter, until).await.map_err(silent)?);
    }
    found.sort_by_key(|event| event.recorded.position);
    Ok(found.into_iter().map(|event| event.recorded).collect())
}

/// The policy that held: its descriptions are those that the person read.
async fn policy_at(app: &App, at: Position) -> Result<Arc<Policy>, Problem> {
    let state = match policy::published_at(app, at).await? {
        Some(event) => {
            let decoded = event.recorded.decode().map_err(internal)?;
            let event_of_policy = PolicyEvent::try_from(decoded).map_err(|_| Problem::internal("a policy is none"))?;
            PolicyDecider::evolve(PublishedPolicy::default(), &event_of_policy, event.recorded.event.time)
        }
        None => PublishedPolicy::default(),
    };
    Ok(Arc::clone(state.policy()))
}

fn parties(app: &App, grant: &GrantAsOf) -> Vec<ReceiptParty> {
    let of_role = |role, party_id: &str| ReceiptParty {
        role,
        party_id: party_id.to_owned(),
        name: None,
        contact: None,
        url: None,
        privacy_notice: None,
        terms: None,
    };
    let options = &app.edge.receipts;
    let controller = ReceiptParty {
        name: options.controller_name.clone(),
        contact: options.controller_contact.clone(),
        privacy_notice: options.privacy_notice.clone(),
        ..of_role(PartyRole::PiiController, &app.authority.settings.issuer)
    };
    let metadata = grant.client.as_ref().and_then(|then| then.client.metadata());
    let recipient = of_role(PartyRole::Recipient, grant.client_id.as_str());
    let recipient = match metadata {
        Some(metadata) => ReceiptParty {
            name: Some(metadata.client_name.clone()),
            url: metadata.client_uri.clone(),
            privacy_notice: metadata.policy_uri.clone(),
            terms: metadata.tos_uri.clone(),
            ..recipient
        },
        None => recipient,
    };
    let organization = grant.organization_id.as_ref().map(|id| of_role(PartyRole::Organization, &id.0));
    [controller, recipient].into_iter().chain(organization).collect()
}

/// The proofs of all of them under one checkpoint, which is signed now if the newest does not cover them.
async fn evidence(app: &App, recorded: &[Recorded]) -> Result<Vec<InclusionProof>, Problem> {
    let last = recorded.last().map_or(0, |recorded| recorded.position.0);
    let newest = match app.ledger.published() {
        Some(newest) if newest.size >= last => newest,
        Some(_) | None => app.ledger.sign().await.map_err(trouble)?,
    };
    let mut proofs = Vec::with_capacity(recorded.len());
    for recorded in recorded {
        let proof = app.ledger.inclusion(recorded.position, Some(newest.size)).await;
        proofs.push(proof.map_err(|refusal| crate::ledger::proofs::problem(refusal, "position"))?);
    }
    Ok(proofs)
}
