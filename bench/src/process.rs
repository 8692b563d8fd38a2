//! A server that runs beside us, and is killed when we let go of it.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::failure::Failure;

/// How much of the standard error is shown when something failed.
const SHOWN: usize = 2_000;

/// A running program.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    stderr: PathBuf,
}

impl Process {
    /// Starts it and waits for a line on its standard output in which `wanted` finds something.
    pub fn start(
        name: &'static str,
        mut command: Command,
        directory: &Path,
        within: Duration,
        wanted: fn(&str) -> Option<String>,
    ) -> Result<(Self, String), Failure> {
        let stderr = directory.join(format!("{name}.stderr"));
        let file = File::create(&stderr).map_err(Failure::io("the file for standard error"))?;
        // The pipe to its standard input stays open for as long as we live: the floor ends when it closes.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().map_err(Failure::io(format!("starting {}", command.get_program().display())))?;
        let stdout = child.stdout.take();
        let process = Self { name, child, stderr };
        let found = stdout.and_then(|stdout| find(stdout, wanted).recv_timeout(within).ok());
        match found {
            Some(found) => Ok((process, found)),
            None => Err(process.not_started("it did not print the line that was expected")),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// An error if it has ended.
    pub fn must_run(&mut self) -> Result<(), Failure> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                Err(Failure::Ended { program: self.name.to_owned(), status: status.to_string(), stderr: self.last_words() })
            }
            Err(error) => Err(Failure::Io { what: format!("waiting for {}", self.name), source: error }),
        }
    }

    /// The error that says why it did not start.
    pub fn not_started(&self, why: &str) -> Failure {
        Failure::NotStarted { program: self.name.to_owned(), why: why.to_owned(), stderr: self.last_words() }
    }

    fn last_words(&self) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut file) = File::open(&self.stderr) {
            // What can't be read is not shown; the failure itself is reported all the same.
            let _ = file.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(SHOWN)..]).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines to the end, so that the pipe never fills, and hands over the first find.
fn find(stdout: ChildStdout, wanted: fn(&str) -> Option<String>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut sender = Some(sender);
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let (Some(to), Some(found)) = (&sender, wanted(&line)) {
                // Nobody listens any more when the start took too long.
                let _ = to.send(found);
                sender = None;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn key(line: &str) -> Option<String> {
        line.split_whitespace().find(|word| word.starts_with("glk_")).map(str::to_owned)
    }

    #[test]
    fn finds_the_line_and_kills_on_drop() {
        let directory = tempfile::tempdir().unwrap();
        let script = "echo hello; echo 'the key: glk_abc (once)'; exec sleep 60";
        let (mut process, found) = Process::start("it", shell(script), directory.path(), Duration::from_secs(5), key).unwrap();
        assert_eq!(found, "glk_abc");
        process.must_run().unwrap();
        let proc = PathBuf::from(format!("/proc/{}", process.id()));
        assert!(proc.exists());
        drop(process);
        assert!(!proc.exists());
    }

    #[test]
    fn a_program_that_ends_early_is_reported_with_its_standard_error() {
        let directory = tempfile::tempdir().unwrap();
        let failed = Process::start("it", shell("echo no such key >&2; exit 3"), directory.path(), Duration::from_secs(5), key);
        assert!(failed.unwrap_err().to_string().contains("no such key"));
    }
}
