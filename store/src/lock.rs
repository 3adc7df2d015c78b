//! The lock on the data folder: one writing process at a time. Advisory, and held by the
//! kernel for an open file, so a process that dies lets go of it.

use crate::file::{OpenError, io_error};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Name of the lock file in the data folder.
const LOCK_FILE: &str = "lock";
/// Most bytes read from a lock file to say who holds it.
const HOLDER_BYTES_MAX: u64 = 100;

/// Held while a process may write to the data folder; let go on drop.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock or says who has it; never waits.
    pub(crate) fn acquire(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(LOCK_FILE);
        let open =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = match open {
            Ok(file) => file,
            Err(error) => return Err(io_error(&path, &error)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only a hint: an unreadable one is an empty one.
                let _ = file.take(HOLDER_BYTES_MAX).read_to_string(&mut holder);
                return Err(OpenError::Locked { path, holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(io_error(&path, &error)),
        }
        let note = format!("process {}\n", std::process::id());
        let written = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(note.as_bytes()));
        match written {
            Ok(()) => Ok(Self { _file: file }),
            Err(error) => Err(io_error(&path, &error)),
        }
    }
}
