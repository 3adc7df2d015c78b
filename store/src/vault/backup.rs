//! The vault's own backup: one file, made anew again and again and after every erasure, so that
//! no key lives longer in it than in the vault.

use super::table::{create_private, engine};
use super::{KeyVault, VaultError};
use crate::file;
use std::io::{Seek, Write};
use std::path::Path;

/// Bytes that are overwritten at a time.
const OVERWRITTEN_AT_ONCE: usize = 64 * 1024;

impl KeyVault {
    /// Writes the vault as it is into a file of its own, in the place of the one before, whose
    /// bytes are overwritten once the new one is there. On disk (fsync) when it returns.
    ///
    /// # Errors
    /// The vault or the file. What was there is there still, whole.
    pub async fn back_up(&self, path: &Path) -> Result<(), VaultError> {
        let mut connection = self.connection.lock().await;
        let before = open_before(path)?;
        file::make_whole(path, async |unfinished| {
            create_private(unfinished).map_err(|error| file::io_error(unfinished, &error))?;
            let name = unfinished.to_str().ok_or_else(|| crate::OpenError::Io {
                path: unfinished.to_owned(),
                reason: "the name is not in UTF-8".to_owned(),
            })?;
            // It may write into a file that is there and empty, and asks nobody to make one.
            let written = sqlx::query("VACUUM INTO ?").bind(name.to_owned());
            written.execute(&mut *connection).await.map_err(|error| crate::OpenError::Engine {
                path: unfinished.to_owned(),
                reason: engine(error).to_string(),
            })?;
            Ok(())
        })
        .await?;
        match before {
            Some(file) => Ok(overwrite(file).map_err(|error| file::io_error(path, &error))?),
            None => Ok(()),
        }
    }
}

fn open_before(path: &Path) -> Result<Option<std::fs::File>, crate::OpenError> {
    match std::fs::OpenOptions::new().write(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file::io_error(path, &error)),
    }
}

/// What has lost its name is overwritten in its place; whether the disk underneath keeps older
/// copies of a block is beyond us.
fn overwrite(mut file: std::fs::File) -> std::io::Result<()> {
    let zeros = vec![0; OVERWRITTEN_AT_ONCE];
    let mut left = file.metadata()?.len();
    file.rewind()?;
    while left > 0 {
        let part = zeros.len().min(usize::try_from(left).unwrap_or(zeros.len()));
        file.write_all(&zeros[..part])?;
        left -= part as u64;
    }
    file.sync_all()
}
