//! Let a page in that presents a token of the application's login system, and tie the token to one authorization request.

use super::{Authority, Context, Trouble, UseCaseError, authorize::SubjectAttestation, clients::CLIENT_ID_PREFIX, issuer_keys::NoKey};
use crate::{
    domain::{
        AuthorizationId, StreamId, Timestamp, TrustedIssuerId,
        authorization::Authentication,
        trusted_token::{self, TrustedTokenCommand, TrustedTokenRefusal},
    },
    jose::{JwkSet, JwtError, UnverifiedJwt, VerifyingKey},
    protocol::{
        TrustedIssuerSettings,
        trusted_token::{CheckedTrustedToken, TrustedTokenError, check_trusted_token, check_type},
    },
};

/// A token that proved who is there, not yet tied to an authorization request.
#[derive(Clone, Debug)]
pub struct PresentedToken {
    /// Whose token it is.
    pub issuer: TrustedIssuerId,
    /// Who is there.
    pub subject: SubjectAttestation,
    stream: StreamId,
    expires_at: Timestamp,
}

/// Why a token lets nobody in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UntrustedToken {
    /// It is no JWT, or one of a kind that is never trusted.
    #[error("the token is not acceptable: {0}")]
    Malformed(JwtError),
    /// Nobody is registered who could have made it.
    #[error("no trusted issuer has the name that the token gives")]
    UnknownIssuer,
    /// The issuer has no key of its `kid`.
    #[error("the issuer has no key of the name that the token gives")]
    UnknownKey,
    /// It is not signed as the issuer signs.
    #[error("the signature is not one of the issuer's, by an algorithm that is registered")]
    Signature,
    /// What it says does not hold.
    #[error(transparent)]
    Claims(#[from] TrustedTokenError),
    /// A browser says from where it comes.
    #[error("trusted tokens are for pages in browsers, and the request has no Origin")]
    NoOrigin,
    /// The page is not one that the issuer's tokens are for.
    #[error("the origin of the page is not registered with the token's issuer")]
    OtherOrigin,
}

impl UntrustedToken {
    /// The reason as programs read it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(JwtError::UnsupportedAlgorithm | JwtError::AlgorithmNotAllowed) => "algorithm_not_allowed",
            Self::Malformed(_) => "malformed",
            Self::UnknownIssuer => "unknown_issuer",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Claims(TrustedTokenError::Type) => "type",
            Self::Claims(TrustedTokenError::Issuer) => "issuer",
            Self::Claims(TrustedTokenError::Audience) => "audience",
            Self::Claims(TrustedTokenError::Expired) => "expired",
            Self::Claims(TrustedTokenError::NotYetValid) => "not_yet_valid",
            Self::Claims(TrustedTokenError::TooOld) => "too_old",
            Self::Claims(TrustedTokenError::Claim(_)) => "claim",
            Self::Claims(TrustedTokenError::ClientLikeSubject) => "subject_like_client",
            Self::NoOrigin => "origin_missing",
            Self::OtherOrigin => "origin_not_registered",
        }
    }
}

impl Authority {
    /// Says who is there, by a token that a page of this origin presented.
    pub async fn verify_trusted_token(
        &self,
        presented: &str,
        origin: Option<&str>,
    ) -> Result<PresentedToken, UseCaseError<UntrustedToken>> {
        let refused = UseCaseError::Refused;
        let jwt = UnverifiedJwt::parse(presented).map_err(|error| refused(UntrustedToken::Malformed(error)))?;
        check_type(jwt.header().typ.as_deref()).map_err(|error| refused(error.into()))?;
        let name = jwt.claimed_issuer().ok_or(refused(UntrustedToken::UnknownIssuer))?;
        let mut refusal = UntrustedToken::UnknownIssuer;
        for id in self.outside.issuers.issuers_named(&name) {
            let issuer = self.trusted_issuer(id).await?;
            // The directory follows the log; what is decided by is the stream.
            let Some(settings) = issuer.settings().filter(|settings| settings.issuer == name) else { continue };
            match self.verify_for(&jwt, settings, origin).await {
                Ok(checked) => return Ok(presented_token(id, checked, presented)),
                Err(UseCaseError::Refused(why)) => refusal = why,
                Err(trouble) => return Err(trouble),
            }
        }
        Err(refused(refusal))
    }

    async fn verify_for(
        &self,
        jwt: &UnverifiedJwt<'_>,
        settings: &TrustedIssuerSettings,
        origin: Option<&str>,
    ) -> Result<CheckedTrustedToken, UseCaseError<UntrustedToken>> {
        let refused = UseCaseError::Refused;
        // RFC 8725 §3.1: which algorithms there are is registered, and the header only picks among them.
        if !settings.algorithms.contains(&jwt.header().alg) {
            return Err(refused(UntrustedToken::Malformed(JwtError::AlgorithmNotAllowed)));
        }
        let keys = self.keys_of(settings, jwt.header().kid.as_deref()).await?;
        let claims = keys.iter().find_map(|key| jwt.verify(key, &settings.algorithms).ok()).ok_or(refused(UntrustedToken::Signature))?;
        let checked = check_trusted_token(&claims, settings, CLIENT_ID_PREFIX, self.now()).map_err(|error| refused(error.into()))?;
        let origin = origin.ok_or(refused(UntrustedToken::NoOrigin))?;
        if settings.origins.iter().any(|registered| registered.as_str() == origin) {
            Ok(checked)
        } else {
            Err(refused(UntrustedToken::OtherOrigin))
        }
    }

    async fn keys_of(
        &self,
        settings: &TrustedIssuerSettings,
        kid: Option<&str>,
    ) -> Result<Vec<VerifyingKey>, UseCaseError<UntrustedToken>> {
        let keys = match (&settings.jwks_uri, &settings.jwks) {
            (Some(url), _) => self.issuer_keys.at(&self.outside, url, kid).await,
            (None, Some(jwks)) => Ok(JwkSet::parse(jwks).map(|keys| keys.verifying_keys(kid)).unwrap_or_default()),
            (None, None) => Ok(Vec::new()),
        };
        match keys {
            Ok(keys) if keys.is_empty() => Err(UseCaseError::Refused(UntrustedToken::UnknownKey)),
            Ok(keys) => Ok(keys),
            Err(NoKey::Unknown) => Err(UseCaseError::Refused(UntrustedToken::UnknownKey)),
            Err(NoKey::Unavailable(why)) => Err(Trouble::IssuerKeys(why).into()),
        }
    }

    /// Ties a token to an authorization request. The same token for the same request is fine, as often as it comes.
    pub(super) async fn bind_token(
        &self,
        context: &Context,
        token: &PresentedToken,
        authorization_id: AuthorizationId,
    ) -> Result<(), UseCaseError<TrustedTokenRefusal>> {
        let command = TrustedTokenCommand::Bind { issuer: token.issuer, authorization_id, expires_at: token.expires_at };
        self.trusted_tokens.execute(&self.outside, context, &token.stream, &command).await?;
        Ok(())
    }
}

fn presented_token(issuer: TrustedIssuerId, checked: CheckedTrustedToken, presented: &str) -> PresentedToken {
    let stream = trusted_token::stream_of(issuer, checked.jti.as_deref(), presented);
    let authentication = Authentication { auth_time: checked.auth_time, acr: checked.acr, amr: checked.amr };
    let subject = SubjectAttestation {
        id: checked.subject,
        organization_id: checked.organization_id,
        authentication,
        roles: checked.roles,
        claims: checked.claims,
    };
    PresentedToken { issuer, subject, stream, expires_at: checked.expires_at }
}
