//! A device that fails at one call, or is full for a while: what was acknowledged before, during
//! and after it is there, also if the machine crashes afterwards.

use crate::law::{acknowledged, holds, read_log, restore};
use crate::workload::{Asked, append_all, writers};
use crate::{for_each_seed, is_long_run, on_runtime};
use chargebook_simulated_disk::{
    Fault, FaultKind, HandleId, History, Operation, Random, SimulatedDisk,
};
use chargebook_store::{OpenMode, SqliteStore};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use tempfile::TempDir;

/// The calls that fail in turn, from the first on.
const CALLS: u64 = 1_000;
/// Of them, every so many-th is tried where the long run is not asked for.
const STEP: usize = 40;
/// Writes that fail where the disk is full, before there is space again.
const FULL_CALLS: u64 = 12;
/// Who appends: enough for that many calls.
const WRITERS: u64 = 4;
/// Appends of one of them.
const APPENDS_MAX: u64 = 80;
/// Looks at the system's locks before one of ours counts as gone.
const LOOKS_MAX: usize = 50;

fn step() -> usize {
    if is_long_run() { 1 } else { STEP }
}

#[test]
fn a_device_that_fails_once_loses_nothing() {
    for_each_seed("fails_once", 0..CALLS, step(), |call| {
        let fault = Fault { first_call: call, calls: 1, kind: FaultKind::Device };
        on_runtime(check(fault));
    });
}

#[test]
fn a_sync_that_fails_loses_nothing() {
    for_each_seed("sync_that_fails", 0..CALLS, step(), |call| {
        let fault = Fault { first_call: call, calls: 1, kind: FaultKind::Sync };
        on_runtime(check(fault));
    });
}

#[test]
fn a_disk_that_is_full_for_a_while_loses_nothing() {
    for_each_seed("full_for_a_while", 0..CALLS, step(), |call| {
        let fault = Fault { first_call: call, calls: FULL_CALLS, kind: FaultKind::Full };
        on_runtime(check(fault));
    });
}

async fn check(fault: Fault) {
    let mut random = Random::new(fault.first_call);
    let asked = writers(&mut random, WRITERS, APPENDS_MAX);
    let folder = TempDir::new().expect("a folder");
    let disk = SimulatedDisk::failing(folder.path(), Some(fault));
    let store = open(folder.path(), &disk).await;
    append_all(&store, &disk, &asked).await;
    assert!(disk.has_failed(), "the store has not come to call {}", fault.first_call);
    disk.mend();
    let all: Vec<Asked> = asked.iter().flatten().cloned().collect();
    let events: usize = all.iter().map(|asked| asked.append.events.len()).sum();
    assert_eq!(read_log(&store).await.len(), events, "reads go on");
    // What the system lists is no moment's whole while others lock and unlock.
    let is_attached = (0..LOOKS_MAX).any(|_| is_attached(folder.path()));
    assert!(is_attached, "another process would take the shared memory for its own");
    let history = disk.history();
    no_file_is_believed_after_a_failed_sync(&history);
    for end in
        [history.operations().len(), random.below(history.operations().len() as u64) as usize]
    {
        let left = TempDir::new().expect("a folder");
        restore(&history.crash_to_synced(end), left.path());
        holds(left.path(), &all, &acknowledged(&history, end)).await;
    }
    store.close().await;
    drop(disk);
    let everything: BTreeSet<u64> = all.iter().map(|asked| asked.number).collect();
    holds(folder.path(), &all, &everything).await;
}

/// The store; where the fault meets its opening, it opens at the second time.
async fn open(folder: &Path, disk: &SimulatedDisk) -> SqliteStore {
    match SqliteStore::open(folder, OpenMode::Writer).await {
        Ok(store) => store,
        Err(error) => {
            assert!(disk.has_failed(), "{error}");
            disk.mend();
            SqliteStore::open(folder, OpenMode::Writer).await.expect("it opens again")
        }
    }
}

/// Whether this process still holds the lock on the shared memory file that says that somebody is
/// there (byte 128): any descriptor of the file that it closed would have taken it away.
fn is_attached(folder: &Path) -> bool {
    let inode = std::fs::metadata(folder.join("log.db-shm")).expect("it is there").ino();
    let held = std::fs::read_to_string("/proc/locks").expect("readable");
    let process = std::process::id().to_string();
    held.lines().any(|line| {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let [_, "POSIX", _, _, owner, file, first, last] = parts[..] else { return false };
        let is_ours = owner == process && file.ends_with(&format!(":{inode}"));
        let bytes = first.parse::<u64>().ok().zip(last.parse::<u64>().ok());
        is_ours && bytes.is_some_and(|(first, last)| (first..=last).contains(&128))
    })
}

/// A sync that failed is never followed by another one through the same open file: its success
/// would say nothing of what the first one lost.
fn no_file_is_believed_after_a_failed_sync(history: &History) {
    let mut failed: BTreeMap<HandleId, String> = BTreeMap::new();
    for operation in history.operations() {
        match operation {
            Operation::SyncFailed { file, handle, .. } => {
                failed.insert(*handle, history.name(*file).to_owned());
            }
            Operation::Sync { handle, .. } => {
                assert_eq!(failed.get(handle), None, "synced again through the same open file");
            }
            _ => {}
        }
    }
}
