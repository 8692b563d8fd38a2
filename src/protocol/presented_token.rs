//! The token in question at the introspection and the revocation endpoint.

use super::{OAuthError, Params, SecretText};

/// The token that a request asks about or gives back (RFC 7662 §2.1, RFC 7009 §2.1).
///
/// `token_type_hint` is not read: a token of ours says itself what it is, so a wrong hint can't lead astray.
pub fn presented_token(params: &Params) -> Result<SecretText, OAuthError> {
    // RFC 7009 §2.1, RFC 7662 §2.1: the token is REQUIRED.
    params.get("token").map(SecretText::from).ok_or_else(|| OAuthError::invalid_request("the parameter token is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::OAuthErrorCode;

    fn parse(body: &str) -> Result<SecretText, OAuthError> {
        presented_token(&Params::parse(body.as_bytes())?)
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
    fn rfc7662_2_1_a_hint_changes_nothing() {
        for body in ["token=x", "token=x&token_type_hint=refresh_token", "token=x&token_type_hint=pat&more=1"] {
            assert_eq!(parse(body).unwrap(), "x".into());
        }
    }
}
