//! `chargebook log verify`: whether the log is what was signed.

use super::prove::{read_note, whole_key};
use crate::config::LogPlace;
use crate::output::{counted, output};
use anyhow::{Context, bail};
use chargebook_proof::checkpoint::VerifierKey;
use chargebook_store::sealer::Tree;
use chargebook_store::vault::KeyVault;
use chargebook_store::verify_opened;
use serde::Serialize;
use std::io::Write as _;
use std::path::PathBuf;

/// Options of `chargebook log verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    place: LogPlace,
    /// A signed checkpoint that you have kept from before (DATA/tree/checkpoint, or GET
    /// /v1/log/checkpoint); may be given several times
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// The log's key (first line of `log key`, not its fingerprint) as you have it from elsewhere
    /// [default: that of the data folder's keys.db]
    #[arg(long, value_name = "KEY", value_parser = whole_key)]
    key: Option<VerifierKey>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
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

pub(super) async fn verify(args: &VerifyArgs) -> anyhow::Result<()> {
    let data = &args.place.data;
    let opened = args.place.open_to_verify().await?;
    let key = match &args.key {
        Some(key) => key.clone(),
        None => KeyVault::open_read_only(data).await?.verifier_key(),
    };
    let mut notes = Vec::new();
    for file in &args.checkpoint {
        let (note, _) = read_note(file, std::slice::from_ref(&key))
            .with_context(|| file.display().to_string())?;
        notes.push(note);
    }
    let head = *opened.store().head().borrow();
    let bar = super::progress_bar(head.as_u64())?;
    let tree = Tree::open(data).with_checkpoints(notes);
    let progress = |events| bar.set_position(events);
    let report = verify_opened(&opened, data, &tree, Some(&key), progress).await?;
    opened.close().await;
    bar.finish_and_clear();
    let verified = Verified {
        events: report.events,
        // Of events that are missing the findings tell.
        sealed_events: report.sealed_events.min(report.events),
        unsealed_events: report.events.saturating_sub(report.sealed_events),
        checkpoints: report.checkpoints,
        root: report.root.map(|root| root.to_string()),
        key_fingerprint: key.fingerprint().to_string(),
        findings: report.findings.iter().map(ToString::to_string).collect(),
    };
    let mut out = output();
    match args.json {
        true => writeln!(out, "{}", serde_json::to_string(&verified)?)?,
        false => {
            if report.is_clean() && report.checkpoints > 0 {
                writeln!(out, "OK: the log is what was signed")?;
            }
            write_verified(&mut out, &verified)?;
        }
    }
    if !report.is_clean() {
        bail!("the log is not what was signed: {}", counted(report.findings_count, "finding"));
    }
    if report.checkpoints == 0 && report.events > 0 {
        bail!(
            "there is no signed checkpoint in {} to compare the log with: a server signs one \
             within seconds; if this one had run before, its `tree` folder was removed",
            data.display()
        );
    }
    Ok(())
}

fn write_verified(out: &mut impl std::io::Write, verified: &Verified) -> std::io::Result<()> {
    for finding in &verified.findings {
        writeln!(out, "{finding}")?;
    }
    writeln!(out, "{} read", counted(verified.events, "event"))?;
    let checkpoints = counted(verified.checkpoints, "signed checkpoint");
    match verified.sealed_events {
        0 => writeln!(out, "none of them is under a signed checkpoint")?,
        1 => writeln!(out, "1 of them is under {checkpoints}")?,
        sealed => writeln!(out, "{sealed} of them are under {checkpoints}")?,
    }
    if verified.unsealed_events > 0 {
        writeln!(
            out,
            "not under a checkpoint yet: the last {}; nothing protects what is not until a running \
             server signs the next one, within seconds",
            counted(verified.unsealed_events, "event")
        )?;
    }
    if let Some(root) = &verified.root {
        writeln!(out, "root {root}")?;
    }
    writeln!(out, "key fingerprint {}", verified.key_fingerprint)
}
