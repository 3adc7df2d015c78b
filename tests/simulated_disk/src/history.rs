//! What was asked of the disk, in order.

/// A file, from its creation to its deletion; another one of the same name is another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub(crate) usize);

/// An open file: a failed sync is told to each of them once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandleId(pub(crate) usize);

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Bytes were written, into the system's memory at least.
    Write {
        /// Where.
        file: FileId,
        /// From which byte on.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// A file was cut, or lengthened by zeros.
    Truncate {
        /// Which.
        file: FileId,
        /// Its size from then on.
        size_bytes: u64,
    },
    /// A sync has succeeded.
    Sync {
        /// Of which file.
        file: FileId,
        /// Asked for through which open file.
        handle: HandleId,
        /// It holds for the operations before this one.
        covers: usize,
        /// Whether the folder was synced with it: then it holds for the names of its files, too.
        with_names: bool,
    },
    /// A sync has failed: what it was to hold for is in the system's memory alone, and no later
    /// sync brings it to the disk. Or it has told of such a one, which another open file met.
    SyncFailed {
        /// Of which file.
        file: FileId,
        /// Asked for through which open file.
        handle: HandleId,
        /// It was to hold for the operations before this one.
        covers: usize,
        /// Whether it loses that, instead of telling of what was lost before.
        loses: bool,
    },
    /// A file was deleted.
    Delete {
        /// Which.
        file: FileId,
        /// Whether the folder was synced with it.
        is_durable: bool,
    },
    /// Somebody was told that something is durable.
    Acknowledged(u64),
}

/// A file of a history.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) name: String,
    /// What was on the disk when it was seen first; `None` where it was made then.
    pub(crate) found: Option<Vec<u8>>,
    /// The operation before which it was seen first.
    pub(crate) created: usize,
}

/// What was asked of the disk since it is watched.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub(crate) files: Vec<File>,
    pub(crate) operations: Vec<Operation>,
}

impl History {
    /// What happened, in order.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The name of a file in its folder.
    pub fn name(&self, file: FileId) -> &str {
        &self.files[file.0].name
    }
}
