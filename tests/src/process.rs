//! A real `grantlog serve` in a process of its own, on a directory of its own, and what an application and its clients
//! say to it over HTTP.

use std::{
    env,
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::time::sleep;

const START_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(10);

/// The program: `GRANTLOG_BIN`, or what Cargo built beside this test.
pub fn program() -> PathBuf {
    if let Some(named) = env::var_os("GRANTLOG_BIN") {
        return named.into();
    }
    // A test is `target/<profile>/deps/<name>-<hash>`.
    let test = env::current_exe().expect("this program has a path");
    let built = test.ancestors().nth(2).expect("it is in a target directory").join("grantlog");
    assert!(
        built.exists(),
        "{} is missing: build it first with `cargo build --bin grantlog`, or name one in GRANTLOG_BIN",
        built.display()
    );
    built
}

/// Where a server is installed: its configuration, its data, its port. It is there before the server and after it.
pub struct Installation {
    root: TempDir,
    data: PathBuf,
    port: u16,
    /// What runs the program: nothing, or `nsenter` with its arguments.
    wrapper: Vec<String>,
}

impl Default for Installation {
    fn default() -> Self {
        Self::new()
    }
}

impl Installation {
    /// An empty one.
    pub fn new() -> Self {
        let root = TempDir::new().expect("a directory");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|probe| probe.local_addr()).expect("there is a free port").port();
        fs::write(root.path().join("grantlog.toml"), configuration(port)).expect("the configuration can be written");
        Self { data: root.path().join("data"), root, port, wrapper: Vec::new() }
    }

    /// Logs what this filter lets through, instead of warnings.
    pub fn logging(self, filter: &str) -> Self {
        let file = self.root.path().join("grantlog.toml");
        let configuration = configuration(self.port).replace("filter = \"warn\"", &format!("filter = \"{filter}\""));
        fs::write(file, configuration).expect("the configuration can be written");
        self
    }

    /// Drops issuance facts that are so many seconds old.
    pub fn retaining(self, seconds: u32) -> Self {
        let file = self.root.path().join("grantlog.toml");
        let retention = format!("\n[retention]\nissuance = {seconds}\n");
        fs::write(file, configuration(self.port) + &retention).expect("the configuration can be written");
        self
    }

    /// Runs the program by way of another.
    pub fn run_by(mut self, wrapper: Vec<String>) -> Self {
        self.wrapper = wrapper;
        self
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The issuer, which is also the base of every URL.
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts the server and does not wait for it.
    pub fn spawn(&self) -> ServerProcess {
        let output = |name: &str| File::create(self.root.path().join(name)).expect("a file for the output");
        let mut command = self.command("serve");
        let child = command.stdin(Stdio::null()).stdout(output("stdout")).stderr(output("stderr")).spawn();
        ServerProcess { child: child.unwrap_or_else(|error| panic!("{command:?} does not start: {error}")) }
    }

    /// Starts the server and waits until it is ready.
    pub async fn start(&self) -> ServerProcess {
        let mut server = self.spawn();
        let ready = format!("{}/readyz", self.issuer());
        let deadline = Instant::now() + START_TIMEOUT;
        while !reqwest::get(&ready).await.is_ok_and(|answer| answer.status().is_success()) {
            let ended = server.child.try_wait().expect("it is our child");
            assert!(ended.is_none() && Instant::now() < deadline, "the server is not ready ({ended:?}): {}", self.stderr());
            sleep(PAUSE).await;
        }
        server
    }

    /// The first admin API key, which the first start printed.
    pub fn first_admin_key(&self) -> String {
        let printed = self.read("stdout");
        let key = printed.lines().find(|line| line.starts_with("glk_"));
        key.unwrap_or_else(|| panic!("no API key was printed: {printed}")).to_owned()
    }

    /// What the server logged since it was started.
    pub fn stderr(&self) -> String {
        self.read("stderr")
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.root.path().join(name)).unwrap_or_default()
    }

    /// Runs `grantlog fsck` and expects it to find nothing.
    #[track_caller]
    pub fn expect_sound(&self) -> String {
        let Output { status, stdout, stderr } = self.command("fsck").output().expect("fsck runs");
        let text = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(status.success(), "fsck: {status}: {text}");
        text
    }

    /// Runs another subcommand, of one word or more, and expects it to succeed; returns what it printed.
    #[track_caller]
    pub fn run(&self, subcommand: &str, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.command(subcommand).args(arguments).output().expect("it runs");
        assert!(status.success(), "{subcommand}: {status}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8_lossy(&stdout).into_owned()
    }

    fn command(&self, subcommand: &str) -> Command {
        let mut words = self.wrapper.iter().map(PathBuf::from).chain([program()]);
        let mut command = Command::new(words.next().expect("the program itself"));
        command
            .args(words)
            .args(subcommand.split(' '))
            .arg("--config")
            .arg(self.root.path().join("grantlog.toml"))
            .arg("--data")
            .arg(&self.data);
        // What the environment says would override the file.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GRANTLOG_")) {
            command.env_remove(name);
        }
        command
    }
}

/// No limits on rates: the tests come from one address and as fast as they can. Lifetimes that outlast them, and a grace
/// that outlasts a restart.
fn configuration(port: u16) -> String {
    format!(
        r#"
listen = "127.0.0.1:{port}"
issuer = "http://127.0.0.1:{port}"
interaction_url = "https://app.example.com/interaction"

[scopes]
openid = "Know who you are"
email = "See your e-mail address"
offline_access = "Keep access while you are away"
"notes.read" = "Read your notes"

[tokens]
code_lifetime = 300
access_token_lifetime = 3600
refresh_grace = 300

[limits]
per_client = {{ per_second = 100000, burst = 100000 }}
per_api_key = {{ per_second = 100000, burst = 100000 }}
per_address = {{ per_second = 100000, burst = 100000 }}
drain_timeout = 10

[projections]
snapshot_every = 500

[log]
filter = "warn"
"#
    )
}

/// A running server. Dropping it kills it.
pub struct ServerProcess {
    child: Child,
}

impl ServerProcess {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: it does nothing any more.
    pub fn kill(mut self) {
        self.kill_and_wait();
    }

    /// SIGTERM, and does not wait.
    pub fn tell_to_stop(&self) {
        let told = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        assert!(told.is_ok_and(|status| status.success()), "the server can't be told to stop");
    }

    /// Waits until it ended by itself.
    pub async fn ended(mut self) -> ExitStatus {
        let deadline = Instant::now() + STOP_TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(Instant::now() < deadline, "the server does not end");
            sleep(PAUSE).await;
        }
    }

    /// SIGTERM, and waits for an end without complaint.
    pub async fn stop(self) {
        self.tell_to_stop();
        let status = self.ended().await;
        assert!(status.success(), "the server ended with {status}");
    }

    fn kill_and_wait(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill_and_wait();
    }
}
