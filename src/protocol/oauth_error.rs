//! The errors of the token, revocation and introspection endpoints (RFC 6749 §5.2).

use std::fmt;

use super::ParamsError;

/// A registered error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OAuthErrorCode {
    /// The request lacks a parameter, repeats one or is malformed (RFC 6749 §5.2).
    InvalidRequest,
    /// The client did not authenticate, or not successfully (RFC 6749 §5.2).
    InvalidClient,
    /// The code or refresh token is wrong, used, expired, revoked or another client's (RFC 6749 §5.2).
    InvalidGrant,
    /// The client may not use this grant type (RFC 6749 §5.2).
    UnauthorizedClient,
    /// The server does not know this grant type (RFC 6749 §5.2).
    UnsupportedGrantType,
    /// The scope is malformed, unknown or more than was granted (RFC 6749 §5.2).
    InvalidScope,
    /// A resource server is malformed, unknown or not for this client or grant (RFC 8707 §2).
    InvalidTarget,
    /// Tokens of this type can't be revoked (RFC 7009 §2.2.1).
    UnsupportedTokenType,
    /// The store does not answer; borrowed from RFC 6749 §4.1.2.1, since §5.2 has no code for it.
    TemporarilyUnavailable,
    /// A bug of ours; borrowed from RFC 6749 §4.1.2.1 likewise.
    ServerError,
}

impl OAuthErrorCode {
    /// Every code there is.
    pub const ALL: [Self; 10] = [
        Self::InvalidRequest,
        Self::InvalidClient,
        Self::InvalidGrant,
        Self::UnauthorizedClient,
        Self::UnsupportedGrantType,
        Self::InvalidScope,
        Self::InvalidTarget,
        Self::UnsupportedTokenType,
        Self::TemporarilyUnavailable,
        Self::ServerError,
    ];

    /// The code on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }
}

impl fmt::Display for OAuthErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the client is told: a code for its program and a sentence for its developer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {description}")]
pub struct OAuthError {
    code: OAuthErrorCode,
    description: String,
}

impl OAuthError {
    /// An error; characters that a description may not have are replaced.
    pub fn new(code: OAuthErrorCode, description: impl AsRef<str>) -> Self {
        Self { code, description: printable(description.as_ref()) }
    }

    /// `invalid_request`.
    pub fn invalid_request(description: impl AsRef<str>) -> Self {
        Self::new(OAuthErrorCode::InvalidRequest, description)
    }

    /// `invalid_client`.
    pub fn invalid_client(description: impl AsRef<str>) -> Self {
        Self::new(OAuthErrorCode::InvalidClient, description)
    }

    /// `invalid_grant`.
    pub fn invalid_grant(description: impl AsRef<str>) -> Self {
        Self::new(OAuthErrorCode::InvalidGrant, description)
    }

    /// `invalid_scope`.
    pub fn invalid_scope(description: impl AsRef<str>) -> Self {
        Self::new(OAuthErrorCode::InvalidScope, description)
    }

    /// `invalid_target`.
    pub fn invalid_target(description: impl AsRef<str>) -> Self {
        Self::new(OAuthErrorCode::InvalidTarget, description)
    }

    /// The code.
    pub fn code(&self) -> OAuthErrorCode {
        self.code
    }

    /// The sentence for the developer.
    pub fn description(&self) -> &str {
        &self.description
    }
}

impl From<ParamsError> for OAuthError {
    fn from(error: ParamsError) -> Self {
        Self::invalid_request(error.to_string())
    }
}

/// RFC 6749 §5.2: a description has only `%x20-21 / %x23-5B / %x5D-7E`. What else came in with a name is replaced.
pub(super) fn printable(text: &str) -> String {
    const LONGEST: usize = 500;
    let replace = |c: char| match c {
        '"' => '\'',
        ' '..='~' if c != '\\' => c,
        _ => '?',
    };
    text.chars().take(LONGEST).map(replace).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_5_2_a_description_has_no_quotes_backslashes_or_line_breaks() {
        let error = OAuthError::invalid_request("the \"na\\me\"\r\nß");
        assert_eq!(error.description(), "the 'na?me'???");
        assert!(OAuthError::invalid_grant("x".repeat(9000)).description().len() <= 500);
    }

    #[test]
    fn rfc6749_5_2_codes_are_written_as_registered() {
        let names: Vec<_> = OAuthErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(
            names,
            [
                "invalid_request",
                "invalid_client",
                "invalid_grant",
                "unauthorized_client",
                "unsupported_grant_type",
                "invalid_scope",
                "invalid_target",
                "unsupported_token_type",
                "temporarily_unavailable",
                "server_error"
            ]
        );
    }
}
