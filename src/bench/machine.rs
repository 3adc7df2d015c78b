//! What machine a benchmark ran on, and what its kernel tells of a process.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use chargebook_simulator::load::{Latencies, LatencySummary};
use serde::Serialize;

/// Appends timed to learn what a durable write costs here.
const SYNC_PROBES: usize = 200;
/// Size of each.
const SYNC_PROBE_BYTES: usize = 4_096;

/// The machine.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    pub(super) cpu: String,
    pub(super) cores: usize,
    pub(super) memory_mib: u64,
    pub(super) kernel: String,
    /// One-minute load average before the run; on a busy machine only ratios mean something.
    pub(super) load_average: String,
    pub(super) filesystem: String,
    /// Appending 4 KiB and `fdatasync`.
    pub(super) fdatasync: LatencySummary,
    pub(super) open_files: u64,
}

impl Machine {
    /// Looks at the machine and times durable appends in `dir`.
    pub(super) fn examine(dir: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            cpu: field_of("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: field_of("/proc/meminfo", "MemTotal").and_then(kibibytes).unwrap_or(0)
                / 1_024,
            kernel: read_word("/proc/sys/kernel/osrelease"),
            load_average: read_word("/proc/loadavg"),
            filesystem: filesystem_of(dir).unwrap_or_else(unknown),
            fdatasync: time_syncs(dir)?,
            open_files: raise_open_files(),
        })
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// The value after `name:` in a file of such lines.
fn field_of(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

fn kibibytes(text: String) -> Option<u64> {
    text.trim_end_matches("kB").trim().parse().ok()
}

fn read_word(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().next().map_or_else(unknown, str::to_owned)
}

/// The type of the file system that holds `dir`: the longest mount point above it.
fn filesystem_of(dir: &Path) -> Option<String> {
    let dir = dir.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/mounts").ok()?;
    let above = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        dir.starts_with(point).then(|| (point.len(), kind.to_owned()))
    });
    above.max().map(|(_, kind)| kind)
}

fn time_syncs(dir: &Path) -> anyhow::Result<LatencySummary> {
    let path = dir.join("fdatasync.probe");
    let timed = time_syncs_of(&path);
    let removed = std::fs::remove_file(&path);
    let latencies = timed.with_context(|| format!("cannot write in {}", dir.display()))?;
    removed?;
    Ok(latencies.summary())
}

fn time_syncs_of(path: &Path) -> std::io::Result<Latencies> {
    let mut file: File = OpenOptions::new().create(true).append(true).open(path)?;
    let bytes = [0x5a; SYNC_PROBE_BYTES];
    let mut latencies = Latencies::default();
    for _ in 0..SYNC_PROBES {
        let begun = Instant::now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        latencies.record(begun.elapsed());
    }
    Ok(latencies)
}

/// Raises the soft limit of open files to the hard one; children inherit it. Returns it.
fn raise_open_files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let reached = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    reached.unwrap_or(u64::MAX)
}

/// Processor time a process has used, user and system.
pub(super) fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    // The second field, the name, is in parentheses and may hold anything.
    let rest = text.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = rest.split_whitespace().skip(11).take(2).flat_map(str::parse::<u64>).sum();
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Ok(Duration::from_millis(ticks * 1_000 / per_second))
}

/// Memory of a process that is in RAM, in KiB.
pub(super) fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    field_of(&path, "VmRSS").and_then(kibibytes).with_context(|| format!("no VmRSS in {path}"))
}

#[cfg(test)]
mod tests {
    use super::{cpu_time, filesystem_of, resident_kib, time_syncs};

    #[test]
    fn the_kernel_tells_of_this_process() {
        let pid = std::process::id();
        assert!(resident_kib(pid).expect("this process has memory") > 0);
        assert!(cpu_time(pid).is_ok());
        assert!(cpu_time(u32::MAX).is_err());
    }

    #[test]
    fn a_folder_has_a_file_system_and_takes_syncs() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(filesystem_of(folder.path()).is_some_and(|kind| !kind.is_empty()));
        assert!(time_syncs(folder.path()).expect("timed").max_ms > 0.0);
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0);
    }
}
