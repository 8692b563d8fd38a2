//! JOSE: signing, JWK, JWK Set, thumbprints, JWT. Ed25519 by `ed25519-dalek`, the rest by `aws-lc-rs`.

mod algorithm;
pub(crate) mod base64url;
mod jwk;
mod jwk_set;
mod jwt;
mod signing_key;
mod strict_json;
mod verifying_key;

pub use algorithm::{Algorithm, UnknownAlgorithm, VerificationAlgorithm};
pub use jwk::{Jwk, JwkError};
pub use jwk_set::{JwkSet, JwkSetError};
pub use jwt::{JwtError, JwtHeader, MAX_JWT_LENGTH, UnverifiedJwt, sign_jwt};
pub use signing_key::{KeyRefused, SigningKey};
pub use verifying_key::{BadSignature, VerifyingKey};

#[cfg(test)]
mod vectors;
