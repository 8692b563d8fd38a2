//! `token_type_hint`, of revocation and introspection requests (RFC 7009 §2.1, RFC 7662 §2.1).

use super::Params;

/// What the caller believes a token to be. It may be wrong: a hint only says where to look first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenTypeHint {
    /// `access_token`.
    AccessToken,
    /// `refresh_token`.
    RefreshToken,
}

impl TokenTypeHint {
    /// RFC 7009 §2.2: a hint that the server does not know is ignored.
    pub(super) fn parse(params: &Params) -> Option<Self> {
        match params.get("token_type_hint")? {
            "access_token" => Some(Self::AccessToken),
            "refresh_token" => Some(Self::RefreshToken),
            _ => None,
        }
    }
}
