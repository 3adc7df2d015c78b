//! `chargebook log stats | verify | copy`: what is in the log, whether it is what was signed, and
//! the same log elsewhere.

mod copy;

use crate::config::LogPlace;
use crate::output::output;
use anyhow::bail;
use chargebook_store::sealer::Tree;
use chargebook_store::vault::KeyVault;
use chargebook_store::verify_log;
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
    Verify(LogArgs),
    /// Copy the log to another engine, and read the copy back; while no server runs on it
    Copy(copy::CopyArgs),
    /// Print the key that the log's checkpoints are signed with
    Key(LogArgs),
}

/// Options of `chargebook log stats` and `verify`.
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
        LogCommand::Verify(args) => verify(&args).await,
        LogCommand::Copy(args) => copy::copy(&args).await,
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
    let stats = Stats {
        events,
        head: store.head().borrow().as_u64(),
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

#[derive(Serialize)]
struct Verified {
    events: u64,
    sealed_events: u64,
    unsealed_events: u64,
    checkpoints: u64,
    root: Option<String>,
    key_fingerprint: String,
    findings: Vec<String>,
}

async fn verify(args: &LogArgs) -> anyhow::Result<()> {
    let store = args.place.open(OpenMode::ReadOnly).await?.store();
    let key = KeyVault::open_read_only(&args.place.data).await?.verifier_key();
    let bar = progress_bar(store.head().borrow().as_u64())?;
    let tree = Tree::open(&args.place.data);
    let report = verify_log(&*store, &tree, Some(&key), |events| bar.set_position(events)).await?;
    bar.finish_and_clear();
    let verified = Verified {
        events: report.events,
        sealed_events: report.sealed_events,
        unsealed_events: report.events.saturating_sub(report.sealed_events),
        checkpoints: report.checkpoints,
        root: report.root.map(|root| root.to_string()),
        key_fingerprint: key.fingerprint().to_string(),
        findings: report.findings.iter().map(ToString::to_string).collect(),
    };
    let mut out = output();
    match args.json {
        true => writeln!(out, "{}", serde_json::to_string(&verified)?)?,
        false => write_verified(&mut out, &verified)?,
    }
    if !report.is_clean() {
        bail!("the log is not what was signed: {} findings", report.findings_count);
    }
    if report.checkpoints == 0 && report.events > 0 {
        bail!(
            "there is no signed checkpoint in {} to compare the log with: a server signs one \
             within seconds; if this one had run before, its `tree` folder was removed",
            args.place.data.display()
        );
    }
    Ok(())
}

fn write_verified(out: &mut impl std::io::Write, verified: &Verified) -> std::io::Result<()> {
    for finding in &verified.findings {
        writeln!(out, "{finding}")?;
    }
    writeln!(out, "{} events read", verified.events)?;
    writeln!(
        out,
        "{} of them are under {} signed checkpoints",
        verified.sealed_events, verified.checkpoints
    )?;
    if verified.unsealed_events > 0 {
        writeln!(
            out,
            "the last {} are not under a checkpoint yet: nothing protects them until a running \
             server signs the next one, within seconds",
            verified.unsealed_events
        )?;
    }
    if let Some(root) = &verified.root {
        writeln!(out, "root {root}")?;
    }
    writeln!(out, "key fingerprint {}", verified.key_fingerprint)
}

fn progress_bar(events: u64) -> anyhow::Result<ProgressBar> {
    let style =
        ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} events, {per_sec}, {eta} left")?;
    Ok(ProgressBar::new(events).with_style(style))
}
