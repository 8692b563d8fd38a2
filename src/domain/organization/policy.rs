use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{domain::ClientId, protocol::parse_client_id};

/// The longest list of a rule.
const LONGEST_LIST: usize = 1_000;

/// Which clients may work in an organization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OrganizationPolicy {
    /// The application's own clients.
    #[serde(default, skip_serializing_if = "ClientRule::is_default")]
    pub first_party: ClientRule,
    /// Everybody else's.
    #[serde(default, skip_serializing_if = "ClientRule::is_default")]
    pub third_party: ClientRule,
}

/// Which clients of one type may work in an organization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClientRule {
    /// All, some or none.
    pub mode: RuleMode,
    /// Those that may, by id; for `restricted`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub clients: BTreeSet<ClientId>,
    /// Those that may, by the host that is proven to be theirs; for `restricted`, and third-party clients alone.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub hosts: BTreeSet<String>,
}

/// How many of the clients of one type may work in an organization.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RuleMode {
    /// All of them.
    #[default]
    AllAllowed,
    /// Those in the list.
    Restricted,
    /// None of them.
    NoneAllowed,
}

impl ClientRule {
    /// Whether it lets everybody in, as without it.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One mistake in a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct PolicyProblem {
    /// The member that it is in: `third_party.hosts[2]`.
    pub field: String,
    /// What is wrong, as the rest of a sentence that begins with the member's name.
    pub problem: &'static str,
}

/// A policy as people send it: unchecked, and with most of it left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OrganizationPolicyInput {
    /// The application's own clients; all of them, when left out.
    pub first_party: Option<ClientRuleInput>,
    /// Everybody else's; all of them, when left out.
    pub third_party: Option<ClientRuleInput>,
}

/// Which clients of one type may work in the organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ClientRuleInput {
    /// All, some or none.
    pub mode: RuleMode,
    /// Those that may, by id; with `restricted` alone.
    #[serde(default)]
    pub clients: Vec<String>,
    /// Those that may, by the host that is proven to be theirs; with `restricted` alone, and for third-party clients.
    #[serde(default)]
    pub hosts: Vec<String>,
}

impl OrganizationPolicyInput {
    /// Checks it, and says everything that is wrong.
    pub fn into_policy(self) -> Result<OrganizationPolicy, Vec<PolicyProblem>> {
        let mut problems = Vec::new();
        let first_party = self.first_party.map(|rule| rule.into_rule("first_party", &mut problems)).unwrap_or_default();
        let third_party = self.third_party.map(|rule| rule.into_rule("third_party", &mut problems)).unwrap_or_default();
        if !first_party.hosts.is_empty() {
            let problem = "is for third-party clients: the application's own are known by id";
            problems.push(PolicyProblem { field: "first_party.hosts".to_owned(), problem });
        }
        if problems.is_empty() { Ok(OrganizationPolicy { first_party, third_party }) } else { Err(problems) }
    }
}

impl ClientRuleInput {
    fn into_rule(self, name: &str, problems: &mut Vec<PolicyProblem>) -> ClientRule {
        for (list, length) in [("clients", self.clients.len()), ("hosts", self.hosts.len())] {
            let mut wrong = |is_so: bool, problem| {
                if is_so {
                    problems.push(PolicyProblem { field: format!("{name}.{list}"), problem });
                }
            };
            wrong(length > LONGEST_LIST, "has more than 1000 entries");
            wrong(length > 0 && self.mode != RuleMode::Restricted, "is for `restricted` alone");
        }
        let mut clients = BTreeSet::new();
        for (index, text) in self.clients.iter().enumerate() {
            match parse_client_id(text) {
                Some(client_id) => drop(clients.insert(client_id)),
                None => problems.push(PolicyProblem { field: format!("{name}.clients[{index}]"), problem: "is no id of a client" }),
            }
        }
        let mut hosts = BTreeSet::new();
        for (index, text) in self.hosts.into_iter().enumerate() {
            let host = text.to_ascii_lowercase();
            if is_host(&host) {
                hosts.insert(host);
            } else {
                let problem = "is no name of a host: no scheme, no port, no path, no wildcard";
                problems.push(PolicyProblem { field: format!("{name}.hosts[{index}]"), problem });
            }
        }
        ClientRule { mode: self.mode, clients, hosts }
    }
}

/// A domain name in ASCII (RFC 1123 §2.1) with at least one dot, or an IPv4 address, which looks the same.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        let allowed = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (1..=63).contains(&label.len()) && allowed && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(is_label)
}
