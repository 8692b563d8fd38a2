use super::{
    CodeBinding, EndSessions, FamilyNumber, Generation, Grant, GrantCommand, GrantEvent, Issue, Narrow, RecordConsent, RedeemCode, Refresh,
    RevocationReason, Revoke, RevokeToken, TokenNumber, TokenRef,
    state::{Code, CodeState, Family, RefreshToken},
};
use crate::{
    domain::{Decider, Timestamp},
    protocol::Scope,
};

/// Decides what may happen to a grant.
#[derive(Clone, Copy, Debug)]
pub struct GrantDecider;

/// Why a grant says no. For a token request everything but `ScopeExceeded` and `ResourceNotGranted` is `invalid_grant`
/// (RFC 6749 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantRefusal {
    /// The grant is between others.
    #[error("the grant is between other parties")]
    AnotherParty,
    /// The grant is over; a new consent needs a new grant.
    #[error("the grant was revoked")]
    Revoked,
    /// The grant is over, though that is not recorded yet: end it, then open another.
    #[error("the grant was cut off")]
    CutOff,
    /// The request is so old that its code may have been issued and forgotten.
    #[error("the authorization request is too old to be answered")]
    TooLate,
    /// There is no such code or refresh token.
    #[error("no such code or refresh token")]
    Unknown,
    /// The code or refresh token was issued to another client.
    #[error("issued to another client")]
    NotTheClient,
    /// The code or refresh token has expired.
    #[error("expired")]
    Expired,
    /// What was agreed to is too long ago.
    #[error("the consent has expired")]
    ConsentExpired,
    /// The family of the refresh token has ended.
    #[error("the token family has ended")]
    Ended,
    /// `redirect_uri` is not that of the authorization request.
    #[error("redirect_uri is not that of the authorization request")]
    RedirectUriMismatch,
    /// The authorization request had a code challenge, the token request has no verifier.
    #[error("code_verifier is missing")]
    CodeVerifierMissing,
    /// The verifier does not hash to the challenge.
    #[error("code_verifier does not fit the code challenge")]
    CodeVerifierMismatch,
    /// The token request has a verifier, the authorization request had no challenge.
    #[error("code_verifier without a code challenge")]
    CodeVerifierUnexpected,
    /// More is asked for than was granted.
    #[error("the scope exceeds what was granted")]
    ScopeExceeded,
    /// A resource server is named that was not granted.
    #[error("resource: it was not granted by the authorization")]
    ResourceNotGranted,
    /// The token to revoke belongs to another client.
    #[error("the token was issued to another client")]
    IssuedToAnotherClient,
    /// There is no number left for one more family or token.
    #[error("the grant has no numbers left")]
    Exhausted,
}

type Decision = Result<Vec<GrantEvent>, GrantRefusal>;

impl Decider for GrantDecider {
    type State = Grant;
    type Command = GrantCommand;
    type Event = GrantEvent;
    type Refusal = GrantRefusal;

    fn decide(grant: &Grant, command: &GrantCommand, now: Timestamp) -> Decision {
        match command {
            GrantCommand::RecordConsent(command) => record_consent(grant, command),
            GrantCommand::RedeemCode(command) => redeem_code(grant, command, now),
            GrantCommand::Refresh(command) => refresh(grant, command, now),
            GrantCommand::RevokeToken(command) => revoke_token(grant, command, now),
            GrantCommand::Narrow(command) => Ok(narrow_grant(grant, command, now)),
            GrantCommand::EndSessions(command) => Ok(end_sessions(grant, command, now)),
            GrantCommand::Revoke(command) => Ok(revoke(grant, command)),
        }
    }

    fn evolve(grant: Grant, event: &GrantEvent, at: Timestamp) -> Grant {
        grant.evolve(event, at)
    }
}

fn record_consent(grant: &Grant, command: &RecordConsent) -> Decision {
    let is_new = grant.client_id().is_none();
    let same_parties = grant.subject() == Some(command.subject)
        && grant.client_id() == Some(&command.client_id)
        && grant.organization_id() == command.organization_id.as_ref();
    if !is_new && !same_parties {
        return Err(GrantRefusal::AnotherParty);
    }
    // One code for each request, so a repetition after a crash is harmless. This comes before the look at revocation:
    // else a repetition would carry the request over into a new grant, past the revocation.
    if grant.code(command.authorization_id).is_some() {
        return Ok(Vec::new());
    }
    if grant.is_revoked() {
        return Err(GrantRefusal::Revoked);
    }
    if command.cut_off.is_some_and(|cut_off| grant.was_opened_by(cut_off.at)) {
        return Err(GrantRefusal::CutOff);
    }
    // RFC 6749 §4.1.2: a code is used once. The code of a request is derived from it, so it is issued once.
    if grant.may_have_forgotten(command.authorization_id) {
        return Err(GrantRefusal::TooLate);
    }
    if !command.binding.scope.is_subset(&grant.consented().union(&command.scope)) {
        return Err(GrantRefusal::ScopeExceeded);
    }

    let mut events = Vec::with_capacity(3);
    if is_new {
        events.push(GrantEvent::Opened {
            subject: command.subject,
            client_id: command.client_id.clone(),
            organization_id: command.organization_id.clone(),
        });
    }
    events.push(GrantEvent::Consented {
        authorization_id: command.authorization_id,
        scope: command.scope.clone(),
        reason: command.reason,
        shown: command.shown.clone(),
        basis: command.basis.clone(),
    });
    events.push(GrantEvent::CodeIssued {
        authorization_id: command.authorization_id,
        binding: command.binding.clone(),
        expires_at: command.code_expires_at,
    });
    Ok(events)
}

fn redeem_code(grant: &Grant, command: &RedeemCode, now: Timestamp) -> Decision {
    let Some(Code { expires_at, state }) = grant.code(command.authorization_id) else { return Err(GrantRefusal::Unknown) };
    // RFC 6749 §4.1.3: the code was issued to this client. Said first, so that another client can neither spend the
    // code nor end what the rightful one made of it.
    if grant.client_id() != Some(&command.client_id) {
        return Err(GrantRefusal::NotTheClient);
    }
    let binding = match state {
        CodeState::Redeemed { family, replayed } => return Ok(replay_code(grant, command, *family, *replayed)),
        CodeState::Issued(binding) => binding,
    };
    // RFC 6749 §4.1.2: a code lives shortly.
    if now >= *expires_at {
        return Err(GrantRefusal::Expired);
    }
    if grant.is_revoked() {
        return Err(GrantRefusal::Revoked);
    }
    check_redirect_uri(binding, command.redirect_uri.as_deref())?;
    check_code_verifier(binding, command)?;
    check_resources(&binding.resources, &command.resources)?;

    // RFC 6749 §4.1.4: an access token, and a refresh token if the server likes. OIDC Core §11: it likes when access
    // while the person is away was granted.
    let until = consent_end(grant, &binding.scope, &command.issue, now)?;
    let family = next_family(grant)?;
    let mut events = vec![
        GrantEvent::CodeRedeemed { authorization_id: command.authorization_id, family },
        issue_access_token(next_token(grant)?, family, &binding.scope, &command.issue, until, now),
    ];
    if let Some(lifetime) = command.issue.refresh_token_lifetime.filter(|_| binding.scope.contains("offline_access")) {
        events.push(GrantEvent::RefreshTokenIssued { family, expires_at: now.plus(lifetime).min(until) });
    }
    Ok(events)
}

/// RFC 6749 §4.1.2: a code that comes a second time ends what the first one started. Recorded once: more
/// of the same tell nothing new, and whoever holds an old code must not be able to make the log grow.
fn replay_code(grant: &Grant, command: &RedeemCode, family: FamilyNumber, recorded: bool) -> Vec<GrantEvent> {
    let mut events = Vec::new();
    if !recorded {
        events.push(GrantEvent::CodeReplayed { authorization_id: command.authorization_id });
        if grant.family(family).is_some_and(|family| family.ended().is_none()) {
            events.push(GrantEvent::FamilyEnded { family, reason: RevocationReason::CodeReplayed });
        }
    }
    events
}

fn check_redirect_uri(binding: &CodeBinding, presented: Option<&str>) -> Result<(), GrantRefusal> {
    match presented {
        Some(uri) if uri == binding.redirect_uri.as_str() => Ok(()),
        Some(_) => Err(GrantRefusal::RedirectUriMismatch),
        // RFC 6749 §4.1.3: required when the authorization request had it. OAuth 2.1 §4.1.3: not with PKCE, which binds
        // the code to who asked for it.
        None if binding.redirect_uri_given && binding.code_challenge.is_none() => Err(GrantRefusal::RedirectUriMismatch),
        None => Ok(()),
    }
}

fn check_code_verifier(binding: &CodeBinding, command: &RedeemCode) -> Result<(), GrantRefusal> {
    match (&binding.code_challenge, &command.code_verifier) {
        // RFC 7636 §4.6: a wrong verifier is `invalid_grant`. It does not spend the code: a thief of the code alone must
        // not be able to lock its owner out, and guessing is hopeless in the code's lifetime.
        (Some(challenge), Some(verifier)) if challenge.verify(verifier) => Ok(()),
        (Some(_), Some(_)) => Err(GrantRefusal::CodeVerifierMismatch),
        (Some(_), None) => Err(GrantRefusal::CodeVerifierMissing),
        // RFC 9700 §2.1.1: somebody has taken the challenge out of the authorization request.
        (None, Some(_)) => Err(GrantRefusal::CodeVerifierUnexpected),
        (None, None) => Ok(()),
    }
}

/// RFC 8707 §2.2: a token request may narrow to some of the resource servers that were granted, and never widen.
fn check_resources(granted: &[String], named: &[String]) -> Result<(), GrantRefusal> {
    if named.iter().all(|resource| granted.contains(resource)) { Ok(()) } else { Err(GrantRefusal::ResourceNotGranted) }
}

fn refresh(grant: &Grant, command: &Refresh, now: Timestamp) -> Decision {
    let Some(client_id) = grant.client_id() else { return Err(GrantRefusal::Unknown) };
    // RFC 6749 §6: the refresh token is bound to the client it was issued to. Said first, so that another client can't
    // end a family by replaying its tokens.
    if *client_id != command.client_id {
        return Err(GrantRefusal::NotTheClient);
    }
    let Some(family) = grant.family(command.family) else { return Err(GrantRefusal::Unknown) };
    let Some(current) = family.refresh() else { return Err(GrantRefusal::Unknown) };
    if command.generation > current.generation {
        return Err(GrantRefusal::Unknown);
    }
    if grant.is_revoked() || family.ended().is_some() {
        return Err(GrantRefusal::Ended);
    }
    if now >= current.expires_at {
        return Err(GrantRefusal::Expired);
    }
    if command.generation == current.generation {
        return rotate(grant, command, family, current, now);
    }
    if is_in_grace(command, current, now) {
        // The successor is derived from family and generation: the same answer again, with a fresh access token.
        let scope = narrow(family, command)?;
        let until = consent_end(grant, family.scope(), &command.issue, now)?;
        return Ok(vec![issue_access_token(next_token(grant)?, command.family, scope, &command.issue, until, now)]);
    }
    // RFC 9700 §4.14.2: two hold the token, and one of them must not. The family ends, no other.
    Ok(vec![
        GrantEvent::RefreshTokenReplayed { family: command.family, generation: command.generation },
        GrantEvent::FamilyEnded { family: command.family, reason: RevocationReason::RefreshTokenReplayed },
    ])
}

fn rotate(grant: &Grant, command: &Refresh, family: &Family, current: RefreshToken, now: Timestamp) -> Decision {
    let scope = narrow(family, command)?;
    let until = consent_end(grant, family.scope(), &command.issue, now)?;
    let generation = Generation(current.generation.0.checked_add(1).ok_or(GrantRefusal::Exhausted)?);
    let expires_at = command.issue.refresh_token_lifetime.map_or(current.expires_at, |lifetime| now.plus(lifetime)).min(until);
    Ok(vec![
        GrantEvent::RefreshTokenRotated { family: command.family, generation, expires_at },
        issue_access_token(next_token(grant)?, command.family, scope, &command.issue, until, now),
    ])
}

/// Whether the immediate predecessor comes again soon enough to be a retry. Once the successor was used, it is the
/// predecessor, and this one is not any more.
fn is_in_grace(command: &Refresh, current: RefreshToken, now: Timestamp) -> bool {
    let is_predecessor = command.generation.0.checked_add(1) == Some(current.generation.0);
    is_predecessor && command.grace.0 > 0 && now <= current.since.plus(command.grace)
}

/// RFC 6749 §6: the scope may be narrowed, for this access token, and never widened. RFC 6749 §3.2: an empty parameter
/// is none.
fn narrow<'a>(family: &'a Family, command: &'a Refresh) -> Result<&'a Scope, GrantRefusal> {
    check_resources(family.resources(), &command.resources)?;
    match command.scope.as_ref().filter(|scope| !scope.is_empty()) {
        None => Ok(family.scope()),
        Some(scope) if scope.is_subset(family.scope()) => Ok(scope),
        Some(_) => Err(GrantRefusal::ScopeExceeded),
    }
}

fn revoke_token(grant: &Grant, command: &RevokeToken, now: Timestamp) -> Decision {
    // RFC 7009 §2.2: an invalid token is no error; there is nothing to revoke.
    if !is_live(grant, command.token, now) {
        return Ok(Vec::new());
    }
    // RFC 7009 §2.1: only the client that it was issued to may revoke a token.
    if grant.client_id() != Some(&command.client_id) {
        return Err(GrantRefusal::IssuedToAnotherClient);
    }
    let reason = RevocationReason::RequestedByClient;
    Ok(vec![match command.token {
        TokenRef::Access(token) => GrantEvent::AccessTokenRevoked { token, reason },
        // RFC 7009 §2.1: with a refresh token end the access tokens that came from the same authorization. A client that
        // logs out with a token it has already rotated means the same, so any generation will do.
        TokenRef::Refresh { family, .. } => GrantEvent::FamilyEnded { family, reason },
    }])
}

fn is_live(grant: &Grant, token: TokenRef, now: Timestamp) -> bool {
    match token {
        TokenRef::Access(token) => grant.is_access_token_live(token, now),
        TokenRef::Refresh { family, generation } => {
            let is_known = grant.family(family).and_then(Family::generation).is_some_and(|current| generation <= current);
            is_known && grant.is_family_live(family, now)
        }
    }
}

fn narrow_grant(grant: &Grant, command: &Narrow, now: Timestamp) -> Vec<GrantEvent> {
    let scope = grant.consented().difference(&command.lost);
    if !grant.is_open() || scope == *grant.consented() {
        return Vec::new();
    }
    if scope.is_empty() {
        return revoke(grant, &Revoke { reason: command.reason });
    }
    let reason = command.reason;
    let empty = grant.live_families(now).filter(|(_, family)| family.scope().intersection(&scope).is_empty());
    let mut events: Vec<_> = empty.map(|(family, _)| GrantEvent::FamilyEnded { family, reason }).collect();
    let carry_more = grant.live_access_tokens(now).filter(|(_, carried)| !carried.is_subset(&scope));
    events.extend(carry_more.map(|(token, _)| GrantEvent::AccessTokenRevoked { token, reason }));
    events.push(GrantEvent::Narrowed { scope, reason });
    events
}

fn end_sessions(grant: &Grant, command: &EndSessions, now: Timestamp) -> Vec<GrantEvent> {
    let is_connected = grant.is_open() && (grant.live_families(now).next().is_some() || grant.has_redeemable_code(now));
    if is_connected { vec![GrantEvent::SessionsEnded { reason: command.reason }] } else { Vec::new() }
}

fn revoke(grant: &Grant, command: &Revoke) -> Vec<GrantEvent> {
    if grant.is_open() { vec![GrantEvent::Revoked { reason: command.reason }] } else { Vec::new() }
}

/// Until when the consent to this holds, if it still does: nothing that is issued outlives it.
fn consent_end(grant: &Grant, scope: &Scope, issue: &Issue, now: Timestamp) -> Result<Timestamp, GrantRefusal> {
    let end = issue.consent_lifetime.and_then(|lifetime| grant.consent_end(scope, lifetime)).unwrap_or(Timestamp(i64::MAX));
    if now < end { Ok(end) } else { Err(GrantRefusal::ConsentExpired) }
}

fn issue_access_token(
    token: TokenNumber,
    family: FamilyNumber,
    scope: &Scope,
    issue: &Issue,
    until: Timestamp,
    now: Timestamp,
) -> GrantEvent {
    let expires_at = now.plus(issue.access_token_lifetime).min(until);
    let scope = scope.difference(&issue.withheld);
    GrantEvent::AccessTokenIssued { token, family, scope, audience: issue.audience.clone(), format: issue.format, expires_at }
}

/// The last number is never given out: after it there would be no new one.
fn next_family(grant: &Grant) -> Result<FamilyNumber, GrantRefusal> {
    if grant.next_family.0 == u32::MAX { Err(GrantRefusal::Exhausted) } else { Ok(grant.next_family) }
}

fn next_token(grant: &Grant) -> Result<TokenNumber, GrantRefusal> {
    if grant.next_token.0 == u32::MAX { Err(GrantRefusal::Exhausted) } else { Ok(grant.next_token) }
}
