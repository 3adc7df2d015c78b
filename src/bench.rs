//! `chargebook bench`: what this server does on this machine, beside what the machine allows.
//!
//! Absolute figures depend on the machine and on what else runs; so each figure stands beside
//! a ratio or a target. The servers are child processes of this same binary; the load comes
//! from one thread of this process.

mod machine;
mod parts;
mod process;
mod report;

use crate::output::output;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use chargebook_simulator::load::{LoadVersion, NullServer};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use self::machine::Machine;
use self::parts::Bench;
use self::report::Report;

/// Open files this process and each server need beside one for each connection.
const SPARE_FILES: u64 = 500;
/// Threads of the bare server.
const NULL_SERVER_THREADS: usize = 2;

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Memory of idle connections.
    Idle,
    /// Full charging sessions as fast as answered, in turn with the bare server.
    Sessions,
    /// Sessions at a fixed rate: latency.
    Paced,
    /// What one station that sends without pause does to the latency of others.
    Burst,
    /// All stations reconnect after a restart.
    Storm,
    /// Rebuilding the read models beside reading the log.
    Rebuild,
}

/// An OCPP version, as it is written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Version {
    #[value(name = "1.6")]
    V16,
    #[value(name = "2.0.1")]
    V201,
    #[value(name = "2.1")]
    V21,
}

impl From<Version> for LoadVersion {
    fn from(version: Version) -> Self {
        match version {
            Version::V16 => Self::V16,
            Version::V201 => Self::V201,
            Version::V21 => Self::V21,
        }
    }
}

/// Options of `chargebook bench`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    command: Option<BenchCommand>,
    /// Parts to run, separated by commas [default: all]
    #[arg(long = "part", value_enum, value_delimiter = ',')]
    parts: Vec<Part>,
    /// Fewer connections and shorter runs: a look, not a measurement
    #[arg(long)]
    quick: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Connections that charge
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    connections: Option<u32>,
    /// Connections that idle, and that reconnect in the storm
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    idle_connections: Option<u32>,
    /// Rounds of each server
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Seconds measured in each round
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: Option<u64>,
    /// Messages per second of the paced part
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// OCPP versions that the stations speak, in turn, separated by commas
    #[arg(long = "ocpp", value_enum, value_delimiter = ',', default_value = "1.6")]
    versions: Vec<Version>,
    /// The stations offer permessage-deflate, and it must be agreed on
    #[arg(long)]
    compress: bool,
    /// Folder for the data, on the disk to be measured; a new one inside it is removed at the end
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

#[derive(Debug, clap::Subcommand)]
enum BenchCommand {
    /// The bare server that the benchmark compares with
    #[command(hide = true)]
    NullServer(NullServerArgs),
}

#[derive(Debug, clap::Args)]
struct NullServerArgs {
    /// Answer only after fdatasync
    #[arg(long)]
    fsync: bool,
    /// Folder of its file
    #[arg(long)]
    dir: PathBuf,
    /// Where to listen
    #[arg(long)]
    listen: SocketAddr,
}

/// What the options come to.
#[derive(Debug)]
pub(crate) struct Settings {
    parts: Vec<Part>,
    connections: usize,
    idle_connections: usize,
    rounds: u32,
    warm_up: Duration,
    measure: Duration,
    rate: u32,
    offers_compression: bool,
    versions: Vec<LoadVersion>,
}

impl Settings {
    fn new(args: &BenchArgs, open_files: u64) -> Self {
        let most = usize::try_from(open_files.saturating_sub(SPARE_FILES)).unwrap_or(usize::MAX);
        let count = |asked: Option<u32>, usual: u32, quick: u32| {
            let count = asked.unwrap_or(if args.quick { quick } else { usual });
            usize::try_from(count).unwrap_or(usize::MAX).min(most)
        };
        let all =
            [Part::Idle, Part::Sessions, Part::Paced, Part::Burst, Part::Storm, Part::Rebuild];
        let seconds = args.seconds.unwrap_or(if args.quick { 3 } else { 8 });
        Self {
            parts: all
                .into_iter()
                .filter(|part| args.parts.is_empty() || args.parts.contains(part))
                .collect(),
            connections: count(args.connections, 1_000, 200),
            idle_connections: count(args.idle_connections, 5_000, 500),
            rounds: args.rounds.unwrap_or(if args.quick { 1 } else { 3 }),
            warm_up: Duration::from_secs(if args.quick { 1 } else { 2 }),
            measure: Duration::from_secs(seconds),
            rate: args.rate,
            offers_compression: args.compress,
            versions: args.versions.iter().copied().map(LoadVersion::from).collect(),
        }
    }

    fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}

/// Runs the benchmark and prints it. Blocks; it makes a thread and a runtime of its own, so
/// it may be called inside or outside of another.
///
/// # Errors
/// A server did not start, a registration was refused, or no connection lasted. A missed
/// target is no error: it is printed.
pub(crate) fn run(args: BenchArgs) -> anyhow::Result<()> {
    let work = std::thread::Builder::new().name("bench".to_owned()).spawn(move || match args {
        BenchArgs { command: Some(BenchCommand::NullServer(args)), .. } => run_null_server(&args),
        args => run_parts(&args),
    })?;
    work.join().map_err(|_| anyhow!("the benchmark's thread failed"))?
}

fn run_null_server(args: &NullServerArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(NULL_SERVER_THREADS)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let server = NullServer::new(&args.dir, args.fsync)?;
        let listener = TcpListener::bind(args.listen)
            .await
            .with_context(|| format!("cannot listen on {}", args.listen))?;
        let ready = serde_json::json!({
            "message": "ready",
            "ocpp": listener.local_addr()?.to_string(),
        });
        writeln!(output(), "{ready}")?;
        server.serve(listener).await?;
        Ok(())
    })
}

fn run_parts(args: &BenchArgs) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("chargebook-bench-")
        .tempdir_in(&args.dir)
        .with_context(|| format!("cannot make a folder in {}", args.dir.display()))?;
    let machine = Machine::examine(folder.path())?;
    let settings = Settings::new(args, machine.open_files);
    if !args.json {
        report::print_machine(&machine)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured =
        LocalSet::new().block_on(&runtime, measure(settings, folder.path(), machine, args.quick));
    let report = measured?;
    if args.json {
        let mut out = output();
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        report::print_results(&report)?;
    }
    folder.close().context("cannot remove the benchmark's data")?;
    Ok(())
}

async fn measure(
    settings: Settings,
    folder: &Path,
    machine: Machine,
    quick: bool,
) -> anyhow::Result<Report> {
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}")?);
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut report = Report::new(machine, &settings, quick);
    let mut bench = Bench::prepare(settings, folder, bar.clone()).await?;
    report.registration = Some(bench.registration());
    // First, while no work has left memory with the server that later connections could use.
    if bench.settings().has(Part::Idle) {
        report.idle = Some(bench.idle().await?);
    }
    if bench.settings().has(Part::Sessions) {
        report.sessions = Some(bench.sessions().await?);
    }
    if bench.settings().has(Part::Paced) {
        report.paced = Some(bench.paced().await?);
    }
    if bench.settings().has(Part::Burst) {
        report.burst = Some(bench.burst().await?);
    }
    if bench.settings().has(Part::Storm) {
        report.storm = Some(bench.storm().await?);
    }
    if bench.settings().has(Part::Rebuild) {
        report.rebuild = Some(bench.rebuild().await?);
    } else {
        bench.finish().await?;
    }
    bar.finish_and_clear();
    Ok(report)
}
