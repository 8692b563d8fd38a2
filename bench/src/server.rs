//! The server under test.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use http::StatusCode;

use crate::{
    failure::Failure,
    http::{Call, Connection},
    process::Process,
};

const START: Duration = Duration::from_secs(30);

/// What the server's configuration is, but for where it listens and keeps its data. The limits are out of the way, since
/// all load comes from one address; tokens live longer than a run; somebody who comes back is not asked again.
const CONFIGURATION: &str = r#"
[tokens]
code_lifetime = 600
access_token_lifetime = 86400
[authorization]
remember_offline_access = true
[limits]
per_client = { per_second = 100000000, burst = 100000000 }
per_api_key = { per_second = 100000000, burst = 100000000 }
per_address = { per_second = 100000000, burst = 100000000 }
[log]
filter = "warn"
"#;

/// The running server.
#[derive(Debug)]
pub struct Server {
    /// The process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its issuer identifier.
    pub issuer: String,
    /// The API key it printed when it was started for the first time.
    pub api_key: String,
}

impl Server {
    /// Starts the binary with an empty data directory and waits until it is ready.
    pub async fn start(binary: &Path, directory: &Path) -> Result<Self, Failure> {
        let address = free_address()?;
        let issuer = format!("http://{address}");
        let file = directory.join("grantlog.toml");
        let data = directory.join("data");
        let head = format!("listen = \"{address}\"\nissuer = \"{issuer}\"\ndata_dir = {:?}\n", data.display().to_string());
        fs::write(&file, head + CONFIGURATION).map_err(Failure::io("the server's configuration"))?;
        let mut command = Command::new(binary);
        // A GRANTLOG_ variable of the caller's would override the file.
        command.env_clear().arg("serve").arg("--config").arg(&file);
        let (mut process, api_key) = Process::start("grantlog", command, directory, START, api_key)?;
        until_ready(&mut process, address).await?;
        Ok(Self { process, address, issuer, api_key })
    }
}

/// The first word of a line that is an API key.
fn api_key(line: &str) -> Option<String> {
    let start = line.find("glk_")?;
    let key: String = line[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')).collect();
    (key.len() > "glk_".len()).then_some(key)
}

/// The system's choice. Somebody else may take it before the server does; then the server says so and the run ends.
pub fn free_address() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Failure::io("looking for a free port"))?;
    listener.local_addr().map_err(Failure::io("looking for a free port"))
}

async fn until_ready(process: &mut Process, address: SocketAddr) -> Result<(), Failure> {
    let until = Instant::now() + START;
    while Instant::now() < until {
        process.must_run()?;
        if let Ok(mut connection) = Connection::open(address).await
            && connection.send(Call::get("/readyz")).await.and_then(|answer| answer.expect(StatusCode::OK)).is_ok()
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(process.not_started("it did not become ready"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_found_wherever_it_is_in_a_line() {
        assert_eq!(api_key("The first API key (admin), shown once: glk_a1-B_2.c").as_deref(), Some("glk_a1-B_2.c"));
        assert_eq!(api_key(r#"{"api_key":"glk_abc","role":"admin"}"#).as_deref(), Some("glk_abc"));
        assert_eq!(api_key("glk_"), None);
        assert_eq!(api_key("listening"), None);
    }
}
