use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use grantlog_tests::{
    process::Installation,
    remote::{Remote, text},
};
use reqwest::Method;
use tokio::time::sleep;

use crate::load::Clients;

const RECOVERY: Duration = Duration::from_secs(20);

/// A small disk of its own, in a mount namespace of its own that nobody else sees and that ends with this process.
struct SmallDisk {
    holder: Child,
    dir: PathBuf,
}

impl SmallDisk {
    /// None when this machine does not let us mount; the reason is printed.
    fn mount(dir: &Path) -> Option<Self> {
        fs::create_dir_all(dir).expect("a directory");
        let script = "mount -t tmpfs -o size=6m,mode=700 tmpfs \"$0\" && echo mounted && exec sleep 600";
        let holder =
            Command::new("unshare").args(["--mount", "sh", "-c", script]).arg(dir).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut holder = match holder {
            Ok(holder) => holder,
            Err(error) => {
                println!("skipped: unshare can't be run ({error})");
                return None;
            }
        };
        let mut line = String::new();
        let stdout = holder.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("its output can be read");
        let disk = Self { holder, dir: dir.to_owned() };
        if line.trim() == "mounted" {
            return Some(disk);
        }
        println!("skipped: a tmpfs can't be mounted here");
        None
    }

    /// What runs a program where the disk is.
    fn wrapper(&self) -> Vec<String> {
        ["nsenter", "--target", &self.holder.id().to_string(), "--mount"].map(str::to_owned).to_vec()
    }

    fn filler(&self) -> PathBuf {
        let inside = self.dir.strip_prefix("/").expect("an absolute path").join("filler");
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(inside)
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let mut filler = fs::File::create(self.filler()).expect("a file");
        for size in [65_536, 4096, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.filler()).expect("the file is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A full disk stops writes, with 503, and nothing else; with room they go on, and the log is sound.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_writes_answer_503_and_reads_go_on() {
    let installation = Installation::new();
    let Some(disk) = SmallDisk::mount(installation.data()) else { return };
    let installation = installation.run_by(disk.wrapper());
    let server = installation.start().await;
    let remote = Remote::of(&installation).await;
    let clients = Clients::register(&remote).await;
    let token = async || remote.machine_token(&clients.machine).await.expect("an answer");
    let mut acknowledged = vec![text(&token().await.expect(200)["access_token"])];

    disk.fill();
    // What was allocated before is used up first.
    let refused = loop {
        let answer = token().await;
        if answer.status != 200 {
            break answer;
        }
        acknowledged.push(text(&answer.body["access_token"]));
        assert!(acknowledged.len() < 20_000, "the disk is full");
    };
    assert_eq!(refused.status, 503, "{}", refused.body);
    for _ in 0..20 {
        token().await.expect(503);
    }
    assert!(remote.is_active(&acknowledged[0]).await);
    remote.get("/.well-known/openid-configuration").await.expect("an answer").expect(200);
    remote.call("admin", Method::GET, "/v1/clients", None).await.expect("an answer").expect(200);

    disk.make_room();
    let deadline = Instant::now() + RECOVERY;
    loop {
        let answer = token().await;
        if answer.status == 200 {
            acknowledged.push(text(&answer.body["access_token"]));
            break;
        }
        assert!(Instant::now() < deadline, "there is room again, and the answer is {} {}", answer.status, answer.body);
        sleep(Duration::from_millis(100)).await;
    }
    for token in &acknowledged {
        assert!(remote.is_active(token).await, "an acknowledged token is not active");
    }
    server.stop().await;
    installation.expect_sound();
    let server = installation.start().await;
    for token in acknowledged.iter().rev().take(100) {
        assert!(remote.is_active(token).await, "an acknowledged token is not active after a restart");
    }
    server.stop().await;
    installation.expect_sound();
}
