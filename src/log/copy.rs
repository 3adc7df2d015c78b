//! `chargebook log copy`: the log to another engine, for the same data folder.

use crate::config::DATA_DEFAULT;
use crate::output::output;
use anyhow::{Context, bail};
use chargebook_store::copy::{CopyProgress, copy_log};
use chargebook_store::{LogAddress, OpenMode};
use std::io::Write as _;
use std::path::PathBuf;

/// Options of `chargebook log copy`.
#[derive(Debug, clap::Args)]
pub(crate) struct CopyArgs {
    /// The data folder; keys, tree and read models stay in it
    #[arg(long, env = "CHARGEBOOK_DATA", default_value = DATA_DEFAULT, value_name = "DIR")]
    data: PathBuf,
    /// Where the log is: `sqlite:` (in the data folder), `postgres://…` or `esdb://…`
    #[arg(long, value_name = "URL")]
    from: LogAddress,
    /// Where it is to be; what an attempt that was broken off has left there is gone on from
    #[arg(long, value_name = "URL")]
    to: LogAddress,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Copies, and reads the copy back.
pub(super) async fn copy(args: &CopyArgs) -> anyhow::Result<()> {
    let CopyArgs { data, from, to, json } = args;
    if from.to_string() == to.to_string() {
        bail!("the log is in {from} already");
    }
    let source = from.open(data, OpenMode::ReadOnly).await.context("nothing to copy from")?;
    // Holds the folder too, so that no server writes meanwhile.
    let target = to.open(data, OpenMode::Writer).await.context("nowhere to copy to")?;
    let (source_store, target_store) = (source.store(), target.store());
    let bar = super::progress_bar(source_store.head().borrow().as_u64())?;
    let copied = copy_log(&*source_store, &*target_store, |progress| match progress {
        CopyProgress::Copied(events) => bar.set_position(events),
        CopyProgress::Verified(events) => {
            bar.set_message("reading it back");
            bar.set_position(events);
        }
    });
    let copied = copied.await?;
    bar.finish_and_clear();
    target.close().await;
    source.close().await;
    let mut out = output();
    if *json {
        let text = serde_json::json!({
            "events": copied.events,
            "found": copied.found,
            "root": copied.root.to_string(),
        });
        writeln!(out, "{text}")?;
        return Ok(());
    }
    writeln!(out, "{} events, root {}, the same on both sides", copied.events, copied.root)?;
    if copied.found > 0 {
        writeln!(out, "{} of them were there already", copied.found)?;
    }
    writeln!(out, "the server takes it up there with --store")?;
    Ok(())
}
