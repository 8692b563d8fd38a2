//! "Night Shift": a machine. Nobody is asked and nobody is there: it has a secret of its own (RFC 6749 §4.4).

use std::sync::Arc;

use askama::Template;
use http::StatusCode;
use warp::reply::Response;
use warp::{Filter, Rejection};

use crate::oauth::{OAuth, OAuthError, claims};
use crate::web::{Page, page};
use crate::{DemoConfig, NOTES_SCOPE};

struct Machine {
    http: reqwest::Client,
    oauth: OAuth,
}

/// What a run brought.
struct Run {
    good: bool,
    title: &'static str,
    transcript: String,
}

#[derive(Template)]
#[template(path = "machine.html")]
struct MachinePage {
    run: Option<Run>,
}

/// The machine's routes: its run is started by hand here, and by a clock in real life.
pub fn routes(config: &DemoConfig, http: reqwest::Client) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<> {
    let machine = Arc::new(Machine {
        http: http.clone(),
        oauth: OAuth {
            http,
            issuer: config.issuer.clone(),
            client_id: config.machine_client_id.clone(),
            client_secret: Some(config.machine_client_secret.clone()),
            redirect_uri: String::new(),
            resource: Some(config.agents_resource()),
        },
    });
    let show = warp::path!("machine").and(warp::get()).map(|| page(StatusCode::OK, &MachinePage { run: None }, Page::Plain));
    let run = warp::path!("machine").and(warp::post()).then(move || {
        let machine = Arc::clone(&machine);
        async move {
            let run = machine.run().await.unwrap_or_else(|error| failed(&error));
            page(StatusCode::OK, &MachinePage { run: Some(run) }, Page::Plain)
        }
    });
    show.or(run).unify()
}

impl Machine {
    async fn run(&self) -> Result<Run, OAuthError> {
        let tokens = self.oauth.client_credentials(NOTES_SCOPE.0).await?;
        let url = self.oauth.resource.as_deref().unwrap_or_default();
        let answer = self.http.get(url).bearer_auth(&tokens.access_token).send().await?;
        let status = answer.status();
        let body: serde_json::Value = answer.json().await?;
        let token = claims(&tokens.access_token).unwrap_or_default();
        let pretty = |value: &serde_json::Value| serde_json::to_string_pretty(value).unwrap_or_default();
        Ok(Run {
            good: status.is_success(),
            title: if status.is_success() { "The backup ran" } else { "The API refused" },
            transcript: format!("Inside the access token:\n{}\n\nGET {url}\n{status}\n{}", pretty(&token.into()), pretty(&body)),
        })
    }
}

fn failed(error: &OAuthError) -> Run {
    tracing::warn!(%error, "the machine got no token");
    Run { good: false, title: "The machine got no token", transcript: error.to_string() }
}
