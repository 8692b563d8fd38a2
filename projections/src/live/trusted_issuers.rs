//! The trusted issuers, and from which origins their tokens may come.

use std::{collections::BTreeMap, sync::Arc};

use grantlog_core::{
    domain::{Timestamp, TrustedIssuerId, trusted_issuer::TrustedIssuerEvent},
    protocol::TrustedIssuerSettings,
};
use serde::{Deserialize, Serialize};

/// A trusted issuer as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrustedIssuerView {
    /// Which.
    pub id: TrustedIssuerId,
    /// What is registered about it.
    #[serde(with = "crate::json")]
    pub settings: TrustedIssuerSettings,
    /// When it was registered.
    pub registered_at: Timestamp,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct TrustedIssuers(BTreeMap<TrustedIssuerId, Arc<TrustedIssuerView>>);

impl TrustedIssuers {
    pub(super) fn get(&self, id: TrustedIssuerId) -> Option<&Arc<TrustedIssuerView>> {
        self.0.get(&id)
    }

    /// All of them, oldest first: ids are ordered by time.
    pub(super) fn list(&self) -> Vec<Arc<TrustedIssuerView>> {
        self.0.values().cloned().collect()
    }

    pub(super) fn named(&self, issuer: &str) -> Vec<TrustedIssuerId> {
        self.0.values().filter(|view| view.settings.issuer == issuer).map(|view| view.id).collect()
    }

    /// Administrators register few of them, so this may look at all.
    pub(super) fn have_origin(&self, origin: &str) -> bool {
        self.0.values().any(|view| view.settings.origins.iter().any(|registered| registered.as_str() == origin))
    }

    pub(super) fn apply(&mut self, id: TrustedIssuerId, event: TrustedIssuerEvent, time: Timestamp) {
        match event {
            TrustedIssuerEvent::Registered { settings } => {
                self.0.insert(id, Arc::new(TrustedIssuerView { id, settings, registered_at: time }));
            }
            TrustedIssuerEvent::Updated { settings } => {
                if let Some(view) = self.0.get_mut(&id) {
                    Arc::make_mut(view).settings = settings;
                }
            }
            TrustedIssuerEvent::Deleted {} => self.remove(id),
        }
    }

    pub(super) fn remove(&mut self, id: TrustedIssuerId) {
        self.0.remove(&id);
    }
}
