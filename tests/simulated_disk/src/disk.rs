//! The folders that are watched, the calls on their files, and which of them fail.

use crate::history::{File, FileId, HandleId, History, Operation};
use crate::vfs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Every disk of this process.
static WATCHED: Mutex<Vec<Arc<Disk>>> = Mutex::new(Vec::new());

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The device answers with an error: a write may be in by half; after a sync, what it was to
    /// hold for is lost, unless it is written again.
    Device,
    /// The same at a sync, and nowhere else.
    Sync,
    /// No space is left: writes fail, the rest goes on.
    Full,
}

/// Calls that fail.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// None before this one, counted from the first call on a watched file.
    pub first_call: u64,
    /// How many of those that can fail so.
    pub calls: u64,
    /// How.
    pub kind: FaultKind,
}

/// A folder whose SQLite files are watched; until this is dropped.
#[derive(Debug)]
pub struct SimulatedDisk {
    disk: Arc<Disk>,
}

impl SimulatedDisk {
    /// Watches the files of a folder that are opened from now on.
    pub fn beneath(folder: &Path) -> Self {
        Self::failing(folder, None)
    }

    /// The same, and some calls fail.
    pub fn failing(folder: &Path, fault: Option<Fault>) -> Self {
        vfs::register();
        // As SQLite names its files.
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let mut state = State { fault, ..State::default() };
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            state.see(name, std::fs::read(entry.path()).ok());
        }
        let disk = Arc::new(Disk { folder, state: Mutex::new(state) });
        lock(&WATCHED).push(Arc::clone(&disk));
        Self { disk }
    }

    /// Notes that somebody was told that something is durable.
    pub fn acknowledged(&self, number: u64) {
        self.disk.state().history.operations.push(Operation::Acknowledged(number));
    }

    /// No call fails any more.
    pub fn mend(&self) {
        self.disk.state().fault = None;
    }

    /// Whether a call has failed.
    pub fn has_failed(&self) -> bool {
        self.disk.state().has_failed
    }

    /// What happened so far.
    pub fn history(&self) -> History {
        self.disk.state().history.clone()
    }
}

impl Drop for SimulatedDisk {
    fn drop(&mut self) {
        lock(&WATCHED).retain(|disk| !Arc::ptr_eq(disk, &self.disk));
    }
}

#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    history: History,
    /// The files that are there now, by name.
    present: BTreeMap<String, FileId>,
    /// Syncs that failed, by file: each open file is told of those since it was told last.
    failed_syncs: BTreeMap<FileId, u64>,
    /// Files whose names were synced.
    named: BTreeSet<FileId>,
    handles: usize,
    calls: u64,
    fault: Option<Fault>,
    has_failed: bool,
}

/// What SQLite asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write,
    Truncate,
    Sync,
}

/// An open file of a watched folder.
#[derive(Debug)]
pub(crate) struct Handle {
    disk: Arc<Disk>,
    file: FileId,
    id: HandleId,
    /// A write-ahead log is one.
    is_journal: bool,
    /// Failed syncs of the file that this one has been told of.
    told: u64,
}

impl State {
    /// The file of a name, which is a new one where none is there.
    fn see(&mut self, name: String, found: Option<Vec<u8>>) -> FileId {
        if let Some(file) = self.present.get(&name) {
            return *file;
        }
        let file = FileId(self.history.files.len());
        let created = self.history.operations.len();
        self.history.files.push(File { name: name.clone(), found, created });
        self.present.insert(name, file);
        file
    }
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// The disk of a file and its name there, if its folder is watched.
fn watched(path: &Path) -> Option<(Arc<Disk>, String)> {
    let name = path.file_name()?.to_str()?.to_owned();
    let folder = path.parent()?;
    let disks = lock(&WATCHED);
    let disk = disks.iter().find(|disk| disk.folder == folder)?;
    Some((Arc::clone(disk), name))
}

/// What `path` holds before it is opened; to be asked before.
pub(crate) fn found(path: &Path) -> Option<Vec<u8>> {
    watched(path)?;
    std::fs::read(path).ok()
}

/// Notes that a file was opened.
pub(crate) fn opened(path: &Path, found: Option<Vec<u8>>, is_journal: bool) -> Option<Handle> {
    let (disk, name) = watched(path)?;
    let mut state = disk.state();
    let file = state.see(name, found);
    state.handles += 1;
    let id = HandleId(state.handles);
    let told = state.failed_syncs.get(&file).copied().unwrap_or(0);
    drop(state);
    Some(Handle { disk, file, id, is_journal, told })
}

/// Notes that a file was deleted.
pub(crate) fn deleted(path: &Path, is_durable: bool) {
    let Some((disk, name)) = watched(path) else { return };
    let mut state = disk.state();
    if let Some(file) = state.present.remove(&name) {
        state.history.operations.push(Operation::Delete { file, is_durable });
    }
}

impl Handle {
    /// How this call fails, if it does.
    pub(crate) fn fault(&self, call: Call) -> Option<FaultKind> {
        let mut state = self.disk.state();
        let number = state.calls;
        state.calls += 1;
        let fault = state.fault.as_mut()?;
        let may_fail = match fault.kind {
            FaultKind::Device => true,
            FaultKind::Sync => call == Call::Sync,
            FaultKind::Full => call == Call::Write,
        };
        if number < fault.first_call || fault.calls == 0 || !may_fail {
            return None;
        }
        fault.calls -= 1;
        let kind = fault.kind;
        state.has_failed = true;
        Some(kind)
    }

    /// Writes with `write`, which says whether it did, and notes it: in one step, so that the
    /// history has the order of the disk.
    pub(crate) fn write(&self, offset: u64, bytes: &[u8], write: impl FnOnce() -> bool) {
        let mut state = self.disk.state();
        if write() {
            let (file, bytes) = (self.file, bytes.to_vec());
            state.history.operations.push(Operation::Write { file, offset, bytes });
        }
    }

    /// The same for a new size.
    pub(crate) fn truncate(&self, size_bytes: u64, truncate: impl FnOnce() -> bool) {
        let mut state = self.disk.state();
        if truncate() {
            state.history.operations.push(Operation::Truncate { file: self.file, size_bytes });
        }
    }

    /// Notes a sync; answers whether it succeeded. Others may write while it is under way: for
    /// what they write it does not hold.
    pub(crate) fn sync(&mut self, fails: bool) -> bool {
        let covers = self.disk.state().history.operations.len();
        std::thread::yield_now();
        let mut state = self.disk.state();
        let (file, handle) = (self.file, self.id);
        let failed = state.failed_syncs.entry(file).or_default();
        if fails {
            *failed += 1;
        }
        // As Linux does: who has the file open is told of a failure at his next sync, once, which
        // brings to the disk whatever was written since.
        let is_told = *failed > self.told;
        self.told = *failed;
        if fails || is_told {
            let loses = fails;
            state.history.operations.push(Operation::SyncFailed { file, handle, covers, loses });
            return false;
        }
        // SQLite syncs the folder with a new journal, and with nothing else.
        let with_names = self.is_journal && state.named.insert(file);
        state.history.operations.push(Operation::Sync { file, handle, covers, with_names });
        true
    }
}

/// A test that failed with a lock in hand has been reported already.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
