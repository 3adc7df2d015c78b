//! `chargebook projections rebuild`: the read models anew from the log, beside the live ones.

use crate::config::LogPlace;
use crate::output::output;
use chargebook_projections::{RebuildOptions, rebuild};
use chargebook_store::OpenMode;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write as _;

/// Options of `chargebook projections`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ProjectionsCommand {
    /// Build all read models anew and switch to them; also beside a running server
    Rebuild(RebuildArgs),
}

/// Options of `chargebook projections rebuild`.
#[derive(Debug, clap::Args)]
pub(crate) struct RebuildArgs {
    #[command(flatten)]
    place: LogPlace,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub(crate) async fn run(command: ProjectionsCommand) -> anyhow::Result<()> {
    let ProjectionsCommand::Rebuild(args) = command;
    let store = args.place.open(OpenMode::ReadOnly).await?.store();
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
        "{bar:40} {pos}/{len} events, {per_sec}, {eta} left",
    )?);
    let report =
        rebuild(store, &args.place.data.join("read"), RebuildOptions::default(), |progress| {
            bar.set_length(progress.head.as_u64());
            bar.set_position(progress.position.as_u64());
        })
        .await?;
    bar.finish_and_clear();
    let mut out = output();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
        return Ok(());
    }
    let seconds = report.elapsed.as_secs_f64();
    writeln!(
        out,
        "generation {}: {} events in {seconds:.2} s, state {}",
        report.generation, report.events, report.dump.sha256
    )?;
    if let Some(comparison) = &report.comparison {
        let word = if comparison.is_equal() { "equal to" } else { "DIFFERENT from" };
        writeln!(out, "at the live one's position it was {word} the live one")?;
    }
    for parked in &report.parked {
        writeln!(out, "parked: position {}: {}", parked.position, parked.reason)?;
    }
    Ok(())
}
