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
    app::{Authority, Context, UseCaseError},
    domain::{
        ClientId, OrganizationId, ResourceServerId,
        api_key::Role,
        organization::{ClientRule, OrganizationPolicy, RuleMode},
        policy::Policy,
    },
    protocol::{
        client_metadata::{ClientMetadata, ClientMetadataInput, ClientType},
        resource_server::ResourceServerInput,
    },
};
use grantlog_demo::{CLIENT_NAME, CLIENT_SCOPE, DemoConfig, NOTES_SCOPE, ORGANIZATIONS, WRITE_SCOPE};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{net::TcpListener, sync::watch};

use crate::{
    Failure,
    boot::{BootError, Service, master_key, prepare_data_dir, told_to_stop},
    config::{Config, Log, LogFormat, WhoRegisters},
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
    auditor_api_key: String,
    consent_api_key: String,
    resource_server_api_key: String,
    client_id: String,
    client_secret: Option<String>,
    agents_api_key: String,
    machine_client_id: String,
    machine_client_secret: String,
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
        agents_resource_server_id: ResourceServerId::of(&agents_resource(&public_url)).to_string(),
        agents_api_key: credentials.agents_api_key,
        machine_client_id: credentials.machine_client_id,
        machine_client_secret: credentials.machine_client_secret,
    };
    print_welcome(&issuer, &public_url, &credentials.admin_api_key, &credentials.auditor_api_key)?;
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
    for (scope, meaning) in [NOTES_SCOPE, WRITE_SCOPE] {
        config.scopes.insert(scope.to_owned(), meaning.to_owned());
    }
    // Agents introduce themselves in either way. Everything is on this machine here, which is fetched from nowhere else.
    config.registration.dynamic = WhoRegisters::Open;
    config.registration.metadata_documents = true;
    config.registration.scopes = Some([NOTES_SCOPE.0, WRITE_SCOPE.0, "openid", "offline_access"].map(str::to_owned).into());
    config.outbound.allowed_hosts = vec![public_url.trim_start_matches("http://").to_owned()];
    config.outbound.insecure_hosts = config.outbound.allowed_hosts.clone();
    Ok(config)
}

fn agents_resource(public_url: &str) -> String {
    format!("{public_url}/mcp")
}

/// What the demo was given by an earlier start, or gets now.
async fn credentials(service: &Service, file: &Path, public_url: &str) -> Result<Credentials, Failure> {
    let authority = &service.app.authority;
    let metadata = client_metadata(public_url)?;
    let context = Context::system();
    match fs::read(file) {
        Ok(text) => {
            let mut credentials: Credentials = serde_json::from_slice(&text)?;
            // The port may be another one this time.
            let client_id = ClientId::from(credentials.client_id.as_str());
            authority.update_client(&context, &client_id, metadata).await.map_err(BootError::from)?;
            credentials.agents_api_key = agents_api_key(authority, &context, public_url).await?;
            Ok(credentials)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let credentials = seed(service, &context, public_url, metadata).await?;
            write_private(file, &serde_json::to_vec_pretty(&credentials)?)?;
            Ok(credentials)
        }
        Err(error) => Err(error.into()),
    }
}

/// A key for the part of the API that agents find; it is made anew at each start, since the port may be another one.
async fn agents_api_key(authority: &Authority, context: &Context, public_url: &str) -> Result<String, Failure> {
    let input = ResourceServerInput {
        identifier: Some(agents_resource(public_url)),
        name: Some("Sundial Notes for agents".to_owned()),
        scopes: Some(format!("{} {}", NOTES_SCOPE.0, WRITE_SCOPE.0)),
        ..ResourceServerInput::default()
    };
    let settings = input.into_settings().map_err(|problems| format!("the demo's API can't be registered: {problems:?}"))?;
    let id = ResourceServerId::of(&settings.identifier);
    let credentials = match authority.register_resource_server(context, settings).await {
        Ok((_, _, credentials)) => credentials,
        Err(UseCaseError::Refused(_)) => authority.create_resource_server_credentials(context, &id).await.map_err(BootError::from)?,
        Err(error) => return Err(BootError::from(error).into()),
    };
    Ok(credentials.api_key.expose().to_owned())
}

/// Who may do what: readers read, editors write as well. And the second organization approves each app.
async fn seed_rules(service: &Service, context: &Context) -> Result<(), Failure> {
    let authority = &service.app.authority;
    let may = |actions: &[&str]| json!([{"resource": "notes", "actions": actions}]);
    let document = serde_json::from_value(json!({
        "resources": [{"resource": "notes", "description": "The notes of Sundial Notes", "actions": ["read", "write"]}],
        "roles": [
            {"role": "reader", "permissions": may(&["read"])},
            {"role": "editor", "permissions": may(&["read", "write"])},
        ],
        "scopes": [
            {"scope": NOTES_SCOPE.0, "description": NOTES_SCOPE.1, "permissions": may(&["read"])},
            {"scope": WRITE_SCOPE.0, "description": WRITE_SCOPE.1, "permissions": may(&["read", "write"])},
        ],
    }))?;
    let policy = Policy::new(document).map_err(|problems| format!("the demo's policy is not sound: {problems:?}"))?;
    authority.publish_policy(context, policy, None).await.map_err(BootError::from)?;
    let [_, approving] = &ORGANIZATIONS;
    let restricted = OrganizationPolicy {
        third_party: ClientRule { mode: RuleMode::Restricted, ..ClientRule::default() },
        ..OrganizationPolicy::default()
    };
    authority.set_organization_policy(context, &*service.app.live, &OrganizationId(approving.id.into()), restricted).await?;
    Ok(())
}

async fn seed(service: &Service, context: &Context, public_url: &str, metadata: ClientMetadata) -> Result<Credentials, Failure> {
    let authority = &service.app.authority;
    seed_rules(service, context).await?;
    let client = authority.register_client(context, metadata).await.map_err(BootError::from)?;
    let machine = authority.register_client(context, machine_metadata()?).await.map_err(BootError::from)?;
    let api_key =
        async |name: &str, role| Ok::<_, BootError>(authority.create_api_key(context, name, role, None).await?.1.expose().to_owned());
    let admin_api_key = match &service.first_admin_key {
        Some(secret) => secret.expose().to_owned(),
        None => api_key("dev admin", Role::Admin).await?,
    };
    Ok(Credentials {
        admin_api_key,
        auditor_api_key: api_key("dev auditor", Role::Auditor).await?,
        consent_api_key: api_key("Sundial Notes", Role::Consent).await?,
        resource_server_api_key: api_key("Sundial Notes API", Role::ResourceServer).await?,
        client_id: client.client_id.to_string(),
        client_secret: client.secret.map(|secret| secret.expose().to_owned()),
        agents_api_key: agents_api_key(authority, context, public_url).await?,
        machine_client_id: machine.client_id.to_string(),
        machine_client_secret: machine.secret.map(|secret| secret.expose().to_owned()).unwrap_or_default(),
    })
}

fn machine_metadata() -> Result<ClientMetadata, Failure> {
    let input = ClientMetadataInput {
        client_type: Some(ClientType::Machine),
        client_name: Some("Night Shift".to_owned()),
        scope: Some(NOTES_SCOPE.0.to_owned()),
        ..ClientMetadataInput::default()
    };
    input.into_metadata().map_err(|problems| format!("the demo's machine can't be registered: {problems:?}").into())
}

fn client_metadata(public_url: &str) -> Result<ClientMetadata, Failure> {
    let input = ClientMetadataInput {
        client_type: Some(ClientType::ThirdParty),
        client_name: Some(CLIENT_NAME.to_owned()),
        redirect_uris: Some(vec![format!("{public_url}/client/callback")]),
        scope: Some(CLIENT_SCOPE.to_owned()),
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

fn print_welcome(issuer: &str, public_url: &str, admin_api_key: &str, auditor_api_key: &str) -> io::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "\n  The demo        {public_url}")?;
    writeln!(out, "  A client        {public_url}/client   (begin here: connect Postcard Press to Sundial Notes)")?;
    writeln!(out, "  An agent        {public_url}/agent    (it knows nothing but a URL)")?;
    writeln!(out, "  A machine       {public_url}/machine")?;
    writeln!(out, "  The server      {issuer}/.well-known/openid-configuration")?;
    writeln!(out, "\n  As an auditor, who asks what was true then:")?;
    writeln!(out, "  {issuer}/console/   (its API key: {auditor_api_key})")?;
    writeln!(out, "\n  As an administrator:")?;
    writeln!(out, "  curl -H 'Authorization: Bearer {admin_api_key}' {issuer}/v1/clients\n")?;
    out.flush()
}
