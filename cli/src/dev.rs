//! `grantlog dev`: a server with something to click on.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write, stdout},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use clap::Args;
use grantlog_api::health::Metrics;
use grantlog_core::{
    app::{Authority, Context},
    domain::{ClientId, api_key::Role},
    keys::Secret,
    protocol::client_metadata::{ClientMetadata, ClientMetadataInput, ClientType},
};
use grantlog_demo::{CLIENT_NAME, CLIENT_SCOPE, DemoConfig, NOTES_SCOPE};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, sync::watch};

use crate::{
    Failure,
    boot::{BootError, Service, master_key, prepare_data_dir, told_to_stop},
    config::{Config, Log, LogFormat},
    logging,
};

/// The file in the data directory with what the demo was given.
const CREDENTIALS: &str = "dev.json";

/// What `dev` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Keep the data here; without it everything is gone at the end
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The server's port on 127.0.0.1
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The demo pages' port on 127.0.0.1
    #[arg(long, default_value_t = 8081)]
    demo_port: u16,
    /// What to log, as `tracing` filters write it
    #[arg(long, default_value = "warn")]
    log: String,
}

/// What the demo was given, for the next start on the same data.
#[derive(Serialize, Deserialize)]
struct Credentials {
    admin_api_key: String,
    consent_api_key: String,
    resource_server_api_key: String,
    client_id: String,
    client_secret: Option<String>,
}

/// Serves both until it is told to stop.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    logging::start(&Log { format: LogFormat::Text, filter: arguments.log.clone() })?;
    let temporary = tempfile::tempdir()?;
    let data_dir = arguments.data.clone().unwrap_or_else(|| temporary.path().to_owned());
    prepare_data_dir(&data_dir)?;
    let (server, demo) = (listen(arguments.port).await?, listen(arguments.demo_port).await?);
    let public_url = url_of(&demo)?;
    let config = config(&data_dir, &server, &public_url)?;
    let issuer = config.issuer.clone();
    let master_key = master_key(&config)?;
    let service = Service::start(config, &master_key, Metrics::install()?, |_| {}).await?;
    let credentials = credentials(&service, &data_dir.join(CREDENTIALS), &public_url).await?;
    let demo_config = DemoConfig {
        issuer: issuer.clone(),
        public_url: public_url.clone(),
        consent_api_key: credentials.consent_api_key,
        resource_server_api_key: credentials.resource_server_api_key,
        client_id: credentials.client_id,
        client_secret: credentials.client_secret,
    };
    print_welcome(&issuer, &public_url, &credentials.admin_api_key)?;
    let (stop, stopped) = watch::channel(());
    let pages = tokio::spawn(grantlog_demo::serve(demo, demo_config, until_dropped(stopped.clone())));
    tokio::spawn(async move {
        told_to_stop().await;
        drop(stop);
    });
    service.serve(server, until_dropped(stopped)).await;
    Ok(pages.await??)
}

/// Nothing is ever sent: the channel closes when it is time.
async fn until_dropped(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

async fn listen(port: u16) -> Result<TcpListener, Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|error| format!("can't listen on {address}: {error}").into())
}

fn url_of(listener: &TcpListener) -> io::Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}

fn config(data_dir: &Path, server: &TcpListener, public_url: &str) -> io::Result<Config> {
    let mut config = Config {
        listen: server.local_addr()?,
        issuer: url_of(server)?,
        data_dir: data_dir.to_owned(),
        authorization_endpoint: Some(format!("{public_url}/authorize")),
        interaction_url: Some(format!("{public_url}/interaction")),
        ..Config::default()
    };
    for (scope, meaning) in [NOTES_SCOPE, ("notes.write", "Write and delete notes in Sundial Notes")] {
        config.scopes.insert(scope.to_owned(), meaning.to_owned());
    }
    Ok(config)
}

/// What the demo was given by an earlier start, or gets now.
async fn credentials(service: &Service, file: &Path, public_url: &str) -> Result<Credentials, Failure> {
    let authority = &service.app.authority;
    let metadata = client_metadata(public_url)?;
    let context = Context::system();
    match fs::read(file) {
        Ok(text) => {
            let credentials: Credentials = serde_json::from_slice(&text)?;
            // The port may be another one this time.
            let client_id = ClientId::from(credentials.client_id.as_str());
            authority.update_client(&context, &client_id, metadata).await.map_err(BootError::from)?;
            Ok(credentials)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let credentials = seed(authority, &context, service.first_admin_key.as_ref(), metadata).await?;
            write_private(file, &serde_json::to_vec_pretty(&credentials)?)?;
            Ok(credentials)
        }
        Err(error) => Err(error.into()),
    }
}

async fn seed(
    authority: &Authority,
    context: &Context,
    first_admin_key: Option<&Secret>,
    metadata: ClientMetadata,
) -> Result<Credentials, BootError> {
    let client = authority.register_client(context, metadata).await?;
    let api_key =
        async |name: &str, role| Ok::<_, BootError>(authority.create_api_key(context, name, role, None).await?.1.expose().to_owned());
    let admin_api_key = match first_admin_key {
        Some(secret) => secret.expose().to_owned(),
        None => api_key("dev admin", Role::Admin).await?,
    };
    Ok(Credentials {
        admin_api_key,
        consent_api_key: api_key("Sundial Notes", Role::Consent).await?,
        resource_server_api_key: api_key("Sundial Notes API", Role::ResourceServer).await?,
        client_id: client.client_id.to_string(),
        client_secret: client.secret.map(|secret| secret.expose().to_owned()),
    })
}

fn client_metadata(public_url: &str) -> Result<ClientMetadata, Failure> {
    let input = ClientMetadataInput {
        client_type: Some(ClientType::ThirdParty),
        client_name: Some(CLIENT_NAME.to_owned()),
        redirect_uris: Some(vec![format!("{public_url}/client/callback")]),
        scope: Some(format!("{CLIENT_SCOPE} notes.write")),
        claims_in_id_token: Some(true),
        default_scope: Some("openid".to_owned()),
        ..ClientMetadataInput::default()
    };
    input.into_metadata().map_err(|problems| format!("the demo client can't be registered: {problems:?}").into())
}

fn write_private(file: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file: File = options.open(file)?;
    file.write_all(content)?;
    file.sync_all()
}

fn print_welcome(issuer: &str, public_url: &str, admin_api_key: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "\n  The demo        {public_url}")?;
    writeln!(out, "  A client        {public_url}/client   (begin here: connect Postcard Press to Sundial Notes)")?;
    writeln!(out, "  The server      {issuer}/.well-known/openid-configuration")?;
    writeln!(out, "\n  As an administrator:")?;
    writeln!(out, "  curl -H 'Authorization: Bearer {admin_api_key}' {issuer}/v1/clients\n")?;
    out.flush()
}
