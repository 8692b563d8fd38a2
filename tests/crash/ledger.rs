use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use grantlog_core::store::{EventStore, Position, SqliteStore};
use grantlog_tests::{
    process::Installation,
    remote::{Remote, code_of, text},
};
use reqwest::Method;
use serde_json::Value;

/// Checks run beside each other; the server is not the only one who waits for a disk.
const CHECKS: usize = 8;

/// One authorization of one person.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who.
    pub person: String,
    /// The newest refresh token that an answer brought.
    pub refresh_token: String,
    /// The access tokens that answers brought.
    pub access_tokens: Vec<String>,
}

/// What a server acknowledged, and what it was asked without an answer.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Clients that were registered.
    pub clients: Vec<Value>,
    /// Access tokens for clients themselves.
    pub machine_tokens: Vec<String>,
    /// Authorizations that are alive.
    pub sessions: Vec<Session>,
    /// Tokens whose revocation was acknowledged, refresh tokens among them.
    pub dead: Vec<String>,
    /// Decisions that were asked for without an answer, with the client and the person.
    pub undecided: Vec<Value>,
    /// Codes that were redeemed without an answer.
    pub unredeemed: Vec<String>,
    /// Where the last acknowledged write is in the log.
    pub position: u64,
    /// How many writes were acknowledged.
    pub acknowledged: usize,
}

impl Ledger {
    /// Adds what another one has.
    pub fn add(&mut self, other: Self) {
        self.clients.extend(other.clients);
        self.machine_tokens.extend(other.machine_tokens);
        self.sessions.extend(other.sessions);
        self.dead.extend(other.dead);
        self.undecided.extend(other.undecided);
        self.unredeemed.extend(other.unredeemed);
        self.position = self.position.max(other.position);
        self.acknowledged += other.acknowledged;
    }

    /// Everything acknowledged is there, and nothing that was revoked came back.
    pub async fn check(&self, remote: &Remote) {
        // Every acknowledged position is in the log, and the read side got to it.
        let newest = remote.read_at("admin", "/v1/clients?limit=1", self.position).await;
        newest.expect("an answer").expect(200);
        stream::iter(&self.clients).for_each_concurrent(CHECKS, |client| is_registered(remote, client)).await;
        stream::iter(&self.sessions).for_each_concurrent(CHECKS, |session| has_its_grant(remote, session)).await;
        let alive = self.sessions.iter().flat_map(|session| &session.access_tokens).chain(&self.machine_tokens);
        stream::iter(alive)
            .for_each_concurrent(CHECKS, async |token| assert!(remote.is_active(token).await, "an acknowledged token is not active"))
            .await;
        stream::iter(&self.dead)
            .for_each_concurrent(CHECKS, async |token| assert!(!remote.is_active(token).await, "a revoked token is active"))
            .await;
    }

    /// Asks again what went unanswered: nothing may be half there, so each is answered as if for the first time, or as
    /// done. What comes of it is acknowledged from now on.
    pub async fn ask_again(&mut self, remote: &Remote, client: &Value) {
        for request in std::mem::take(&mut self.undecided) {
            let decided = remote.approve(&request).await.expect("an answer").expect(200);
            assert_eq!(decided["state"], "completed", "{decided}");
            let tokens = remote.redeem(client, &code_of(&decided)).await.expect("an answer").expect(200);
            assert!(remote.is_active(&text(&tokens["access_token"])).await);
        }
        for code in std::mem::take(&mut self.unredeemed) {
            let answer = remote.redeem(client, &code).await.expect("an answer");
            // RFC 6749 §4.1.2: it was redeemed, and a second time ends what it led to; or it was not.
            let refused = answer.status == 400 && answer.body["error"] == "invalid_grant";
            assert!(refused || answer.status == 200, "{} {}", answer.status, answer.body);
        }
    }

    /// The newest refresh token of each authorization is good, also when one more rotation went unanswered.
    pub async fn refresh_all(&mut self, remote: &Remote, client: &Value) {
        for session in &mut self.sessions {
            let tokens = remote.refresh(client, &session.refresh_token).await.expect("an answer").expect(200);
            session.refresh_token = text(&tokens["refresh_token"]);
            session.access_tokens.push(text(&tokens["access_token"]));
        }
    }
}

async fn is_registered(remote: &Remote, client: &Value) {
    let path = format!("/v1/clients/{}", text(&client["client_id"]));
    let found = remote.call("admin", Method::GET, &path, None).await.expect("an answer").expect(200);
    assert_eq!(found["client_name"], client["client_name"]);
    // Its secret works.
    remote.machine_token(client).await.expect("an answer").expect(200);
}

async fn has_its_grant(remote: &Remote, session: &Session) {
    let path = format!("/v1/subjects/{}/grants", session.person);
    let found = remote.call("consent", Method::GET, &path, None).await.expect("an answer").expect(200);
    let grants = found["grants"].as_array().map_or(0, Vec::len);
    assert_eq!(grants, 1, "{} has one grant: {found}", session.person);
}

/// The log of a stopped server: every event can be read, positions count up, and it reaches what was acknowledged.
pub async fn read_log(installation: &Installation, acknowledged: u64) {
    let store = SqliteStore::open_read_only(installation.data()).expect("the log can be opened");
    let mut events = store.read_all(None);
    let (mut last, mut ids) = (Position(0), BTreeSet::new());
    while let Some(event) = events.next().await {
        let event = event.expect("the log can be read");
        event.decode().unwrap_or_else(|error| panic!("position {}: {error}", event.position.0));
        assert!(event.position > last, "positions grow");
        assert!(ids.insert(event.event.id), "an event is there twice");
        last = event.position;
    }
    assert!(last.0 >= acknowledged, "the log ends at {}, and {acknowledged} was acknowledged", last.0);
}
