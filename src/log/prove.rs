//! `chargebook log prove | check-proof`: proofs as files, made beside the log, checked without it.

use crate::config::LogPlace;
use crate::output::output;
use crate::sealing::sealed_beyond;
use crate::whole_file;
use anyhow::{Context, anyhow, bail};
use chargebook_proof::checkpoint::{
    Checkpoint, Fingerprint, KeyError, NOTE_BYTES_MAX, VerifierKey,
};
use chargebook_proof::merkle::NodeHash;
use chargebook_proof::proof_file::{
    CONSISTENCY_FORMAT, ConsistencyFile, InclusionFile, PROOF_BYTES_MAX, verify_with_any,
};
use chargebook_store::sealer::{SignedCheckpoint, Tree};
use chargebook_store::vault::KeyVault;
use chargebook_store::{OpenMode, Position};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Options of `chargebook log prove`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ProveCommand {
    /// That an event is in the log, as C2SP tlog-proof; the event is in the file, too
    Inclusion(InclusionArgs),
    /// That the log of one checkpoint begins with the log of another
    Consistency(ConsistencyArgs),
}

/// Options of `chargebook log prove inclusion`.
#[derive(Debug, clap::Args)]
pub(crate) struct InclusionArgs {
    #[command(flatten)]
    place: LogPlace,
    /// The event's position, from 1; on SQLite and PostgreSQL its leaf, which counts from 0, and 1
    #[arg(long, value_name = "POSITION")]
    position: u64,
    /// The signed checkpoint to prove it in, as kept from DATA/tree/checkpoint or GET
    /// /v1/log/checkpoint [default: the last one]
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// The file to write; `-` writes to standard output
    #[arg(long, short = 'o', default_value = "-", value_name = "FILE")]
    output: PathBuf,
}

/// Options of `chargebook log prove consistency`.
#[derive(Debug, clap::Args)]
pub(crate) struct ConsistencyArgs {
    #[command(flatten)]
    place: LogPlace,
    /// The older signed checkpoint, as kept from DATA/tree/checkpoint or GET /v1/log/checkpoint
    #[arg(long, value_name = "CHECKPOINT")]
    from: PathBuf,
    /// The newer one [default: the last one]
    #[arg(long, value_name = "CHECKPOINT")]
    to: Option<PathBuf>,
    /// The file to write; `-` writes to standard output
    #[arg(long, short = 'o', default_value = "-", value_name = "FILE")]
    output: PathBuf,
}

/// Options of `chargebook log check-proof`.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The file that `log prove` wrote
    proof: PathBuf,
    /// The log's key (first line of `log key`, not its fingerprint), as you have it from elsewhere;
    /// several where it was changed in between
    #[arg(long, value_name = "KEY", required = true, value_parser = whole_key)]
    key: Vec<VerifierKey>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Makes a proof.
pub(super) async fn prove(command: ProveCommand) -> anyhow::Result<()> {
    let (text, file) = match command {
        ProveCommand::Inclusion(args) => (inclusion(&args).await?, args.output),
        ProveCommand::Consistency(args) => (consistency(&args).await?, args.output),
    };
    if file == Path::new("-") {
        output().write_all(text.as_bytes())?;
        return Ok(());
    }
    whole_file::write(&file, text.as_bytes())
        .with_context(|| format!("cannot write {}", file.display()))
}

async fn inclusion(args: &InclusionArgs) -> anyhow::Result<String> {
    let place = &args.place;
    let opened = place.open(OpenMode::ReadOnly).await?;
    let log = opened.store();
    let vault = KeyVault::open_read_only(&place.data).await?;
    let tree = Tree::open(&place.data);
    let position = Position::from_u64(args.position);
    let missing = || anyhow!("the log has no event at position {position}");
    let index = tree.leaf_index(&*log, position).await?.ok_or_else(missing)?;
    let sealed = match &args.checkpoint {
        Some(file) => checkpoint_here(file, &vault, &tree)?,
        None => sealed_beyond(Some(place), &tree, &vault, index).await?,
    };
    let size = sealed.checkpoint.size;
    if index >= size {
        bail!("the checkpoint covers {size} events, the one at position {position} came later");
    }
    let before = Position::from_u64(args.position.saturating_sub(1));
    let page = log.read_all(before, 1).await?;
    let event = page.first().filter(|event| event.position == position).ok_or_else(missing)?;
    event.verify_leaf()?;
    let file = InclusionFile {
        entry: event.envelope().canonical().into_string(),
        index,
        hashes: tree.at(size).inclusion_proof(index)?,
        note: sealed.note,
    };
    opened.close().await;
    // What does not prove it here proves it nowhere.
    file.verify(&[vault.verifier_key()]).context("the tree does not fit the log")?;
    Ok(file.to_text())
}

async fn consistency(args: &ConsistencyArgs) -> anyhow::Result<String> {
    let data = &args.place.data;
    let vault = KeyVault::open_read_only(data).await?;
    let tree = Tree::open(data);
    let older = checkpoint_here(&args.from, &vault, &tree)?;
    let newer = match &args.to {
        Some(file) => checkpoint_here(file, &vault, &tree)?,
        None => tree.checkpoint(&vault.verifier_key())?.context("nothing was signed yet")?,
    };
    let (old, new) = (older.checkpoint.size, newer.checkpoint.size);
    let hashes = tree.at(new).consistency_proof(old)?;
    let file = ConsistencyFile { hashes, older: older.note, newer: newer.note };
    file.verify(&[vault.verifier_key()]).context("the tree does not fit the log")?;
    Ok(file.to_text())
}

/// A checkpoint from a file, which has to be one of the tree that is here.
fn checkpoint_here(file: &Path, vault: &KeyVault, tree: &Tree) -> anyhow::Result<SignedCheckpoint> {
    let name = file.display();
    let (note, checkpoint) =
        read_note(file, &[vault.verifier_key()]).with_context(|| name.to_string())?;
    let last = tree.checkpoint(&vault.verifier_key())?.map_or(0, |last| last.checkpoint.size);
    if checkpoint.size > last {
        bail!("{name} covers {} events, the tree here has {last}", checkpoint.size);
    }
    let found = tree.at(checkpoint.size).root()?;
    if found != checkpoint.root {
        bail!(
            "{name} is signed, and its log is another one: over {} events it has the root {}, the \
             log here {found}. This proves that the log was forked; keep both",
            checkpoint.size,
            checkpoint.root
        );
    }
    Ok(SignedCheckpoint { checkpoint, note })
}

/// A `--key` where nothing that is checked carries the key, so that a fingerprint is not enough.
pub(super) fn whole_key(text: &str) -> Result<VerifierKey, String> {
    match text.parse::<Fingerprint>() {
        Ok(_) => Err("this is the key's fingerprint; what is checked does not carry the key, so \
                      give the key itself: the first line that `chargebook log key` prints"
            .to_owned()),
        Err(_) => text.parse().map_err(|error: KeyError| error.to_string()),
    }
}

/// A signed checkpoint, verified with whichever of the keys it is signed with.
pub(super) fn read_note(file: &Path, keys: &[VerifierKey]) -> anyhow::Result<(String, Checkpoint)> {
    let note = read_text(file, NOTE_BYTES_MAX)?;
    let checkpoint = verify_with_any(&note, keys)?;
    Ok((note, checkpoint))
}

/// A file that is text and not too long.
pub(super) fn read_text(file: &Path, bytes_max: usize) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut bounded = File::open(file)?.take(bytes_max as u64 + 1);
    bounded.read_to_string(&mut text)?;
    if text.len() > bytes_max {
        bail!("it has more than {bytes_max} bytes");
    }
    Ok(text)
}

/// Checks a proof; needs no log.
pub(super) fn check(args: &CheckArgs) -> anyhow::Result<()> {
    let name = || args.proof.display().to_string();
    let text = read_text(&args.proof, PROOF_BYTES_MAX).with_context(name)?;
    match text.starts_with(CONSISTENCY_FORMAT) {
        true => check_consistency(args, &text),
        false => check_inclusion(args, &text),
    }
    .with_context(name)
}

fn check_inclusion(args: &CheckArgs, text: &str) -> anyhow::Result<()> {
    let file = InclusionFile::parse(text)?;
    let (event, checkpoint) = file.verify(&args.key)?;
    if args.json {
        let text = serde_json::json!({
            "proof": "inclusion",
            "index": file.index,
            "event": serde_json::from_str::<serde_json::Value>(&file.entry)?,
            "checkpoint": json_of(&checkpoint),
        });
        writeln!(output(), "{text}")?;
        return Ok(());
    }
    writeln!(
        output(),
        "{}\nPROVEN: {} {} of {} is leaf {} (from 0) of {}, whose first {} events have the root {}",
        file.entry,
        event.event_type,
        event.id,
        event.stream,
        file.index,
        checkpoint.origin,
        checkpoint.size,
        checkpoint.root
    )?;
    Ok(())
}

fn check_consistency(args: &CheckArgs, text: &str) -> anyhow::Result<()> {
    let (older, newer) = ConsistencyFile::parse(text)?.verify(&args.key)?;
    if args.json {
        let text = serde_json::json!({
            "proof": "consistency",
            "older": json_of(&older),
            "newer": json_of(&newer),
        });
        writeln!(output(), "{text}")?;
        return Ok(());
    }
    writeln!(
        output(),
        "PROVEN: {} with {} events and the root {} begins with the {} events of the root {}",
        newer.origin,
        newer.size,
        newer.root,
        older.size,
        older.root
    )?;
    Ok(())
}

fn json_of(checkpoint: &Checkpoint) -> serde_json::Value {
    let Checkpoint { origin, size, root } = checkpoint;
    let root: &NodeHash = root;
    serde_json::json!({ "origin": origin.as_str(), "size": size, "root": root.to_string() })
}
