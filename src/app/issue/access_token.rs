//! Access tokens: opaque, or JWTs (RFC 9068).

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    app::{
        Authority, Trouble,
        authenticate_client::AuthenticatedClient,
        custom_claims::{ClaimFacts, SubjectFacts},
        recognise::ACCESS_TOKEN_TYPE,
        target::Target,
    },
    domain::{
        GrantId, Timestamp,
        grant::{Family, Grant, Issued},
    },
    keys::{AccessTokenRef, Secret},
    protocol::{AccessTokenFormat, Scope},
};

/// The claims of a JWT access token (RFC 9068 §2.2).
#[derive(Serialize)]
struct AccessTokenClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    #[serde(serialize_with = "one_or_many")]
    aud: &'a [String],
    client_id: &'a str,
    exp: i64,
    iat: i64,
    jti: String,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    org_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    amr: &'a [String],
    // No template has a name of those above.
    #[serde(flatten)]
    custom: Map<String, Value>,
}

/// RFC 7519 §4.1.3: a single audience may be a string.
fn one_or_many<S: serde::Serializer>(audience: &&[String], serializer: S) -> Result<S::Ok, S::Error> {
    match audience {
        [one] => one.serialize(serializer),
        many => many.serialize(serializer),
    }
}

/// A machine client's token to be.
pub(super) struct MachineTokenFacts<'a> {
    pub(super) reference: AccessTokenRef,
    pub(super) scope: &'a Scope,
    pub(super) issued_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

/// What the templates of a person's token can name.
pub(super) fn claim_facts<'a>(
    client: &'a AuthenticatedClient,
    sub: &'a str,
    grant: &'a Grant,
    family: &'a Family,
    scope: &'a Scope,
) -> ClaimFacts<'a> {
    ClaimFacts {
        subject: Some(SubjectFacts { id: sub, roles: family.roles(), claims: family.claims() }),
        authentication: Some(family.authentication()),
        organization_id: grant.organization_id(),
        ..machine_facts(client, scope)
    }
}

/// What the templates of a machine client's token can name: it acts in the organization that it belongs to.
fn machine_facts<'a>(client: &'a AuthenticatedClient, scope: &'a Scope) -> ClaimFacts<'a> {
    ClaimFacts {
        subject: None,
        organization_id: client.metadata.organization_id.as_ref(),
        client_id: &client.id,
        client_name: &client.metadata.client_name,
        scope,
        authentication: None,
    }
}

impl Authority {
    /// The access token that a grant issued.
    pub(super) async fn access_token(
        &self,
        client: &AuthenticatedClient,
        target: &Target,
        grant_id: GrantId,
        token: &Issued<'_>,
        facts: &ClaimFacts<'_>,
    ) -> Result<Secret, Trouble> {
        let reference = AccessTokenRef::Grant { grant_id, token: token.token };
        if token.format == AccessTokenFormat::Opaque {
            return Ok(self.codec.access_token(reference));
        }
        let claims = AccessTokenClaims {
            iss: &self.settings.issuer,
            sub: facts.subject.map(|subject| subject.id).unwrap_or_default(),
            aud: token.audience,
            client_id: client.id.as_str(),
            exp: token.expires_at.as_seconds(),
            iat: self.now().as_seconds(),
            jti: reference.to_string(),
            scope: token.scope.to_string(),
            org_id: facts.organization_id.map(|organization| &*organization.0),
            auth_time: facts.authentication.map(|authentication| authentication.auth_time.as_seconds()),
            acr: facts.authentication.and_then(|authentication| authentication.acr.as_deref()),
            amr: facts.authentication.map(|authentication| &*authentication.amr).unwrap_or_default(),
            custom: self.custom_claims(&target.templates(&client.metadata), facts).await?,
        };
        Ok(Secret::from(self.sign(target.algorithm, Some(ACCESS_TOKEN_TYPE), &claims).await?))
    }

    /// The access token of a machine client.
    pub(super) async fn machine_access_token(
        &self,
        client: &AuthenticatedClient,
        target: &Target,
        token: &MachineTokenFacts<'_>,
    ) -> Result<Secret, Trouble> {
        if target.format == AccessTokenFormat::Opaque {
            return Ok(self.codec.access_token(token.reference));
        }
        let facts = machine_facts(client, token.scope);
        let claims = AccessTokenClaims {
            iss: &self.settings.issuer,
            // RFC 9068 §5: the subject of a token without a resource owner identifies the client.
            sub: client.id.as_str(),
            aud: &target.audience,
            client_id: client.id.as_str(),
            exp: token.expires_at.as_seconds(),
            iat: token.issued_at.as_seconds(),
            jti: token.reference.to_string(),
            scope: token.scope.to_string(),
            org_id: facts.organization_id.map(|organization| &*organization.0),
            auth_time: None,
            acr: None,
            amr: &[],
            custom: self.custom_claims(&target.templates(&client.metadata), &facts).await?,
        };
        Ok(Secret::from(self.sign(target.algorithm, Some(ACCESS_TOKEN_TYPE), &claims).await?))
    }
}
