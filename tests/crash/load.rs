use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use grantlog_tests::remote::{Lost, Remote, Reply, code_of, text};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};

use crate::ledger::{Ledger, Session};

const WORKERS: u64 = 8;
const PATIENCE: Duration = Duration::from_mins(1);

/// The clients that the load comes from.
#[derive(Clone)]
pub struct Clients {
    /// Acts for persons.
    pub application: Value,
    /// Acts for itself.
    pub machine: Value,
}

impl Clients {
    /// Registers them.
    pub async fn register(remote: &Remote) -> Self {
        let application = json!({
            "client_name": "Weather by Mail",
            "redirect_uris": ["https://weather.example.com/callback"],
            "scope": "openid offline_access notes.read",
            // The machine's are JWTs.
            "access_token_format": "opaque",
        });
        let machine = json!({"client_name": "Nightly Export", "client_type": "machine", "scope": "notes.read"});
        let register = async |metadata| remote.register(&metadata).await.expect("an answer").expect(201);
        Self { application: register(application).await, machine: register(machine).await }
    }
}

/// Many clients at once, until the server is gone.
pub struct Load {
    workers: JoinSet<Ledger>,
    acknowledged: Arc<AtomicUsize>,
}

impl Load {
    /// Begins. `seed` decides what each worker does, and `round` keeps the persons of each load apart.
    pub fn start(remote: &Remote, clients: &Clients, seed: u64, round: usize) -> Self {
        let acknowledged = Arc::<AtomicUsize>::default();
        let mut workers = JoinSet::new();
        for number in 0..WORKERS {
            let worker = Worker {
                remote: remote.clone(),
                clients: clients.clone(),
                rng: StdRng::seed_from_u64(seed * WORKERS + number),
                name: format!("{round}-{number}"),
                ledger: Ledger::default(),
                acknowledged: acknowledged.clone(),
            };
            workers.spawn(worker.run());
        }
        Self { workers, acknowledged }
    }

    /// Returns when so many writes were acknowledged.
    pub async fn until(&self, writes: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.acknowledged.load(Ordering::Relaxed) < writes {
            assert!(Instant::now() < deadline, "the server acknowledges no more than {:?}", self.acknowledged);
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// What was acknowledged, when the server is gone.
    pub async fn ledger(mut self) -> Ledger {
        let mut all = Ledger::default();
        while let Some(ledger) = self.workers.join_next().await {
            all.add(ledger.expect("a worker ends without a panic"));
        }
        all
    }
}

struct Worker {
    remote: Remote,
    clients: Clients,
    rng: StdRng,
    name: String,
    ledger: Ledger,
    acknowledged: Arc<AtomicUsize>,
}

impl Worker {
    async fn run(mut self) -> Ledger {
        while self.step().await.is_ok() {}
        self.ledger
    }

    async fn step(&mut self) -> Result<(), Lost> {
        match self.rng.random_range(0..10) {
            0 => self.register().await,
            1..=3 => self.machine_token().await,
            4..=6 => self.connect().await,
            7 | 8 => self.refresh().await,
            _ => self.revoke().await,
        }
    }

    /// An answer with this status counts; another one is no answer while the server goes down.
    fn acknowledge(&mut self, reply: Reply, status: u16) -> Result<Value, Lost> {
        if reply.status == 503 {
            return Err(Lost);
        }
        self.ledger.position = self.ledger.position.max(reply.position.unwrap_or_default());
        self.ledger.acknowledged += 1;
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        Ok(reply.expect(status))
    }

    async fn register(&mut self) -> Result<(), Lost> {
        let name = format!("Export {}-{}", self.name, self.ledger.acknowledged);
        let metadata = json!({"client_name": name, "client_type": "machine", "scope": "notes.read"});
        let reply = self.remote.register(&metadata).await?;
        let client = self.acknowledge(reply, 201)?;
        self.ledger.clients.push(client);
        Ok(())
    }

    async fn machine_token(&mut self) -> Result<(), Lost> {
        let reply = self.remote.machine_token(&self.clients.machine).await?;
        let tokens = self.acknowledge(reply, 200)?;
        self.ledger.machine_tokens.push(text(&tokens["access_token"]));
        Ok(())
    }

    async fn connect(&mut self) -> Result<(), Lost> {
        let client = self.clients.application.clone();
        let person = format!("person-{}-{}", self.name, self.ledger.acknowledged);
        let reply = self.remote.request(&client, &person).await?;
        let request = self.acknowledge(reply, 201)?;
        self.ledger.undecided.push(request.clone());
        let reply = self.remote.approve(&request).await?;
        let decided = self.acknowledge(reply, 200)?;
        self.ledger.undecided.pop();
        let code = code_of(&decided);
        self.ledger.unredeemed.push(code.clone());
        let reply = self.remote.redeem(&client, &code).await?;
        let tokens = self.acknowledge(reply, 200)?;
        self.ledger.unredeemed.pop();
        let (refresh_token, access_token) = (text(&tokens["refresh_token"]), text(&tokens["access_token"]));
        self.ledger.sessions.push(Session { person, refresh_token, access_tokens: vec![access_token] });
        Ok(())
    }

    async fn refresh(&mut self) -> Result<(), Lost> {
        let Some(place) = self.some_session() else { return Ok(()) };
        // Without an answer the old one stays: asked again, it brings the same successor.
        let presented = self.ledger.sessions[place].refresh_token.clone();
        let reply = self.remote.refresh(&self.clients.application, &presented).await?;
        let tokens = self.acknowledge(reply, 200)?;
        let session = &mut self.ledger.sessions[place];
        session.refresh_token = text(&tokens["refresh_token"]);
        session.access_tokens.push(text(&tokens["access_token"]));
        Ok(())
    }

    /// Revokes an access token, or with the refresh token the whole authorization.
    async fn revoke(&mut self) -> Result<(), Lost> {
        let Some(place) = self.some_session() else { return Ok(()) };
        // Taken out first: without an answer nobody knows.
        let mut session = self.ledger.sessions.swap_remove(place);
        let whole = session.access_tokens.is_empty() || self.rng.random_bool(0.5);
        let revoked = if whole { session.refresh_token.clone() } else { session.access_tokens.remove(0) };
        match self.remote.revoke(&self.clients.application, &revoked).await.and_then(|reply| self.acknowledge(reply, 200)) {
            Ok(_) if whole => self.ledger.dead.extend(session.access_tokens),
            Ok(_) => {
                self.ledger.dead.push(revoked);
                self.ledger.sessions.push(session);
            }
            Err(lost) => {
                if !whole {
                    self.ledger.sessions.push(session);
                }
                return Err(lost);
            }
        }
        Ok(())
    }

    fn some_session(&mut self) -> Option<usize> {
        let sessions = self.ledger.sessions.len();
        (sessions > 0).then(|| self.rng.random_range(0..sessions))
    }
}
