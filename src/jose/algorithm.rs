//! Which signatures there are, and which of them we make.

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A signature algorithm that this server signs with (RFC 7518 §3.1, RFC 8037 §3.1). There is no `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// ECDSA with P-256 and SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits.
    #[serde(rename = "RS256")]
    Rs256,
}

/// A signature algorithm that this server verifies: what it signs with, and what clients may sign assertions with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum VerificationAlgorithm {
    /// Ed25519 (RFC 8037). RFC 9864 §2.2: `Ed25519` names the same algorithm, and new clients write that.
    #[serde(rename = "EdDSA", alias = "Ed25519")]
    EdDsa,
    /// ECDSA with P-256 and SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits or more.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PSS with SHA-256, 2048 bits or more.
    #[serde(rename = "PS256")]
    Ps256,
}

/// The other name of `EdDSA` with an Ed25519 key (RFC 9864 §2.2); other keys are not used here.
const FULLY_SPECIFIED_EDDSA: &str = "Ed25519";

/// An `alg` that is not known here; `none` is one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature algorithm is not supported")]
pub struct UnknownAlgorithm;

impl Algorithm {
    /// Every algorithm there is.
    pub const ALL: [Self; 3] = [Self::EdDsa, Self::Es256, Self::Rs256];

    /// The `alg` value.
    pub fn as_str(self) -> &'static str {
        VerificationAlgorithm::from(self).as_str()
    }

    /// The left half of the hash that goes with this algorithm, base64url: `at_hash` (OIDC Core §3.1.3.6). Ed25519
    /// goes with SHA-512, which it uses itself (RFC 8032 §5.1).
    pub fn half_hash(self, text: &[u8]) -> String {
        let hash = match self {
            Self::EdDsa => digest::digest(&digest::SHA512, text),
            Self::Es256 | Self::Rs256 => digest::digest(&digest::SHA256, text),
        };
        let hash = hash.as_ref();
        BASE64_URL_SAFE_NO_PAD.encode(&hash[..hash.len() / 2])
    }
}

impl VerificationAlgorithm {
    /// Every algorithm there is.
    pub const ALL: [Self; 4] = [Self::EdDsa, Self::Es256, Self::Rs256, Self::Ps256];
    /// Every `alg` value that is understood.
    pub const NAMES: [&str; 5] = ["EdDSA", FULLY_SPECIFIED_EDDSA, "ES256", "RS256", "PS256"];

    /// The `alg` value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }
}

impl From<Algorithm> for VerificationAlgorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::EdDsa => Self::EdDsa,
            Algorithm::Es256 => Self::Es256,
            Algorithm::Rs256 => Self::Rs256,
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text).ok_or(UnknownAlgorithm)
    }
}

impl FromStr for VerificationAlgorithm {
    type Err = UnknownAlgorithm;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == FULLY_SPECIFIED_EDDSA {
            return Ok(Self::EdDsa);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text).ok_or(UnknownAlgorithm)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for VerificationAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_is_read_as_it_is_written() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
            assert_eq!(serde_json::to_value(algorithm).expect("a name"), algorithm.as_str());
        }
        for algorithm in VerificationAlgorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
            assert_eq!(serde_json::to_value(algorithm).expect("a name"), algorithm.as_str());
        }
    }

    #[test]
    fn rfc9864_2_2_ed25519_is_eddsa_with_that_key() {
        for name in VerificationAlgorithm::NAMES {
            let parsed: VerificationAlgorithm = name.parse().expect("a name of one");
            assert_eq!(serde_json::from_value::<VerificationAlgorithm>(name.into()).expect("a name of one"), parsed);
        }
        assert_eq!("Ed25519".parse(), Ok(VerificationAlgorithm::EdDsa));
        assert!(VerificationAlgorithm::ALL.iter().all(|algorithm| VerificationAlgorithm::NAMES.contains(&algorithm.as_str())));
        // What we write ourselves stays what every client reads.
        assert_eq!("Ed25519".parse::<Algorithm>(), Err(UnknownAlgorithm));
    }

    #[test]
    fn rfc8725_3_1_none_and_macs_are_not_algorithms() {
        for text in ["none", "None", "NONE", "", "HS256", "eddsa", "RS1", "ES384"] {
            assert_eq!(text.parse::<VerificationAlgorithm>(), Err(UnknownAlgorithm), "{text}");
            assert_eq!(text.parse::<Algorithm>(), Err(UnknownAlgorithm), "{text}");
        }
    }
}
