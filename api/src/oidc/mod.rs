//! OpenID Connect: userinfo and the JWK Set.

pub mod jwks;
pub mod userinfo;
