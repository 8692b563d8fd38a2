//! Which issuance facts of a grant are of no more consequence.

use std::collections::{BTreeMap, BTreeSet};

use super::{FamilyNumber, Grant, GrantDecider, GrantEvent};
use crate::domain::{AuthorizationId, Decider, Timestamp};

/// The places of the events that a grant can do without from `now` on, out of those that were decided before `cutoff`.
/// Without them it is the same grant, but for what it has forgotten or forgets as soon as anything is issued.
pub fn dispensable(history: &[(Timestamp, GrantEvent)], now: Timestamp, cutoff: Timestamp) -> Vec<usize> {
    let grant = fold(history.iter(), now);
    let chosen = choose(&grant, history, cutoff);
    let mut places = chosen.iter().peekable();
    let rest = history.iter().enumerate().filter(|(place, _)| places.next_if(|chosen| *chosen == place).is_none());
    // What was chosen follows from how grants forget. Should the two ever part, then everything is kept.
    if fold(rest.map(|(_, event)| event), now) == grant { chosen } else { Vec::new() }
}

fn fold<'a>(history: impl Iterator<Item = &'a (Timestamp, GrantEvent)>, now: Timestamp) -> Grant {
    let mut grant = history.fold(Grant::default(), |grant, (at, event)| GrantDecider::evolve(grant, event, *at));
    grant.forget(now);
    grant
}

fn choose(grant: &Grant, history: &[(Timestamp, GrantEvent)], cutoff: Timestamp) -> Vec<usize> {
    let (families, links) = (families_of_codes(history), links(history));
    let is_old = |(place, (at, _)): &(usize, &(Timestamp, GrantEvent))| *at < cutoff && place + 1 < history.len();
    let old = history.iter().enumerate().filter(is_old);
    let is_dispensable = |(place, (_, event)): &(usize, &(Timestamp, GrantEvent))| match event {
        GrantEvent::RefreshTokenIssued { family, .. } | GrantEvent::RefreshTokenRotated { family, .. } => {
            grant.family(*family).is_none() || !links.contains(place)
        }
        _ => is_dispensable(grant, event, &families),
    };
    old.filter(is_dispensable).map(|(place, _)| place).collect()
}

/// Which family each code started.
fn families_of_codes(history: &[(Timestamp, GrantEvent)]) -> BTreeMap<AuthorizationId, FamilyNumber> {
    let redeemed = history.iter().filter_map(|(_, event)| match event {
        GrantEvent::CodeRedeemed { authorization_id, family } => Some((*authorization_id, *family)),
        _ => None,
    });
    redeemed.collect()
}

/// A refresh token of a family.
struct Link {
    place: usize,
    at: Timestamp,
    expires_at: Timestamp,
}

/// The places of the refresh tokens without which a family would be forgotten before its last one: each kept one lives
/// until the next kept one came. They are as few as possible.
fn links(history: &[(Timestamp, GrantEvent)]) -> BTreeSet<usize> {
    let mut chains = BTreeMap::<FamilyNumber, Vec<Link>>::new();
    for (place, (at, event)) in history.iter().enumerate() {
        if let GrantEvent::RefreshTokenIssued { family, expires_at } | GrantEvent::RefreshTokenRotated { family, expires_at, .. } = event {
            chains.entry(*family).or_default().push(Link { place, at: *at, expires_at: *expires_at });
        }
    }
    chains.values().flat_map(|chain| shortened(chain)).collect()
}

fn shortened(chain: &[Link]) -> Vec<usize> {
    let mut kept = Vec::new();
    let mut next = 0;
    while let Some(link) = chain.get(next) {
        kept.push(link.place);
        let last_in_time = chain.iter().skip(next + 1).rposition(|later| later.at < link.expires_at);
        next += 1 + last_in_time.unwrap_or(0);
    }
    kept
}

/// The newest of everything that is numbered stays, so that no number is given out twice.
fn is_dispensable(grant: &Grant, event: &GrantEvent, families: &BTreeMap<AuthorizationId, FamilyNumber>) -> bool {
    let is_forgotten = |family: &FamilyNumber| grant.family(*family).is_none();
    match event {
        GrantEvent::CodeIssued { authorization_id, .. } => {
            grant.code(*authorization_id).is_none()
                && !grant.is_newest_forgotten(*authorization_id)
                && families.get(authorization_id).is_none_or(is_forgotten)
        }
        GrantEvent::CodeRedeemed { authorization_id, family } => {
            grant.code(*authorization_id).is_none() && is_forgotten(family) && family.0.checked_add(1) != Some(grant.next_family.0)
        }
        GrantEvent::AccessTokenIssued { token, family, expires_at, .. } => {
            let is_newest = token.0.checked_add(1) == Some(grant.next_token.0);
            // Until when a family lives is what the last of its tokens says.
            let is_last = grant.family_end(*family).is_some_and(|end| *expires_at >= end);
            !grant.knows_access_token(*token) && !is_newest && !is_last
        }
        GrantEvent::Opened { .. }
        | GrantEvent::Consented { .. }
        | GrantEvent::RefreshTokenIssued { .. }
        | GrantEvent::RefreshTokenRotated { .. }
        | GrantEvent::CodeReplayed { .. }
        | GrantEvent::RefreshTokenReplayed { .. }
        | GrantEvent::AccessTokenRevoked { .. }
        | GrantEvent::FamilyEnded { .. }
        | GrantEvent::Narrowed { .. }
        | GrantEvent::SessionsEnded { .. }
        | GrantEvent::Revoked { .. } => false,
    }
}
