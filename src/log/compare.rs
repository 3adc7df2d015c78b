//! `chargebook log compare`: what two signed checkpoints say about each other, for whoever holds
//! nothing but them, and a proof of consistency where one is needed.

use super::prove::{read_note, read_text, whole_key};
use crate::output::output;
use anyhow::{Context, bail};
use chargebook_proof::checkpoint::VerifierKey;
use chargebook_proof::merkle::verify_consistency;
use chargebook_proof::proof_file::{ConsistencyFile, PROOF_BYTES_MAX};
use std::cmp::Ordering;
use std::io::Write as _;
use std::path::PathBuf;

/// Options of `chargebook log compare`.
#[derive(Debug, clap::Args)]
pub(crate) struct CompareArgs {
    /// A signed checkpoint: a copy of DATA/tree/checkpoint, or of GET /v1/log/checkpoint
    one: PathBuf,
    /// Another one, of the same log
    other: PathBuf,
    /// The log's key (first line of `log key`, not its fingerprint), as you have it from elsewhere;
    /// several where it was changed in between
    #[arg(long, value_name = "KEY", required = true, value_parser = whole_key)]
    key: Vec<VerifierKey>,
    /// The proof that one extends the other, as `log prove consistency` gave it
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
}

/// Succeeds where both are of one log that has only grown.
pub(super) fn compare(args: &CompareArgs) -> anyhow::Result<()> {
    let read = |file: &PathBuf| {
        let read = read_note(file, &args.key).with_context(|| file.display().to_string())?;
        Ok::<_, anyhow::Error>(read.1)
    };
    let (one, other) = (read(&args.one)?, read(&args.other)?);
    if one.origin != other.origin {
        bail!("they are of two logs: {} and {}", one.origin, other.origin);
    }
    let (older, newer) = match one.size.cmp(&other.size) {
        Ordering::Greater => (other, one),
        _ => (one, other),
    };
    if older.size == newer.size {
        if older.root != newer.root {
            bail!(
                "FORKED: both are signed by the key of {}, over {} events each, and have the roots \
                 {} and {}: keep both, they prove it to anyone",
                older.origin,
                older.size,
                older.root,
                newer.root
            );
        }
        writeln!(output(), "THE SAME: {} events, root {}", older.size, older.root)?;
        return Ok(());
    }
    let Some(proof) = &args.proof else {
        bail!(
            "whether the log of {} events begins with that of {} is not shown by the checkpoints \
             alone: ask for the proof of consistency (`log prove consistency`) and give it with \
             --proof; an honest log can always give one, a forked one never can",
            newer.size,
            older.size
        );
    };
    let name = || proof.display().to_string();
    let text = read_text(proof, PROOF_BYTES_MAX).with_context(name)?;
    let hashes = ConsistencyFile::parse(&text).with_context(name)?.hashes;
    verify_consistency(older.size, newer.size, older.root, newer.root, &hashes)
        .context("the proof does not show that one extends the other")?;
    writeln!(
        output(),
        "CONSISTENT: the log of {} events begins with that of {}",
        newer.size,
        older.size
    )?;
    Ok(())
}
