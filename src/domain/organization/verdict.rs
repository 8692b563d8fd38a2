use serde::{Deserialize, Serialize};

use super::{ClientRule, OrganizationPolicy, RuleMode};
use crate::{
    domain::{ClientId, OrganizationId},
    protocol::{ClientMetadata, ClientType, RedirectUri},
};

/// Why a client may not work where a person acts. The names are for programs and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OrganizationReason {
    /// It belongs to an organization, and the person acts in another one or in none.
    ClientOfAnotherOrganization,
    /// The organization allows some clients of its type, and not this one.
    ClientNotAllowed,
    /// The organization allows no client of its type.
    ClientTypeNotAllowed,
}

/// Why this client may not work where the person acts: in this organization with its policy, or in none. Nothing when it
/// may.
pub fn verdict(
    organization: Option<(&OrganizationId, &OrganizationPolicy)>,
    client_id: &ClientId,
    client: &ClientMetadata,
) -> Vec<OrganizationReason> {
    let mut reasons = Vec::new();
    if client.organization_id.is_some() && client.organization_id.as_ref() != organization.map(|(id, _)| id) {
        reasons.push(OrganizationReason::ClientOfAnotherOrganization);
    }
    let rule = organization.and_then(|(_, policy)| match client.client_type {
        ClientType::FirstParty => Some(&policy.first_party),
        ClientType::ThirdParty => Some(&policy.third_party),
        // It acts for itself, not for people: no policy is about it.
        ClientType::Machine => None,
    });
    reasons.extend(rule.and_then(|rule| objection(rule, client_id, client)));
    reasons
}

fn objection(rule: &ClientRule, client_id: &ClientId, client: &ClientMetadata) -> Option<OrganizationReason> {
    match rule.mode {
        RuleMode::AllAllowed => None,
        RuleMode::NoneAllowed => Some(OrganizationReason::ClientTypeNotAllowed),
        RuleMode::Restricted => {
            let by_host = || verified_host(client_id, client).is_some_and(|host| rule.hosts.contains(&host));
            (!rule.clients.contains(client_id) && !by_host()).then_some(OrganizationReason::ClientNotAllowed)
        }
    }
}

/// The host that is proven to be the client's: that of its id when the id is an https URL, since its metadata come from
/// there; otherwise the one that all its redirect URIs are at, since nobody else gets its codes. A single redirect URI of
/// another kind (a program on somebody's machine) proves nothing, so then there is none.
pub fn verified_host(client_id: &ClientId, client: &ClientMetadata) -> Option<String> {
    if let Some(host) = https_host(client_id.as_str()) {
        return Some(host);
    }
    let mut hosts = client.redirect_uris.iter().map(|uri| https_host(uri.as_str()));
    let first = hosts.next()??;
    hosts.all(|host| host.as_ref() == Some(&first)).then_some(first)
}

fn https_host(text: &str) -> Option<String> {
    let is_https = text.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"));
    let uri = RedirectUri::parse(text).ok().filter(|_| is_https)?;
    Some(uri.host_for_display())
}
