//! `chargebook log backup`: the embedded log in one file, also while a server writes to it.

use crate::config::LogPlace;
use crate::output::output;
use anyhow::bail;
use chargebook_store::LogAddress;
use chargebook_store::backup::back_up;
use std::io::Write as _;
use std::path::PathBuf;

/// Options of `chargebook log backup`.
#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    place: LogPlace,
    /// The copy, outside of the data folder; an earlier copy is replaced. It is restored as
    /// `log.db` into an EMPTY folder, never beside an old `log.db-wal` or `log.db-shm`
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Copies the log, and reads the copy back.
pub(super) async fn backup(args: &BackupArgs) -> anyhow::Result<()> {
    let BackupArgs { place, file, json } = args;
    if !matches!(place.store, LogAddress::Embedded) {
        bail!("the log is in {}: back it up with its database's own tools", place.store);
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        bail!("there is no folder {} to write the backup into: make it first", folder.display());
    }
    let bar = super::progress_bar(0)?;
    let copied = back_up(&place.data, file, |events| bar.set_position(events)).await?;
    bar.finish_and_clear();
    let mut out = output();
    let (events, root) = (copied.events, copied.root);
    if *json {
        let text = serde_json::json!({ "events": events, "root": root.to_string() });
        writeln!(out, "{text}")?;
        return Ok(());
    }
    writeln!(out, "{events} events, root {root}, read back from {}", file.display())?;
    writeln!(out, "keys.db and tree/ are not in it: docs/operations.md says how to keep them")?;
    Ok(())
}
