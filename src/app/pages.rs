//! What a page without a backend may do to an authorization request: it presents a trusted token, and belongs to the browser
//! that the request was started in.

use super::{
    Authority, Context, UseCaseError,
    authorize::{AuthorizationView, AuthorizeRefusal, DecisionInput, hash_browser_binding},
    trusted_tokens::PresentedToken,
};
use crate::domain::{
    AuthorizationId,
    authorization::{Authorization, AuthorizationRefusal},
};

impl Authority {
    /// The request as it stands.
    pub async fn authorization_for_page(
        &self,
        context: &Context,
        id: AuthorizationId,
        token: &PresentedToken,
        browser_binding: Option<&str>,
    ) -> Result<AuthorizationView, UseCaseError<AuthorizeRefusal>> {
        self.admit_page(context, id, token, browser_binding).await?;
        self.authorization(context, id).await
    }

    /// Records who the person is: whom the token names.
    pub async fn attest_by_page(
        &self,
        context: &Context,
        id: AuthorizationId,
        token: PresentedToken,
        browser_binding: Option<String>,
    ) -> Result<AuthorizationView, UseCaseError<AuthorizeRefusal>> {
        self.admit_page(context, id, &token, browser_binding.as_deref()).await?;
        self.attest_subject(context, id, Some(token.subject), browser_binding).await
    }

    /// Records what the person decided whom the token names.
    pub async fn decide_by_page(
        &self,
        context: &Context,
        id: AuthorizationId,
        decision: DecisionInput,
        token: PresentedToken,
        browser_binding: Option<String>,
    ) -> Result<AuthorizationView, UseCaseError<AuthorizeRefusal>> {
        let decided = self.admit_page(context, id, &token, browser_binding.as_deref()).await?;
        // What is decided is decided by this person: another token of theirs changes nothing about how they logged in.
        let subject = if decided { None } else { Some(token.subject) };
        self.decide_authorization(context, id, decision, subject, browser_binding).await
    }

    /// Lets a page at a request, and says whether it is decided already.
    async fn admit_page(
        &self,
        context: &Context,
        id: AuthorizationId,
        token: &PresentedToken,
        browser_binding: Option<&str>,
    ) -> Result<bool, UseCaseError<AuthorizeRefusal>> {
        let authorization = self.require_authorization(id).await?;
        if !is_of_this_browser(&authorization, browser_binding) {
            return Err(UseCaseError::Refused(AuthorizeRefusal::Authorization(AuthorizationRefusal::AnotherBrowser)));
        }
        let decided = authorization.decision().is_some();
        // The answer has a code: it is for the person who decided.
        if let Some(attested) = authorization.attested().filter(|_| decided)
            && self.vault.external_id(attested.subject).await?.as_deref() != Some(&token.subject.id)
        {
            return Err(UseCaseError::Refused(AuthorizeRefusal::AnotherPerson));
        }
        self.bind_token(context, token, id).await.map_err(|error| error.map(|_| AuthorizeRefusal::TokenUsedElsewhere))?;
        Ok(decided)
    }
}

/// On the hosted way the browser is checked when it passes by with the answer. Elsewhere a request that was bound to no
/// browser is for the backend that took it in.
fn is_of_this_browser(authorization: &Authorization, browser_binding: Option<&str>) -> bool {
    let presented = browser_binding.map(hash_browser_binding);
    authorization.is_hosted() || (authorization.browser_binding().is_some() && authorization.belongs_to_browser(presented.as_deref()))
}
