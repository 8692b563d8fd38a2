//! Revocation requests (RFC 7009 §2.1).

use super::{OAuthError, Params, SecretText, TokenTypeHint};

/// What a revocation request says, apart from who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationRequest {
    /// The token as presented: an access token or a refresh token, of whatever form.
    pub token: SecretText,
    /// What the caller believes it to be.
    pub token_type_hint: Option<TokenTypeHint>,
}

impl RevocationRequest {
    /// Reads the body of the request.
    pub fn parse(params: &Params) -> Result<Self, OAuthError> {
        // RFC 7009 §2.1: the token is REQUIRED.
        let token = params.get("token").ok_or_else(|| OAuthError::invalid_request("the parameter token is missing"))?;
        Ok(Self { token: token.into(), token_type_hint: TokenTypeHint::parse(params) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::OAuthErrorCode;

    fn parse(body: &str) -> Result<RevocationRequest, OAuthError> {
        RevocationRequest::parse(&Params::parse(body.as_bytes())?)
    }

    #[test]
    fn rfc7009_2_1_the_token_is_required() {
        for body in ["", "token=", "token_type_hint=access_token"] {
            let error = parse(body).unwrap_err();
            assert_eq!((error.code(), error.description()), (OAuthErrorCode::InvalidRequest, "the parameter token is missing"), "{body}");
        }
        assert_eq!(parse("token=a&token=b").unwrap_err().code(), OAuthErrorCode::InvalidRequest);
    }

    #[test]
    fn rfc7009_2_1_a_hint_is_read() {
        let hint = |body: &str| parse(body).unwrap().token_type_hint;
        assert_eq!(hint("token=x&token_type_hint=access_token"), Some(TokenTypeHint::AccessToken));
        assert_eq!(hint("token=x&token_type_hint=refresh_token"), Some(TokenTypeHint::RefreshToken));
        assert_eq!(hint("token=x"), None);
    }

    #[test]
    fn rfc7009_2_2_an_unknown_hint_is_ignored() {
        let request = parse("token=x&token_type_hint=pat&more=1").unwrap();
        assert_eq!(request, RevocationRequest { token: "x".into(), token_type_hint: None });
        assert!(format!("{request:?}").contains("[redacted]"));
    }
}
