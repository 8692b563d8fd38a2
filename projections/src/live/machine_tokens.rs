//! The access tokens of machine clients (OAuth 2.1 §4.2).
//!
//! An opaque one is kept until it expires. A JWT carries its own facts: only that it was revoked is kept.

use std::{collections::BTreeMap, sync::Arc};

use grantlog_core::{
    domain::{ClientId, MachineTokenId, Seconds, Timestamp, machine_token::MachineTokenEvent},
    protocol::{AccessTokenFormat, client_metadata::LONGEST_ACCESS_TOKEN_LIFETIME},
};
use serde::{Deserialize, Serialize};

use super::{
    TokenFacts,
    clients::Clients,
    pool::Pool,
    sweep::{is_past, next_keys},
};

/// How many tokens each event lets be looked at: more than it can add, so that expired ones never pile up.
const SWEPT_PER_EVENT: usize = 4;

/// How much longer than any token lives a revoked JWT is remembered: an entry is small, and forgetting one too early
/// because of a clock that was wrong would make the token valid again.
const REVOKED_MARGIN: Seconds = Seconds(24 * 60 * 60);

/// The longest that a JWT may live, in milliseconds.
const USUAL_LIFE: i64 = LONGEST_ACCESS_TOKEN_LIFETIME.0 as i64 * 1000;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OpaqueMachineToken {
    pub(super) client_id: ClientId,
    pub(super) facts: Arc<TokenFacts>,
    pub(super) expires_at: Timestamp,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct MachineTokens {
    opaque: BTreeMap<MachineTokenId, OpaqueMachineToken>,
    /// JWTs that were revoked, and when every one that was issued until then has expired.
    revoked: BTreeMap<MachineTokenId, Timestamp>,
    /// When a JWT lived for longer than any may: how long, in milliseconds. A revocation does not say which of them it is
    /// about.
    longest_life: Option<i64>,
    swept: Option<MachineTokenId>,
    swept_revoked: Option<MachineTokenId>,
}

impl MachineTokens {
    pub(super) fn opaque(&self, id: MachineTokenId) -> Option<&OpaqueMachineToken> {
        self.opaque.get(&id)
    }

    pub(super) fn is_revoked(&self, id: MachineTokenId) -> bool {
        self.revoked.contains_key(&id)
    }

    pub(super) fn apply(&mut self, id: MachineTokenId, event: MachineTokenEvent, time: Timestamp, clients: &Clients, pool: &mut Pool) {
        match event {
            MachineTokenEvent::Issued { client_id, scope, audience, format, expires_at } => match format {
                AccessTokenFormat::Jwt => {
                    let life = expires_at.0.saturating_sub(time.0);
                    // What is usual is not kept, so that a state does not depend on tokens that are long gone from the log.
                    self.longest_life = self.longest_life.max(Some(life).filter(|life| *life > USUAL_LIFE));
                }
                AccessTokenFormat::Opaque => {
                    // A client that was deleted while its token was being issued gets nothing out of it.
                    let Some(client) = clients.get(&client_id) else { return };
                    let facts = pool.facts(Arc::new(TokenFacts { scope, audience }));
                    self.opaque.insert(id, OpaqueMachineToken { client_id: client.client_id.clone(), facts, expires_at });
                }
            },
            MachineTokenEvent::Revoked {} => self.revoke(id, time),
        }
    }

    /// Makes the token dead, whatever form it has.
    pub(super) fn revoke(&mut self, id: MachineTokenId, time: Timestamp) {
        // One that is past may have been forgotten, and then it is the same.
        if self.opaque.remove(&id).is_none_or(|token| is_past(token.expires_at, time)) {
            let life = self.longest_life.unwrap_or(USUAL_LIFE);
            let expired = Timestamp(time.0.saturating_add(life)).plus(REVOKED_MARGIN);
            self.revoked.insert(id, expired);
        }
    }

    pub(super) fn sweep(&mut self, time: Timestamp) {
        for id in next_keys(&self.opaque, &mut self.swept, SWEPT_PER_EVENT) {
            if self.opaque.get(&id).is_some_and(|token| is_past(token.expires_at, time)) {
                self.opaque.remove(&id);
            }
        }
        for id in next_keys(&self.revoked, &mut self.swept_revoked, 1) {
            if self.revoked.get(&id).is_some_and(|&expired| is_past(expired, time)) {
                self.revoked.remove(&id);
            }
        }
    }

    /// Forgets everything that is past, and whose turn it would be next.
    pub(super) fn settle(&mut self, time: Timestamp) {
        (self.swept, self.swept_revoked) = (None, None);
        self.opaque.retain(|_, token| !is_past(token.expires_at, time));
        self.revoked.retain(|_, expired| !is_past(*expired, time));
    }

    /// Lets restored tokens share what is equal.
    pub(super) fn share(&mut self, clients: &Clients, pool: &mut Pool) {
        for token in self.opaque.values_mut() {
            token.facts = pool.facts(Arc::clone(&token.facts));
            if let Some(client) = clients.get(&token.client_id) {
                token.client_id = client.client_id.clone();
            }
        }
    }
}
