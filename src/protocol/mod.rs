//! The grammar of OAuth 2.1 and OpenID Connect: strings in, types out. Pure.

pub mod client_metadata;
pub mod pkce;
pub mod redirect_uri;
pub mod scope;

pub use client_metadata::{AccessTokenFormat, ClientAuthenticationMethod, ClientMetadata, ClientType, GrantType};
pub use pkce::{CodeChallenge, CodeVerifier};
pub use redirect_uri::RedirectUri;
pub use scope::{Scope, ScopeToken};
