//! `chargebook log import`: a log from a file that `log export` wrote, into an empty place.

use crate::config::LogPlace;
use crate::output::output;
use anyhow::{Context, anyhow, bail};
use chargebook_proof::bundle::PinnedKey;
use chargebook_store::OpenMode;
use chargebook_store::copy::{CopyProgress, check_beginning, copy_from};
use chargebook_store::export::{ExportEnd, ExportReader};
use chargebook_store::sealer::Tree;
use chargebook_store::vault::KeyVault;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

/// Events between two looks at the progress.
const PROGRESS_EVENTS: u64 = 1_000;

/// Options of `chargebook log import`.
#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    place: LogPlace,
    /// The file that `log export` wrote
    file: PathBuf,
    /// The log's key, or its fingerprint (either line of `log key`), as you have it from elsewhere
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Only look whether the file is whole and signed
    #[arg(long)]
    verify_only: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Reads the whole file before it writes anything, and reads back what it has written.
pub(super) async fn import(args: &ImportArgs) -> anyhow::Result<()> {
    let ImportArgs { place, file, .. } = args;
    let pin = args.key.as_deref().map(str::parse::<PinnedKey>).transpose().context("--key")?;
    let end = read_through(file).with_context(|| file.display().to_string())?;
    if let Some(pin) = &pin
        && !pin.fits(&end.key)
    {
        bail!(
            "{} is signed with another key: its fingerprint is {}",
            file.display(),
            end.key.fingerprint()
        );
    }
    if args.verify_only {
        return say(args, &end, pin.is_some(), None);
    }
    let has_keys = belongs_here(&end, &place.data).await?;
    let target = place.open(OpenMode::Writer).await.context("nowhere to import to")?;
    let log = target.store();
    // Before the checkpoint is there: with it, a server would no longer go on with what is.
    let begins = check_beginning(&mut open(file)?, &*log).await;
    begins.with_context(|| format!("{}: import into an empty folder", place.data.display()))?;
    if !Tree::open(&place.data).expect(&end.sealed)? {
        bail!(
            "{} has the tree of another log, or of a later one: import into an empty folder",
            place.data.display()
        );
    }
    let bar = super::progress_bar(end.sealed.checkpoint.size)?;
    let mut reader = open(file)?;
    let copied = copy_from(&mut reader, &*log, |progress| match progress {
        CopyProgress::Copied(events) => bar.set_position(events),
        CopyProgress::Verified(events) => {
            bar.set_message("reading it back");
            bar.set_position(events);
        }
    });
    let copied = copied.await?;
    bar.finish_and_clear();
    target.close().await;
    if copied.root != end.sealed.checkpoint.root {
        bail!("{} has changed while it was read: import it again", file.display());
    }
    say(args, &end, pin.is_some(), Some((copied.found, has_keys)))
}

fn open(file: &Path) -> anyhow::Result<ExportReader<BufReader<File>>> {
    let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(ExportReader::begin(BufReader::new(opened))?)
}

/// Holds the whole file against itself and its checkpoint.
fn read_through(file: &Path) -> anyhow::Result<ExportEnd> {
    let mut reader = open(file)?;
    let bytes = file.metadata().map_or(0, |file| file.len());
    let style = ProgressStyle::with_template(
        "{msg} {bar:40} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left",
    )?;
    let bar = ProgressBar::new(bytes).with_style(style).with_message("checking the file");
    while reader.next_event()?.is_some() {
        if reader.events() % PROGRESS_EVENTS == 0 {
            bar.set_position(reader.bytes());
        }
    }
    bar.finish_and_clear();
    reader.end().cloned().ok_or_else(|| anyhow!("its last line was not read"))
}

/// Whether the folder has the keys of this log; those of another one are no place for it.
async fn belongs_here(end: &ExportEnd, data: &Path) -> anyhow::Result<bool> {
    if KeyVault::is_missing(data) {
        return Ok(false);
    }
    let here = KeyVault::open_read_only(data).await?.verifier_key();
    if here != end.key {
        bail!(
            "{} has the keys of the log {}, with the fingerprint {}; the file is of the log {}, \
             with {}: import into an empty folder, and put its own keys.db there",
            data.display(),
            here.origin(),
            here.fingerprint(),
            end.key.origin(),
            end.key.fingerprint()
        );
    }
    Ok(true)
}

/// `imported`: events that were there from an earlier attempt, and whether the keys are there.
fn say(
    args: &ImportArgs,
    end: &ExportEnd,
    pinned: bool,
    imported: Option<(u64, bool)>,
) -> anyhow::Result<()> {
    let checkpoint = &end.sealed.checkpoint;
    let mut out = output();
    if args.json {
        let text = serde_json::json!({
            "events": checkpoint.size,
            "root": checkpoint.root.to_string(),
            "imported": imported.is_some(),
            "found": imported.map(|(found, _)| found),
            "keys": imported.map(|(_, has_keys)| has_keys),
            "key": end.key.to_string(),
            "fingerprint": end.key.fingerprint().to_string(),
            "pinned": pinned,
        });
        writeln!(out, "{text}")?;
        return Ok(());
    }
    writeln!(out, "{} events, root {}, as signed", checkpoint.size, checkpoint.root)?;
    let how = if pinned { "as given" } else { "not pinned: compare it with one from elsewhere" };
    writeln!(out, "key fingerprint {} ({how})", end.key.fingerprint())?;
    let Some((found, has_keys)) = imported else { return Ok(()) };
    if found > 0 {
        writeln!(out, "{found} of them were there already")?;
    }
    if !has_keys {
        writeln!(
            out,
            "its keys were not in the file: put the log's keys.db into {} before a server starts",
            args.place.data.display()
        )?;
    }
    Ok(())
}
