//! Claims about a subject: sealed when attested, opened for whom a scope allows.

use serde_json::{Map, Value};

use super::{Authority, Trouble};
use crate::{
    domain::{Sealed, SubjectId},
    protocol::{
        Scope,
        claims_template::{MAX_CLAIM_NAME_LENGTH, is_reserved_claim},
    },
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

/// The most claims that may be attested at once.
const MOST_ATTESTED: usize = 100;
/// The most bytes of attested claims, as compact JSON.
const LONGEST_ATTESTED: usize = 32 * 1024;

/// What is wrong with attested claims.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttestedClaimsError {
    /// More than are kept.
    #[error("There are more than {MOST_ATTESTED} claims.")]
    TooMany,
    /// Larger than is kept.
    #[error("They are longer than {LONGEST_ATTESTED} bytes.")]
    TooLong,
    /// A name that can't be referred to.
    #[error("A claim's name must have 1 to {MAX_CLAIM_NAME_LENGTH} bytes and no control characters.")]
    Name,
    /// A name that belongs to the protocols.
    #[error("The claim {0} is reserved: what it says is not the application's to say.")]
    Reserved(String),
}

/// Checks what an application attests. Claims of OIDC Core §5.1 are told to whom their scope was granted, others to whom
/// a custom claim names them.
pub fn check_attested(claims: &Map<String, Value>) -> Result<(), AttestedClaimsError> {
    if claims.len() > MOST_ATTESTED {
        return Err(AttestedClaimsError::TooMany);
    }
    for name in claims.keys() {
        if name.is_empty() || name.len() > MAX_CLAIM_NAME_LENGTH || name.chars().any(char::is_control) {
            return Err(AttestedClaimsError::Name);
        }
        if is_reserved_claim(name) {
            return Err(AttestedClaimsError::Reserved(name.clone()));
        }
    }
    let length = serde_json::to_string(claims).map_or(usize::MAX, |text| text.len());
    if length > LONGEST_ATTESTED { Err(AttestedClaimsError::TooLong) } else { Ok(()) }
}

/// Whether this scope lets a client see this claim.
fn is_allowed(claim: &str, scope: &Scope) -> bool {
    CLAIMS_OF_SCOPES.iter().any(|(allowing, names)| scope.contains(allowing) && names.contains(&claim))
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
        let mut claims = self.attested_claims(sealed).await?;
        claims.retain(|name, _| is_allowed(name, scope));
        Ok(claims)
    }

    /// The claims that a template may name: those that no scope asks for, and of the others what this scope allows.
    pub(super) async fn claims_for_templates(&self, sealed: &Sealed, scope: &Scope) -> Result<Map<String, Value>, Trouble> {
        let mut claims = self.attested_claims(sealed).await?;
        claims.retain(|name, _| claims_supported().all(|standard| standard != name) || is_allowed(name, scope));
        Ok(claims)
    }

    async fn attested_claims(&self, sealed: &Sealed) -> Result<Map<String, Value>, Trouble> {
        let Some(plain) = self.vault.open_sealed(sealed, FIELD).await? else { return Ok(Map::new()) };
        serde_json::from_slice(&plain).map_err(|error| Trouble::Crypto(error.to_string()))
    }
}
