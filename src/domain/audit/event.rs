use serde::{Deserialize, Serialize};

use crate::domain::{AuthorizationId, ClientId, GrantId, OrganizationId, SubjectId, Timestamp};

/// What was asked of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Which events there are.
    Events,
    /// The same, all of them at once.
    Export,
    /// What a person had agreed to.
    Consents,
    /// How a consent came about and what became of it.
    ConsentHistory,
    /// The receipt of a consent.
    ConsentReceipt,
    /// Which people were erased.
    Erasures,
    /// Which grants there were.
    Grants,
    /// What a client was.
    Client,
    /// Which policy held.
    Policy,
    /// Which signing keys there were.
    SigningKeys,
    /// Why a token was issued.
    TokenReasons,
    /// A bundle of the ledger's entries, which are events.
    LedgerEntries,
    /// The proof that an event is in the log, which has the event in it.
    InclusionProof,
}

/// What narrowed a question. It names people by our ids of them and nothing that the log does not name anyway: a value
/// that the log does not know is not repeated here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filters {
    /// Whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
    /// Which client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// Which organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<OrganizationId>,
    /// Which grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<GrantId>,
    /// Which authorization request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_id: Option<AuthorizationId>,
    /// Caused by whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Events of which type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Which token, by its `jti`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Not before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// As it was at this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// As it was at this position of the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// From where in the list the page goes on: behind this position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// The filters whose value the log does not know: nothing was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

impl Filters {
    /// Whether everything was asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What happens to the record of one reader on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum AuditEvent {
    /// The reader asked, and was answered unless the answer failed.
    #[serde(rename = "audit.read")]
    Read {
        /// What.
        what: Question,
        /// About whom and when.
        #[serde(default, skip_serializing_if = "Filters::is_empty")]
        filters: Filters,
    },
}
