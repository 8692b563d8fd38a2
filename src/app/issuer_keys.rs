//! The public keys of trusted issuers that publish them at a URL, kept for a while.
//!
//! They are fetched when a token needs them, and by nothing else: one fetch at a time for each URL, and not more often than
//! every so many seconds, whatever key ids tokens make up. Whoever finds its key among those that are known does not wait.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use tokio::sync::Mutex;

use super::{
    Outside,
    fetch::{FetchError, FetchRequest},
};
use crate::{
    domain::{Seconds, Timestamp},
    jose::{JwkSet, VerifyingKey},
    protocol::parse_strict,
};

/// What is asked for (RFC 7517 §8.5.2).
const ACCEPT: &str = "application/jwk-set+json, application/json";
/// How long keys are kept at least and at most, and when the issuer does not say.
const FRESH_FOR: (Seconds, Seconds, Seconds) = (Seconds(300), Seconds(86_400), Seconds(3_600));
/// How long keys are good that can't be fetched again.
const STALE_FOR: Seconds = Seconds(6 * 3_600);
/// How far apart two fetches are.
const RETRY_AFTER: Seconds = Seconds(30);

/// Why there is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// The issuer has none of this name.
    #[error("the issuer has no key of this name")]
    Unknown,
    /// The issuer's keys can't be had.
    #[error("the keys of the issuer can't be had: {0}")]
    Unavailable(String),
}

/// The keys of every URL that was needed so far.
#[derive(Default)]
pub struct IssuerKeys(RwLock<HashMap<String, Arc<Source>>>);

#[derive(Default)]
struct Source {
    known: RwLock<Known>,
    fetching: Mutex<()>,
}

#[derive(Clone, Default)]
struct Known {
    keys: Option<Arc<JwkSet>>,
    fresh_until: Timestamp,
    good_until: Timestamp,
    next_fetch: Timestamp,
    failure: Option<String>,
}

impl IssuerKeys {
    /// The keys at this URL that a token with this `kid` may be signed with.
    pub async fn at(&self, outside: &Outside, url: &str, kid: Option<&str>) -> Result<Vec<VerifyingKey>, NoKey> {
        let source = self.source(url);
        let now = outside.clock.now();
        if let Some(keys) = source.known().fresh(kid, now) {
            return Ok(keys);
        }
        let _turn = source.fetching.lock().await;
        // Somebody else may have fetched them meanwhile.
        let known = source.known();
        if let Some(keys) = known.fresh(kid, now) {
            return Ok(keys);
        }
        let known = if now < known.next_fetch { known } else { source.set(known.after(fetch(outside, url).await, now)) };
        known.good(kid, now)
    }

    /// Forgets the keys of a URL: whoever still needs them fetches them anew.
    pub fn forget(&self, url: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(url);
    }

    fn source(&self, url: &str) -> Arc<Source> {
        if let Some(source) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(url) {
            return source.clone();
        }
        self.0.write().unwrap_or_else(PoisonError::into_inner).entry(url.to_owned()).or_default().clone()
    }
}

impl Source {
    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, known: Known) -> Known {
        self.known.write().unwrap_or_else(PoisonError::into_inner).clone_from(&known);
        known
    }
}

impl Known {
    /// Keys that need no fetch.
    fn fresh(&self, kid: Option<&str>, now: Timestamp) -> Option<Vec<VerifyingKey>> {
        let keys = self.keys.as_ref().filter(|_| now < self.fresh_until)?.verifying_keys(kid);
        (!keys.is_empty()).then_some(keys)
    }

    /// Keys that are not too old, after all that could be done.
    fn good(&self, kid: Option<&str>, now: Timestamp) -> Result<Vec<VerifyingKey>, NoKey> {
        let Some(keys) = self.keys.as_ref().filter(|_| now < self.good_until) else {
            return Err(NoKey::Unavailable(self.failure.clone().unwrap_or_default()));
        };
        let keys = keys.verifying_keys(kid);
        if keys.is_empty() { Err(NoKey::Unknown) } else { Ok(keys) }
    }

    fn after(self, fetched: Result<(JwkSet, Option<Seconds>), String>, now: Timestamp) -> Self {
        let next_fetch = now.plus(RETRY_AFTER);
        match fetched {
            Ok((keys, fresh_for)) => {
                let (least, most, usual) = FRESH_FOR;
                let fresh_until = now.plus(fresh_for.unwrap_or(usual).clamp(least, most));
                Self { keys: Some(Arc::new(keys)), fresh_until, good_until: fresh_until.plus(STALE_FOR), next_fetch, failure: None }
            }
            Err(failure) => Self { next_fetch, failure: Some(failure), ..self },
        }
    }
}

async fn fetch(outside: &Outside, url: &str) -> Result<(JwkSet, Option<Seconds>), String> {
    let request = FetchRequest { url: url.to_owned(), accept: ACCEPT };
    let answer = outside.fetch.fetch(request).await.map_err(|error: FetchError| error.to_string())?;
    if answer.status != 200 {
        return Err(format!("the answer has the status {}", answer.status));
    }
    let keys = parse_strict(&answer.body).map_err(|error| error.to_string())?;
    let keys = JwkSet::parse(&keys).map_err(|error| error.to_string())?;
    Ok((keys, answer.fresh_for))
}
