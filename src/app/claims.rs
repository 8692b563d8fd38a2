//! Claims about a subject: sealed when attested, opened for whom a scope allows.

use serde_json::{Map, Value};

use super::{Authority, Trouble};
use crate::{
    domain::{Sealed, SubjectId},
    protocol::Scope,
};

/// The field name that claims are sealed under.
const FIELD: &str = "claims";

/// Which claims a scope lets a client see (OIDC Core §5.4).
const CLAIMS_OF_SCOPES: [(&str, &[&str]); 4] = [
    (
        "profile",
        &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("phone", &["phone_number", "phone_number_verified"]),
    ("address", &["address"]),
];

/// Every claim that a scope can ask for, for the metadata (OpenID Connect Discovery §3).
pub fn claims_supported() -> impl Iterator<Item = &'static str> {
    CLAIMS_OF_SCOPES.iter().flat_map(|(_, claims)| claims.iter().copied())
}

/// Whether an attested claim is one that some scope can ask for; others are refused, since they would never be told.
pub fn is_supported(claim: &str) -> bool {
    claims_supported().any(|supported| supported == claim)
}

impl Authority {
    /// Seals what the application said about a subject.
    pub(super) async fn seal_claims(&self, subject: SubjectId, claims: &Map<String, Value>) -> Result<Option<Sealed>, Trouble> {
        if claims.is_empty() {
            return Ok(None);
        }
        // Canonical, so that the same claims give the same sealed value.
        let plain = serde_json_canonicalizer::to_vec(claims).map_err(|error| Trouble::Crypto(error.to_string()))?;
        Ok(Some(self.vault.seal(subject, FIELD, &plain).await?))
    }

    /// The claims that this scope lets a client see; none when the subject's key is gone.
    pub async fn subject_claims(&self, sealed: Option<&Sealed>, scope: &Scope) -> Result<Map<String, Value>, Trouble> {
        let Some(sealed) = sealed else { return Ok(Map::new()) };
        let Some(plain) = self.vault.open_sealed(sealed, FIELD).await? else { return Ok(Map::new()) };
        let mut claims: Map<String, Value> = serde_json::from_slice(&plain).map_err(|error| Trouble::Crypto(error.to_string()))?;
        claims
            .retain(|name, _| CLAIMS_OF_SCOPES.iter().any(|(allowing, names)| scope.contains(allowing) && names.contains(&name.as_str())));
        Ok(claims)
    }
}
