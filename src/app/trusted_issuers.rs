//! Register, update and delete trusted issuers.

use std::sync::Arc;

use super::{Authority, Context, Trouble, UseCaseError};
use crate::{
    domain::{
        Timestamp, TrustedIssuerId,
        trusted_issuer::{TrustedIssuer, TrustedIssuerCommand, TrustedIssuerRefusal},
    },
    protocol::{MetadataProblem, TrustedIssuerInput, TrustedIssuerSettings},
};

/// Which trusted issuers there are: the read side implements it.
pub trait IssuerDirectory: Send + Sync + 'static {
    /// Those that have this name; whether they still do is for their streams to say.
    fn issuers_named(&self, issuer: &str) -> Vec<TrustedIssuerId>;
}

/// A trusted issuer that was just registered.
pub struct RegisteredTrustedIssuer {
    /// Its id here.
    pub id: TrustedIssuerId,
    /// When.
    pub registered_at: Timestamp,
}

impl Authority {
    /// Fills in what was left out, and says everything that is wrong.
    pub fn check_trusted_issuer(&self, input: TrustedIssuerInput) -> Result<TrustedIssuerSettings, Vec<MetadataProblem>> {
        let mut problems = Vec::new();
        let mut add = |field, problem: String| problems.push(MetadataProblem { field, problem });
        // Whoever has one of our own tokens is a client, and no proof of who is there.
        if input.issuer.as_ref() == Some(&self.settings.issuer) {
            add("issuer", "is this server itself".to_owned());
        }
        if let Some(Err(why)) = input.jwks_uri.as_deref().map(|uri| self.outside.fetch.check(uri)) {
            add("jwks_uri", format!("can't be fetched: {why}"));
        }
        match input.into_settings() {
            Ok(settings) if problems.is_empty() => Ok(settings),
            Ok(_) => Err(problems),
            Err(mut more) => {
                problems.retain(|problem| !more.iter().any(|other| other.field == problem.field));
                more.extend(problems);
                Err(more)
            }
        }
    }

    /// Trusts the tokens of a login system.
    pub async fn register_trusted_issuer(
        &self,
        context: &Context,
        settings: TrustedIssuerSettings,
    ) -> Result<RegisteredTrustedIssuer, UseCaseError<TrustedIssuerRefusal>> {
        let id = TrustedIssuerId(self.new_id(context));
        let command = TrustedIssuerCommand::Register { settings };
        let executed = self.trusted_issuers.execute_once(&self.outside, context, &id.stream(), &command).await?;
        Ok(RegisteredTrustedIssuer { id, registered_at: executed.state.registered_at().unwrap_or_else(|| self.now()) })
    }

    /// Replaces what is registered about a trusted issuer.
    pub async fn update_trusted_issuer(
        &self,
        context: &Context,
        id: TrustedIssuerId,
        settings: TrustedIssuerSettings,
    ) -> Result<(), UseCaseError<TrustedIssuerRefusal>> {
        self.execute_trusted_issuer(context, id, TrustedIssuerCommand::Update { settings }).await
    }

    /// Trusts the tokens of a login system no more.
    pub async fn delete_trusted_issuer(&self, context: &Context, id: TrustedIssuerId) -> Result<(), UseCaseError<TrustedIssuerRefusal>> {
        self.execute_trusted_issuer(context, id, TrustedIssuerCommand::Delete).await
    }

    /// A trusted issuer as the log has it.
    pub(super) async fn trusted_issuer(&self, id: TrustedIssuerId) -> Result<Arc<TrustedIssuer>, Trouble> {
        Ok(self.trusted_issuers.load(&self.outside, &id.stream()).await?)
    }

    async fn execute_trusted_issuer(
        &self,
        context: &Context,
        id: TrustedIssuerId,
        command: TrustedIssuerCommand,
    ) -> Result<(), UseCaseError<TrustedIssuerRefusal>> {
        let before = self.trusted_issuer(id).await?;
        self.trusted_issuers.execute(&self.outside, context, &id.stream(), &command).await?;
        // Whoever changes an issuer may do so because its keys are not its own any more.
        if let Some(url) = before.settings().and_then(|settings| settings.jwks_uri.as_deref()) {
            self.issuer_keys.forget(url);
        }
        Ok(())
    }
}
