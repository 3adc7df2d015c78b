//! Which engine keeps a log: chosen by an address, opened with the folder that belongs to it.

use crate::StoreError;
use crate::file::{OpenError, io_error};
#[cfg(feature = "kurrentdb")]
use crate::kurrentdb::{
    KurrentDbOptions, KurrentDbStore, KurrentDbUrl, KurrentDbUrlError, address::is_kurrentdb_url,
};
use crate::lock::FolderLock;
use crate::port::EventStore;
use crate::port::OpenMode;
use crate::postgres::{PostgresOptions, PostgresStore, PostgresUrl, PostgresUrlError};
use crate::sqlite::{LOG_FILE, SqliteOptions, SqliteStore, integrity};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// Where a log is kept. Keys, tree and read models are in its data folder, whatever it says.
#[derive(Clone, Debug, Default)]
pub enum LogAddress {
    /// `sqlite:`: in the data folder.
    #[default]
    Embedded,
    /// `postgres://…`: in a PostgreSQL database.
    Postgres(PostgresUrl),
    /// `esdb://…`: in KurrentDB.
    #[cfg(feature = "kurrentdb")]
    KurrentDb(KurrentDbUrl),
}

/// A text that says of no engine where it keeps a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogAddressError {
    /// An address of no engine.
    #[error(
        "a log is kept in `sqlite:`, which is the data folder, in `postgres://…`, or in \
         `esdb://…`, where the program was built with the feature `kurrentdb`"
    )]
    UnknownEngine,
    /// Meant for PostgreSQL.
    #[error(transparent)]
    Postgres(#[from] PostgresUrlError),
    /// Meant for KurrentDB.
    #[cfg(feature = "kurrentdb")]
    #[error(transparent)]
    KurrentDb(#[from] KurrentDbUrlError),
}

impl FromStr for LogAddress {
    type Err = LogAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "sqlite:" => Ok(Self::Embedded),
            text if PostgresUrl::is_one(text) => Ok(Self::Postgres(text.parse()?)),
            #[cfg(feature = "kurrentdb")]
            text if is_kurrentdb_url(text) => Ok(Self::KurrentDb(text.parse()?)),
            _ => Err(LogAddressError::UnknownEngine),
        }
    }
}

/// Without a password.
impl fmt::Display for LogAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("sqlite:"),
            Self::Postgres(address) => address.fmt(f),
            #[cfg(feature = "kurrentdb")]
            Self::KurrentDb(address) => address.fmt(f),
        }
    }
}

/// A log that was opened at its address.
#[derive(Debug)]
pub struct OpenedLog {
    engine: Engine,
    /// Keys, tree and read models have one writing process, wherever the log is.
    _lock: Option<FolderLock>,
}

#[derive(Debug)]
enum Engine {
    /// Locks the folder itself.
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
    #[cfg(feature = "kurrentdb")]
    KurrentDb(KurrentDbStore),
}

impl LogAddress {
    /// Opens the log. A writer has the data folder to itself, and makes what is missing.
    pub async fn open(&self, folder: &Path, mode: OpenMode) -> Result<OpenedLog, OpenError> {
        self.open_with(folder, mode, true).await
    }

    /// Opens the log to read it as it lies there: an event that does not hash to its leaf is
    /// handed over, for whoever checks each one by himself and goes on behind the first.
    pub async fn open_to_verify(&self, folder: &Path) -> Result<OpenedLog, OpenError> {
        self.open_with(folder, OpenMode::ReadOnly, false).await
    }

    async fn open_with(
        &self,
        folder: &Path,
        mode: OpenMode,
        verify_reads: bool,
    ) -> Result<OpenedLog, OpenError> {
        let (engine, lock) = match self {
            Self::Embedded => {
                let options = SqliteOptions { verify_reads, ..SqliteOptions::default() };
                (Engine::Sqlite(SqliteStore::open_with(folder, mode, options).await?), None)
            }
            Self::Postgres(address) => {
                let lock = lock_to_write(folder, mode)?;
                let options = PostgresOptions {
                    sole_server: true,
                    verify_reads,
                    ..PostgresOptions::default()
                };
                let store = PostgresStore::open_with(address, mode, options).await?;
                (Engine::Postgres(store), lock)
            }
            #[cfg(feature = "kurrentdb")]
            Self::KurrentDb(address) => {
                let lock = lock_to_write(folder, mode)?;
                let options = KurrentDbOptions { verify_reads, ..KurrentDbOptions::default() };
                let store = KurrentDbStore::open_with(address, folder, mode, options).await?;
                (Engine::KurrentDb(store), lock)
            }
        };
        Ok(OpenedLog { engine, _lock: lock })
    }
}

/// The folder belongs to the log's one writing process, though the log is elsewhere.
fn lock_to_write(folder: &Path, mode: OpenMode) -> Result<Option<FolderLock>, OpenError> {
    match mode {
        OpenMode::ReadOnly => Ok(None),
        OpenMode::Writer => {
            std::fs::create_dir_all(folder).map_err(|error| io_error(folder, &error))?;
            FolderLock::acquire(folder).map(Some)
        }
    }
}

impl OpenedLog {
    /// The log.
    pub fn store(&self) -> Arc<dyn EventStore> {
        match &self.engine {
            Engine::Sqlite(store) => Arc::new(store.clone()),
            Engine::Postgres(store) => Arc::new(store.clone()),
            #[cfg(feature = "kurrentdb")]
            Engine::KurrentDb(store) => Arc::new(store.clone()),
        }
    }

    /// What it takes up where it is kept, with its indexes; in KurrentDB, which does not tell,
    /// the index of this folder.
    pub async fn size_bytes(&self, folder: &Path) -> Result<u64, StoreError> {
        match &self.engine {
            Engine::Sqlite(_) => {
                let files = [LOG_FILE.to_owned(), format!("{LOG_FILE}-wal")];
                let files = files.iter().filter_map(|name| folder.join(name).metadata().ok());
                Ok(files.map(|file| file.len()).sum())
            }
            Engine::Postgres(store) => store.size_bytes().await,
            #[cfg(feature = "kurrentdb")]
            Engine::KurrentDb(_) => Ok(KurrentDbStore::index_bytes(folder)),
        }
    }

    /// What the engine's own check complains of; nothing where all is well, or where the engine
    /// has none that could be asked.
    pub async fn check_engine(&self, folder: &Path) -> Vec<String> {
        match &self.engine {
            Engine::Sqlite(_) => integrity::check(folder).await,
            Engine::Postgres(_) => Vec::new(),
            #[cfg(feature = "kurrentdb")]
            Engine::KurrentDb(_) => Vec::new(),
        }
    }

    /// Finishes what is queued, and lets go of the log and of the folder.
    pub async fn close(self) {
        match &self.engine {
            Engine::Sqlite(store) => store.close().await,
            Engine::Postgres(store) => store.close().await,
            #[cfg(feature = "kurrentdb")]
            Engine::KurrentDb(store) => store.close().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_its_engine() {
        assert!(matches!("sqlite:".parse(), Ok(LogAddress::Embedded)));
        let address: LogAddress = "postgres://a:secret@b/c".parse().expect("an address");
        assert_eq!(address.to_string(), "postgres://b:5432/c");
        for text in ["", "sqlite", "sqlite:elsewhere.db", "mysql://host/log", "log.db"] {
            assert!(text.parse::<LogAddress>().is_err(), "{text}");
        }
    }

    #[cfg(not(feature = "kurrentdb"))]
    #[test]
    fn an_engine_that_is_not_built_in_is_named() {
        let error = "esdb://a:secret@host".parse::<LogAddress>().expect_err("not built in");
        let said = error.to_string();
        assert!(said.contains("feature `kurrentdb`") && !said.contains("secret"), "{said}");
    }

    #[cfg(feature = "kurrentdb")]
    #[test]
    fn kurrentdb_is_an_engine() {
        let address: LogAddress = "esdb://a:secret@host?tls=false".parse().expect("an address");
        assert_eq!(address.to_string(), "esdb://host:2113");
    }
}
