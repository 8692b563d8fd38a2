//! The one place where all that is known of a request is judged: what can be granted, whether the person has to be
//! asked, and what follows by itself.

use super::{
    Authorization, AuthorizationParameters, Bounds, ConsentReason, DenialCause, DenialError, Next, consent_required, silent_error,
};
use crate::{
    domain::{
        grant::EarlierConsent,
        organization::OrganizationReason,
        policy::{OFFLINE_ACCESS, Obstacle, Policy},
    },
    protocol::{ClientMetadata, Scope, ScopeToken},
};

/// Everything that is known when a request is judged.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What was asked.
    pub parameters: &'a AuthorizationParameters,
    /// Who asks.
    pub client: &'a ClientMetadata,
    /// SHA-256 of what is material about the client.
    pub client_sha256: &'a str,
    /// The policy in force.
    pub policy: &'a Policy,
    /// Who is attested; None while nobody is.
    pub person: Option<Person<'a>>,
    /// Whether agreement to `offline_access` is remembered for third-party clients.
    pub remember_offline_access: bool,
}

/// What is known of the person.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// Their roles, as attested.
    pub roles: &'a [String],
    /// What they agreed to before.
    pub earlier: &'a EarlierConsent,
    /// Why the client may not work where they act.
    pub organization_reasons: &'a [OrganizationReason],
    /// Whether they were erased since they were attested.
    pub is_erased: bool,
}

/// What follows from all that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// One verdict for each scope that is asked for.
    pub scopes: Vec<ScopeVerdict>,
    /// What can be granted, and what must be.
    pub bounds: Bounds,
    /// Why the person must be asked; None when they need not be, or when nobody is known.
    pub consent: Option<ConsentReason>,
    /// Why nothing can come of the request with this person.
    pub hopeless: Option<DenialCause>,
}

/// The verdict on one scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeVerdict {
    /// Which.
    pub scope: ScopeToken,
    /// Why it can't be granted; None: it can, or nobody is known who would grant it.
    pub obstacle: Option<Obstacle>,
    /// Whether the person agreed to it before, and that still holds.
    pub already_granted: bool,
    /// Whether the client is of no use without it.
    pub required: bool,
}

/// Judges a request by all that is known.
pub fn judge(known: &Known<'_>) -> Judgement {
    let requested = &known.parameters.scope;
    let permitted = known.person.map(|person| known.policy.permitted_to(person.roles));
    let verdict = |scope: &ScopeToken| ScopeVerdict {
        scope: scope.clone(),
        obstacle: known.policy.obstacle(scope, known.client, permitted.as_ref()),
        already_granted: known.person.is_some_and(|person| person.earlier.scope.contains(scope.as_str())),
        required: known.client.required_scope.contains(scope.as_str()),
    };
    let scopes: Vec<_> = requested.iter().map(verdict).collect();
    let grantable = scopes.iter().filter(|verdict| verdict.obstacle.is_none()).map(|verdict| verdict.scope.clone()).collect();
    let bounds = Bounds { grantable, required: known.client.required_scope.intersection(requested) };
    let consent = known.person.and_then(|person| consent_required(known, person.earlier, &bounds.grantable));
    let forbidden = |person: Person<'_>| person.organization_reasons.first().map(|reason| DenialCause::from(*reason));
    let hopeless = known.person.and_then(|person| {
        let erased = person.is_erased.then_some(DenialCause::SubjectErased);
        erased.or_else(|| forbidden(person)).or_else(|| hopeless(requested, &bounds))
    });
    Judgement { scopes, bounds, consent, hopeless }
}

fn hopeless(requested: &Scope, bounds: &Bounds) -> Option<DenialCause> {
    if is_nothing(&bounds.grantable, requested) {
        return Some(DenialCause::NothingGrantable);
    }
    (!bounds.required.is_subset(&bounds.grantable)).then_some(DenialCause::RequiredScopeNotGrantable)
}

/// Whether this is nothing of what was asked. Access while the person is away is access to nothing by itself; a client that
/// asks for no more wants a resource server that has no scopes.
pub(super) fn is_nothing(scope: &Scope, requested: &Scope) -> bool {
    let is_bare = |scope: &Scope| scope.iter().all(|token| token.as_str() == OFFLINE_ACCESS);
    is_bare(scope) && (!is_bare(requested) || scope.is_empty() && !requested.is_empty())
}

/// What follows by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// Nobody has to be asked: what can be granted is.
    Approve,
    /// It ends here.
    Deny {
        /// What the client is told.
        error: DenialError,
        /// What made it end.
        cause: Option<DenialCause>,
    },
}

/// What follows by itself from a judgement, when the page would have to do `next`; None: somebody has to do something,
/// or it is decided.
pub fn conclude(authorization: &Authorization, next: Next, judgement: &Judgement) -> Option<Conclusion> {
    if authorization.decision().is_some() {
        return None;
    }
    match (next, judgement.hopeless) {
        (Next::Consent | Next::Redirect, Some(cause)) => Some(Conclusion::Deny { error: DenialError::AccessDenied, cause: Some(cause) }),
        (Next::Redirect, None) => Some(Conclusion::Approve),
        // OIDC Core §3.1.2.6: something would have to be asked, and nothing may be shown.
        (next, _) if authorization.parameters().is_some_and(AuthorizationParameters::shows_nothing) => {
            silent_error(next).map(|error| Conclusion::Deny { error, cause: None })
        }
        _ => None,
    }
}
