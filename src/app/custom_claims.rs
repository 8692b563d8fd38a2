//! Custom claims: what clients and resource servers want in tokens beside what the protocols say.

use serde_json::{Map, Value};

use super::{Authority, Trouble};
use crate::{
    domain::{ClientId, OrganizationId, Sealed, authorization::Authentication},
    protocol::{ClaimsTemplate, Scope, claims_template::Path},
};

/// What the templates of one token can name.
#[derive(Clone, Copy)]
pub struct ClaimFacts<'a> {
    /// The person; None for a machine client.
    pub subject: Option<SubjectFacts<'a>>,
    /// The organization that they act in.
    pub organization_id: Option<&'a OrganizationId>,
    /// Whom the token is issued to.
    pub client_id: &'a ClientId,
    /// What the client is called.
    pub client_name: &'a str,
    /// What the token is good for.
    pub scope: &'a Scope,
    /// How and when the person was authenticated.
    pub authentication: Option<&'a Authentication>,
}

/// What templates can name of a person.
#[derive(Clone, Copy)]
pub struct SubjectFacts<'a> {
    /// The application's id of them.
    pub id: &'a str,
    /// Their roles.
    pub roles: &'a [String],
    /// What was attested about them, sealed.
    pub claims: Option<&'a Sealed>,
}

impl Authority {
    /// Fills templates in. Where two have the same claim, the later one counts.
    pub async fn custom_claims(&self, templates: &[&ClaimsTemplate], facts: &ClaimFacts<'_>) -> Result<Map<String, Value>, Trouble> {
        let attested = match facts.subject.and_then(|subject| subject.claims) {
            Some(sealed) if templates.iter().any(|template| template.names_claims()) => {
                self.claims_for_templates(sealed, facts.scope).await?
            }
            _ => Map::new(),
        };
        Ok(templates.iter().flat_map(|template| template.fill_in(&|path| value_of(path, facts, &attested))).collect())
    }
}

fn value_of(path: Path<'_>, facts: &ClaimFacts<'_>, attested: &Map<String, Value>) -> Option<Value> {
    match path {
        Path::SubjectId => facts.subject.map(|subject| subject.id.into()),
        Path::SubjectRoles => facts.subject.and_then(|subject| list(subject.roles)),
        Path::SubjectClaim(name) => attested.get(name).cloned(),
        Path::OrganizationId => facts.organization_id.map(|organization| (&*organization.0).into()),
        Path::ClientId => Some(facts.client_id.as_str().into()),
        Path::ClientName => Some(facts.client_name.into()),
        Path::Scope => (!facts.scope.is_empty()).then(|| facts.scope.to_string().into()),
        Path::Acr => facts.authentication.and_then(|authentication| authentication.acr.as_deref()).map(Value::from),
        Path::Amr => facts.authentication.and_then(|authentication| list(&authentication.amr)),
        Path::AuthTime => facts.authentication.map(|authentication| authentication.auth_time.as_seconds().into()),
    }
}

/// An empty list is no value.
fn list(values: &[String]) -> Option<Value> {
    (!values.is_empty()).then(|| values.into())
}
