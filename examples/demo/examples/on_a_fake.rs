//! The demo on a fake grantlog, to work on the pages without the service: `cargo run -p grantlog-demo --example on_a_fake`.

#[path = "../tests/fake/mod.rs"]
mod fake;

use fake::{CLIENT_ID, CLIENT_SECRET, CONSENT_KEY, Fake, RESOURCE_SERVER_KEY};
use grantlog_demo::DemoConfig;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8081").await?;
    let public_url = format!("http://{}", listener.local_addr()?);
    let fake = Fake::start("127.0.0.1:0", &public_url).await?;
    // What the pages show can be varied, as JSON: OVERLAY='{"next":"step_up"}'
    if let Ok(overlay) = std::env::var("OVERLAY") {
        let overlay = serde_json::from_str(&overlay)?;
        fake.with(|memory| memory.overlay = overlay);
    }
    let config = DemoConfig {
        issuer: fake.issuer.clone(),
        public_url,
        consent_api_key: CONSENT_KEY.to_owned(),
        resource_server_api_key: RESOURCE_SERVER_KEY.to_owned(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: Some(CLIENT_SECRET.to_owned()),
        agents_resource_server_id: "0".repeat(32),
        agents_api_key: RESOURCE_SERVER_KEY.to_owned(),
        machine_client_id: "night-shift".to_owned(),
        machine_client_secret: "gls_night".to_owned(),
    };
    println!("{config:?}");
    grantlog_demo::serve(listener, config, async {
        let _ = tokio::signal::ctrl_c().await;
    })
    .await?;
    Ok(())
}
