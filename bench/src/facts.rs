//! What a result is worth nothing without: the machine, the build, and how it was measured.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::Serialize;

use crate::{args::RunArguments, failure::Failure, load::Latencies};

/// The machine, the build, and how it was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// When, in UTC.
    pub date: String,
    /// The commit of the working directory, with `-dirty` when it is not quite that.
    pub commit: Option<String>,
    /// Processors.
    pub cores: usize,
    /// Their model.
    pub cpu_model: Option<String>,
    /// The kernel.
    pub kernel: Option<String>,
    /// How busy the machine was before: the load averages.
    pub load_before: Option<String>,
    /// The file system that the data is on.
    pub file_system: Option<String>,
    /// How long a 512-byte append with fdatasync took there, before the servers were started: a tenth took no longer, in
    /// microseconds.
    pub fdatasync_p10_us: u64,
    /// The median. On a busy machine this tells of the scheduler (a multiple of its tick) rather than of the disk.
    pub fdatasync_p50_us: u64,
    /// Which setting for durability the server had. What it does with it can't be seen over HTTP.
    pub durability: &'static str,
    /// How operations arrived.
    pub arrival: String,
    /// Workers.
    pub concurrency: u16,
    /// Threads that the workers shared.
    pub client_threads: u16,
    /// How long each scenario was measured.
    pub seconds: u32,
    /// How long each ran before.
    pub warmup_seconds: u32,
}

impl Facts {
    /// Of this run, with the data in this directory.
    pub fn gather(arguments: &RunArguments, data: &Path, now: Timestamp) -> Result<Self, Failure> {
        let fdatasync = fdatasync(data)?;
        Ok(Self {
            date: now.to_string(),
            commit: output("git", &["describe", "--always", "--dirty", "--exclude=*"]),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            cpu_model: fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| cpu_model(&text)),
            kernel: line("/proc/sys/kernel/osrelease"),
            load_before: line("/proc/loadavg"),
            file_system: output("stat", &["--file-system", "--format=%T", &data.display().to_string()]),
            fdatasync_p10_us: fdatasync.quantile(0.1),
            fdatasync_p50_us: fdatasync.quantile(0.5),
            durability: "the server's default",
            arrival: arguments.rate.map_or_else(|| "closed loop".to_owned(), |rate| format!("{rate} a second")),
            concurrency: arguments.concurrency,
            client_threads: arguments.client_threads,
            seconds: arguments.seconds,
            warmup_seconds: arguments.warmup,
        })
    }
}

/// The time, for the date of the results and for when people logged in.
#[expect(clippy::disallowed_methods, reason = "the tool knows nothing of the server's Clock and drives it in real time")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

fn line(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn cpu_model(cpuinfo: &str) -> Option<String> {
    let (_, model) = cpuinfo.lines().find(|line| line.starts_with("model name"))?.split_once(':')?;
    Some(model.trim().to_owned())
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// The floor of everything durable.
fn fdatasync(directory: &Path) -> Result<Latencies, Failure> {
    let failed = || Failure::io("measuring fdatasync");
    let mut file = File::create(directory.join("fdatasync")).map_err(failed())?;
    let mut latencies = Latencies::default();
    let until = Instant::now() + Duration::from_millis(500);
    while latencies.count() < 200 && Instant::now() < until {
        let start = Instant::now();
        file.write_all(&[1; 512]).and_then(|()| file.sync_data()).map_err(failed())?;
        latencies.record(start.elapsed());
    }
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_model_of_the_processor() {
        assert_eq!(cpu_model("processor\t: 0\nmodel name\t: A (R) CPU\n").as_deref(), Some("A (R) CPU"));
        assert_eq!(cpu_model(""), None);
    }
}
