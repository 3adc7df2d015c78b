//! `chargebook log export`: the whole log as one file, under a checkpoint that was signed for it.

use crate::config::LogPlace;
use crate::output::output;
use crate::sealing::sealed_beyond;
use crate::whole_file::WholeFile;
use anyhow::{Context, bail};
use chargebook_store::export::ExportWriter;
use chargebook_store::sealer::{SignedCheckpoint, Tree};
use chargebook_store::vault::KeyVault;
use chargebook_store::{EventStore, OpenMode, Position};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Options of `chargebook log export`.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    place: LogPlace,
    /// The file to write; `-` writes to standard output
    file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Exports what the last checkpoint covers, which is all that was in the log when it began.
pub(super) async fn export(args: &ExportArgs) -> anyhow::Result<()> {
    let place = &args.place;
    let opened = place.open(OpenMode::ReadOnly).await?;
    let log = opened.store();
    let vault = KeyVault::open_read_only(&place.data).await?;
    let tree = Tree::open(&place.data);
    let head = *log.head().borrow();
    if head == Position::START {
        bail!("the log is empty: there is nothing to export");
    }
    let last = tree.leaf_index(&*log, head).await?.context("the last event is not there")?;
    let sealed = sealed_beyond(Some(place), &tree, &vault, last).await?;
    let checkpoint = sealed.checkpoint.clone();
    let unwritten = || format!("cannot write {}", args.file.display());
    if args.file == Path::new("-") {
        let out = write(&*log, &vault, sealed, output()).await?;
        drop(out);
    } else {
        let file = WholeFile::create(&args.file).with_context(unwritten)?;
        write(&*log, &vault, sealed, file).await?.finish().with_context(unwritten)?;
        let bytes = args.file.metadata().map_or(0, |file| file.len());
        if args.json {
            let text = serde_json::json!({
                "events": checkpoint.size,
                "root": checkpoint.root.to_string(),
                "bytes": bytes,
                "key": vault.verifier_key().to_string(),
                "fingerprint": vault.verifier_key().fingerprint().to_string(),
            });
            writeln!(output(), "{text}")?;
        } else {
            say(&mut output(), args, &checkpoint.root.to_string(), checkpoint.size, bytes)?;
        }
    }
    opened.close().await;
    Ok(())
}

fn say(
    out: &mut impl Write,
    args: &ExportArgs,
    root: &str,
    events: u64,
    bytes: u64,
) -> std::io::Result<()> {
    let (file, data) = (args.file.display(), args.place.data.display());
    writeln!(out, "{file}: {events} events, root {root}, {bytes} bytes")?;
    writeln!(
        out,
        "personal data is sealed in it, and no key is: {data}/keys.db opens it, and goes another way"
    )
}

async fn write<W: Write>(
    log: &dyn EventStore,
    vault: &KeyVault,
    sealed: SignedCheckpoint,
    out: W,
) -> anyhow::Result<W> {
    let size = sealed.checkpoint.size;
    let bar = super::progress_bar(size)?;
    let mut writer = ExportWriter::begin(out)?;
    let mut after = Position::START;
    while writer.tree().0 < size {
        let missing = usize::try_from(size - writer.tree().0).unwrap_or(usize::MAX);
        let page = log.read_all(after, missing.min(super::PAGE_EVENTS)).await?;
        let Some(last) = page.last() else {
            bail!("the log has {} events, its checkpoint covers {size}", writer.tree().0);
        };
        after = last.position;
        for event in &page {
            event.verify_leaf()?;
            writer.event(event)?;
        }
        bar.set_position(writer.tree().0);
    }
    bar.finish_and_clear();
    if writer.tree().1 != sealed.checkpoint.root {
        bail!("the log is not what was signed: `chargebook log verify` finds what is damaged");
    }
    Ok(writer.finish(&vault.verifier_key(), sealed)?)
}
