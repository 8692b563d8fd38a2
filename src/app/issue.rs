//! Issue tokens: redeem a code, rotate a refresh token, give a machine client its token.

mod access_token;
mod id_token;

use self::{
    access_token::{MachineTokenFacts, claim_facts},
    id_token::IdTokenFor,
};
use super::{
    Authority, Context, UseCaseError,
    authenticate_client::AuthenticatedClient,
    target::{Target, Wanted},
};
use crate::{
    domain::{
        GrantId, MachineTokenId, Seconds,
        grant::{CutOff, Grant, GrantCommand, GrantRefusal, Issue, Issued, RedeemCode, Refresh, RevocationReason, issued},
        machine_token::MachineTokenCommand,
    },
    keys::{AccessTokenRef, RefreshTokenRef, Secret},
    protocol::{
        GrantType, Scope,
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

/// What a client presents a code with (OAuth 2.1 §4.1.3).
pub struct PresentedCode<'a> {
    /// The code.
    pub code: &'a str,
    /// `redirect_uri` as sent.
    pub redirect_uri: Option<String>,
    /// `code_verifier` as sent.
    pub code_verifier: Option<CodeVerifier>,
    /// The resource servers that it names.
    pub resources: Vec<String>,
}

/// What was granted, as far as tokens to be issued depend on it.
struct Granted<'a> {
    scope: &'a Scope,
    resources: &'a [String],
}

impl Authority {
    /// Redeems a code (OAuth 2.1 §4.1.3).
    pub async fn redeem_code(
        &self,
        context: &Context,
        client: &AuthenticatedClient,
        presented: PresentedCode<'_>,
    ) -> Result<IssuedTokens, UseCaseError<OAuthError>> {
        require_grant_type(client, GrantType::AuthorizationCode)?;
        let code = self.codec.parse_code(presented.code).ok_or_else(|| UseCaseError::Refused(worded(GrantRefusal::Unknown)))?;
        self.refuse_cut_off(client, code.grant_id).await?;
        let grant = self.grants.load(&self.outside, &code.grant_id.stream()).await?;
        let binding = grant.binding(code.authorization_id).filter(|_| grant.client_id() == Some(&client.id));
        let granted = binding.map(|binding| Granted { scope: &binding.scope, resources: &binding.resources });
        let (target, issue, resources) = self.issue_for(client, granted, presented.resources).await?;
        drop(grant);
        let command = GrantCommand::RedeemCode(RedeemCode {
            authorization_id: code.authorization_id,
            client_id: client.id.clone(),
            redirect_uri: presented.redirect_uri,
            code_verifier: presented.code_verifier,
            resources,
            issue,
        });
        let executed =
            self.grants.execute(&self.outside, context, &code.grant_id.stream(), &command).await.map_err(|error| error.map(worded))?;
        // RFC 6749 §4.1.2: a second redemption was recorded and has ended what the first one started.
        let Some(token) = issued(&executed.events) else { return Err(invalid_grant("the code was redeemed before")) };
        self.tokens(client, &target, code.grant_id, &executed.state, &token, IdTokenFor::Code).await
    }

    /// Rotates a refresh token (OAuth 2.1 §4.3).
    pub async fn refresh(
        &self,
        context: &Context,
        client: &AuthenticatedClient,
        refresh_token: &str,
        scope: Option<Scope>,
        resources: Vec<String>,
    ) -> Result<IssuedTokens, UseCaseError<OAuthError>> {
        require_grant_type(client, GrantType::RefreshToken)?;
        let presented =
            self.codec.parse_refresh_token(refresh_token).ok_or_else(|| UseCaseError::Refused(worded(GrantRefusal::Unknown)))?;
        self.refuse_cut_off(client, presented.grant_id).await?;
        let grant = self.grants.load(&self.outside, &presented.grant_id.stream()).await?;
        let family = grant.family(presented.family).filter(|_| grant.client_id() == Some(&client.id));
        let granted = family.map(|family| Granted { scope: family.scope(), resources: family.resources() });
        let (target, issue, resources) = self.issue_for(client, granted, resources).await?;
        drop(grant);
        let command = GrantCommand::Refresh(Refresh {
            client_id: client.id.clone(),
            family: presented.family,
            generation: presented.generation,
            scope,
            resources,
            grace: client.metadata.refresh_grace.unwrap_or(self.settings.refresh_grace),
            issue,
        });
        let executed =
            self.grants.execute(&self.outside, context, &presented.grant_id.stream(), &command).await.map_err(|error| error.map(worded))?;
        let Some(token) = issued(&executed.events) else {
            return Err(invalid_grant("the refresh token was used before; its family has ended"));
        };
        self.tokens(client, &target, presented.grant_id, &executed.state, &token, IdTokenFor::Refresh).await
    }

    /// Gives a client a token of its own (OAuth 2.1 §4.2).
    pub async fn issue_machine_token(
        &self,
        context: &Context,
        client: &AuthenticatedClient,
        scope: Option<Scope>,
        resources: &[String],
    ) -> Result<IssuedTokens, UseCaseError<OAuthError>> {
        require_grant_type(client, GrantType::ClientCredentials)?;
        let wanted = if resources.is_empty() { Wanted::Granted(&[]) } else { Wanted::Named(resources) };
        let target = self.target(&client.metadata, wanted).await.map_err(|error| error.map(OAuthError::from))?;
        let scope = scope.unwrap_or_else(|| Self::default_scope_for(&client.metadata, resources, &target));
        if !scope.is_subset(&client.metadata.scope) {
            let excess = scope.difference(&client.metadata.scope);
            return Err(UseCaseError::Refused(OAuthError::new(
                OAuthErrorCode::InvalidScope,
                format!("scope: the client may not ask for {excess}"),
            )));
        }
        let scope = scope.difference(&target.withheld(&scope, &self.resource_server_directory.scopes()));
        let now = self.now();
        let id = MachineTokenId(self.outside.entropy.uuid_v7(now));
        let expires_at = now.plus(target.lifetime);
        let command = MachineTokenCommand::Issue {
            client_id: client.id.clone(),
            scope: scope.clone(),
            audience: target.audience.clone(),
            format: target.format,
            expires_at,
        };
        self.machine_tokens
            .execute(&self.outside, context, &id.stream(), &command)
            .await
            .map_err(|error| error.map(|refusal| OAuthError::new(OAuthErrorCode::InvalidRequest, refusal.to_string())))?;
        let token = MachineTokenFacts { reference: AccessTokenRef::Machine(id), scope: &scope, issued_at: now, expires_at };
        let access_token = self.machine_access_token(client, &target, &token).await?;
        // OAuth 2.1 §4.2.2: no refresh token.
        Ok(IssuedTokens { access_token, expires_in: target.lifetime, scope, refresh_token: None, id_token: None })
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
        Err(match cut_off {
            Some(CutOff { reason: RevocationReason::SubjectErased, .. }) => invalid_grant("the subject is unknown"),
            _ => invalid_grant("the organization does not allow the client any more"),
        })
    }

    /// Finds out what to issue, and which of the named resource servers the grant has to have granted. Of a grant that is
    /// not this client's nothing is looked at: the decision will say no, and nothing else may be learnt.
    async fn issue_for(
        &self,
        client: &AuthenticatedClient,
        granted: Option<Granted<'_>>,
        mut named: Vec<String>,
    ) -> Result<(Target, Issue, Vec<String>), UseCaseError<OAuthError>> {
        let metadata = &client.metadata;
        let wanted = match &granted {
            None => Wanted::Granted(&[]),
            Some(granted) => {
                if granted.resources.is_empty() {
                    // Whoever named none was granted the usual audience, and may name it now.
                    named.retain(|resource| *resource != self.settings.audience);
                }
                if named.is_empty() { Wanted::Granted(granted.resources) } else { Wanted::Named(&named) }
            }
        };
        let target = self.target(metadata, wanted).await.map_err(|error| error.map(OAuthError::from))?;
        let withheld = granted.map(|granted| target.withheld(granted.scope, &self.resource_server_directory.scopes())).unwrap_or_default();
        let issue = Issue {
            audience: target.audience.clone(),
            withheld,
            format: target.format,
            access_token_lifetime: target.lifetime,
            consent_lifetime: self.settings.consent_lifetime,
            refresh_token_lifetime: metadata
                .grant_types
                .contains(&GrantType::RefreshToken)
                .then(|| metadata.refresh_token_lifetime.unwrap_or(self.settings.refresh_token_lifetime)),
        };
        Ok((target, issue, named))
    }

    async fn tokens(
        &self,
        client: &AuthenticatedClient,
        target: &Target,
        grant_id: GrantId,
        grant: &Grant,
        token: &Issued<'_>,
        id_token_for: IdTokenFor,
    ) -> Result<IssuedTokens, UseCaseError<OAuthError>> {
        let family = grant.family(token.family).ok_or_else(|| invalid_grant("the grant has ended"))?;
        let subject = grant.subject().ok_or_else(|| invalid_grant("the grant has ended"))?;
        let sub = self.vault.external_id(subject).await?.ok_or_else(|| invalid_grant("the subject is unknown"))?;
        let facts = claim_facts(client, &sub, grant, family, token.scope);
        let access_token = self.access_token(client, target, grant_id, token, &facts).await?;
        let id_token = if token.scope.contains("openid") {
            Some(self.id_token(client, family, &facts, &access_token, id_token_for).await?)
        } else {
            None
        };
        let refresh_token =
            family.generation().map(|generation| self.codec.refresh_token(RefreshTokenRef { grant_id, family: token.family, generation }));
        // Rounded up: a few milliseconds have passed since the decision.
        let expires_in = Seconds(u32::try_from((token.expires_at.0 - self.now().0 + 999) / 1000).unwrap_or_default());
        Ok(IssuedTokens { access_token, expires_in, scope: token.scope.clone(), refresh_token, id_token })
    }
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
        // RFC 8707 §2.2: more than was granted.
        GrantRefusal::ResourceNotGranted => OAuthError::invalid_target(refusal.to_string()),
        GrantRefusal::NotTheClient | GrantRefusal::AnotherParty | GrantRefusal::IssuedToAnotherClient => {
            OAuthError::invalid_grant(GrantRefusal::Unknown.to_string())
        }
        _ => OAuthError::invalid_grant(refusal.to_string()),
    }
}
