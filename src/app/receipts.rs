//! Consent receipts: what a person agreed to, in the field groups of ISO/IEC TS 27560, as JSON-LD. The log signs them and the
//! events that they tell of are in them, each with the proof that it is in the log: so they are checked with nothing but the
//! key of the log. `docs/guides/receipts.md` describes them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Authority, Trouble};
use crate::{
    domain::{
        ClientId, Event, GrantId, OrganizationId, StreamKind, SubjectId,
        authorization::Shown,
        grant::{GrantEvent, RevocationReason},
    },
    jose::{Algorithm, base64url},
    ledger::{InclusionProof, NoEntry, ProofError, VerifierKey, event_of},
    protocol::{Scope, ScopeToken},
    store::Recorded,
};

/// The `typ` in the header of a receipt's signature: no other signature of the key passes for one.
const TYPE: &str = "grantlog-consent-receipt";
const DPV: &str = "https://w3id.org/dpv#";

/// A consent receipt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ConsentReceipt {
    /// What the members mean as linked data (JSON-LD 1.1): the Data Privacy Vocabulary, where it has a word.
    #[serde(rename = "@context")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    context: Value,
    /// `dpv:ConsentReceipt`.
    #[serde(rename = "@type")]
    #[cfg_attr(feature = "openapi", schema(example = "dpv:ConsentReceipt"))]
    kind: String,
    /// About the receipt itself.
    pub header: ReceiptHeader,
    /// What was agreed to.
    pub processing: ReceiptProcessing,
    /// Who is concerned.
    pub parties: Vec<ReceiptParty>,
    /// How it came about and what became of it, in the order of the log.
    pub events: Vec<ReceiptEvent>,
    /// For each of these events, in their order, the proof that it is in the log.
    pub evidence: Vec<InclusionProof>,
    /// A JWS (RFC 7515) with its payload left out (App. F): that is the canonical form (RFC 8785) of the receipt without this
    /// member. The key is one of `/ledger/keys`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(required, value_type = String, example = "eyJhbGciOiJFZERTQSIs…..k0Y…"))]
    pub signature: Option<String>,
}

/// About the receipt itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReceiptHeader {
    /// The version of this structure.
    pub schema_version: ReceiptVersion,
    /// The record that it is of: the id of the grant.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "01932d5e-7c1a-7e31-b7a8-0f6c3d2a9b10"))]
    pub record_id: GrantId,
    /// The person, by the application's id; null when they were erased.
    #[cfg_attr(feature = "openapi", schema(required, example = "ana"))]
    pub pii_principal_id: Option<String>,
    /// The person, by the random id that the log knows them by.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "01932d5e-6f00-7b11-9c52-6a1d2f3e4b5c"))]
    pub subject_id: SubjectId,
    /// When the receipt was made (RFC 3339, UTC).
    #[cfg_attr(feature = "openapi", schema(example = "2026-03-03T14:05:00.000Z"))]
    pub issued_at: String,
    /// The position of the log that it is as of.
    pub position: u64,
}

/// Marks the structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ReceiptVersion {
    /// The one there is.
    #[serde(rename = "grantlog consent receipt v1")]
    V1,
}

/// What was agreed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReceiptProcessing {
    /// `dpv:Consent`; absent when the rules let everything pass without asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(example = "dpv:Consent"))]
    pub lawful_basis: Option<String>,
    /// What the client may do: the scopes that were agreed in sum; none when consent was withdrawn.
    pub purposes: Vec<ReceiptPurpose>,
    /// What the person saw when they were asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub shown: Option<Shown>,
    /// The version of the policy that the last consent rested on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<u32>,
    /// The operator's notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy_notice: Option<String>,
    /// Where the person withdraws it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawal_method: Option<String>,
}

/// One thing that the client may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReceiptPurpose {
    /// The scope.
    #[cfg_attr(feature = "openapi", schema(example = "notes.read"))]
    pub scope: String,
    /// What it means for people.
    #[cfg_attr(feature = "openapi", schema(example = "Read your notes"))]
    pub description: String,
    /// When the person was asked last (RFC 3339, UTC); absent when they never had to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<String>,
}

/// Somebody who is concerned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReceiptParty {
    /// As what.
    pub role: PartyRole,
    /// Who: the issuer, the client's id, the application's id of the organization.
    #[cfg_attr(feature = "openapi", schema(example = "client_01a2150570a3700dbad89b4a30ed6c67"))]
    pub party_id: String,
    /// What they are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where to reach them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Their page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Their notice on privacy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy_notice: Option<String>,
    /// Their terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<String>,
}

/// As what somebody is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PartyRole {
    /// Who has the data that access was given to.
    PiiController,
    /// The client, which may get at it.
    Recipient,
    /// In whose name the person acted.
    Organization,
}

/// One event, in the words of consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReceiptEvent {
    /// What it was.
    pub event_type: ReceiptEventType,
    /// When (RFC 3339, UTC).
    #[cfg_attr(feature = "openapi", schema(example = "2026-03-03T14:00:00.000Z"))]
    pub event_time: String,
    /// What it made of the consent, in the words of the Data Privacy Vocabulary; absent where it made nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(example = "dpv:ConsentGiven"))]
    pub event_state: Option<String>,
    /// Who caused it, as the log says.
    #[cfg_attr(feature = "openapi", schema(example = "api_key:01932d5e-1111-7222-8333-444455556666"))]
    pub entity_id: String,
    /// The scopes that it is about, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, example = "notes.read openid"))]
    pub scope: Option<Scope>,
    /// Why it ended or was cut back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, example = "disconnected"))]
    pub reason: Option<RevocationReason>,
    /// Where in the log it stands.
    pub position: u64,
}

/// What an event was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReceiptEventType {
    /// The record was begun.
    Opened,
    /// The person was asked and agreed.
    Given,
    /// Nobody had to be asked.
    GrantedWithoutAsking,
    /// Nothing more than this was left of it.
    Narrowed,
    /// It ended.
    Ended,
}

/// Why a receipt is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It is no receipt.
    #[error("this is no consent receipt: {0}")]
    Malformed(String),
    /// None of the keys signed it.
    #[error("it is not signed by a known key")]
    Unsigned,
    /// What claims to be the signature of a known key is not.
    #[error("its signature is not valid")]
    BadSignature,
    /// An event is not shown to be in the log.
    #[error("event {index}: {error}")]
    Proof {
        /// Which, from 0.
        index: usize,
        /// Why not.
        error: ProofError,
    },
    /// It says something else than the events that it has.
    #[error("it does not say what its events say: {0}")]
    OtherEvents(&'static str),
}

/// Which events of a grant a receipt tells of: what people agreed to, and how it ended.
pub const RECEIPT_EVENTS: [&str; 4] = ["grant.opened", "grant.consented", "grant.narrowed", "grant.revoked"];

impl ConsentReceipt {
    /// Puts a receipt together.
    pub fn new(
        header: ReceiptHeader,
        processing: ReceiptProcessing,
        parties: Vec<ReceiptParty>,
        events: Vec<ReceiptEvent>,
        evidence: Vec<InclusionProof>,
    ) -> Self {
        Self { context: context(), kind: "dpv:ConsentReceipt".to_owned(), header, processing, parties, events, evidence, signature: None }
    }

    /// Reads a receipt and checks it: that one of these keys signed it, that a log of theirs has its events, and that it says
    /// what they say. What only the operator can know (names, descriptions, the application's id of the person) rests on the
    /// signature alone.
    pub fn verify(text: &str, keys: &[VerifierKey]) -> Result<Self, ReceiptError> {
        let malformed = |error: serde_json::Error| ReceiptError::Malformed(error.to_string());
        let mut document: Map<String, Value> = serde_json::from_str(text).map_err(malformed)?;
        let signature = document.remove("signature");
        let signature = signature.as_ref().and_then(Value::as_str).ok_or(ReceiptError::Unsigned)?;
        let document = Value::Object(document);
        verify_signature(&document, signature, keys)?;
        let receipt: Self = serde_json::from_value(document).map_err(malformed)?;
        receipt.compare(keys)?;
        Ok(receipt)
    }

    fn compare(&self, keys: &[VerifierKey]) -> Result<(), ReceiptError> {
        let other = ReceiptError::OtherEvents;
        let stream = self.header.record_id.stream();
        let mut agreed = Agreed::default();
        let mut told = Vec::with_capacity(self.evidence.len());
        let mut before = None;
        for (index, proof) in self.evidence.iter().enumerate() {
            let failed = |error| ReceiptError::Proof { index, error };
            let entry = proof.verify(keys).map_err(failed)?;
            let recorded = event_of(&entry, None).map_err(|error: NoEntry| failed(error.into()))?;
            if recorded.stream != stream || recorded.position.0 > self.header.position {
                return Err(other("one is of something else, or came later"));
            }
            if before.replace(recorded.revision) >= Some(recorded.revision) || (index == 0) != (recorded.revision.0 == 0) {
                return Err(other("they are not in their order from the beginning"));
            }
            let event = ReceiptEvent::of(&recorded).ok_or(other("one is not about consent"))?;
            agreed.take(&recorded);
            told.push(event);
        }
        let purposes: Vec<_> = self.processing.purposes.iter().map(|purpose| purpose.scope.as_str()).collect();
        let party = |role| self.parties.iter().find(|party| party.role == role).map(|party| party.party_id.as_str());
        let checks = [
            (told == self.events, "the list of events"),
            (purposes == agreed.scope.iter().map(ScopeToken::as_str).collect::<Vec<_>>(), "the purposes"),
            (self.processing.shown == agreed.shown && self.processing.policy_version == agreed.policy_version, "what it rested on"),
            (self.processing.lawful_basis.is_some() == agreed.asked, "the lawful basis"),
            (agreed.subject == Some(self.header.subject_id), "the person"),
            (party(PartyRole::Recipient) == agreed.client_id.as_ref().map(ClientId::as_str), "the client"),
            (party(PartyRole::Organization) == agreed.organization_id.as_ref().map(|id| &*id.0), "the organization"),
        ];
        checks.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, what)| Err(other(what)))
    }
}

/// What the events of a grant come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Agreed {
    subject: Option<SubjectId>,
    client_id: Option<ClientId>,
    organization_id: Option<OrganizationId>,
    /// What was agreed in sum; nothing once it ended.
    pub scope: Scope,
    /// Whether the person was ever asked.
    pub asked: bool,
    /// What they saw when they were asked last.
    pub shown: Option<Shown>,
    /// What the last consent rested on.
    pub policy_version: Option<u32>,
}

impl Agreed {
    /// Takes the next event of the grant.
    pub fn take(&mut self, recorded: &Recorded) {
        let Some(event) = grant_event(recorded) else { return };
        match event {
            GrantEvent::Opened { subject, client_id, organization_id } => {
                (self.subject, self.client_id, self.organization_id) = (Some(subject), Some(client_id), organization_id);
            }
            GrantEvent::Consented { scope, reason, shown, basis, .. } => {
                self.scope = self.scope.union(&scope);
                if reason.is_some() {
                    (self.asked, self.shown) = (true, shown);
                }
                self.policy_version = basis.policy_version;
            }
            GrantEvent::Narrowed { scope, .. } => self.scope = self.scope.intersection(&scope),
            GrantEvent::Revoked { .. } => self.scope = Scope::default(),
            _ => {}
        }
    }
}

fn grant_event(recorded: &Recorded) -> Option<GrantEvent> {
    if recorded.stream.kind() != StreamKind::Grant {
        return None;
    }
    match recorded.decode().ok()? {
        Event::Grant(event) => Some(event),
        _ => None,
    }
}

impl ReceiptEvent {
    /// The event as a receipt tells it; None when it is none of [`RECEIPT_EVENTS`].
    pub fn of(recorded: &Recorded) -> Option<Self> {
        let (event_type, state, scope, reason) = match grant_event(recorded)? {
            GrantEvent::Opened { .. } => (ReceiptEventType::Opened, None, None, None),
            GrantEvent::Consented { scope, reason: Some(_), .. } => (ReceiptEventType::Given, Some("dpv:ConsentGiven"), Some(scope), None),
            GrantEvent::Consented { scope, reason: None, .. } => (ReceiptEventType::GrantedWithoutAsking, None, Some(scope), None),
            GrantEvent::Narrowed { scope, reason } => (ReceiptEventType::Narrowed, None, Some(scope), Some(reason)),
            GrantEvent::Revoked { reason } => (ReceiptEventType::Ended, Some(ending(reason)), None, Some(reason)),
            _ => return None,
        };
        Some(Self {
            event_type,
            event_time: recorded.event.time.to_rfc3339(),
            event_state: state.map(str::to_owned),
            entity_id: recorded.event.actor.clone(),
            scope,
            reason,
            position: recorded.position.0,
        })
    }
}

/// The vocabulary tells apart who ended it: the person, or somebody else.
fn ending(reason: RevocationReason) -> &'static str {
    match reason {
        RevocationReason::Disconnected | RevocationReason::SubjectErased => "dpv:ConsentWithdrawn",
        _ => "dpv:ConsentRevoked",
    }
}

impl Authority {
    /// Signs a receipt in the name of the log.
    pub async fn sign_receipt(&self, receipt: ConsentReceipt) -> Result<ConsentReceipt, Trouble> {
        let key = self.ensure_ledger_key().await?;
        let unsigned = |error: serde_json::Error| Trouble::Crypto(error.to_string());
        let receipt = ConsentReceipt { signature: None, ..receipt };
        let document = serde_json::to_value(&receipt).map_err(unsigned)?;
        let header = json!({"alg": Algorithm::EdDsa.as_str(), "kid": key.kid(), "typ": TYPE});
        let header = base64url::encode(header.to_string());
        let signed = signing_input(&header, &document).map_err(unsigned)?;
        let signature = format!("{header}..{}", base64url::encode(key.sign(signed.as_bytes())));
        Ok(ConsentReceipt { signature: Some(signature), ..receipt })
    }
}

fn signing_input(header: &str, document: &Value) -> serde_json::Result<String> {
    Ok(format!("{header}.{}", base64url::encode(serde_json_canonicalizer::to_vec(document)?)))
}

/// The signature of a receipt, and of nothing else, by one of these keys.
fn verify_signature(document: &Value, jws: &str, keys: &[VerifierKey]) -> Result<(), ReceiptError> {
    let (header, signature) = jws.split_once("..").ok_or(ReceiptError::BadSignature)?;
    let octets = base64url::decode(header).ok_or(ReceiptError::BadSignature)?;
    let told: Value = serde_json::from_slice(&octets).map_err(|_| ReceiptError::BadSignature)?;
    // RFC 7515 §4.1.11: nothing is critical that is not known; here only three members are.
    if told.as_object().is_none_or(|told| told.len() != 3) || told["alg"] != Algorithm::EdDsa.as_str() || told["typ"] != TYPE {
        return Err(ReceiptError::BadSignature);
    }
    let key = keys.iter().find(|key| key.jwk().kid.as_deref() == told["kid"].as_str()).ok_or(ReceiptError::Unsigned)?;
    let signed = signing_input(header, document).map_err(|error| ReceiptError::Malformed(error.to_string()))?;
    let signature = base64url::decode(signature).ok_or(ReceiptError::BadSignature)?;
    if key.verifies(signed.as_bytes(), &signature) { Ok(()) } else { Err(ReceiptError::BadSignature) }
}

/// JSON-LD 1.1: the groups are there to be read by, and mean nothing of their own (`@nest`); what the vocabularies have no word
/// for stays in a vocabulary of ours.
fn context() -> Value {
    let time = |id: &str| json!({"@id": id, "@type": "xsd:dateTime"});
    let link = |id: &str| json!({"@id": id, "@type": "@id"});
    json!({
        "@version": 1.1,
        "@vocab": "urn:grantlog:consent-receipt:",
        "dpv": DPV,
        "dct": "http://purl.org/dc/terms/",
        "schema": "https://schema.org/",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
        "header": "@nest",
        "processing": "@nest",
        "schema_version": "dct:conformsTo",
        "record_id": "dct:identifier",
        "pii_principal_id": "dpv:hasDataSubject",
        "issued_at": time("dct:issued"),
        "lawful_basis": {"@id": "dpv:hasLegalBasis", "@type": "@vocab"},
        "purposes": "dpv:hasPurpose",
        "description": "dct:description",
        "privacy_notice": link("dpv:hasNotice"),
        "withdrawal_method": link("dpv:isExercisedAt"),
        "parties": "dpv:hasEntity",
        "name": "schema:name",
        "contact": "dpv:hasContact",
        "url": link("schema:url"),
        "terms": link("schema:termsOfService"),
        "events": {"@id": "dpv:hasRecordOfActivity", "@container": "@list"},
        "event_time": time("dct:date"),
        "event_state": {"@id": "dpv:hasConsentStatus", "@type": "@vocab"},
        "evidence": {"@id": "urn:grantlog:consent-receipt:evidence", "@type": "@json"},
        "shown": {"@id": "urn:grantlog:consent-receipt:shown", "@type": "@json"}
    })
}
