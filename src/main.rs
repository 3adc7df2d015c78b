//! The one binary: wiring, configuration and signals. What it wires is in the rooms beside it.

mod audit;
mod bench;
mod config;
mod demo;
mod docs;
mod doors;
mod log;
mod output;
mod outside;
mod past;
mod projections;
mod rate;
mod sealing;
mod server;
mod simulate;
mod subject;
mod tls;
mod whole_file;

use chargebook_store::OpenError;
use chargebook_store::backup::BackupError;
use chargebook_store::vault::VaultError;
use clap::error::{ContextKind, ContextValue};
use clap::{Parser, Subcommand};
use config::{Config, ServeArgs};
use doors::Doors;
use server::Server;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use tokio::runtime::{Handle, Runtime};
use tracing_subscriber::EnvFilter;

/// The system's allocator was a quarter of the server's CPU under load.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much the log's followers give way (`nice`); a thirtieth of an equal share remains.
const BACKGROUND_NICENESS: i32 = 15;

/// Exit status of a server that will not start without its keys.
const EXIT_LOST_KEYS: u8 = 3;

/// The environment variable that says which log lines are written.
const LOG_FILTER: &str = "CHARGEBOOK_LOG";

/// What to do where the data folder is another one.
const WRONG_FOLDER_HINT: &str = "; `--data DIR` names the data folder";

/// A charging management system that never loses a message, never bills twice, and proves every
/// cent.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server with a dozen simulated chargers, to look at
    Demo(demo::DemoArgs),
    /// Run the server: OCPP gateway, HTTP API and console
    Serve(Box<ServeArgs>),
    /// Price an OCPI CDR with the function that the invoices use
    Rate(rate::RateArgs),
    /// Export an invoice with its proof, and verify one offline
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Look into the log and verify it
    #[command(subcommand)]
    Log(log::LogCommand),
    /// The read models
    #[command(subcommand)]
    Projections(projections::ProjectionsCommand),
    /// What a station, session, tariff, token or account was like at an earlier moment; also beside
    /// a running server
    Past(past::PastArgs),
    /// What is held of a person, and forgetting one
    #[command(subcommand)]
    Subject(subject::SubjectCommand),
    /// Run a fleet of simulated charge points against any OCPP 1.6J server
    Simulate(simulate::SimulateArgs),
    /// Print the reference of the events, or of the HTTP API
    #[command(subcommand)]
    Docs(docs::DocsCommand),
    /// Measure this server on this machine
    Bench(bench::BenchArgs),
}

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| without_secrets(error).exit());
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line: what was wrong, and its causes. Nobody is left to tell if this fails.
            let hint = if is_wrong_folder(&error) { WRONG_FOLDER_HINT } else { "" };
            let _ = writeln!(std::io::stderr().lock(), "chargebook: {error:#}{hint}");
            match error.downcast_ref::<server::LostKeys>() {
                Some(_) => ExitCode::from(EXIT_LOST_KEYS),
                None => ExitCode::FAILURE,
            }
        }
    }
}

/// A mistake on the command line or in the environment, told without the value where that may be an
/// address with a password.
fn without_secrets(mut error: clap::Error) -> clap::Error {
    let may_be_secret = |text: &str| text.contains("://") || text.contains('@');
    let told: Vec<ContextKind> = error
        .context()
        .filter(|(_, value)| may_be_secret(&value.to_string()))
        .map(|(kind, _)| kind)
        .collect();
    for kind in told {
        error.insert(kind, ContextValue::String("…".to_owned()));
    }
    error
}

/// Whether there is no log, or no vault, where one was looked for.
fn is_wrong_folder(error: &anyhow::Error) -> bool {
    let in_vault =
        |error: &VaultError| matches!(error, VaultError::Open(OpenError::Missing { .. }));
    let in_store = |error: &OpenError| matches!(error, OpenError::Missing { .. });
    let in_backup =
        |error: &BackupError| matches!(error, BackupError::Open(OpenError::Missing { .. }));
    error.downcast_ref().is_some_and(in_store)
        || error.downcast_ref().is_some_and(in_vault)
        || error.downcast_ref().is_some_and(in_backup)
}

fn run(command: Command) -> anyhow::Result<()> {
    match &command {
        Command::Rate(args) => return rate::run(args),
        Command::Docs(command) => return docs::run(*command),
        _ => {}
    }
    init_log(matches!(command, Command::Serve(_)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let background = background_runtime()?;
    let background_handle = background.handle().clone();
    let outcome = runtime.block_on(async {
        match command {
            Command::Demo(args) => demo::run(args, &background_handle).await,
            Command::Serve(args) => serve(*args, &background_handle).await,
            Command::Rate(args) => rate::run(&args),
            Command::Docs(command) => docs::run(command),
            Command::Audit(command) => audit::run(command).await,
            Command::Log(command) => log::run(command).await,
            Command::Projections(command) => projections::run(command).await,
            Command::Past(args) => past::run(&args).await,
            Command::Subject(command) => subject::run(command).await,
            Command::Simulate(args) => simulate::run(args).await,
            Command::Bench(args) => bench::run(args),
        }
    });
    background.shutdown_background();
    outcome
}

/// A runtime for what follows the log. Its threads, and those that it makes, give way to the
/// ones that stations wait for.
fn background_runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("background")
        .on_thread_start(|| {
            // Where the system refuses, everybody is equal: slower for stations, and still right.
            let _ = rustix::process::nice(BACKGROUND_NICENESS);
        })
        .enable_all()
        .build()
}

async fn serve(args: ServeArgs, background: &Handle) -> anyhow::Result<()> {
    let config = Config::load(args)?;
    #[cfg(unix)]
    tls::outlive_hangups(config.tls.is_some())?;
    let mut server = Server::start(&config, Doors::open(&config)?, background).await?;
    let told = server.until_told().await;
    server.stop().await?;
    told
}

/// A server's lines are JSON on standard output, for machines; the other commands' are few, on
/// standard error, for people.
fn init_log(serves: bool) {
    let level = if serves { "info" } else { "warn" };
    let default = || EnvFilter::new(format!("{level},sqlx=warn,hyper=warn,tower_http=warn"));
    let given = std::env::var(LOG_FILTER).ok().map(EnvFilter::try_new).transpose();
    let (filter, refused) = match given {
        Ok(given) => (given.unwrap_or_else(default), None),
        Err(error) => (default(), Some(error)),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    if serves {
        builder.json().flatten_event(true).with_current_span(false).init();
    } else {
        let colours = std::io::stderr().is_terminal();
        builder.with_writer(std::io::stderr).with_ansi(colours).without_time().init();
    }
    if let Some(error) = refused {
        tracing::warn!(%error, "{LOG_FILTER} is no log filter such as `debug`: it is left out");
    }
}
