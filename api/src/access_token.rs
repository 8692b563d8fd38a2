//! What the read side says of an access token that was presented.

use std::sync::Arc;

use grantlog_core::{
    app::custom_claims::{ClaimFacts, SubjectFacts},
    domain::{ClientId, OrganizationId, Sealed, SubjectId, Timestamp, authorization::Authentication},
    keys::AccessTokenRef,
    protocol::Scope,
};
use grantlog_projections::live;
use serde_json::{Map, Value};

use crate::app::Inner;

/// An access token that is good now.
pub struct LiveAccessToken {
    /// Whom it was issued to.
    pub client_id: ClientId,
    /// Who allowed it; None for a machine client.
    pub subject: Option<SubjectId>,
    /// The organization that the subject acted in.
    pub organization_id: Option<OrganizationId>,
    /// What it is good for.
    pub scope: Scope,
    /// For whom it is meant.
    pub audience: Vec<String>,
    /// Until when.
    pub expires_at: Timestamp,
    /// How and when the subject was authenticated.
    pub authentication: Option<Arc<Authentication>>,
    /// The roles of the subject.
    pub roles: Arc<[String]>,
    /// What was attested about the subject, sealed.
    pub claims: Option<Arc<Sealed>>,
}

impl LiveAccessToken {
    /// What templates of custom claims can name; `sub` is the application's id of the subject.
    pub fn claim_facts<'a>(&'a self, sub: &'a str, client_name: &'a str) -> ClaimFacts<'a> {
        let subject = SubjectFacts { id: sub, roles: &self.roles, claims: self.claims.as_deref() };
        ClaimFacts {
            subject: self.subject.map(|_| subject),
            organization_id: self.organization_id.as_ref(),
            client_id: &self.client_id,
            client_name,
            scope: &self.scope,
            authentication: self.authentication.as_deref(),
        }
    }
}

impl Inner {
    /// What this token is good for now; None when it is not. A JWT states its own scope and audience, an opaque token's
    /// are in the read model.
    pub fn live_access_token(&self, reference: AccessTokenRef, claims: Option<&Map<String, Value>>) -> Option<LiveAccessToken> {
        let token = match (reference, claims) {
            (AccessTokenRef::Grant { grant_id, token }, _) => live::AccessTokenRef::Grant { grant_id, token },
            (AccessTokenRef::Machine(id), None) => live::AccessTokenRef::MachineOpaque { id },
            (AccessTokenRef::Machine(id), Some(claims)) => live::AccessTokenRef::MachineJwt {
                id,
                client_id: ClientId::from(claims.get("client_id")?.as_str()?),
                expires_at: Timestamp::from_seconds(claims.get("exp")?.as_i64()?),
            },
        };
        let live = self.live.access_token(&token, self.authority.now())?;
        let (scope, audience) = match claims {
            Some(claims) => (claims.get("scope")?.as_str()?.parse().ok()?, audience(claims.get("aud")?)?),
            None => (live.scope?, live.audience?),
        };
        Some(LiveAccessToken {
            client_id: live.client_id,
            subject: live.subject,
            organization_id: live.organization_id,
            scope,
            audience,
            expires_at: live.expires_at,
            authentication: live.authentication,
            roles: live.roles,
            claims: live.claims,
        })
    }
}

/// RFC 7519 §4.1.3: one string, or a list of them.
fn audience(claim: &Value) -> Option<Vec<String>> {
    match claim {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(many) => many.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}
