//! Files that are written for somebody else: whole under their name, or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// What the name of a file ends with until it is whole.
const UNFINISHED: &str = ".part";

/// Writes a file. If that fails half way, nothing is left, and a file that was there before stays.
/// What is no file (a pipe, a device) is written to as it is.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write_all(bytes)?;
    file.finish()
}

/// The same, piece by piece: what is dropped before it was finished leaves nothing.
#[derive(Debug)]
pub(crate) struct WholeFile {
    out: BufWriter<File>,
    /// Its name until it is whole, and the one it gets then; `None` for what is no file.
    names: Option<(PathBuf, PathBuf)>,
}

impl WholeFile {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            let out = File::options().write(true).open(path)?;
            return Ok(Self { out: BufWriter::new(out), names: None });
        }
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(UNFINISHED);
        let unfinished = PathBuf::from(unfinished);
        let out = BufWriter::new(File::create(&unfinished)?);
        Ok(Self { out, names: Some((unfinished, path.to_owned())) })
    }

    /// On disk, under its name.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.out.flush()?;
        if let Some((unfinished, name)) = &self.names {
            self.out.get_ref().sync_all()?;
            fs::rename(unfinished, name)?;
            let name = name.clone();
            self.names = None;
            // The name is the folder's to keep.
            let folder = name.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(())
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some((unfinished, _)) = &self.names {
            // The first error is the one to tell.
            let _ = fs::remove_file(unfinished);
        }
    }
}
