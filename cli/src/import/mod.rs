//! `grantlog import`: clients of another server, with their ids and secrets as they are.

mod auth0;
mod draft;
mod entries;
mod hydra;
mod members;
mod own;
mod report;

use std::{
    collections::{BTreeMap, HashSet},
    fs::File,
    io::{BufRead, BufReader, Write, stdin, stdout},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use grantlog_core::{
    app::{
        Authority, Context, UseCaseError,
        import::{ForeignClient, ImportMode, Imported},
    },
    domain::ClientId,
    protocol::{ClientType, GrantType},
};
use serde_json::Value;

pub use report::{Outcome, Summary};

use self::{
    draft::Draft,
    entries::{Entries, Entry},
    members::Members,
    report::{Line, Report},
};
use crate::{Failure, keys, place::Place, progress::Progress};

/// What there is to say about an import.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Which server.
    #[command(flatten)]
    place: Place,
    /// What the file was exported from
    #[arg(long)]
    from: Source,
    /// The file: a JSON array, an object with a list `clients`, or an object in each line; `-` is the standard input
    file: PathBuf,
    /// Only say what would come of it
    #[arg(long)]
    dry_run: bool,
    /// Overwrite what is registered otherwise
    #[arg(long)]
    update: bool,
    /// Scopes of the clients that the file names none for, separated by spaces
    #[arg(long)]
    scope: Option<String>,
    /// Auth0: its client grants (`GET /api/v2/client-grants`), which say the scopes and audiences of machine clients
    #[arg(long, value_name = "FILE")]
    client_grants: Option<PathBuf>,
    /// Write the report as JSON, too
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// What a file was exported from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Source {
    /// Auth0's Management API
    Auth0,
    /// Ory Hydra's admin API
    Hydra,
    /// Our own admin API
    Grantlog,
}

/// What the operator says beside the file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What may be done.
    pub mode: ImportMode,
    /// Scopes of clients without any.
    pub scope: Option<String>,
    /// Audiences and scopes of Auth0's clients.
    pub client_grants: BTreeMap<String, ClientGrant>,
    /// Where the report for programs goes.
    pub report: Option<PathBuf>,
}

/// What Auth0 lets a client ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientGrant {
    audiences: Vec<String>,
    scopes: Vec<String>,
}

/// Does it.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { place, from, file, dry_run, update, scope, client_grants, report } = arguments;
    let client_grants = client_grants.map(|file| read_client_grants(BufReader::new(open(&file)?))).transpose()?.unwrap_or_default();
    let options = Options { mode: ImportMode { dry_run, update }, scope, client_grants, report };
    let (input, size): (Box<dyn BufRead + Send>, Option<u64>) = if file == Path::new("-") {
        (Box::new(BufReader::new(stdin())), None)
    } else {
        let file = open(&file)?;
        let size = file.metadata()?.len();
        (Box::new(BufReader::new(file)), Some(size))
    };
    let engine = keys::open(&place.config()?, "stop the server, or register the clients with POST /v1/clients").await?;
    let mut progress = Progress::new("importing");
    let tell = |read: u64| size.into_iter().for_each(|size| progress.at(read, size));
    let done = Box::pin(import(&engine.authority, from, input, &options, stdout(), tell)).await;
    engine.close().await;
    match done? {
        Summary { refused: 0, .. } => Ok(()),
        Summary { refused, .. } => Err(format!("{refused} entries were refused").into()),
    }
}

fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| format!("{} can't be read: {error}", path.display()).into())
}

/// Takes over what is in a file. Stopped anywhere, it can be run again: what is done is found done.
pub async fn import(
    authority: &Authority,
    from: Source,
    input: impl BufRead,
    options: &Options,
    people: impl Write,
    mut progress: impl FnMut(u64),
) -> Result<Summary, Failure> {
    let ImportMode { dry_run, .. } = options.mode;
    let context = Context::system();
    let mut report = Report::new(people, options.report.as_deref(), dry_run)?;
    let mut entries = Entries::new(input);
    let mut seen = HashSet::new();
    while let Some(Entry { place, value }) = entries.next()? {
        let line = match value.map(|value| read(from, value, options)) {
            Err(why) => Line::new(place, None, Outcome::Refused).because(vec![format!("it can't be read: {why}")]),
            Ok(Read { client_id, client: Err(reasons), ignored }) => {
                Line::new(place, client_id, Outcome::Refused).because(reasons).ignoring(ignored)
            }
            Ok(Read { client_id, client: Ok(client), ignored }) => {
                let line = |outcome| Line::new(place, client_id.clone(), outcome);
                let outcome = if first_of_its_id(&mut seen, &client) {
                    take_over(authority, &context, &client, options.mode, line).await?
                } else {
                    line(Outcome::Refused).because(vec!["the file has the client id twice".to_owned()])
                };
                outcome.ignoring(ignored)
            }
        };
        report.add(&line)?;
        progress(entries.read());
    }
    Ok(report.finish(dry_run)?)
}

/// The second of one id would be taken for a change of the first.
fn first_of_its_id(seen: &mut HashSet<ClientId>, client: &ForeignClient) -> bool {
    seen.insert(client.client_id.clone())
}

async fn take_over(
    authority: &Authority,
    context: &Context,
    client: &ForeignClient,
    mode: ImportMode,
    line: impl Fn(Outcome) -> Line,
) -> Result<Line, Failure> {
    match authority.import_client(context, client, mode).await {
        Ok(Imported::New) => Ok(line(Outcome::Imported)),
        Ok(Imported::Unchanged) => Ok(line(Outcome::Unchanged)),
        Ok(Imported::Differs(members)) => Ok(line(Outcome::Differs).differing(members)),
        Ok(Imported::Updated(members)) => Ok(line(Outcome::Updated).differing(members)),
        Err(UseCaseError::Refused(refusal)) => Ok(line(Outcome::Refused).because(vec![refusal.to_string()])),
        Err(UseCaseError::Trouble(trouble)) => Err(trouble.into()),
    }
}

/// An entry, as far as it can be read.
struct Read {
    client_id: Option<String>,
    /// The client, or every reason why it is none.
    client: Result<ForeignClient, Vec<String>>,
    ignored: Vec<String>,
}

fn read(from: Source, value: Value, options: &Options) -> Read {
    let Some(mut members) = Members::of(value) else {
        return Read { client_id: None, client: Err(vec!["it is no object".to_owned()]), ignored: Vec::new() };
    };
    let mut draft = match from {
        Source::Auth0 => auth0::read(&mut members),
        Source::Hydra => hydra::read(&mut members),
        Source::Grantlog => own::read(&mut members),
    };
    let client_id = draft.client_id.clone();
    if let Some(grant) = client_id.as_ref().and_then(|id| options.client_grants.get(id)) {
        grant.add_to(&mut draft);
    }
    if draft.input.scope.is_none() {
        draft.input.scope.clone_from(&options.scope);
    }
    let client = draft.finish(&mut members);
    let reasons = std::mem::take(&mut members.reasons);
    Read { client_id, client: client.ok_or(reasons), ignored: members.finish() }
}

impl ClientGrant {
    fn add_to(&self, draft: &mut Draft) {
        let mut scopes: Vec<&str> = draft.input.scope.iter().flat_map(|scope| scope.split(' ')).collect();
        scopes.extend(self.scopes.iter().map(String::as_str).filter(|scope| !scopes.contains(scope)).collect::<Vec<_>>());
        draft.input.scope = Some(scopes.join(" "));
        if draft.input.client_type == Some(ClientType::Machine) {
            draft.input.resources = Some(self.audiences.clone());
        }
    }
}

/// The client grants of Auth0, by client.
pub fn read_client_grants(input: impl BufRead) -> Result<BTreeMap<String, ClientGrant>, Failure> {
    let mut grants: BTreeMap<String, ClientGrant> = BTreeMap::new();
    let mut entries = Entries::new(input);
    while let Some(Entry { place, value }) = entries.next()? {
        let wrong = |why: String| format!("client grants, line {}, entry {}: {why}", place.line, place.index);
        let mut members = Members::of(value.map_err(wrong)?).ok_or_else(|| wrong("it is no object".to_owned()))?;
        let (client, audience, scopes) = (members.text("client_id"), members.text("audience"), members.texts("scope"));
        let (Some(client), Some(audience), []) = (client, audience, &members.reasons[..]) else {
            return Err(wrong("it needs client_id, audience and a list scope".to_owned()).into());
        };
        let grant = grants.entry(client).or_default();
        if !grant.audiences.contains(&audience) {
            grant.audiences.push(audience);
        }
        for scope in scopes.unwrap_or_default() {
            if !grant.scopes.contains(&scope) {
                grant.scopes.push(scope);
            }
        }
    }
    Ok(grants)
}

/// The grant types that there are here, of those that another server allowed; the others are told.
fn grant_types(members: &mut Members, client_type: ClientType, public: bool, named: Option<Vec<String>>) -> Vec<GrantType> {
    let named = named.unwrap_or_else(|| match client_type {
        ClientType::Machine => vec!["client_credentials".to_owned()],
        ClientType::FirstParty | ClientType::ThirdParty => vec!["authorization_code".to_owned()],
    });
    let mut known = Vec::new();
    for name in named {
        let machine = client_type == ClientType::Machine;
        match name.as_str() {
            "client_credentials" if !public => known.push(GrantType::ClientCredentials),
            "client_credentials" => members.ignore("grant_types: client_credentials, which a public client can't use"),
            "authorization_code" if !machine => known.push(GrantType::AuthorizationCode),
            "refresh_token" if !machine => known.push(GrantType::RefreshToken),
            other => members.ignore(format!("grant_types: {other}")),
        }
    }
    known
}
