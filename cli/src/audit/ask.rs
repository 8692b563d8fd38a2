//! Ask the past: a running server over HTTP, the data directory of a stopped one, or an export. Question and answer are the
//! same.

use std::{
    io::{Write, stdout},
    path::Path,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use clap::{Args, Subcommand, ValueEnum};
use futures::StreamExt;
use grantlog_api::{
    app::{App, Inner},
    audit::{clients, consents, events, export, grants, offline, policy, receipts, signing_keys, why},
    limits::{Limits, Rates},
};
use grantlog_core::{keys::MasterKey, store::SqliteStore};
use grantlog_projections::{
    HistoryRunner,
    ledger::{Export, Trust, replay},
};
use reqwest::{Client, StatusCode, redirect::Policy};
use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::{
    Log, check,
    remote::{self, ApiKey},
    table,
};
use crate::{
    Failure,
    boot::{Engine, MASTER_KEY_FILE, start_ledger},
    config::Config,
    keys,
    place::Place,
    progress::Progress,
};

/// How long a connection may take, and how long a server may be silent.
const PATIENCE: Duration = Duration::from_mins(1);

/// What can be asked.
#[derive(Debug, Subcommand)]
pub enum Question {
    /// List events, by whom and what they are about; a page of them, or with a format all
    Events {
        /// Whom to ask.
        #[command(flatten)]
        log: Log,
        /// Which events.
        #[command(flatten)]
        about: About,
        /// The newest first
        #[arg(long)]
        newest_first: bool,
        /// The cursor of the page before, or a position to begin behind
        #[arg(long)]
        cursor: Option<String>,
        /// How many
        #[arg(long)]
        limit: Option<u32>,
        /// Print all that fit, however many: their canonical form, or a table for spreadsheets
        #[arg(long, conflicts_with_all = ["newest_first", "cursor", "limit", "json"])]
        format: Option<EventsFormat>,
        /// How to print.
        #[command(flatten)]
        shown: Shown,
    },
    /// What a person had agreed to
    Consents {
        /// Whom to ask.
        #[command(flatten)]
        log: Log,
        /// Whose.
        #[command(flatten)]
        of: Owner,
        /// As of when.
        #[command(flatten)]
        when: When,
        /// Also what was over
        #[arg(long)]
        include_ended: bool,
        /// How to print.
        #[command(flatten)]
        shown: Shown,
    },
    /// How a consent came about and what became of it, step by step
    History {
        /// Whom to ask.
        #[command(flatten)]
        log: Log,
        /// The grant's id
        grant_id: String,
        /// As of when.
        #[command(flatten)]
        when: When,
        /// How to print.
        #[command(flatten)]
        shown: Shown,
    },
    /// The signed receipt of a consent; `grantlog receipt verify` checks it
    Receipt {
        /// Whom to ask.
        #[command(flatten)]
        log: Log,
        /// The grant's id
        grant_id: String,
        /// As of when.
        #[command(flatten)]
        when: When,
    },
    /// Which apps could reach whose data
    Grants {
        /// Whom to ask.
        #[command(flatten)]
        log: Log,
        /// Whose.
        #[command(flatten)]
        of: Owner,
        /// As of when.
        #[command(flatten)]
        when: When,
        /// Also those that were over
        #[arg(long)]
        include_ended: bool,
        /// The cursor of the page before
        #[arg(long)]
        cursor: Option<String>,
        /// How many
        #[arg(long)]
        limit: Option<u32>,
        /// How to print.
        #[command(flatten)]
        shown: Shown,
    },
    /// What a client was
    Client {
        /// Whom to ask.
        #[command(flatten)]
        log: Log,
        /// The client's id
        client_id: String,
        /// As of when.
        #[command(flatten)]
        when: When,
    },
    /// Which policy held
    Policy {
        /// Whom to ask.
        #[command(flatten)]
        log: Log,
        /// As of when.
        #[command(flatten)]
        when: When,
    },
    /// Which signing keys there were
    SigningKeys {
        /// Whom to ask.
        #[command(flatten)]
        log: Log,
        /// As of when.
        #[command(flatten)]
        when: When,
        /// How to print.
        #[command(flatten)]
        shown: Shown,
    },
    /// Why a token was issued
    Why {
        /// Whom to ask.
        #[command(flatten)]
        log: Log,
        /// The `jti` of the access token
        jti: String,
        /// Print JSON instead of sentences
        #[arg(long)]
        json: bool,
    },
}

/// Which events.
#[derive(Args, Clone, Debug)]
pub struct About {
    /// Whose.
    #[command(flatten)]
    of: Owner,
    /// About this grant
    #[arg(long)]
    grant_id: Option<String>,
    /// About this authorization request
    #[arg(long)]
    authorization_id: Option<String>,
    /// Caused by: `api_key:<id>`, `client:<id>`, `subject:<id>`, `trusted_issuer:<id>`, `anonymous` or `system`
    #[arg(long)]
    actor: Option<String>,
    /// Of this type: `grant.revoked`
    #[arg(long = "type")]
    kind: Option<String>,
    /// Decided at this moment or later: 2026-03-01T00:00:00Z
    #[arg(long)]
    from: Option<String>,
    /// Decided before this moment
    #[arg(long)]
    to: Option<String>,
}

/// Whose.
#[derive(Args, Clone, Debug)]
pub struct Owner {
    /// A person, by the application's id
    #[arg(long)]
    subject: Option<String>,
    /// A person, by our id
    #[arg(long)]
    subject_id: Option<String>,
    /// A client
    #[arg(long)]
    client_id: Option<String>,
    /// An organization
    #[arg(long)]
    organization: Option<String>,
}

/// As of when.
#[derive(Args, Clone, Debug)]
pub struct When {
    /// As it was at this moment: 2026-03-03T14:00:00Z
    #[arg(long, conflicts_with = "position")]
    as_of: Option<String>,
    /// As it was at this position of the log
    #[arg(long)]
    position: Option<u64>,
}

/// How to print.
#[derive(Args, Clone, Copy, Debug)]
pub struct Shown {
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// In which form all events are printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum EventsFormat {
    /// The canonical form of each event (docs/event-envelope.md), one on each line
    Ndjson,
    /// For spreadsheets
    Csv,
}

/// A question as it goes over HTTP.
struct Asked {
    path: String,
    query: Vec<(&'static str, String)>,
    accept: &'static str,
}

impl Asked {
    fn of(path: impl Into<String>) -> Self {
        Self { path: path.into(), query: Vec::new(), accept: "application/json" }
    }

    fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    fn of_owner(self, of: &Owner) -> Self {
        self.with("subject", of.subject.as_ref())
            .with("subject_id", of.subject_id.as_ref())
            .with("client_id", of.client_id.as_ref())
            .with("organization", of.organization.as_ref())
    }

    fn when(self, when: &When) -> Self {
        self.with("as_of", when.as_of.as_ref()).with("position", when.position)
    }

    fn about(self, about: &About) -> Self {
        self.of_owner(&about.of)
            .with("grant_id", about.grant_id.as_ref())
            .with("authorization_id", about.authorization_id.as_ref())
            .with("actor", about.actor.as_ref())
            .with("type", about.kind.as_ref())
            .with("from", about.from.as_ref())
            .with("to", about.to.as_ref())
    }

    fn query(&self) -> String {
        Serializer::new(String::new()).extend_pairs(&self.query).finish()
    }
}

/// How an answer is printed.
#[derive(Clone, Copy)]
enum Print {
    /// As it comes.
    Raw,
    /// JSON, indented.
    Json,
    /// A table of the rows in this member.
    Table(&'static str, &'static [(&'static str, &'static str)]),
}

impl Shown {
    fn or(self, table: Print) -> Print {
        if self.json { Print::Json } else { table }
    }
}

const EVENTS: Print = Print::Table(
    "events",
    &[("position", "/position"), ("time", "/time"), ("type", "/type"), ("stream", "/stream"), ("by", "/actor"), ("about", "/client_id")],
);
const GRANTS: Print = Print::Table(
    "grants",
    &[
        ("grant", "/grant_id"),
        ("subject", "/subject_id"),
        ("client", "/client/client_name"),
        ("client id", "/client/client_id"),
        ("organization", "/organization_id"),
        ("state", "/state"),
        ("scope", "/scope"),
        ("consented", "/consent/time"),
    ],
);
const STEPS: Print = Print::Table(
    "steps",
    &[
        ("position", "/position"),
        ("time", "/time"),
        ("step", "/step"),
        ("times", "/count"),
        ("by", "/actor"),
        ("scope", "/data/scope"),
        ("policy", "/policy_version"),
        ("client metadata", "/client_metadata_sha256"),
    ],
);
const SIGNING_KEYS: Print = Print::Table(
    "signing_keys",
    &[
        ("kid", "/kid"),
        ("algorithm", "/algorithm"),
        ("state", "/state"),
        ("active from", "/active_from"),
        ("retired", "/retired_at"),
        ("published until", "/published_until"),
    ],
);

/// Asks and prints.
pub async fn run(question: Question) -> Result<(), Failure> {
    let (log, asked, print) = match question {
        Question::Events { log, about, format: Some(format), .. } => {
            let format = match format {
                EventsFormat::Ndjson => "ndjson",
                EventsFormat::Csv => "csv",
            };
            (log, Asked::of(export::EXPORT).about(&about).with("format", Some(format)), Print::Raw)
        }
        Question::Events { log, about, newest_first, cursor, limit, format: None, shown } => {
            let asked = Asked::of(events::EVENTS).about(&about).with("order", newest_first.then_some("desc"));
            (log, asked.with("cursor", cursor).with("limit", limit), shown.or(EVENTS))
        }
        Question::Consents { log, of, when, include_ended, shown } => {
            let asked = Asked::of(consents::CONSENTS).of_owner(&of).when(&when);
            (log, asked.with("include_ended", include_ended.then_some(true)), shown.or(GRANTS))
        }
        Question::History { log, grant_id, when, shown } => {
            (log, Asked::of(in_path(consents::HISTORY, "{grant_id}", &grant_id)).when(&when), shown.or(STEPS))
        }
        Question::Receipt { log, grant_id, when } => {
            (log, Asked::of(in_path(receipts::RECEIPT, "{grant_id}", &grant_id)).when(&when), Print::Json)
        }
        Question::Grants { log, of, when, include_ended, cursor, limit, shown } => {
            let asked = Asked::of(grants::GRANTS).of_owner(&of).when(&when).with("include_ended", include_ended.then_some(true));
            (log, asked.with("cursor", cursor).with("limit", limit), shown.or(GRANTS))
        }
        Question::Client { log, client_id, when } => {
            (log, Asked::of(in_path(clients::CLIENT, "{client_id}", &client_id)).when(&when), Print::Json)
        }
        Question::Policy { log, when } => (log, Asked::of(policy::POLICY).when(&when), Print::Json),
        Question::SigningKeys { log, when, shown } => (log, Asked::of(signing_keys::SIGNING_KEYS).when(&when), shown.or(SIGNING_KEYS)),
        Question::Why { log, jti, json } => {
            let asked = Asked::of(in_path(why::WHY, "{jti}", &jti)).with("format", (!json).then_some("text"));
            (log, asked, if json { Print::Json } else { Print::Raw })
        }
    };
    let mut printer = Printer::new(print);
    match (&log.url, &log.export) {
        (Some(url), _) => ask_server(url, &log.api_key, &asked, &mut printer).await?,
        (None, Some(directory)) => ask_export(directory, &log, &asked, &mut printer).await?,
        (None, None) => ask_directory(log.place, &asked, &mut printer).await?,
    }
    printer.end()
}

/// A value in a path: every byte that could be more than itself is encoded.
fn in_path(template: &str, parameter: &str, value: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    template.replace(parameter, &encoded.replace('+', "%20"))
}

async fn ask_server(url: &str, key: &ApiKey, asked: &Asked, printer: &mut Printer) -> Result<(), Failure> {
    let key = key.read()?.ok_or_else(remote::key_is_needed)?;
    let client = Client::builder().connect_timeout(PATIENCE).read_timeout(PATIENCE).redirect(Policy::none()).build()?;
    let address = format!("{}{}?{}", url.trim_end_matches('/'), asked.path, asked.query());
    let mut answer = client.get(address).bearer_auth(key).header("accept", asked.accept).send().await?;
    printer.begin(answer.status());
    while let Some(part) = answer.chunk().await? {
        printer.take(&part)?;
    }
    Ok(())
}

async fn ask_directory(place: Place, asked: &Asked, printer: &mut Printer) -> Result<(), Failure> {
    let config = place.config()?;
    let engine = keys::open(&config, "GET /v1/audit/…, or --url").await?;
    ask_engine(engine, config, asked, printer).await
}

/// The export becomes a log in a directory of its own, which is gone afterwards with the record of the question. Its events name
/// people by our ids alone: who they are is in the vault, which is not exported.
async fn ask_export(directory: &Path, log: &Log, asked: &Asked, printer: &mut Printer) -> Result<(), Failure> {
    if asked.query.iter().any(|(name, _)| *name == "subject") {
        return Err("an export does not know the application's ids of people: ask by --subject-id".into());
    }
    if asked.path.ends_with("/receipt") {
        return Err("an export has no key to sign a receipt with: ask the server, or its data directory".into());
    }
    // What was changed since it was signed is not asked.
    check(log, &Trust::default()).await?;
    let scratch = tempfile::tempdir()?;
    let config = Config { data_dir: scratch.path().to_owned(), ..Config::default() };
    let store = Arc::new(SqliteStore::open(&config.data_dir)?);
    let mut progress = Progress::new("Reading the export");
    replay(&Export::new(directory), store.clone(), |done, of| progress.at(done, of)).await?;
    drop(progress);
    store.close().await;
    drop(store);
    let master_key = MasterKey::load_or_create(&scratch.path().join(MASTER_KEY_FILE))?;
    let engine = Engine::open(&config, &master_key, |_| {}).await?;
    ask_engine(engine, config, asked, printer).await
}

async fn ask_engine(engine: Engine, mut config: Config, asked: &Asked, printer: &mut Printer) -> Result<(), Failure> {
    // Whoever asks signs nothing: the server does when it runs again.
    config.ledger.checkpoint_every = 0;
    let Engine { authority, store, runner, .. } = engine;
    let history = HistoryRunner::start(&config.data_dir, store.clone()).await?;
    let ledger = start_ledger(&config, &authority, store.clone()).await?;
    let app = Arc::new(Inner {
        authority: *authority,
        live: runner.live(),
        history: history.history(),
        ledger: ledger.ledger(),
        limits: Arc::new(Limits::new(Rates::default())),
        edge: config.edge_settings(),
    });
    let outcome = answer(&app, asked, printer).await;
    drop(app);
    history.shutdown().await;
    ledger.shutdown().await;
    runner.shutdown().await;
    store.close().await;
    outcome
}

async fn answer(app: &App, asked: &Asked, printer: &mut Printer) -> Result<(), Failure> {
    // Nobody waits behind this; a server would have answered that it is not there yet.
    if let Some(position) = app.live.position() {
        while app.history.is_following() && app.history.wait_for(position, PATIENCE).await.is_err() {}
    }
    let answer = offline::get(app, &asked.path, &asked.query(), Some(asked.accept)).await;
    printer.begin(answer.status);
    let mut parts = pin!(answer.into_parts());
    while let Some(part) = parts.next().await {
        printer.take(&part?)?;
    }
    Ok(())
}

/// Prints an answer as it comes, or once it is there.
struct Printer {
    print: Print,
    is_answer: bool,
    kept: Vec<u8>,
}

impl Printer {
    fn new(print: Print) -> Self {
        Self { print, is_answer: false, kept: Vec::new() }
    }

    fn begin(&mut self, status: StatusCode) {
        self.is_answer = status.is_success();
    }

    fn take(&mut self, part: &[u8]) -> Result<(), Failure> {
        match self.print {
            Print::Raw if self.is_answer => stdout().lock().write_all(part)?,
            Print::Raw | Print::Json | Print::Table(..) => self.kept.extend_from_slice(part),
        }
        Ok(())
    }

    fn end(self) -> Result<(), Failure> {
        if !self.is_answer {
            return Err(refusal(&self.kept).into());
        }
        let mut out = stdout().lock();
        match self.print {
            Print::Raw => {}
            Print::Json => writeln!(out, "{}", serde_json::to_string_pretty(&serde_json::from_slice::<Value>(&self.kept)?)?)?,
            Print::Table(rows, columns) => out.write_all(table::of(&serde_json::from_slice(&self.kept)?, rows, columns).as_bytes())?,
        }
        out.flush()?;
        Ok(())
    }
}

/// What a problem says (RFC 9457).
fn refusal(body: &[u8]) -> String {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let detail = problem["detail"].as_str().unwrap_or("the server refused");
    let detail = table::visible(detail);
    match problem["field"].as_str() {
        Some(field) => format!("{}: {detail}", table::visible(field)),
        None => detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_a_path_stays_one_segment() {
        assert_eq!(
            in_path(clients::CLIENT, "{client_id}", "https://a.example/b c?d+e"),
            "/v1/audit/clients/https%3A%2F%2Fa.example%2Fb%20c%3Fd%2Be"
        );
    }

    #[test]
    fn a_refusal_names_the_field() {
        assert_eq!(refusal(br#"{"detail":"It is no moment.","field":"as_of"}"#), "as_of: It is no moment.");
        assert_eq!(refusal(b"<html>"), "the server refused");
    }
}
