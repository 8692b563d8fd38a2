//! A demonstration of grantlog, meant to be read and copied: three parties that know each other only through HTTP.
//!
//! - [`application`]: "Sundial Notes", whose people have something to share. It hosts the authorization endpoint page,
//!   login, consent and "your connected apps", and speaks grantlog's headless API. **Frontend teams copy this one.**
//! - [`resource_server`]: the "Sundial Notes API", which is shown an access token and asks grantlog whether it is good.
//! - three clients: [`client`], "Postcard Press", somebody else's website that was registered; [`agent`], "Lamplight", which
//!   was told nothing but a URL; [`machine`], "Night Shift", which acts for nobody but itself.
//!
//! They share a port (and the plumbing in `web`) only so that one command can start them all.

mod agent;
mod application;
mod client;
mod machine;
mod oauth;
mod resource_server;
mod web;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use http::StatusCode;
use warp::Filter;

use crate::web::Page;

pub use crate::application::people::{ORGANIZATIONS, Organization, PEOPLE, Person};

/// The name to register the demo client under.
pub const CLIENT_NAME: &str = "Postcard Press";

/// The scopes the demo client asks for; register the client with them.
pub const CLIENT_SCOPE: &str = "openid profile email notes.read notes.write offline_access";

/// The custom scope that the demo resource server wants to see, and the words for it on the consent page.
pub const NOTES_SCOPE: (&str, &str) = ("notes.read", "Read the notes you keep in Sundial Notes");

/// The scope that writing takes, and the words for it.
pub const WRITE_SCOPE: (&str, &str) = ("notes.write", "Write and delete notes in Sundial Notes");

/// What the demo has to be told.
#[derive(Clone)]
pub struct DemoConfig {
    /// grantlog's issuer, for example `http://127.0.0.1:8080`; its API is reached there too.
    pub issuer: String,
    /// Where browsers find the demo, for example `http://127.0.0.1:8081`.
    pub public_url: String,
    /// The application's API key, of role `consent`.
    pub consent_api_key: String,
    /// The resource server's API key, of role `resource_server`.
    pub resource_server_api_key: String,
    /// The demo client's id.
    pub client_id: String,
    /// The demo client's secret (`client_secret_basic`), or none for a public client.
    pub client_secret: Option<String>,
    /// The id of the resource server whose identifier is `agents_resource()`.
    pub agents_resource_server_id: String,
    /// Its API key, of role `resource_server`.
    pub agents_api_key: String,
    /// The machine client's id.
    pub machine_client_id: String,
    /// The machine client's secret.
    pub machine_client_secret: String,
}

impl DemoConfig {
    /// Where clients send browsers: what grantlog's metadata has to name as `authorization_endpoint`.
    pub fn authorization_endpoint(&self) -> String {
        self.at("/authorize")
    }

    /// What grantlog has to be given as `interaction_url`, for the hosted way.
    pub fn interaction_url(&self) -> String {
        self.at("/interaction")
    }

    /// The one redirect URI to register for the demo client.
    pub fn client_redirect_uri(&self) -> String {
        self.at("/client/callback")
    }

    /// What the demo client calls with its access token.
    pub fn api_url(&self) -> String {
        self.at("/api/notes")
    }

    /// The part of the API that agents find by its URL; register it as a resource server of this identifier.
    pub fn agents_resource(&self) -> String {
        self.at("/mcp")
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.public_url)
    }
}

impl fmt::Debug for DemoConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The keys and the client secret stay out.
        f.debug_struct("DemoConfig")
            .field("issuer", &self.issuer)
            .field("public_url", &self.public_url)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Why the demo cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// `issuer` or `public_url` is not a URL.
    #[error("{field} is not an absolute URL: {reason}")]
    NotAUrl {
        /// Which of the two.
        field: &'static str,
        /// What is wrong with it.
        reason: url::ParseError,
    },
    /// The HTTP client could not be made.
    #[error("cannot make an HTTP client: {0}")]
    HttpClient(#[from] reqwest::Error),
}

/// The page at `/`, which belongs to none of the three.
#[derive(Template)]
#[template(path = "index.html")]
struct IndexPage<'a> {
    issuer: &'a str,
    public_url: &'a str,
}

/// Serve the three parties on one listener until `shutdown` is done.
pub async fn serve(
    listener: tokio::net::TcpListener,
    mut config: DemoConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), DemoError> {
    let issuer = absolute_url("issuer", &mut config.issuer)?;
    absolute_url("public_url", &mut config.public_url)?;
    let config = Arc::new(config);
    // Back-channel calls go straight to grantlog: no redirects, no proxy.
    let http =
        reqwest::Client::builder().timeout(Duration::from_secs(10)).redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;

    let shared = Arc::clone(&config);
    let index = warp::path::end()
        .and(warp::get())
        .map(move || web::page(StatusCode::OK, &IndexPage { issuer: &shared.issuer, public_url: &shared.public_url }, Page::Plain));
    let routes = index
        .or(application::routes(&config, issuer, http.clone()))
        .unify()
        .or(client::routes(&config, http.clone()))
        .unify()
        .or(agent::routes(&config, http.clone()))
        .unify()
        .or(machine::routes(&config, http.clone()))
        .unify()
        .or(resource_server::routes(&config, http))
        .unify()
        .or(web::assets())
        .unify()
        .recover(web::not_found)
        .unify();
    warp::serve(routes).incoming(listener).graceful(shutdown).run().await;
    Ok(())
}

/// Check it, and drop a trailing slash so that paths can be appended.
fn absolute_url(field: &'static str, value: &mut String) -> Result<url::Url, DemoError> {
    value.truncate(value.trim_end_matches('/').len());
    url::Url::parse(value).map_err(|reason| DemoError::NotAUrl { field, reason })
}
