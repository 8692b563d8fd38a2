//! What holds for every history that commands can make, checked against the bare list of events.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    tests::{authorization, binding, consent, redeem, refresh, right_verifier, scope, verifier},
    *,
};
use crate::{
    domain::{ClientId, Decider, Seconds, Timestamp, authorization::Basis},
    protocol::{AccessTokenFormat, Scope},
};

const GRACE: u32 = 30;
const CODE_LIFETIME: Seconds = Seconds(60);
const SCOPES: [&str; 5] =
    ["offline_access openid", "email offline_access openid", "email", "offline_access profile", "email offline_access"];

/// What a person may lose.
const LOST: [&str; 3] = ["email", "openid profile", "offline_access"];

/// Something that happens in a random history. Families and generations are picked relative to what exists.
#[derive(Clone, Debug)]
enum Step {
    Wait(u32),
    Consent { request: u128, scope: usize },
    Redeem { request: u128, is_verifier_right: bool },
    Authorize { request: u128, scope: usize },
    Refresh { family: u32, behind: u32, scope: Option<usize>, grace: u32 },
    RevokeAccessToken { token: u32 },
    RevokeRefreshToken { family: u32, behind: u32 },
    Narrow { lost: usize },
    EndSessions,
    Revoke,
}

fn step() -> impl Strategy<Value = Step> {
    let request = 1u128..7;
    let scope = 0..SCOPES.len();
    let grace = prop_oneof![Just(0), Just(GRACE)];
    prop_oneof![
        6 => prop_oneof![8 => 0u32..50, 1 => 50u32..1_000, 1 => 50_000u32..200_000].prop_map(Step::Wait),
        2 => (request.clone(), scope.clone()).prop_map(|(request, scope)| Step::Consent { request, scope }),
        3 => (request.clone(), prop::bool::weighted(0.8))
            .prop_map(|(request, is_verifier_right)| Step::Redeem { request, is_verifier_right }),
        4 => (request, scope.clone()).prop_map(|(request, scope)| Step::Authorize { request, scope }),
        9 => (0u32..4, 0u32..3, prop::option::of(scope), grace)
            .prop_map(|(family, behind, scope, grace)| Step::Refresh { family, behind, scope, grace }),
        2 => (0u32..20).prop_map(|token| Step::RevokeAccessToken { token }),
        1 => (0u32..4, 0u32..3).prop_map(|(family, behind)| Step::RevokeRefreshToken { family, behind }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..60)
}

/// Histories in which the grant may be revoked, too.
fn steps_with_revocation() -> impl Strategy<Value = Vec<Step>> {
    let narrow = (0..LOST.len()).prop_map(|lost| Step::Narrow { lost });
    prop::collection::vec(prop_oneof![60 => step(), 3 => narrow, 2 => Just(Step::EndSessions), 2 => Just(Step::Revoke)], 0..60)
}

fn revoke_token(token: TokenRef) -> GrantCommand {
    GrantCommand::RevokeToken(RevokeToken { token, client_id: tests::app() })
}

/// A grant with its log.
#[derive(Clone, Default)]
struct World {
    grant: Grant,
    now: Timestamp,
    log: Vec<GrantEvent>,
    /// When each of them was decided.
    times: Vec<Timestamp>,
}

impl World {
    fn after(steps: Vec<Step>) -> Self {
        let mut world = Self::default();
        for step in steps {
            world.take(step);
        }
        world
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Wait(seconds) => self.now = self.now.plus(Seconds(seconds)),
            Step::Authorize { request, scope } => {
                self.take(Step::Consent { request, scope });
                self.take(Step::Redeem { request, is_verifier_right: true });
            }
            step => {
                if let Some(command) = self.command(step) {
                    let _ = self.decide(&command);
                }
            }
        }
    }

    fn command(&self, step: Step) -> Option<GrantCommand> {
        Some(match step {
            Step::Wait(_) | Step::Authorize { .. } => return None,
            Step::Consent { request, scope } => {
                let expires_at = self.now.plus(CODE_LIFETIME);
                GrantCommand::RecordConsent(Box::new(consent(request, SCOPES[scope], expires_at)))
            }
            Step::Redeem { request, is_verifier_right } => {
                let presented = if is_verifier_right { right_verifier() } else { verifier(&"x".repeat(43)) };
                GrantCommand::RedeemCode(RedeemCode { code_verifier: Some(presented), ..redeem(request) })
            }
            Step::Refresh { family, behind, scope: narrowed, grace } => {
                let scope = narrowed.map(|index| scope(SCOPES[index]));
                let generation = self.generation(family)?.checked_sub(behind)?;
                GrantCommand::Refresh(Refresh { scope, grace: Seconds(grace), ..refresh(family, generation) })
            }
            Step::RevokeAccessToken { token } => revoke_token(TokenRef::Access(TokenNumber(token))),
            Step::RevokeRefreshToken { family, behind } => {
                let generation = Generation(self.generation(family)?.checked_sub(behind)?);
                revoke_token(TokenRef::Refresh { family: FamilyNumber(family), generation })
            }
            Step::Narrow { lost } => GrantCommand::Narrow(Narrow { lost: scope(LOST[lost]), reason: RevocationReason::RolesChanged }),
            Step::EndSessions => GrantCommand::EndSessions(EndSessions { reason: RevocationReason::SessionsEnded }),
            Step::Revoke => GrantCommand::Revoke(Revoke { reason: RevocationReason::Disconnected }),
        })
    }

    /// Decides and folds what follows.
    fn decide(&mut self, command: &GrantCommand) -> Result<Vec<GrantEvent>, GrantRefusal> {
        let events = GrantDecider::decide(&self.grant, command, self.now)?;
        for event in &events {
            self.grant = GrantDecider::evolve(std::mem::take(&mut self.grant), event, self.now);
            self.log.push(event.clone());
            self.times.push(self.now);
        }
        Ok(events)
    }

    fn refresh(&mut self, family: u32, generation: u32) -> Result<Vec<GrantEvent>, GrantRefusal> {
        self.decide(&GrantCommand::Refresh(Refresh { grace: Seconds(GRACE), ..refresh(family, generation) }))
    }

    fn generation(&self, family: u32) -> Option<u32> {
        self.grant.family(FamilyNumber(family)).and_then(Family::generation).map(|generation| generation.0)
    }

    /// The families that can be refreshed now.
    fn refreshable(&self) -> Vec<u32> {
        (0..self.grant.next_family.0)
            .filter(|family| self.generation(*family).is_some_and(|current| self.clone().refresh(*family, current).is_ok()))
            .collect()
    }

    /// The generations of a family that get a token now.
    fn accepted(&self, family: u32, grace: u32) -> Vec<u32> {
        let current = self.generation(family).unwrap_or_default();
        let gets_a_token = |generation: &u32| {
            let command = Refresh { grace: Seconds(grace), ..refresh(family, *generation) };
            let decision = GrantDecider::decide(&self.grant, &GrantCommand::Refresh(command), self.now);
            decision.is_ok_and(|events| issued(&events).is_some())
        };
        (0..=current + 2).filter(gets_a_token).collect()
    }

    fn live_access_tokens(&self) -> BTreeSet<TokenNumber> {
        (0..self.grant.next_token.0).map(TokenNumber).filter(|token| self.grant.is_access_token_live(*token, self.now)).collect()
    }

    /// What the log says about liveness, without the state: issued, not expired, and nothing has ended it.
    fn live_by_the_log(&self) -> BTreeSet<TokenNumber> {
        let mut live = BTreeMap::new();
        for event in &self.log {
            match event {
                GrantEvent::AccessTokenIssued { token, family, expires_at, .. } if self.now < *expires_at => {
                    live.insert(*token, *family);
                }
                GrantEvent::AccessTokenRevoked { token, .. } => {
                    live.remove(token);
                }
                GrantEvent::FamilyEnded { family: ended, .. } => live.retain(|_, family| family != ended),
                GrantEvent::SessionsEnded { .. } | GrantEvent::Revoked { .. } => live.clear(),
                _ => {}
            }
        }
        live.into_keys().collect()
    }
}

/// Any event at all, as no sane history has it.
fn event() -> impl Strategy<Value = GrantEvent> {
    let number = prop_oneof![4 => 0u32..4, 1 => any::<u32>()];
    let time = prop_oneof![4 => 0i64..1_000_000, 1 => any::<i64>()];
    let parts = (0u8..14, 0u128..4, number.clone(), number, time, 0..SCOPES.len());
    parts.prop_map(|(which, request, first, second, time, text)| {
        let (authorization_id, family, token) = (authorization(request), FamilyNumber(first), TokenNumber(second));
        let (generation, expires_at, reason) = (Generation(second), Timestamp(time), RevocationReason::Disconnected);
        match which {
            0 => GrantEvent::Opened { subject: tests::subject(), client_id: tests::app(), organization_id: None },
            1 => GrantEvent::Consented { authorization_id, scope: scope(SCOPES[text]), reason: None, shown: None, basis: Basis::default() },
            2 => GrantEvent::CodeIssued { authorization_id, binding: binding(SCOPES[text]), expires_at },
            3 => GrantEvent::CodeRedeemed { authorization_id, family },
            4 => GrantEvent::CodeReplayed { authorization_id },
            5 => GrantEvent::AccessTokenIssued {
                token,
                family,
                scope: scope(SCOPES[text]),
                audience: vec![],
                format: AccessTokenFormat::Opaque,
                expires_at,
            },
            6 => GrantEvent::RefreshTokenIssued { family, expires_at },
            7 => GrantEvent::RefreshTokenRotated { family, generation, expires_at },
            8 => GrantEvent::RefreshTokenReplayed { family, generation },
            9 => GrantEvent::AccessTokenRevoked { token, reason },
            10 => GrantEvent::FamilyEnded { family, reason },
            11 => GrantEvent::Narrowed { scope: scope(SCOPES[text]), reason },
            12 => GrantEvent::SessionsEnded { reason },
            _ => GrantEvent::Revoked { reason },
        }
    })
}

fn consented_scope(log: &[GrantEvent]) -> Scope {
    log.iter().fold(Scope::default(), |all, event| match event {
        GrantEvent::Consented { scope, .. } => all.union(scope),
        GrantEvent::Narrowed { scope, .. } => all.intersection(scope),
        _ => all,
    })
}

/// The same grant without what retention may drop of it, and how much that is.
fn without_dispensable(world: &World, cutoff: Timestamp) -> (World, Vec<GrantEvent>) {
    let history: Vec<_> = world.times.iter().copied().zip(world.log.iter().cloned()).collect();
    let places: BTreeSet<usize> = dispensable(&history, world.now, cutoff).into_iter().collect();
    let mut thinned = World { now: world.now, ..World::default() };
    let mut dropped = Vec::new();
    for (place, (at, event)) in history.into_iter().enumerate() {
        if places.contains(&place) {
            dropped.push(event);
        } else {
            thinned.grant = GrantDecider::evolve(std::mem::take(&mut thinned.grant), &event, at);
            thinned.log.push(event);
            thinned.times.push(at);
        }
    }
    (thinned, dropped)
}

proptest! {
    #[test]
    fn without_what_retention_drops_every_decision_is_the_same(
        before in steps_with_revocation(),
        pause in 0u32..400_000,
        age in 0u32..400_000,
        after in steps_with_revocation(),
    ) {
        let mut world = World::after(before);
        world.take(Step::Wait(pause));
        let cutoff = Timestamp(world.now.0 - i64::from(age) * 1000);
        let (mut thinned, dropped) = without_dispensable(&world, cutoff);
        for event in &dropped {
            prop_assert!(crate::domain::catalog::reference::is_issuance(&crate::domain::Event::from(event.clone()).encode().kind));
        }
        prop_assert_eq!(thinned.log.last(), world.log.last());
        // Memory ends at some moment after it must last, which is when something is issued.
        world.grant.forget(world.now);
        thinned.grant.forget(world.now);
        for step in after {
            let length = world.log.len();
            let other = thinned.log.len();
            world.take(step.clone());
            thinned.take(step);
            prop_assert_eq!(&world.log[length..], &thinned.log[other..]);
            prop_assert_eq!(&world.grant, &thinned.grant);
        }
    }

    #[test]
    fn when_everything_has_expired_little_but_consents_and_ends_is_kept(steps in steps_with_revocation()) {
        let mut world = World::after(steps);
        world.take(Step::Wait(u32::MAX));
        let (thinned, _) = without_dispensable(&world, world.now);
        let issuance = |event: &&GrantEvent| crate::domain::catalog::reference::is_issuance(&crate::domain::Event::from((*event).clone()).encode().kind);
        // The newest code, family and token, and the last event.
        let kept = thinned.log.iter().filter(issuance).count();
        prop_assert!(kept <= 4, "{:?}", thinned.log);
    }

    #[test]
    fn folding_anything_in_any_order_never_panics(
        events in prop::collection::vec((event(), any::<i64>()), 0..30),
        steps in steps_with_revocation(),
        now in any::<i64>(),
    ) {
        let fold = |grant, (event, at): &(GrantEvent, i64)| GrantDecider::evolve(grant, event, Timestamp(*at));
        let grant = events.iter().fold(Grant::default(), fold);
        let mut world = World { grant, now: Timestamp(now), ..World::default() };
        for step in steps {
            world.take(step);
        }
    }

    #[test]
    fn the_state_says_what_the_log_says(steps in steps_with_revocation()) {
        let mut world = World::default();
        for step in steps {
            world.take(step);
            prop_assert_eq!(world.live_access_tokens(), world.live_by_the_log());
            prop_assert_eq!(world.grant.consented(), &consented_scope(&world.log));
        }
    }

    #[test]
    fn what_is_live_carries_no_more_than_what_is_left(steps in steps_with_revocation()) {
        let mut world = World::default();
        for step in steps {
            world.take(step);
            let consented = world.grant.consented().clone();
            prop_assert!(world.grant.live_access_tokens(world.now).all(|(_, carried)| carried.is_subset(&consented)));
            prop_assert!(world.grant.live_families(world.now).all(|(_, family)| family.scope().is_subset(&consented)));
        }
    }

    #[test]
    fn what_was_lost_is_not_issued_again_without_consent(before in steps(), after in steps(), lost in 0..LOST.len()) {
        let mut world = World::after(before);
        world.take(Step::Narrow { lost });
        let left = world.grant.consented().clone();
        prop_assume!(world.grant.is_open());
        let length = world.log.len();
        for step in after.into_iter().filter(|step| !matches!(step, Step::Consent { .. } | Step::Authorize { .. })) {
            world.take(step);
        }
        for event in &world.log[length..] {
            if let GrantEvent::AccessTokenIssued { scope, .. } = event {
                prop_assert!(scope.is_subset(&left) && !scope.is_empty());
            }
        }
    }

    #[test]
    fn when_the_sessions_are_ended_nothing_goes_on_and_the_consent_stays(before in steps(), after in steps()) {
        let mut world = World::after(before);
        let consented = world.grant.consented().clone();
        world.take(Step::EndSessions);
        prop_assert!(world.live_access_tokens().is_empty() && world.refreshable().is_empty());
        prop_assert_eq!(world.grant.consented(), &consented);
        let length = world.log.len();
        for step in after.into_iter().filter(|step| !matches!(step, Step::Consent { .. } | Step::Authorize { .. })) {
            world.take(step);
            prop_assert!(issued(&world.log[length..]).is_none());
        }
    }

    #[test]
    fn a_family_has_at_most_one_live_refresh_token(steps in steps_with_revocation()) {
        let mut world = World::default();
        for step in steps {
            world.take(step);
            for family in 0..world.grant.next_family.0 {
                let current = world.generation(family).unwrap_or_default();
                let without_grace = world.accepted(family, 0);
                prop_assert!(without_grace.is_empty() || without_grace == [current]);
                let with_grace = world.accepted(family, GRACE);
                prop_assert!(with_grace.iter().all(|generation| *generation == current || generation + 1 == current));
            }
        }
    }

    #[test]
    fn after_revocation_nothing_is_ever_live(before in steps(), after in steps()) {
        let mut world = World::after(before);
        prop_assume!(world.grant.is_open());
        world.take(Step::Revoke);
        for step in after {
            let length = world.log.len();
            world.take(step);
            prop_assert!(issued(&world.log[length..]).is_none());
            prop_assert!(world.live_access_tokens().is_empty());
            prop_assert!((0..world.grant.next_family.0).all(|family| !world.grant.is_family_live(FamilyNumber(family), world.now)));
            prop_assert!(world.refreshable().is_empty());
        }
    }

    #[test]
    fn a_code_is_issued_once_and_redeemed_at_most_once(steps in steps_with_revocation()) {
        let (mut issued, mut redeemed) = (BTreeSet::new(), BTreeSet::new());
        for event in World::after(steps).log {
            match event {
                GrantEvent::CodeIssued { authorization_id, .. } => prop_assert!(issued.insert(authorization_id)),
                GrantEvent::CodeRedeemed { authorization_id, .. } => {
                    prop_assert!(issued.contains(&authorization_id));
                    prop_assert!(redeemed.insert(authorization_id));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn a_used_code_gets_nothing_more_and_ends_only_its_family(steps in steps(), request in 1u128..7) {
        let mut world = World::after(steps);
        world.take(Step::Authorize { request, scope: 0 });
        let spent = world.log.iter().find_map(|event| match event {
            GrantEvent::CodeRedeemed { authorization_id, family } if *authorization_id == authorization(request) => Some(*family),
            _ => None,
        });
        prop_assume!(spent.is_some());
        let before = world.live_access_tokens();
        let events = world.decide(&GrantCommand::RedeemCode(redeem(request))).unwrap_or_default();
        prop_assert!(issued(&events).is_none());
        for event in &events {
            if let GrantEvent::FamilyEnded { family, .. } = event {
                prop_assert_eq!(Some(*family), spent);
            }
        }
        let of_the_family = |token: &TokenNumber| world.log.iter().any(|event| {
            matches!(event, GrantEvent::AccessTokenIssued { token: number, family, .. } if number == token && Some(*family) == spent)
        });
        prop_assert!(before.difference(&world.live_access_tokens()).all(of_the_family));
        let again = world.decide(&GrantCommand::RedeemCode(redeem(request)));
        prop_assert!(again.is_err() || again == Ok(Vec::new()));
    }

    #[test]
    fn retries_within_the_grace_window_all_get_the_same_successor(
        steps in steps(),
        which in any::<prop::sample::Index>(),
        pauses in prop::collection::vec(0u32..5, 1..7),
    ) {
        let mut world = World::after(steps);
        world.take(Step::Authorize { request: 7, scope: 0 });
        let families = world.refreshable();
        prop_assume!(!families.is_empty());
        let family = *which.get(&families);
        let presented = world.generation(family).unwrap();
        world.refresh(family, presented).unwrap();
        for pause in pauses {
            world.take(Step::Wait(pause));
            let events = world.refresh(family, presented).unwrap();
            prop_assert!(issued(&events).is_some());
            prop_assert_eq!(events.len(), 1);
            prop_assert_eq!(world.generation(family), Some(presented + 1));
        }
    }

    #[test]
    fn a_late_reuse_ends_that_family_and_no_other(
        steps in steps(),
        which in any::<prop::sample::Index>(),
        is_successor_used in any::<bool>(),
    ) {
        let mut world = World::after(steps);
        world.take(Step::Authorize { request: 7, scope: 0 });
        world.take(Step::Authorize { request: 8, scope: 1 });
        let families = world.refreshable();
        prop_assume!(!families.is_empty());
        let family = *which.get(&families);
        let presented = world.generation(family).unwrap();
        world.refresh(family, presented).unwrap();
        if is_successor_used {
            world.refresh(family, presented + 1).unwrap();
        } else {
            world.take(Step::Wait(GRACE + 1));
        }
        let others: Vec<_> = world.refreshable().into_iter().filter(|other| *other != family).collect();
        let events = world.refresh(family, presented).unwrap();
        prop_assert_eq!(events, vec![
            GrantEvent::RefreshTokenReplayed { family: FamilyNumber(family), generation: Generation(presented) },
            GrantEvent::FamilyEnded { family: FamilyNumber(family), reason: RevocationReason::RefreshTokenReplayed },
        ]);
        prop_assert_eq!(world.refreshable(), others);
        prop_assert_eq!(world.live_access_tokens(), world.live_by_the_log());
        prop_assert_eq!(world.refresh(family, presented), Err(GrantRefusal::Ended));
    }

    #[test]
    fn no_token_exceeds_its_authorization_nor_the_consent(steps in steps_with_revocation()) {
        let (mut codes, mut families) = (BTreeMap::new(), BTreeMap::new());
        let mut consented = Scope::default();
        for event in World::after(steps).log {
            match event {
                GrantEvent::Consented { scope, .. } => consented = consented.union(&scope),
                GrantEvent::CodeIssued { authorization_id, binding, .. } => {
                    codes.insert(authorization_id, binding.scope);
                }
                GrantEvent::CodeRedeemed { authorization_id, family } => {
                    families.insert(family, codes[&authorization_id].clone());
                }
                GrantEvent::Narrowed { scope, .. } => consented = consented.intersection(&scope),
                GrantEvent::AccessTokenIssued { family, scope, .. } => {
                    prop_assert!(scope.is_subset(&families[&family]));
                    prop_assert!(scope.is_subset(&consented));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn numbers_never_repeat(steps in steps_with_revocation()) {
        let (mut families, mut tokens, mut generations) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for event in World::after(steps).log {
            match event {
                GrantEvent::CodeRedeemed { family, .. } => prop_assert!(families.insert(family)),
                GrantEvent::AccessTokenIssued { token, .. } => prop_assert!(tokens.insert(token)),
                GrantEvent::RefreshTokenIssued { family, .. } => prop_assert!(generations.insert((family, Generation(0)))),
                GrantEvent::RefreshTokenRotated { family, generation, .. } => prop_assert!(generations.insert((family, generation))),
                _ => {}
            }
        }
    }

    #[test]
    fn another_client_changes_nothing(steps in steps(), request in 1u128..7, family in 0u32..4, generation in 0u32..4, token in 0u32..20) {
        let mut world = World::after(steps);
        prop_assume!(world.grant.is_open());
        let thief = || ClientId::from("thief");
        let refresh_token = TokenRef::Refresh { family: FamilyNumber(family), generation: Generation(generation) };
        let attempts = [
            GrantCommand::RedeemCode(RedeemCode { client_id: thief(), ..redeem(request) }),
            GrantCommand::Refresh(Refresh { client_id: thief(), ..refresh(family, generation) }),
            GrantCommand::RevokeToken(RevokeToken { token: refresh_token, client_id: thief() }),
            GrantCommand::RevokeToken(RevokeToken { token: TokenRef::Access(TokenNumber(token)), client_id: thief() }),
        ];
        for attempt in attempts {
            let decision = world.decide(&attempt);
            prop_assert!(decision.is_err() || decision == Ok(Vec::new()));
        }
    }
}
