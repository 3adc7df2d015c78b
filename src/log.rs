//! `chargebook log …`: what is in the log, whether it is what was signed, and the same log
//! elsewhere.

mod backup;
mod compare;
mod copy;
mod export;
mod import;
mod prove;
mod verify;

use crate::config::LogPlace;
use crate::output::output;
use chargebook_store::vault::KeyVault;
use chargebook_store::{EventStore, OpenMode, Position, RecordedEvent};
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write as _;

use std::time::Instant;

/// Events read at a time.
const PAGE_EVENTS: usize = chargebook_store::port::PAGE_EVENTS_MAX;

/// Options of `chargebook log`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum LogCommand {
    /// Count and size by category of stream and type of event
    Stats(LogArgs),
    /// Read every event, compare it with its leaf, and the tree with the signed checkpoint
    Verify(verify::VerifyArgs),
    /// Copy the embedded log into one file, and read it back; also beside a running server
    Backup(backup::BackupArgs),
    /// Copy the log to another engine, and read the copy back; while no server runs on it
    Copy(copy::CopyArgs),
    /// Write the log into a file, with the checkpoint that proves it; also beside a running server
    Export(export::ExportArgs),
    /// Take a log from such a file into an engine without one, verified; while no server runs on it
    Import(import::ImportArgs),
    /// Write a proof into a file, for whoever holds nothing else of the log
    #[command(subcommand)]
    Prove(prove::ProveCommand),
    /// Check such a file, offline
    CheckProof(prove::CheckArgs),
    /// Whether two checkpoints are of one log that has only grown, or prove that it was forked
    Compare(compare::CompareArgs),
    /// Print the key that the log's checkpoints are signed with
    Key(LogArgs),
}

/// Options of `chargebook log stats` and `key`.
#[derive(Debug, clap::Args)]
pub(crate) struct LogArgs {
    #[command(flatten)]
    place: LogPlace,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub(crate) async fn run(command: LogCommand) -> anyhow::Result<()> {
    match command {
        LogCommand::Stats(args) => stats(&args).await,
        LogCommand::Verify(args) => verify::verify(&args).await,
        LogCommand::Prove(command) => prove::prove(command).await,
        LogCommand::CheckProof(args) => prove::check(&args),
        LogCommand::Compare(args) => compare::compare(&args),
        LogCommand::Backup(args) => backup::backup(&args).await,
        LogCommand::Copy(args) => copy::copy(&args).await,
        LogCommand::Export(args) => export::export(&args).await,
        LogCommand::Import(args) => import::import(&args).await,
        LogCommand::Key(args) => key(&args).await,
    }
}

async fn key(args: &LogArgs) -> anyhow::Result<()> {
    let key = KeyVault::open_read_only(&args.place.data).await?.verifier_key();
    let mut out = output();
    match args.json {
        true => {
            let text = serde_json::json!({
                "key": key.to_string(),
                "fingerprint": key.fingerprint().to_string(),
            });
            writeln!(out, "{text}")?;
        }
        false => writeln!(out, "{key}\nfingerprint {}", key.fingerprint())?,
    }
    Ok(())
}

#[derive(Default, Serialize)]
struct Row {
    events: u64,
    data_bytes: u64,
    meta_bytes: u64,
}

#[derive(Serialize)]
struct Stats {
    events: u64,
    head: u64,
    log_file_bytes: u64,
    /// Reading all pages, in seconds: the measure that rebuilds are held against.
    read_seconds: f64,
    by_type: BTreeMap<String, Row>,
}

/// Gives every event to `visit`, with a progress bar.
async fn scan(
    store: &dyn EventStore,
    mut visit: impl FnMut(&RecordedEvent) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let head = *store.head().borrow();
    let bar = progress_bar(head.as_u64())?;
    let mut after = Position::START;
    loop {
        let page = store.read_all(after, PAGE_EVENTS).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        for event in &page {
            visit(event)?;
        }
        bar.set_position(after.as_u64());
    }
    bar.finish_and_clear();
    Ok(())
}

async fn stats(args: &LogArgs) -> anyhow::Result<()> {
    let log = args.place.open(OpenMode::ReadOnly).await?;
    let store = log.store();
    let mut by_type: BTreeMap<String, Row> = BTreeMap::new();
    let mut events = 0;
    let begun = Instant::now();
    scan(&*store, |event| {
        events += 1;
        let name = format!("{} {}", event.stream.category(), event.event_type);
        let row = by_type.entry(name).or_default();
        row.events += 1;
        row.data_bytes += event.data.as_str().len() as u64;
        row.meta_bytes += event.meta.as_str().len() as u64;
        Ok(())
    })
    .await?;
    // Apart: a look at the head that lasted over an await would hold up whoever moves it.
    let head = store.head().borrow().as_u64();
    let stats = Stats {
        events,
        head,
        log_file_bytes: log.size_bytes(&args.place.data).await?,
        read_seconds: begun.elapsed().as_secs_f64(),
        by_type,
    };
    let mut out = output();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&stats)?)?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["stream", "type", "events", "data bytes", "meta bytes", "bytes/event"]);
    for (name, row) in &stats.by_type {
        let (category, event_type) = name.split_once(' ').unwrap_or(("", name));
        let each = (row.data_bytes + row.meta_bytes) / row.events.max(1);
        table.add_row([
            category.to_owned(),
            event_type.to_owned(),
            row.events.to_string(),
            row.data_bytes.to_string(),
            row.meta_bytes.to_string(),
            each.to_string(),
        ]);
    }
    for index in 2..6 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    writeln!(out, "{table}")?;
    writeln!(
        out,
        "{} events, head {}, {} bytes where it is kept, read in {:.2} s",
        stats.events, stats.head, stats.log_file_bytes, stats.read_seconds
    )?;
    Ok(())
}

fn progress_bar(events: u64) -> anyhow::Result<ProgressBar> {
    let style =
        ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} events, {per_sec}, {eta} left")?;
    Ok(ProgressBar::new(events).with_style(style))
}
