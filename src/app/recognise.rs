//! Tell what a presented token is, from the token alone: its form, its MAC or its signature. Whether it is still good
//! is for the log (decisions) or the read side (validation) to say.

use serde_json::{Map, Value};

use super::Authority;
use crate::{
    domain::SubjectId,
    jose::UnverifiedJwt,
    keys::{self, AccessTokenRef, RefreshTokenRef},
};

/// The `typ` of JWT access tokens (RFC 9068 §2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// A token that this server made.
#[derive(Clone, Debug)]
pub enum Recognised {
    /// An access token.
    AccessToken {
        /// Which.
        reference: AccessTokenRef,
        /// The claims of a JWT; None for an opaque one.
        claims: Option<Map<String, Value>>,
    },
    /// A refresh token.
    RefreshToken(RefreshTokenRef),
}

impl Authority {
    /// Tells what this token is; None when this server did not make it. Expired tokens are recognised too.
    pub fn recognise(&self, presented: &str) -> Option<Recognised> {
        if let Some(refresh) = self.codec.parse_refresh_token(presented) {
            return Some(Recognised::RefreshToken(refresh));
        }
        if let Some(reference) = self.codec.parse_access_token(presented) {
            return Some(Recognised::AccessToken { reference, claims: None });
        }
        let claims = self.verify_own_jwt(presented, |typ| typ == Some(ACCESS_TOKEN_TYPE))?;
        let reference = claims.get("jti")?.as_str()?.parse().ok()?;
        Some(Recognised::AccessToken { reference, claims: Some(claims) })
    }

    /// Whom an ID token of ours is about, expired or not (OIDC Core §3.1.2.1, `id_token_hint`); None when it is not ours.
    pub async fn subject_of_id_token(&self, id_token: &str) -> Result<Option<SubjectId>, super::Trouble> {
        let claims = self.verify_own_jwt(id_token, |typ| typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT")));
        match claims.as_ref().and_then(|claims| claims.get("sub")).and_then(Value::as_str) {
            Some(sub) => Ok(self.vault.find_subject(sub).await?),
            None => Ok(None),
        }
    }

    /// The claims of a JWT that a published key of ours signed for this issuer, if its `typ` is right.
    fn verify_own_jwt(&self, jwt: &str, is_typ: impl Fn(Option<&str>) -> bool) -> Option<Map<String, Value>> {
        let jwt = UnverifiedJwt::parse(jwt).ok()?;
        if !is_typ(jwt.header().typ.as_deref()) {
            return None;
        }
        // RFC 9068 §4: the signature is of a key of this issuer, and `iss` names it.
        let published = self.key_directory.keys();
        let entry = keys::verifying(&published, jwt.header().kid.as_deref()?, self.now())?;
        let key = self.verifying_keys.get(entry)?;
        let claims = jwt.verify(&key, &[entry.algorithm.into()]).ok()?;
        (claims.get("iss").and_then(Value::as_str) == Some(&self.settings.issuer)).then_some(claims)
    }
}
