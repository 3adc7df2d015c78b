//! Crashes at any operation: whatever the disk has kept of what was not synced.

use crate::law::{acknowledged, holds, restore};
use crate::workload::{Asked, append_all, writers};
use crate::{for_each_seed, is_long_run, on_runtime};
use chargebook_simulated_disk::{History, Operation, Random, SimulatedDisk, Survivors};
use chargebook_store::sqlite::SqliteOptions;
use chargebook_store::{OpenMode, SqliteStore};
use std::path::Path;
use tempfile::TempDir;

const SEEDS: u64 = 120;
const SEEDS_LONG: u64 = 2_000;
/// Writers of one seed.
const WRITERS_MAX: u64 = 6;
/// Appends of one of them.
const APPENDS_MAX: u64 = 20;
/// Crashes of one history, each on its own.
const CRASHES: u64 = 3;

#[test]
fn what_was_acknowledged_is_there_after_a_crash() {
    let seeds = if is_long_run() { SEEDS_LONG } else { SEEDS };
    for_each_seed("crash", 0..seeds, 1, |seed| on_runtime(check(seed)));
}

async fn check(seed: u64) {
    let mut random = Random::new(seed);
    let count = 1 + random.below(WRITERS_MAX);
    let asked = writers(&mut random, count, APPENDS_MAX);
    let all: Vec<Asked> = asked.iter().flatten().cloned().collect();
    let folder = TempDir::new().expect("a folder");
    let history = history_of(folder.path(), &asked).await;
    for _ in 0..CRASHES {
        let end = end_of(&history, &mut random);
        let survivors = survivors(&history, end, &mut random);
        let left = TempDir::new().expect("a folder");
        restore(&survivors, left.path());
        holds(left.path(), &all, &acknowledged(&history, end)).await;
    }

    // A crash while the log is being put in order after another one.
    let end = end_of(&history, &mut random);
    let left = TempDir::new().expect("a folder");
    restore(&survivors(&history, end, &mut random), left.path());
    let known = acknowledged(&history, end);
    let history = history_of(left.path(), &[]).await;
    let end = random.below(history.operations().len() as u64 + 1) as usize;
    let left = TempDir::new().expect("a folder");
    restore(&survivors(&history, end, &mut random), left.path());
    holds(left.path(), &all, &known).await;
}

/// What the disk saw while these were appended, and the store was closed.
async fn history_of(folder: &Path, asked: &[Vec<Asked>]) -> History {
    let disk = SimulatedDisk::beneath(folder);
    // The index of the streams, which is written behind, is on its way at every moment.
    let options = SqliteOptions { index_run_appends: 8, ..SqliteOptions::default() };
    let store = SqliteStore::open_with(folder, OpenMode::Writer, options).await.expect("it opens");
    append_all(&store, &disk, asked).await;
    store.close().await;
    disk.history()
}

/// Before any operation, or right after an acknowledgement: the moment at which most is promised.
fn end_of(history: &History, random: &mut Random) -> usize {
    let operations = history.operations();
    if random.percent(50) {
        return random.below(operations.len() as u64 + 1) as usize;
    }
    let is_acknowledged = |operation: &Operation| matches!(operation, Operation::Acknowledged(_));
    let count = operations.iter().filter(|operation| is_acknowledged(operation)).count();
    let chosen = random.below(count as u64) as usize;
    let mut ends = operations.iter().enumerate().filter(|(_, one)| is_acknowledged(one));
    ends.nth(chosen).map_or(operations.len(), |(index, _)| index + 1)
}

fn survivors(history: &History, end: usize, random: &mut Random) -> Survivors {
    if random.percent(25) {
        return history.crash_to_synced(end);
    }
    history.crash(end, random)
}
