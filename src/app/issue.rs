//! Issue tokens: redeem a code, rotate a refresh token, give a machine client its token.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Authority, Context, Trouble, UseCaseError, authenticate_client::AuthenticatedClient};
use crate::{
    domain::{
        GrantId, MachineTokenId, OrganizationId, Seconds, Timestamp,
        authorization::Authentication,
        grant::{Family, Grant, GrantCommand, GrantRefusal, Issue, Issued, RedeemCode, Refresh, issued},
        machine_token::MachineTokenCommand,
    },
    jose::Algorithm,
    keys::{AccessTokenRef, RefreshTokenRef, Secret},
    protocol::{
        AccessTokenFormat, GrantType, Scope,
        oauth_error::{OAuthError, OAuthErrorCode},
        pkce::CodeVerifier,
    },
};

/// A successful token response (RFC 6749 §5.1). The tokens in it exist nowhere else.
pub struct IssuedTokens {
    /// The access token.
    pub access_token: Secret,
    /// How long it lives.
    pub expires_in: Seconds,
    /// What it is good for.
    pub scope: Scope,
    /// The refresh token, if there is one.
    pub refresh_token: Option<Secret>,
    /// The ID token, if `openid` was granted.
    pub id_token: Option<Secret>,
}

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
}

/// RFC 7519 §4.1.3: a single audience may be a string.
fn one_or_many<S: serde::Serializer>(audience: &&[String], serializer: S) -> Result<S::Ok, S::Error> {
    match audience {
        [one] => one.serialize(serializer),
        many => many.serialize(serializer),
    }
}

impl Authority {
    /// Redeems a code (OAuth 2.1 §4.1.3).
    pub async fn redeem_code(
        &self,
        context: &Context,
        client: &AuthenticatedClient,
        code: &str,
        redirect_uri: Option<String>,
        code_verifier: Option<CodeVerifier>,
    ) -> Result<IssuedTokens, UseCaseError<OAuthError>> {
        require_grant_type(client, GrantType::AuthorizationCode)?;
        let code = self.codec.parse_code(code).ok_or_else(|| UseCaseError::Refused(worded(GrantRefusal::Unknown)))?;
        self.refuse_cut_off(client, code.grant_id).await?;
        let command = GrantCommand::RedeemCode(RedeemCode {
            authorization_id: code.authorization_id,
            client_id: client.id.clone(),
            redirect_uri,
            code_verifier,
            issue: self.issue_for(client),
        });
        let executed =
            self.grants.execute(&self.outside, context, &code.grant_id.stream(), &command).await.map_err(|error| error.map(worded))?;
        // RFC 6749 §4.1.2: a second redemption was recorded and has ended what the first one started.
        let Some(token) = issued(&executed.events) else { return Err(invalid_grant("the code was redeemed before")) };
        self.tokens(client, code.grant_id, &executed.state, &token, IdTokenFor::Code).await
    }

    /// Rotates a refresh token (OAuth 2.1 §4.3).
    pub async fn refresh(
        &self,
        context: &Context,
        client: &AuthenticatedClient,
        refresh_token: &str,
        scope: Option<Scope>,
    ) -> Result<IssuedTokens, UseCaseError<OAuthError>> {
        require_grant_type(client, GrantType::RefreshToken)?;
        let presented =
            self.codec.parse_refresh_token(refresh_token).ok_or_else(|| UseCaseError::Refused(worded(GrantRefusal::Unknown)))?;
        self.refuse_cut_off(client, presented.grant_id).await?;
        let command = GrantCommand::Refresh(Refresh {
            client_id: client.id.clone(),
            family: presented.family,
            generation: presented.generation,
            scope,
            grace: client.metadata.refresh_grace.unwrap_or(self.settings.refresh_grace),
            issue: self.issue_for(client),
        });
        let executed =
            self.grants.execute(&self.outside, context, &presented.grant_id.stream(), &command).await.map_err(|error| error.map(worded))?;
        let Some(token) = issued(&executed.events) else {
            return Err(invalid_grant("the refresh token was used before; its family has ended"));
        };
        self.tokens(client, presented.grant_id, &executed.state, &token, IdTokenFor::Refresh).await
    }

    /// Gives a client a token of its own (OAuth 2.1 §4.2).
    pub async fn issue_machine_token(
        &self,
        context: &Context,
        client: &AuthenticatedClient,
        scope: Option<Scope>,
    ) -> Result<IssuedTokens, UseCaseError<OAuthError>> {
        require_grant_type(client, GrantType::ClientCredentials)?;
        let scope = scope.unwrap_or_else(|| client.metadata.scope_when_omitted().clone());
        if !scope.is_subset(&client.metadata.scope) {
            let excess = scope.difference(&client.metadata.scope);
            return Err(UseCaseError::Refused(OAuthError::new(
                OAuthErrorCode::InvalidScope,
                format!("scope: the client may not ask for {excess}"),
            )));
        }
        let now = self.now();
        let id = MachineTokenId(self.outside.entropy.uuid_v7(now));
        let lifetime = self.access_token_lifetime(client);
        let audience = vec![self.settings.audience.clone()];
        let command = MachineTokenCommand::Issue {
            client_id: client.id.clone(),
            scope: scope.clone(),
            audience: audience.clone(),
            format: client.metadata.access_token_format,
            expires_at: now.plus(lifetime),
        };
        self.machine_tokens
            .execute(&self.outside, context, &id.stream(), &command)
            .await
            .map_err(|error| error.map(|refusal| OAuthError::new(OAuthErrorCode::InvalidRequest, refusal.to_string())))?;
        let reference = AccessTokenRef::Machine(id);
        let access_token = match client.metadata.access_token_format {
            AccessTokenFormat::Opaque => self.codec.access_token(reference),
            AccessTokenFormat::Jwt => {
                let claims = AccessTokenClaims {
                    iss: &self.settings.issuer,
                    // RFC 9068 §5: the subject of a token without a resource owner identifies the client.
                    sub: client.id.as_str(),
                    aud: &audience,
                    client_id: client.id.as_str(),
                    exp: now.plus(lifetime).as_seconds(),
                    iat: now.as_seconds(),
                    jti: reference.to_string(),
                    scope: scope.to_string(),
                    org_id: client.metadata.organization_id.as_ref().map(|organization| &*organization.0),
                    auth_time: None,
                    acr: None,
                    amr: &[],
                };
                Secret::from(self.sign(Algorithm::EdDsa, Some(super::recognise::ACCESS_TOKEN_TYPE), &claims).await?)
            }
        };
        // OAuth 2.1 §4.2.2: no refresh token.
        Ok(IssuedTokens { access_token, expires_in: lifetime, scope, refresh_token: None, id_token: None })
    }

    /// Nothing is issued under a grant that is cut off, even before it is revoked.
    async fn refuse_cut_off(&self, client: &AuthenticatedClient, grant_id: GrantId) -> Result<(), UseCaseError<OAuthError>> {
        let grant = self.grants.load(&self.outside, &grant_id.stream()).await?;
        let (Some(subject), Some(client_id)) = (grant.subject(), grant.client_id()) else { return Ok(()) };
        // What another client presents is refused with other words.
        if *client_id != client.id {
            return Ok(());
        }
        let organization_id = grant.organization_id();
        let reasons = self.organization_reasons(organization_id, client_id, &client.metadata).await?;
        let cut_off = self.cut_off(subject, client_id, organization_id).await?;
        if reasons.is_empty() && !cut_off.is_some_and(|cut_off| grant.was_opened_by(cut_off.at)) {
            return Ok(());
        }
        Err(invalid_grant("the organization does not allow the client any more"))
    }

    fn issue_for(&self, client: &AuthenticatedClient) -> Issue {
        let metadata = &client.metadata;
        Issue {
            audience: vec![self.settings.audience.clone()],
            format: metadata.access_token_format,
            access_token_lifetime: self.access_token_lifetime(client),
            refresh_token_lifetime: metadata
                .grant_types
                .contains(&GrantType::RefreshToken)
                .then(|| metadata.refresh_token_lifetime.unwrap_or(self.settings.refresh_token_lifetime)),
        }
    }

    fn access_token_lifetime(&self, client: &AuthenticatedClient) -> Seconds {
        client.metadata.access_token_lifetime.unwrap_or(self.settings.access_token_lifetime)
    }

    async fn tokens(
        &self,
        client: &AuthenticatedClient,
        grant_id: GrantId,
        grant: &Grant,
        token: &Issued<'_>,
        id_token_for: IdTokenFor,
    ) -> Result<IssuedTokens, UseCaseError<OAuthError>> {
        let family = grant.family(token.family).ok_or_else(|| invalid_grant("the grant has ended"))?;
        let subject = grant.subject().ok_or_else(|| invalid_grant("the grant has ended"))?;
        let sub = self.vault.external_id(subject).await?.ok_or_else(|| invalid_grant("the subject is unknown"))?;
        let now = self.now();
        let reference = AccessTokenRef::Grant { grant_id, token: token.token };
        let access_token = match token.format {
            AccessTokenFormat::Opaque => self.codec.access_token(reference),
            AccessTokenFormat::Jwt => {
                let claims = AccessTokenClaims {
                    iss: &self.settings.issuer,
                    sub: &sub,
                    aud: token.audience,
                    client_id: client.id.as_str(),
                    exp: token.expires_at.as_seconds(),
                    iat: now.as_seconds(),
                    jti: reference.to_string(),
                    scope: token.scope.to_string(),
                    org_id: grant.organization_id().map(|organization| &*organization.0),
                    auth_time: Some(family.authentication().auth_time.as_seconds()),
                    acr: family.authentication().acr.as_deref(),
                    amr: &family.authentication().amr,
                };
                Secret::from(self.sign(Algorithm::EdDsa, Some(super::recognise::ACCESS_TOKEN_TYPE), &claims).await?)
            }
        };
        let id_token = if token.scope.contains("openid") {
            let organization_id = grant.organization_id();
            Some(self.id_token(client, &sub, organization_id, family, token.scope, &access_token, id_token_for, now).await?)
        } else {
            None
        };
        let refresh_token =
            family.generation().map(|generation| self.codec.refresh_token(RefreshTokenRef { grant_id, family: token.family, generation }));
        // Rounded up: a few milliseconds have passed since the decision.
        let expires_in = Seconds(u32::try_from((token.expires_at.0 - now.0 + 999) / 1000).unwrap_or_default());
        Ok(IssuedTokens { access_token, expires_in, scope: token.scope.clone(), refresh_token, id_token })
    }

    /// OIDC Core §2 and §12.2.
    #[expect(clippy::too_many_arguments, reason = "these are the facts that an ID token states")]
    async fn id_token(
        &self,
        client: &AuthenticatedClient,
        sub: &str,
        organization_id: Option<&OrganizationId>,
        family: &Family,
        scope: &Scope,
        access_token: &Secret,
        id_token_for: IdTokenFor,
        now: Timestamp,
    ) -> Result<Secret, Trouble> {
        let mut claims = if client.metadata.claims_in_id_token { self.subject_claims(family.claims(), scope).await? } else { Map::new() };
        let algorithm = client.metadata.id_token_signed_response_alg;
        let Authentication { auth_time, acr, amr } = family.authentication();
        claims.extend([
            ("iss".to_owned(), Value::from(self.settings.issuer.as_str())),
            ("sub".to_owned(), Value::from(sub)),
            ("aud".to_owned(), Value::from(client.id.as_str())),
            ("azp".to_owned(), Value::from(client.id.as_str())),
            ("exp".to_owned(), Value::from(now.plus(self.settings.id_token_lifetime).as_seconds())),
            ("iat".to_owned(), Value::from(now.as_seconds())),
            ("auth_time".to_owned(), Value::from(auth_time.as_seconds())),
            ("at_hash".to_owned(), Value::from(algorithm.half_hash(access_token.expose().as_bytes()))),
        ]);
        if let Some(organization_id) = organization_id {
            claims.insert("org_id".to_owned(), Value::from(&*organization_id.0));
        }
        if let Some(acr) = acr {
            claims.insert("acr".to_owned(), Value::from(acr.as_str()));
        }
        if !amr.is_empty() {
            claims.insert("amr".to_owned(), Value::from(amr.clone()));
        }
        // OIDC Core §12.2: an ID token from a refresh should have no nonce.
        if let (IdTokenFor::Code, Some(nonce)) = (id_token_for, family.nonce()) {
            claims.insert("nonce".to_owned(), Value::from(nonce));
        }
        Ok(Secret::from(self.sign(algorithm, Some("JWT"), &claims).await?))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum IdTokenFor {
    Code,
    Refresh,
}

fn require_grant_type(client: &AuthenticatedClient, grant_type: GrantType) -> Result<(), UseCaseError<OAuthError>> {
    if client.metadata.grant_types.contains(&grant_type) {
        return Ok(());
    }
    Err(UseCaseError::Refused(OAuthError::new(OAuthErrorCode::UnauthorizedClient, "grant_type: the client is not registered for it")))
}

fn invalid_grant(description: &str) -> UseCaseError<OAuthError> {
    UseCaseError::Refused(OAuthError::new(OAuthErrorCode::InvalidGrant, description))
}

/// What the client is told of a grant's "no". To whom a code or a token belongs is not told: it may have been stolen.
fn worded(refusal: GrantRefusal) -> OAuthError {
    match refusal {
        GrantRefusal::ScopeExceeded => OAuthError::invalid_scope(refusal.to_string()),
        GrantRefusal::NotTheClient | GrantRefusal::AnotherParty | GrantRefusal::IssuedToAnotherClient => {
            OAuthError::invalid_grant(GrantRefusal::Unknown.to_string())
        }
        _ => OAuthError::invalid_grant(refusal.to_string()),
    }
}
