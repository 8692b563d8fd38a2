//! ID tokens (OIDC Core §2).

use serde_json::{Map, Value};

use crate::{
    app::{Authority, Trouble, authenticate_client::AuthenticatedClient, custom_claims::ClaimFacts},
    domain::{authorization::Authentication, grant::Family},
    keys::Secret,
};

/// What the ID token comes with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum IdTokenFor {
    Code,
    Refresh,
}

impl Authority {
    /// OIDC Core §2 and §12.2.
    pub(super) async fn id_token(
        &self,
        client: &AuthenticatedClient,
        family: &Family,
        facts: &ClaimFacts<'_>,
        access_token: &Secret,
        id_token_for: IdTokenFor,
    ) -> Result<Secret, Trouble> {
        let now = self.now();
        let metadata = &client.metadata;
        let mut claims = if metadata.claims_in_id_token { self.subject_claims(family.claims(), facts.scope).await? } else { Map::new() };
        claims.extend(self.custom_claims(&[&metadata.claims.id_token], facts).await?);
        let algorithm = metadata.id_token_signed_response_alg;
        let Authentication { auth_time, acr, amr } = family.authentication();
        let sub = facts.subject.map(|subject| subject.id).unwrap_or_default();
        // Last, so that nothing above passes for what the protocol says.
        claims.extend([
            ("iss".to_owned(), Value::from(self.settings.issuer.as_str())),
            ("sub".to_owned(), Value::from(sub)),
            ("aud".to_owned(), Value::from(client.id.as_str())),
            ("azp".to_owned(), Value::from(client.id.as_str())),
            ("exp".to_owned(), Value::from(now.plus(self.settings.id_token_lifetime).as_seconds())),
            ("iat".to_owned(), Value::from(now.as_seconds())),
            ("auth_time".to_owned(), Value::from(auth_time.as_seconds())),
            ("at_hash".to_owned(), Value::from(algorithm.half_hash(access_token.expose().as_bytes()))),
        ]);
        if let Some(organization_id) = facts.organization_id {
            claims.insert("org_id".to_owned(), Value::from(&*organization_id.0));
        }
        if let Some(acr) = acr {
            claims.insert("acr".to_owned(), Value::from(acr.as_str()));
        }
        if !amr.is_empty() {
            claims.insert("amr".to_owned(), Value::from(amr.clone()));
        }
        // OIDC Core §12.2: an ID token from a refresh should have no nonce.
        if let (IdTokenFor::Code, Some(nonce)) = (id_token_for, family.nonce()) {
            claims.insert("nonce".to_owned(), Value::from(nonce));
        }
        Ok(Secret::from(self.sign(algorithm, Some("JWT"), &claims).await?))
    }
}
