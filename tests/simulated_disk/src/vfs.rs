//! The layer between SQLite and the system's files: a VFS (sqlite.org/vfs.html) around the one that
//! SQLite brings along. It is the default of the process; a file outside the watched folders goes
//! through it untouched.
//!
//! The only module with `unsafe` in it. What makes it sound: SQLite gives each file `szOsFile`
//! bytes, in which ours come first and those of the VFS beneath after them; it opens a file before
//! anything else, closes it last, and never uses one from two threads at once.
#![allow(unsafe_code, reason = "SQLite's interface to a file system is C")]

use crate::disk::{self, Call, FaultKind, Handle};
use rusqlite::ffi;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::PathBuf;
use std::sync::Once;

/// What SQLite holds of an open file.
#[repr(C)]
struct Shim {
    base: ffi::sqlite3_file,
    /// From `Box::into_raw`; null where the folder is not watched.
    handle: *mut Handle,
    // The file of the VFS beneath follows.
}

/// Files whose folder SQLite syncs with them.
const JOURNALS: c_int = ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_WAL;

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // The second version has shared memory; the third would map files past us.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Makes it the default VFS; once for a process.
pub(crate) fn register() {
    static ONCE: Once = Once::new();
    // SAFETY: SQLite's own VFS lives as long as the process, and so does what is leaked here.
    ONCE.call_once(|| unsafe {
        assert_eq!(ffi::sqlite3_initialize(), ffi::SQLITE_OK, "SQLite initialises");
        let beneath = ffi::sqlite3_vfs_find(std::ptr::null());
        assert!(!beneath.is_null(), "SQLite has a VFS");
        let mut vfs = *beneath;
        vfs.zName = c"simulated-disk".as_ptr();
        vfs.pNext = std::ptr::null_mut();
        vfs.pAppData = beneath.cast();
        vfs.szOsFile += size_of::<Shim>() as c_int;
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        let registered = ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 1);
        assert_eq!(registered, ffi::SQLITE_OK, "SQLite takes the VFS");
    });
}

/// The path that SQLite names; `None` for a temporary file.
///
/// # Safety
/// `name` is null or a C string.
unsafe fn path_of(name: *const c_char) -> Option<PathBuf> {
    if name.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_str().ok().map(PathBuf::from)
}

/// The VFS that ours stands around.
///
/// # Safety
/// `vfs` is the one that [`register`] made.
unsafe fn beneath(vfs: *mut ffi::sqlite3_vfs) -> *mut ffi::sqlite3_vfs {
    // SAFETY: it points to ours.
    unsafe { (*vfs).pAppData.cast() }
}

/// The file of the VFS beneath.
fn real(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    file.cast::<Shim>().wrapping_add(1).cast()
}

/// Ours of a file.
///
/// # Safety
/// `file` was opened by [`open`] and is not closed, and nobody else uses it meanwhile.
unsafe fn handle<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a mut Handle> {
    // SAFETY: as the caller promises; a handle is a box until it is closed.
    unsafe { (*file.cast::<Shim>()).handle.as_mut() }
}

/// Calls the same method of the file beneath. Only within an `unsafe extern` function of this
/// module: its caller, SQLite, promises what the method needs.
macro_rules! beneath {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let real = real($file);
        // SAFETY: `open` has opened the file beneath, which has set its methods.
        match unsafe { (*(*real).pMethods).$method } {
            // SAFETY: the arguments are SQLite's own.
            Some(method) => unsafe { method(real $(, $argument)*) },
            None => ffi::SQLITE_IOERR,
        }
    }};
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives `szOsFile` bytes and a name that is null or a C string.
    unsafe {
        let shim = file.cast::<Shim>();
        (*shim).base.pMethods = std::ptr::null();
        (*shim).handle = std::ptr::null_mut();
        let path = path_of(name);
        let found = path.as_deref().and_then(disk::found);
        let beneath = beneath(vfs);
        let Some(open) = (*beneath).xOpen else { return ffi::SQLITE_CANTOPEN };
        let opened = open(beneath, name, real(file), flags, out_flags);
        if opened == ffi::SQLITE_OK {
            (*shim).base.pMethods = &METHODS;
            if let Some(handle) =
                path.and_then(|path| disk::opened(&path, found, flags & JOURNALS != 0))
            {
                (*shim).handle = Box::into_raw(Box::new(handle));
            }
        }
        opened
    }
}

unsafe extern "C" fn delete(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_folder: c_int,
) -> c_int {
    // SAFETY: SQLite gives a C string.
    unsafe {
        let beneath = beneath(vfs);
        let Some(delete) = (*beneath).xDelete else { return ffi::SQLITE_IOERR_DELETE };
        let deleted = delete(beneath, name, sync_folder);
        if deleted == ffi::SQLITE_OK
            && let Some(path) = path_of(name)
        {
            disk::deleted(&path, sync_folder != 0);
        }
        deleted
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once; its handle came from `Box::into_raw`.
    unsafe {
        let shim = file.cast::<Shim>();
        let handle = std::mem::replace(&mut (*shim).handle, std::ptr::null_mut());
        if !handle.is_null() {
            drop(Box::from_raw(handle));
        }
    }
    beneath!(file, xClose)
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    amount: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: SQLite's file is open.
    match unsafe { handle(file) }.and_then(|handle| handle.fault(Call::Read)) {
        Some(_) => ffi::SQLITE_IOERR_READ,
        None => beneath!(file, xRead, buffer, amount, offset),
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    data: *const c_void,
    amount: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: SQLite's file is open.
    let Some(handle) = (unsafe { handle(file) }) else {
        return beneath!(file, xWrite, data, amount, offset);
    };
    let fault = handle.fault(Call::Write);
    let amount = match fault {
        None => amount,
        // A device may fail after the first half.
        Some(FaultKind::Device | FaultKind::Sync) => amount / 2,
        Some(FaultKind::Full) => return ffi::SQLITE_FULL,
    };
    // SAFETY: SQLite gives so many bytes.
    let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), amount as usize) };
    let mut written = ffi::SQLITE_OK;
    handle.write(offset.unsigned_abs(), bytes, || {
        written = beneath!(file, xWrite, data, amount, offset);
        written == ffi::SQLITE_OK
    });
    if fault.is_some() { ffi::SQLITE_IOERR_WRITE } else { written }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: SQLite's file is open.
    let Some(handle) = (unsafe { handle(file) }) else {
        return beneath!(file, xTruncate, size);
    };
    if handle.fault(Call::Truncate).is_some() {
        return ffi::SQLITE_IOERR_TRUNCATE;
    }
    let mut truncated = ffi::SQLITE_OK;
    handle.truncate(size.unsigned_abs(), || {
        truncated = beneath!(file, xTruncate, size);
        truncated == ffi::SQLITE_OK
    });
    truncated
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: SQLite's file is open.
    let Some(handle) = (unsafe { handle(file) }) else {
        return beneath!(file, xSync, flags);
    };
    let fails = handle.fault(Call::Sync).is_some();
    // The machine does not crash here, so its own disk may take its time.
    if handle.sync(fails) { ffi::SQLITE_OK } else { ffi::SQLITE_IOERR_FSYNC }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    beneath!(file, xFileSize, size)
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    beneath!(file, xLock, level)
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    beneath!(file, xUnlock, level)
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    beneath!(file, xCheckReservedLock, out)
}

unsafe extern "C" fn file_control(
    file: *mut ffi::sqlite3_file,
    operation: c_int,
    argument: *mut c_void,
) -> c_int {
    beneath!(file, xFileControl, operation, argument)
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    beneath!(file, xSectorSize)
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    beneath!(file, xDeviceCharacteristics)
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    region_bytes: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    beneath!(file, xShmMap, region, region_bytes, extend, out)
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    offset: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    beneath!(file, xShmLock, offset, count, flags)
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    let real = real(file);
    // SAFETY: the file beneath is open; the call is SQLite's own.
    unsafe {
        if let Some(barrier) = (*(*real).pMethods).xShmBarrier {
            barrier(real);
        }
    }
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    beneath!(file, xShmUnmap, delete)
}
