use super::{CodeBinding, FamilyNumber, Generation, GrantEvent, RevocationReason, TokenNumber};
use crate::{
    domain::{
        AuthorizationId, ClientId, OrganizationId, Seconds, SubjectId, Timestamp,
        authorization::{Basis, ConsentReason, Shown},
    },
    protocol::{AccessTokenFormat, CodeVerifier, Scope},
};

/// What can be asked of a grant.
#[derive(Debug)]
pub enum GrantCommand {
    /// Records what the subject agreed to and issues the code for it.
    RecordConsent(Box<RecordConsent>),
    /// Turns a code into tokens.
    RedeemCode(RedeemCode),
    /// Turns a refresh token into an access token and its successor.
    Refresh(Refresh),
    /// Ends one token, or its family.
    RevokeToken(RevokeToken),
    /// Takes scopes away.
    Narrow(Narrow),
    /// Ends everything that is connected, and lets what was agreed stay.
    EndSessions(EndSessions),
    /// Ends the grant.
    Revoke(Revoke),
}

/// Records what the subject agreed to and issues the code for it; opens the grant when it is the first time.
#[derive(Clone, Debug)]
pub struct RecordConsent {
    /// Who agreed.
    pub subject: SubjectId,
    /// To whom.
    pub client_id: ClientId,
    /// In which organization.
    pub organization_id: Option<OrganizationId>,
    /// In the course of which request.
    pub authorization_id: AuthorizationId,
    /// What was agreed.
    pub scope: Scope,
    /// Why they were asked; None when they were not.
    pub reason: Option<ConsentReason>,
    /// What they saw.
    pub shown: Option<Shown>,
    /// What it rested on.
    pub basis: Basis,
    /// What the code is bound to. Its scope may not exceed what is agreed, now or before.
    pub binding: CodeBinding,
    /// Until when the code can be redeemed.
    pub code_expires_at: Timestamp,
    /// A grant that was opened at this time or before is over, even if that is not recorded yet.
    pub cut_off: Option<CutOff>,
}

/// What was allowed up to a moment is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CutOff {
    /// The moment.
    pub at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
}

/// Turns a code into tokens (RFC 6749 §4.1.3).
#[derive(Debug)]
pub struct RedeemCode {
    /// Which code: that of this request.
    pub authorization_id: AuthorizationId,
    /// The client that presents it.
    pub client_id: ClientId,
    /// `redirect_uri` as sent.
    pub redirect_uri: Option<String>,
    /// `code_verifier` as sent.
    pub code_verifier: Option<CodeVerifier>,
    /// The resource servers that were named (RFC 8707 §2.2): some of those granted; none: all of them.
    pub resources: Vec<String>,
    /// What to issue.
    pub issue: Issue,
}

/// What to issue.
#[derive(Clone, Debug)]
pub struct Issue {
    /// For whom the access token is.
    pub audience: Vec<String>,
    /// What it is not good for, whatever was granted: nobody in its audience understands it.
    pub withheld: Scope,
    /// Its form.
    pub format: AccessTokenFormat,
    /// How long it lives.
    pub access_token_lifetime: Seconds,
    /// For how long a consent holds; None: until it is revoked. Nothing is issued that would outlive it.
    pub consent_lifetime: Option<Seconds>,
    /// How long a refresh token lives unused. None: a code starts none, and a rotation keeps the old end.
    pub refresh_token_lifetime: Option<Seconds>,
}

/// Turns a refresh token into an access token and its successor (RFC 6749 §6, RFC 9700 §4.14.2).
#[derive(Debug)]
pub struct Refresh {
    /// The client that presents it.
    pub client_id: ClientId,
    /// Its family.
    pub family: FamilyNumber,
    /// Which of the family.
    pub generation: Generation,
    /// `scope` as sent: may narrow, never widen.
    pub scope: Option<Scope>,
    /// The resource servers that were named (RFC 8707 §2.2): some of those granted; none: all of them.
    pub resources: Vec<String>,
    /// For how long after its rotation the predecessor still answers with the same successor; 0: not at all.
    pub grace: Seconds,
    /// What to issue.
    pub issue: Issue,
}

/// Names a token of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRef {
    /// An access token.
    Access(TokenNumber),
    /// A refresh token.
    Refresh {
        /// Its family.
        family: FamilyNumber,
        /// Which of the family.
        generation: Generation,
    },
}

/// Ends one access token, or the family of a refresh token (RFC 7009).
#[derive(Debug)]
pub struct RevokeToken {
    /// Which.
    pub token: TokenRef,
    /// The client that asks.
    pub client_id: ClientId,
}

/// Takes scopes away from what was agreed, and from everything that followed from it.
#[derive(Debug)]
pub struct Narrow {
    /// What is lost. Of a grant that holds nothing else, nothing is left.
    pub lost: Scope,
    /// Why.
    pub reason: RevocationReason,
}

/// Ends everything that is connected under the grant, and lets what was agreed stay.
#[derive(Debug)]
pub struct EndSessions {
    /// Why.
    pub reason: RevocationReason,
}

/// Ends the grant.
#[derive(Debug)]
pub struct Revoke {
    /// Why.
    pub reason: RevocationReason,
}

/// The access token that a decision issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issued<'a> {
    /// Its number.
    pub token: TokenNumber,
    /// Its family.
    pub family: FamilyNumber,
    /// What it is good for.
    pub scope: &'a Scope,
    /// For whom.
    pub audience: &'a [String],
    /// In which form.
    pub format: AccessTokenFormat,
    /// Until when.
    pub expires_at: Timestamp,
}

/// The access token among these events. A redemption or a refresh that issued none was a replay: the client must be
/// answered `invalid_grant`.
pub fn issued(events: &[GrantEvent]) -> Option<Issued<'_>> {
    events.iter().find_map(|event| match event {
        GrantEvent::AccessTokenIssued { token, family, scope, audience, format, expires_at } => {
            Some(Issued { token: *token, family: *family, scope, audience, format: *format, expires_at: *expires_at })
        }
        GrantEvent::Opened { .. }
        | GrantEvent::Consented { .. }
        | GrantEvent::CodeIssued { .. }
        | GrantEvent::CodeRedeemed { .. }
        | GrantEvent::CodeReplayed { .. }
        | GrantEvent::RefreshTokenIssued { .. }
        | GrantEvent::RefreshTokenRotated { .. }
        | GrantEvent::RefreshTokenReplayed { .. }
        | GrantEvent::AccessTokenRevoked { .. }
        | GrantEvent::FamilyEnded { .. }
        | GrantEvent::Narrowed { .. }
        | GrantEvent::SessionsEnded { .. }
        | GrantEvent::Revoked { .. } => None,
    })
}
