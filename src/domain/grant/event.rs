use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        AuthorizationId, ClientId, OrganizationId, Sealed, SubjectId, Timestamp,
        authorization::{Authentication, Basis, ConsentReason, Shown},
    },
    protocol::{AccessTokenFormat, CodeChallenge, RedirectUri, Scope},
};

/// Numbers the token families of a grant, from 0. Each completed authorization starts one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FamilyNumber(pub u32);

/// Numbers the access tokens of a grant, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenNumber(pub u32);

/// Numbers the refresh tokens of a family, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u32);

/// Why something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// The client asked (RFC 7009).
    RequestedByClient,
    /// The person, or the application for them, disconnected the client.
    Disconnected,
    /// The policy of the organization does not allow the client any more.
    OrganizationPolicy,
    /// The organization disconnected the client, for everyone.
    OrganizationDisconnected,
    /// The person left the organization.
    LeftOrganization,
    /// The person's roles do not allow it any more.
    RolesChanged,
    /// All sessions of the person were ended.
    SessionsEnded,
    /// The person was erased.
    SubjectErased,
    /// A code was presented twice (RFC 6749 §4.1.2).
    CodeReplayed,
    /// A refresh token was presented again after its grace window (RFC 9700 §4.14).
    RefreshTokenReplayed,
}

/// What a code carries to the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeBinding {
    /// The redirect URI of the request.
    pub redirect_uri: RedirectUri,
    /// Whether the request named it (RFC 6749 §4.1.3).
    pub redirect_uri_given: bool,
    /// What the verifier must hash to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_challenge: Option<CodeChallenge>,
    /// What the tokens will be good for.
    pub scope: Scope,
    /// For the ID token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// How and when the subject was authenticated.
    pub authentication: Authentication,
    /// The roles of the subject, for custom claims.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Claims about the subject: a JSON object, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Sealed>,
    /// The resource servers that tokens may be for (RFC 8707 §2.1); none named: the usual audience.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
}

/// What happens to a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum GrantEvent {
    /// The grant exists.
    #[serde(rename = "grant.opened")]
    Opened {
        /// Who allows.
        subject: SubjectId,
        /// Whom.
        client_id: ClientId,
        /// In which organization.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        organization_id: Option<OrganizationId>,
    },
    /// The subject agreed to this scope, beside what they agreed to before.
    #[serde(rename = "grant.consented")]
    Consented {
        /// In the course of which request.
        authorization_id: AuthorizationId,
        /// What was agreed in it.
        scope: Scope,
        /// Why they were asked; absent when the rules let it pass without asking.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<ConsentReason>,
        /// What they saw.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shown: Option<Shown>,
        /// What it rested on.
        #[serde(flatten)]
        basis: Basis,
    },
    /// A code was issued. The code itself is derived, not stored.
    #[serde(rename = "grant.code_issued")]
    CodeIssued {
        /// For which request: there is one code for each.
        authorization_id: AuthorizationId,
        /// What it is bound to.
        binding: CodeBinding,
        /// Until when it can be redeemed.
        expires_at: Timestamp,
    },
    /// The code was redeemed: its family begins.
    #[serde(rename = "grant.code_redeemed")]
    CodeRedeemed {
        /// Which code.
        authorization_id: AuthorizationId,
        /// The family that it started.
        family: FamilyNumber,
    },
    /// The code was presented again.
    #[serde(rename = "grant.code_replayed")]
    CodeReplayed {
        /// Which code.
        authorization_id: AuthorizationId,
    },
    /// An access token was issued.
    #[serde(rename = "grant.access_token_issued")]
    AccessTokenIssued {
        /// Its number.
        token: TokenNumber,
        /// Its family.
        family: FamilyNumber,
        /// What it is good for.
        scope: Scope,
        /// For whom.
        audience: Vec<String>,
        /// In which form.
        format: AccessTokenFormat,
        /// Until when.
        expires_at: Timestamp,
    },
    /// The first refresh token of a family was issued. It is derived, not stored.
    #[serde(rename = "grant.refresh_token_issued")]
    RefreshTokenIssued {
        /// Its family.
        family: FamilyNumber,
        /// Until when.
        expires_at: Timestamp,
    },
    /// A refresh token was used: its successor takes its place.
    #[serde(rename = "grant.refresh_token_rotated")]
    RefreshTokenRotated {
        /// Its family.
        family: FamilyNumber,
        /// The successor.
        generation: Generation,
        /// Until when the successor lives.
        expires_at: Timestamp,
    },
    /// A refresh token was presented after its grace window.
    #[serde(rename = "grant.refresh_token_replayed")]
    RefreshTokenReplayed {
        /// Its family.
        family: FamilyNumber,
        /// The one presented.
        generation: Generation,
    },
    /// One access token is dead.
    #[serde(rename = "grant.access_token_revoked")]
    AccessTokenRevoked {
        /// Which.
        token: TokenNumber,
        /// Why.
        reason: RevocationReason,
    },
    /// Everything of one family is dead.
    #[serde(rename = "grant.family_ended")]
    FamilyEnded {
        /// Which.
        family: FamilyNumber,
        /// Why.
        reason: RevocationReason,
    },
    /// Nothing more is left of the grant than this: consent, families and codes are cut back to it. Access tokens that
    /// carry more are revoked by events of their own.
    #[serde(rename = "grant.narrowed")]
    Narrowed {
        /// What is left.
        scope: Scope,
        /// Why.
        reason: RevocationReason,
    },
    /// Every family is dead, and no code that was issued can be redeemed. What was agreed stays.
    #[serde(rename = "grant.sessions_ended")]
    SessionsEnded {
        /// Why.
        reason: RevocationReason,
    },
    /// The grant is over, with everything under it, for good.
    #[serde(rename = "grant.revoked")]
    Revoked {
        /// Why.
        reason: RevocationReason,
    },
}
