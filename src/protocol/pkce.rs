//! Proof Key for Code Exchange (RFC 7636), S256 only: OAuth 2.1 has no `plain`.

use serde::{Deserialize, Serialize};

/// An S256 code challenge: the SHA-256 of the verifier, base64url, 43 characters (RFC 7636 §4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeChallenge(pub(crate) String);
