//! `chargebook subject …`: what is held of a person, and forgetting one.

use crate::config::LogPlace;
use crate::output::output;
use crate::whole_file;
use anyhow::{Context, bail};
use chargebook_commands::clock::SystemClock;
use chargebook_commands::erasure::{Erasure, ErasureWish, Subject, Waits};
use chargebook_commands::{Chargebook, Settings};
use chargebook_domain::ids::DriverId;
use chargebook_store::vault::KeyVault;
use chargebook_store::{OpenMode, OpenedLog, Position};
use comfy_table::{Table, presets};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long `erase` works before it leaves the rest to the next start.
const PATIENCE: Duration = Duration::from_secs(3600);
/// The process in the events that this command writes.
const NODE: &str = "subject-command";

/// Options of `chargebook subject`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum SubjectCommand {
    /// Write all that is held of a person as JSON; also beside a running server
    Export(ExportArgs),
    /// Forget a person, while no server runs (`POST /v1/drivers/{id}/erase` does while one runs)
    Erase(EraseArgs),
    /// Who was forgotten, or is to be; also beside a running server
    Erasures(ErasuresArgs),
}

/// Who is meant.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Who {
    /// A driver, by the id that they were registered by or by our own `driver_id`
    #[arg(long, value_name = "ID")]
    driver: Option<String>,
    /// A token by its uid, also one that is not registered
    #[arg(long, value_name = "UID")]
    token: Option<String>,
}

/// Options of `chargebook subject export`.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    place: LogPlace,
    #[command(flatten)]
    who: Who,
    /// The file to write; `-` writes to standard output
    #[arg(long, short, default_value = "-", value_name = "FILE")]
    output: PathBuf,
}

/// Options of `chargebook subject erase`.
#[derive(Debug, clap::Args)]
pub(crate) struct EraseArgs {
    #[command(flatten)]
    place: LogPlace,
    #[command(flatten)]
    who: Who,
    /// A word for why, kept in the log for ever
    #[arg(long, default_value = "requested_by_subject")]
    reason: String,
    /// What else they are called by in texts of others; may be given several times
    #[arg(long, value_name = "TEXT")]
    word: Vec<String>,
    /// Also where the driver's account is not even
    #[arg(long)]
    even_if_unsettled: bool,
    /// The vault's own backup, as the server is told it (`--keys-backup`)
    #[arg(long, env = "CHARGEBOOK_KEYS_BACKUP", value_name = "FILE")]
    keys_backup: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Options of `chargebook subject erasures`.
#[derive(Debug, clap::Args)]
pub(crate) struct ErasuresArgs {
    #[command(flatten)]
    place: LogPlace,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub(crate) async fn run(command: SubjectCommand) -> anyhow::Result<()> {
    match command {
        SubjectCommand::Export(args) => export(&args).await,
        SubjectCommand::Erase(args) => erase(&args).await,
        SubjectCommand::Erasures(args) => erasures(&args).await,
    }
}

/// Opens the log with what reads it.
pub(crate) async fn open(
    place: &LogPlace,
    mode: OpenMode,
    keys_backup: Option<PathBuf>,
) -> anyhow::Result<(OpenedLog, Chargebook)> {
    let opened = place.open(mode).await?;
    let log = opened.store();
    if *log.head().borrow() == Position::START {
        bail!("the log is empty: nothing is held of anybody");
    }
    if KeyVault::is_missing(&place.data) {
        bail!(
            "{} is missing: without it the log names nobody",
            place.data.join("keys.db").display()
        );
    }
    let vault = match mode {
        OpenMode::Writer => KeyVault::open(&place.data).await?,
        OpenMode::ReadOnly => KeyVault::open_read_only(&place.data).await?,
    };
    let settings = Settings { node: NODE.to_owned(), keys_backup, ..Settings::default() };
    let clock = Arc::new(SystemClock);
    let chargebook = Chargebook::open(log, Arc::new(vault), clock, settings).await?;
    Ok((opened, chargebook))
}

impl Who {
    async fn subject(&self, chargebook: &Chargebook) -> anyhow::Result<Subject<'_>> {
        if let Some(uid) = &self.token {
            return Ok(Subject::Token(uid));
        }
        let id = self.driver.as_deref().context("say whom: --driver or --token")?;
        if let Some(driver) = chargebook.registry().driver(id).await? {
            return Ok(Subject::Driver(driver.driver_id));
        }
        let driver_id: DriverId = id.parse().ok().context("no such driver")?;
        Ok(Subject::Driver(driver_id))
    }
}

async fn export(args: &ExportArgs) -> anyhow::Result<()> {
    let (opened, chargebook) = open(&args.place, OpenMode::ReadOnly, None).await?;
    let subject = args.who.subject(&chargebook).await?;
    let export = chargebook.export_subject(subject).await?;
    let mut text = serde_json::to_string_pretty(&export)?;
    text.push('\n');
    opened.close().await;
    if args.output == Path::new("-") {
        return Ok(output().write_all(text.as_bytes())?);
    }
    whole_file::write(&args.output, text.as_bytes())
        .with_context(|| format!("cannot write {}", args.output.display()))
}

async fn erase(args: &EraseArgs) -> anyhow::Result<()> {
    let opened = open(&args.place, OpenMode::Writer, args.keys_backup.clone()).await;
    let (opened, chargebook) =
        opened.context("while a server runs, ask it: POST /v1/drivers/{id}/erase")?;
    let subject = args.who.subject(&chargebook).await?;
    let wish = ErasureWish {
        reason: args.reason.clone(),
        words: args.word.clone(),
        even_if_unsettled: args.even_if_unsettled,
    };
    let (erasure, _) = chargebook.request_erasure(subject, &wish).await?;
    let id = erasure.requested.erasure_id;
    let stop = CancellationToken::new();
    let work = tokio::spawn({
        let (chargebook, stop) = (chargebook.clone(), stop.clone());
        async move { chargebook.run_erasures(stop).await }
    });
    let erasure = chargebook.erasure_settled(id, PATIENCE).await?;
    stop.cancel();
    work.await?;
    let erasure = erasure.context("the erasure is not in the log")?;
    let waits = chargebook.erasure_waits(id);
    opened.close().await;
    let mut out = output();
    match args.json {
        true => writeln!(out, "{}", in_json(&erasure, &waits))?,
        false => say(&mut out, &erasure, &waits)?,
    }
    Ok(())
}

fn say(out: &mut impl Write, erasure: &Erasure, waits: &Waits) -> std::io::Result<()> {
    if erasure.completed_at.is_some() {
        writeln!(out, "forgotten; texts of others that named them: {}", erasure.texts())?;
        for station in &erasure.stations_not_told {
            writeln!(out, "not told to take a token off its list: {}", station.as_str())?;
        }
        return Ok(());
    }
    writeln!(out, "written down, and done by a server when nothing is waited for any more")?;
    for session in &waits.sessions {
        writeln!(out, "waits for session {session} to be billed")?;
    }
    for station in &waits.stations {
        writeln!(out, "waits for station {} to take a token off its list", station.as_str())?;
    }
    Ok(())
}

async fn erasures(args: &ErasuresArgs) -> anyhow::Result<()> {
    let (opened, chargebook) = open(&args.place, OpenMode::ReadOnly, None).await?;
    let erasures = chargebook.all_erasures().await?;
    opened.close().await;
    let mut out = output();
    if args.json {
        for erasure in &erasures {
            writeln!(out, "{}", in_json(erasure, &Waits::default()))?;
        }
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["erasure", "asked for", "done", "of", "reason"]);
    for erasure in &erasures {
        let requested = &erasure.requested;
        let of = match (requested.driver_id, requested.token_id) {
            (Some(driver), _) => format!("driver {driver}"),
            (None, Some(token)) => format!("token {token}"),
            (None, None) => "token, not registered".to_owned(),
        };
        table.add_row([
            requested.erasure_id.to_string(),
            erasure.requested_at.to_string(),
            erasure.completed_at.map_or_else(|| "not yet".to_owned(), |at| at.to_string()),
            of,
            requested.reason.clone(),
        ]);
    }
    Ok(writeln!(out, "{table}")?)
}

fn in_json(erasure: &Erasure, waits: &Waits) -> Value {
    let requested = &erasure.requested;
    json!({
        "erasure_id": requested.erasure_id,
        "driver_id": requested.driver_id,
        "token_id": requested.token_id,
        "reason": requested.reason,
        "requested_at": erasure.requested_at,
        "completed_at": erasure.completed_at,
        "texts": erasure.is_decided.then(|| erasure.texts()),
        "stations_not_told": erasure.stations_not_told,
        "waits_for": { "sessions": waits.sessions, "stations": waits.stations },
    })
}
